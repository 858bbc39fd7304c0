//! What the harness asks of Envoy's admin interface.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde_json::Value;

use crate::client::{self, Protocol};
use crate::message::Request;
use crate::{Error, Result};

/// How many listener updates Envoy has taken and refused so far.
pub(super) struct Updates {
    pub(super) accepted: u64,
    pub(super) rejected: u64,
}

/// A page with status 200.
pub(super) async fn page(admin: SocketAddr, path: &str) -> Result<String> {
    let request = Request::get(path).authority("admin");
    let answer = client::send(admin, Protocol::Http1, &request).await?;
    if answer.status == 200 {
        Ok(answer.text())
    } else {
        Err(Error::Malformed(format!(
            "{path} answered {}",
            answer.status
        )))
    }
}

/// The listeners' addresses by name, once Envoy is live and has this many.
pub(crate) async fn ports(
    admin: SocketAddr,
    count: usize,
) -> Result<Option<BTreeMap<String, SocketAddr>>> {
    let ready = Request::get("/ready").authority("admin");
    if client::send(admin, Protocol::Http1, &ready).await?.status != 200 {
        return Ok(None);
    }
    let listeners: Value = serde_json::from_str(&page(admin, "/listeners?format=json").await?)?;
    let mut ports = BTreeMap::new();
    for status in listeners["listener_statuses"]
        .as_array()
        .into_iter()
        .flatten()
    {
        let socket = &status["local_address"]["socket_address"];
        let name = status["name"].as_str();
        let port = socket["port_value"]
            .as_u64()
            .and_then(|port| u16::try_from(port).ok());
        if let (Some(name), Some(port)) = (name, port)
            && port != 0
        {
            ports.insert(name.to_owned(), SocketAddr::from(([127, 0, 0, 1], port)));
        }
    }
    Ok((ports.len() == count).then_some(ports))
}

/// The counters of the listener discovery service.
pub(super) async fn updates(admin: SocketAddr) -> Result<Updates> {
    Ok(Updates {
        accepted: stat(admin, "listener_manager.lds.update_success").await?,
        rejected: stat(admin, "listener_manager.lds.update_rejected").await?,
    })
}

/// One counter or gauge; zero when there is none.
pub(super) async fn stat(admin: SocketAddr, name: &str) -> Result<u64> {
    let text = page(admin, "/stats").await?;
    let found = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    Ok(found
        .and_then(|value| value.trim().parse().ok())
        .unwrap_or_default())
}
