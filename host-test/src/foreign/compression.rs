//! `compress` and `uncompress`: zlib (RFC 1950).

use std::io::{Read, Write};

use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;

use crate::status::Status;

/// More than this does not come out of a few bytes by accident. Envoy would go on until its memory is used up.
const MAX_UNCOMPRESSED: u64 = 256 * 1024 * 1024;

pub(super) fn compress(bytes: &[u8]) -> Result<Vec<u8>, Status> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder
        .write_all(bytes)
        .and_then(|()| encoder.finish())
        .map_err(|_| Status::SerializationFailure)
}

/// What follows the compressed bytes is left alone.
pub(super) fn uncompress(bytes: &[u8]) -> Result<Vec<u8>, Status> {
    let mut uncompressed = Vec::new();
    let read = ZlibDecoder::new(bytes)
        .take(MAX_UNCOMPRESSED)
        .read_to_end(&mut uncompressed);
    match read {
        // Nothing at all is no compressed nothing.
        Ok(_) if !bytes.is_empty() => Ok(uncompressed),
        _ => Err(Status::SerializationFailure),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_compressed_comes_back_and_junk_does_not() {
        let text = b"hello hello hello hello hello";
        let compressed = compress(text).expect("compressed");
        assert_eq!(
            compressed, b"x\x9c\xcbH\xcd\xc9\xc9W\xc8\xc0N\x02\0\xa3\x10\x0a\xe5",
            "as Envoy's"
        );
        assert_eq!(uncompress(&compressed), Ok(text.to_vec()));
        let followed = [&compressed[..], b"xx"].concat();
        assert_eq!(uncompress(&followed), Ok(text.to_vec()));
        for junk in [&b"junk"[..], b"", &compressed[..8]] {
            assert_eq!(uncompress(junk), Err(Status::SerializationFailure));
        }
    }
}
