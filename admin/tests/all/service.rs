//! The service over a real socket.

use postern_admin::entropy::Entropy;
use postern_admin::registry::callers::OperatorRole;
use postern_admin::serve::serve;
use postern_core::feed::{HeadKey, PublicKeys};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::client::Client;
use crate::setting::Setting;

/// A service that runs.
pub(crate) struct Service {
    pub(crate) setting: Setting,
    pub(crate) keys: PublicKeys,
    pub(crate) client: Client,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<std::io::Result<()>>,
}

impl Service {
    pub(crate) async fn new() -> Self {
        let setting = Setting::new().await;
        let key = HeadKey::generate(&mut Entropy).expect("a key");
        let keys = PublicKeys::new(vec![key.public_key()]);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
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
            client: Client::new(address),
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

    /// Stops the service and waits for it.
    pub(crate) async fn stop(mut self) {
        if let Some(stop) = self.stop.take() {
            stop.send(()).expect("it runs");
        }
        drop(self.client);
        self.task.await.expect("it ends").expect("without an error");
    }
}

impl std::ops::Deref for Service {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}
