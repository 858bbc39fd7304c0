//! `cargo xtask test`: every test there is, as steps with a name, a time and a result.

mod deny;
mod limit;
mod report;
mod reproduce;
mod steps;

use std::env;
use std::error::Error;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use self::report::Report;
use self::steps::{Context, Step};
use crate::process;
use crate::workspace::Workspace;

/// What the command line says.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Run this step alone; may be given several times
    #[arg(long, value_enum, value_name = "STEP")]
    only: Vec<Step>,
    /// List the steps and run none
    #[arg(long)]
    list: bool,
}

/// How a step ended that did not fail.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Outcome {
    /// It ran, and all was well.
    Passed,
    /// This machine cannot run it, and why.
    Skipped(String),
}

/// Runs the steps, stops at the first that fails, and reports.
pub(crate) fn run(
    workspace: &Workspace,
    arguments: &Arguments,
) -> Result<ExitCode, Box<dyn Error>> {
    if arguments.list {
        for step in Step::ALL {
            println!("{:<18} {}", step.name(), step.description());
        }
        return Ok(ExitCode::SUCCESS);
    }
    let context = Context::new(workspace);
    let steps = selected(&arguments.only);
    let report = execute(&steps, Step::limit, limit::end_descendants, |step| {
        context.run(step)
    });
    print!("\n{report}");

    // Where nobody reads the line of skipped steps, a skip would pass for a test.
    let skips_fail = env::var("CI").is_ok_and(|value| value == "true");
    if skips_fail && report.skipped() > 0 {
        eprintln!("error: steps were skipped, and under CI=true each must run");
    }
    Ok(if report.is_success(skips_fail) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// The steps that are asked for, in their own order; all, if none is.
fn selected(only: &[Step]) -> Vec<Step> {
    let mut steps = Step::ALL.to_vec();
    steps.retain(|step| only.is_empty() || only.contains(step));
    steps
}

/// Runs steps in order; `stop` ends what a step has started that takes longer than its `limit`.
fn execute(
    steps: &[Step],
    limit: impl Fn(Step) -> Duration,
    stop: impl Fn() + Sync,
    run: impl Fn(Step) -> Result<Outcome, Box<dyn Error>>,
) -> Report {
    let mut report = Report::default();
    for (index, &step) in steps.iter().enumerate() {
        println!(
            "\n=== {} of {}: {}: {}",
            index + 1,
            steps.len(),
            step.name(),
            step.description()
        );
        let start = Instant::now();
        let limit = limit(step);
        let (result, overdue) = limit::within(limit, &stop, || run(step));
        let time = start.elapsed();
        // Whatever it came to: a program that was ended may have been taken for one that is not there.
        let result = if overdue {
            Err(late(step, limit, result).into())
        } else {
            result
        };
        match result {
            Ok(Outcome::Passed) => report.passed(step, time),
            Ok(Outcome::Skipped(reason)) => {
                println!("skipped: {reason}");
                report.skip(step, time, reason);
            }
            Err(error) => {
                eprintln!("error: {}", process::with_causes(error.as_ref()));
                report.failed(step, time);
                report.not_run(&steps[index + 1..]);
                break;
            }
        }
    }
    report
}

fn late(step: Step, limit: Duration, result: Result<Outcome, Box<dyn Error>>) -> String {
    let minutes = limit.as_secs() / 60;
    let cause = match result {
        Ok(_) => String::new(),
        Err(error) => format!(": {}", process::with_causes(error.as_ref())),
    };
    format!(
        "the step {} took longer than {minutes} minutes and was ended{cause}",
        step.name()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use std::sync::{Mutex, mpsc};

    const THREE: [Step; 3] = [Step::Format, Step::Clippy, Step::Docs];

    fn run_three(run: impl Fn(Step) -> Result<Outcome, Box<dyn Error>>) -> Report {
        let stop = || panic!("no step takes that long");
        execute(&THREE, |_| Duration::from_secs(600), stop, run)
    }

    #[test]
    fn without_a_selection_every_step_runs() {
        assert_eq!(selected(&[]), Step::ALL);
    }

    #[test]
    fn a_selection_runs_in_the_order_of_the_steps_and_each_step_once() {
        assert_eq!(
            selected(&[Step::Docs, Step::Format, Step::Docs]),
            [Step::Format, Step::Docs]
        );
    }

    #[test]
    fn a_failure_stops_the_run_and_fails_it() {
        let ran = RefCell::new(Vec::new());
        let report = run_three(|step| {
            ran.borrow_mut().push(step);
            if step == Step::Clippy {
                Err("a lint".into())
            } else {
                Ok(Outcome::Passed)
            }
        });
        assert_eq!(*ran.borrow(), [Step::Format, Step::Clippy]);
        assert!(!report.is_success(false));
        let text = report.to_string();
        assert!(text.contains("not run"), "{text}");
        assert!(
            text.contains("steps: 1 passed, 1 failed, 0 skipped"),
            "{text}"
        );
    }

    #[test]
    fn a_step_that_hangs_is_ended_and_fails_whatever_it_says_then() {
        for outcome in [Outcome::Passed, Outcome::Skipped("no clippy".to_owned())] {
            let (ended, was_ended) = mpsc::channel::<()>();
            let ended = Mutex::new(Some(ended));
            let stop = || drop(ended.lock().expect("a lock").take());
            let limit = |step| match step {
                Step::Clippy => Duration::from_millis(1),
                _ => Duration::from_secs(600),
            };
            let report = execute(&THREE, limit, stop, |step| {
                if step == Step::Clippy {
                    // Hangs until it is ended.
                    was_ended.recv().expect_err("nothing is sent");
                }
                Ok(match step {
                    Step::Clippy => outcome.clone(),
                    _ => Outcome::Passed,
                })
            });
            let text = report.to_string();
            assert!(
                text.contains("steps: 1 passed, 1 failed, 0 skipped"),
                "{text}"
            );
        }
        let text = late(
            Step::Clippy,
            Duration::from_secs(600),
            Err("signal: 9".into()),
        );
        assert_eq!(
            text,
            "the step clippy took longer than 10 minutes and was ended: signal: 9"
        );
    }

    #[test]
    fn a_skip_fails_the_run_only_where_skips_fail() {
        let report = run_three(|step| {
            Ok(match step {
                Step::Clippy => Outcome::Skipped("no clippy".to_owned()),
                _ => Outcome::Passed,
            })
        });
        assert!(report.is_success(false));
        assert!(!report.is_success(true));
        let text = report.to_string();
        assert!(text.contains("skipped: clippy (no clippy)"), "{text}");
    }

    #[test]
    fn a_run_without_skips_says_so() {
        let report = run_three(|_| Ok(Outcome::Passed));
        assert!(report.is_success(true));
        assert!(report.to_string().contains("skipped: none"), "{report}");
    }
}
