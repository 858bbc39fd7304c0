//! What runs while the demo does: an admin service, an upstream and a gateway.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Instant;

use tempfile::NamedTempFile;

use super::Arguments;
use super::force::{Arrival, arrival};
use super::gateway::{Gateway, Settings};
use super::registry::{self, CREDENTIAL_ENV, READY_PATH};
use crate::Result;
use crate::admin::Admin;
use crate::fixture::{ROOT_KEY_ENV, root_key};
use crate::message::Request;
use crate::upstream::Upstream;

/// All that was started; it ends with this value, the gateway first.
pub(super) struct Stage {
    gateway: Gateway,
    pub(super) upstream: Upstream,
    admin: Admin,
    /// Where the admin service listens.
    pub(super) admin_address: SocketAddr,
    folder: PathBuf,
}

impl Stage {
    /// Makes a registry and starts all of it.
    pub(super) async fn set(arguments: &Arguments, folder: &Path) -> Result<Self> {
        let upstream = Upstream::start().await?;
        let (mut admin, credential) =
            registry::create(&arguments.admin_bin, &folder.join("admin"))?;
        let admin_address = admin.serve(0)?;
        let settings = Settings {
            folder,
            upstream: upstream.address(),
            admin: admin_address,
            environment: BTreeMap::from([
                (ROOT_KEY_ENV.to_owned(), root_key("r1")?),
                (CREDENTIAL_ENV.to_owned(), credential),
            ]),
            config: &registry::config(&admin),
        };
        let gateway = Gateway::start(arguments, settings).await?;
        Ok(Self {
            gateway,
            upstream,
            admin,
            admin_address,
            folder: folder.to_owned(),
        })
    }

    /// Waits until every worker has read its first policy.
    pub(super) async fn first_policy(&self) -> Result<Arrival> {
        let ready = Request::get(READY_PATH);
        arrival(self.gateway()?, Instant::now(), &ready, |answer| {
            answer.status == 200
        })
        .await
    }

    /// Where the gateway listens.
    pub(super) fn gateway(&self) -> Result<SocketAddr> {
        self.gateway.address()
    }

    /// What people call the gateway.
    pub(super) fn gateway_name(&self) -> &'static str {
        self.gateway.name()
    }

    /// A request for the admin service, with the credential of its operator.
    pub(super) fn as_operator(&self, request: Request) -> Request {
        request
            .authority(self.admin_address.to_string())
            .bearer(self.admin.operator())
    }

    /// Writes KEY=VALUE lines for whoever wants to try more, with the operator's credential among them.
    pub(super) fn write_env(&self, env_file: &Path, lines: &[(&str, String)]) -> Result<()> {
        let own = [
            ("GATEWAY_URL", format!("http://{}", self.gateway()?)),
            ("ADMIN_URL", format!("http://{}", self.admin_address)),
            (
                "UPSTREAM_URL",
                format!("http://{}", self.upstream.address()),
            ),
            ("OPERATOR_CREDENTIAL", self.admin.operator().to_owned()),
        ];
        let text: String = own
            .iter()
            .chain(lines)
            .map(|(key, value)| format!("{key}={value}\n"))
            .collect();
        // It holds secrets, and a temporary file is readable by its owner only.
        let mut file = NamedTempFile::new_in(&self.folder)?;
        std::io::Write::write_all(&mut file, text.as_bytes())?;
        file.persist(env_file).map_err(|error| error.error)?;
        Ok(())
    }
}
