//! `postern-admin key`, `root-key` and `head-key`.

use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::{Args, Subcommand};
use postern_admin::entropy::Entropy;
use postern_admin::head_key;
use postern_admin::registry::{Kind, RegistryError};
use postern_core::feed::{HeadKey, Put};
use postern_core::policy::document::Key;
use postern_core::random::Random as _;
use postern_core::time::Timestamp;
use serde_json::json;
use zeroize::Zeroizing;

use super::output::Output;
use super::{Context, Failure};

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Adds a signing key, or changes when it is good
    Put(PutKey),
    /// Lists signing keys
    List,
    /// Takes a signing key away. Final
    Delete {
        /// The key id
        kid: String,
    },
}

#[derive(Args)]
pub(crate) struct PutKey {
    /// The key id, as it stands in tokens
    kid: String,
    /// The id of the root key that it is derived from
    #[arg(long)]
    root: String,
    /// From when it signs, such as 2027-01-01T00:00:00Z; gateways accept it before
    #[arg(long, value_parser = instant)]
    active_from: Timestamp,
    /// From when it is no longer good
    #[arg(long, value_parser = instant)]
    not_after: Option<Timestamp>,
    /// It neither signs nor verifies from now on
    #[arg(long)]
    revoked: bool,
}

#[derive(Subcommand)]
pub(crate) enum RootCommand {
    /// Makes a root key for the environment of the gateways; nothing here keeps it
    New {
        /// The id that signing keys name
        #[arg(long)]
        id: String,
    },
}

#[derive(Subcommand)]
pub(crate) enum HeadCommand {
    /// Makes a key in a new file, and prints the public key for the gateways' `public_keys`
    New {
        /// The file; only its owner can read it
        file: PathBuf,
    },
    /// Prints the public keys of a file
    Show {
        /// The file
        file: PathBuf,
    },
}

impl Command {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        match self {
            Self::Put(asked) => {
                let kid = asked.kid.clone();
                let key = Key {
                    kid: asked.kid,
                    root: asked.root,
                    active_from: asked.active_from,
                    not_after: asked.not_after,
                    revoked: asked.revoked,
                };
                context
                    .change(|change| Box::pin(change.put_key(key)))
                    .await?;
                context.output.done(&format!("{kid} is in the policy"))
            }
            Self::List => {
                let records = context.registry.records(Kind::Key).await?;
                let keys: Vec<Key> = records
                    .into_iter()
                    .filter_map(|record| match record {
                        Put::Key(key) => Some(key),
                        _ => None,
                    })
                    .collect();
                let heads = ["KID", "ROOT", "ACTIVE FROM", "NOT AFTER", "STATE"];
                context.output.list(heads, &keys, |key: &Key| {
                    [
                        key.kid.clone(),
                        key.root.clone(),
                        key.active_from.to_string(),
                        key.not_after
                            .map_or_else(|| "-".to_owned(), |end| end.to_string()),
                        if key.revoked { "revoked" } else { "good" }.to_owned(),
                    ]
                })
            }
            Self::Delete { kid } => {
                let named = kid.clone();
                context
                    .change(move |change| Box::pin(async move { change.delete_key(&named).await }))
                    .await?;
                context.output.done(&format!("{kid} is deleted"))
            }
        }
    }
}

impl RootCommand {
    pub(crate) fn run(self, output: Output) -> Result<(), Failure> {
        let Self::New { id } = self;
        if !postern_core::id::is_id(&id) || postern_core::id::looks_secret(&id) {
            return Err(Failure::Usage(
                "--id: use 1 to 64 of the characters A-Z a-z 0-9 . _ -".to_owned(),
            ));
        }
        let mut bytes = Zeroizing::new([0; 32]);
        Entropy
            .fill(bytes.as_mut_slice())
            .map_err(RegistryError::from)?;
        let root = Zeroizing::new(format!("{id}:{}", URL_SAFE_NO_PAD.encode(bytes.as_slice())));
        let words = format!("root key {id}: put it into the environment of the gateways");
        output.secret(&root, &json!({"id": id}), &words)
    }
}

impl HeadCommand {
    pub(crate) fn run(self, output: Output) -> Result<(), Failure> {
        let keys = match self {
            Self::New { file } => {
                let key = HeadKey::generate(&mut Entropy).map_err(RegistryError::from)?;
                head_key::write_new(&file, &key)?;
                vec![key]
            }
            Self::Show { file } => head_key::read(Some(&file))?,
        };
        let public: Vec<String> = keys
            .iter()
            .map(|key| key.public_key().to_string())
            .collect();
        output.list(["PUBLIC KEY"], &public, |key| [key.clone()])
    }
}

fn instant(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse(text).map_err(|fault| fault.to_string())
}
