use super::*;
use crate::config::parse;

/// A command line that breaks one rule, and what is said of it.
const BROKEN: &[(&str, &str)] = &[
    ("--pop-port=1", "--pop-port: needs --pop"),
    ("--pop-auth=x", "--pop-auth: needs --pop"),
    ("--pop-by-name", "--pop-by-name: needs --pop"),
    ("--pop-no-delete", "--pop-no-delete: needs --pop"),
    ("--pop", "--pop: needs --pop-auth"),
    ("--admin-terminate", "--admin-terminate: needs --admin"),
    (
        "-o a:1 -q b:1",
        "--forward-to: cannot be used with --as-client",
    ),
    (
        "-o a:1 -y b:1",
        "--forward-to: cannot be used with --as-proxy",
    ),
    (
        "-f",
        "--forward: needs --forward-to, --as-client or --as-proxy",
    ),
    (
        "-O 1",
        "--poll: needs --forward-to, --as-client or --as-proxy",
    ),
    (
        "-1",
        "--forward-on-disconnect: needs --forward-to, --as-client or --as-proxy",
    ),
    (
        "-m",
        "--immediate: needs --forward-to, --as-client or --as-proxy",
    ),
    (
        "-Y x",
        "--client-filter: needs --forward-to, --as-client or --as-proxy",
    ),
    ("-x -z x", "--filter: cannot be used with --dont-serve"),
    ("-x -p 1", "--port: cannot be used with --dont-serve"),
    ("-x -S x", "--server-auth: cannot be used with --dont-serve"),
    ("-x -B -F x", "--pop: cannot be used with --dont-serve"),
    ("-x -a 1", "--admin: cannot be used with --dont-serve"),
    (
        "-x --metrics=1",
        "--metrics: cannot be used with --dont-serve",
    ),
    ("-x -O 1 -o a:1", "--poll: cannot be used with --dont-serve"),
    ("-q a:1 -p 1", "--port: cannot be used with --as-client"),
    ("-q a:1 -O 1", "--poll: cannot be used with --as-client"),
    ("-X -z x", "--filter: cannot be used with --no-smtp"),
    ("-X -p 1", "--port: cannot be used with --no-smtp"),
    ("-X -S x", "--server-auth: cannot be used with --no-smtp"),
    (
        "--server-auth-config=m:",
        "--server-auth-config: needs --server-auth or --pop-auth",
    ),
    (
        "--client-auth-config=m:",
        "--client-auth-config: needs --client-auth",
    ),
    (
        "-v",
        "--verbose: needs --log, --help, --as-client, --as-proxy or --as-server",
    ),
    (
        "-g",
        "--debug: needs --log, --as-client, --as-proxy or --as-server",
    ),
    (
        "-j -b",
        "--client-tls: cannot be used with --client-tls-connection",
    ),
    ("-K", "--server-tls: needs --server-tls-certificate"),
    (
        "--server-tls-connection",
        "--server-tls-connection: needs --server-tls-certificate",
    ),
    (
        "-K --server-tls-connection --server-tls-certificate=x",
        "--server-tls: cannot be used with --server-tls-connection",
    ),
    (
        "--server-tls-certificate=x",
        "--server-tls-certificate: needs --server-tls or --server-tls-connection",
    ),
    (
        "--server-tls-verify=x",
        "--server-tls-verify: needs --server-tls or --server-tls-connection",
    ),
    (
        "--server-tls-required",
        "--server-tls-required: needs --server-tls or --server-tls-connection",
    ),
    (
        "--client-tls-certificate=x",
        "--client-tls-certificate: needs --client-tls or --client-tls-connection",
    ),
    (
        "--client-tls-verify=x",
        "--client-tls-verify: needs --client-tls or --client-tls-connection",
    ),
    (
        "--client-tls-required",
        "--client-tls-required: needs --client-tls or --client-tls-connection",
    ),
    (
        "--client-tls-verify-name=x",
        "--client-tls-verify-name: needs --client-tls-verify",
    ),
    (
        "-j --client-tls-certificate=a,b --client-tls-certificate=c",
        "--client-tls-certificate: cannot be given more than twice",
    ),
    (
        "-K --server-tls-certificate=a,b,c",
        "--server-tls-certificate: cannot be given more than twice",
    ),
    ("--dnsbl=x", "--dnsbl: needs --remote-clients"),
];

/// The problems of a command line, one per line.
fn problems(line: &str, unavailable: &[&str]) -> String {
    let mut read = parse::words(line.split_whitespace().map(Into::into));
    assert!(read.problems.is_empty(), "{line}: {:?}", read.problems);
    let broken = broken(read.options.plain(), unavailable);
    let lines: Vec<String> = broken.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

#[test]
fn each_rule_holds() {
    for (line, expected) in BROKEN {
        assert_eq!(problems(line, &[]), *expected, "{line}");
    }
}

#[test]
fn what_goes_together_is_left_alone() {
    for line in [
        "",
        "-d -y a:1",
        "-d -q a:1",
        "-q a:1 -y b:1",
        "-d -v",
        "-h -v",
        "-o a:1 -f -O 1 -1 -m -Y x",
        "-B -F x -E 1 -J -G",
        "-a 1 -Q",
        "-x=no -p 1",
        "-f=no -v=no",
        "-K --server-tls-certificate=a --server-tls-certificate=b --server-tls-required",
        "-j --client-tls-verify=x --client-tls-verify-name=y",
        "--client-tls-server-name=x",
        "-r --dnsbl=x",
        "--address-verifier=x -X",
    ] {
        assert_eq!(problems(line, &[]), "", "{line}");
    }
}

#[test]
fn unavailable_options_are_not_told_twice() {
    assert_eq!(problems("--pop-port=1", &["pop-port"]), "");
    assert_eq!(problems("-j -b", &["client-tls-connection"]), "");
    let problem = "--poll: cannot be used with --dont-serve";
    assert_eq!(problems("-x -O 1 -o a:1 -p 1", &["port"]), problem);
}

#[test]
fn all_broken_rules_are_told() {
    let told = problems("-v -f -p 1 -q a:1 -X -o a:1", &[]);
    assert_eq!(told.lines().count(), 3, "{told}");
}
