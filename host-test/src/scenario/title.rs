//! What a step does, for reports.

use super::format::{Action, Bytes, Step};

/// What happens in a step that has no name.
pub(super) fn of(step: &Step) -> String {
    let text = |bytes: &Option<Bytes>, other: &str| {
        bytes.as_ref().map_or_else(
            || other.to_owned(),
            |bytes| String::from_utf8_lossy(bytes.as_slice()).into_owned(),
        )
    };
    let title = match &step.action {
        None => "no action".to_owned(),
        Some(Action::Request(request)) => {
            let path = text(&request.path, "/");
            format!("{} {path}", text(&request.method, "GET"))
        }
        Some(Action::Body(_)) => "more of the body".to_owned(),
        Some(Action::Metadata(_)) => "metadata of the client".to_owned(),
        Some(Action::ReplyMetadata(_)) => "metadata of the upstream".to_owned(),
        Some(Action::Disconnect) => "the client goes away".to_owned(),
        Some(Action::Reply(_)) => "the upstream replies".to_owned(),
        Some(Action::Advance(by)) => format!("{} pass", humantime::format_duration(*by)),
        Some(Action::WallClock(_)) => "the wall clock is set".to_owned(),
        Some(Action::Configure(_)) => "a configuration".to_owned(),
        Some(Action::Drain) => "old configurations go".to_owned(),
        Some(Action::Fault(fault)) => format!("{} fails", fault.function),
        Some(Action::ClearFaults) => "faults end".to_owned(),
        Some(Action::ReplyBody(_)) => "more of the reply".to_owned(),
        Some(Action::Connect(_)) => "a connection".to_owned(),
        Some(Action::ClientSends(_)) => "the client sends".to_owned(),
        Some(Action::UpstreamSends(_)) => "the upstream sends".to_owned(),
        Some(Action::FlushStats) => "the metrics are flushed".to_owned(),
        Some(Action::Remove) => "the plugin is removed".to_owned(),
        Some(Action::ShutDown) => "the host stops".to_owned(),
        Some(Action::Enqueue(_)) => "items are put into a queue".to_owned(),
        Some(Action::SharedData(_)) => "shared data is stored".to_owned(),
    };
    match &step.stream {
        Some(stream) => format!("{title}, stream {stream}"),
        None => title,
    }
}
