//! What the demo does and shows, step by step.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use postern_core::config::{DEFAULT_KEY_SET_PATH, DEFAULT_OAUTH_PATH};
use serde_json::{Value, json};

use super::force::arrival;
use super::registry::{ALLOWED_PATH, DENIED_PATH, PERSON};
use super::screen::{heading, say, show_request, show_response};
use super::stage::Stage;
use super::{Arguments, Which};
use crate::Result;
use crate::client::{self, Protocol};
use crate::fixture::{EXCHANGE, HOST};
use crate::message::{Request, Response};

/// The exchange as the documentation of the original system writes it.
fn exchange_target() -> String {
    format!("{EXCHANGE}/?")
}

/// Whether an answer of the echo says that it got a credential.
fn credential_arrived(answer: &Response) -> bool {
    answer
        .json()
        .is_ok_and(|echo| echo["authorization"] == "present")
}

/// The demo's cast.
pub(super) struct Story {
    stage: Stage,
    /// Calls that the gateway has let through.
    let_through: usize,
    /// What went otherwise than it should.
    surprises: Vec<String>,
}

/// A token that was made.
struct Made {
    id: String,
    token: String,
}

impl Story {
    /// Starts admin service, upstream and gateway, with the policy as it was before the story.
    pub(super) async fn begin(arguments: &Arguments, folder: &Path) -> Result<Self> {
        let stage = Stage::set(arguments, folder).await?;
        println!("Postern, walked through once. Files: {}", folder.display());
        say(&format!(
            "admin     http://{}  (its registry: one SQLite file)",
            stage.admin_address
        ));
        say(&format!(
            "gateway   http://{}  ({}, {} workers)",
            stage.gateway()?,
            stage.gateway_name(),
            crate::envoy::CONCURRENCY
        ));
        say(&format!(
            "upstream  http://{}  (an echo)",
            stage.upstream.address()
        ));
        if arguments.gateway == Which::Host {
            say("the same with a real Envoy: cargo xtask demo --gateway envoy");
        }
        let first = stage.first_policy().await?;
        say(&format!(
            "every worker of the gateway has its first policy {} ms after the start",
            first.after.as_millis()
        ));
        Ok(Self {
            stage,
            let_through: 0,
            surprises: Vec::new(),
        })
    }

    /// Walks through all steps; whether each went as it should.
    pub(super) async fn walk(&mut self) -> Result<bool> {
        heading(&format!("1. A person for the application: {PERSON}"));
        let person = json!({"id": PERSON, "name": "External application"});
        self.ask_admin("POST", "/v1/persons", Some(&person), 201)
            .await?;

        heading(&format!(
            "2. The audience of one method, GET {ALLOWED_PATH}, grants access to {PERSON}"
        ));
        let audience = json!({"mode": "restricted", "persons": [PERSON]});
        let path = "/v1/services/orders/methods/list/audience";
        self.ask_admin("PUT", path, Some(&audience), 204).await?;

        let made = self.api_token().await?;
        let access_token = self.exchange_and_call(&made).await?;

        heading("5. A method outside the audience");
        self.send(&Request::get(DENIED_PATH).bearer(&access_token), 403)
            .await?;

        self.client_credentials(&made).await?;
        self.service_token(&access_token).await?;
        self.deactivation(&made, &access_token).await?;

        self.must(
            self.stage.upstream.received().len() == self.let_through,
            "the calls that were let through, and no other request, reached the upstream",
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

    async fn api_token(&mut self) -> Result<Made> {
        heading(&format!(
            "3. An API token for {PERSON}, good for 30 days; shown here once"
        ));
        let changed = Instant::now();
        let made = self.generate("walk").await?;
        say(&made.token);
        let exchange = Request::post(exchange_target()).bearer(&made.token);
        self.in_force(changed, &exchange, false, |answer| answer.status == 200)
            .await?;
        Ok(made)
    }

    async fn exchange_and_call(&mut self, made: &Made) -> Result<String> {
        heading("4. The application exchanges it for an access token, and calls the method");
        let request = Request::post(exchange_target()).bearer(&made.token);
        let answer = self.send(&request, 200).await?.json()?;
        let access_token = answer["RawToken"].as_str().unwrap_or_default().to_owned();
        self.must(
            !access_token.is_empty(),
            "the exchange answers with RawToken",
        );
        println!();
        let echo = self.call(&access_token).await?;
        self.must(
            echo["identity"]["x-postern-person"] == PERSON,
            "the upstream learns who calls",
        );
        self.must(
            echo["authorization"] == "absent",
            "the upstream gets no token",
        );
        Ok(access_token)
    }

    async fn client_credentials(&mut self, made: &Made) -> Result<()> {
        heading("6. The same as any OAuth client does it: the token's id and the token by Basic");
        let pair = STANDARD.encode(format!("{}:{}", made.id, made.token));
        let request = Request::post(DEFAULT_OAUTH_PATH)
            .header("authorization", format!("Basic {pair}"))
            .header("content-type", "application/x-www-form-urlencoded")
            .body("grant_type=client_credentials");
        let answer = self.send(&request, 200).await?.json()?;
        println!();
        self.call(answer["access_token"].as_str().unwrap_or_default())
            .await?;
        Ok(())
    }

    async fn service_token(&mut self, access_token: &str) -> Result<()> {
        heading(
            "7. The service asks for a token of its own, which it verifies with the gateway's public keys",
        );
        let changed = self.forward("reissue").await?;
        let call = Request::get(ALLOWED_PATH).bearer(access_token);
        self.in_force(changed, &call, true, credential_arrived)
            .await?;
        println!();
        let echo = self.call(access_token).await?;
        self.must(
            echo["authorization"] == "present",
            "the upstream gets a token",
        );
        let reached = self.stage.upstream.received();
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

    async fn deactivation(&mut self, made: &Made, access_token: &str) -> Result<()> {
        heading("8. The API token is deactivated: the access token from step 4 is refused, too");
        let changed = Instant::now();
        let path = format!("/v1/tokens/{}/deactivate", made.id);
        self.ask_admin("POST", &path, None, 200).await?;
        let call = Request::get(ALLOWED_PATH).bearer(access_token);
        self.in_force(changed, &call, true, |answer| answer.status == 401)
            .await?;
        println!();
        self.send(&call, 401).await?;
        println!();
        let exchange = Request::post(exchange_target()).bearer(&made.token);
        self.send(&exchange, 401).await?;
        Ok(())
    }

    /// Makes a second token and leaves it active, for whoever reads the file.
    pub(super) async fn leave_usable(&mut self, env_file: &Path) -> Result<()> {
        heading(
            "For whoever goes on: the upstream gets no token again, and there is another API token",
        );
        self.forward("strip").await?;
        println!();
        let changed = Instant::now();
        let made = self.generate("to try with").await?;
        let exchange = Request::post(exchange_target()).bearer(&made.token);
        self.in_force(changed, &exchange, false, |answer| answer.status == 200)
            .await?;
        let lines = [
            ("HOST", HOST.to_owned()),
            ("API_TOKEN", made.token),
            ("TOKEN_ID", made.id),
            ("ALLOWED_PATH", ALLOWED_PATH.to_owned()),
            ("DENIED_PATH", DENIED_PATH.to_owned()),
            ("EXCHANGE_PATH", EXCHANGE.to_owned()),
        ];
        self.stage.write_env(env_file, &lines)
    }

    /// What a reader can try while the demo serves.
    pub(super) fn invite(&self, env_file: &Path) {
        heading("Serving until Ctrl-C. That API token is in the file; try:");
        for line in [
            format!("set -a; . {}; set +a", env_file.display()).as_str(),
            r#"curl -s -X POST -H "Authorization: Bearer $API_TOKEN" "$GATEWAY_URL$EXCHANGE_PATH""#,
            r#"ACCESS_TOKEN=…   # the RawToken of that answer"#,
            r#"curl -i -H "Authorization: Bearer $ACCESS_TOKEN" "$GATEWAY_URL$ALLOWED_PATH""#,
            r#"curl -i -H "Authorization: Bearer $ACCESS_TOKEN" "$GATEWAY_URL$DENIED_PATH""#,
            r#"curl -s -X POST -H "Authorization: Bearer $OPERATOR_CREDENTIAL" "$ADMIN_URL/v1/tokens/$TOKEN_ID/deactivate""#,
            r#"curl -i -H "Authorization: Bearer $ACCESS_TOKEN" "$GATEWAY_URL$ALLOWED_PATH""#,
        ] {
            say(line);
        }
    }

    async fn generate(&mut self, name: &str) -> Result<Made> {
        let asked = json!({"name": name, "person": PERSON, "expires_in": 30});
        let answer = self
            .ask_admin("POST", "/v1/tokens", Some(&asked), 201)
            .await?
            .json()?;
        let text = |member: &str| answer[member].as_str().unwrap_or_default().to_owned();
        Ok(Made {
            id: text("id"),
            token: text("token"),
        })
    }

    /// Changes what the service gets in place of the caller's credential; when that was asked for.
    async fn forward(&mut self, forward: &str) -> Result<Instant> {
        let path = "/v1/services/orders";
        let mut service = self.ask_admin("GET", path, None, 200).await?.json()?;
        service["forward"] = forward.into();
        println!();
        let changed = Instant::now();
        self.ask_admin("PUT", path, Some(&service), 200).await?;
        Ok(changed)
    }

    /// Waits until a change is in force at every worker, and says how long that took.
    async fn in_force(
        &mut self,
        changed: Instant,
        probe: &Request,
        is_call: bool,
        shows: fn(&Response) -> bool,
    ) -> Result<()> {
        let arrival = arrival(self.stage.gateway()?, changed, probe, shows).await?;
        if is_call {
            self.let_through += arrival.good;
        }
        say(&format!(
            "in force at every worker of the gateway after {} ms",
            arrival.after.as_millis()
        ));
        Ok(())
    }

    /// A call that must be let through; the upstream's echo.
    async fn call(&mut self, access_token: &str) -> Result<Value> {
        let request = Request::get(ALLOWED_PATH).bearer(access_token);
        let answer = self.send(&request, 200).await?;
        self.let_through += 1;
        answer.json()
    }

    async fn ask_admin(
        &mut self,
        method: &str,
        path: &str,
        body: Option<&Value>,
        status: u16,
    ) -> Result<Response> {
        let mut request = self.stage.as_operator(Request::new(method, path));
        if let Some(body) = body {
            request = request
                .header("content-type", "application/json")
                .body(body.to_string());
        }
        let address = self.stage.admin_address;
        self.send_to(address, &request, status).await
    }

    async fn send(&mut self, request: &Request, status: u16) -> Result<Response> {
        let address = self.stage.gateway()?;
        self.send_to(address, request, status).await
    }

    async fn send_to(
        &mut self,
        address: SocketAddr,
        request: &Request,
        status: u16,
    ) -> Result<Response> {
        show_request(request);
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
