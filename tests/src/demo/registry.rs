//! What the registry holds before the story begins, and what a gateway has to be told to follow it.

use std::path::Path;

use postern_core::policy::document::Document;
use serde_json::{Value, json};

use crate::Result;
use crate::admin::Admin;
use crate::fixture::{HOST, KID, ROOT_KEY_ENV, key, method, now, roles, service};

/// The person of the seed's example.
pub(super) const PERSON: &str = "ExternalApp";

/// The one method that the example needs.
pub(super) const ALLOWED_PATH: &str = "/m42Services/api/orders";

/// Another method of the same API, with another audience.
pub(super) const DENIED_PATH: &str = "/m42Services/api/invoices";

/// The name by which the gateway calls the admin service.
pub(super) const CLUSTER: &str = "postern_admin";

/// The environment variable that holds the gateway's credential.
pub(super) const CREDENTIAL_ENV: &str = "POSTERN_GATEWAY_CREDENTIAL";

/// Where the gateway says whether it can make and check tokens.
pub(super) const READY_PATH: &str = "/postern/ready";

const GATEWAY: &str = "demo";

const DAY: u64 = 24 * 60 * 60;

/// Makes the registry as it was before anybody thought of [`PERSON`], in an empty folder; with it comes the credential of
/// a gateway.
pub(super) fn create(binary: &Path, folder: &Path) -> Result<(Admin, String)> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
        _ => std::fs::create_dir_all(folder)?,
    }
    let admin = Admin::within(binary, folder)?;
    let policy = serde_json::to_value(before())?;
    admin.file("before.json", &policy)?;
    admin.command(&["policy", "import", "before.json"])?;
    let credential = admin.command(&["gateway", "new", GATEWAY])?;
    Ok((admin, credential))
}

/// Two services that the role `operators` may call.
fn before() -> Document {
    let list = || vec![method("list", &["GET"], "/", None)];
    Document {
        format: Document::FORMAT,
        keys: vec![key(KID, "r1", now() - DAY)],
        roles: vec!["operators".to_owned()],
        services: vec![
            service("orders", ALLOWED_PATH, roles(&["operators"]), list()),
            service("invoices", DENIED_PATH, roles(&["operators"]), list()),
        ],
        ..Document::default()
    }
}

/// The plugin configuration: what an operator would write for this one gateway. It holds no policy and no secret.
pub(super) fn config(admin: &Admin) -> String {
    let config: Value = json!({
        "gateway_id": GATEWAY,
        "hosts": [HOST],
        "issuer": "https://gateway.demo",
        "token_audience": "demo",
        "root_key_env": ROOT_KEY_ENV,
        "sync": {
            "cluster": CLUSTER,
            "authority": "admin.demo",
            "credential_env": CREDENTIAL_ENV,
            "public_keys": [admin.public_key],
        },
        "exchange": { "ttl": "5m" },
        "identity": ["person", "token"],
        "ready_path": READY_PATH,
        "mode": "enforce",
    });
    config.to_string()
}
