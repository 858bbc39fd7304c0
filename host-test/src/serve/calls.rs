//! Calls of guests to clusters, over real connections.

use hyper::Uri;

use crate::callout::{Callout, CalloutReply};
use crate::exchange::UpstreamRequest;

use super::upstream::{Event, Part, Upstream};

/// The longest body of a reply. A guest gets the whole of it at once, and so has to have room for it.
const MAX_REPLY: usize = 64 * 1024 * 1024;

/// Makes a call and waits for the whole reply. `None` if the guest's timeout passed before: the host answers then.
pub(super) async fn call(callout: Callout, cluster: &Uri) -> Option<CalloutReply> {
    let timeout = callout.timeout;
    let reply = ask(callout, cluster);
    if timeout.is_zero() {
        return Some(reply.await);
    }
    tokio::time::timeout(timeout, reply).await.ok()
}

async fn ask(callout: Callout, cluster: &Uri) -> CalloutReply {
    let request = UpstreamRequest {
        bodyless: callout.body.is_empty() && callout.trailers.is_empty(),
        headers: callout.on_the_wire(),
        ..UpstreamRequest::default()
    };
    let mut upstream = Upstream::open(&request, cluster);
    if !callout.body.is_empty() {
        upstream.parts.push(Part::Data(callout.body));
    }
    upstream.parts.push(Part::End(callout.trailers));
    // A peer that does not want all of it may answer all the same.
    let _unwanted = upstream.parts.flush().await;
    let mut reply: Option<CalloutReply> = None;
    loop {
        match (upstream.events.recv().await, &mut reply) {
            (Some(Event::Head(status, headers, ends)), _) => {
                let mut head = CalloutReply::new(status.as_u16());
                for (name, value) in &headers {
                    head = head.header(name.as_str(), value.as_bytes());
                }
                head.headers.remove("transfer-encoding");
                if ends {
                    return head;
                }
                reply = Some(head);
            }
            (Some(Event::Data(bytes)), Some(reply)) => {
                if reply.body.len() + bytes.len() > MAX_REPLY {
                    eprintln!("[error] the reply of `{}` is too long", callout.cluster);
                    return CalloutReply::reset();
                }
                reply.body.extend(bytes);
            }
            (Some(Event::Trailers(trailers)), Some(reply)) => {
                let mut reply = reply.clone();
                for (name, value) in &trailers {
                    reply = reply.trailer(name.as_str(), value.as_bytes());
                }
                return reply;
            }
            (Some(Event::End), Some(reply)) => return reply.clone(),
            (Some(Event::Refused), None) => return CalloutReply::refused(),
            (_, None) => return CalloutReply::terminated(),
            (_, Some(_)) => return CalloutReply::reset(),
        }
    }
}
