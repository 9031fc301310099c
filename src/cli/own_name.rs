//! The name by which this system calls itself when it has not been told one.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::base::OneLine;
use crate::info;
use crate::proto::smtp::path::{PathRules, is_domain};
use crate::sys::process;

/// How long to wait for the name service before the start goes on without it.
const LOOKUP_MAX: Duration = Duration::from_secs(2);

/// The name of this host where that has a domain; or else what the name service
/// calls it, if that is known soon; or else one that is never anybody else's.
pub(super) fn own_name() -> OneLine {
    let name = choose(process::host_name(), canonical_name);
    info!("calling ourselves {name}");
    OneLine::escaped(name)
}

fn choose(host: String, look_up: impl FnOnce(&str) -> Option<String>) -> String {
    if is_full(&host) {
        return host;
    }
    let canonical = look_up(&host).filter(|name| is_full(name));
    canonical.unwrap_or_else(|| match is_name(&host) {
        true => format!("{host}.localnet"),
        // RFC 6761 6.3: a name that means this host, everywhere.
        false => "localhost".to_owned(),
    })
}

fn is_full(name: &str) -> bool {
    name.contains('.') && is_name(name)
}

fn is_name(name: &str) -> bool {
    name.is_ascii() && is_domain(name.as_bytes(), PathRules::Lenient)
}

/// Asks the name service in a thread of its own, since there is no other way to
/// stop waiting for it.
fn canonical_name(host: &str) -> Option<String> {
    let (sender, receiver) = mpsc::channel();
    let host = host.to_owned();
    let ask = move || {
        // Nobody listens any more if it took too long.
        let _ = sender.send(process::canonical_name(&host));
    };
    thread::Builder::new().spawn(ask).ok()?;
    receiver.recv_timeout(LOOKUP_MAX).ok().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_a_domain_are_taken_first() {
        let choice =
            |host: &str, found: Option<&str>| choose(host.to_owned(), |_| found.map(str::to_owned));
        for (host, found, expected) in [
            ("mail.example.com", Some("x.y"), "mail.example.com"),
            ("mail", Some("mail.example.com"), "mail.example.com"),
            ("mail", Some("mail"), "mail.localnet"),
            ("mail", Some("mail.exa mple"), "mail.localnet"),
            ("mail", Some("mail.example.com\r\nX"), "mail.localnet"),
            ("mail", None, "mail.localnet"),
            ("m\u{e4}il", None, "localhost"),
            ("a b.example.com", None, "localhost"),
        ] {
            assert_eq!(choice(host, found), expected, "{host} {found:?}");
        }
    }
}
