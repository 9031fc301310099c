//! `emailrelay-service`: the relay as a service of Windows, in this very process, and
//! making that service known to the system.

mod start_file;

use std::ffi::OsString;
use std::io::{self, ErrorKind};
use std::path::PathBuf;
use std::time::Duration;

use crate::base::WallClock;
use crate::base::log::Level;
use crate::config::{Facility, PROGRAM};
use crate::relay::limits::SHUTDOWN_MAX;
use crate::sys::service::{self, Definition};
use crate::sys::syslog::{Entry, Socket};
use crate::sys::{self, stderr, time};

use super::logging::FLUSH_MAX;
use super::options::{Opt, Tool};
use super::startup;
use super::tool::{self, Failure};
use start_file::Start;

/// An option of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Name {
    Install,
    Remove,
    Help,
    Version,
}

/// The display name of the service that is called as the program is.
const DISPLAY_NAME: &str = "E-MailRelay";

const DESCRIPTION: &str = "Accepts mail, keeps it and forwards it.";

/// How long the end of the service may take: what is in flight, the log, and as much
/// again as a slow system may need for the rest.
const STOP_MAX: Duration = SHUTDOWN_MAX.saturating_add(FLUSH_MAX).saturating_mul(2);

/// The longest name of a service: it is part of the names of files.
const NAME_MAX: usize = 80;

/// The longest display name that Windows takes.
const DISPLAY_NAME_MAX: usize = 256;

const TOOL: Tool<Name> = Tool {
    name: "emailrelay-service",
    purpose: "E-MailRelay as a service of Windows",
    usage: &[
        "--install [<name> [<display-name>]]",
        "--remove [<name>]",
        "--help | --version",
    ],
    description: &[
        "Makes the relay known to Windows as a service, or has it forgotten. Started by the \
         service control manager, without arguments, it is the relay. It is of no use on other \
         systems.",
        "The name is emailrelay unless another is given: letters, digits, hyphens and \
         underscores, 80 at most. Several services can be installed by different names.",
        "The service starts with the system, runs as LocalService, an account of few \
         privileges, and is started again where it dies. The account needs permission to write \
         to the spool directory and the folder of a log file. Other accounts are set by \
         the sc program.",
    ],
    options: &[
        Opt::new(
            Name::Install,
            "install",
            None,
            None,
            "Make the service known, to be started with the system from the next time on.",
        ),
        Opt::new(
            Name::Remove,
            "remove",
            None,
            None,
            "Have the service forgotten; one that runs is forgotten when it ends.",
        ),
        Opt::new(Name::Help, "help", Some(b'h'), None, "Show this."),
        Opt::new(
            Name::Version,
            "version",
            Some(b'V'),
            None,
            "Show the version.",
        ),
    ],
    operands_max: 2,
    sections: &[
        (
            "FILES",
            &[
                (
                    "emailrelay-service.cfg",
                    "In the folder of the program, and may be missing. Its line dir-config names \
                     the folder of the other files, where @app at the start stands for the \
                     folder of the program. Otherwise that is the folder.",
                ),
                (
                    "<name>-start.bat",
                    "A batch file of one command, which starts emailrelay, perhaps by the start \
                     command with a title in quotes. It is not run: the options in it are what \
                     the service goes by, as if --no-daemon and --hidden were among them. Two \
                     per cent signs stand for one, and there can be no operators of the command \
                     processor. Lines that start with @echo, rem or :: are passed over.",
                ),
                (
                    "<name>.cfg",
                    "A configuration file of emailrelay(1), if there is no such batch file.",
                ),
            ],
        ),
        (
            "EXIT STATUS",
            &[
                ("0", "All is well; as a service: it was told to end."),
                (
                    "1",
                    "It could not be done; as a service: it could not be started. The event log \
                     of applications says why, under the name of the service.",
                ),
                ("2", "As a service: an address could not be bound."),
            ],
        ),
        ("SEE ALSO", &[("", "emailrelay(1)")]),
    ],
};

/// The program's manual page.
pub(super) fn manual() -> (&'static str, String) {
    (TOOL.name, TOOL.manual())
}

/// Runs the program with the arguments of the process and returns its exit
/// status, which as a service is that of the relay.
pub fn main() -> u8 {
    tool::main(TOOL.name, run)
}

fn run(words: Vec<Vec<u8>>) -> Result<u8, Failure> {
    let given = TOOL.parse(words)?;
    if let Some(text) = tool::information(&TOOL, &given, Name::Help, Name::Version) {
        return tool::print(&text);
    }
    let operands: Vec<String> = given
        .operands()
        .iter()
        .map(|word| String::from_utf8(word.clone()))
        .collect::<Result<_, _>>()
        .map_err(|_| Failure::usage("names have to be UTF-8"))?;
    let operands: Vec<&str> = operands.iter().map(String::as_str).collect();
    match (
        given.has(Name::Install),
        given.has(Name::Remove),
        operands.as_slice(),
    ) {
        (true, true, _) => Err(Failure::usage("--install and --remove exclude each other")),
        (true, false, names) => {
            let name = names.first().copied().unwrap_or(PROGRAM);
            let display_name = names.get(1).copied();
            install(name, display_name.unwrap_or(display_name_of(name)))
        }
        (false, true, []) => remove(PROGRAM),
        (false, true, [name]) => remove(name),
        (false, false, []) => serve(),
        _ => Err(Failure::usage("too many non-option arguments")),
    }
}

fn display_name_of(name: &str) -> &str {
    match name {
        PROGRAM => DISPLAY_NAME,
        name => name,
    }
}

fn install(name: &str, display_name: &str) -> Result<u8, Failure> {
    check_name(name)?;
    let is_bad = |c: char| c.is_control();
    if display_name.encode_utf16().count() > DISPLAY_NAME_MAX || display_name.contains(is_bad) {
        return Err(Failure::usage("invalid display name"));
    }
    let program = own_path()?;
    service::install(&Definition {
        name,
        display_name,
        description: DESCRIPTION,
        program: &program,
    })
    .map_err(|error| cannot("install", name, &error))?;
    if let Err(text) = start(name) {
        // It may be put there later.
        stderr::write_line(&format!("{}: warning: {text}", TOOL.name));
    }
    Ok(0)
}

fn remove(name: &str) -> Result<u8, Failure> {
    check_name(name)?;
    service::remove(name).map_err(|error| cannot("remove", name, &error))?;
    Ok(0)
}

fn serve() -> Result<u8, Failure> {
    service::serve(relay, STOP_MAX).map_err(|error| match error.kind() {
        ErrorKind::NotConnected => Failure::usage(
            "not started by the service control manager: use --install, then net start",
        ),
        _ => Failure::new(&format!("cannot be a service: {}", reason(&error))),
    })
}

fn cannot(what: &str, name: &str, error: &io::Error) -> Failure {
    let reason = reason(error);
    Failure::new(&format!("cannot {what} the service {name}: {reason}"))
}

fn reason(error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::Unsupported => "there are services of this kind on Windows only".to_owned(),
        ErrorKind::PermissionDenied => "only an administrator may do it".to_owned(),
        _ => sys::reason(error),
    }
}

/// Is the relay, as the service of that name, and returns its exit status.
fn relay(name: &str) -> u8 {
    // What is said before there is a log is for the administrator to find.
    let source = name.to_owned();
    stderr::divert(Box::new(move |line| {
        let entry = complaint(&source, line, time::wall_clock());
        // There is no other place.
        let _ = Socket::connect(&source).and_then(|events| events.send(&entry));
    }));
    let started = check_name(name)
        .map_err(|failure| failure.text)
        .and_then(|()| start(name))
        .and_then(|start| {
            let entered = std::env::set_current_dir(&start.folder);
            let folder = start.folder.display();
            entered.map_err(|error| format!("cannot use {folder}: {}", sys::reason(&error)))?;
            Ok(start.words)
        });
    match started {
        Ok(words) => {
            let own = [name, "--no-daemon", "--hidden"].map(OsString::from);
            startup::run(own.into_iter().chain(words).collect())
        }
        Err(text) => {
            stderr::write_line(&format!("{name}: error: {text}"));
            tool::FAILURE
        }
    }
}

/// A line for standard error as the event log gets it: what is no warning is an error.
fn complaint<'a>(source: &'a str, line: &'a str, time: WallClock) -> Entry<'a> {
    let level = match line.contains(": warning: ") {
        true => Level::Warning,
        false => Level::Error,
    };
    Entry {
        facility: Facility::Mail.number(),
        level,
        time,
        program: source,
        text: line,
    }
}

fn own_path() -> Result<PathBuf, Failure> {
    std::env::current_exe().map_err(|error| {
        let reason = sys::reason(&error);
        Failure::new(&format!("cannot tell where the program is: {reason}"))
    })
}

/// What the service of that name is to be started with.
fn start(name: &str) -> Result<Start, String> {
    let program = own_path().map_err(|failure| failure.text)?;
    let folder = program.parent().unwrap_or(&program);
    start_file::find(folder, name, startup::read_file)
}

/// A name that cannot lead to another folder, or be taken for something else in the
/// registry.
fn check_name(name: &str) -> Result<(), Failure> {
    let is_fine = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_');
    match (1..=NAME_MAX).contains(&name.len()) && name.bytes().all(is_fine) {
        true => Ok(()),
        false => Err(Failure::usage(
            "invalid name of a service: use letters, digits, hyphens and underscores",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(words: &[&str]) -> String {
        let words = words.iter().map(|word| word.as_bytes().to_vec()).collect();
        run(words).unwrap_err().text
    }

    #[test]
    fn one_thing_is_done_at_a_time() {
        let too_many = "too many non-option arguments";
        for (words, text) in [
            (
                &["--install", "--remove"][..],
                "--install and --remove exclude each other",
            ),
            (&["--install", "a", "b", "c"], too_many),
            (&["--remove", "a", "b"], too_many),
            (&["a"], too_many),
            (&["--uninstall"], "invalid option: --uninstall"),
        ] {
            assert_eq!(error(words), text);
        }
    }

    #[test]
    fn names_stay_where_they_are_put() {
        let long = "x".repeat(NAME_MAX + 1);
        for name in ["", "..", "a/b", "a\\b", "a b", "a.b", "\u{e9}", &long] {
            for option in ["--install", "--remove"] {
                assert!(error(&[option, name]).starts_with("invalid name"), "{name}");
            }
        }
        for name in ["emailrelay", "E-Mail_Relay2", &long[1..]] {
            assert!(check_name(name).is_ok());
        }
        let display_name = "x".repeat(DISPLAY_NAME_MAX + 1);
        for bad in ["a\tb", &display_name] {
            assert_eq!(error(&["--install", "a", bad]), "invalid display name");
        }
    }

    #[test]
    fn what_is_no_warning_is_an_error() {
        for (line, level) in [
            ("emailrelay: warning: text", Level::Warning),
            ("emailrelay: error: text", Level::Error),
            ("emailrelay: nothing to do", Level::Error),
        ] {
            let entry = complaint("x", line, WallClock::default());
            assert_eq!((entry.level, entry.text, entry.program), (level, line, "x"));
        }
    }

    #[test]
    fn where_there_are_no_such_services_it_says_so() {
        let error = io::Error::from(ErrorKind::Unsupported);
        assert_eq!(
            cannot("install", "x", &error).text,
            "cannot install the service x: there are services of this kind on Windows only"
        );
    }

    #[test]
    fn the_usual_service_is_called_as_the_product() {
        assert_eq!(display_name_of("emailrelay"), "E-MailRelay");
        assert_eq!(display_name_of("other"), "other");
    }
}
