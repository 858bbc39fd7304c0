//! Memory of a process, as Linux sees it.

use std::fs;
use std::ops::Range;

use crate::{Error, Result};

/// V8 reserves so much address space behind a linear memory that no access of 32 bits can leave it.
const GUARD: u64 = 1 << 32;

/// Linear memories are a good deal larger than anything else that lies before so large a reservation.
const LEAST: u64 = 512 * 1024;

/// What is resident, in MiB.
pub(super) fn resident(process: u32) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    let kib = kib.ok_or_else(|| Error::Fixture("the kernel does not say VmRSS".to_owned()))?;
    Ok(kib / 1024.0)
}

/// The linear memories of its VMs, in MiB, the largest first. They never shrink, so this is what they had at most.
pub(super) fn linear(process: u32) -> Result<Vec<f64>> {
    let maps = fs::read_to_string(format!("/proc/{process}/maps"))?;
    let mut found: Vec<f64> = memories(&maps)
        .into_iter()
        .map(|bytes| bytes as f64 / 1024.0 / 1024.0)
        .collect();
    found.sort_by(|one, other| other.total_cmp(one));
    Ok(found)
}

/// Writable mappings that the guard of a linear memory follows.
fn memories(maps: &str) -> Vec<u64> {
    let mappings: Vec<_> = maps.lines().filter_map(mapping).collect();
    let mut found = Vec::new();
    for pair in mappings.windows(2) {
        let [(memory, "rw-p"), (guard, "---p")] = pair else {
            continue;
        };
        let length = memory.end - memory.start;
        let is_memory = memory.end == guard.start
            && guard.end - memory.start >= GUARD
            && length >= LEAST
            && length.is_multiple_of(65536);
        if is_memory {
            found.push(length);
        }
    }
    found
}

fn mapping(line: &str) -> Option<(Range<u64>, &str)> {
    let mut words = line.split(' ');
    let (start, end) = words.next()?.split_once('-')?;
    let start = u64::from_str_radix(start, 16).ok()?;
    let end = u64::from_str_radix(end, 16).ok()?;
    Some((start..end.max(start), words.next()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_linear_memory_is_what_lies_before_a_guard_of_gibibytes() {
        let maps = "\
10000000-10200000 rw-p 00000000 00:00 0 \n\
10200000-10201000 ---p 00000000 00:00 0 \n\
200000000-200400000 rw-p 00000000 00:00 0 \n\
200400000-480000000 ---p 00000000 00:00 0 \n\
500000000-500400000 r-xp 00000000 00:00 0 \n\
500400000-780000000 ---p 00000000 00:00 0 \n";
        assert_eq!(memories(maps), [4 * 1024 * 1024]);
    }
}
