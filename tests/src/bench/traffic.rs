//! What the callers send. The same requests go to Envoy, as bytes, and to the test host.

use super::population::Population;
use super::seeded::Seeded;
use crate::fixture::EXCHANGE;
use crate::message::Request;
use crate::{Error, Result};

/// A kind of request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Traffic {
    /// Access tokens of 64 callers in turn, each seen before.
    Seen,
    /// Every request its own access token, of the policy's API tokens in turn.
    New,
    /// Access tokens as in [`Traffic::Seen`], on methods whose audience does not hold their callers.
    Refused,
    /// No credential at all.
    NoCredential,
    /// The exchange, with the API tokens of 64 callers in turn.
    Exchange,
    /// The API tokens of 64 callers in turn, on methods: what a filter gets that knows keys and no exchange.
    ApiKeys,
    /// One and the same API token.
    OneApiKey,
}

impl Traffic {
    /// As many requests as it takes for `count` of them: all, if each has its own token, or one round of the callers.
    ///
    /// # Errors
    ///
    /// When an access token cannot be made.
    pub fn plan(
        self,
        population: &Population,
        count: usize,
        padding: usize,
        now: u64,
        entropy: &mut Seeded,
    ) -> Result<Vec<Request>> {
        let places: Vec<usize> = match self {
            Self::New => (0..count).collect(),
            Self::OneApiKey => vec![0],
            _ => population.regulars().collect(),
        };
        let padding = padding_headers(padding);
        places
            .into_iter()
            .enumerate()
            .map(|(number, place)| {
                let credential = self.credential(population, place, now, entropy)?;
                let mut request = self.request(population, number, credential);
                for (name, value) in &padding {
                    request = request.header(name.as_str(), value.as_str());
                }
                Ok(request)
            })
            .collect()
    }

    /// Whether one round of the same requests goes before those that count, so that they are seen ones.
    pub fn repeats(self) -> bool {
        self != Self::New
    }

    /// The status of the filter's right answer.
    pub fn status(self) -> u16 {
        match self {
            Self::Refused => 403,
            Self::NoCredential => 401,
            _ => 200,
        }
    }

    fn credential(
        self,
        population: &Population,
        place: usize,
        now: u64,
        entropy: &mut Seeded,
    ) -> Result<Option<String>> {
        Ok(match self {
            Self::Seen | Self::New | Self::Refused => {
                Some(population.access_token(place, now, entropy)?)
            }
            Self::NoCredential => None,
            Self::Exchange | Self::ApiKeys | Self::OneApiKey => {
                let token = population
                    .api_tokens()
                    .get(place)
                    .ok_or_else(|| Error::Fixture(format!("no API token {place}")))?;
                Some(token.clone())
            }
        })
    }

    /// Eight header fields, the authority included, as a small HTTP client sends them.
    fn request(
        self,
        population: &Population,
        number: usize,
        credential: Option<String>,
    ) -> Request {
        let mut request = match self {
            Self::Exchange => Request::post(EXCHANGE).header("content-length", "0"),
            Self::Refused => Request::get(population.closed_path(number)),
            _ => Request::get(population.open_path(number)),
        };
        request = request.authority(super::population::AUTHORITY);
        if let Some(credential) = credential {
            request = request.bearer(credential);
        }
        request
            .header("user-agent", "inventory-sync/4.2 (linux; x86_64)")
            .header("accept", "application/json")
            .header("accept-encoding", "gzip, deflate")
            .header("accept-language", "en")
            .header("cache-control", "no-cache")
            .header(
                "traceparent",
                "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            )
    }
}

/// So many header fields with 100 bytes of value each.
fn padding_headers(count: usize) -> Vec<(String, String)> {
    (0..count)
        .map(|number| (format!("x-padding-{number:02}"), "p".repeat(100)))
        .collect()
}

/// The request in HTTP/1.1, for a connection that stays open.
pub fn encode(request: &Request) -> Vec<u8> {
    let mut bytes = request.method.clone();
    bytes.push(b' ');
    bytes.extend_from_slice(request.target.as_deref().unwrap_or_default());
    bytes.extend_from_slice(b" HTTP/1.1\r\nhost: ");
    bytes.extend_from_slice(request.authority.as_deref().unwrap_or_default());
    bytes.extend_from_slice(b"\r\n");
    for (name, value) in request.headers.iter() {
        for part in [name, b": ", value, b"\r\n"] {
            bytes.extend_from_slice(part);
        }
    }
    bytes.extend_from_slice(b"\r\n");
    bytes
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::population::Size;
    use super::*;

    fn plan(traffic: Traffic, count: usize, padding: usize) -> Vec<Request> {
        let population = Population::new(Size::SMALL).expect("made");
        traffic
            .plan(
                &population,
                count,
                padding,
                1_800_000_000,
                &mut Seeded::new(3),
            )
            .expect("planned")
    }

    fn credentials(plan: &[Request]) -> BTreeSet<Vec<u8>> {
        plan.iter()
            .filter_map(|request| request.headers.only("authorization"))
            .map(<[u8]>::to_vec)
            .collect()
    }

    #[test]
    fn every_request_has_its_own_token_where_none_was_seen_before() {
        assert_eq!(credentials(&plan(Traffic::New, 500, 0)).len(), 500);
    }

    #[test]
    fn callers_take_turns_where_tokens_are_seen_again() {
        let plan = plan(Traffic::Seen, 500, 0);
        assert_eq!((plan.len(), credentials(&plan).len()), (64, 64));
    }

    #[test]
    fn a_request_has_eight_header_fields_and_the_padding_that_is_asked_for() {
        for (padding, expected) in [(0, 8), (40, 48)] {
            let plan = plan(Traffic::Seen, 1, padding);
            let text = String::from_utf8(encode(&plan[0])).expect("it is text");
            assert!(
                text.starts_with("GET /m42Services/api/service-000/thing-00/4711 HTTP/1.1\r\n")
            );
            assert!(text.ends_with("\r\n\r\n"), "{text}");
            // The request line and the empty line are no fields.
            assert_eq!(text.trim_end().lines().count() - 1, expected, "{text}");
        }
    }
}
