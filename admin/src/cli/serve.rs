//! `postern-admin serve`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use postern_admin::head_key;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

use super::{Context, Failure};

#[derive(Args)]
pub(crate) struct Serve {
    /// Where to listen
    #[arg(long, default_value = "127.0.0.1:8090")]
    listen: SocketAddr,
    /// The file with the key that signs heads, or with two while gateways change over; without it, the environment variable
    /// POSTERN_HEAD_KEY is read
    #[arg(long)]
    head_key: Option<PathBuf>,
    /// Listen where others than this machine can connect, although there is no TLS: tokens would pass in the clear
    #[arg(long)]
    insecure_public: bool,
}

impl Serve {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
        let log = tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_writer(std::io::stderr);
        log.init();
        if !self.listen.ip().is_loopback() && !self.insecure_public {
            return Err(Failure::Usage(format!(
                "{} can be reached from other machines, and this speaks HTTP without TLS: listen on loopback behind a proxy \
                 with TLS, or say --insecure-public",
                self.listen
            )));
        }
        let keys = head_key::read(self.head_key.as_deref())?;
        let listener = TcpListener::bind(self.listen).await?;
        let address = listener.local_addr()?;
        for key in &keys {
            tracing::info!(public_key = %key.public_key(), "signing heads");
        }
        tracing::info!(%address, feed = context.registry.feed(), revision = context.registry.position().revision, "serving");
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let stop = async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            tracing::info!("stopping");
        };
        postern_admin::serve::serve(context.registry.clone(), keys, listener, stop).await?;
        Ok(())
    }
}
