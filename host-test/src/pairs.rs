//! The encoding in which header maps cross the ABI.

use crate::headers::HeaderMap;

/// Envoy refuses bigger maps from a guest, silently: it takes them for empty (proxy-wasm-cpp-host `pairs_util.cc`).
const MAX_PAIRS_BYTES: usize = 1024 * 1024;
/// The same, for the number of pairs.
const MAX_PAIRS: usize = 1024;

/// Encodes a map: count, lengths, then names and values each with a zero byte behind.
pub(crate) fn encode(map: &HeaderMap) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(4 + map.len() * 10 + map.byte_size());
    bytes.extend_from_slice(&length_word(map.len()));
    for (name, value) in map.iter() {
        bytes.extend_from_slice(&length_word(name.len()));
        bytes.extend_from_slice(&length_word(value.len()));
    }
    for (name, value) in map.iter() {
        bytes.extend_from_slice(name);
        bytes.push(0);
        bytes.extend_from_slice(value);
        bytes.push(0);
    }
    bytes
}

/// Encodes pairs of any kind in the same way.
pub(crate) fn encode_pairs(pairs: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = length_word(pairs.len()).to_vec();
    for (name, value) in pairs {
        bytes.extend_from_slice(&length_word(name.len()));
        bytes.extend_from_slice(&length_word(value.len()));
    }
    for part in pairs.iter().flat_map(|(name, value)| [name, value]) {
        bytes.extend_from_slice(part);
        bytes.push(0);
    }
    bytes
}

/// Decodes a map that a guest sent. Anything malformed or too big is an empty map, without an error: that is how Envoy
/// answers it, and a guest that sends 1,025 headers has to find out here.
pub(crate) fn decode(bytes: &[u8]) -> Vec<(&[u8], &[u8])> {
    if bytes.len() > MAX_PAIRS_BYTES {
        return Vec::new();
    }
    try_decode(bytes).unwrap_or_default()
}

/// Whether a map that is not empty would be taken for an empty one.
pub(crate) fn is_refused(bytes: &[u8]) -> bool {
    !bytes.is_empty() && (bytes.len() > MAX_PAIRS_BYTES || try_decode(bytes).is_none())
}

fn try_decode(bytes: &[u8]) -> Option<Vec<(&[u8], &[u8])>> {
    let (count, mut lengths) = split_word(bytes)?;
    if count > MAX_PAIRS {
        return None;
    }
    let mut data = lengths.get(count * 8..)?;
    let mut pairs = Vec::with_capacity(count);
    for _ in 0..count {
        let (name_length, rest) = split_word(lengths)?;
        let (value_length, rest) = split_word(rest)?;
        lengths = rest;
        let name = split_text(&mut data, name_length)?;
        let value = split_text(&mut data, value_length)?;
        pairs.push((name, value));
    }
    data.is_empty().then_some(pairs)
}

fn split_word(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (word, rest) = bytes.split_first_chunk::<4>()?;
    Some((usize::try_from(u32::from_le_bytes(*word)).ok()?, rest))
}

fn split_text<'a>(data: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (text, rest) = data.split_at_checked(length)?;
    let (&terminator, rest) = rest.split_first()?;
    *data = rest;
    (terminator == 0).then_some(text)
}

fn length_word(length: usize) -> [u8; 4] {
    // No header map of a test comes near 4 GiB; one that did would be refused by the guest's memory first.
    u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_is_decoded_again() {
        let map: HeaderMap = [(b"a".as_slice(), b"\xff\0".as_slice()), (b"b", b"")]
            .into_iter()
            .collect();
        let bytes = encode(&map);
        assert_eq!(decode(&bytes).into_iter().collect::<HeaderMap>(), map);
        assert_eq!(&bytes[..12], [2, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0]);
    }

    #[test]
    fn a_map_with_a_byte_too_many_or_too_few_is_taken_for_empty() {
        let mut bytes = encode(&[("a", "1")].into_iter().collect());
        assert_eq!(decode(&bytes[..bytes.len() - 1]), []);
        bytes.push(0);
        assert_eq!(decode(&bytes), []);
        assert_eq!(decode(&[0xff; 64]), []);
        assert_eq!(decode(&[]), []);
    }

    #[test]
    fn a_map_of_more_than_1024_pairs_is_taken_for_empty() {
        let map: HeaderMap = (0..1025).map(|n| (n.to_string(), "")).collect();
        assert_eq!(decode(&encode(&map)), []);
        let map: HeaderMap = (0..1024).map(|n| (n.to_string(), "")).collect();
        assert_eq!(decode(&encode(&map)).len(), 1024);
    }
}
