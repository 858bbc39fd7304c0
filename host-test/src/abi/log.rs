//! Logging.

use super::{Answer, Call};
use crate::status::{LogLevel, Status};

pub(super) fn log(call: &mut Call<'_>, level: u32, message: u32, length: u32) -> Answer {
    let level = LogLevel::from_number(level).ok_or(Status::BadArgument)?;
    let message = call.read_text(message, length)?;
    call.state_mut().log(level, message);
    Ok(())
}

pub(super) fn get_log_level(call: &mut Call<'_>, level: u32) -> Answer {
    let number = call.state().identity.log_level.get() as u32;
    call.write_u32(level, number)
}
