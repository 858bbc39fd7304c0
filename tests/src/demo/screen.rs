//! Requests and answers, short enough to read.

use crate::message::{Request, Response};

/// Longer lines are cut.
const WIDTH: usize = 170;

pub(super) fn heading(text: &str) {
    println!("\n{text}");
}

pub(super) fn say(text: &str) {
    println!("   {text}");
}

pub(super) fn show_request(request: &Request) {
    let target = request.target.as_deref().unwrap_or_default();
    say(&format!(
        "> {} {}",
        request.method.escape_ascii(),
        target.escape_ascii()
    ));
    for (name, value) in request.headers.iter() {
        let value = String::from_utf8_lossy(value);
        let shown = match value.split_once(' ') {
            Some((scheme @ ("Bearer" | "Basic"), credential)) => {
                format!("{scheme} {}", shorten(credential))
            }
            _ => value.to_string(),
        };
        say(&format!("> {}: {shown}", name.escape_ascii()));
    }
    if let Some(body) = &request.body {
        say(&format!("> {}", cut(&String::from_utf8_lossy(body))));
    }
}

pub(super) fn show_response(response: &Response) {
    say(&format!("< {}", response.status));
    if let Some(challenge) = response.headers.text("www-authenticate") {
        say(&format!("< www-authenticate: {}", cut(&challenge)));
    }
    let mut body = response.text();
    if let Ok(json) = response.json() {
        for member in ["RawToken", "access_token", "token"] {
            if let Some(token) = json[member].as_str() {
                body = body.replace(token, &shorten(token));
            }
        }
    }
    if !body.is_empty() {
        say(&format!("< {}", cut(&body)));
    }
}

/// A token as it may stand on a screen after it has been shown once.
pub(super) fn shorten(token: &str) -> String {
    let start: String = token.chars().take(8).collect();
    format!("{start}…")
}

fn cut(text: &str) -> String {
    if text.chars().count() <= WIDTH {
        return text.to_owned();
    }
    let start: String = text.chars().take(WIDTH).collect();
    format!("{start}…")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shortened_token_does_not_give_the_token_away() {
        assert_eq!(shorten("pst_abcdefghijklmnop"), "pst_abcd…");
    }

    #[test]
    fn a_long_line_is_cut_between_characters() {
        assert_eq!(cut(&"ü".repeat(200)).chars().count(), WIDTH + 1);
    }
}
