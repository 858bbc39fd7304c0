//! WASI preview 1, as far as Envoy has it: enough for logging, time, randomness and the environment, and fixed errors for
//! the rest (proxy-wasm-cpp-host `exports.cc`).

use super::{Answer, Call, Stop};
use crate::functions::Function;
use crate::status::LogLevel;

const EBADF: u32 = 8;
const EFAULT: u32 = 21;
const EINVAL: u32 = 28;
const EIO: u32 = 29;
const ENOENT: u32 = 44;
const ENOSYS: u32 = 52;
/// Envoy means ENOTDIR, and has the number that Linux gives it.
const LINUX_ENOTDIR: u32 = 20;
const ENOTSUP: u32 = 58;
pub(super) const ENOTCAPABLE: u32 = 76;

const STDOUT: u32 = 1;
const STDERR: u32 = 2;
const REALTIME: u32 = 0;
const MONOTONIC: u32 = 1;
/// Envoy gives no more at once.
const MAX_RANDOM: u32 = 64 * 1024;

/// Text on the two standard streams becomes log lines, without the line feed at the end.
pub(super) fn fd_write(
    call: &mut Call<'_>,
    descriptor: u32,
    vectors: u32,
    count: u32,
    written: u32,
) -> Answer {
    let level = match descriptor {
        STDOUT => LogLevel::Info,
        STDERR => LogLevel::Error,
        _ => return Err(Stop::Code(EBADF)),
    };
    let mut text = Vec::new();
    for index in 0..count {
        let vector = index
            .checked_mul(8)
            .and_then(|offset| vectors.checked_add(offset))
            .ok_or(Stop::Code(EFAULT))?;
        let start = call.read_u32(vector).map_err(fault)?;
        let length = call
            .read_u32(vector.checked_add(4).ok_or(Stop::Code(EFAULT))?)
            .map_err(fault)?;
        text.extend(call.read(start, length).map_err(fault)?);
    }
    let length = u32::try_from(text.len()).map_err(|_| Stop::Code(EINVAL))?;
    let text = String::from_utf8_lossy(&text);
    let text = text.strip_suffix('\n').unwrap_or(&text).to_owned();
    if !text.is_empty() {
        call.state_mut().log(level, text);
    }
    call.write_u32(written, length).map_err(fault)
}

/// Envoy does not look whether the result could be written.
pub(super) fn fd_fdstat_get(call: &mut Call<'_>, descriptor: u32, result: u32) -> Answer {
    if !is_standard(descriptor) {
        return Err(Stop::Code(EBADF));
    }
    // No file type, and one right: to write (bit 6).
    let words = [0_u64, 64, 0].map(u64::to_le_bytes);
    match call.write(result, &words.concat()) {
        Err(trap @ Stop::Trap(_)) => Err(trap),
        Ok(()) | Err(Stop::Code(_)) => Ok(()),
    }
}

/// A standard stream is always at its beginning.
pub(super) fn fd_tell(call: &mut Call<'_>, descriptor: u32, result: u32) -> Answer {
    if !is_standard(descriptor) {
        return Err(Stop::Code(EBADF));
    }
    call.write_u64(result, 0).map_err(fault)
}

pub(super) fn clock_time_get(call: &mut Call<'_>, clock: u32, result: u32) -> Answer {
    let now = match clock {
        REALTIME => call.state().clock.wall(),
        MONOTONIC => call.state().clock.monotonic(),
        _ => return Err(Stop::Code(ENOTSUP)),
    };
    call.write_u64(result, now).map_err(fault)
}

/// Both clocks count nanoseconds.
pub(super) fn clock_res_get(call: &mut Call<'_>, clock: u32, result: u32) -> Answer {
    match clock {
        REALTIME | MONOTONIC => call.write_u64(result, 1).map_err(fault),
        _ => Err(Stop::Code(ENOTSUP)),
    }
}

pub(super) fn random_get(call: &mut Call<'_>, start: u32, length: u32) -> Answer {
    if length > MAX_RANDOM {
        return Err(Stop::Code(EINVAL));
    }
    let mut bytes = vec![0; usize::try_from(length).map_err(|_| Stop::Code(EINVAL))?];
    if !call.state_mut().entropy.fill(&mut bytes) {
        return Err(Stop::Code(EIO));
    }
    call.write(start, &bytes).map_err(fault)
}

pub(super) fn environ_sizes_get(call: &mut Call<'_>, count: u32, size: u32) -> Answer {
    let variables = variables(call);
    let bytes: usize = variables.iter().map(Vec::len).sum();
    call.write_u32(
        count,
        u32::try_from(variables.len()).map_err(|_| Stop::Code(EINVAL))?,
    )
    .map_err(fault)?;
    call.write_u32(size, u32::try_from(bytes).map_err(|_| Stop::Code(EINVAL))?)
        .map_err(fault)
}

pub(super) fn environ_get(call: &mut Call<'_>, pointers: u32, buffer: u32) -> Answer {
    let (mut pointer, mut at) = (pointers, buffer);
    for variable in variables(call) {
        call.write_u32(pointer, at).map_err(fault)?;
        call.write(at, &variable).map_err(fault)?;
        pointer = pointer.checked_add(4).ok_or(Stop::Code(EFAULT))?;
        let length = u32::try_from(variable.len()).map_err(|_| Stop::Code(EINVAL))?;
        at = at.checked_add(length).ok_or(Stop::Code(EFAULT))?;
    }
    Ok(())
}

/// There are no arguments.
pub(super) fn args_sizes_get(call: &mut Call<'_>, count: u32, size: u32) -> Answer {
    call.write_u32(count, 0).map_err(fault)?;
    call.write_u32(size, 0).map_err(fault)
}

/// Nothing exits: Envoy notes the attempt and goes on.
pub(super) fn proc_exit(call: &mut Call<'_>) {
    call.state_mut()
        .log(LogLevel::Trace, "wasi_unstable proc_exit".to_owned());
}

/// The standard streams keep their numbers, and there are no others.
pub(super) fn fd_renumber(from: u32, to: u32) -> Answer {
    let known = is_standard(from) && is_standard(to);
    Err(Stop::Code(if known { ENOTSUP } else { EBADF }))
}

/// There is no directory to read.
pub(super) fn fd_readdir(call: &mut Call<'_>, used: u32) -> Answer {
    call.write_u32(used, 0).map_err(fault)?;
    Err(Stop::Code(LINUX_ENOTDIR))
}

/// Nothing is ever there, or goes anywhere: the results are so many zero bytes at these addresses.
pub(super) fn nothing_at(call: &mut Call<'_>, results: &[(u32, usize)]) -> Answer {
    for (address, length) in results {
        call.write(*address, &[0; 8][..*length]).map_err(fault)?;
    }
    Err(Stop::Code(ENOTSUP))
}

/// Nothing is waited for: no event has come.
pub(super) fn poll_oneoff(call: &mut Call<'_>, count: u32) -> Answer {
    call.write_u32(count, 0).map_err(fault)
}

/// What functions answer that do nothing; some of them know of no descriptors but those of the standard streams.
pub(super) fn fixed(call: &mut Call<'_>, function: Function, descriptor: u32) -> Answer {
    use Function as F;
    let errno = match function {
        F::fd_filestat_get | F::fd_prestat_get => EBADF,
        F::path_open => ENOENT,
        F::fd_fdstat_set_flags | F::fd_pread | F::fd_prestat_dir_name | F::fd_read => ENOSYS,
        F::fd_advise | F::sched_yield => return Ok(()),
        F::fd_seek | F::fd_close => {
            let line = format!("wasi_unstable {}", function.name());
            call.state_mut().log(LogLevel::Trace, line);
            return Ok(());
        }
        F::fd_allocate
        | F::fd_datasync
        | F::fd_fdstat_set_rights
        | F::fd_filestat_set_size
        | F::fd_filestat_set_times
        | F::fd_sync
            if is_standard(descriptor) =>
        {
            return Ok(());
        }
        F::fd_allocate
        | F::fd_datasync
        | F::fd_fdstat_set_rights
        | F::fd_filestat_set_size
        | F::fd_filestat_set_times
        | F::fd_sync => EBADF,
        _ => ENOTSUP,
    };
    Err(Stop::Code(errno))
}

fn is_standard(descriptor: u32) -> bool {
    matches!(descriptor, STDOUT | STDERR)
}

fn variables(call: &Call<'_>) -> Vec<Vec<u8>> {
    call.state()
        .identity
        .environment
        .iter()
        .map(|(key, value)| format!("{key}={value}\0").into_bytes())
        .collect()
}

/// The helpers report bad addresses with a status of the ABI; WASI has an errno for that.
fn fault(stop: Stop) -> Stop {
    match stop {
        Stop::Code(_) => Stop::Code(EFAULT),
        trap @ Stop::Trap(_) => trap,
    }
}
