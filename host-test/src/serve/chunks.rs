//! Where a chunked body ends (RFC 9112, section 7.1).

/// Finds the end of a chunked body while its bytes pass; the library decodes them.
#[derive(Debug, Default)]
pub(super) struct Chunks {
    at: At,
}

/// What a run of bytes came to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Progress {
    /// All of it belongs to the body, and more follows.
    More,
    /// The body ends behind so many bytes.
    End(usize),
    /// This is not a chunked body.
    Broken,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum At {
    #[default]
    SizeStart,
    Size(u64),
    /// The rest of the line with a chunk's size.
    Extension(u64),
    Data(u64),
    /// The line end behind a chunk's data.
    DataEnd,
    TrailerStart,
    Trailer,
}

impl Chunks {
    /// Looks at the next bytes.
    pub(super) fn pass(&mut self, bytes: &[u8]) -> Progress {
        let mut index = 0;
        while let Some(byte) = bytes.get(index) {
            if let At::Data(left) = self.at {
                let here = bytes.len() - index;
                let skipped = usize::try_from(left).map_or(here, |left| left.min(here));
                index += skipped;
                let left = left - skipped as u64;
                self.at = if left == 0 {
                    At::DataEnd
                } else {
                    At::Data(left)
                };
                continue;
            }
            index += 1;
            self.at = match (self.at, *byte) {
                (At::SizeStart, digit) => match hexadecimal(digit) {
                    Some(value) => At::Size(value),
                    None => return Progress::Broken,
                },
                (At::Size(size), byte) => match (hexadecimal(byte), byte) {
                    (Some(value), _) => match size.checked_mul(16) {
                        Some(size) => At::Size(size + value),
                        None => return Progress::Broken,
                    },
                    (None, b'\n') => after_size(size),
                    (None, b'\r' | b';' | b' ' | b'\t') => At::Extension(size),
                    _ => return Progress::Broken,
                },
                (At::Extension(size), b'\n') => after_size(size),
                (At::DataEnd, b'\n') => At::SizeStart,
                (At::DataEnd | At::TrailerStart, b'\r') => self.at,
                (At::DataEnd, _) => return Progress::Broken,
                (At::TrailerStart, b'\n') => return Progress::End(index),
                (At::Trailer, b'\n') => At::TrailerStart,
                (At::TrailerStart, _) => At::Trailer,
                (unchanged, _) => unchanged,
            };
        }
        Progress::More
    }
}

fn after_size(size: u64) -> At {
    if size == 0 {
        At::TrailerStart
    } else {
        At::Data(size)
    }
}

fn hexadecimal(byte: u8) -> Option<u64> {
    char::from(byte).to_digit(16).map(u64::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_found_however_the_bytes_come() {
        for body in [
            "3\r\nabc\r\n0\r\n\r\n",
            "A;x=\"y\"\r\n0123456789\r\n1\r\n\n\r\n0\r\nx-t: 1\r\ny: 2\r\n\r\n",
            "0\r\n\r\n",
        ] {
            let bytes = format!("{body}GET / HTTP/1.1");
            assert_eq!(
                Chunks::default().pass(bytes.as_bytes()),
                Progress::End(body.len())
            );
            let mut chunks = Chunks::default();
            let (last, most) = body.as_bytes().split_last().expect("not empty");
            for byte in most {
                assert_eq!(chunks.pass(&[*byte]), Progress::More);
            }
            assert_eq!(chunks.pass(&[*last]), Progress::End(1));
        }
    }

    #[test]
    fn what_is_no_chunk_is_told_apart() {
        for body in ["x", "\r\n", "1\r\nab", "3z\r\n", "fffffffffffffffff\r\n"] {
            assert_eq!(
                Chunks::default().pass(body.as_bytes()),
                Progress::Broken,
                "{body:?}"
            );
        }
    }
}
