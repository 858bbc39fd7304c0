//! `postern token`.

use std::io::{self, IsTerminal, Read, Write};

use clap::{Args, Subcommand};
use postern::clock::now;
use postern::entropy::Entropy;
use postern_core::access_token::first_segment;
use postern_core::api_token::{self, ApiToken, CREDENTIAL_MAX, PREFIX, TokenHash, VetFault};
use postern_core::id::{is_id, number_to_text};
use postern_core::policy::document::{Expiry, Token};
use postern_core::random::Random as _;
use postern_core::time::{Seconds, SecondsError};
use serde::Serialize;
use zeroize::Zeroizing;

use super::{Failure, Verdict, print_json};

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Makes an API token: the token on standard output, its record for the policy on standard error
    New(New),
    /// Tells the hash of the token on standard input, for the policy's `tokens`
    Hash,
}

#[derive(Args)]
pub(crate) struct New {
    /// The token's id; one is made if there is none
    #[arg(long, value_parser = id)]
    id: Option<String>,
    /// The id of the person it acts for
    #[arg(long, value_parser = id)]
    person: Option<String>,
    /// How long it is good, such as 30d or 12h, or the word never
    #[arg(long, default_value = "90d", value_parser = expires_in)]
    expires_in: ExpiresIn,
    /// Prints one JSON object with both, `token` and `record`, on standard output
    #[arg(long)]
    json: bool,
}

/// What stands for the person where none is named; a policy refuses it, since it has no such person.
const NOBODY: &str = "FILL-IN-THE-PERSON";

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum ExpiresIn {
    Span(Seconds),
    Never,
}

#[derive(Serialize)]
struct Both<'t> {
    token: &'t str,
    record: &'t Token,
}

impl Command {
    pub(crate) fn run(self, out: &mut dyn Write) -> Result<Verdict, Failure> {
        match self {
            Self::New(new) => new.run(out),
            Self::Hash => hash(out),
        }
    }
}

impl New {
    fn run(self, out: &mut dyn Write) -> Result<Verdict, Failure> {
        let token = ApiToken::generate(&mut Entropy)?;
        let record = Token {
            id: match self.id {
                Some(id) => id,
                None => new_id()?,
            },
            person: self.person.unwrap_or_else(|| NOBODY.to_owned()),
            hash: token.hash(),
            expires_at: match self.expires_in {
                ExpiresIn::Span(span) => Expiry::At(now().saturating_add(span)),
                ExpiresIn::Never => Expiry::Never,
            },
            active: true,
            valid_from: None,
        };
        if self.json {
            let both = Both {
                token: token.expose(),
                record: &record,
            };
            print_json(out, &both)?;
            return Ok(Verdict::Good);
        }
        writeln!(out, "{}", token.expose())?;
        out.flush()?;
        let mut err = io::stderr().lock();
        writeln!(err, "Add this to the policy's \"tokens\":")?;
        print_json(&mut err, &record)?;
        writeln!(
            err,
            "The token itself is shown this once and stored nowhere: keep it where its program finds it."
        )?;
        if record.person == NOBODY {
            writeln!(
                err,
                "Replace {NOBODY} by the id of the person that it acts for."
            )?;
        }
        Ok(Verdict::Good)
    }
}

/// An id as a registry makes them.
fn new_id() -> Result<String, Failure> {
    let mut number = [0; 8];
    Entropy.fill(&mut number)?;
    Ok(number_to_text(u64::from_le_bytes(number)))
}

/// From standard input, since arguments stay in the shell's history and show in lists of processes.
fn hash(out: &mut dyn Write) -> Result<Verdict, Failure> {
    let stdin = io::stdin();
    if stdin.is_terminal() {
        writeln!(io::stderr(), "Type the token, then Enter and Ctrl-D.")?;
    }
    // Room for the longest token and a line end; reading ahead would leave copies in a buffer that nothing wipes.
    let limit = CREDENTIAL_MAX + 3;
    let mut text = Zeroizing::new(Vec::with_capacity(limit));
    stdin.lock().take(limit as u64).read_to_end(&mut text)?;
    let token = text.strip_suffix(b"\n").unwrap_or(&text);
    let token = token.strip_suffix(b"\r").unwrap_or(token);
    let hash = match inspect(token) {
        Ok(hash) => hash,
        Err(fault) => {
            writeln!(io::stderr(), "refused: {fault}")?;
            return Ok(Verdict::Bad);
        }
    };
    let mut err = io::stderr().lock();
    if token.starts_with(PREFIX.as_bytes()) {
        writeln!(err, "A Postern API token.")?;
    } else {
        writeln!(
            err,
            "Not a Postern token but a foreign one of {} bytes. A hash protects it only if it is random: \
             at least 128 bits that nobody can guess.",
            token.len()
        )?;
        if is_access_token(token) {
            writeln!(
                err,
                "warning: it looks like an access token, which ends soon; what belongs into a policy is the \
                 API token that it was made from."
            )?;
        }
    }
    writeln!(out, "{hash}")?;
    Ok(Verdict::Good)
}

/// The hash, or why no caller could be let in by it.
fn inspect(token: &[u8]) -> Result<TokenHash, String> {
    api_token::vet(token).map_err(|fault| match fault {
        VetFault::Empty => "there is nothing on standard input".to_owned(),
        fault => fault.to_string(),
    })
}

/// Whether a credential is a JWT whose header says that it is an access token (RFC 9068, section 2.1).
fn is_access_token(token: &[u8]) -> bool {
    let Some(header) = first_segment(token).and_then(decode) else {
        return false;
    };
    let Ok(header) = serde_json::from_slice::<serde_json::Value>(&header) else {
        return false;
    };
    let typ = header.get("typ").and_then(serde_json::Value::as_str);
    typ.is_some_and(|typ| {
        let typ = typ.to_ascii_lowercase();
        typ == "at+jwt" || typ == "application/at+jwt"
    })
}

fn decode(segment: &[u8]) -> Option<Vec<u8>> {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD
        .decode(segment)
        .ok()
}

fn id(text: &str) -> Result<String, String> {
    if is_id(text) {
        Ok(text.to_owned())
    } else {
        Err("an id has 1 to 64 of the characters A-Z a-z 0-9 . _ -".to_owned())
    }
}

fn expires_in(text: &str) -> Result<ExpiresIn, String> {
    if text == "never" {
        return Ok(ExpiresIn::Never);
    }
    match Seconds::parse(text) {
        Ok(span) if span == Seconds::new(0) => Err("a token must be good for some time".to_owned()),
        Ok(span) => Ok(ExpiresIn::Span(span)),
        Err(error @ SecondsError::Unit(_)) => Err(format!("{error}; or the word never")),
        Err(error) => Err(error.to_string()),
    }
}
