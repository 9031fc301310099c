//! What a file or stream has not taken of the log. A disk that is full takes parts of
//! lines, too.

use std::io::{self, Write};

use crate::base::WallClock;
use crate::base::log::Settings;

use super::queue::{Line, joined};
use super::warning_of_ours;

/// What was lost since the last line that was written.
#[derive(Default)]
pub(super) struct Losses {
    lines: u64,
    /// Whether what is written ends within a line.
    is_torn: bool,
}

impl Losses {
    /// Writes lines, and before them how many have been lost. What cannot be written
    /// is no reason to stop mail: it is counted.
    pub(super) fn write(&mut self, out: &mut impl Write, settings: &Settings, lines: &[Line]) {
        let Some(first) = lines.first() else {
            return;
        };
        if self.lines > 0 && !self.tell(out, settings, first.time) {
            self.lines += lines.len() as u64;
            return;
        }
        let text = joined(lines);
        let rest = self.put(out, text.as_bytes());
        // A line that is torn has its end in the rest.
        self.lines = rest.iter().filter(|octet| **octet == b'\n').count() as u64;
    }

    /// Forgets that a line is torn, as an empty file has no part of it.
    pub(super) fn begin_anew(&mut self) {
        self.is_torn = false;
    }

    /// Whether it could be said how many lines were lost.
    fn tell(&mut self, out: &mut impl Write, settings: &Settings, now: WallClock) -> bool {
        let text = format!("{} line(s) of the log were lost here", self.lines);
        let note = joined(&[warning_of_ours(settings, now, &text)]);
        let end = if self.is_torn { "\n" } else { "" };
        let note = format!("{end}{note}");
        self.put(out, note.as_bytes()).is_empty()
    }

    /// Writes what is taken, and gives the rest.
    fn put<'a>(&mut self, out: &mut impl Write, octets: &'a [u8]) -> &'a [u8] {
        let taken = write_some(out, octets);
        let (written, rest) = octets.split_at(taken);
        if let Some(last) = written.last() {
            self.is_torn = *last != b'\n';
        }
        rest
    }
}

/// Writes as much as is taken, and gives the number of octets.
fn write_some(out: &mut impl Write, octets: &[u8]) -> usize {
    let mut taken = 0;
    while let Some(rest) = octets.get(taken..).filter(|rest| !rest.is_empty()) {
        match out.write(rest) {
            Ok(0) => break,
            Ok(count) => taken += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => break,
        }
    }
    taken.min(octets.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::log::{Format, Level};

    /// A disk that has room for so many octets more.
    #[derive(Default)]
    struct Disk {
        room: usize,
        content: Vec<u8>,
    }

    impl Write for Disk {
        fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
            let count = octets.len().min(self.room);
            if count == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.room -= count;
            self.content.extend_from_slice(&octets[..count]);
            Ok(count)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn settings(format: Format) -> Settings {
        Settings {
            program: "x".to_owned(),
            enabled: true,
            verbose: false,
            debug: false,
            format,
        }
    }

    /// What is on the disk after so many lines at once, each after so much more room.
    fn content(format: Format, steps: &[(usize, &[&str])]) -> String {
        let (mut disk, mut losses) = (Disk::default(), Losses::default());
        for (room, texts) in steps {
            disk.room += room;
            let lines = texts.iter().map(|text| Line {
                level: Level::Info,
                time: WallClock::default(),
                text: (*text).to_owned(),
            });
            let lines: Vec<Line> = lines.collect();
            losses.write(&mut disk, &settings(format), &lines);
        }
        String::from_utf8(disk.content).unwrap()
    }

    #[test]
    fn a_line_that_was_torn_is_ended_and_counted() {
        let text = content(
            Format::default(),
            &[
                (10, &["one", "two", "three"]),
                (2, &["four"]),
                (0, &["five", "six"]),
                (1000, &["seven"]),
            ],
        );
        let lines: Vec<&str> = text.lines().collect();
        let told = "x: warning: 4 line(s) of the log were lost here";
        assert_eq!(lines, ["one", "two", "th", "x", told, "seven"]);
    }

    #[test]
    fn lines_that_are_whole_are_not_counted() {
        let text = content(
            Format::default(),
            &[(4, &["one"]), (0, &["two"]), (1000, &["six"])],
        );
        assert_eq!(
            text,
            "one\nx: warning: 1 line(s) of the log were lost here\nsix\n"
        );
        let torn = content(Format::default(), &[(3, &["one"]), (1000, &["two"])]);
        assert_eq!(
            torn,
            "one\nx: warning: 1 line(s) of the log were lost here\ntwo\n"
        );
        assert_eq!(
            content(Format::default(), &[(3, &["one"]), (1000, &[])]),
            "one"
        );
    }

    #[test]
    fn losses_are_told_in_the_format_of_the_log() {
        let json = Format {
            json: true,
            ..Format::default()
        };
        let text = content(json, &[(0, &["{}"]), (1000, &["{}"])]);
        assert!(text.starts_with('{') && text.ends_with("}\n{}\n"), "{text}");
    }
}
