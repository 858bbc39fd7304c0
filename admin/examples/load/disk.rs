//! What the disk gives: how often it can be waited for, one page of a database at a time.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::Failure;

/// A page of SQLite's log with its header.
const PAGE: usize = 4_096 + 24;

/// Times a second that a page can be appended and waited for.
pub(crate) fn syncs_per_second(folder: &Path, time: Duration) -> Result<f64, Failure> {
    let path = folder.join("disk");
    let mut file = File::create(&path)?;
    let began = Instant::now();
    let mut count = 0_u32;
    while began.elapsed() < time {
        file.write_all(&[7; PAGE])?;
        file.sync_data()?;
        count += 1;
    }
    let rate = f64::from(count) / began.elapsed().as_secs_f64();
    std::fs::remove_file(&path)?;
    Ok(rate)
}
