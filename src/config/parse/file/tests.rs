use super::*;
use crate::config::problem::PROBLEMS_MAX;
use crate::config::table;

fn read(text: impl AsRef<[u8]>) -> (Vec<String>, Vec<String>) {
    let (mut options, problems) = lines(Path::new("/etc/relay.conf"), text.as_ref());
    let raw = options.plain();
    let given = |option: &'static Opt| {
        let values = raw.all(option.long).iter();
        values.map(move |given| format!("{}={}", option.long, given.value.shown()))
    };
    let given = table::options().flat_map(given).collect();
    let problems = problems.into_vec();
    (given, problems.iter().map(ToString::to_string).collect())
}

fn good(text: impl AsRef<[u8]>) -> Vec<String> {
    let (given, problems) = read(&text);
    assert_eq!(problems, Vec::<String>::new());
    given
}

fn bad(text: impl AsRef<[u8]>) -> Vec<String> {
    read(text).1
}

#[test]
fn separators_and_blanks_do_not_matter() {
    for line in [
        "port 25",
        "port=25",
        "port = 25",
        "port\t25",
        "  port  25  ",
        "\tport =25\t",
        "port 25\r",
        "port= 25",
        "port \"25\"",
        "port=\"25\"",
    ] {
        assert_eq!(good(line), ["port=25"], "{line}");
        assert_eq!(good(format!("{line}\n")), ["port=25"], "{line}");
    }
}

#[test]
fn lines_may_be_empty_or_comments() {
    let text = "\n# port 26\n  \t# port 27\r\n\r\n#\nport 25\n\n";
    assert_eq!(good(text), ["port=25"]);
    assert_eq!(good(""), Vec::<String>::new());
    assert_eq!(good("\u{FEFF}port 25"), ["port=25"]);
    assert_eq!(good("\u{FEFF}"), Vec::<String>::new());
}

#[test]
fn flags_heed_their_values() {
    assert_eq!(good("log"), ["log=yes"]);
    assert_eq!(good("log yes"), ["log=yes"]);
    for line in ["log no", "log=no", "log = false", "log \"off\""] {
        assert_eq!(good(line), ["log=no"], "{line}");
    }
    let problem = "/etc/relay.conf:2: --log: \"maybe\" is neither yes nor no";
    assert_eq!(bad("port 25\nlog maybe"), [problem]);
    assert_eq!(bad("log=").len(), 1);
}

#[test]
fn optional_values_are_optional() {
    assert_eq!(good("anonymous"), ["anonymous="]);
    assert_eq!(good("anonymous="), ["anonymous="]);
    assert_eq!(good("anonymous server,vrfy"), ["anonymous=server,vrfy"]);
}

#[test]
fn required_values_are_required() {
    let problem = "/etc/relay.conf:1: --port: needs a value";
    assert_eq!(bad("port"), [problem]);
    assert_eq!(bad("port  \r\n"), [problem]);
    assert_eq!(good("port="), ["port="]);
    assert_eq!(good("port \"\""), ["port="]);
}

#[test]
fn double_quotes_come_in_pairs() {
    for (line, value) in [
        ("domain \"a b\"", "a b"),
        ("domain \" a \"", " a "),
        ("domain \"a # b\"", "a # b"),
        ("domain \"a", "\"a"),
        ("domain a\"", "a\""),
        ("domain \"", "\""),
        ("domain \"\"a\"\"", "\"a\""),
        ("domain 'a'", "'a'"),
    ] {
        assert_eq!(good(line), [format!("domain={value}")], "{line}");
    }
}

#[test]
fn comments_after_values_are_refused() {
    for line in [
        "port 25 # note",
        "port 25\t# note",
        "port # note",
        "port = #",
        "log # note",
    ] {
        let problem = bad(line).concat();
        assert!(
            problem.contains("seems to end in a comment"),
            "{line}: {problem}"
        );
    }
    assert_eq!(good("domain a#b"), ["domain=a#b"]);
    assert_eq!(good("interface fd#3"), ["interface=fd#3"]);
}

#[test]
fn names_are_long_names_without_dashes() {
    assert_eq!(
        bad("--port 25\np 25\nPORT 25\nprt=25\n=25\nport:25\n[log]"),
        [
            "/etc/relay.conf:1: unknown option \"--port\": did you mean \"port\"?",
            "/etc/relay.conf:2: unknown option \"p\"",
            "/etc/relay.conf:3: unknown option \"PORT\": did you mean \"port\"?",
            "/etc/relay.conf:4: unknown option \"prt\": did you mean \"port\"?",
            "/etc/relay.conf:5: unknown option \"\"",
            "/etc/relay.conf:6: unknown option \"port:25\"",
            "/etc/relay.conf:7: unknown option \"[log]\"",
        ]
    );
}

#[test]
fn repeated_lines_are_lists_or_must_agree() {
    let text = "interface ::1\ninterface ::2,::3\nport 25\nport 25\nlog\nlog yes\n";
    assert_eq!(
        good(text),
        ["port=25", "interface=::1", "interface=::2,::3", "log=yes"]
    );
    assert_eq!(
        bad("port 25\n\nport 26\nlog\nlog no"),
        [
            "/etc/relay.conf:3: --port: given as \"25\" on line 1 and as \"26\": \
             it takes only one value",
            "/etc/relay.conf:5: --log: given as \"yes\" on line 4 and as \"no\": \
             it takes only one value",
        ]
    );
}

#[test]
fn octets_that_are_no_text_are_told_with_their_line() {
    assert_eq!(
        bad(b"log\n\xff\xfep\ndomain a\xe9b"),
        [
            "/etc/relay.conf:2: \"\\xff\\xfep\" is not UTF-8, which only a path may be, \
             as a word of its own",
            "/etc/relay.conf:3: \"domain a\\xe9b\" is not UTF-8, which only a path may be, \
             as a word of its own",
        ]
    );
    for text in ["domain a\0b", "spool-dir /a\rport 25", "domain \x1b[2J"] {
        let problem = bad(text).concat();
        assert!(
            problem.ends_with("has a control character in it"),
            "{problem}"
        );
        assert!(!problem.contains(|c: char| c.is_control()));
    }
}

#[test]
fn lines_are_bounded() {
    let comment = format!("#{}\r\nlog", "x".repeat(LINE_MAX - 1));
    assert_eq!(good(comment), ["log=yes"]);
    let comment = format!("log\n#{}\n", "x".repeat(LINE_MAX));
    assert_eq!(
        bad(comment),
        ["/etc/relay.conf:2: the line is longer than 8192 octets"]
    );
    let value = format!("domain {}", "x".repeat(5000));
    assert_eq!(
        bad(value),
        ["/etc/relay.conf:1: --domain: the value is longer than 4096 octets"]
    );
}

#[test]
#[cfg_attr(miri, ignore = "takes minutes")]
fn files_are_bounded() {
    let mut text = b"log\n".repeat(FILE_MAX / 4);
    assert_eq!(good(&text), ["log=yes"]);
    text.push(b'\n');
    assert_eq!(
        bad(&text),
        ["/etc/relay.conf:1: the file is longer than 1048576 octets"]
    );
}

#[test]
fn problems_are_bounded_and_found_in_little_time() {
    let problems = bad("x\n".repeat(FILE_MAX / 2));
    assert_eq!(problems.len(), PROBLEMS_MAX + 1);
    assert!(problems[PROBLEMS_MAX].ends_with("there are more problems, which are not shown"));
    let problems = bad("interface ::1\n".repeat(200));
    assert_eq!(problems.len(), PROBLEMS_MAX + 1);
    assert_eq!(
        problems[0],
        "/etc/relay.conf:101: --interface: has more than 100 values"
    );
}

#[test]
fn the_file_name_is_shown_defused() {
    let (_, problems) = lines(Path::new("/etc/\x1brelay\n.conf"), b"x");
    let problem = problems.into_vec()[0].to_string();
    assert!(problem.starts_with("/etc/\\x1brelay\\n.conf:1: "));
}
