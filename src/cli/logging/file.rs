//! The log file, with a new one for each day or hour if its name says so.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use crate::base::WallClock;
use crate::base::log::{Level, Settings};
use crate::sys::time;

use super::losses::Losses;
use super::queue::{Line, Place};
use super::warning_of_ours;

/// Opens a file to append to.
pub(crate) type Opener = Box<dyn Fn(&Path) -> io::Result<File> + Send>;

/// Seconds after which opening is tried again where it failed.
const RETRY_SECONDS: i64 = 60;

/// A log file.
pub(super) struct LogFile {
    /// The path, which may have `%d` and `%h` in it.
    template: PathBuf,
    open: Opener,
    path: PathBuf,
    file: File,
    /// Whether the file is to be opened again, though its path is the same.
    is_stale: bool,
    /// When a file could not be opened, in seconds since 1970.
    failed_at: Option<i64>,
    losses: Losses,
    settings: Settings,
}

impl LogFile {
    /// Opens the file for that time.
    pub(super) fn open(
        template: &Path,
        settings: Settings,
        now: WallClock,
        open: Opener,
    ) -> io::Result<LogFile> {
        let path = path_at(template, now);
        let file = open(&path)?;
        Ok(LogFile {
            template: template.to_owned(),
            open,
            path,
            file,
            is_stale: false,
            failed_at: None,
            losses: Losses::default(),
            settings,
        })
    }

    /// Changes to the file for that time, or stays with the one that is open.
    fn change(&mut self, now: WallClock) {
        let path = path_at(&self.template, now);
        let seconds = now.unix_seconds();
        let waits = self
            .failed_at
            .is_some_and(|then| (then..then + RETRY_SECONDS).contains(&seconds));
        if waits || (path == self.path && !self.is_stale) {
            return;
        }
        match (self.open)(&path) {
            Ok(file) => {
                if file.metadata().is_ok_and(|metadata| metadata.len() == 0) {
                    self.losses.begin_anew();
                }
                self.file = file;
                self.path = path;
                self.is_stale = false;
                self.failed_at = None;
            }
            Err(error) => {
                self.failed_at = Some(seconds);
                self.complain(&path, now, &error);
            }
        }
    }

    /// Opens the file for that time, be it the one that is open, and at once.
    fn open_again(&mut self, now: WallClock) {
        self.is_stale = true;
        self.failed_at = None;
        self.change(now);
    }

    /// Says in the file that is still open why it is not another.
    fn complain(&mut self, path: &Path, now: WallClock, error: &io::Error) {
        let text = format!("cannot open log file: {}: {error}", path.display());
        self.put(&[warning_of_ours(&self.settings, now, &text)]);
    }

    fn put(&mut self, lines: &[Line]) {
        self.losses.write(&mut self.file, &self.settings, lines);
    }
}

impl Place for LogFile {
    fn write(&mut self, lines: &[Line]) {
        let mut lines = lines;
        while let Some(first) = lines.first() {
            self.change(first.time);
            let here = lines
                .iter()
                .take_while(|line| path_at(&self.template, line.time) == self.path);
            let count = here.count().max(1);
            let (now, later) = lines.split_at(count);
            self.put(now);
            lines = later;
        }
    }

    fn reopen(&mut self) {
        self.open_again(time::wall_clock());
    }
}

/// The path for that time: the first `%d` in it stands for the date, the first `%h`
/// for the hour, both local.
pub(super) fn path_at(template: &Path, now: WallClock) -> PathBuf {
    let Some(text) = template.to_str() else {
        // What is not UTF-8 is taken as it is.
        return template.to_owned();
    };
    let text = text.replacen("%d", &now.day_stamp(), 1);
    PathBuf::from(text.replacen("%h", &now.hour_stamp(), 1))
}

/// The standard error stream.
pub(super) struct StandardError {
    /// Whether only warnings and errors are wanted.
    quiet: bool,
    losses: Losses,
    settings: Settings,
}

impl StandardError {
    pub(super) fn new(settings: Settings, quiet: bool) -> StandardError {
        StandardError {
            quiet,
            losses: Losses::default(),
            settings,
        }
    }
}

impl Place for StandardError {
    fn write(&mut self, lines: &[Line]) {
        let matters = |line: &&Line| matches!(line.level, Level::Warning | Level::Error);
        let wanted: Vec<Line> = lines
            .iter()
            .filter(|line| !self.quiet || matters(line))
            .cloned()
            .collect();
        // Whoever started us may have closed it: not our worry.
        self.losses
            .write(&mut io::stderr(), &self.settings, &wanted);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::log::Format;
    use crate::sys::append;
    use crate::sys::testing::TempDir;
    use std::collections::BTreeMap;
    use std::fs;
    use std::sync::atomic::{AtomicU32, Ordering};

    /// What is in the directory, by its names.
    fn content(folder: &TempDir) -> BTreeMap<String, String> {
        let entries = fs::read_dir(folder.path()).unwrap().map(Result::unwrap);
        let content = entries.map(|entry| {
            let name = entry.file_name().into_string().unwrap();
            (name, fs::read_to_string(entry.path()).unwrap_or_default())
        });
        content.collect()
    }

    /// Midnight of 2026-11-22 in a zone an hour ahead of UTC, and so much later.
    fn at(minutes: i64) -> WallClock {
        WallClock {
            unix_ms: 1_795_302_000_000 + minutes * 60_000,
            zone_minutes: 60,
        }
    }

    fn line(minutes: i64) -> Line {
        Line {
            level: Level::Info,
            time: at(minutes),
            text: format!("minute {minutes}"),
        }
    }

    fn settings() -> Settings {
        Settings {
            program: "emailrelay".to_owned(),
            enabled: true,
            verbose: false,
            debug: false,
            format: Format::default(),
        }
    }

    fn open(template: &Path) -> LogFile {
        LogFile::open(template, settings(), at(0), Box::new(append::open)).unwrap()
    }

    #[test]
    fn a_day_has_a_file_for_each_hour_and_the_next_has_others() {
        let folder = TempDir::new();
        let mut log = open(&folder.join("log-%d-%h-%d"));
        let lines: Vec<Line> = (0..=25 * 6).map(|tens| line(tens * 10)).collect();
        lines.chunks(7).for_each(|lines| log.write(lines));
        let content = content(&folder);
        assert_eq!(content.len(), 26);
        for hour in 0..26 {
            let (day, hour_of_day) = (22 + hour / 24, hour % 24);
            let text = &content[&format!("log-202611{day:02}-{hour_of_day:02}-%d")];
            let minutes = (0..6).map(|tens| hour * 60 + tens * 10);
            let expected: String = minutes
                .filter(|minute| *minute <= 25 * 60)
                .map(|minute| format!("minute {minute}\n"))
                .collect();
            assert_eq!(*text, expected);
        }
    }

    #[test]
    fn a_file_that_cannot_be_opened_leaves_the_old_one_in_use() {
        let folder = TempDir::new();
        let mut log = open(&folder.join("log-%d"));
        fs::create_dir(folder.join("log-20261123")).unwrap();
        log.write(&[line(0), line(24 * 60), line(24 * 60)]);
        let text = content(&folder).remove("log-20261122").unwrap();
        let warnings = text.matches("warning: cannot open log file: ").count();
        assert_eq!((warnings, text.lines().count()), (1, 4), "{text}");
        fs::remove_dir(folder.join("log-20261123")).unwrap();
        log.write(&[line(24 * 60 + 2)]);
        assert_eq!(content(&folder)["log-20261123"], "minute 1442\n");
    }

    #[test]
    fn a_renamed_file_is_made_anew_when_asked_for() {
        let folder = TempDir::new();
        let path = folder.join("log");
        let mut log = open(&path);
        log.write(&[line(0)]);
        fs::rename(&path, folder.join("log.1")).unwrap();
        log.write(&[line(1)]);
        log.reopen();
        log.write(&[line(2)]);
        let content = content(&folder);
        assert_eq!(content["log.1"], "minute 0\nminute 1\n");
        assert_eq!(content["log"], "minute 2\n");
    }

    /// A log whose file was renamed and cannot be made anew, as there is a directory.
    fn in_the_way() -> (TempDir, PathBuf, LogFile) {
        let folder = TempDir::new();
        let path = folder.join("log");
        let mut log = open(&path);
        fs::rename(&path, folder.join("log.1")).unwrap();
        fs::create_dir(&path).unwrap();
        log.open_again(at(0));
        (folder, path, log)
    }

    #[test]
    fn a_file_that_cannot_be_made_anew_is_tried_again_after_a_minute() {
        let (folder, path, mut log) = in_the_way();
        log.write(&[line(0)]);
        fs::remove_dir(&path).unwrap();
        log.write(&[line(0)]);
        log.write(&[line(1), line(2)]);
        let content = content(&folder);
        assert_eq!(content["log"], "minute 1\nminute 2\n");
        let text = &content["log.1"];
        assert!(text.starts_with("emailrelay: warning: cannot open log file: "));
        assert!(text.ends_with("\nminute 0\nminute 0\n"), "{text}");
    }

    #[test]
    fn being_asked_to_open_it_again_is_not_put_off() {
        let (folder, path, mut log) = in_the_way();
        fs::remove_dir(&path).unwrap();
        log.open_again(at(0));
        log.write(&[line(0)]);
        assert_eq!(content(&folder)["log"], "minute 0\n");
    }

    #[test]
    fn what_the_file_does_not_take_is_told_to_the_next() {
        let folder = TempDir::new();
        let path = folder.join("log");
        fs::write(&path, "").unwrap();
        // One that takes nothing comes first.
        let opened = AtomicU32::new(0);
        let open = move |path: &Path| match opened.fetch_add(1, Ordering::Relaxed) {
            0 => File::open(path),
            _ => append::open(path),
        };
        let mut log = LogFile::open(&path, settings(), at(0), Box::new(open)).unwrap();
        log.write(&[line(0), line(1)]);
        log.open_again(at(2));
        log.write(&[line(2)]);
        assert_eq!(
            content(&folder)["log"],
            "emailrelay: warning: 2 line(s) of the log were lost here\nminute 2\n"
        );
    }
}
