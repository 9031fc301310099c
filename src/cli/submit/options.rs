//! The options of `emailrelay-submit` under its own name.

use crate::base::{OneLine, ascii, base64, xtext};
use crate::cli::options::{Given, Opt, Tool};
use crate::cli::tool;

use super::compose;
use super::problem::Problem;
use super::{Additions, DefaultFrom, Place, Report, Source, Submission, Task};

/// An option of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Name {
    SpoolDir,
    From,
    To,
    InputFile,
    NoStdin,
    Content,
    Body,
    ContentTo,
    ContentFrom,
    ContentDate,
    ContentMessageId,
    BccSplit,
    FromAuthIn,
    FromAuthOut,
    Auth,
    Copy,
    Domain,
    Verbose,
    Filename,
    Sendmail,
    Help,
    Version,
}

const OPTIONS: &[Opt<Name>] = &[
    Opt::new(
        Name::SpoolDir,
        "spool-dir",
        Some(b's'),
        Some("directory"),
        "The spool directory. The default is /var/spool/emailrelay.",
    ),
    Opt::new(
        Name::From,
        "from",
        Some(b'f'),
        Some("address"),
        "The reverse-path; <> for the null one. The default is what the From field has, or \
         anonymous.",
    ),
    Opt::new(
        Name::To,
        "to",
        None,
        Some("addresses"),
        "Recipients, as well as those after the options.",
    )
    .repeated(),
    Opt::new(
        Name::BccSplit,
        "bcc-split",
        Some(b'b'),
        None,
        "Store a message for each recipient that only the Bcc field has, with a Bcc field for that \
         one alone, and one without for the others.",
    ),
    Opt::new(
        Name::FromAuthIn,
        "from-auth-in",
        Some(b'i'),
        Some("name"),
        "Who has submitted the message, as if said with MAIL; nothing means <>.",
    ),
    Opt::new(
        Name::FromAuthOut,
        "from-auth-out",
        Some(b'o'),
        Some("name"),
        "Who the next hop is told has submitted it; nothing means <>.",
    ),
    Opt::new(
        Name::Auth,
        "auth",
        Some(b'a'),
        Some("name"),
        "Who has submitted the message, as if logged in.",
    ),
    Opt::new(
        Name::Copy,
        "copy",
        Some(b'c'),
        None,
        "Put the envelope into all sub-directories of the spool directory instead, for POP users.",
    ),
    Opt::new(
        Name::Domain,
        "domain",
        None,
        Some("domain"),
        "What this host is called, for --content-message-id and as sendmail.",
    ),
    Opt::new(
        Name::InputFile,
        "input-file",
        Some(b'x'),
        Some("file"),
        "Read the message from this file, and not from standard input.",
    ),
    Opt::new(
        Name::NoStdin,
        "no-stdin",
        Some(b'N'),
        None,
        "Do not read standard input.",
    ),
    Opt::new(
        Name::Content,
        "content",
        Some(b'C'),
        Some("lines"),
        "Lines of the message before those that are read, each in base64, separated by commas; = \
         for an empty one.",
    )
    .repeated(),
    Opt::new(
        Name::Body,
        "body",
        Some(b'B'),
        Some("text"),
        "A line of the body, after those of --content and before those that are read.",
    )
    .repeated(),
    Opt::new(
        Name::ContentTo,
        "content-to",
        Some(b't'),
        None,
        "Add a To field with the recipients, unless there is one.",
    ),
    Opt::new(
        Name::ContentFrom,
        "content-from",
        Some(b'F'),
        None,
        "Add a From field with the reverse-path, unless there is one.",
    ),
    Opt::new(
        Name::ContentDate,
        "content-date",
        Some(b'd'),
        None,
        "Add a Date field, unless there is one.",
    ),
    Opt::new(
        Name::ContentMessageId,
        "content-message-id",
        Some(b'I'),
        None,
        "Add a Message-ID field, unless there is one.",
    ),
    Opt::new(
        Name::Verbose,
        "verbose",
        Some(b'v'),
        None,
        "Print the path of the content file.",
    ),
    Opt::new(
        Name::Filename,
        "filename",
        Some(b'n'),
        None,
        "Print the name of the content file.",
    ),
    Opt::new(
        Name::Sendmail,
        "sendmail",
        None,
        None,
        "As the first argument: take the arguments that sendmail takes.",
    ),
    Opt::new(Name::Help, "help", Some(b'h'), None, "Show this."),
    Opt::new(
        Name::Version,
        "version",
        Some(b'V'),
        None,
        "Show the version.",
    ),
];

pub(super) const TOOL: Tool<Name> = Tool {
    name: "emailrelay-submit",
    purpose: "put a message into the spool directory",
    usage: &[
        "[<options>] [<address> ...] < <message>",
        "--sendmail [<options of sendmail>]",
    ],
    description: &[
        "Reads a message from standard input and stores it in emailrelay's spool directory, to be \
         forwarded to the addresses. Without any the recipients are those of the fields To, Cc \
         and Bcc, and the Bcc field is removed.",
        "The message is a header section, an empty line, and the body, in lines that end in LF or \
         CRLF. A line with only a dot is a line like any other.",
        "When the program exits with 0 the message is on the disk. A message that is cut short \
         because the program is killed is not stored.",
    ],
    options: OPTIONS,
    operands_max: 100_000,
    sections: &[
        (
            "AS SENDMAIL",
            &[
                (
                    "",
                    "If the name by which it is called is sendmail, or the first argument is \
                     --sendmail, it takes the options of that program. Then addresses without a \
                     domain get that of this host; the reverse-path is that of the user; and the \
                     header section gets a Received field, and From, Date and Message-ID unless it \
                     has them. A line with only a dot ends the message.",
                ),
                (
                    "-t",
                    "The recipients are those of To, Cc and Bcc, and any after the options. Bcc is removed.",
                ),
                (
                    "-i, -oi, -O IgnoreDots=true",
                    "A line with only a dot does not end the message.",
                ),
                ("-f address, -r address", "The reverse-path."),
                ("-F name", "The name of the sender, for the From field."),
                (
                    "-bm",
                    "Store a message. This is what is done if nothing is said.",
                ),
                ("-bs", "Speak SMTP on standard input and output."),
                ("-bp", "Show the queue; so does calling the program mailq."),
                (
                    "-bi, -I",
                    "Do nothing, since there are no aliases; so does calling the program newaliases.",
                ),
                ("--spool-dir=directory", "As above."),
                ("--domain=domain", "What this host is called."),
                (
                    "-A -B -C -D -G -h -L -m -M -n -N -o -O -p -Q -R -s -U -v -V -x -X -d -e",
                    "Taken, with their values, and otherwise without effect.",
                ),
            ],
        ),
        (
            "EXIT STATUS",
            &[
                ("0", "The message is stored."),
                ("1", "It is not, and standard error says why."),
                (
                    "64 to 78",
                    "The same, as sendmail: 64 the arguments are wrong, 65 the message is, 66 the \
                     input file cannot be read, 69 not offered, 71 the system fails, 74 input or \
                     output does, 75 it may work later, 76 the caller speaks no SMTP, 77 not permitted, 78 no spool directory.",
                ),
            ],
        ),
        (
            "SEE ALSO",
            &[(
                "",
                "emailrelay(1), emailrelay-spool(1), emailrelay-filter-copy(1)",
            )],
        ),
    ],
};

/// Reads the arguments.
pub(super) fn task(words: Vec<Vec<u8>>) -> Result<Task, Problem> {
    let given = TOOL.parse(words).map_err(Problem::usage)?;
    if let Some(text) = tool::information(&TOOL, &given, Name::Help, Name::Version) {
        return Ok(Task::Print(text));
    }
    if given.has(Name::Sendmail) {
        return Err(Problem::usage("--sendmail must be the first argument"));
    }
    let mut to = Vec::new();
    let operands = given.operands().iter().map(Vec::as_slice);
    for list in given.values(Name::To).chain(operands) {
        compose::add_recipients(list, &mut to)?;
    }
    let from = given
        .value(Name::From)
        .map(compose::reverse_path)
        .transpose()?;
    let report = match (given.has(Name::Verbose), given.has(Name::Filename)) {
        (true, _) => Report::Path,
        (false, true) => Report::FileName,
        (false, false) => Report::Nothing,
    };
    Ok(Task::Submit(Box::new(Submission {
        place: Place {
            spool_dir: given.value(Name::SpoolDir).map(<[u8]>::to_vec),
            domain: given.value(Name::Domain).map(compose::domain).transpose()?,
        },
        from,
        default_from: DefaultFrom::Header,
        to_header: to.is_empty(),
        to,
        lines: lines(&given)?,
        source: source(&given)?,
        ends_at_dot: false,
        additions: Additions {
            received: false,
            from: given.has(Name::ContentFrom),
            to: given.has(Name::ContentTo),
            date: given.has(Name::ContentDate),
            message_id: given.has(Name::ContentMessageId),
        },
        full_name: None,
        bcc_split: given.has(Name::BccSplit),
        qualify: false,
        authentication: given.value(Name::Auth).map(encoded).unwrap_or_default(),
        mail_auth_in: mailbox_or_null(given.value(Name::FromAuthIn)),
        mail_auth_out: mailbox_or_null(given.value(Name::FromAuthOut)),
        copy: given.has(Name::Copy),
        report,
    })))
}

fn source(given: &Given<Name>) -> Result<Source, Problem> {
    match given.value(Name::InputFile) {
        Some(_) if given.has(Name::NoStdin) => Err(Problem::usage(
            "either --input-file or --no-stdin, not both",
        )),
        Some(file) if file.contains(&0) => Err(Problem::usage("invalid input file")),
        Some(file) => Ok(Source::File(file.to_vec())),
        None if given.has(Name::NoStdin) => Ok(Source::Nowhere),
        None => Ok(Source::StandardInput),
    }
}

/// The lines that the options give, each with an LF.
fn lines(given: &Given<Name>) -> Result<Vec<u8>, Problem> {
    let (mut lines, mut in_body) = (Vec::new(), false);
    for list in given.values(Name::Content) {
        for item in list.split(|octet| *octet == b',') {
            let line = match item {
                // As E-MailRelay has it: nothing that short is base64.
                [] | [_] => Vec::new(),
                _ => base64::decode(item).ok_or_else(|| {
                    let shown = ascii::escape_bounded(item, 100);
                    Problem::usage(format!("not base64: {shown}"))
                })?,
            };
            in_body |= line.is_empty();
            push_line(&mut lines, &line, "--content")?;
        }
    }
    for text in given.values(Name::Body) {
        if !in_body {
            lines.push(b'\n');
            in_body = true;
        }
        push_line(&mut lines, text, "--body")?;
    }
    Ok(lines)
}

fn push_line(lines: &mut Vec<u8>, line: &[u8], option: &str) -> Result<(), Problem> {
    let line = OneLine::new(line);
    let line = line.ok_or_else(|| Problem::usage(format!("a line break or NUL in {option}")))?;
    lines.extend_from_slice(line.as_bytes());
    lines.push(b'\n');
    Ok(())
}

fn encoded(name: &[u8]) -> OneLine {
    OneLine::escaped(xtext::encode(name))
}

/// The parameter of MAIL that names somebody: xtext, `<>` for nobody, or nothing.
fn mailbox_or_null(value: Option<&[u8]>) -> OneLine {
    match value {
        None => OneLine::default(),
        Some(b"") => OneLine::escaped("<>"),
        Some(name) => encoded(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> Result<Submission, String> {
        let words = words.iter().map(|word| word.as_bytes().to_vec()).collect();
        match task(words).map_err(|problem| problem.text)? {
            Task::Submit(submission) => Ok(*submission),
            other => panic!("{other:?}"),
        }
    }

    fn lines(words: &[&str]) -> Result<String, String> {
        parse(words).map(|submission| String::from_utf8(submission.lines).unwrap())
    }

    #[test]
    fn lines_come_from_the_options() {
        let encoded = "U3ViamVjdDogeA==,=,Ym9keQ==,,eg==";
        for (words, expected) in [
            (&["-C", encoded][..], "Subject: x\n\nbody\n\nz\n"),
            (
                &["-C", "U3ViamVjdDogeA==", "-B", "a", "-B", ""],
                "Subject: x\n\na\n\n",
            ),
            (&["-B", "a"], "\na\n"),
            (&["-C", encoded, "--body=b"], "Subject: x\n\nbody\n\nz\nb\n"),
            (&["-N"], ""),
        ] {
            assert_eq!(lines(words).as_deref(), Ok(expected), "{words:?}");
        }
        // "a LF b"
        for bad in [
            &["-C", "YQpi"][..],
            &["-C", "!!"],
            &["-B", "a\nb"],
            &["-B", "a\0"],
        ] {
            assert!(lines(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn names_are_encoded() {
        let given = parse(&["-i", "a b=", "-o", "", "-a", "x\n"]).unwrap();
        assert_eq!(given.mail_auth_in.as_bytes(), b"a+20b+3D");
        assert_eq!(given.mail_auth_out.as_bytes(), b"<>");
        assert_eq!(given.authentication.as_bytes(), b"x+0A");
        assert!(parse(&[]).unwrap().mail_auth_in.is_empty());
    }

    #[test]
    fn addresses_are_read_like_those_of_fields() {
        let given = parse(&["--to", "A <a@x>, b@y", "\\joe", " c@z ", "-f", "<>"]).unwrap();
        let to: Vec<String> = given.to.iter().map(OneLine::to_string).collect();
        assert_eq!(to, ["a@x", "b@y", "joe", "c@z"]);
        assert_eq!(given.from, Some(OneLine::default()));
        assert!(!given.to_header);
        assert!(parse(&["-N"]).unwrap().to_header);
        for bad in [
            &["a@x\nRCPT TO:<b@x>"][..],
            &["a b@x"],
            &["<>"],
            &["-f", "a@x\r\n"],
            &["-f", "a@x, b@x"],
            &["--domain", "a b"],
            &["--sendmail"],
            &["-x", "f", "-N"],
        ] {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
    }
}
