//! The reference of all keys, made from the schema: `docs/host/scenarios.md` holds it.

use std::fmt::Write as _;

use serde_json::{Map, Value};

/// The keys of a file, table by table, in the order in which a reader meets them.
const TABLES: [(&str, &str); 32] = [
    ("File", "A file"),
    ("NamedScenario", "scenario"),
    ("Setup", "host"),
    ("Plugin", "plugin"),
    ("RouteSpec", "route"),
    ("DirectResponse", "route.direct_response"),
    ("Rule", "upstream, cluster"),
    ("PeerReply", "reply"),
    ("ReplyPart", "reply.parts"),
    ("GrpcRule", "grpc"),
    ("GrpcPeerReply", "grpc.replies"),
    ("ForeignFunction", "host.foreign_functions"),
    ("Dns", "host.dns"),
    ("Start", "start"),
    ("Finally", "finally"),
    ("Step", "step"),
    ("ClientRequest", "request"),
    ("MoreBody", "body"),
    ("MoreReply", "reply_body"),
    ("Connect", "connect"),
    ("Sent", "client_sends, upstream_sends"),
    ("FaultSpec", "fault"),
    ("Expect", "expect"),
    ("UpstreamExpect", "expect.upstream"),
    ("ConnectionExpect", "expect.connection"),
    ("LocalResponseExpect", "expect.local_response"),
    ("CalloutExpect", "expect.callouts"),
    ("GrpcExpect", "expect.grpc"),
    ("CostExpect", "expect.cost"),
    ("CallbackCostExpect", "expect.cost.callbacks"),
    ("TextTable", "Matchers of text"),
    ("NumberTable", "Matchers of numbers"),
];

/// Tables that belong to others, and are told of there.
const ASIDE: [(&str, &str); 2] = [
    ("LogPatternTable", "Lines of the log"),
    ("BytesTable", "Bytes"),
];

/// The keys of scenario files as tables in Markdown, made from the schema.
pub fn reference() -> String {
    let schema = super::schema();
    let mut text = String::new();
    for (definition, title) in TABLES.into_iter().chain(ASIDE) {
        let table = match definition {
            "File" => &schema,
            other => &schema["$defs"][other],
        };
        // Writing into a string cannot fail.
        let _ok = section(&mut text, title, table, &schema);
    }
    text
}

fn section(text: &mut String, title: &str, table: &Value, schema: &Value) -> std::fmt::Result {
    let none = Map::new();
    let keys = table["properties"].as_object().unwrap_or(&none);
    let required = |key: &str| {
        let required = table["required"].as_array();
        required.is_some_and(|names| names.iter().any(|name| name == key))
    };
    writeln!(
        text,
        "### {title}\n\n| key | value | meaning |\n| --- | --- | --- |"
    )?;
    for (key, value) in keys {
        let meaning = one_line(value["description"].as_str().unwrap_or_default());
        let needed = if required(key) { " (needed)" } else { "" };
        writeln!(
            text,
            "| `{key}`{needed} | {} | {meaning} |",
            kind(value, schema)
        )?;
    }
    writeln!(text)
}

fn one_line(text: &str) -> String {
    text.split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .replace('|', "\\|")
}

/// What a value is, in a few words.
fn kind(value: &Value, schema: &Value) -> String {
    if let Some(name) = value["$ref"]
        .as_str()
        .and_then(|path| path.rsplit('/').next())
    {
        return named(name, &schema["$defs"][name], schema);
    }
    if let Some(several) = value["anyOf"].as_array() {
        let kinds: Vec<_> = several
            .iter()
            .filter(|one| one["type"] != "null")
            .map(|one| kind(one, schema))
            .collect();
        return kinds.join(", or ");
    }
    if value["const"] == true {
        return "`true`".to_owned();
    }
    if let Some(words) = value["enum"].as_array() {
        if words.contains(&Value::Bool(true)) {
            return "`true`".to_owned();
        }
        let words: Vec<_> = words
            .iter()
            .filter_map(Value::as_str)
            .map(|word| format!("`{word}`"))
            .collect();
        return words.join(", ");
    }
    let types = match &value["type"] {
        Value::Array(types) => types.iter().find(|kind| *kind != "null"),
        one => Some(one),
    };
    match types.and_then(Value::as_str) {
        Some("array") if value["items"]["prefixItems"].is_array() => {
            "list of pairs of a name and text".to_owned()
        }
        Some("array") => format!("list: {}", kind(&value["items"], schema)),
        Some("object") => format!(
            "table of names: {}",
            kind(&value["additionalProperties"], schema)
        ),
        Some("string") => "text".to_owned(),
        Some("integer" | "number") => "number".to_owned(),
        Some("boolean") => "`true` or `false`".to_owned(),
        _ => "anything".to_owned(),
    }
}

/// A type that has a name: a link to its table, or what it comes to.
fn named(name: &str, definition: &Value, schema: &Value) -> String {
    let word = match name {
        "Bytes" => Some("[bytes](#bytes)"),
        "Text" => Some("[text](#matchers-of-text)"),
        "Number" => Some("[number](#matchers-of-numbers)"),
        "LogPattern" => Some("[line](#lines-of-the-log)"),
        "Headers" => Some("[headers](#headers)"),
        "HeaderExpect" => Some("table of names: [text](#matchers-of-text), or a list of them"),
        "Source" => Some("`{ header = \"name\" }` or `{ json = \"/pointer\" }`"),
        "Property" => Some("a value, or `{ absent = true }`"),
        "Span" => Some("duration, such as `5ms` or `1h 30m`"),
        "Instant" => Some("instant, such as `2026-01-01T00:00:00Z`"),
        _ => None,
    };
    if let Some(word) = word {
        return word.to_owned();
    }
    let mut tables = TABLES.into_iter().chain(ASIDE);
    if let Some((_, title)) = tables.find(|(known, _)| *known == name) {
        let anchor: String = title
            .to_lowercase()
            .chars()
            .filter(|letter| letter.is_alphanumeric() || matches!(letter, ' ' | '_' | '-'))
            .map(|letter| if letter == ' ' { '-' } else { letter })
            .collect();
        return format!("[{title}](#{anchor})");
    }
    match definition["oneOf"].as_array() {
        Some(words) => {
            let words: Vec<_> = words
                .iter()
                .filter_map(|word| word["const"].as_str())
                .map(|word| format!("`{word}`"))
                .collect();
            words.join(", ")
        }
        None => kind(definition, schema),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_of_the_schema_is_in_the_reference() {
        let schema = super::super::schema();
        let definitions = schema["$defs"].as_object().expect("definitions");
        for (name, definition) in definitions {
            if definition["properties"].is_object() {
                let mut tables = TABLES.iter().chain(&ASIDE);
                assert!(
                    tables.any(|(known, _)| known == name),
                    "{name} is in no table"
                );
            }
        }
        for (name, _) in TABLES.iter().chain(&ASIDE).skip(1) {
            assert!(definitions.contains_key(*name), "there is no {name}");
        }
    }

    #[test]
    fn every_key_has_a_meaning_and_a_value() {
        let text = reference();
        for line in text.lines().filter(|line| line.starts_with("| `")) {
            assert!(!line.contains("|  |"), "{line}");
            assert!(
                !line.contains("| anything |") || line.contains("`json`"),
                "{line}"
            );
        }
    }
}
