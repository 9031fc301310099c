//! Running other programs: filters and verifiers. Blocks, so it runs on a worker.
//!
//! A program is run as it is, never by a shell, with its arguments as they are:
//! an empty one stays empty and none is an option by its looks. It gets a fixed
//! environment, nothing on standard input, standard error to nowhere and no other
//! descriptor of ours, and is the first of a process group of its own, so that
//! what it starts ends with it when it has to be killed. It is always waited for.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::platform::child as platform;

/// How long a program that is to end has for it before it is made to.
pub const GRACE: Duration = Duration::from_millis(500);

/// The longest between two looks at a program that says nothing: it may have
/// ended while something that it started keeps its output open.
const TICK_MAX: Duration = Duration::from_millis(50);

/// The shortest, for a program that has closed its output and is about to end.
const TICK_MIN: Duration = Duration::from_millis(1);

/// A program to run.
#[derive(Debug)]
pub struct Order<'a> {
    /// The file, by its absolute path.
    pub program: &'a Path,
    /// What follows its name; none has a NUL in it.
    pub arguments: &'a [Vec<u8>],
    /// How many octets it may write to its standard output.
    pub output_max: usize,
    /// How long it may run; nothing means for ever.
    pub timeout: Option<Duration>,
    /// Set by whoever is no longer interested.
    pub cancelled: &'a AtomicBool,
}

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It exited with that status.
    Exited(i32),
    /// A signal of that number ended it.
    Signalled(i32),
    /// It ran for too long, and was killed.
    TimedOut,
    /// It wrote too much, and was killed.
    TooMuchOutput,
    /// Nobody is interested any more, so it was killed.
    Cancelled,
}

/// A program that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// How.
    pub end: End,
    /// What it wrote to its standard output, cut at the limit.
    pub output: Vec<u8>,
}

/// What waiting for output brought.
pub(in crate::sys) enum Output {
    /// So many octets.
    Octets(usize),
    /// Nothing now.
    Nothing,
    /// There will be no more.
    End,
}

/// Runs a program to its end. Fails where it cannot be started, or where what it
/// does cannot be found out; then it is killed.
pub fn run(order: &Order<'_>) -> io::Result<Ended> {
    if order.cancelled.load(Ordering::Relaxed) {
        return Ok(Ended::without_output(End::Cancelled));
    }
    let child = platform::Child::spawn(order.program, order.arguments)?;
    let started = Instant::now();
    let mut run = Run {
        order,
        child,
        deadline: order.timeout.and_then(|time| started.checked_add(time)),
        output: Vec::new(),
        tick: TICK_MIN,
    };
    let end = loop {
        if let Some(end) = run.turn()? {
            break end;
        }
    };
    run.output.truncate(order.output_max);
    // What is still running is killed with its group when the child is dropped.
    Ok(Ended {
        end,
        output: std::mem::take(&mut run.output),
    })
}

/// Whether the file could be run, by this user and now.
pub fn check(program: &Path) -> io::Result<()> {
    if !program.metadata()?.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    platform::check_permission(program)
}

/// Kills all programs that are running, with what they have started, and has
/// those end at once that are started later: for the end of the process.
pub fn end_all() {
    platform::end_all(GRACE);
}

impl Ended {
    fn without_output(end: End) -> Ended {
        let output = Vec::new();
        Ended { end, output }
    }
}

/// A running program.
struct Run<'a> {
    order: &'a Order<'a>,
    child: platform::Child,
    deadline: Option<Instant>,
    output: Vec<u8>,
    tick: Duration,
}

impl Run<'_> {
    /// Takes what output there is, and sees whether it is over: the program may have
    /// ended long ago while something that it has left behind goes on writing.
    fn turn(&mut self) -> io::Result<Option<End>> {
        match self.read(self.tick)? {
            Output::Octets(_) if self.output.len() > self.order.output_max => {
                return Ok(Some(End::TooMuchOutput));
            }
            Output::Octets(_) => {}
            Output::Nothing => self.tick = TICK_MAX,
            Output::End => {
                std::thread::sleep(self.tick);
                self.tick = (self.tick * 2).min(TICK_MAX);
            }
        }
        if let Some(end) = self.child.try_wait()? {
            return self
                .last_words()
                .map(|flooded| Some(flooded.unwrap_or(end)));
        }
        if self.order.cancelled.load(Ordering::Relaxed) {
            return Ok(Some(End::Cancelled));
        }
        let late = self.deadline.is_some_and(|end| end <= Instant::now());
        Ok(late.then_some(End::TimedOut))
    }

    /// Takes what the program wrote just before it ended.
    fn last_words(&mut self) -> io::Result<Option<End>> {
        while let Output::Octets(_) = self.read(Duration::ZERO)? {
            if self.output.len() > self.order.output_max {
                return Ok(Some(End::TooMuchOutput));
            }
        }
        Ok(None)
    }

    fn read(&mut self, wait: Duration) -> io::Result<Output> {
        let mut buffer = [0; 4096];
        let left = self
            .deadline
            .map(|end| end.saturating_duration_since(Instant::now()));
        let wait = left.map_or(wait, |left| wait.min(left));
        let output = self.child.read(&mut buffer, wait)?;
        if let Output::Octets(count) = output {
            self.output.extend(buffer.iter().take(count));
        }
        Ok(output)
    }
}

#[cfg(unix)]
#[cfg(test)]
mod tests;
