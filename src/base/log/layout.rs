//! What a line of the log looks like.
//!
//! As text, which log watchers know:
//!
//! ```text
//! <program>: [<time>: ]<level>: [[<configuration>] ][<address>[;<port>]; ][(<id>) ]<text>
//! ```
//!
//! As JSON, one object on a line, with `time`, `level`, `text`, and where there is
//! such a thing `configuration`, `address`, `port` and `message`.

use super::{Level, Subject};
use crate::base::WallClock;

/// The longest text of a line, in octets; more is cut and ends in ` ...`.
pub const TEXT_MAX: usize = 1000;

/// What lines have besides level and text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Format {
    /// The local time.
    pub time: bool,
    /// The name of the configuration.
    pub unit: bool,
    /// The peer's address.
    pub address: bool,
    /// The peer's port, after its address.
    pub port: bool,
    /// The id of the message that is being forwarded.
    pub message: bool,
    /// JSON, which has all of it.
    pub json: bool,
}

/// How lines look and which are written.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The program's name, first on each line.
    pub program: String,
    /// Whether anything is written at all (`--log`).
    pub enabled: bool,
    /// Whether [`Level::Verbose`] is written.
    pub verbose: bool,
    /// Whether [`Level::Debug`] is written.
    pub debug: bool,
    /// What lines have besides level and text.
    pub format: Format,
}

impl Level {
    fn word(self) -> &'static str {
        match self {
            Level::Debug => "debug",
            Level::Verbose | Level::Info => "info",
            Level::Warning => "warning",
            Level::Error => "error",
        }
    }
}

impl Settings {
    pub(super) fn shows(&self, level: Level) -> bool {
        self.enabled
            && match level {
                Level::Debug => self.debug,
                Level::Verbose => self.verbose,
                Level::Info | Level::Warning | Level::Error => true,
            }
    }

    /// The line for that text.
    pub fn line(&self, level: Level, time: WallClock, subject: &Subject, text: &str) -> String {
        match self.format.json {
            true => json(level, time, subject, text),
            false => self.text(level, time, subject, text),
        }
    }

    fn text(&self, level: Level, time: WallClock, subject: &Subject, text: &str) -> String {
        let Format {
            time: has_time,
            unit,
            address,
            port,
            message,
            json: _,
        } = self.format;
        let mut line = format!("{}: ", self.program);
        if has_time {
            line += &time.log_stamp();
            line += ": ";
        }
        line += level.word();
        line += ": ";
        if let Some(name) = subject.unit.as_ref().filter(|_| unit) {
            line += &format!("[{}] ", one_bounded_line(name));
        }
        if let Some(known) = subject.address.as_ref().filter(|_| address || port) {
            line += &one_bounded_line(known);
            if let Some(number) = subject.port.filter(|_| port) {
                line += &format!(";{number}: ");
            } else {
                line += "; ";
            }
        }
        if let Some(id) = subject.message.as_ref().filter(|_| message) {
            line += &format!("({}) ", one_bounded_line(id));
        }
        line += &one_bounded_line(text);
        line
    }
}

fn json(level: Level, time: WallClock, subject: &Subject, text: &str) -> String {
    let mut line = format!(
        "{{\"time\":\"{}\",\"level\":\"{}\"",
        time.rfc3339(),
        level.word()
    );
    let mut add = |name: &str, value: &str| {
        line += &format!(",\"{name}\":");
        push_string(&mut line, value);
    };
    if let Some(unit) = &subject.unit {
        add("configuration", unit);
    }
    if let Some(address) = &subject.address {
        add("address", address);
    }
    if let Some(message) = &subject.message {
        add("message", message);
    }
    add("text", text);
    if let Some(port) = subject.port {
        line += &format!(",\"port\":{port}");
    }
    line + "}"
}

/// Appends a string as JSON has it, cut at [`TEXT_MAX`].
// RFC 8259 7: quotation mark, reverse solidus and control characters are escaped.
fn push_string(line: &mut String, value: &str) {
    line.push('"');
    let value = cut(value);
    for c in value.0.chars() {
        match c {
            '"' => line.push_str("\\\""),
            '\\' => line.push_str("\\\\"),
            c if c.is_control() => line.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => line.push(c),
        }
    }
    line.push_str(value.1);
    line.push('"');
}

/// Cuts the text at [`TEXT_MAX`] and replaces whatever could start a new line or
/// drive a terminal: callers escape, this is the second lock.
fn one_bounded_line(text: &str) -> String {
    let (text, end) = cut(text);
    let mut line: String = text
        .chars()
        .map(|c| if c.is_control() { '.' } else { c })
        .collect();
    line += end;
    line
}

/// The text up to [`TEXT_MAX`] octets, and what tells that there was more.
fn cut(text: &str) -> (&str, &'static str) {
    let mut end = text.len().min(TEXT_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    match end < text.len() {
        true => (&text[..end], " ..."),
        false => (text, ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLOCK: WallClock = WallClock {
        unix_ms: 1_795_361_545_480,
        zone_minutes: 60,
    };

    fn settings(format: Format) -> Settings {
        Settings {
            program: "emailrelay".to_owned(),
            enabled: true,
            verbose: false,
            debug: false,
            format,
        }
    }

    fn subject() -> Subject {
        Subject {
            unit: Some("in".into()),
            address: Some("127.0.0.1".to_owned()),
            port: Some(50786),
            message: Some("emailrelay.1.2.3".to_owned()),
        }
    }

    fn line(format: Format, subject: &Subject, text: &str) -> String {
        settings(format).line(Level::Info, CLOCK, subject, text)
    }

    #[test]
    fn lays_lines_out_for_log_watchers() {
        let watched = Format {
            time: true,
            address: true,
            ..Format::default()
        };
        assert_eq!(
            line(watched, &subject(), "rx<<: \"EHLO x\""),
            "emailrelay: 20261122.163225.480: info: 127.0.0.1; rx<<: \"EHLO x\""
        );
        let forged = Subject {
            address: Some("x\nforged".to_owned()),
            ..Subject::default()
        };
        let forged = line(
            Format {
                address: true,
                ..Format::default()
            },
            &forged,
            "text",
        );
        assert_eq!(forged, "emailrelay: info: x.forged; text");
        let plain = settings(Format::default());
        let plain = plain.line(Level::Warning, CLOCK, &subject(), "text");
        assert_eq!(plain, "emailrelay: warning: text");
    }

    #[test]
    fn lays_all_parts_out_in_one_order() {
        let all = Format {
            time: false,
            unit: true,
            address: true,
            port: true,
            message: true,
            json: false,
        };
        assert_eq!(
            line(all, &subject(), "text"),
            "emailrelay: info: [in] 127.0.0.1;50786: (emailrelay.1.2.3) text"
        );
        assert_eq!(
            line(all, &Subject::default(), "text"),
            "emailrelay: info: text"
        );
    }

    #[test]
    fn json_is_one_object_on_one_line() {
        let json = Format {
            json: true,
            ..Format::default()
        };
        assert_eq!(
            line(json, &subject(), "a \"b\" \\ \n\u{1b} é"),
            "{\"time\":\"2026-11-22T16:32:25.480+01:00\",\"level\":\"info\",\
             \"configuration\":\"in\",\"address\":\"127.0.0.1\",\
             \"message\":\"emailrelay.1.2.3\",\
             \"text\":\"a \\\"b\\\" \\\\ \\u000a\\u001b é\",\"port\":50786}"
        );
        let long = line(json, &Subject::default(), &"é".repeat(900));
        assert!(long.ends_with("é ...\"}"), "{long}");
    }

    #[test]
    fn bounds_and_defuses_the_text() {
        assert_eq!(one_bounded_line("a\nb\u{1b}c"), "a.b.c");
        let long = one_bounded_line(&"é".repeat(900));
        assert_eq!(long.len(), TEXT_MAX + 4);
        assert!(long.ends_with("é ..."));
    }

    #[test]
    fn levels_want_their_options() {
        let quiet = settings(Format::default());
        assert!(!quiet.shows(Level::Verbose) && !quiet.shows(Level::Debug));
        let chatty = Settings {
            verbose: true,
            debug: true,
            ..quiet.clone()
        };
        assert!(chatty.shows(Level::Verbose) && chatty.shows(Level::Debug));
        let off = Settings {
            enabled: false,
            ..chatty
        };
        assert!(!off.shows(Level::Error));
    }
}
