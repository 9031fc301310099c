use std::collections::BTreeSet;

use super::*;
use crate::config::option::{Argument, Level, On, Platform};

/// The documented options as `<letter, or -> <name>`; `=` after the name where a
/// value is required, `[=]` where it is optional.
const DOCUMENTED: [&str; 68] = [
    "q as-client=",
    "y as-proxy=",
    "d as-server",
    "s spool-dir=",
    "h help",
    "V version",
    "f forward",
    "1 forward-on-disconnect",
    "o forward-to=",
    "O poll=",
    "Y client-filter=",
    "6 client-interface=",
    "U connection-timeout=",
    "- idle-timeout=",
    "T response-timeout=",
    "- forward-to-some",
    "m immediate",
    "p port=",
    "r remote-clients",
    "- address-verifier=",
    "A anonymous[=]",
    "- dnsbl=",
    "D domain=",
    "z filter=",
    "W filter-timeout=",
    "I interface=",
    "w prompt-timeout=",
    "M size=",
    "B pop",
    "J pop-by-name",
    "G pop-no-delete",
    "E pop-port=",
    "a admin=",
    "Q admin-terminate",
    "C client-auth=",
    "- client-auth-config=",
    "S server-auth=",
    "- server-auth-config=",
    "F pop-auth=",
    "j client-tls",
    "- client-tls-certificate=",
    "b client-tls-connection",
    "- client-tls-required",
    "- client-tls-server-name=",
    "- client-tls-verify=",
    "- client-tls-verify-name=",
    "K server-tls",
    "- server-tls-certificate=",
    "- server-tls-connection",
    "- server-tls-required",
    "- server-tls-verify=",
    "9 tls-config=",
    "x dont-serve",
    "H hidden",
    "- localedir=",
    "t no-daemon",
    "X no-smtp",
    "i pid-file=",
    "u user=",
    "v verbose",
    "l log",
    "g debug",
    "- log-address",
    "N log-file=",
    "L log-time",
    "n no-syslog",
    "k syslog[=]",
    "e close-stderr",
];

/// Options that the documented program does not have, in the same form.
const ADDED: &[&str] = &[
    "- delivery-dir=",
    "- log-format=",
    "- forward-to-all",
    "c client-smtp-config=",
    "Z server-smtp-config=",
    "- metrics=",
    "- strict-secrets",
    "- forward-connections=",
    "- forward-rate=",
    "- forward-per-connection=",
    "- retry-period=",
    "- bounce",
    "- sandbox",
    "- check",
];

fn documented_form(option: &Opt) -> String {
    let value = match option.argument {
        Argument::None => "",
        Argument::Required(_) | Argument::Path(_) => "=",
        Argument::Optional(_) => "[=]",
    };
    format!("{} {}{value}", option.short.unwrap_or('-'), option.long)
}

#[test]
fn every_documented_option_is_there_with_its_letter() {
    let ours: Vec<String> = options()
        .filter(|option| option.long != "show")
        .map(documented_form)
        .collect();
    assert_eq!(ours.len(), DOCUMENTED.len() + ADDED.len());
    for documented in DOCUMENTED.iter().chain(ADDED) {
        assert!(ours.iter().any(|own| own == documented), "{documented}");
    }
}

#[test]
fn lists_are_the_options_that_may_be_repeated() {
    let lists: Vec<&str> = options().filter(|o| o.repeat).map(|o| o.long).collect();
    let expected = [
        "forward-to",
        "client-filter",
        "dnsbl",
        "filter",
        "interface",
        "client-tls-certificate",
        "server-tls-certificate",
        "tls-config",
    ];
    assert_eq!(lists, expected);
    assert!(options().all(|o| !o.repeat || o.argument != Argument::None));
}

#[test]
fn the_short_help_lists_ten_options() {
    let short = options().filter(|o| o.level == Level::Short);
    assert_eq!(short.count(), 10);
}

#[test]
fn names_and_letters_are_unique() {
    let names: BTreeSet<&str> = options().map(|option| option.long).collect();
    assert_eq!(names.len(), options().count());
    let letters: Vec<char> = options().filter_map(|option| option.short).collect();
    assert_eq!(letters.iter().collect::<BTreeSet<_>>().len(), letters.len());
}

#[test]
fn names_are_fit_for_command_lines_and_files() {
    for option in options() {
        let name = option.long.as_bytes();
        assert!(
            name.iter().all(|b| b.is_ascii_lowercase() || *b == b'-'),
            "{}",
            option.long
        );
        assert!(name.first().is_some_and(u8::is_ascii_lowercase));
        assert!(
            option
                .short
                .is_none_or(|letter| letter.is_ascii_alphanumeric())
        );
    }
}

#[test]
fn texts_are_fit_for_help_and_manual() {
    for option in options() {
        let name = option.long;
        assert!(
            (5..=60).contains(&option.summary.len()),
            "{name}: {}",
            option.summary
        );
        assert!(!option.summary.ends_with('.'), "{name}");
        assert!(option.doc.ends_with('.') && option.doc.is_ascii(), "{name}");
        assert!(!option.doc.contains(['\n', '\\', '"']), "{name}");
        assert!(!option.doc.contains("  "), "{name}");
    }
}

#[test]
fn texts_name_only_options_that_exist() {
    for option in options() {
        let words = option.doc.split([' ', ',', '.', ';', ':']);
        for other in words.filter_map(|word| word.strip_prefix("--")) {
            assert!(find(other).is_some(), "{} names {other}", option.long);
        }
    }
}

#[test]
fn only_the_window_options_depend_on_the_system() {
    let special: Vec<&str> = options()
        .filter(|o| o.on != On::All)
        .map(|o| o.long)
        .collect();
    assert_eq!(special, ["hidden", "show"]);
    let hidden = find("hidden").unwrap();
    assert!(hidden.exists_on(Platform::Windows) && !hidden.exists_on(Platform::Unix));
}

#[test]
fn options_are_found_by_both_names() {
    assert_eq!(find("port"), find_short('p'));
    assert_eq!(find_short('P'), None);
    assert_eq!(find("--port"), None);
}
