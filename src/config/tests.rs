use super::*;

fn context() -> Context {
    Context {
        base_dir: Some("/home/me".into()),
        app_dir: Some("/opt/relay".into()),
        ..Context::new(Platform::Unix)
    }
}

fn words(line: &str) -> impl Iterator<Item = OsString> {
    line.split_whitespace().map(Into::into)
}

/// What the line comes to with that content in its file; it must read the file if,
/// and only if, there is one.
fn outcome(line: &str, file: Option<&str>) -> Outcome {
    let mut is_read = false;
    let read = |_: &Path| {
        is_read = true;
        Ok(file.unwrap_or_default().as_bytes().to_vec())
    };
    let outcome = resolve(words(line), &context(), read);
    assert_eq!(is_read, file.is_some(), "{line}");
    outcome
}

fn config(line: &str, file: &str) -> Config {
    match outcome(line, Some(file)) {
        Outcome::Run(mut configs, _) => configs.remove(0),
        other => panic!("{line}: {other:?}"),
    }
}

/// Paths have slashes in them, whatever the system.
fn shown(problem: &Problem) -> String {
    problem.to_string().replace("\\\\", "/")
}

fn problems(line: &str, file: Option<&str>) -> Vec<String> {
    match outcome(line, file) {
        Outcome::Fail(problems) => problems.iter().map(shown).collect(),
        other => panic!("{line}: {other:?}"),
    }
}

fn printed(line: &str, file: Option<&str>) -> String {
    match outcome(line, file) {
        Outcome::Print(text) => text,
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn the_command_line_overrides_the_file() {
    let file = "port 10025\nsize 1000\nlog\ninterface ::1\n";
    let smtp = |line: &str| config(line, file).serve.unwrap().smtp.unwrap();
    assert_eq!(smtp("-t f").port, 10025);
    assert_eq!(smtp("-t -p 25 f").port, 25);
    assert_eq!(smtp("-t -p 25 f").size_max, Some(1000));
    assert_eq!(smtp("-t -I ::2,::3 f").listen.len(), 2);
    assert!(config("-t f", file).log.enabled);
    assert!(!config("-t --log=no f", file).log.enabled);
}

#[test]
fn both_places_are_checked_together() {
    let file = "no-daemon\nforward-to b:1\n\nsize x";
    assert_eq!(
        problems("--as-client a:1 --domain=? /etc/relay.conf", Some(file)),
        [
            "/etc/relay.conf:2: --forward-to: cannot be used with --as-client",
            "/etc/relay.conf:4: --size: \"x\" is not a number from 0 to 9223372036854775807",
            "--domain: \"?\" is not a host name, nor an address literal such as [192.0.2.1] \
             or [IPv6:2001:db8::1]",
        ]
    );
    let problem = "/home/me/f:1: unknown option \"prt\": did you mean \"port\"?";
    assert_eq!(problems("-t f", Some("prt 25")), [problem]);
}

#[test]
fn the_file_is_read_by_its_absolute_path() {
    for (line, expected) in [
        ("-t a.conf", "/home/me/a.conf"),
        ("-t /etc/a.conf", "/etc/a.conf"),
        ("-t @app/a.conf", "/opt/relay/a.conf"),
    ] {
        let outcome = resolve(words(line), &context(), |path| {
            assert_eq!(path, Path::new(expected));
            Ok(Vec::new())
        });
        assert!(matches!(outcome, Outcome::Run(..)), "{line}");
    }
}

#[test]
fn a_file_that_cannot_be_read_is_a_problem() {
    let read = |_: &Path| Err(io::Error::other("no permission"));
    let Outcome::Fail(problems) = resolve(words("-t a.conf"), &context(), read) else {
        panic!("it fails");
    };
    let [problem] = &problems[..] else {
        panic!("one problem: {problems:?}");
    };
    assert_eq!(
        shown(problem),
        "cannot read the configuration file /home/me/a.conf: no permission"
    );
}

#[test]
fn a_file_that_cannot_be_named_is_a_problem() {
    let context = Context::new(Platform::Unix);
    let read = |_: &Path| -> io::Result<Vec<u8>> { panic!("there is no path") };
    let Outcome::Fail(problems) = resolve(words("-t a.conf"), &context, read) else {
        panic!("it fails");
    };
    assert_eq!(problems[0].kind, Kind::NoBaseDir);
}

#[test]
fn the_file_is_not_read_where_the_outcome_is_clear() {
    for line in [
        "-h a.conf",
        "-V a.conf",
        "--nonsense a.conf",
        "a.conf b.conf",
    ] {
        outcome(line, None);
    }
}

#[test]
fn help_wins_over_everything() {
    for line in [
        "-h",
        "--help",
        "-h --nonsense",
        "-h -V",
        "-h --pop",
        "-h a b",
        "-hl=x -h",
    ] {
        assert!(printed(line, None).contains("\nusage: "), "{line}");
    }
    assert!(printed("-hv", None).contains("\nBasic options:\n"));
    assert!(!printed("-h", None).contains("\nBasic options:\n"));
    assert!(printed("-t f", Some("help\nverbose")).contains("\nBasic options:\n"));
}

#[test]
fn help_is_as_wide_as_asked_for() {
    let context = Context {
        columns: Some("0".to_owned()),
        ..context()
    };
    let read = |_: &Path| -> io::Result<Vec<u8>> { panic!("there is no file") };
    let Outcome::Print(text) = resolve(words("-h -v"), &context, read) else {
        panic!("help is printed");
    };
    assert!(text.lines().any(|line| line.len() > 200));
}

#[test]
fn the_version_wins_over_what_is_not_a_mistake_of_form() {
    for line in [
        "-V",
        "--version --verbose",
        "-V --port x",
        "-V --pop",
        "-V f",
    ] {
        assert_eq!(printed(line, None), help::version(&[], false), "{line}");
    }
    assert_eq!(
        problems("-V --nonsense", None),
        ["unknown option \"--nonsense\""]
    );
    assert_eq!(printed("f", Some("version")), help::version(&[], false));
}

#[test]
fn nothing_to_do_is_no_mistake() {
    for line in ["-x", "-X", "-t -x", "-X -1 -o a:1", "-d -x"] {
        assert_eq!(outcome(line, None), Outcome::NothingToDo, "{line}");
    }
    assert_eq!(
        problems("-x --pop -F x", None),
        ["--pop: cannot be used with --dont-serve"]
    );
}

#[test]
fn warnings_come_with_the_configuration() {
    let Outcome::Run(_, advice) = outcome("-t -d -n -o a:1", None) else {
        panic!("it runs");
    };
    let warnings: Vec<_> = advice.iter().map(|advice| advice.warning).collect();
    assert_eq!(warnings, [Warning::LoggingStops, Warning::NeverForwards]);
}

#[test]
fn failures_are_told_line_by_line() {
    let Outcome::Fail(problems) = outcome("-t --pop --size x", None) else {
        panic!("it fails");
    };
    assert_eq!(
        failure("emailrelay", &problems),
        "emailrelay: error: --pop: needs --pop-auth\n\
         emailrelay: error: --size: \"x\" is not a number from 0 to 9223372036854775807\n\
         \x20           try \"emailrelay --help --verbose\" for more information\n"
    );
}
