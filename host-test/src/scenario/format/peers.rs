//! Who answers: the upstream and the clusters.

use schemars::JsonSchema;
use serde::Deserialize;

use super::bytes::{Bytes, Headers};
use super::matcher::Text;
use super::time::Span;
use super::union::True;

/// A rule of the upstream or of a cluster. The first rule that fits a request answers it. Without any rules, everything is
/// answered with an empty 200; with rules, what none of them fits with an empty 404.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(try_from = "RuleTable")]
#[schemars(with = "RuleTable")]
pub struct Rule {
    /// The method that it answers; any without this.
    pub method: Option<Text>,
    /// The path that it answers, with its query; any without this.
    pub path: Option<Text>,
    /// The replies in turn, one at least; the last one is given again and again.
    pub replies: Vec<PeerReply>,
}

/// A rule: the first one that fits a request answers it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Rule")]
struct RuleTable {
    /// The method that it answers; any without this.
    method: Option<Text>,
    /// The path that it answers, with its query; any without this.
    path: Option<Text>,
    /// The one reply.
    reply: Option<PeerReply>,
    /// The replies in turn; the last one is given again and again.
    replies: Option<Vec<PeerReply>>,
}

impl TryFrom<RuleTable> for Rule {
    type Error = String;

    fn try_from(table: RuleTable) -> Result<Self, Self::Error> {
        let replies = match (table.reply, table.replies) {
            (Some(reply), None) => vec![reply],
            (None, Some(replies)) if !replies.is_empty() => replies,
            _ => return Err("a rule has either a `reply` or some `replies`".to_owned()),
        };
        Ok(Self {
            method: table.method,
            path: table.path,
            replies,
        })
    }
}

/// What a peer answers.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(try_from = "ReplyTable")]
#[schemars(with = "ReplyTable")]
#[non_exhaustive]
pub enum PeerReply {
    /// A response.
    Response(PeerResponse),
    /// The connection breaks, after this time.
    Reset(std::time::Duration),
    /// The connection is refused.
    Refused,
    /// Nothing ever comes. What waits for it gets the timeout that it set: for the upstream Envoy's default of 15 s.
    Timeout,
    /// Nothing comes before a `reply` step of the scenario. Not for calls of the filter.
    Manual,
}

/// A response of a peer.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct PeerResponse {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: Headers,
    /// The whole body, with its `content-length`.
    pub body: Option<Bytes>,
    /// A body in parts, without a `content-length`.
    pub chunks: Vec<Bytes>,
    /// The trailers.
    pub trailers: Headers,
    /// How long it takes to come.
    pub delay: std::time::Duration,
    /// What follows one after another, each when it comes.
    pub parts: Vec<ReplyPart>,
    /// More follows with `reply_body` steps.
    pub unfinished: bool,
}

/// A part of a response that comes after what was before it.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(try_from = "PartTable")]
#[schemars(with = "PartTable")]
#[non_exhaustive]
pub struct ReplyPart {
    /// How long after what came before.
    pub delay: std::time::Duration,
    /// What it is.
    pub content: PartContent,
}

/// What a part of a response is.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum PartContent {
    /// A part of the body.
    Body(Bytes),
    /// The trailers, which end the response.
    Trailers(Headers),
    /// The connection breaks.
    Reset,
}

/// A part of a response that comes after what was before it: one of `body`, `trailers` and `reset`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ReplyPart")]
struct PartTable {
    /// How long after what came before; no time without this.
    delay: Option<Span>,
    /// A part of the body.
    body: Option<Bytes>,
    /// The trailers, which end the response.
    trailers: Option<Headers>,
    /// The connection breaks, which ends the response too.
    reset: Option<True>,
}

impl TryFrom<PartTable> for ReplyPart {
    type Error = String;

    fn try_from(table: PartTable) -> Result<Self, Self::Error> {
        let content = match (table.body, table.trailers, table.reset) {
            (Some(body), None, None) => PartContent::Body(body),
            (None, Some(trailers), None) => PartContent::Trailers(trailers),
            (None, None, Some(True)) => PartContent::Reset,
            _ => return Err("a part is one of `body`, `trailers` and `reset`".to_owned()),
        };
        Ok(Self {
            delay: table
                .delay
                .map_or(std::time::Duration::ZERO, |delay| delay.0),
            content,
        })
    }
}

/// A reply of a peer: a response, or one of the things that come in its place.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Reply")]
struct ReplyTable {
    /// The status; 200 without this.
    #[schemars(range(min = 100, max = 599))]
    status: Option<u16>,
    /// The headers.
    headers: Option<Headers>,
    /// The whole body, with its `content-length`.
    body: Option<Bytes>,
    /// A body in parts, without a `content-length`.
    chunks: Option<Vec<Bytes>>,
    /// The trailers.
    trailers: Option<Headers>,
    /// How long it takes to come; no time without this.
    delay: Option<Span>,
    /// What follows one after another, each when it comes. The response ends behind the last one.
    parts: Option<Vec<ReplyPart>>,
    /// Whether the response ends here; it does without this. The rest comes with `reply_body` steps. Not for calls of the filter.
    end: Option<bool>,
    /// Instead of a response, the connection breaks.
    reset: Option<True>,
    /// Instead of a response, the connection is refused.
    refused: Option<True>,
    /// Instead of a response, nothing ever comes.
    timeout: Option<True>,
    /// Nothing comes before a `reply` step of the scenario. Not for calls of the filter.
    manual: Option<True>,
}

impl TryFrom<ReplyTable> for PeerReply {
    type Error = String;

    fn try_from(table: ReplyTable) -> Result<Self, Self::Error> {
        let delay = table.delay.map(|delay| delay.0);
        let responds = table.status.is_some()
            || table.headers.is_some()
            || table.body.is_some()
            || table.chunks.is_some()
            || table.parts.is_some()
            || table.end.is_some()
            || table.trailers.is_some();
        let instead = [table.reset, table.refused, table.timeout, table.manual];
        let [reset, refused, timeout, manual] = instead.map(|one| one.is_some());
        let count = instead.iter().flatten().count();
        if count > 1 || count == 1 && responds {
            return Err(
                "a reply is a response, or one of `reset`, `refused`, `timeout` and `manual`"
                    .to_owned(),
            );
        }
        if delay.is_some() && (refused || timeout || manual) {
            return Err("a `delay` belongs to a response or a `reset`".to_owned());
        }
        let delay = delay.unwrap_or_default();
        Ok(if reset {
            Self::Reset(delay)
        } else if refused {
            Self::Refused
        } else if timeout {
            Self::Timeout
        } else if manual {
            Self::Manual
        } else {
            if table.body.is_some() && table.chunks.is_some() {
                return Err("either `body` or `chunks`".to_owned());
            }
            let parts = table.parts.unwrap_or_default();
            let unfinished = table.end == Some(false);
            let goes_on = !parts.is_empty() || unfinished;
            if goes_on && (table.body.is_some() || table.trailers.is_some()) {
                return Err(
                    "a response that goes on has `chunks` and no `body`, and its trailers come at its end"
                        .to_owned(),
                );
            }
            let ends = |part: &ReplyPart| !matches!(part.content, PartContent::Body(_));
            if let Some(end) = parts.iter().position(ends)
                && (end + 1 < parts.len() || unfinished)
            {
                return Err("nothing comes behind trailers or a reset".to_owned());
            }
            let status = table.status.unwrap_or(200);
            if !(100..=599).contains(&status) {
                return Err(format!("{status} is no status of a response"));
            }
            Self::Response(PeerResponse {
                status,
                headers: table.headers.unwrap_or_default(),
                body: table.body,
                chunks: table.chunks.unwrap_or_default(),
                trailers: table.trailers.unwrap_or_default(),
                delay,
                parts,
                unfinished,
            })
        })
    }
}
