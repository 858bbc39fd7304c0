//! One spelling for everything that a request is matched by: its authority, its HTTP method and its path.
//!
//! A gate that reads a request differently from the upstream behind it can be walked around. So what could be read in two
//! ways is refused rather than repaired, and the little that is repaired (letter case and port of a host, letter case of
//! hexadecimal digits, one trailing slash) is repaired before anything is compared.

mod authority;
pub mod fold;
mod http_method;
pub mod path;
mod query;

pub use authority::{AuthorityFault, Host, HostFault, validate_host};
pub use http_method::{HttpMethod, MethodFault, is_token};
pub use path::{CanonicalPath, PathFault, Segments};
