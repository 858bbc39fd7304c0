//! The service over a real socket.

use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::header::HeaderMap;
use hyper::{Method, Request};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use postern_admin::entropy::Entropy;
use postern_admin::registry::callers::OperatorRole;
use postern_admin::serve::serve;
use postern_core::feed::{HeadKey, PublicKeys};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::setting::Setting;

/// A service that runs.
pub(crate) struct Service {
    pub(crate) setting: Setting,
    pub(crate) keys: PublicKeys,
    base: String,
    client: Client<HttpConnector, Full<Bytes>>,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<std::io::Result<()>>,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name).map(|value| value.to_str());
        value.and_then(Result::ok).unwrap_or_default()
    }
}

impl Service {
    pub(crate) async fn new() -> Self {
        let setting = Setting::new().await;
        let key = HeadKey::generate(&mut Entropy).expect("a key");
        let keys = PublicKeys::new(vec![key.public_key()]);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let base = format!("http://{}", listener.local_addr().expect("an address"));
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(serve(
            setting.registry.clone(),
            vec![key],
            listener,
            async move {
                // A sender that is gone says the same.
                let _stopped = stopped.await;
            },
        ));
        Self {
            setting,
            keys,
            base,
            client: Client::builder(TokioExecutor::new()).build_http(),
            stop: Some(stop),
            task,
        }
    }

    pub(crate) async fn operator(&self, id: &str, role: OperatorRole) -> String {
        let id = id.to_owned();
        let added = self
            .setting
            .change(move |change| Box::pin(async move { change.add_operator(&id, role).await }));
        added.await.expect("an operator").to_string()
    }

    pub(crate) async fn gateway(&self, id: &str) -> String {
        self.setting.gateway(id).await.secret.to_string()
    }

    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        credential: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Answer {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base));
        if !credential.is_empty() {
            request = request.header("authorization", format!("Bearer {credential}"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request
            .body(Full::new(body.into()))
            .expect("a good request");
        let response = self.client.request(request).await.expect("an answer");
        let (parts, body) = response.into_parts();
        Answer {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body: body.collect().await.expect("a whole body").to_bytes(),
        }
    }

    pub(crate) async fn get(&self, path: &str, credential: &str) -> Answer {
        self.send(Method::GET, path, credential, &[], "").await
    }

    pub(crate) async fn post(&self, path: &str, credential: &str, body: &Value) -> Answer {
        self.send(
            Method::POST,
            path,
            credential,
            &[("content-type", "application/json")],
            body.to_string(),
        )
        .await
    }

    /// Stops the service and waits for it.
    pub(crate) async fn stop(mut self) {
        if let Some(stop) = self.stop.take() {
            stop.send(()).expect("it runs");
        }
        drop(self.client);
        self.task.await.expect("it ends").expect("without an error");
    }
}
