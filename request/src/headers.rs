//! Decoding a header map as a Proxy-Wasm host hands it over, without a copy and without a way to panic.
//!
//! The encoding (Proxy-Wasm ABI 0.2.1, "serialized map"): the number of pairs, then for each the lengths of name and
//! value, all as little-endian 32-bit numbers; then every name and value, each followed by a zero byte.

use thiserror::Error;

/// A header map in its encoded form, checked once and read in place.
#[derive(Clone, Copy, Debug)]
pub struct HeaderMap<'a> {
    lengths: &'a [[u8; 8]],
    bytes: &'a [u8],
}

/// Why bytes are no header map.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum HeaderMapFault {
    /// A request always has headers: a host that hands over none has failed to.
    #[error("the host handed over an empty header map")]
    Empty,
    /// The bytes end before what their lengths announce.
    #[error("the header map ends too early")]
    Truncated,
    /// Bytes follow after the last pair.
    #[error("bytes follow after the header map's last pair")]
    TrailingBytes,
    /// A name or value is not followed by a zero byte.
    #[error("a name or value of the header map is not followed by a zero byte")]
    Unterminated,
}

impl<'a> HeaderMap<'a> {
    /// Checks the encoding of a whole map. A map without pairs is a fault: it must never read as "no credential".
    pub fn decode(encoded: &'a [u8]) -> Result<Self, HeaderMapFault> {
        let Some((count, rest)) = encoded.split_first_chunk() else {
            return Err(if encoded.iter().all(|&byte| byte == 0) {
                HeaderMapFault::Empty
            } else {
                HeaderMapFault::Truncated
            });
        };
        let count = u32::from_le_bytes(*count) as usize;
        if count == 0 {
            return Err(HeaderMapFault::Empty);
        }
        let table = count.checked_mul(8).ok_or(HeaderMapFault::Truncated)?;
        let (lengths, bytes) = rest
            .split_at_checked(table)
            .ok_or(HeaderMapFault::Truncated)?;
        let (lengths, _) = lengths.as_chunks();

        let mut left = bytes;
        for lengths in lengths {
            let (name, value) = pair_lengths(lengths);
            for length in [name, value] {
                let (_, after) = left
                    .split_at_checked(length)
                    .ok_or(HeaderMapFault::Truncated)?;
                let (&end, after) = after.split_first().ok_or(HeaderMapFault::Truncated)?;
                if end != 0 {
                    return Err(HeaderMapFault::Unterminated);
                }
                left = after;
            }
        }
        if left.is_empty() {
            Ok(Self { lengths, bytes })
        } else {
            Err(HeaderMapFault::TrailingBytes)
        }
    }

    /// The pairs of name and value, in the order in which they came, repeated names included.
    pub fn iter(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + use<'a> {
        let mut left = self.bytes;
        self.lengths.iter().map(move |lengths| {
            let (name, value) = pair_lengths(lengths);
            let mut take = |length: usize| {
                // `decode` has walked the same lengths over the same bytes, so neither default is ever taken.
                let (taken, after) = left.split_at_checked(length).unwrap_or_default();
                left = after.get(1..).unwrap_or_default();
                taken
            };
            (take(name), take(value))
        })
    }
}

/// Encodes pairs as the ABI wants them; what [`HeaderMap::decode`] reads.
pub fn encode<N: AsRef<[u8]>, V: AsRef<[u8]>>(pairs: &[(N, V)]) -> Vec<u8> {
    let number = |length: usize| u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes();
    let mut encoded = number(pairs.len()).to_vec();
    for (name, value) in pairs {
        encoded.extend(number(name.as_ref().len()));
        encoded.extend(number(value.as_ref().len()));
    }
    for (name, value) in pairs {
        for part in [name.as_ref(), value.as_ref()] {
            encoded.extend(part);
            encoded.push(0);
        }
    }
    encoded
}

fn pair_lengths(lengths: &[u8; 8]) -> (usize, usize) {
    let [a, b, c, d, e, f, g, h] = *lengths;
    (
        u32::from_le_bytes([a, b, c, d]) as usize,
        u32::from_le_bytes([e, f, g, h]) as usize,
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn pairs_come_back_in_order_with_repeats_and_any_bytes() {
        let pairs: &[(&[u8], &[u8])] = &[
            (b":path", b"/x"),
            (b"a", b""),
            (b"a", b"\xff\x00b"),
            (b"", b"v"),
        ];
        let encoded = encode(pairs);
        let map = HeaderMap::decode(&encoded).unwrap();
        assert_eq!(map.iter().collect::<Vec<_>>(), pairs);
    }

    #[test]
    fn an_empty_map_is_a_fault_in_each_of_its_spellings() {
        for encoded in [&b""[..], b"\0", b"\0\0\0\0"] {
            assert_eq!(
                HeaderMap::decode(encoded).unwrap_err(),
                HeaderMapFault::Empty
            );
        }
    }

    #[test]
    fn a_map_cut_short_or_with_more_after_it_is_a_fault() {
        let encoded = encode(&[(&b":path"[..], &b"/x"[..]), (b"a", b"b")]);
        for length in 1..encoded.len() {
            assert!(HeaderMap::decode(&encoded[..length]).is_err(), "{length}");
        }
        let longer = [encoded, vec![0]].concat();
        assert_eq!(
            HeaderMap::decode(&longer).unwrap_err(),
            HeaderMapFault::TrailingBytes
        );
    }

    #[test]
    fn a_count_or_length_beyond_the_bytes_is_a_fault() {
        for encoded in [
            &[255; 64][..],
            &[1, 0, 0, 0, 255, 255, 255, 255, 0, 0, 0, 0, 0, 0][..],
        ] {
            assert_eq!(
                HeaderMap::decode(encoded).unwrap_err(),
                HeaderMapFault::Truncated
            );
        }
    }

    #[test]
    fn a_name_that_is_not_terminated_is_a_fault() {
        let mut encoded = encode(&[(b"a", b"b")]);
        let last = encoded.len() - 1;
        encoded[last] = 1;
        assert_eq!(
            HeaderMap::decode(&encoded).unwrap_err(),
            HeaderMapFault::Unterminated
        );
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_decoder_panic(encoded in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(map) = HeaderMap::decode(&encoded) {
                prop_assert!(map.iter().count() > 0);
            }
        }
    }
}
