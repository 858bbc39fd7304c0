//! Recordings of a real Envoy 1.40: what it printed with `--component-log-level wasm:trace` for a guest of a test.

use postern_host::{Host, PluginId, Request};

/// The name and the text of each section; a section begins with a line `# name`.
pub(crate) fn sections(text: &'static str) -> impl Iterator<Item = (&'static str, &'static str)> {
    text.split("# ")
        .skip(1)
        .filter_map(|section| section.split_once('\n'))
}

/// Sends the request that a section is named after, such as `GET /a`, then lets `after` happen; the answer is the trace of
/// the wanted callbacks, masked like the recording.
pub(crate) fn replay(
    host: &mut Host,
    plugin: PluginId,
    name: &str,
    wanted: &[&str],
    after: impl FnOnce(&mut Host),
) -> String {
    let (method, path) = name.split_once(' ').expect("a method and a path");
    // The recordings' client is Python's.
    let request = Request::new(method, path)
        .authority("h")
        .header("accept-encoding", "identity");
    host.request(plugin, request);
    after(host);
    let mut keep = false;
    let mut lines = Vec::new();
    for line in host.take_trace() {
        if let Some(callback) = line.strip_prefix("[host->vm] proxy_on_") {
            let name = callback.split('(').next().unwrap_or_default();
            keep = wanted.contains(&name);
        }
        if keep {
            lines.push(masked(&line));
        }
        keep &= !line.starts_with("[host<-vm] proxy_on_");
    }
    lines.join("\n")
}

/// What is where in a guest's memory is its own affair.
fn masked(line: &str) -> String {
    let pointer = "[host<-vm] malloc return: ";
    if line.starts_with(pointer) {
        return format!("{pointer}(pointer)");
    }
    let logged = "[vm->host] env.proxy_log(";
    if let Some(arguments) = line.strip_prefix(logged) {
        let mut arguments: Vec<&str> = arguments.split(", ").collect();
        arguments[1] = "(pointer)";
        return format!("{logged}{}", arguments.join(", "));
    }
    line.to_owned()
}
