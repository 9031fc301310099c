use super::*;
use crate::config::option::Argument;
use crate::config::problem::PROBLEMS_MAX;
use crate::config::raw::VALUE_MAX;

/// An acceptable value for every option that takes one.
const VALUES: &[(&str, &str)] = &[
    ("as-client", "mail.example.com:25"),
    ("as-proxy", "mail.example.com:25"),
    ("spool-dir", "/var/spool"),
    ("forward-to", "mail.example.com:25"),
    ("forward-connections", "2"),
    ("forward-rate", "60"),
    ("forward-per-connection", "100"),
    ("retry-period", "3600"),
    ("poll", "60"),
    ("log-format", "time,unit"),
    ("client-filter", "/bin/filter"),
    ("client-interface", "127.0.0.1"),
    ("connection-timeout", "1"),
    ("idle-timeout", "1"),
    ("response-timeout", "1"),
    ("port", "25"),
    ("address-verifier", "/bin/verifier"),
    ("anonymous", "vrfy"),
    ("dnsbl", "127.0.0.1:53,1000,1,list.example.com"),
    ("domain", "mail.example.com"),
    ("filter", "/bin/filter"),
    ("filter-timeout", "1"),
    ("interface", "127.0.0.1,smtp=::1"),
    ("prompt-timeout", "1"),
    ("size", "1000"),
    ("pop-port", "110"),
    ("admin", "10026"),
    ("metrics", "9100"),
    ("client-auth", "/etc/secrets"),
    ("client-auth-config", "m:;a:plain"),
    ("server-auth", "/pam"),
    ("server-auth-config", "m:;a:plain"),
    ("pop-auth", "/etc/secrets"),
    ("client-tls-certificate", "/etc/pem"),
    ("client-tls-server-name", "mail.example.com"),
    ("client-tls-verify", "<default>"),
    ("client-tls-verify-name", "mail.example.com"),
    ("server-tls-certificate", "/etc/pem"),
    ("delivery-dir", "/var/mail"),
    ("server-tls-verify", "/etc/ca"),
    ("tls-config", "-tlsv1.2"),
    ("server-smtp-config", "-pipelining"),
    ("client-smtp-config", "-pipelining"),
    ("show", "window,tray"),
    ("localedir", "/usr/share/locale"),
    ("pid-file", "/run/pid"),
    ("user", "mail"),
    ("log-file", "/var/log/%d"),
    ("syslog", "local0"),
];

fn read(line: &[&str]) -> Words {
    words(line.iter().map(Into::into))
}

/// The options that are given, as `name=value`, without any problem.
fn good(line: &[&str]) -> Vec<String> {
    let mut read = read(line);
    assert_eq!(problems_of(&read), Vec::<String>::new(), "{line:?}");
    let raw = read.options.plain();
    let given = |option: &'static Opt| {
        let values = raw.all(option.long).iter();
        values.map(move |given| format!("{}={}", option.long, given.value.shown()))
    };
    table::options().flat_map(given).collect()
}

fn problems_of(words: &Words) -> Vec<String> {
    let problems = words.problems.clone().into_vec();
    problems.iter().map(ToString::to_string).collect()
}

fn bad(line: &[&str]) -> Vec<String> {
    problems_of(&read(line))
}

#[test]
#[cfg_attr(miri, ignore = "takes minutes")]
fn every_option_is_read_in_every_form() {
    for option in table::options() {
        let long = format!("--{}", option.long);
        let value = VALUES.iter().find(|(name, _)| *name == option.long);
        let takes_value = option.argument != Argument::None;
        assert_eq!(value.is_some(), takes_value, "{}", option.long);
        let value = value.map_or("yes", |(_, value)| value);
        let expected = [format!("{}={value}", option.long)];
        assert_eq!(good(&[&format!("{long}={value}")]), expected);
        let short = option.short.map(|letter| format!("-{letter}"));
        if let Some(short) = &short {
            assert_eq!(good(&[&format!("{short}={value}")]), expected);
        }
        for name in [Some(&long), short.as_ref()].into_iter().flatten() {
            match option.argument {
                Argument::None => assert_eq!(good(&[name]), expected),
                Argument::Optional(_) => {
                    let bare = [format!("{}=", option.long), "log=yes".to_owned()];
                    let mut given = good(&[name, "-l"]);
                    given.sort_by_key(|text| text == "log=yes");
                    assert_eq!(given, bare);
                }
                Argument::Required(_) | Argument::Path(_) if value.starts_with('-') => {}
                Argument::Required(_) | Argument::Path(_) => {
                    assert_eq!(good(&[name, value]), expected);
                }
            }
        }
    }
}

#[test]
fn values_follow_in_the_same_word_or_the_next() {
    assert_eq!(good(&["--domain=a=b"]), ["domain=a=b"]);
    assert_eq!(good(&["--domain="]), ["domain="]);
    assert_eq!(good(&["--domain", ""]), ["domain="]);
    assert_eq!(good(&["-D=a=b"]), ["domain=a=b"]);
    assert_eq!(good(&["-D="]), ["domain="]);
    assert_eq!(good(&["--tls-config=-tlsv1.2"]), ["tls-config=-tlsv1.2"]);
    assert_eq!(good(&["-9", "-tlsv1.2"]), ["tls-config=-tlsv1.2"]);
    assert_eq!(good(&["-p", "-t"]), ["port=-t"]);
}

#[test]
fn a_long_option_does_not_take_what_looks_like_an_option() {
    let mut read = read(&["--port", "-t"]);
    assert_eq!(
        problems_of(&read),
        [
            "--port: needs a value, but \"-t\" looks like an option: if it is the value, \
             put \"=\" before it instead of a blank"
        ]
    );
    assert!(read.options.plain().is_on("no-daemon"));
}

#[test]
fn values_may_not_be_missing() {
    assert_eq!(bad(&["--port"]), ["--port: needs a value"]);
    assert_eq!(bad(&["-p"]), ["--port: needs a value"]);
}

#[test]
fn flags_are_bundled_and_turned_off() {
    assert_eq!(good(&["-tvl"]), ["no-daemon=yes", "verbose=yes", "log=yes"]);
    assert_eq!(good(&["-lA"]), ["anonymous=", "log=yes"]);
    assert_eq!(good(&["--log=no"]), ["log=no"]);
    assert_eq!(good(&["-l=off"]), ["log=no"]);
    assert_eq!(good(&["-l", "--log", "--log=1"]), ["log=yes"]);
    assert_eq!(
        bad(&["--log=maybe"]),
        ["--log: \"maybe\" is neither yes nor no"]
    );
    assert_eq!(bad(&["--log="]), ["--log: \"\" is neither yes nor no"]);
    assert_eq!(
        bad(&["-l", "--log=no"]),
        ["--log: given as \"yes\" and as \"no\": it takes only one value"]
    );
}

#[test]
fn a_value_is_never_part_of_a_bundle() {
    for word in ["-p25", "-tp", "-pt", "-tvp", "-p110", "-p1"] {
        let expected = format!(
            "--port: takes a value, which cannot be part of \"{word}\": \
             write \"-p <value>\" or \"-p=<value>\""
        );
        assert_eq!(bad(&[word]), [expected], "{word}");
    }
    // Two letters before the "=" are a bundle, in which a value has no place.
    assert_eq!(bad(&["-tp=25"]).len(), 1);
    assert!(!bad(&["-lt=no"]).is_empty());
}

#[test]
fn a_long_name_with_one_dash_is_understood() {
    let expected = "unknown option \"-port=25\": did you mean \"--port\"?";
    assert_eq!(bad(&["-port=25"]), [expected]);
    for option in table::options() {
        let problems = bad(&[&format!("-{}", option.long)]);
        assert!(problems[0].ends_with(&format!("\"--{}\"?", option.long)));
    }
}

#[test]
fn unknown_options_are_all_told_with_what_is_near() {
    assert_eq!(
        bad(&[
            "--prt=25",
            "--LOG",
            "-lR",
            "--no-log",
            "--nonsense",
            "---log",
            "-é"
        ]),
        [
            "unknown option \"--prt\": did you mean \"--port\"?",
            "unknown option \"--LOG\": did you mean \"--log\"?",
            "unknown option \"-R\"",
            "unknown option \"--no-log\": did you mean \"--log=no\"?",
            "unknown option \"--nonsense\"",
            "unknown option \"---log\": did you mean \"--log\"?",
            "unknown option \"-é\"",
        ]
    );
}

#[test]
fn lists_are_joined_in_order() {
    assert_eq!(
        good(&["-I", "::1", "--interface=::2,::3", "-I", "::1"]),
        ["interface=::1", "interface=::2,::3", "interface=::1"]
    );
}

#[test]
fn single_values_are_single() {
    assert_eq!(good(&["-p", "25", "--port=25"]), ["port=25"]);
    assert_eq!(
        bad(&["-p", "25", "--port=26"]),
        ["--port: given as \"25\" and as \"26\": it takes only one value"]
    );
    assert_eq!(
        bad(&["-A", "--anonymous=vrfy"]),
        ["--anonymous: given as \"\" and as \"vrfy\": it takes only one value"]
    );
}

#[test]
fn the_last_word_may_be_a_file() {
    for (line, file) in [
        (&["-l", "relay.conf"][..], "relay.conf"),
        (&["-l", "--", "relay.conf"], "relay.conf"),
        (&["--", "-l"], "-l"),
        (&["--", "--"], "--"),
        (&["-"], "-"),
        (&["-A", "vrfy"], "vrfy"),
        (&["--anonymous", "vrfy"], "vrfy"),
        (&["--log", "yes"], "yes"),
    ] {
        let read = read(line);
        assert!(read.problems.is_empty());
        assert_eq!(read.file.as_deref(), Some(OsStr::new(file)));
    }
    assert_eq!(read(&["-l", "--"]).file, None);
    assert_eq!(bad(&[""]), ["the name of the configuration file is empty"]);
    for line in [["a", "b", "c"], ["a", "b", "--c"], ["--", "a", "b"]] {
        assert_eq!(
            bad(&line),
            ["unexpected \"b\": nothing may follow the name of the configuration file"]
        );
    }
}

#[test]
fn values_are_bounded_and_printable() {
    let long = "x".repeat(VALUE_MAX + 1);
    for line in [
        vec!["-D", &long],
        vec!["--domain", &long],
        vec!["--spool-dir", &long],
    ] {
        let problem = bad(&line).concat();
        assert!(
            problem.ends_with("the value is longer than 4096 octets"),
            "{problem}"
        );
    }
    assert_eq!(
        bad(&["--domain=a\0\nb"]),
        ["--domain: \"a\\x00\\nb\" has a control character in it"]
    );
    let unknown = bad(&[&format!("--{long}\n")]).concat();
    assert!(unknown.len() < 300 && !unknown.contains('\n'));
}

#[test]
#[cfg_attr(miri, ignore = "takes minutes")]
fn problems_are_bounded() {
    let line = vec!["--nonsense"; PROBLEMS_MAX * 3];
    assert_eq!(bad(&line).len(), PROBLEMS_MAX + 1);
}
