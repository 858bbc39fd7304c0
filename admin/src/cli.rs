//! The command line. It works on the database itself, so it needs no service that runs, and one that runs sees what it
//! changed within a moment.

mod audience;
mod callers;
mod keys;
mod maintenance;
mod output;
mod persons;
mod policy;
mod serve;
mod tokens;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use postern_admin::database::{Database, OpenError};
use postern_admin::head_key::KeyFileError;
use postern_admin::maintenance::MaintenanceError;
use postern_admin::registry::{Actor, Change, Registry, RegistryError, Work};

use output::Output;

/// The admin service of Postern: persons, API tokens and audiences, and the feed that carries them to the gateways
#[derive(Parser)]
#[command(version)]
pub(crate) struct Arguments {
    /// The SQLite file; made if there is none
    #[arg(
        long,
        global = true,
        env = "POSTERN_DATABASE",
        default_value = "postern.db"
    )]
    database: PathBuf,
    /// The database grows to so many MiB and no further, so that it leaves room on its disk; changes fail then
    #[arg(long, global = true, env = "POSTERN_MAX_SIZE", value_name = "MIB")]
    max_size: Option<u32>,
    /// The name of the feed
    #[arg(long, global = true, default_value = "default")]
    feed: String,
    /// Who the audit log says did it
    #[arg(
        long,
        global = true,
        env = "POSTERN_OPERATOR",
        default_value = "command-line"
    )]
    operator: String,
    /// Prints JSON instead of tables
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serves the API and the feed
    Serve(serve::Serve),
    /// API tokens
    #[command(subcommand)]
    Token(tokens::Command),
    /// Persons
    #[command(subcommand)]
    Person(persons::Command),
    /// Roles, which audiences name
    #[command(subcommand)]
    Role(persons::RoleCommand),
    /// Services with their methods and audiences
    #[command(subcommand)]
    Service(policy::ServiceCommand),
    /// Who may call services and methods
    #[command(subcommand)]
    Audience(audience::Command),
    /// Routes that need no credential
    #[command(subcommand)]
    Public(audience::PublicCommand),
    /// The role that is exempt from audiences
    #[command(subcommand)]
    Bypass(audience::BypassCommand),
    /// Signing keys, by name
    #[command(subcommand)]
    Key(keys::Command),
    /// Root keys, which only gateways hold
    #[command(subcommand)]
    RootKey(keys::RootCommand),
    /// The key that signs what the feed says
    #[command(subcommand)]
    HeadKey(keys::HeadCommand),
    /// Gateways and their credentials
    #[command(subcommand)]
    Gateway(callers::GatewayCommand),
    /// Operators and their credentials
    #[command(subcommand)]
    Operator(callers::OperatorCommand),
    /// The whole policy
    #[command(subcommand)]
    Policy(policy::Command),
    /// Who changed what, the latest first
    Audit(callers::Audit),
    /// Forgets deletions that every gateway has long had; a service that runs does so by itself
    Compact(maintenance::Compact),
    /// Writes a copy of the database to a new file, while the service runs
    Backup(maintenance::Backup),
    /// Checks the database: the file, the policy in it, and its digest
    Verify,
    /// Puts a backup in the place of the database and begins a new epoch; the service must not run
    Restore(maintenance::Restore),
}

/// Why a command did not do what it should.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Registry(#[from] RegistryError),
    #[error(transparent)]
    Key(#[from] KeyFileError),
    #[error(transparent)]
    Maintenance(#[from] MaintenanceError),
    #[error("{0}")]
    Usage(String),
    #[error("{place}: {reason}")]
    File { place: String, reason: String },
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// What commands work with.
pub(crate) struct Context {
    registry: Registry,
    operator: String,
    output: Output,
}

impl Context {
    async fn change<F, T>(&self, work: F) -> Result<T, RegistryError>
    where
        F: for<'c> FnOnce(&'c mut Change) -> Work<'c, T> + Send + 'static,
        T: Send + 'static,
    {
        self.registry.change(self.actor(), work).await
    }

    fn actor(&self) -> Actor {
        Actor {
            operator: self.operator.clone(),
            address: "local".to_owned(),
        }
    }
}

impl Arguments {
    pub(crate) async fn run(self) -> ExitCode {
        match self.command().await {
            Ok(()) => ExitCode::SUCCESS,
            Err(failure) => {
                eprintln!("postern-admin: {failure}");
                ExitCode::FAILURE
            }
        }
    }

    async fn command(self) -> Result<(), Failure> {
        let output = Output { is_json: self.json };
        let command = match self.command {
            // These need no registry, or one that is not open.
            Command::RootKey(command) => return command.run(output),
            Command::HeadKey(command) => return command.run(output),
            Command::Backup(command) => return command.run(&self.database, output).await,
            Command::Verify => {
                return maintenance::verify(&self.database, &self.feed, output).await;
            }
            Command::Restore(command) => {
                let (database, feed) = (&self.database, &self.feed);
                return command.run(database, feed, self.operator, output).await;
            }
            other => other,
        };
        let database = Database::open_file_up_to(&self.database, self.max_size).await?;
        let registry = Registry::open(database.clone(), &self.feed).await?;
        let context = Context {
            registry,
            operator: self.operator,
            output,
        };
        let done = command.with_registry(&context).await;
        database.close().await;
        done
    }
}

impl Command {
    async fn with_registry(self, context: &Context) -> Result<(), Failure> {
        match self {
            Self::Serve(command) => command.run(context).await,
            Self::Token(command) => command.run(context).await,
            Self::Person(command) => command.run(context).await,
            Self::Role(command) => command.run(context).await,
            Self::Service(command) => command.run(context).await,
            Self::Audience(command) => command.run(context).await,
            Self::Public(command) => command.run(context).await,
            Self::Bypass(command) => command.run(context).await,
            Self::Key(command) => command.run(context).await,
            Self::Gateway(command) => command.run(context).await,
            Self::Operator(command) => command.run(context).await,
            Self::Policy(command) => command.run(context).await,
            Self::Audit(command) => command.run(context).await,
            Self::Compact(command) => command.run(context).await,
            Self::RootKey(_)
            | Self::HeadKey(_)
            | Self::Backup(_)
            | Self::Verify
            | Self::Restore(_) => Ok(()),
        }
    }
}
