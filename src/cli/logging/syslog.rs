//! The system log, which may go away and come back.

use std::time::{Duration, Instant};

use crate::base::WallClock;
use crate::base::log::Level;
use crate::config::Facility;
use crate::sys::syslog::{Entry, Socket};

use super::queue::{Line, Place};

/// The system log is not looked for more often than this.
const RECONNECT_AFTER: Duration = Duration::from_secs(1);

/// The system log.
pub(super) struct SystemLog {
    facility: Facility,
    program: String,
    socket: Option<Socket>,
    tried_at: Option<Instant>,
    /// Lines that could not be sent since the last one that was.
    lost: u64,
}

impl SystemLog {
    /// Connects; where that fails it is tried again with later lines.
    pub(super) fn new(facility: Facility, program: &str) -> SystemLog {
        SystemLog {
            facility,
            program: program.to_owned(),
            socket: None,
            tried_at: None,
            lost: 0,
        }
    }

    /// Sends a line, and before it how many have been lost.
    fn log(&mut self, line: &Line) {
        if self.lost > 0 {
            let note = self.note(line.time);
            if !self.send(&note) {
                self.lost += 1;
                return;
            }
            self.lost = 0;
        }
        if !self.send(line) {
            self.lost = 1;
        }
    }

    fn note(&self, time: WallClock) -> Line {
        let (program, lost) = (&self.program, self.lost);
        Line {
            level: Level::Warning,
            time,
            text: format!("{program}: warning: {lost} line(s) of the log were lost here"),
        }
    }

    /// Whether the system log took it.
    fn send(&mut self, line: &Line) -> bool {
        // A daemon that was started again has another socket: so once more.
        for _ in 0..2 {
            self.connect();
            let entry = Entry {
                facility: self.facility.number(),
                level: line.level,
                time: line.time,
                program: &self.program,
                text: &line.text,
            };
            let sent = self.socket.as_ref().map(|socket| socket.send(&entry));
            match sent {
                Some(Ok(())) => return true,
                None => return false,
                Some(Err(_)) => {
                    self.socket = None;
                    self.tried_at = None;
                }
            }
        }
        self.tried_at = Some(Instant::now());
        false
    }

    fn connect(&mut self) {
        let is_early = |then: Instant| then.elapsed() < RECONNECT_AFTER;
        if self.socket.is_none() && !self.tried_at.is_some_and(is_early) {
            self.tried_at = Some(Instant::now());
            self.socket = Socket::connect(&self.program).ok();
        }
    }
}

impl Place for SystemLog {
    fn write(&mut self, lines: &[Line]) {
        lines.iter().for_each(|line| self.log(line));
    }

    fn reopen(&mut self) {
        self.socket = None;
        self.tried_at = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_takes_is_counted() {
        // Too early to look for the system log again.
        let mut place = SystemLog {
            facility: Facility::Mail,
            program: "x".to_owned(),
            socket: None,
            tried_at: Some(Instant::now() + Duration::from_secs(600)),
            lost: 0,
        };
        let line = Line {
            level: Level::Info,
            time: WallClock::default(),
            text: "text".to_owned(),
        };
        place.write(&[line.clone(), line.clone(), line]);
        assert_eq!(place.lost, 3);
        assert_eq!(
            place.note(WallClock::default()).text,
            "x: warning: 3 line(s) of the log were lost here"
        );
    }
}
