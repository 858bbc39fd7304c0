//! The exchange in the terms of OAuth 2.0: client credentials (RFC 6749, section 4.4) and token exchange (RFC 8693).

pub(crate) mod basic;
pub(crate) mod form;

/// What an API token is called in a token exchange.
pub const API_TOKEN_TYPE: &str = "urn:postern:token-type:api-token";

/// What an access token is called there (RFC 8693, section 3).
pub const ACCESS_TOKEN_TYPE: &str = "urn:ietf:params:oauth:token-type:access_token";

/// The grant type of a token exchange (RFC 8693, section 2.1).
pub const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";

/// The longest form that is read, in bytes.
pub const MAX_FORM_LENGTH: usize = 16 * 1024;
