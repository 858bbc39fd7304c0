//! gRPC services in a scenario: what reaches them, and what they answer.

use super::format::{GrpcMoment, GrpcPeerReply, GrpcRule, Text};
use crate::grpc::{GrpcCall, GrpcEvent, GrpcReply};

/// Something that reached a service.
pub(super) struct GrpcSeen {
    pub(super) cluster: String,
    pub(super) on: GrpcMoment,
    pub(super) call: GrpcCall,
    pub(super) message: Option<Vec<u8>>,
}

impl GrpcSeen {
    /// What a scenario can look at; nothing else reaches a service that it would have to answer.
    pub(super) fn of(cluster: &str, event: &GrpcEvent<'_>) -> Option<Self> {
        let (on, call, message) = match *event {
            GrpcEvent::Call(call, message) => (GrpcMoment::Call, call, Some(message)),
            GrpcEvent::Opened(call) => (GrpcMoment::Open, call, None),
            GrpcEvent::Message(call, message) => (GrpcMoment::Message, call, Some(message)),
            GrpcEvent::HalfClosed(call) => (GrpcMoment::Close, call, None),
            _ => return None,
        };
        Some(Self {
            cluster: cluster.to_owned(),
            on,
            call: call.clone(),
            message: message.map(<[u8]>::to_vec),
        })
    }
}

/// The rules of a service, and how often each has answered.
pub(super) struct GrpcPeer {
    rules: Vec<(GrpcRule, usize)>,
}

impl GrpcPeer {
    pub(super) fn new(rules: &[GrpcRule]) -> Self {
        Self {
            rules: rules.iter().map(|rule| (rule.clone(), 0)).collect(),
        }
    }

    pub(super) fn answer(&mut self, seen: &GrpcSeen) -> GrpcReply {
        let fits = |text: &Option<Text>, bytes: Option<&[u8]>| {
            text.as_ref().is_none_or(|text| text.matches_option(bytes))
        };
        let rule = self.rules.iter_mut().find(|(rule, _)| {
            rule.on == seen.on
                && fits(&rule.service, Some(seen.call.service.as_bytes()))
                && fits(&rule.method, Some(seen.call.method.as_bytes()))
                && fits(&rule.message, seen.message.as_deref())
        });
        let Some((rule, given)) = rule else {
            return GrpcReply::new();
        };
        let reply = rule.replies.get(*given).or(rule.replies.last());
        *given += 1;
        reply.map_or_else(GrpcReply::new, GrpcPeerReply::reply)
    }
}

impl GrpcPeerReply {
    fn reply(&self) -> GrpcReply {
        if self.refuses() {
            return GrpcReply::refused();
        }
        let mut reply = GrpcReply::new().after(self.delay());
        for (name, value) in self.initial_metadata.iter() {
            reply = reply.initial_metadata(name, value);
        }
        for message in &self.messages {
            reply = reply.message(message);
        }
        for (name, value) in self.trailers.iter() {
            reply = reply.trailer(name, value);
        }
        if let Some(status) = self.status {
            reply = reply.status(status, self.status_message.clone().unwrap_or_default());
        }
        if self.resets() {
            reply = reply.reset();
        }
        reply
    }
}
