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
        };
        match wire_type {
            0 => field.varint = Some(take_varint(&mut bytes)?),
            1 => drop(take(&mut bytes, 8)?),
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
    fn fields_come_in_their_order() {
        let read = fields(b"\x08\x96\x01\x12\x02ab\x1d1234").expect("a message");
        let read: Vec<_> = read
            .iter()
            .map(|field| (field.number, field.varint, field.bytes))
            .collect();
        let expected = [
            (1, Some(150), None),
            (2, None, Some(&b"ab"[..])),
            (3, None, None),
        ];
        assert_eq!(read, expected);
    }

    #[test]
    fn what_is_no_message_is_none() {
        for bytes in [&b"up"[..], b"\x0a\x05ab", b"\x00", b"\x0f", b"\xff\xff"] {
            assert_eq!(fields(bytes), None, "{bytes:?}");
        }
        assert_eq!(fields(b"").map(|fields| fields.len()), Some(0));
    }
}
