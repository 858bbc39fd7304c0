//! Instants as pages have them.

use postern_core::time::Timestamp;
use serde::{Deserialize, Deserializer, de};

/// `YYYY-MM-DDThh:mm:ssZ`, or milliseconds since 1970.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Instant(pub(crate) Timestamp);

#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Text(String),
    Milliseconds(f64),
}

impl<'de> Deserialize<'de> for Instant {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wrong = "an instant is YYYY-MM-DDThh:mm:ssZ or milliseconds since 1970";
        match Written::deserialize(deserializer) {
            Ok(Written::Text(text)) => Timestamp::parse(&text).map(Self).map_err(de::Error::custom),
            // A cast keeps to the range of the type, and so does the timestamp.
            Ok(Written::Milliseconds(number)) if number >= 0.0 => {
                Ok(Self(Timestamp::from_secs((number / 1000.0) as u64)))
            }
            _ => Err(de::Error::custom(wrong)),
        }
    }
}
