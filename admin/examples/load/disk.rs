//! What the disk gives: how often it can be waited for, one page of a database at a time.

use std::fs::File;
use std::io::{Seek as _, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};

use crate::Failure;

/// A page of SQLite's log with its header.
const PAGE: usize = 4_096 + 24;

/// SQLite starts its log over when it has so many pages, so most of its writes change a file and do not make it longer.
const PAGES: usize = 1_000;

/// Times a second that a page can be written over and waited for.
pub(crate) fn syncs_per_second(folder: &Path, time: Duration) -> Result<f64, Failure> {
    let path = folder.join("disk");
    let mut file = File::create(&path)?;
    file.write_all(&vec![7; PAGE * PAGES])?;
    file.sync_all()?;
    let began = Instant::now();
    let mut count = 0;
    while began.elapsed() < time {
        if count % PAGES == 0 {
            file.rewind()?;
        }
        file.write_all(&[9; PAGE])?;
        file.sync_data()?;
        count += 1;
    }
    let rate = count as f64 / began.elapsed().as_secs_f64();
    std::fs::remove_file(&path)?;
    Ok(rate)
}
