//! As much of Protocol Buffers as the arguments of Envoy's functions need: messages of scalars, strings and messages
//! (protobuf.dev, "Encoding").

/// One field as it stands in a message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Field<'a> {
    pub(crate) number: u64,
    /// The content of a length-delimited field.
    pub(crate) bytes: Option<&'a [u8]>,
    /// The value of a varint.
    pub(crate) varint: Option<u64>,
    /// The bits of a 64-bit field.
    pub(crate) fixed64: Option<u64>,
}

/// The fields of a message in their order; `None` if the bytes are no message.
pub(crate) fn fields(mut bytes: &[u8]) -> Option<Vec<Field<'_>>> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let tag = take_varint(&mut bytes)?;
        let (number, wire_type) = (tag >> 3, tag & 7);
        if number == 0 || number >= 1 << 29 {
            return None;
        }
        let mut field = Field {
            number,
            bytes: None,
            varint: None,
            fixed64: None,
        };
        match wire_type {
            0 => field.varint = Some(take_varint(&mut bytes)?),
            1 => {
                let bits = take(&mut bytes, 8)?.first_chunk::<8>()?;
                field.fixed64 = Some(u64::from_le_bytes(*bits));
            }
            2 => {
                let length = usize::try_from(take_varint(&mut bytes)?).ok()?;
                field.bytes = Some(take(&mut bytes, length)?);
            }
            5 => drop(take(&mut bytes, 4)?),
            // Groups are read by nobody any more, and 6 and 7 are not given out.
            _ => return None,
        }
        fields.push(field);
    }
    Some(fields)
}

/// The last string or bytes under this number; what is not there is empty.
pub(crate) fn last_bytes<'a>(fields: &[Field<'a>], number: u64) -> &'a [u8] {
    fields
        .iter()
        .rev()
        .filter(|field| field.number == number)
        .find_map(|field| field.bytes)
        .unwrap_or_default()
}

/// The last number under this number; what is not there is 0.
pub(crate) fn last_varint(fields: &[Field<'_>], number: u64) -> u64 {
    fields
        .iter()
        .rev()
        .filter(|field| field.number == number)
        .find_map(|field| field.varint)
        .unwrap_or_default()
}

/// Appends a length-delimited field; an empty one is left out, as proto3 does.
pub(crate) fn put_bytes(message: &mut Vec<u8>, number: u8, bytes: &[u8]) {
    if !bytes.is_empty() {
        message.push(number << 3 | 2);
        put_varint(message, u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        message.extend_from_slice(bytes);
    }
}

/// Appends a true; a false is left out, as proto3 does.
pub(crate) fn put_bool(message: &mut Vec<u8>, number: u8, value: bool) {
    if value {
        message.extend_from_slice(&[number << 3, 1]);
    }
}

/// Appends a floating-point number.
pub(crate) fn put_double(message: &mut Vec<u8>, number: u8, value: f64) {
    message.push(number << 3 | 1);
    message.extend_from_slice(&value.to_le_bytes());
}

fn put_varint(message: &mut Vec<u8>, mut value: u64) {
    loop {
        let [low, ..] = value.to_le_bytes();
        value >>= 7;
        if value == 0 {
            message.push(low & 0x7f);
            return;
        }
        message.push(low | 0x80);
    }
}

fn take_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..70).step_by(7) {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(first & 0x7f).checked_shl(shift).unwrap_or(0);
        if first & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

fn take<'a>(bytes: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_come_out_as_they_went_in() {
        let mut message = Vec::new();
        put_bool(&mut message, 1, true);
        put_bytes(&mut message, 2, &[7; 300]);
        put_bytes(&mut message, 3, b"");
        let read = fields(&message).expect("a message");
        assert_eq!(read.len(), 2);
        assert_eq!(last_varint(&read, 1), 1);
        assert_eq!(last_bytes(&read, 2), [7; 300]);
        assert_eq!(last_bytes(&read, 3), b"");
    }

    #[test]
    fn what_is_no_message_is_none() {
        for bytes in [&b"up"[..], b"\x0a\x05ab", b"\x00", b"\x0f", b"\xff\xff"] {
            assert_eq!(fields(bytes), None, "{bytes:?}");
        }
        assert_eq!(fields(b"").map(|fields| fields.len()), Some(0));
    }
}
