//! `postern-admin policy` and `service`.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use postern_admin::registry::{Allowed, Kind};
use postern_core::feed::Put;
use postern_core::policy::document::{Document, FromJson, Service};

use super::output::print_json;
use super::{Context, Failure};

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Prints the policy as a document, such as an inline policy is
    Export,
    /// Puts everything of a policy document into the registry, in one change
    Import {
        /// The document
        file: PathBuf,
        /// Takes tokens that the registry does not know, by their hashes alone: you vouch that none can be guessed
        #[arg(long)]
        vouch: bool,
        /// Lets the document make good again what the registry has deactivated, ended or voided
        #[arg(long)]
        revive: bool,
    },
}

#[derive(Subcommand)]
pub(crate) enum ServiceCommand {
    /// Adds the services of a file, or puts them in the place of those of their names: one service, or a list
    Put {
        /// JSON, as in a policy's `services`
        file: PathBuf,
    },
    /// Lists services
    List,
    /// Shows one service
    Show {
        /// Its name
        name: String,
    },
    /// Takes a service away
    Delete {
        /// Its name
        name: String,
    },
}

impl Command {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        match self {
            Self::Export => {
                let (_, document) = context.registry.document().await?;
                print_json(&document)
            }
            Self::Import {
                file,
                vouch,
                revive,
            } => {
                let document: Document = read(&file)?;
                let allowed = Allowed {
                    vouched: vouch,
                    revived: revive,
                };
                let (counts, revision) = context
                    .change(move |change| {
                        Box::pin(async move {
                            let counts = change.import(document, allowed).await?;
                            Ok((counts, change.revision()))
                        })
                    })
                    .await?;
                let words = format!("{counts}; revision {revision}");
                context.output.done(&words)
            }
        }
    }
}

impl ServiceCommand {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        match self {
            Self::Put { file } => {
                let text = text(&file)?;
                let services = if text.trim_ascii_start().starts_with(b"[") {
                    parse::<Vec<Service>>(&file, &text)?
                } else {
                    vec![parse::<Service>(&file, &text)?]
                };
                let count = services.len();
                context
                    .change(|change| {
                        Box::pin(async move {
                            for service in services {
                                change.put_service(service).await?;
                            }
                            Ok(())
                        })
                    })
                    .await?;
                context
                    .output
                    .done(&format!("{count} service(s) are in the policy"))
            }
            Self::List => {
                let records = context.registry.records(Kind::Service).await?;
                let services: Vec<Service> = records
                    .into_iter()
                    .filter_map(|record| match record {
                        Put::Service(service) => Some(service),
                        _ => None,
                    })
                    .collect();
                let heads = ["NAME", "METHODS", "HOSTS", "BASE PATH"];
                context.output.list(heads, &services, |service: &Service| {
                    [
                        service.name.clone(),
                        service.methods.len().to_string(),
                        service.hosts.join(" "),
                        service.base_path.clone(),
                    ]
                })
            }
            Self::Show { name } => print_json(&context.registry.service(&name).await?),
            Self::Delete { name } => {
                let named = name.clone();
                context
                    .change(move |change| {
                        Box::pin(async move { change.delete_service(&named).await })
                    })
                    .await?;
                context.output.done(&format!("{name} is deleted"))
            }
        }
    }
}

fn read<T: FromJson>(file: &Path) -> Result<T, Failure> {
    parse(file, &text(file)?)
}

fn text(file: &Path) -> Result<Vec<u8>, Failure> {
    fs::read(file).map_err(|error| unreadable(file, error.to_string()))
}

fn parse<T: FromJson>(file: &Path, text: &[u8]) -> Result<T, Failure> {
    T::from_json(text).map_err(|faults| {
        let faults: Vec<_> = faults.iter().map(ToString::to_string).collect();
        unreadable(file, faults.join("; "))
    })
}

fn unreadable(file: &Path, reason: String) -> Failure {
    Failure::File {
        place: file.display().to_string(),
        reason,
    }
}
