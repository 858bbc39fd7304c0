//! Metrics.

use super::{Answer, Call, answer};
use crate::shared::{Metric, MetricKind};
use crate::status::Status;

/// The step between two ids of one kind; the lowest bits of an id are the kind (proxy-wasm-cpp-host `context.h`).
const ID_STEP: u32 = 4;

pub(super) fn define(call: &mut Call<'_>, kind: u32, name: u32, name_len: u32, id: u32) -> Answer {
    let metric = match kind {
        0 => MetricKind::Counter,
        1 => MetricKind::Gauge,
        2 => MetricKind::Histogram,
        _ => return Err(Status::BadArgument.into()),
    };
    let mut name = call.read_text(name, name_len)?;
    let state = call.state_mut();
    let plugin = state.plugin().map_or("", |plugin| &plugin.name);
    if let Some(prefix) = state.profile.metric_prefix(plugin) {
        name.insert_str(0, &prefix);
    }
    state.shared.define_metric(&name, metric);
    // A second definition of one name gets a new id and the same metric.
    let defined = &mut state.metrics_defined[metric as usize];
    *defined += 1;
    let new_id = *defined * ID_STEP + kind;
    state.metrics.insert(new_id, (name, metric));
    call.write_u32(id, new_id)
}

/// A counter grows by the value, a gauge takes it, a histogram records it.
pub(super) fn record(call: &mut Call<'_>, id: u32, value: u64) -> Answer {
    update(call, id, |metric| {
        match metric {
            Metric::Counter(total) => *total = total.wrapping_add(value),
            Metric::Gauge(level) => *level = value,
            Metric::Histogram { count, sum } => {
                *count += 1;
                *sum = sum.wrapping_add(value);
            }
        }
        Status::Ok
    })
}

pub(super) fn increment(call: &mut Call<'_>, id: u32, offset: i64) -> Answer {
    update(call, id, |metric| match metric {
        Metric::Counter(total) if offset > 0 => {
            *total = total.wrapping_add(offset.unsigned_abs());
            Status::Ok
        }
        Metric::Gauge(level) => {
            *level = level.wrapping_add_signed(offset);
            Status::Ok
        }
        Metric::Counter(_) | Metric::Histogram { .. } => Status::BadArgument,
    })
}

pub(super) fn get(call: &mut Call<'_>, id: u32, result: u32) -> Answer {
    let state = call.state();
    let metric = state
        .metrics
        .get(&id)
        .and_then(|(name, _)| state.shared.metric(name))
        .ok_or(Status::NotFound)?;
    match metric {
        Metric::Counter(value) | Metric::Gauge(value) => call.write_u64(result, value),
        Metric::Histogram { .. } => Err(Status::BadArgument.into()),
    }
}

fn update(call: &mut Call<'_>, id: u32, update: impl FnOnce(&mut Metric) -> Status) -> Answer {
    let state = call.state();
    let (name, _) = state.metrics.get(&id).ok_or(Status::NotFound)?;
    answer(state.shared.update_metric(name, update))
}
