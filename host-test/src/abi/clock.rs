//! Time and ticks.

use super::{Answer, Call};
use crate::status::Status;

pub(super) fn get_current_time(call: &mut Call<'_>, result: u32) -> Answer {
    let state = call.state();
    let now = match state.stream() {
        Some(stream) if state.profile.freezes_time() => stream.started,
        _ => state.clock.wall(),
    };
    if state.profile.cuts_time() {
        let [a, b, c, d, ..] = now.to_le_bytes();
        return call.write(result, &[a, b, c, d]);
    }
    call.write_u64(result, now)
}

/// The period belongs to the root context, also when a stream's callback sets it.
pub(super) fn set_tick_period(call: &mut Call<'_>, milliseconds: u32) -> Answer {
    let now = call.state().clock.monotonic();
    let root = call.state().root_id();
    let root = call
        .state_mut()
        .roots
        .get_mut(&root)
        .ok_or(Status::BadArgument)?;
    root.tick_period = u64::from(milliseconds) * 1_000_000;
    root.next_tick = now.saturating_add(root.tick_period);
    Ok(())
}
