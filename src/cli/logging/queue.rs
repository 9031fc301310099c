//! Lines of the log on their way to a place that may be slow, or may never take
//! them. Whoever logs never waits: what is too much for the queue is counted and
//! dropped, and the place is told how much it has missed.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::base::WallClock;
use crate::base::log::Level;

/// How much waits for one place, in octets of lines.
pub(super) const QUEUE_MAX: usize = 1 << 20;

/// How many lines are written at once.
pub(super) const BATCH_MAX: usize = 256;

/// A line that is laid out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) level: Level,
    pub(super) time: WallClock,
    pub(super) text: String,
}

/// Lines as a file or stream has them.
pub(super) fn joined(lines: &[Line]) -> String {
    let octets = lines.iter().map(|line| line.text.len() + 1).sum();
    let mut text = String::with_capacity(octets);
    for line in lines {
        text.push_str(&line.text);
        text.push('\n');
    }
    text
}

/// Where lines are written; may block.
pub(super) trait Place: Send {
    /// Writes lines, in their order; what cannot be written is lost.
    fn write(&mut self, lines: &[Line]);

    /// Opens what may have been renamed anew.
    fn reopen(&mut self) {}
}

/// The way to one place.
pub(super) struct Queue {
    state: Mutex<State>,
    filled: Condvar,
    drained: Condvar,
}

#[derive(Default)]
struct State {
    lines: VecDeque<Line>,
    octets: usize,
    lost: u64,
    reopen: bool,
    is_writing: bool,
}

impl Queue {
    /// Starts a thread that writes to the place; `told` makes the line that says how
    /// many were lost. Fails only where there can be no thread.
    pub(super) fn start(
        mut place: Box<dyn Place>,
        told: impl Fn(u64) -> Line + Send + 'static,
    ) -> io::Result<Arc<Queue>> {
        let queue = Arc::new(Queue {
            state: Mutex::default(),
            filled: Condvar::new(),
            drained: Condvar::new(),
        });
        let writer = Arc::clone(&queue);
        let work = move || {
            loop {
                writer.write_some(&mut *place, &told);
            }
        };
        thread::Builder::new().name("log".to_owned()).spawn(work)?;
        Ok(queue)
    }

    /// Adds a line, or counts it as lost.
    pub(super) fn push(&self, line: Line) {
        let mut state = self.lock();
        if state.octets + line.text.len() > QUEUE_MAX {
            state.lost += 1;
            return;
        }
        state.octets += line.text.len();
        state.lines.push_back(line);
        // While it writes it looks for more by itself.
        if !state.is_writing {
            self.filled.notify_one();
        }
    }

    /// Has the place opened anew before the next line.
    pub(super) fn reopen(&self) {
        self.lock().reopen = true;
        self.filled.notify_one();
    }

    /// Waits until everything is written, but no longer than until then.
    pub(super) fn flush(&self, until: Instant) {
        let mut state = self.lock();
        while !state.is_idle() {
            let left = until.saturating_duration_since(Instant::now());
            if left == Duration::ZERO {
                return;
            }
            let waited = self.drained.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn write_some(&self, place: &mut dyn Place, told: &impl Fn(u64) -> Line) {
        let mut state = self.lock();
        state.is_writing = false;
        while state.is_idle() {
            self.drained.notify_all();
            state = self
                .filled
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        state.is_writing = true;
        let reopens = std::mem::take(&mut state.reopen);
        let lines = state.take();
        let lost = match state.lines.is_empty() {
            true => std::mem::take(&mut state.lost),
            false => 0,
        };
        drop(state);
        if reopens {
            place.reopen();
        }
        if !lines.is_empty() {
            place.write(&lines);
        }
        if lost > 0 {
            place.write(&[told(lost)]);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No step leaves the state half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn is_idle(&self) -> bool {
        self.lines.is_empty() && self.lost == 0 && !self.reopen && !self.is_writing
    }

    fn take(&mut self) -> Vec<Line> {
        let count = self.lines.len().min(BATCH_MAX);
        let lines: Vec<Line> = self.lines.drain(..count).collect();
        self.octets -= lines.iter().map(|line| line.text.len()).sum::<usize>();
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{Receiver, Sender, channel};

    /// Takes lines one batch at a time, when it is allowed to.
    struct Slow {
        turns: Receiver<()>,
        written: Sender<Vec<String>>,
        reopened: bool,
    }

    impl Place for Slow {
        fn write(&mut self, lines: &[Line]) {
            // The test has ended otherwise.
            let _ = self.turns.recv();
            let mut texts: Vec<String> = lines.iter().map(|line| line.text.clone()).collect();
            if std::mem::take(&mut self.reopened) {
                texts.insert(0, "reopened".to_owned());
            }
            let _ = self.written.send(texts);
        }

        fn reopen(&mut self) {
            self.reopened = true;
        }
    }

    fn line(text: impl Into<String>) -> Line {
        Line {
            level: Level::Info,
            time: WallClock::default(),
            text: text.into(),
        }
    }

    fn slow() -> (Arc<Queue>, Sender<()>, Receiver<Vec<String>>) {
        let (turn, turns) = channel();
        let (written, read) = channel();
        let place = Slow {
            turns,
            written,
            reopened: false,
        };
        let told = |lost| line(format!("{lost} lost"));
        (Queue::start(Box::new(place), told).unwrap(), turn, read)
    }

    #[test]
    fn a_place_that_takes_nothing_costs_lines_and_not_time() {
        let (queue, turn, read) = slow();
        let long = "x".repeat(QUEUE_MAX / 8);
        for _ in 0..20 {
            queue.push(line(&*long));
        }
        queue.flush(Instant::now() + Duration::from_millis(20));
        // What is lost before and after the first batch is taken is told apart.
        let (mut written, mut lost) = (0, 0);
        while written + lost < 20 {
            turn.send(()).unwrap();
            for text in read.recv().unwrap() {
                match text.strip_suffix(" lost") {
                    Some(count) => lost += count.parse::<u64>().unwrap(),
                    None => written += u64::from(text == long),
                }
            }
        }
        assert_eq!(written + lost, 20);
        assert!((8..=16).contains(&written), "{written}");
    }

    #[test]
    fn flushing_waits_for_what_is_written() {
        let (queue, turn, read) = slow();
        queue.push(line("one"));
        turn.send(()).unwrap();
        queue.flush(Instant::now() + Duration::from_secs(60));
        assert_eq!(read.try_recv().unwrap(), ["one"]);
    }

    #[test]
    fn places_are_opened_anew_between_lines() {
        let (queue, turn, read) = slow();
        queue.reopen();
        queue.push(line("after"));
        turn.send(()).unwrap();
        assert_eq!(read.recv().unwrap(), ["reopened", "after"]);
    }
}
