//! The system log: each line is a message of the syslog protocol.

use std::time::{Duration, Instant};

use crate::base::WallClock;
use crate::base::log::Level;
use crate::config::Facility;
use crate::sys::syslog::Socket;

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
        let message = message(self.facility, &self.program, std::process::id(), line);
        // A daemon that was started again has another socket: so once more.
        for _ in 0..2 {
            self.connect();
            let sent = self
                .socket
                .as_ref()
                .map(|socket| socket.send(message.as_bytes()));
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
            self.socket = Socket::connect().ok();
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

/// The message for that line.
// RFC 3164 4.1: priority, timestamp and tag, as all syslog daemons know them.
fn message(facility: Facility, program: &str, pid: u32, line: &Line) -> String {
    let severity = match line.level {
        Level::Error => 3,
        Level::Warning => 4,
        Level::Info | Level::Verbose => 6,
        Level::Debug => 7,
    };
    let priority = u32::from(facility.number()) * 8 + severity;
    let stamp = WallClock::syslog_stamp(&line.time);
    format!("<{priority}>{stamp} {program}[{pid}]: {}", line.text)
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

    #[test]
    fn messages_are_as_syslog_daemons_know_them() {
        let line = |level| Line {
            level,
            time: WallClock {
                unix_ms: 1_795_361_586_000,
                zone_minutes: 0,
            },
            text: "emailrelay: info: text".to_owned(),
        };
        assert_eq!(
            message(Facility::Mail, "emailrelay", 17155, &line(Level::Info)),
            "<22>Nov 22 15:33:06 emailrelay[17155]: emailrelay: info: text"
        );
        for (facility, level, priority) in [
            (Facility::Mail, Level::Warning, "<20>"),
            (Facility::Mail, Level::Error, "<19>"),
            (Facility::Mail, Level::Debug, "<23>"),
            (Facility::User, Level::Info, "<14>"),
            (Facility::Daemon, Level::Info, "<30>"),
            (Facility::Local(0), Level::Info, "<134>"),
            (Facility::Local(7), Level::Info, "<190>"),
        ] {
            let message = message(facility, "x", 1, &line(level));
            assert!(message.starts_with(priority), "{message}");
        }
    }
}
