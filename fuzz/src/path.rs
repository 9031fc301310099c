//! Arguments of SMTP commands: paths, parameters, names of hosts, sizes.

use emailrelay::base::xtext;
use emailrelay::proto::smtp::command::{Command, chunk, hello_name};
use emailrelay::proto::smtp::params::{MailParameters, Offered, parse_recipient};
use emailrelay::proto::smtp::path::{
    self, DOMAIN_MAX, LOCAL_PART_MAX, PATH_MAX, Path, PathRules, Side,
};

use super::pieces::check_one_line;

/// A command line: the verb counts for nothing, its argument is read as any may be.
pub(crate) fn path(data: &[u8]) {
    let command = Command::split(data);
    assert!(
        !command
            .verb
            .iter()
            .any(|octet| matches!(octet, b' ' | b'\t'))
    );
    for side in [Side::Reverse, Side::Forward] {
        read(command.argument, side);
        read_mailbox(command.argument, side);
    }
    parameters(command.argument);
    hello(command.argument);
    if let Some(found) = chunk(command.argument) {
        let last = if found.last { " LAST" } else { "" };
        let again = format!("{}{last}", found.octets);
        assert_eq!(chunk(again.as_bytes()), Some(found));
    }
}

fn read(argument: &[u8], side: Side) {
    let strict = path::parse(argument, side, PathRules::Strict);
    let lenient = path::parse(argument, side, PathRules::Lenient);
    if strict.is_ok() {
        assert_eq!(strict, lenient, "lenient rules only allow more");
    }
    let Ok((path, after)) = lenient else {
        return;
    };
    assert!(argument.ends_with(after));
    check(&path);
    parameters(after);
    let keyword = match side {
        Side::Reverse => b"FROM:<",
        Side::Forward => b"TO:<".as_slice(),
    };
    let again = [keyword, path.mailbox().as_bytes(), b">", after].concat();
    let rules = match strict {
        Ok(_) => PathRules::Strict,
        Err(_) => PathRules::Lenient,
    };
    assert_eq!(path::parse(&again, side, rules), Ok((path, after)));
}

fn read_mailbox(text: &[u8], side: Side) {
    for rules in [PathRules::Strict, PathRules::Lenient] {
        if let Ok(path) = path::parse_mailbox(text, side, rules) {
            check(&path);
            assert_eq!(path.mailbox().as_bytes(), text);
        }
    }
}

fn check(path: &Path) {
    check_one_line(path.mailbox(), PATH_MAX - 2);
    let mailbox = path.mailbox().as_bytes();
    assert!(!mailbox.iter().any(u8::is_ascii_control), "{path:?}");
    assert!(path.local_part().len() <= LOCAL_PART_MAX);
    assert_eq!(path.is_null(), mailbox.is_empty());
    assert!(std::str::from_utf8(mailbox).is_ok(), "{path:?}");
    match path.domain() {
        Some(domain) => {
            assert!((1..=DOMAIN_MAX).contains(&domain.len()));
            assert_eq!([path.local_part(), b"@", domain].concat(), mailbox);
            let is_literal = path::is_address_literal(domain);
            assert!(is_literal || path::is_domain(domain, PathRules::Lenient));
        }
        None => assert_eq!(path.local_part(), mailbox),
    }
}

fn parameters(text: &[u8]) {
    let everything = Offered {
        binary: true,
        smtputf8: true,
    };
    let nothing = Offered {
        binary: false,
        smtputf8: false,
    };
    let all = MailParameters::parse(text, everything);
    if let Ok(few) = MailParameters::parse(text, nothing) {
        assert_eq!(all, Ok(few));
    }
    if let Some(auth) = all.ok().and_then(|all| all.auth) {
        check_one_line(&auth, text.len());
        let is_null = auth.as_bytes() == b"<>";
        assert!(
            is_null || xtext::decode(auth.as_bytes()).is_some(),
            "{auth}"
        );
    }
    if parse_recipient(text).is_ok() {
        assert!(text.iter().all(|octet| *octet == b' '));
    }
}

fn hello(argument: &[u8]) {
    let lenient = hello_name(argument, PathRules::Lenient);
    if let Some(name) = hello_name(argument, PathRules::Strict) {
        check_one_line(&name, DOMAIN_MAX);
        assert_eq!(name.as_bytes(), argument);
        assert!(name.as_bytes().iter().all(u8::is_ascii_graphic));
        assert_eq!(lenient, Some(name));
    } else if let Some(name) = lenient {
        // An octet is escaped by four.
        check_one_line(&name, 4 * DOMAIN_MAX);
    }
}
