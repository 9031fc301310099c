use std::ffi::OsString;

use crate::config::{Config, Context, Outcome, Platform, resolve};

fn outcome(line: &str, file: &str) -> Outcome {
    let words = line.split_whitespace().map(OsString::from);
    let context = Context {
        base_dir: Some("/home/me".into()),
        ..Context::new(Platform::Unix)
    };
    resolve(words, &context, |_| Ok(file.as_bytes().to_vec()))
}

fn configs(line: &str, file: &str) -> Vec<Config> {
    match outcome(line, file) {
        Outcome::Run(configs, _) => configs,
        other => panic!("{line}: {other:?}"),
    }
}

fn problems(line: &str) -> Vec<String> {
    match outcome(line, "") {
        Outcome::Fail(problems) => problems.iter().map(ToString::to_string).collect(),
        other => panic!("{line}: {other:?}"),
    }
}

fn port(config: &Config) -> u16 {
    let serve = config.serve.as_ref().unwrap();
    serve.smtp.as_ref().unwrap().port
}

fn names(configs: &[Config]) -> Vec<Option<&str>> {
    configs
        .iter()
        .map(|config| config.name.as_deref())
        .collect()
}

#[test]
fn each_prefix_makes_a_configuration() {
    let line = "-t --in-spool-dir a --in-port 10025 --out-spool-dir b --out-port 10587 --log";
    let configs = configs(line, "");
    assert_eq!(names(&configs), [Some("in"), Some("out")]);
    assert_eq!((port(&configs[0]), port(&configs[1])), (10025, 10587));
    assert!(configs[0].spool_dir.ends_with("a") && configs[1].spool_dir.ends_with("b"));
    assert!(
        configs
            .iter()
            .all(|config| config.log.enabled && !config.process.daemon)
    );
}

#[test]
fn options_without_a_prefix_are_for_the_first_or_make_one_themselves() {
    let first = configs(
        "-t -p 26 --in-spool-dir a --out-spool-dir b --out-port 27",
        "",
    );
    assert_eq!(names(&first), [Some("in"), Some("out")]);
    assert_eq!((port(&first[0]), port(&first[1])), (26, 27));
    let own = configs("-t -p 26 -s c --out-spool-dir b --out-port 27", "");
    assert_eq!(names(&own), [None, Some("out")]);
    assert_eq!((port(&own[0]), port(&own[1])), (26, 27));
}

#[test]
fn what_is_for_the_process_is_for_all() {
    let line = "--in-spool-dir a --in-no-daemon --in-log --in-verbose --out-spool-dir b \
                --out-port 27";
    let configs = configs(line, "");
    assert!(
        configs
            .iter()
            .all(|config| config.log.verbose && !config.process.daemon)
    );
}

#[test]
fn a_mode_of_one_says_what_the_process_does() {
    let line = "-t --in-spool-dir a --out-spool-dir b --out-as-proxy h:25 --out-port 27";
    let configs = configs(line, "");
    assert!(
        configs
            .iter()
            .all(|config| config.log.enabled && config.log.close_stderr)
    );
    assert!(configs[0].forward.is_none() && configs[1].forward.is_some());
}

/// A file with two configurations, the first of which has options without a prefix.
const FILE: &str = "in-spool-dir a\nsize 7\nin-port 10025\nout-spool-dir b\nout-port 10587\n";

fn size(config: &Config) -> Option<u64> {
    config
        .serve
        .as_ref()
        .unwrap()
        .smtp
        .as_ref()
        .unwrap()
        .size_max
}

#[test]
fn files_and_command_line_go_together() {
    let configs = configs("-t --out-port 587 f", FILE);
    assert_eq!(names(&configs), [Some("in"), Some("out")]);
    assert_eq!((port(&configs[0]), port(&configs[1])), (10025, 587));
    assert_eq!((size(&configs[0]), size(&configs[1])), (Some(7), None));
}

#[test]
fn the_file_says_which_is_the_first() {
    let order = |line: &str, variables: &[&str], file: &str| {
        let environment = variables.iter().map(|name| {
            let name = format!("EMAILRELAY_OPTION_{name}_SPOOL_DIR");
            (name, OsString::from("v"))
        });
        let context = Context {
            base_dir: Some("/home/me".into()),
            environment: environment.collect(),
            ..Context::new(Platform::Unix)
        };
        let words = line.split_whitespace().map(OsString::from);
        match resolve(words, &context, |_| Ok(file.as_bytes().to_vec())) {
            Outcome::Run(configs, _) => {
                let names = names(&configs).into_iter();
                names
                    .map(|name| name.unwrap_or("-"))
                    .collect::<Vec<_>>()
                    .join(" ")
            }
            other => panic!("{line}: {other:?}"),
        }
    };
    for (line, variables, file, expected) in [
        ("-t --out-spool-dir c f", &[][..], FILE, "in out"),
        ("-t --new-spool-dir c f", &["ANY"], FILE, "in out any new"),
        ("-t --out-spool-dir c --in-spool-dir d", &[], "", "out in"),
        ("-t --b-size 1 --a-size 1", &["A", "B"], "", "a b"),
        // What makes a configuration counts, not the first of its options.
        (
            "-t --b-size 1 --a-spool-dir a --b-spool-dir b",
            &[],
            "",
            "a b",
        ),
        ("-t --spool-dir c f", &[], FILE, "- in out"),
    ] {
        assert_eq!(order(line, variables, file), expected, "{line}");
    }
}

#[test]
fn what_is_above_hides_what_is_below_with_and_without_the_prefix() {
    for (line, file) in [
        ("-t --port 2525 f", FILE),
        ("-t --in-port 2525 f", "port 1\nin-spool-dir a\n"),
        (
            "-t --port 2525 --in-port 2525 f",
            "port 1\nin-spool-dir a\n",
        ),
    ] {
        assert_eq!(port(&configs(line, file)[0]), 2525, "{line}");
    }
    let quiet = configs("-t --log=no f", "in-spool-dir a\nin-log\n");
    assert!(!quiet[0].log.enabled);
}

#[test]
fn two_values_in_one_place_are_told_of_with_and_without_the_prefix() {
    let file = "in-port 1\nin-spool-dir a\nport 2\nin-filter exit:0\nfilter exit:1\n";
    let Outcome::Fail(problems) = outcome("-t f", file) else {
        panic!("it was taken");
    };
    let [problem] = &problems[..] else {
        panic!("{problems:?}");
    };
    let text = problem.to_string();
    let expected = "f:1: --in-port: given as \"2\" on line 3 and as \"1\": it takes only one value";
    assert!(text.ends_with(expected), "{text}");
    let lists = configs("-t f", "in-spool-dir a\nin-filter exit:0\nfilter exit:1\n");
    let serve = lists[0].serve.as_ref().unwrap();
    assert_eq!(serve.smtp.as_ref().unwrap().filters.len(), 2);
}

#[test]
fn what_is_wrong_names_the_option_as_it_was_given() {
    for (line, expected) in [
        (
            "-t --in-spool-dir a --in-port x",
            "--in-port: \"x\" is not a number from 0 to 65535",
        ),
        (
            "-t --foo-port 25",
            "--foo-port: there is no --foo-spool-dir, which would make a configuration of it",
        ),
        (
            "-t --client-spool-dir a",
            "unknown option \"--client-spool-dir\"",
        ),
        (
            "-t --in-spool-dir a --out-spool-dir b --out-log",
            "--out-log: is for the whole process: give it without the prefix",
        ),
        (
            "-t --in-spool-dir a --in-server-auth-config m:plain",
            "--in-server-auth-config: needs --in-server-auth or --in-pop-auth",
        ),
        (
            "-t --in-spool-dir a --in-bogus",
            "unknown option \"--in-bogus\"",
        ),
        (
            "-t --In-spool-dir a",
            "unknown option \"--In-spool-dir\": did you mean \"--spool-dir\"?",
        ),
    ] {
        let problems = problems(line);
        assert!(
            problems.iter().any(|problem| problem == expected),
            "{line}: {problems:?}"
        );
    }
}

#[test]
fn there_is_a_limit() {
    let options = (0..=super::CONFIGURATIONS_MAX).map(|n| format!("--c{n}-spool-dir d{n} "));
    let line = format!("-t {}", options.collect::<String>());
    assert_eq!(problems(&line), ["there are more than 20 configurations"]);
}

#[test]
fn what_is_wrong_with_the_process_is_told_once() {
    let problems = problems("-t -v --in-spool-dir a --out-spool-dir b");
    assert_eq!(problems.len(), 1, "{problems:?}");
}
