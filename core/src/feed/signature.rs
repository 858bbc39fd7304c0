//! The signatures of a head, which travel in a header beside it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use thiserror::Error;

use super::key::KeyId;

/// The most signatures that are looked at: a key change needs two.
pub const MAX_SIGNATURES: usize = 4;

/// The value of the header `postern-signature`: `KEYID=SIGNATURE`, several of them separated by commas.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Signatures(Vec<(KeyId, [u8; 64])>);

impl Signatures {
    /// The header that carries them.
    pub const HEADER: &'static str = "postern-signature";

    /// Reads the header's value.
    ///
    /// # Errors
    /// [`SignaturesFault`] if one of the entries has another form, or there are none or too many.
    pub fn parse(value: &[u8]) -> Result<Self, SignaturesFault> {
        let text = std::str::from_utf8(value).map_err(|_| SignaturesFault::Form)?;
        let mut signatures = Vec::new();
        for entry in text.split(',').map(str::trim_ascii) {
            let signature = parse_entry(entry).ok_or(SignaturesFault::Form)?;
            if signatures.len() == MAX_SIGNATURES {
                return Err(SignaturesFault::TooMany);
            }
            signatures.push(signature);
        }
        Ok(Self(signatures))
    }

    /// The signatures, each with the name of its key.
    pub fn iter(&self) -> impl Iterator<Item = (KeyId, &[u8; 64])> {
        self.0.iter().map(|(id, signature)| (*id, signature))
    }

    /// One entry of the header's value.
    pub(super) fn write_entry(id: KeyId, signature: &[u8; 64]) -> String {
        format!("{id}={}", URL_SAFE_NO_PAD.encode(signature))
    }
}

fn parse_entry(entry: &str) -> Option<(KeyId, [u8; 64])> {
    let (id, encoded) = entry.split_once('=')?;
    let mut signature = [0; 64];
    let length = URL_SAFE_NO_PAD.decode_slice(encoded, &mut signature).ok()?;
    (length == signature.len()).then_some((KeyId::parse(id)?, signature))
}

/// Why a header's value is not [`Signatures`].
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum SignaturesFault {
    /// An entry is not a key's name, `=` and 86 characters of base64url; or there is no entry.
    #[error("the signature header is not of the form KEYID=SIGNATURE[, KEYID=SIGNATURE]")]
    Form,
    /// More than [`MAX_SIGNATURES`].
    #[error("the signature header has more than {MAX_SIGNATURES} signatures")]
    TooMany,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(number: u8) -> String {
        Signatures::write_entry(KeyId::parse("0011223344556677").unwrap(), &[number; 64])
    }

    #[test]
    fn several_signatures_are_read_in_their_order() {
        let value = format!("{} ,  {}", entry(1), entry(2));
        let signatures = Signatures::parse(value.as_bytes()).unwrap();
        let firsts: Vec<_> = signatures.iter().map(|(_, bytes)| bytes[0]).collect();
        assert_eq!(firsts, [1, 2]);
    }

    #[test]
    fn another_form_and_too_many_are_refused() {
        let whole = entry(1);
        for value in [
            "",
            ",",
            &whole[1..],
            &whole[..whole.len() - 1],
            &format!("{whole},"),
            "a=b",
        ] {
            let fault = Signatures::parse(value.as_bytes());
            assert_eq!(fault, Err(SignaturesFault::Form), "{value}");
        }
        assert_eq!(Signatures::parse(b"\xff"), Err(SignaturesFault::Form));
        let many = vec![whole; MAX_SIGNATURES + 1].join(",");
        assert_eq!(
            Signatures::parse(many.as_bytes()),
            Err(SignaturesFault::TooMany)
        );
    }
}
