//! The options about TLS and logging in when forwarding.

use super::{ForwardChange, bad, forward, good, warned};
use crate::base::secret::Secret;
use crate::config::settings::Verify;
use crate::config::{ClientAccount, ClientAuth, ClientTls, Forward, TlsStart, Warning};

fn tls(forward: &mut Forward) -> &mut ClientTls {
    forward.tls.get_or_insert(ClientTls {
        start: TlsStart::IfOffered,
        certificate: vec![],
        verify: Verify::Unset,
        verify_name: None,
        server_name: None,
    })
}

fn auth(path: &str, mechanisms: &str) -> Option<ClientAuth> {
    Some(ClientAuth {
        account: ClientAccount::File(path.into()),
        mechanisms: mechanisms.to_owned(),
    })
}

pub(super) const CHANGES: &[(&str, ForwardChange)] = &[
    ("--client-tls", |f| tls(f).start = TlsStart::IfOffered),
    ("--client-tls --client-tls-required", |f| {
        tls(f).start = TlsStart::Required;
    }),
    ("--client-tls-connection", |f| {
        tls(f).start = TlsStart::Immediately;
    }),
    ("--client-tls-connection --client-tls-required", |f| {
        tls(f).start = TlsStart::Immediately;
    }),
    ("-j --client-tls-certificate a.pem", |f| {
        tls(f).certificate = vec!["/home/me/a.pem".into()];
    }),
    ("-j --client-tls-certificate /k,/c", |f| {
        tls(f).certificate = vec!["/k".into(), "/c".into()];
    }),
    (
        "-j --client-tls-certificate /k --client-tls-certificate /c",
        |f| tls(f).certificate = vec!["/k".into(), "/c".into()],
    ),
    ("-j --client-tls-verify ca.pem", |f| {
        tls(f).verify = Verify::Path("/home/me/ca.pem".into());
    }),
    ("-j --client-tls-verify=<default>", |f| {
        tls(f).verify = Verify::SystemAuthorities;
    }),
    ("-j --client-tls-verify=<none>", |f| {
        tls(f).verify = Verify::Nobody;
    }),
    (
        "-j --client-tls-verify=<default> --client-tls-verify-name mx.example",
        |f| {
            tls(f).verify = Verify::SystemAuthorities;
            tls(f).verify_name = Some("mx.example".to_owned());
        },
    ),
    ("-j --client-tls-server-name mx.example", |f| {
        tls(f).server_name = Some("mx.example".to_owned());
    }),
    ("--client-tls-server-name mx.example", |_| {}),
    ("--client-auth secrets", |f| {
        f.auth = auth("/home/me/secrets", "");
    }),
    (
        "--client-auth @app/secrets --client-auth-config m:;a:plain",
        |f| {
            f.auth = auth("/opt/relay/secrets", "m:;a:plain");
        },
    ),
    ("--client-auth plain:bUBl:cHc=", |f| {
        f.auth = Some(ClientAuth {
            account: ClientAccount::Given(Secret::new("plain:bUBl:cHc=")),
            mechanisms: String::new(),
        });
    }),
];

#[test]
fn each_option_changes_how_forwarding_is_protected() {
    for (line, change) in CHANGES {
        let mut expected = forward();
        change(&mut expected);
        let config = good(&format!("-t -o mail.example.com:25 {line}"));
        assert_eq!(config.forward, Some(expected), "{line}");
    }
}

#[test]
fn files_need_names() {
    for (line, expected) in [
        ("-j --client-tls-certificate=", "--client-tls-certificate: "),
        (
            "-j --client-tls-certificate=a,",
            "--client-tls-certificate: ",
        ),
        ("-j --client-tls-verify=", "--client-tls-verify: "),
        ("--client-auth=", "--client-auth: "),
    ] {
        let problems = bad(&format!("-t -o mail.example.com:25 {line}"));
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].starts_with(expected), "{problems:?}");
    }
}

#[test]
fn accounts_on_the_command_line_are_not_shown() {
    let config = good("-t -o mail.example.com:25 --client-auth plain:bUBl:cHc=");
    let shown = format!("{config:?}");
    assert!(
        !shown.contains("bUBl") && !shown.contains("cHc="),
        "{shown}"
    );
}

#[test]
fn to_verify_whoever_offers_tls_is_warned_of() {
    let line = "-t -f -o mail.example.com:25 -j --client-tls-verify";
    assert_eq!(warned(&format!("{line} ca")), [Warning::VerifiesIfOffered]);
    assert_eq!(warned(&format!("{line} <none>")), []);
    assert_eq!(warned(&format!("{line} ca --client-tls-required")), []);
    let immediately = "-t -f -o mail.example.com:25 -b --client-tls-verify ca";
    assert_eq!(warned(immediately), []);
}
