//! Instants and durations in whole seconds, in the one written form that each has.

use std::fmt;
use std::time::{Duration, UNIX_EPOCH};

use serde::{Serialize, Serializer};
use thiserror::Error;

use crate::json::text;

/// An instant in UTC: whole seconds since 1970-01-01T00:00:00Z, at most the last second of the year 9999.
///
/// Written `YYYY-MM-DDThh:mm:ssZ`, which is the subset of RFC 3339 that has one text for each instant.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Timestamp(u64);

impl Timestamp {
    /// 9999-12-31T23:59:59Z: RFC 3339 has no text for a later instant.
    pub const MAX: Self = Self(253_402_300_799);

    /// The instant `secs` seconds after the Unix epoch, or [`Timestamp::MAX`] if that is later.
    #[must_use]
    pub const fn from_secs(secs: u64) -> Self {
        if secs > Self::MAX.0 {
            Self::MAX
        } else {
            Self(secs)
        }
    }

    /// Seconds since the Unix epoch, as in a JWT's `NumericDate` (RFC 7519, 2).
    #[must_use]
    pub const fn as_secs(self) -> u64 {
        self.0
    }

    /// Reads `YYYY-MM-DDThh:mm:ssZ` and nothing else.
    ///
    /// # Errors
    /// [`TimestampError`] for another form of RFC 3339 (fractions, offsets, lower case, a leap second), a date that does
    /// not exist, and a year before 1970.
    pub fn parse(text: &str) -> Result<Self, TimestampError> {
        // `humantime` also reads fractions and `+00:00`, which the length and the last character rule out, and takes
        // second 60 for 59, which would give one instant two texts.
        if text.len() != "YYYY-MM-DDThh:mm:ssZ".len() || !text.ends_with('Z') {
            return Err(TimestampError::Form);
        }
        if text.ends_with(":60Z") {
            return Err(TimestampError::OutOfRange);
        }
        let instant = humantime::parse_rfc3339(text).map_err(|error| match error {
            humantime::TimestampError::OutOfRange => TimestampError::OutOfRange,
            _ => TimestampError::Form,
        })?;
        let since_epoch = instant
            .duration_since(UNIX_EPOCH)
            .map_err(|_| TimestampError::OutOfRange)?;
        Ok(Self::from_secs(since_epoch.as_secs()))
    }

    /// The instant `span` later, at most [`Timestamp::MAX`].
    #[must_use]
    pub const fn saturating_add(self, span: Seconds) -> Self {
        Self::from_secs(self.0.saturating_add(span.0))
    }

    /// The instant `span` earlier, at least the Unix epoch.
    #[must_use]
    pub const fn saturating_sub(self, span: Seconds) -> Self {
        Self(self.0.saturating_sub(span.0))
    }

    /// How long after `earlier` this instant is; zero if it is not later.
    #[must_use]
    pub const fn saturating_since(self, earlier: Self) -> Seconds {
        Seconds(self.0.saturating_sub(earlier.0))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(self.0)).fmt(f)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

text!(
    Timestamp,
    "an instant like \"2027-01-01T00:00:00Z\"",
    Timestamp::parse,
    Self(0)
);

/// Why a text is not a [`Timestamp`].
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum TimestampError {
    /// The text has another form.
    #[error(
        "not an instant of the form YYYY-MM-DDThh:mm:ssZ (UTC, whole seconds), such as 2027-01-01T00:00:00Z"
    )]
    Form,
    /// The form is right, but a part of it has no such value.
    #[error("there is no such date or time between 1970-01-01T00:00:00Z and 9999-12-31T23:59:59Z")]
    OutOfRange,
}

/// A duration in whole seconds.
///
/// Written as numbers with a unit, `s`, `m`, `h` or `d`, such as `90s`, `5m` or `1h30m`.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Seconds(u64);

impl Seconds {
    const MINUTE: u64 = 60;
    const HOUR: u64 = 60 * Self::MINUTE;
    /// 24 hours, whatever a calendar says.
    const DAY: u64 = 24 * Self::HOUR;

    /// `secs` seconds.
    #[must_use]
    pub const fn new(secs: u64) -> Self {
        Self(secs)
    }

    /// The number of seconds.
    #[must_use]
    pub const fn as_secs(self) -> u64 {
        self.0
    }

    /// Reads numbers with units, such as `5m` or `1h30m`.
    ///
    /// # Errors
    /// [`SecondsError`] for an empty text, a number without a unit, a unit other than `s`, `m`, `h` and `d` (so also for
    /// fractions of a second), and more than 2⁶⁴ seconds.
    pub fn parse(text: &str) -> Result<Self, SecondsError> {
        // Not `humantime::parse_duration`: 2.4.0 panics on "18446744073709551615s 500ms 500ms", and it takes `M` for a
        // month of 30.44 days, which looks too much like `m`.
        if text.is_empty() {
            return Err(SecondsError::Empty);
        }
        let mut total: u64 = 0;
        let mut number: Option<u64> = None;
        for character in text.chars() {
            if let Some(digit) = character.to_digit(10) {
                number = number
                    .unwrap_or(0)
                    .checked_mul(10)
                    .and_then(|tens| tens.checked_add(u64::from(digit)))
                    .map(Some)
                    .ok_or(SecondsError::TooLong)?;
                continue;
            }
            let unit = match character {
                's' => 1,
                'm' => Self::MINUTE,
                'h' => Self::HOUR,
                'd' => Self::DAY,
                other => return Err(SecondsError::Unit(other)),
            };
            let count = number.take().ok_or(SecondsError::NumberMissing)?;
            total = count
                .checked_mul(unit)
                .and_then(|span| total.checked_add(span))
                .ok_or(SecondsError::TooLong)?;
        }
        match number {
            None => Ok(Self(total)),
            Some(_) => Err(SecondsError::UnitMissing),
        }
    }
}

impl fmt::Display for Seconds {
    /// One number, in the largest unit that gives a whole one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, suffix) = [(Self::DAY, 'd'), (Self::HOUR, 'h'), (Self::MINUTE, 'm')]
            .into_iter()
            .find(|(unit, _)| self.0 != 0 && self.0.is_multiple_of(*unit))
            .unwrap_or((1, 's'));
        write!(f, "{}{suffix}", self.0 / unit)
    }
}

impl Serialize for Seconds {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

text!(Seconds, "a duration like \"5m\"", Seconds::parse, Self(0));

/// Why a text is not a [`Seconds`].
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum SecondsError {
    /// The text is empty.
    #[error("a duration is empty; write a number and a unit, such as 90s, 5m or 1h30m")]
    Empty,
    /// A number stands without a unit.
    #[error("a duration needs a unit after each number: s, m, h or d, as in 90s or 5m")]
    UnitMissing,
    /// A unit stands without a number.
    #[error("a duration needs a whole number before each unit, as in 90s or 1h30m")]
    NumberMissing,
    /// There is no such unit. Seconds are the smallest.
    #[error(
        "`{0}` is no part of a duration; write whole numbers with s, m, h or d, as in 90s or 1h30m"
    )]
    Unit(char),
    /// More seconds than can be counted.
    #[error("a duration is too long to be counted in seconds")]
    TooLong,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_instant_has_exactly_one_text() {
        for (text, secs) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2000-02-29T12:34:56Z", 951_827_696),
            ("2026-11-01T00:00:00Z", 1_793_491_200),
            ("9999-12-31T23:59:59Z", 253_402_300_799),
        ] {
            assert_eq!(Timestamp::parse(text), Ok(Timestamp::from_secs(secs)));
            assert_eq!(Timestamp::from_secs(secs).to_string(), text);
        }
    }

    #[test]
    fn other_forms_of_rfc_3339_are_refused() {
        for text in [
            "",
            "2027-01-01",
            "2027-01-01T00:00:00",
            "2027-01-01T00:00:00.0Z",
            "2027-01-01T00:00:00+00:00",
            "2027-01-01t00:00:00z",
            "2027-01-01 00:00:00Z",
            " 2027-01-01T00:00:00Z",
            "2027-01-01T00:00:00Z ",
            "2027-01-01T00:00:0éZ",
            "+027-01-01T00:00:00Z",
            "never",
        ] {
            assert_eq!(Timestamp::parse(text), Err(TimestampError::Form), "{text}");
        }
    }

    #[test]
    fn dates_and_times_that_do_not_exist_are_refused() {
        for text in [
            "1969-12-31T23:59:59Z",
            "2026-02-29T00:00:00Z",
            "2027-00-01T00:00:00Z",
            "2027-13-01T00:00:00Z",
            "2027-01-01T24:00:00Z",
            "2016-12-31T23:59:60Z",
        ] {
            assert_eq!(
                Timestamp::parse(text),
                Err(TimestampError::OutOfRange),
                "{text}"
            );
        }
    }

    #[test]
    fn an_instant_past_the_year_9999_is_the_last_one_and_can_be_printed() {
        assert_eq!(
            Timestamp::from_secs(u64::MAX).to_string(),
            "9999-12-31T23:59:59Z"
        );
        assert_eq!(
            Timestamp::MAX.saturating_add(Seconds::new(1)),
            Timestamp::MAX
        );
        assert_eq!(
            Timestamp::from_secs(5).saturating_sub(Seconds::new(9)),
            Timestamp::from_secs(0)
        );
    }

    #[test]
    fn durations_are_numbers_with_units() {
        for (text, secs) in [
            ("0s", 0),
            ("90s", 90),
            ("5m", 300),
            ("1h30m", 5_400),
            ("1d", 86_400),
        ] {
            assert_eq!(Seconds::parse(text), Ok(Seconds::new(secs)), "{text}");
        }
        assert_eq!(Seconds::parse(""), Err(SecondsError::Empty));
        assert_eq!(Seconds::parse("0"), Err(SecondsError::UnitMissing));
        assert_eq!(Seconds::parse("300"), Err(SecondsError::UnitMissing));
        assert_eq!(Seconds::parse("1h30"), Err(SecondsError::UnitMissing));
        assert_eq!(Seconds::parse("m"), Err(SecondsError::NumberMissing));
        assert_eq!(Seconds::parse("5ms"), Err(SecondsError::NumberMissing));
        assert_eq!(Seconds::parse("1.5s"), Err(SecondsError::Unit('.')));
        assert_eq!(Seconds::parse("-5m"), Err(SecondsError::Unit('-')));
        assert_eq!(Seconds::parse("5 m"), Err(SecondsError::Unit(' ')));
        assert_eq!(Seconds::parse("1M"), Err(SecondsError::Unit('M')));
        assert_eq!(
            Seconds::parse("18446744073709551616s"),
            Err(SecondsError::TooLong)
        );
        assert_eq!(
            Seconds::parse("18446744073709551615s1s"),
            Err(SecondsError::TooLong)
        );
        assert_eq!(
            Seconds::parse("18446744073709551615d"),
            Err(SecondsError::TooLong)
        );
    }

    #[test]
    fn json_holds_instants_and_durations_as_strings_of_their_own_form() {
        let instant: Timestamp = serde_json::from_str("\"2027-01-01T00:00:00Z\"").unwrap();
        assert_eq!(
            serde_json::to_string(&instant).unwrap(),
            "\"2027-01-01T00:00:00Z\""
        );
        let span: Seconds = serde_json::from_str("\"5m\"").unwrap();
        assert_eq!(serde_json::to_string(&span).unwrap(), "\"5m\"");

        let error = serde_json::from_str::<Timestamp>("1798761600").unwrap_err();
        assert!(
            error.to_string().contains("2027-01-01T00:00:00Z"),
            "{error}"
        );
        let error = serde_json::from_str::<Seconds>("300").unwrap_err();
        assert!(error.to_string().contains("a duration like"), "{error}");
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_back_as_the_same(secs in any::<u64>()) {
            let instant = Timestamp::from_secs(secs);
            prop_assert_eq!(Timestamp::parse(&instant.to_string()), Ok(instant));
            let span = Seconds::new(secs);
            prop_assert_eq!(Seconds::parse(&span.to_string()), Ok(span));
        }

        #[test]
        fn no_text_makes_the_parsers_panic(text in "\\PC{0,24}|[0-9TZ:.+-]{15,30}|[0-9smhd]{0,40}") {
            let _ = Timestamp::parse(&text);
            let _ = Seconds::parse(&text);
        }
    }
}
