//! Secrets files, and an account in place of one.

use std::net::IpAddr;

use emailrelay::auth::Secrets;
use emailrelay::auth::trust::Range;
use emailrelay::proto::sasl::Mechanism;

use super::pieces::check_shown;

/// How many problems are told of at most, and how long each is.
const PROBLEMS_MAX: usize = 100;
const PROBLEM_OCTETS_MAX: usize = 1000;

/// A shorter secret may be in a text by chance.
const SECRET_MIN: usize = 24;

/// The text of a file; files that it names have it, too.
pub(crate) fn secrets(data: &[u8]) {
    let secrets = read(data, data);
    if !data.contains(&b'\r') {
        let lines: Vec<&[u8]> = data.split(|octet| *octet == b'\n').collect();
        let with_cr = lines.join(&b"\r\n"[..]);
        // Lines are limited without their ends.
        assert_eq!(read(&with_cr, data), secrets);
    }
    let (problems, is_fine) = secrets;
    assert!(problems.len() <= PROBLEMS_MAX);
    assert!(is_fine || !problems.is_empty());
    for problem in &problems {
        check_shown(problem, PROBLEM_OCTETS_MAX);
        assert!(!shows_secret(data, problem), "{problem}");
    }
    if let Ok(text) = std::str::from_utf8(data) {
        account(text);
        range(text);
    }
}

/// What is wrong with the text, or what it warns of, and which of both.
fn read(text: &[u8], file: &[u8]) -> (Vec<String>, bool) {
    let secrets = Secrets::parse("secrets", text, &mut |_| Ok(file.to_vec()));
    let shown = |problems: &[emailrelay::auth::Problem]| {
        let shown = problems.iter().map(ToString::to_string);
        shown.collect::<Vec<String>>()
    };
    match secrets {
        Ok(secrets) => {
            ask(&secrets, text);
            (shown(secrets.warnings()), true)
        }
        Err(problems) => (shown(&problems), false),
    }
}

/// Looks for everything in it by the words of the text.
fn ask(secrets: &Secrets, text: &[u8]) {
    let words = text.split(|octet| octet.is_ascii_whitespace());
    for word in words.take(100) {
        for mechanism in Mechanism::ALL {
            if let Some(credential) = secrets.server_credential(mechanism, word) {
                assert_eq!(credential.id, word);
                check_shown(&credential.to_string(), PROBLEM_OCTETS_MAX);
            }
        }
        let account = secrets.client_account(word);
        for credential in account.iter().flat_map(|account| &account.credentials) {
            check_shown(&credential.to_string(), PROBLEM_OCTETS_MAX);
        }
        let address = String::from_utf8_lossy(word).parse::<IpAddr>().ok();
        if let Some(trusted) = secrets.trusted(address) {
            assert!(trusted.range.contains(address));
            check_shown(&trusted.log_text(address), 10_000);
        }
    }
}

/// Whether the text has the secret of a line, where that is nothing else as well.
fn shows_secret(file: &[u8], text: &str) -> bool {
    let lines = file.split(|octet| *octet == b'\n');
    let secrets = lines.filter_map(|line| {
        let fields = line.split(|octet| matches!(octet, b' ' | b'\t' | b'\r'));
        let mut fields = fields.filter(|field| !field.is_empty()).skip(1);
        let kind = fields.next()?.to_ascii_lowercase();
        // The name of a file, or what peers are called, is none.
        let has_secret = !kind.ends_with(b":file") && kind != b"none";
        fields.nth(1).filter(|_| has_secret)
    });
    secrets
        .filter(|secret| secret.len() >= SECRET_MIN && occurrences(file, secret) == 1)
        .any(|secret| occurrences(text.as_bytes(), secret) > 0)
}

fn occurrences(text: &[u8], part: &[u8]) -> usize {
    let windows = text.windows(part.len());
    windows.filter(|window| *window == part).count()
}

fn account(text: &str) {
    if let Ok(secrets) = Secrets::from_account(text) {
        let account = secrets.client_account(b"").expect("there is one");
        assert!(account.credentials.len() <= 1);
    }
}

fn range(text: &str) {
    match Range::parse(text) {
        Ok(range) => {
            assert_eq!(Range::parse(&range.to_string()), Ok(range));
            let first = text.split('/').next().map(str::parse::<IpAddr>);
            if let Some(Ok(address)) = first {
                assert!(range.contains(Some(address)));
            }
        }
        Err(why) => check_shown(&why.to_string(), 300),
    }
}
