//! CPU time as the Linux scheduler accounts for it, and processes bound to one CPU.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::{Error, Result};

/// Which CPUs the two sides of the bench have for themselves.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Cpus {
    /// Envoy's.
    pub envoy: usize,
    /// The load generator's.
    pub generator: usize,
}

impl Cpus {
    /// The first two that this process may run on. Where there is only one, both have that: the figures are then in doubt,
    /// and the results say so.
    ///
    /// # Errors
    ///
    /// When the kernel does not say.
    pub fn choose() -> Result<Self> {
        let status = fs::read_to_string("/proc/self/status")?;
        let list = status
            .lines()
            .find_map(|line| line.strip_prefix("Cpus_allowed_list:"))
            .unwrap_or_default();
        match parse_list(list.trim()).as_slice() {
            [envoy, generator, ..] => Ok(Self {
                envoy: *envoy,
                generator: *generator,
            }),
            [only] => Ok(Self {
                envoy: *only,
                generator: *only,
            }),
            [] => Err(Error::Fixture(format!("no list of CPUs: {list:?}"))),
        }
    }

    /// Binds this process, all threads that it has, to the generator's CPU.
    ///
    /// # Errors
    ///
    /// When `taskset` (util-linux) is not there or fails.
    pub fn bind_self(self) -> Result<()> {
        let output = Command::new("taskset")
            .args(["--all-tasks", "--cpu-list", "--pid"])
            .arg(self.generator.to_string())
            .arg(std::process::id().to_string())
            .output()?;
        if output.status.success() {
            return Ok(());
        }
        Err(Error::Fixture(format!(
            "taskset failed: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        )))
    }

    /// A command that runs `program` on Envoy's CPU, under the same process id, and kills it when this process has ended in
    /// whatever way: an Envoy that is left behind would disturb all that is measured later.
    pub fn envoy_command(self, program: &Path) -> Command {
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig", "KILL", "taskset", "--cpu-list"])
            .arg(self.envoy.to_string())
            .arg(program);
        command
    }
}

/// The CPUs in a list such as `0-3,8`.
fn parse_list(text: &str) -> Vec<usize> {
    text.split(',')
        .filter_map(|part| {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            Some(first.trim().parse().ok()?..=last.trim().parse().ok()?)
        })
        .flatten()
        .collect()
}

/// What a process has had of the CPU so far.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Spent {
    /// Running, in the program and in the kernel on its behalf.
    pub running: Duration,
    /// Ready to run, while something else had the CPU.
    pub waiting: Duration,
}

impl Spent {
    /// What all tasks of a process have had, from `/proc/<pid>/task/*/schedstat`.
    ///
    /// # Errors
    ///
    /// When the process is gone, or the kernel keeps no such figures (`CONFIG_SCHED_INFO`).
    pub fn of(process: u32) -> Result<Self> {
        let mut sum = Self::default();
        for task in fs::read_dir(format!("/proc/{process}/task"))? {
            // A task may end between the listing and the reading.
            if let Ok(text) = fs::read_to_string(task?.path().join("schedstat")) {
                let spent = Self::parse(&text).ok_or_else(|| {
                    Error::Fixture(format!("schedstat is not as expected: {text:?}"))
                })?;
                sum.running += spent.running;
                sum.waiting += spent.waiting;
            }
        }
        if sum.running.is_zero() {
            return Err(Error::Fixture(format!(
                "the kernel counts no CPU time for process {process} in schedstat"
            )));
        }
        Ok(sum)
    }

    /// What was added since `earlier`.
    #[must_use]
    pub fn since(self, earlier: Self) -> Self {
        Self {
            running: self.running.saturating_sub(earlier.running),
            waiting: self.waiting.saturating_sub(earlier.waiting),
        }
    }

    /// Nanoseconds running, nanoseconds waiting, time slices.
    fn parse(text: &str) -> Option<Self> {
        let mut numbers = text.split_whitespace().map(|word| word.parse().ok());
        Some(Self {
            running: Duration::from_nanos(numbers.next()??),
            waiting: Duration::from_nanos(numbers.next()??),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_cpus_is_read_with_its_ranges() {
        assert_eq!(parse_list("0-2,8"), [0, 1, 2, 8]);
        assert_eq!(parse_list("5"), [5]);
        assert_eq!(parse_list(""), [0; 0]);
    }

    #[test]
    fn work_shows_in_the_time_of_the_process() {
        let before = Spent::of(std::process::id()).expect("this process");
        let mut sum = 0u64;
        while Spent::of(std::process::id())
            .expect("this process")
            .since(before)
            .running
            .is_zero()
        {
            sum = std::hint::black_box(sum + 1);
        }
        assert!(Spent::of(std::process::id()).expect("this process").running > before.running);
    }

    #[test]
    fn figures_of_another_form_are_no_figures() {
        assert_eq!(Spent::parse("1 x 3"), None);
        assert_eq!(
            Spent::parse("1500 20 3\n"),
            Some(Spent {
                running: Duration::from_nanos(1500),
                waiting: Duration::from_nanos(20),
            })
        );
    }
}
