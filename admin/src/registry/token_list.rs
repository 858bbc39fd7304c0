//! API tokens as operators see them.

use postern_core::feed::{Entry, Put};
use postern_core::policy::document::Expiry;
use postern_core::time::Timestamp;
use serde::Serialize;
use sqlx::Row as _;
use sqlx::any::AnyRow;

use super::persons::not_found;
use super::{Kind, Registry, RegistryError, instant};

/// An API token as an operator sees it.
#[derive(Clone, Debug, Serialize)]
pub struct TokenView {
    /// The id, as it stands in headers and logs.
    pub id: String,
    /// The name.
    pub name: String,
    /// The id of the person it acts for.
    pub person: String,
    /// Whether it is good, or why not.
    pub state: TokenState,
    /// When it ends.
    pub expires_at: Expiry,
    /// Access tokens made from it before are void.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub valid_from: Option<Timestamp>,
    /// Since when the registry knows it.
    pub created_at: Timestamp,
    /// Where it was made: `generated`, `imported` or `vouched`.
    pub origin: String,
    /// The id of the token that has its name now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replaced_by: Option<String>,
    /// When a gateway last said that it was used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<Timestamp>,
    /// The gateway that said so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_used_on: Option<String>,
}

/// Whether a token is good, as far as it is up to the token. Its person may be inactive all the same.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenState {
    /// It is good.
    Active,
    /// It was deactivated.
    Deactivated,
    /// Its time is over.
    Expired,
}

/// Which tokens to list.
#[derive(Clone, Debug, Default)]
pub struct TokenFilter {
    /// Those of a person.
    pub person: Option<String>,
    /// The one of this name.
    pub name: Option<String>,
    /// Those whose id comes after this.
    pub after: String,
}

const COLUMNS: &str = "t.id, t.name, t.created_at, t.origin, t.replaced_by, t.last_used_at, t.last_used_on, r.body \
                       FROM token t JOIN record r ON r.kind = 'token' AND r.id = t.id WHERE r.body IS NOT NULL";

impl Registry {
    /// A token by id.
    ///
    /// # Errors
    /// [`RegistryError::NotFound`], [`RegistryError::Database`].
    pub async fn token(&self, id: &str, now: Timestamp) -> Result<TokenView, RegistryError> {
        let query = sqlx::AssertSqlSafe(format!("SELECT {COLUMNS} AND t.id = $1"));
        let row = sqlx::query(query)
            .bind(id)
            .fetch_optional(self.database().pool())
            .await?;
        view(&row.ok_or_else(|| not_found(Kind::Token, id))?, now)
    }

    /// Tokens by id, at most `limit`.
    ///
    /// # Errors
    /// [`RegistryError::Invalid`] for a name that is none, [`RegistryError::Database`].
    pub async fn tokens(
        &self,
        filter: &TokenFilter,
        limit: u32,
        now: Timestamp,
    ) -> Result<Vec<TokenView>, RegistryError> {
        let name_key = match &filter.name {
            Some(name) => Some(super::name::Name::parse(name)?.key),
            None => None,
        };
        let query = sqlx::AssertSqlSafe(format!(
            "SELECT {COLUMNS} AND t.id > $1 AND ($2 IS NULL OR t.person = $2) \
             AND ($3 IS NULL OR t.name_key = $3) ORDER BY t.id LIMIT $4"
        ));
        let rows = sqlx::query(query)
            .bind(filter.after.clone())
            .bind(filter.person.clone())
            .bind(name_key)
            .bind(i64::from(limit))
            .fetch_all(self.database().pool())
            .await?;
        rows.iter().map(|row| view(row, now)).collect()
    }
}

fn view(row: &AnyRow, now: Timestamp) -> Result<TokenView, RegistryError> {
    let (id, body): (String, String) = (row.try_get(0)?, row.try_get(7)?);
    let Entry::Put(Put::Token(token)) = Kind::read(Kind::Token.as_str(), &id, Some(&body))? else {
        return Err(not_found(Kind::Token, &id));
    };
    let is_over = matches!(token.expires_at, Expiry::At(end) if end <= now);
    let last_used_at: Option<i64> = row.try_get(5)?;
    Ok(TokenView {
        id,
        name: row.try_get(1)?,
        person: token.person,
        state: match (token.active, is_over) {
            (false, _) => TokenState::Deactivated,
            (true, true) => TokenState::Expired,
            (true, false) => TokenState::Active,
        },
        expires_at: token.expires_at,
        valid_from: token.valid_from,
        created_at: instant(row.try_get(2)?),
        origin: row.try_get(3)?,
        replaced_by: row.try_get(4)?,
        last_used_at: last_used_at.map(instant),
        last_used_on: row.try_get(6)?,
    })
}
