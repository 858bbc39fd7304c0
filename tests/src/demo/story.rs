//! What the demo does and shows, step by step.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use postern_core::config::{DEFAULT_KEY_SET_PATH, DEFAULT_OAUTH_PATH};
use postern_core::policy::document::{Document, Forward};
use tempfile::NamedTempFile;

use super::gateway::Gateway;
use super::policy::{self, ALLOWED_PATH, DENIED_PATH, PERSON};
use super::screen::{heading, say, show_request, show_response};
use super::{Arguments, Which};
use crate::Result;
use crate::client::{self, Protocol};
use crate::fixture::{EXCHANGE, HOST, root_key};
use crate::message::{Request, Response};
use crate::upstream::Upstream;

/// The exchange as the documentation of the original system writes it.
fn exchange_target() -> String {
    format!("{EXCHANGE}/?")
}

/// The demo's cast.
pub(super) struct Story {
    gateway: Gateway,
    upstream: Upstream,
    policy: Document,
    folder: PathBuf,
    /// What went otherwise than it should.
    surprises: Vec<String>,
}

impl Story {
    /// Starts upstream and gateway, with the policy as it was before the story.
    pub(super) async fn begin(arguments: &Arguments, folder: &Path) -> Result<Self> {
        let upstream = Upstream::start().await?;
        let policy = policy::before();
        let root_key = root_key("r1")?;
        let config = policy::config(&policy);
        let gateway =
            Gateway::start(arguments, folder, upstream.address(), &root_key, &config).await?;
        println!("Postern, walked through once. Files: {}", folder.display());
        say(&format!(
            "gateway   http://{}  ({})",
            gateway.address()?,
            gateway.name()
        ));
        say(&format!(
            "upstream  http://{}  (an echo)",
            upstream.address()
        ));
        if arguments.gateway == Which::Host {
            say("the same with a real Envoy: cargo xtask demo --gateway envoy");
        }
        Ok(Self {
            gateway,
            upstream,
            policy,
            folder: folder.to_owned(),
            surprises: Vec::new(),
        })
    }

    /// Walks through all steps; whether each went as it should.
    pub(super) async fn walk(&mut self) -> Result<bool> {
        heading(&format!("1. A person for the application: {PERSON}"));
        policy::create_person(&mut self.policy);
        say(r#"policy: persons gains {"id": "ExternalApp", "active": true}"#);

        heading(&format!(
            "2. The audience of one method grants access to {PERSON}"
        ));
        policy::grant(&mut self.policy);
        say(&format!(
            "policy: orders.list, GET {ALLOWED_PATH}, for {PERSON} only"
        ));

        heading(&format!(
            "3. An API token for {PERSON}, good for 30 days; shown here once"
        ));
        let api_token = policy::issue(&mut self.policy, "t-1", 30)?;
        say(&api_token);
        say(&format!(
            "policy: token t-1, {}",
            policy::describe(&self.policy, "t-1")
        ));
        self.load().await?;

        heading("4. The application exchanges it for an access token, and calls the method");
        let request = Request::post(exchange_target()).bearer(&api_token);
        let answer = self.send(&request, 200).await?;
        let access_token = answer.json()?["RawToken"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        self.must(
            !access_token.is_empty(),
            "the exchange answers with RawToken",
        );
        println!();
        let answer = self
            .send(&Request::get(ALLOWED_PATH).bearer(&access_token), 200)
            .await?;
        let echo = answer.json()?;
        self.must(
            echo["identity"]["x-postern-person"] == PERSON,
            "the upstream learns who calls",
        );
        self.must(
            echo["authorization"] == "absent",
            "the upstream gets no token",
        );

        heading("5. A method outside the audience");
        self.send(&Request::get(DENIED_PATH).bearer(&access_token), 403)
            .await?;

        self.client_credentials(&api_token).await?;
        self.service_token(&access_token).await?;

        heading("8. The API token is deactivated: the access token from step 4 is refused at once");
        policy::deactivate(&mut self.policy, "t-1");
        self.load().await?;
        self.send(&Request::get(ALLOWED_PATH).bearer(&access_token), 401)
            .await?;
        self.must(
            self.upstream.received().len() == 3,
            "the three good calls, and no other request, reached the upstream",
        );

        if self.surprises.is_empty() {
            heading("Every step went as it should.");
        } else {
            heading("Not as it should be:");
            for surprise in &self.surprises {
                say(surprise);
            }
        }
        Ok(self.surprises.is_empty())
    }

    async fn client_credentials(&mut self, api_token: &str) -> Result<()> {
        heading("6. The same as any OAuth client does it: the token's id and the token by Basic");
        let pair = STANDARD.encode(format!("t-1:{api_token}"));
        let request = Request::post(DEFAULT_OAUTH_PATH)
            .header("authorization", format!("Basic {pair}"))
            .header("content-type", "application/x-www-form-urlencoded")
            .body("grant_type=client_credentials");
        let answer = self.send(&request, 200).await?.json()?;
        let access_token = answer["access_token"].as_str().unwrap_or_default();
        println!();
        let call = Request::get(ALLOWED_PATH).bearer(access_token);
        self.send(&call, 200).await?;
        Ok(())
    }

    async fn service_token(&mut self, access_token: &str) -> Result<()> {
        heading(
            "7. The service asks for a token of its own, which it verifies with the gateway's public keys",
        );
        policy::forward(&mut self.policy, Forward::Reissue);
        self.load().await?;
        let call = Request::get(ALLOWED_PATH).bearer(access_token);
        let echo = self.send(&call, 200).await?.json()?;
        self.must(
            echo["authorization"] == "present",
            "the upstream gets a token",
        );
        let reached = self.upstream.received();
        let authorization = reached
            .last()
            .and_then(|call| call.headers.text("authorization"));
        self.must(
            authorization.is_some_and(|value| !value.contains(access_token)),
            "it is not the caller's",
        );
        println!();
        let answer = self
            .send(&Request::get(DEFAULT_KEY_SET_PATH), 200)
            .await?
            .json()?;
        self.must(
            answer["keys"][0]["crv"] == "Ed25519",
            "the key set holds the public key",
        );
        Ok(())
    }

    /// Issues a second token and leaves it active, for whoever reads the file.
    pub(super) async fn leave_usable(&mut self, env_file: &Path) -> Result<()> {
        let api_token = policy::issue(&mut self.policy, "t-2", 30)?;
        policy::forward(&mut self.policy, Forward::Strip);
        let config = policy::config(&self.policy);
        self.gateway.load(&self.folder, &config).await?;
        let lines = [
            ("GATEWAY_URL", format!("http://{}", self.gateway.address()?)),
            ("HOST", HOST.to_owned()),
            ("API_TOKEN", api_token),
            ("ALLOWED_PATH", ALLOWED_PATH.to_owned()),
            ("DENIED_PATH", DENIED_PATH.to_owned()),
            ("EXCHANGE_PATH", EXCHANGE.to_owned()),
            (
                "UPSTREAM_URL",
                format!("http://{}", self.upstream.address()),
            ),
        ];
        let text: String = lines
            .iter()
            .map(|(key, value)| format!("{key}={value}\n"))
            .collect();
        // It holds a token, and a temporary file is readable by its owner only.
        let mut file = NamedTempFile::new_in(&self.folder)?;
        std::io::Write::write_all(&mut file, text.as_bytes())?;
        file.persist(env_file).map_err(|error| error.error)?;
        Ok(())
    }

    /// What a reader can try while the demo serves.
    pub(super) fn invite(&self, env_file: &Path) {
        heading("Serving until Ctrl-C. Another API token of the same person is in the file; try:");
        say(&format!("set -a; . {}; set +a", env_file.display()));
        say(
            r#"curl -s -X POST -H "Authorization: Bearer $API_TOKEN" "$GATEWAY_URL$EXCHANGE_PATH""#,
        );
        say(r#"ACCESS_TOKEN=…   # the RawToken of that answer"#);
        say(r#"curl -i -H "Authorization: Bearer $ACCESS_TOKEN" "$GATEWAY_URL$ALLOWED_PATH""#);
        say(r#"curl -i -H "Authorization: Bearer $ACCESS_TOKEN" "$GATEWAY_URL$DENIED_PATH""#);
        say(r#"curl -i "$GATEWAY_URL$ALLOWED_PATH""#);
    }

    async fn load(&mut self) -> Result<()> {
        let config = policy::config(&self.policy);
        self.gateway.load(&self.folder, &config).await?;
        say("the gateway has the new policy, without a restart");
        Ok(())
    }

    async fn send(&mut self, request: &Request, status: u16) -> Result<Response> {
        show_request(request);
        let address: SocketAddr = self.gateway.address()?;
        let answer = client::send(address, Protocol::Http1, request).await?;
        show_response(&answer);
        self.must(
            answer.status == status,
            &format!("status {status}, not {}", answer.status),
        );
        Ok(answer)
    }

    fn must(&mut self, truth: bool, what: &str) {
        if !truth {
            self.surprises.push(what.to_owned());
        }
    }
}
