//! `postern root-key`.

use std::io::{self, Write};

use clap::{Args, Subcommand};
use postern::entropy::Entropy;
use postern_core::roots::{NewRootKeyError, RootKey};

use super::{Failure, Verdict};

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Makes a root key, in the form in which a gateway's environment variable holds it
    New(New),
}

#[derive(Args)]
pub(crate) struct New {
    /// The name by which the policy's keys refer to it
    #[arg(long, default_value = "r1")]
    id: String,
}

impl Command {
    pub(crate) fn run(self, out: &mut dyn Write) -> Result<Verdict, Failure> {
        let Self::New(New { id }) = self;
        let key = RootKey::generate(&id, &mut Entropy).map_err(|error| match error {
            NewRootKeyError::Random(error) => Failure::Random(error),
            error => Failure::Said(error.to_string()),
        })?;
        writeln!(out, "{}", key.expose())?;
        out.flush()?;
        writeln!(
            io::stderr(),
            "Put it into the environment variable that the configuration's root_key_env names, on every gateway of \
             one zone of trust; several are joined by commas. Whoever reads it can make access tokens."
        )?;
        Ok(Verdict::Good)
    }
}
