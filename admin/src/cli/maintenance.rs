//! `postern-admin backup`, `verify` and `restore`.

use std::path::{Path, PathBuf};

use clap::Args;
use postern_admin::clock::now;
use postern_admin::database::Database;
use postern_admin::maintenance;

use super::Failure;
use super::output::{Output, print_json};

#[derive(Args)]
pub(crate) struct Backup {
    /// The new file
    file: PathBuf,
}

#[derive(Args)]
pub(crate) struct Restore {
    /// The backup
    file: PathBuf,
    /// Do it: without this, only what would be lost is looked at
    #[arg(long)]
    yes: bool,
}

impl Backup {
    pub(crate) async fn run(self, database: &Path, output: Output) -> Result<(), Failure> {
        let opened = Database::open_file(database).await?;
        maintenance::backup(&opened, &self.file).await?;
        opened.close().await;
        output.done(&format!("{} is written", self.file.display()))
    }
}

/// `postern-admin verify`.
pub(crate) async fn verify(database: &Path, feed: &str, output: Output) -> Result<(), Failure> {
    if !database.exists() {
        return Err(Failure::Usage(format!(
            "{} is not there",
            database.display()
        )));
    }
    let opened = Database::open_file(database).await?;
    let verified = maintenance::verify(&opened, feed).await?;
    opened.close().await;
    if output.is_json {
        return print_json(&verified);
    }
    println!(
        "good: epoch {}, revision {}, digest {}",
        verified.epoch, verified.revision, verified.digest
    );
    Ok(())
}

impl Restore {
    pub(crate) async fn run(
        self,
        database: &Path,
        feed: &str,
        output: Output,
    ) -> Result<(), Failure> {
        if !self.yes {
            return Err(Failure::Usage(
                "stop the service first; then say --yes: what was done after the backup is undone, gateways take the \
                 older policy, and tokens that were revoked after it are good again until they are revoked again"
                    .to_owned(),
            ));
        }
        let restored = maintenance::restore(&self.file, database, feed, now()).await?;
        if output.is_json {
            return print_json(&restored);
        }
        if let (Some(before), Some(kept)) = (&restored.before, &restored.kept) {
            println!(
                "revision {} of epoch {} is kept in {}",
                before.revision,
                before.epoch,
                kept.display()
            );
        }
        for line in &restored.lost {
            println!(
                "undone: {} {} {} {} {}",
                line.at, line.operator, line.action, line.subject, line.detail
            );
        }
        println!(
            "restored: revision {} in epoch {}",
            restored.now.revision, restored.now.epoch
        );
        Ok(())
    }
}
