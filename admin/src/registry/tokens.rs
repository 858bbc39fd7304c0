//! API tokens. The token itself is returned once, by what makes it, and kept nowhere.

use postern_core::api_token::{ApiToken, TokenHash};
use postern_core::feed::{Deleted, Entry, Put};
use postern_core::policy::document::{Expiry, Token};
use postern_core::time::Timestamp;
use serde::Serialize;
use serde_json::json;

use super::change::stored;
use super::name::Name;
use super::persons::not_found;
use super::{Change, Invalid, Kind, RegistryError, TokenState, TokenView, new_id};
use crate::entropy::Entropy;

/// The longest life of a token that ends, in days: a hundred years.
pub const MAX_DAYS: u32 = 36_500;

const DAY: u64 = 24 * 60 * 60;

/// When a token is to end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Ends {
    /// So many days from now: from 1 to [`MAX_DAYS`].
    InDays(u32),
    /// When it is deactivated or deleted.
    Never,
}

/// A token that is to be.
#[derive(Clone, Debug)]
pub struct NewToken {
    /// What people call it; unique.
    pub name: String,
    /// The id of the person it acts for.
    pub person: String,
    /// When it ends.
    pub ends: Ends,
}

/// A token that was made: the only place where it stands.
#[derive(Clone, Debug)]
pub struct Issued {
    /// What is known of it.
    pub view: TokenView,
    /// The token.
    pub token: ApiToken,
}

/// Where a token was made.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// Here.
    Generated,
    /// Elsewhere; it was hashed where it was read.
    Imported,
    /// Elsewhere, and only its hash was shown: somebody vouched for the token behind it.
    Vouched,
}

impl Origin {
    fn as_str(self) -> &'static str {
        match self {
            Self::Generated => "generated",
            Self::Imported => "imported",
            Self::Vouched => "vouched",
        }
    }
}

/// What can be done to a token without saying more.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TokenAction {
    /// It is refused from now on, and the access tokens made from it are void.
    Deactivate,
    /// It is accepted again. Access tokens that were made from it before stay void.
    Activate,
    /// The access tokens that were made from it so far are void.
    EndSessions,
    /// It is deleted. Final.
    Delete,
}

impl TokenAction {
    /// As the audit log says it.
    fn as_str(self) -> &'static str {
        match self {
            Self::Deactivate => "token.deactivate",
            Self::Activate => "token.activate",
            Self::EndSessions => "token.end-sessions",
            Self::Delete => "token.delete",
        }
    }
}

impl Change {
    /// Makes a token.
    ///
    /// # Errors
    /// [`RegistryError::NameTaken`], [`RegistryError::NotFound`] for the person, [`RegistryError::Invalid`],
    /// [`RegistryError::Random`].
    pub async fn generate_token(&mut self, new: NewToken) -> Result<Issued, RegistryError> {
        let token = ApiToken::generate(&mut Entropy)?;
        let view = self
            .insert_token(new, token.hash(), Origin::Generated)
            .await?;
        Ok(Issued { view, token })
    }

    /// Takes over a token that was made elsewhere, by its hash.
    ///
    /// # Errors
    /// As [`generate_token`](Self::generate_token), and [`RegistryError::Refused`] for a hash that another token has, or
    /// that everybody knows.
    pub async fn import_token(
        &mut self,
        new: NewToken,
        hash: TokenHash,
        origin: Origin,
    ) -> Result<TokenView, RegistryError> {
        self.insert_token(new, hash, origin).await
    }

    /// Does to a token what needs no more to be said.
    ///
    /// # Errors
    /// [`RegistryError::NotFound`], [`RegistryError::Deleted`].
    pub async fn act_on_token(
        &mut self,
        id: &str,
        action: TokenAction,
    ) -> Result<(), RegistryError> {
        let mut token = self.token(id).await?;
        match action {
            TokenAction::Deactivate | TokenAction::Activate => {
                let active = action == TokenAction::Activate;
                if token.active != active {
                    token.active = active;
                    token.valid_from = Some(self.next_issue());
                    self.write(&Entry::Put(Put::Token(token))).await?;
                }
            }
            TokenAction::EndSessions => {
                token.valid_from = Some(self.next_issue());
                self.write(&Entry::Put(Put::Token(token))).await?;
            }
            TokenAction::Delete => {
                self.write(&Entry::Delete(Deleted::Token(id.to_owned())))
                    .await?;
                let now = stored(self.now());
                sqlx::query("UPDATE token SET name_key = NULL, deleted_at = $1 WHERE id = $2")
                    .bind(now)
                    .bind(id.to_owned())
                    .execute(self.connection()?)
                    .await?;
            }
        }
        self.log(action.as_str(), id, json!({})).await
    }

    /// Makes a token in place of another: with its name and person, and an id of its own. The other one keeps working until
    /// its own end, or for `overlap_days` if that is sooner, so that callers can change over; 0 days end it now.
    ///
    /// # Errors
    /// As [`generate_token`](Self::generate_token).
    pub async fn regenerate_token(
        &mut self,
        id: &str,
        ends: Ends,
        overlap_days: Option<u32>,
    ) -> Result<Issued, RegistryError> {
        let mut old = self.token(id).await?;
        let name = self.token_name(id).await?;
        sqlx::query("UPDATE token SET name_key = NULL WHERE id = $1")
            .bind(id.to_owned())
            .execute(self.connection()?)
            .await?;
        let issued = self
            .generate_token(NewToken {
                name,
                person: old.person.clone(),
                ends,
            })
            .await?;
        sqlx::query("UPDATE token SET replaced_by = $1 WHERE id = $2")
            .bind(issued.view.id.clone())
            .bind(id.to_owned())
            .execute(self.connection()?)
            .await?;
        if let Some(days) = overlap_days {
            let limit = self.end("overlap_days", Ends::InDays(days.max(1)))?;
            old.expires_at = match (days, old.expires_at, limit) {
                (0, ..) => Expiry::At(self.now()),
                (_, Expiry::At(own), Expiry::At(limit)) => Expiry::At(own.min(limit)),
                (.., limit) => limit,
            };
            if days == 0 {
                old.valid_from = Some(self.next_issue());
            }
            self.write(&Entry::Put(Put::Token(old))).await?;
        }
        let detail = json!({"replaced_by": issued.view.id, "overlap_days": overlap_days});
        self.log("token.regenerate", id, detail).await?;
        Ok(issued)
    }

    async fn insert_token(
        &mut self,
        new: NewToken,
        hash: TokenHash,
        origin: Origin,
    ) -> Result<TokenView, RegistryError> {
        let name = Name::parse(&new.name)?;
        self.free_name(Kind::Token, &name, None).await?;
        self.person(&new.person).await?;
        let record = Token {
            id: new_id()?,
            person: new.person,
            hash,
            expires_at: self.end("expires_in", new.ends)?,
            active: true,
            valid_from: None,
        };
        self.write_new(&Entry::Put(Put::Token(record.clone())))
            .await?;
        let hash = record.hash.as_bytes().to_vec();
        self.add_token_row(&record.id, &record.person, name.clone(), hash, origin)
            .await?;
        let detail = json!({
            "name": name.shown,
            "person": record.person,
            "expires_at": record.expires_at,
            "origin": origin,
        });
        self.log("token.add", &record.id, detail).await?;
        Ok(TokenView {
            id: record.id,
            name: name.shown,
            person: record.person,
            state: TokenState::Active,
            expires_at: record.expires_at,
            valid_from: None,
            created_at: self.now(),
            origin: origin.as_str().to_owned(),
            replaced_by: None,
            last_used_at: None,
            last_used_on: None,
        })
    }

    /// Keeps what the registry knows of a token beyond the policy.
    pub(super) async fn add_token_row(
        &mut self,
        id: &str,
        person: &str,
        name: Name,
        hash: Vec<u8>,
        origin: Origin,
    ) -> Result<(), RegistryError> {
        let now = stored(self.now());
        let added = sqlx::query(
            "INSERT INTO token (id, person, name, name_key, hash, origin, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(id.to_owned())
        .bind(person.to_owned())
        .bind(name.shown)
        .bind(name.key)
        .bind(hash)
        .bind(origin.as_str())
        .bind(now)
        .execute(self.connection()?)
        .await;
        match added {
            Ok(_) => Ok(()),
            Err(error) if is_foreign_key_violation(&error) => Err(not_found(Kind::Person, person)),
            // Its id and its name are known to be free.
            Err(error) if is_unique_violation(&error) => Err(Invalid::new(
                format!("tokens[{id}].hash"),
                "another token has or had this hash, and it is never used again",
            )
            .into()),
            Err(error) => Err(error.into()),
        }
    }

    async fn token(&mut self, id: &str) -> Result<Token, RegistryError> {
        match self.existing(Kind::Token, id).await? {
            Entry::Put(Put::Token(token)) => Ok(token),
            _ => Err(not_found(Kind::Token, id)),
        }
    }

    async fn token_name(&mut self, id: &str) -> Result<String, RegistryError> {
        let row = sqlx::query("SELECT name FROM token WHERE id = $1 AND name_key IS NOT NULL")
            .bind(id.to_owned())
            .fetch_optional(self.connection()?)
            .await?;
        let row = row.ok_or_else(|| {
            Invalid::new(
                "id",
                "this token was replaced already; regenerate the one in its place",
            )
        })?;
        Ok(sqlx::Row::try_get(&row, 0)?)
    }

    fn end(&self, path: &str, ends: Ends) -> Result<Expiry, Invalid> {
        match ends {
            Ends::Never => Ok(Expiry::Never),
            Ends::InDays(days @ 1..=MAX_DAYS) => {
                let end = self.now().as_secs().saturating_add(u64::from(days) * DAY);
                Ok(Expiry::At(Timestamp::from_secs(end)))
            }
            Ends::InDays(_) => Err(Invalid::new(
                path,
                "from 1 to 36500 days, or the word \"never\"",
            )),
        }
    }
}

fn is_unique_violation(error: &sqlx::Error) -> bool {
    error
        .as_database_error()
        .is_some_and(|error| error.is_unique_violation())
}

fn is_foreign_key_violation(error: &sqlx::Error) -> bool {
    error
        .as_database_error()
        .is_some_and(|error| error.is_foreign_key_violation())
}
