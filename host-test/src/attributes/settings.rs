//! Attributes that whoever runs the host has set, or taken away.

use std::collections::BTreeMap;

use super::PropertyValue;

/// A tree of what was set, by the segments of its path.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settings {
    children: BTreeMap<String, Self>,
    setting: Option<Setting>,
}

/// What was said about one path.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Setting {
    Value(PropertyValue),
    Absent,
}

/// Names under which Envoy has maps that it cannot list: what is set in them is found, they themselves stay as they are.
const UNLISTED: &[&str] = &[
    "connection",
    "destination",
    "filter_state",
    "request",
    "response",
    "source",
    "upstream",
    "upstream_filter_state",
    "xds",
];
/// Where a protobuf message stands; one segment further are its fields.
const MESSAGES: &[&[&str]] = &[
    &["metadata"],
    &["xds", "node"],
    &["xds", "cluster_metadata"],
    &["xds", "listener_metadata"],
    &["xds", "route_metadata"],
    &["xds", "upstream_host_metadata"],
    &["xds", "virtual_host_metadata"],
];

impl Settings {
    /// Splits a path as people write it: at dots.
    pub(crate) fn split(path: &str) -> Vec<String> {
        path.split('.').map(str::to_owned).collect()
    }

    pub(crate) fn set(&mut self, path: impl IntoIterator<Item = String>, setting: Setting) {
        let mut node = self;
        for segment in path {
            node = node.children.entry(segment).or_default();
        }
        node.children.clear();
        node.setting = Some(setting);
    }

    /// What was said about the path, or about something that it leads into or that lies under it.
    pub(crate) fn find(&self, path: &[&[u8]]) -> Option<Setting> {
        if self.children.is_empty() {
            return None;
        }
        let mut node = self;
        for (index, segment) in path.iter().enumerate() {
            let child = str::from_utf8(segment)
                .ok()
                .and_then(|name| node.children.get(name));
            match (child, &node.setting) {
                (Some(child), _) => node = child,
                (None, Some(Setting::Absent)) => return Some(Setting::Absent),
                (None, Some(Setting::Value(value))) => {
                    return Some(enter(value, &path[index..]));
                }
                (None, None) => return None,
            }
        }
        if let Some(setting) = &node.setting {
            return Some(setting.clone());
        }
        let names: Vec<&str> = path
            .iter()
            .filter_map(|part| str::from_utf8(part).ok())
            .collect();
        if let [name] = names[..]
            && UNLISTED.contains(&name)
        {
            return None;
        }
        let entries = node.entries();
        Some(Setting::Value(if MESSAGES.contains(&&names[..]) {
            PropertyValue::Message(entries)
        } else {
            PropertyValue::Map(entries)
        }))
    }

    /// The names that were set under a top-level name.
    pub(crate) fn names_under(&self, name: &str) -> impl Iterator<Item = String> {
        let child = self.children.get(name);
        child
            .into_iter()
            .flat_map(|child| child.children.keys().cloned())
    }

    fn entries(&self) -> Vec<(String, PropertyValue)> {
        let mut entries = Vec::new();
        for (name, child) in &self.children {
            match &child.setting {
                Some(Setting::Value(value)) => entries.push((name.clone(), value.clone())),
                Some(Setting::Absent) => {}
                None => entries.push((name.clone(), PropertyValue::Map(child.entries()))),
            }
        }
        entries
    }
}

/// A set value answers for everything under it: what it has not is not there.
fn enter(value: &PropertyValue, path: &[&[u8]]) -> Setting {
    let mut value = value.clone();
    for segment in path {
        match value.entry(segment) {
            Some(inner) => value = inner,
            None => return Setting::Absent,
        }
    }
    Setting::Value(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(values: &[(&str, PropertyValue)]) -> Settings {
        let mut settings = Settings::default();
        for (path, value) in values {
            settings.set(Settings::split(path), Setting::Value(value.clone()));
        }
        settings
    }

    fn find(settings: &Settings, path: &str) -> Option<Setting> {
        let segments: Vec<&[u8]> = path.split('.').map(str::as_bytes).collect();
        settings.find(&segments)
    }

    #[test]
    fn what_lies_under_a_path_is_a_map_there() {
        let settings = settings(&[("metadata.filter_metadata.ns.k", "v".into())]);
        let Some(Setting::Value(value)) = find(&settings, "metadata.filter_metadata") else {
            panic!("it was set")
        };
        assert_eq!(
            value.entry(b"ns").and_then(|ns| ns.entry(b"k")),
            Some("v".into())
        );
        assert!(matches!(
            find(&settings, "metadata"),
            Some(Setting::Value(PropertyValue::Message(_)))
        ));
        assert_eq!(find(&settings, "metadata.other"), None);
    }

    #[test]
    fn a_set_value_answers_for_what_is_under_it_and_the_host_for_its_neighbours() {
        let settings = settings(&[("xds.route_name", "r".into())]);
        assert_eq!(find(&settings, "xds.route_name.x"), Some(Setting::Absent));
        assert_eq!(find(&settings, "xds.cluster_name"), None);
        assert_eq!(find(&settings, "xds"), None, "Envoy cannot list it");
    }
}
