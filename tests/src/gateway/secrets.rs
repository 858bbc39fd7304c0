//! Every token and key that a gateway was given, was sent or has sent: none may stand in what it leaves behind.

use std::collections::BTreeSet;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use postern_core::derive::{Purpose, derive};
use postern_core::roots::RootKeys;
use serde_json::Value;

use super::Setup;
use crate::cases::find_secrets;
use crate::message::{Headers, Request, Response};
use crate::upstream::Received;

/// Shorter words are no secrets, and would be found everywhere.
const SHORTEST: usize = 16;

/// The secrets of one gateway.
#[derive(Default)]
pub(super) struct Secrets(BTreeSet<String>);

impl fmt::Debug for Secrets {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Secrets({})", self.0.len())
    }
}

impl Secrets {
    /// What a gateway is started with: root keys, the keys that it will derive from them, and what the test knows.
    pub(super) fn of(setup: &Setup) -> Self {
        let mut secrets = Self::default();
        secrets.0.extend(setup.secrets.iter().cloned());
        for roots in setup.environment.values() {
            for root in roots.split(',') {
                secrets.add_root(root.split_once(':').map_or(root, |(_, secret)| secret));
            }
            for config in setup.plugins.values() {
                secrets.add_derived(roots, config);
            }
        }
        secrets
    }

    /// The keys that a gateway with these root keys derives for a plugin configuration.
    pub(super) fn add_derived(&mut self, roots: &str, config: &str) {
        let (Ok(roots), Ok(config)) = (
            RootKeys::parse(roots),
            serde_json::from_str::<Value>(config),
        ) else {
            // Neither has keys: the gateway refuses such roots, and such a configuration.
            return;
        };
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let keys = config["policy"]["inline"]["keys"].as_array();
        for key in keys.into_iter().flatten() {
            let Some(root) = roots.get(&text(&key["root"])) else {
                continue;
            };
            for purpose in [Purpose::Access, Purpose::Service, Purpose::Local] {
                let (issuer, audience) = (text(&config["issuer"]), text(&config["token_audience"]));
                if let Ok(key) = derive(root, &issuer, &audience, &text(&key["kid"]), purpose) {
                    self.add_key(key.expose());
                }
            }
        }
    }

    pub(super) fn add_request(&mut self, request: &Request) {
        self.add_tokens(request.target.as_deref().unwrap_or_default());
        self.add_headers(&request.headers);
        self.add_headers(&request.trailers);
        let body = request.body.as_deref().unwrap_or_default();
        self.add_tokens(body);
        for parameter in body.split(|byte| *byte == b'&') {
            for name in [b"subject_token=".as_slice(), b"client_secret="] {
                self.add(parameter.strip_prefix(name).unwrap_or_default());
            }
        }
    }

    pub(super) fn add_response(&mut self, response: &Response) {
        self.add_headers(&response.headers);
        self.add_tokens(&response.body);
    }

    /// What reached the upstream: a service token above all.
    pub(super) fn add_received(&mut self, received: &Received) {
        self.add_headers(&received.headers);
    }

    /// Where any of them stands in a record.
    pub(super) fn found_in(&self, record: &str) -> Vec<String> {
        let secrets: Vec<String> = self.0.iter().cloned().collect();
        find_secrets(record, &secrets)
    }

    fn add_root(&mut self, secret: &str) {
        self.add(secret.trim().as_bytes());
        if let Ok(bytes) = URL_SAFE_NO_PAD.decode(secret.trim()) {
            self.add_key(&bytes);
        }
    }

    /// In the forms in which bytes could be written somewhere.
    fn add_key(&mut self, key: &[u8]) {
        let hexadecimal: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
        for text in [
            URL_SAFE_NO_PAD.encode(key),
            STANDARD.encode(key),
            hexadecimal,
        ] {
            self.add(text.as_bytes());
        }
    }

    fn add_headers(&mut self, headers: &Headers) {
        for (_, value) in headers.iter() {
            self.add_tokens(value);
        }
        for credential in headers.all("authorization") {
            let mut words = credential.splitn(2, |byte| *byte == b' ');
            let scheme = words.next().unwrap_or_default();
            let token = words.next().unwrap_or_default();
            self.add(token);
            if scheme.eq_ignore_ascii_case(b"basic")
                && let Ok(client) = STANDARD.decode(token)
            {
                let colon = client.iter().position(|byte| *byte == b':');
                self.add(colon.map_or(&client, |colon| &client[colon + 1..]));
            }
        }
    }

    /// Whatever looks like an API token or a JWT, wherever it stands.
    fn add_tokens(&mut self, text: &[u8]) {
        let of_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-.".contains(byte);
        for word in text.split(|byte| !of_token(byte)) {
            let dots = word.iter().filter(|byte| **byte == b'.').count();
            if word.starts_with(b"pst_") || (word.starts_with(b"eyJ") && dots == 2) {
                self.add(word);
            }
        }
    }

    fn add(&mut self, secret: &[u8]) {
        // What is not text cannot be looked for in text.
        if secret.len() >= SHORTEST
            && let Ok(secret) = std::str::from_utf8(secret)
        {
            self.0.insert(secret.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{World, config};
    use std::collections::BTreeMap;

    fn found(secrets: &Secrets, record: &str) -> bool {
        !secrets.found_in(record).is_empty()
    }

    #[test]
    fn a_token_is_found_wherever_it_was_sent() {
        let token = |letter: &str| format!("pst_{}", letter.repeat(40));
        let jwt = |letter: &str| format!("eyJ{0}.{0}.{0}", letter.repeat(9));
        let mut secrets = Secrets::default();
        secrets.add_request(
            &Request::post(format!("/x?access_token={}", token("a")))
                .bearer("imported-from-elsewhere")
                .header(
                    "authorization",
                    format!("Basic {}", STANDARD.encode("id:a secret of 18 b")),
                )
                .header("x-other", jwt("b"))
                .body(format!("grant_type=x&subject_token={}", token("c"))),
        );
        secrets.add_response(&Response {
            status: 200,
            headers: Headers::default(),
            body: format!(r#"{{"RawToken":"{}"}}"#, jwt("d")).into(),
            trailers: Headers::default(),
        });

        for secret in [
            &token("a"),
            "imported-from-elsewhere",
            "a secret of 18 b",
            &jwt("b"),
            &token("c"),
            &jwt("d"),
        ] {
            assert!(found(&secrets, &format!("line\nx={secret};\n")), "{secret}");
        }
        assert!(!found(&secrets, "grant_type Bearer authorization"));
    }

    #[test]
    fn root_keys_and_what_is_derived_from_them_are_found() {
        let world = World::new().expect("a world");
        let setup = Setup {
            wasm: std::path::PathBuf::new(),
            plugins: BTreeMap::from([("gateway".to_owned(), config(&world.policy).to_string())]),
            environment: world.environment(),
            clock: 0,
            failure_policy: crate::envoy::FailurePolicy::Reload,
            allow_on_headers_stop_iteration: false,
            follow_redirects: false,
            denied_host_calls: Vec::new(),
            secrets: Vec::new(),
        };
        let secrets = Secrets::of(&setup);

        let (_, root) = world.root_key.split_once(':').expect("a root key");
        let signing = world.signer().expect("a signer").encodings();
        for secret in [root, &signing[0], &signing[1]] {
            assert!(found(&secrets, &format!("the key {secret} leaked")));
        }
    }
}
