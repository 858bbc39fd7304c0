//! The one writer: it makes changes one after another, several in each transaction of the database.
//!
//! What a change costs is the wait for the disk, and many changes can wait together: those that are asked for while a
//! transaction is open join it. Each has a savepoint, its own check of the policy, its own line in the audit log and its
//! own revision; one that is refused takes nothing with it. All are answered once the disk has them.

use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};

use super::{Actor, Change, RegistryError, Shared};

/// Changes that wait for their turn, beside those whose callers wait to have them wait.
const QUEUE: usize = 1_024;

/// A transaction takes no more changes than this, or for longer than this: the first one waits for the last one.
const MOST: usize = 256;
const LONGEST: Duration = Duration::from_millis(20);

/// What a command does, while it does it.
pub type Work<'c, T> = Pin<Box<dyn Future<Output = Result<T, RegistryError>> + Send + 'c>>;

/// One change that somebody asked for.
pub(super) trait Command: Send {
    /// Who asked.
    fn actor(&self) -> &Actor;
    /// Does it.
    fn run<'c>(&'c mut self, change: &'c mut Change) -> Work<'c, ()>;
    /// Tells whoever asked what came of it.
    fn answer(self: Box<Self>, outcome: Result<(), RegistryError>);
}

/// The way to the writer.
#[derive(Clone, Debug)]
pub(super) struct Commands(mpsc::Sender<Box<dyn Command>>);

impl Commands {
    /// A way to a writer that is to be.
    pub(super) fn new() -> (Self, mpsc::Receiver<Box<dyn Command>>) {
        let (sender, receiver) = mpsc::channel(QUEUE);
        (Self(sender), receiver)
    }

    /// Has a change made, once those before it are.
    pub(super) async fn make<F, T>(&self, actor: Actor, work: F) -> Result<T, RegistryError>
    where
        F: for<'c> FnOnce(&'c mut Change) -> Work<'c, T> + Send + 'static,
        T: Send + 'static,
    {
        let (command, answer) = Asked::pair(actor, work);
        let sent = self.0.send(command).await;
        sent.map_err(|_| RegistryError::Stopped)?;
        answer.await.map_err(|_| RegistryError::Stopped)?
    }

    /// Changes that wait for their turn.
    pub(super) fn waiting(&self) -> usize {
        self.0.max_capacity() - self.0.capacity()
    }

    /// As [`make`](Self::make), unless so much waits that this should not wait as well.
    pub(super) async fn make_if_idle<F, T>(&self, actor: Actor, work: F) -> Result<T, RegistryError>
    where
        F: for<'c> FnOnce(&'c mut Change) -> Work<'c, T> + Send + 'static,
        T: Send + 'static,
    {
        if self.waiting() > QUEUE / 2 {
            return Err(RegistryError::Busy);
        }
        self.make(actor, work).await
    }
}

/// Makes the changes that come, until nobody is left who could ask for one.
pub(super) async fn run(shared: Arc<Shared>, mut commands: mpsc::Receiver<Box<dyn Command>>) {
    while let Some(first) = commands.recv().await {
        make_group(&shared, first, &mut commands).await;
    }
}

async fn make_group(
    shared: &Arc<Shared>,
    first: Box<dyn Command>,
    commands: &mut mpsc::Receiver<Box<dyn Command>>,
) {
    let mirror = Arc::clone(&shared.mirror).lock_owned().await;
    let mut change = match Change::begin(shared, mirror, first.actor().clone()).await {
        Ok(change) => change,
        Err(error) => {
            shared.counters.failed.count();
            return first.answer(Err(error));
        }
    };
    let began = Instant::now();
    let mut made: Vec<Box<dyn Command>> = Vec::new();
    let mut next = Some(first);
    while let Some(mut command) = next {
        match change.attempt(&mut *command).await {
            Ok(()) => made.push(command),
            // What the database does after a fault of its own is not for this program to guess: all of it is undone.
            Err(error) if error.is_of_the_database() => {
                drop(change);
                made.push(command);
                return answer(shared, made, &Err(error));
            }
            Err(error) => {
                shared.counters.refused.count();
                command.answer(Err(error));
            }
        }
        let is_full = made.len() >= MOST || began.elapsed() >= LONGEST;
        next = if is_full {
            None
        } else {
            commands.try_recv().ok()
        };
    }
    let outcome = change.commit().await;
    shared.counters.commits.count();
    answer(shared, made, &outcome);
}

fn answer(shared: &Shared, commands: Vec<Box<dyn Command>>, outcome: &Result<(), RegistryError>) {
    let counter = match outcome {
        Ok(()) => &shared.counters.made,
        Err(_) => &shared.counters.failed,
    };
    for command in commands {
        counter.count();
        command.answer(outcome.clone());
    }
}

struct Asked<F, T> {
    actor: Actor,
    work: Option<F>,
    value: Option<T>,
    reply: oneshot::Sender<Result<T, RegistryError>>,
}

impl<F, T> Asked<F, T>
where
    F: for<'c> FnOnce(&'c mut Change) -> Work<'c, T> + Send + 'static,
    T: Send + 'static,
{
    fn pair(
        actor: Actor,
        work: F,
    ) -> (
        Box<dyn Command>,
        oneshot::Receiver<Result<T, RegistryError>>,
    ) {
        let (reply, answer) = oneshot::channel();
        let asked = Self {
            actor,
            work: Some(work),
            value: None,
            reply,
        };
        (Box::new(asked), answer)
    }
}

impl<F, T> Command for Asked<F, T>
where
    F: for<'c> FnOnce(&'c mut Change) -> Work<'c, T> + Send,
    T: Send,
{
    fn actor(&self) -> &Actor {
        &self.actor
    }

    fn run<'c>(&'c mut self, change: &'c mut Change) -> Work<'c, ()> {
        let work = self.work.take();
        Box::pin(async move {
            let work = work.ok_or(RegistryError::Stopped)?;
            self.value = Some(work(change).await?);
            Ok(())
        })
    }

    fn answer(self: Box<Self>, outcome: Result<(), RegistryError>) {
        let Self { value, reply, .. } = *self;
        let value = outcome.and_then(|()| value.ok_or(RegistryError::Stopped));
        // Whoever asked may have gone; what was done is done all the same.
        let _is_heard = reply.send(value);
    }
}
