//! Hexadecimal digits, in lower case alone: one text for each value.

use std::fmt;

/// The value of a digit.
pub(crate) fn digit_value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

/// Reads exactly two digits for each of `N` bytes.
pub(crate) fn parse<const N: usize>(text: &str) -> Option<[u8; N]> {
    if text.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        for &digit in pair {
            *byte = *byte << 4 | digit_value(digit)?;
        }
    }
    Some(bytes)
}

/// Writes two digits for each byte.
pub(crate) fn write(formatter: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    bytes
        .iter()
        .try_for_each(|byte| write!(formatter, "{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_right_number_of_lower_case_digits_is_read() {
        assert_eq!(parse("00ff1a"), Some([0, 255, 26]));
        for text in ["00ff1", "00ff1a0", "00FF1A", "00ff1g", "00ff1 ", "0+ff1a"] {
            assert_eq!(parse::<3>(text), None, "{text}");
        }
    }
}
