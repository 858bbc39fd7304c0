//! A quota: each client, by its `x-client` header, may make so many requests in a minute. All workers count together, in shared
//! data.
//!
//! The plugin configuration is the number. A client that has used it up gets a 429 with `retry-after`; the others see in
//! `x-quota-remaining` what they have left.
#![cfg(target_arch = "wasm32")]

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, LogLevel, MetricType, Status};

/// The length of a window.
const WINDOW: u64 = 60;
/// How often a count is tried again that another worker was quicker with.
const TRIES: usize = 10;

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_root_context(|_| Box::new(Root::default()));
}}

#[derive(Default)]
struct Root {
    quota: u32,
    refused: u32,
}

impl Context for Root {}

impl RootContext for Root {
    fn on_configure(&mut self, _size: usize) -> bool {
        let configuration = self.get_plugin_configuration().unwrap_or_default();
        let quota = str::from_utf8(&configuration)
            .ok()
            .and_then(|text| text.trim().parse().ok());
        let Some(quota) = quota else {
            log::error("the configuration is no number of requests");
            return false;
        };
        self.quota = quota;
        match hostcalls::define_metric(MetricType::Counter, "quota.refused") {
            Ok(metric) => self.refused = metric,
            Err(_) => return false,
        }
        true
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }

    fn create_http_context(&self, _context: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Stream {
            quota: self.quota,
            refused: self.refused,
            remaining: None,
        }))
    }
}

struct Stream {
    quota: u32,
    refused: u32,
    /// What the client has left; `None` if that could not be found out.
    remaining: Option<u32>,
}

impl Context for Stream {}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _count: usize, _end: bool) -> Action {
        // As bytes: the string calls of the SDK kill the VM when a header is not UTF-8.
        let client = self
            .get_http_request_header_bytes("x-client")
            .unwrap_or_default();
        let now = self.get_current_time();
        match count(&client, window(now)) {
            // Counting is no reason to turn a client away.
            None => log::warn("a request was not counted"),
            Some(used) if used > self.quota => {
                // A metric is no reason either.
                let _counted = hostcalls::increment_metric(self.refused, 1);
                let wait = (WINDOW - seconds(now) % WINDOW).to_string();
                self.send_http_response(
                    429,
                    vec![("retry-after", &wait)],
                    Some(b"quota used up\n"),
                );
                return Action::Pause;
            }
            Some(used) => self.remaining = Some(self.quota - used),
        }
        Action::Continue
    }

    fn on_http_response_headers(&mut self, _count: usize, _end: bool) -> Action {
        if let Some(remaining) = self.remaining {
            self.set_http_response_header("x-quota-remaining", Some(&remaining.to_string()));
        }
        Action::Continue
    }
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH)
        .unwrap_or(Duration::ZERO)
        .as_secs()
}

fn window(time: SystemTime) -> u64 {
    seconds(time) / WINDOW
}

/// Counts a request, and tells how many there were in this window. `None`: other workers were quicker every time.
fn count(client: &[u8], window: u64) -> Option<u32> {
    let digits: String = client.iter().map(|byte| format!("{byte:02x}")).collect();
    let key = format!("quota/{digits}");
    for _ in 0..TRIES {
        let (stored, cas) = hostcalls::get_shared_data(&key).ok()?;
        let used = match stored.as_deref().map(decode) {
            Some(Some((then, used))) if then == window => used.saturating_add(1),
            _ => 1,
        };
        match hostcalls::set_shared_data(&key, Some(&encode(window, used)), cas) {
            Ok(()) => return Some(used),
            Err(Status::CasMismatch) => {}
            Err(_) => return None,
        }
    }
    None
}

fn encode(window: u64, used: u32) -> Vec<u8> {
    format!("{window} {used}").into_bytes()
}

fn decode(stored: &[u8]) -> Option<(u64, u32)> {
    let (window, used) = str::from_utf8(stored).ok()?.split_once(' ')?;
    Some((window.parse().ok()?, used.parse().ok()?))
}

/// Log lines; one that the host does not take is no reason to fail.
mod log {
    use proxy_wasm::hostcalls;
    use proxy_wasm::types::LogLevel;

    pub(crate) fn error(message: &str) {
        let _logged = hostcalls::log(LogLevel::Error, message);
    }

    pub(crate) fn warn(message: &str) {
        let _logged = hostcalls::log(LogLevel::Warn, message);
    }
}
