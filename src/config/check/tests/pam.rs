//! PAM in place of a secrets file.

use super::{check_in, check_line};
use crate::config::settings::{ServerAccounts, ServerAuth};
use crate::config::{Config, Context, Platform, Warning};

type Checked = Result<(Config, Vec<Warning>), Vec<String>>;

fn with_pam(line: &str) -> Checked {
    let context = Context {
        pam: true,
        // Paths of this form are relative ones where the tests run on Windows.
        base_dir: Some("/home/me".into()),
        ..Context::new(Platform::Unix)
    };
    check_in(&context, line)
}

fn bad(checked: Checked) -> Vec<String> {
    checked.unwrap_err()
}

const SMTP: &str = "-t -s /spool --server-auth";
const POP: &str = "-t -s /spool --pop --pop-auth";

#[test]
fn it_stands_for_the_accounts_of_either_server() {
    let auth = ServerAuth {
        accounts: ServerAccounts::Pam,
        config: Some("m:;a:plain".to_owned()),
    };
    let line = format!("{SMTP}=pam: --server-auth-config=m:;a:plain");
    let (config, warnings) = with_pam(&line).unwrap();
    assert_eq!(warnings, []);
    assert!(config.asks_pam());
    let server = config.serve.unwrap().smtp.unwrap();
    assert_eq!(server.auth.as_ref(), Some(&auth));
    let (config, warnings) = with_pam(&format!("{POP}=pam:")).unwrap();
    assert_eq!(warnings, []);
    assert!(config.asks_pam());
    let server = config.serve.unwrap().pop.unwrap();
    assert_eq!(server.auth.unwrap().accounts, ServerAccounts::Pam);
    let (config, _) = with_pam(&format!("{POP}=/etc/pam:")).unwrap();
    assert!(!config.asks_pam());
}

#[test]
fn its_former_name_is_warned_of_once() {
    let both = "--server-auth=/pam --pop --pop-auth=/pam";
    for line in [
        format!("{SMTP}=/pam"),
        format!("{POP}=/pam"),
        format!("-t -s /spool {both}"),
    ] {
        let (config, warnings) = with_pam(&line).unwrap();
        assert!(config.asks_pam());
        assert_eq!(warnings, [Warning::PamAsFile], "{line}");
        assert_eq!(
            warnings[0].to_string(),
            "pam authentication should be enabled with pam: rather than /pam"
        );
    }
}

#[test]
fn nothing_follows_it() {
    for value in ["pam:x", "pam:/etc/secrets"] {
        let problem = ["--server-auth: nothing can follow pam: and its colon"];
        assert_eq!(bad(with_pam(&format!("{SMTP}={value}"))), problem);
        let problem = ["--pop-auth: nothing can follow pam: and its colon"];
        assert_eq!(bad(check_line(&format!("{POP}={value}"))), problem);
    }
}

#[test]
fn it_has_no_passwords_to_log_in_with() {
    for value in ["/pam", "pam:"] {
        let line = format!("-t -s /spool -f -o mail.example.com:25 --client-auth={value}");
        let problem = [
            "--client-auth: pam checks passwords and has none to log in with: name a secrets file",
        ];
        assert_eq!(bad(with_pam(&line)), problem);
        assert_eq!(bad(check_line(&line)), problem);
    }
}

#[test]
fn who_has_it_not_says_so() {
    let windows = Context::new(Platform::Windows);
    for value in ["/pam", "pam:"] {
        let line = format!("{SMTP}={value}");
        assert_eq!(
            bad(check_line(&line)),
            [
                "--server-auth: this program was built without pam: build it with the feature pam, \
              or name a secrets file"
            ]
        );
        assert_eq!(
            bad(check_in(&windows, &line))[0],
            "--server-auth: there is no pam on this system: name a secrets file"
        );
    }
}
