use std::ffi::OsString;
use std::io;
use std::path::Path;

use crate::config::{Config, Context, Outcome, Platform, resolve};

fn outcome(line: &str, variables: &[(&str, &str)]) -> Outcome {
    let context = Context {
        base_dir: Some("/home/me".into()),
        credentials_dir: Some("/run/credentials/relay".into()),
        environment: variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), OsString::from(value)))
            .collect(),
        ..Context::new(Platform::Unix)
    };
    let read = |path: &Path| match path.to_str().unwrap().replace('\\', "/").as_str() {
        "/home/me/conf" => Ok(b"port 3\nsize 3\n".to_vec()),
        "/run/credentials/relay/next-hop" => Ok(b"mail.example:25\r\n".to_vec()),
        "/long" => Ok(vec![b'x'; super::VALUE_MAX + 1]),
        _ => Err(io::ErrorKind::NotFound.into()),
    };
    resolve(line.split_whitespace().map(OsString::from), &context, read)
}

fn config(line: &str, variables: &[(&str, &str)]) -> Config {
    match outcome(line, variables) {
        Outcome::Run(mut configs, _) => configs.remove(0),
        other => panic!("{line}: {other:?}"),
    }
}

fn problem(variable: (&str, &str)) -> String {
    match outcome("-t", &[variable]) {
        Outcome::Fail(problems) => problems[0].to_string().replace("\\\\", "/"),
        other => panic!("{variable:?}: {other:?}"),
    }
}

fn port_and_size(config: &Config) -> (u16, Option<u64>) {
    let smtp = config.serve.as_ref().unwrap().smtp.as_ref().unwrap();
    (smtp.port, smtp.size_max)
}

#[test]
fn variables_are_between_the_command_line_and_the_file() {
    let variables = [
        ("EMAILRELAY_OPTION_PORT", "2"),
        ("EMAILRELAY_OPTION_NO_DAEMON", "yes"),
        ("EMAILRELAY_PORT", "tcp://10.0.0.1:25"),
        ("PATH", "/bin"),
    ];
    assert_eq!(port_and_size(&config("", &variables)), (2, None));
    assert_eq!(port_and_size(&config("-p 1", &variables)), (1, None));
    assert_eq!(port_and_size(&config("conf", &variables)), (2, Some(3)));
}

#[test]
fn a_file_may_have_the_value() {
    let file = "@credentials/next-hop";
    let variables = [("EMAILRELAY_OPTION_FORWARD_TO_FILE", file)];
    let config = config("-t -f", &variables);
    assert_eq!(config.forward.unwrap().to[0].to_string(), "mail.example:25");
}

#[test]
fn configurations_have_variables_too() {
    let variables = [
        ("EMAILRELAY_OPTION_IN_SPOOL_DIR", "/a"),
        ("EMAILRELAY_OPTION_IN_PORT", "7"),
    ];
    assert_eq!(port_and_size(&config("-t", &variables)).0, 7);
}

#[test]
fn what_is_wrong_names_the_variable() {
    for (variable, expected) in [
        (
            ("EMAILRELAY_OPTION_PRT", "1"),
            "unknown option \"EMAILRELAY_OPTION_PRT\": did you mean \"EMAILRELAY_OPTION_PORT\"?",
        ),
        (
            ("EMAILRELAY_OPTION_port", "1"),
            "unknown option \"EMAILRELAY_OPTION_port\"",
        ),
        (
            ("EMAILRELAY_OPTION_", "1"),
            "unknown option \"EMAILRELAY_OPTION_\"",
        ),
        (
            ("EMAILRELAY_OPTION_PORT", "x"),
            "--port: \"x\" is not a number from 0 to 65535",
        ),
        (
            ("EMAILRELAY_OPTION_LOG", ""),
            "--log: \"\" is neither yes nor no",
        ),
        (
            ("EMAILRELAY_OPTION_PORT_FILE", "none"),
            "--port: cannot read /home/me/none: entity not found",
        ),
        (
            ("EMAILRELAY_OPTION_PORT_FILE", "/long"),
            "--port: cannot read /long: it is longer than 4096 octets",
        ),
    ] {
        assert_eq!(problem(variable), format!("{}: {expected}", variable.0));
    }
}

#[test]
fn options_whose_names_end_in_file_are_themselves() {
    let problem = problem(("EMAILRELAY_OPTION_LOG_FILE", ""));
    assert!(problem.contains("--log-file: "), "{problem}");
}
