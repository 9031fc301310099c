//! Filters that are programs: told the names of the two files, they answer by
//! their exit code, and by what they write.

use std::ops::RangeInclusive;
use std::path::Path;
use std::time::Duration;

use crate::base::ascii;
use crate::sys::{self, child};
use crate::{verbose, warning};

use super::chain::Subject;
use super::output::Response;
use super::verdict::{Finding, TEXT_MAX, Verdict};

/// The most octets that a program may write. What E-MailRelay does not look at,
/// beyond the first 1024 octets, is looked at here, too; only what is endless is
/// trouble.
pub const OUTPUT_MAX: usize = 64 * 1024;

/// The exit codes with which a filter means to refuse a message, where they refuse it.
const REFUSALS: RangeInclusive<i32> = 1..=105;

/// Runs a program for a message. Blocks.
pub fn run(program: &Path, subject: &Subject, timeout: Option<Duration>) -> Finding {
    let paths = [subject.content(), subject.envelope()];
    let arguments = paths.map(|path| path.into_os_string().into_encoded_bytes());
    let order = child::Order {
        program,
        arguments: &arguments,
        output_max: OUTPUT_MAX,
        timeout,
        cancelled: &subject.cancelled,
    };
    match child::run(&order) {
        Ok(ended) => ended_with(subject, timeout, &ended),
        Err(error) => Finding::failed(format_args!("exec error: {}", sys::reason(&error))),
    }
}

fn ended_with(subject: &Subject, timeout: Option<Duration>, ended: &child::Ended) -> Finding {
    match ended.end {
        child::End::Exited(code) => {
            let finding = Finding::of_code(subject.side, code, || Response::parse(&ended.output));
            let noun = subject.side.noun();
            let output = ascii::escape_bounded(&ended.output, TEXT_MAX);
            match &finding.verdict {
                // Shells and loaders that cannot run what they should exit so, too.
                Verdict::Reject(rejection) if !REFUSALS.contains(&code) => {
                    let response = ascii::escape(&rejection.response);
                    warning!("{noun} failed: exit code {code}: [{response}]");
                }
                _ => verbose!("{noun}: exit code {code}: [{output}]"),
            }
            finding
        }
        child::End::Signalled(number) => Finding::failed(format_args!("signal {number}")),
        child::End::TimedOut => Finding::timed_out(timeout),
        child::End::TooMuchOutput => {
            Finding::failed(format_args!("output of more than {OUTPUT_MAX} octets"))
        }
        child::End::Cancelled => Finding::failed("no longer wanted"),
    }
}
