//! `postern-admin backup`, `verify` and `restore`.

use std::path::{Path, PathBuf};

use clap::Args;
use postern_admin::clock::now;
use postern_admin::database::Database;
use postern_admin::maintenance::{self, Prospect, Verified};
use postern_admin::registry::Actor;
use postern_core::time::Timestamp;

use super::output::{Output, print_json};
use super::{Context, Failure};

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

#[derive(Args)]
pub(crate) struct Compact {
    /// Forgets the deletions that are older than so many days
    #[arg(long, default_value_t = 30)]
    older_than: u32,
}

impl Compact {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let age = u64::from(self.older_than) * 24 * 60 * 60;
        let until = Timestamp::from_secs(now().as_secs().saturating_sub(age));
        let compacted = context.registry.compact(context.actor(), until, 1).await?;
        context.output.done(&match compacted {
            Some(done) => format!(
                "{} deletion(s) are forgotten; gateways that have less than revision {} read the whole policy when they come back",
                done.deletions, done.floor
            ),
            None => "there is nothing to forget".to_owned(),
        })
    }
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
    let verified = maintenance::verify(&opened, feed).await;
    // Whatever it is: a file that is left open here may be one without what stands in its log.
    opened.close().await;
    let verified = verified?;
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
        operator: String,
        output: Output,
    ) -> Result<(), Failure> {
        if !self.yes {
            let prospect = maintenance::look(&self.file, database, feed).await?;
            if output.is_json {
                print_json(&prospect)?;
            } else {
                show(&prospect, "would be undone");
            }
            return Err(Failure::Usage(
                "nothing is done yet. Stop the service first; then say --yes: what was done after the backup is undone, \
                 gateways take the older policy, and tokens that were revoked after it are good again until they are revoked \
                 again"
                    .to_owned(),
            ));
        }
        let actor = Actor {
            operator,
            address: "local".to_owned(),
        };
        let restored = maintenance::restore(&self.file, database, feed, &actor, now()).await?;
        if output.is_json {
            return print_json(&restored);
        }
        show(&restored.prospect, "undone");
        if let Some(kept) = &restored.kept {
            println!("the database before is kept in {}", kept.display());
        }
        println!(
            "restored: revision {} in epoch {}",
            restored.now.revision, restored.now.epoch
        );
        Ok(())
    }
}

fn show(prospect: &Prospect, undone: &str) {
    let position = |at: &Verified| format!("revision {} of epoch {}", at.revision, at.epoch);
    println!("the backup has {}", position(&prospect.backup));
    if let Some(before) = &prospect.before {
        println!("the database has {}", position(before));
    }
    if let Some(reason) = &prospect.unreadable {
        println!("the database cannot be read, so nobody can say what is lost: {reason}");
    }
    for line in &prospect.lost {
        println!(
            "{undone}: {} {} {} {} {}",
            line.at, line.operator, line.action, line.subject, line.detail
        );
    }
    if prospect.lost_more > 0 {
        println!("{undone}: {} more before those", prospect.lost_more);
    }
    for ahead in &prospect.ahead {
        println!(
            "gateway {} ({}) had revision {} of epoch {} at {}",
            ahead.gateway, ahead.vm, ahead.revision, ahead.epoch, ahead.reported_at
        );
    }
}
