//! `postern-admin token`.

use std::io::Read as _;

use clap::{Args, Subcommand};
use postern_admin::clock::now;
use postern_admin::registry::tokens::{Ends, Issued, NewToken, Origin, TokenAction};
use postern_admin::registry::{RegistryError, TokenFilter, TokenView};
use postern_core::api_token::{CREDENTIAL_MAX, TokenHash, vet};
use postern_core::policy::document::Expiry;
use zeroize::Zeroizing;

use super::output::print_json;
use super::{Context, Failure};

/// A token that is guessed in fewer tries than 2^128 is not imported.
const MIN_BITS: f64 = 128.0;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Generates a token: the token alone on standard output, once
    New(New),
    /// Takes over a token that was made elsewhere; it is read from standard input and hashed here
    Import(Import),
    /// Lists tokens
    List(List),
    /// Shows one token
    Show {
        /// The token's id
        id: String,
    },
    /// Refuses a token from now on, and voids its access tokens
    Deactivate {
        /// The token's id
        id: String,
    },
    /// Accepts a token again
    Activate {
        /// The token's id
        id: String,
    },
    /// Voids the access tokens that were made from a token so far
    EndSessions {
        /// The token's id
        id: String,
    },
    /// Deletes a token. Final
    Delete {
        /// The token's id
        id: String,
    },
    /// Generates a token in place of another, which keeps working until its own end
    Regenerate(Regenerate),
}

#[derive(Args)]
pub(crate) struct New {
    /// What people call it; unique
    #[arg(long)]
    name: String,
    /// The id of the person it acts for
    #[arg(long)]
    person: String,
    /// In how many days it ends, or the word never
    #[arg(long, value_parser = ends)]
    expires_in: Ends,
}

#[derive(Args)]
pub(crate) struct Import {
    #[command(flatten)]
    new: New,
    /// The hash instead of the token, `sha256:` and 64 hexadecimal digits. Nobody here can see how good the token is, so
    /// somebody must vouch for it
    #[arg(long, requires = "vouch")]
    hash: Option<String>,
    /// Vouches that the token behind the hash holds at least 128 random bits
    #[arg(long, requires = "hash")]
    vouch: bool,
}

#[derive(Args)]
pub(crate) struct List {
    /// Only those of this person
    #[arg(long)]
    person: Option<String>,
    /// Only the one of this name
    #[arg(long)]
    name: Option<String>,
    /// Only those whose id comes after this one
    #[arg(long, default_value = "")]
    after: String,
    /// At most so many
    #[arg(long, default_value_t = 1_000)]
    limit: u32,
}

#[derive(Args)]
pub(crate) struct Regenerate {
    /// The id of the token to replace
    id: String,
    /// In how many days the new one ends, or the word never
    #[arg(long, value_parser = ends)]
    expires_in: Ends,
    /// Ends the old one in so many days, if it does not end sooner; 0 ends it now
    #[arg(long)]
    overlap_days: Option<u32>,
}

impl Command {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        match self {
            Self::New(new) => {
                let new = new.into();
                let issued = context
                    .change(|change| Box::pin(change.generate_token(new)))
                    .await?;
                show_once(context, &issued)
            }
            Self::Import(import) => import.run(context).await,
            Self::List(list) => list.run(context).await,
            Self::Show { id } => print_json(&context.registry.token(&id, now()).await?),
            Self::Deactivate { id } => {
                act(context, &id, TokenAction::Deactivate).await?;
                context.output.done(&format!("{id} is deactivated"))
            }
            Self::Activate { id } => {
                act(context, &id, TokenAction::Activate).await?;
                context.output.done(&format!("{id} is active"))
            }
            Self::EndSessions { id } => {
                act(context, &id, TokenAction::EndSessions).await?;
                let words = format!("access tokens made from {id} so far are void");
                context.output.done(&words)
            }
            Self::Delete { id } => {
                act(context, &id, TokenAction::Delete).await?;
                context.output.done(&format!("{id} is deleted"))
            }
            Self::Regenerate(asked) => {
                let issued = context
                    .change(move |change| {
                        Box::pin(async move {
                            change
                                .regenerate_token(&asked.id, asked.expires_in, asked.overlap_days)
                                .await
                        })
                    })
                    .await?;
                show_once(context, &issued)
            }
        }
    }
}

impl From<New> for NewToken {
    fn from(new: New) -> Self {
        Self {
            name: new.name,
            person: new.person,
            ends: new.expires_in,
        }
    }
}

impl Import {
    async fn run(self, context: &Context) -> Result<(), Failure> {
        let (hash, origin) = match self.hash {
            Some(text) => {
                let hash = TokenHash::parse(&text)
                    .map_err(|error| Failure::Usage(format!("--hash: {error}")))?;
                (hash, Origin::Vouched)
            }
            None => (read_token()?, Origin::Imported),
        };
        let new = self.new.into();
        let view = context
            .change(move |change| Box::pin(change.import_token(new, hash, origin)))
            .await?;
        if context.output.is_json {
            return print_json(&view);
        }
        context.output.done(&format!("{} is imported", view.id))
    }
}

/// Reads a token from standard input and gives its hash.
fn read_token() -> Result<TokenHash, Failure> {
    // One byte more than a credential may have, and one line end.
    let mut text = Zeroizing::new(Vec::with_capacity(CREDENTIAL_MAX + 2));
    std::io::stdin()
        .take(CREDENTIAL_MAX as u64 + 2)
        .read_to_end(&mut text)?;
    while text.last().is_some_and(u8::is_ascii_whitespace) {
        text.pop();
    }
    let hash = vet(&text).map_err(|fault| Failure::Usage(format!("standard input: {fault}")))?;
    if estimated_bits(&text) < MIN_BITS {
        return Err(Failure::Usage(
            "standard input: this looks as if it could be guessed (less than 128 bits by estimate); issue a new token \
             instead"
                .to_owned(),
        ));
    }
    Ok(hash)
}

/// At most so many bits are in a text: each character as rare as it is in this text.
fn estimated_bits(text: &[u8]) -> f64 {
    let mut counts = [0_u32; 256];
    for byte in text {
        counts[usize::from(*byte)] += 1;
    }
    let length = text.len() as f64;
    counts
        .iter()
        .filter(|count| **count > 0)
        .map(|count| f64::from(*count) * (length / f64::from(*count)).log2())
        .sum()
}

impl List {
    async fn run(self, context: &Context) -> Result<(), Failure> {
        let filter = TokenFilter {
            person: self.person,
            name: self.name,
            after: self.after,
        };
        let tokens = context.registry.tokens(&filter, self.limit, now()).await?;
        let heads = ["ID", "NAME", "PERSON", "STATE", "EXPIRES", "LAST USED"];
        context.output.list(heads, &tokens, |token: &TokenView| {
            let last_used = match (&token.last_used_at, &token.last_used_on) {
                (Some(at), Some(on)) => format!("{at} {on}"),
                _ => "-".to_owned(),
            };
            [
                token.id.clone(),
                token.name.clone(),
                token.person.clone(),
                format!("{:?}", token.state).to_lowercase(),
                match token.expires_at {
                    Expiry::Never => "never".to_owned(),
                    Expiry::At(end) => end.to_string(),
                },
                last_used,
            ]
        })
    }
}

async fn act(context: &Context, id: &str, action: TokenAction) -> Result<(), RegistryError> {
    let id = id.to_owned();
    context
        .change(move |change| Box::pin(async move { change.act_on_token(&id, action).await }))
        .await
}

fn show_once(context: &Context, issued: &Issued) -> Result<(), Failure> {
    let view = &issued.view;
    let words = format!(
        "{} \"{}\" for {}, expires {}",
        view.id,
        view.name,
        view.person,
        String::from(view.expires_at)
    );
    context.output.secret(issued.token.expose(), view, &words)
}

fn ends(text: &str) -> Result<Ends, String> {
    if text == "never" {
        return Ok(Ends::Never);
    }
    text.strip_suffix('d')
        .unwrap_or(text)
        .parse()
        .map(Ends::InDays)
        .map_err(|_| "a whole number of days, such as 30, or the word never".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_that_could_be_guessed_has_few_bits_by_estimate() {
        assert!(estimated_bits(b"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa") < 1.0);
        assert!(estimated_bits(b"passwordpasswordpasswordpassword") < MIN_BITS);
        assert!(estimated_bits(b"Zk3xQ9vLw2TbY7mRc5NdF8hJp4GsA6eU") > MIN_BITS);
    }

    #[test]
    fn days_are_a_number_or_never() {
        assert_eq!(ends("30"), Ok(Ends::InDays(30)));
        assert_eq!(ends("30d"), Ok(Ends::InDays(30)));
        assert_eq!(ends("never"), Ok(Ends::Never));
        for text in ["", "-1", "1.5", "Never", "30h"] {
            assert!(ends(text).is_err(), "{text}");
        }
    }
}
