//! `--server-auth-config` and `--client-auth-config`: which mechanisms may be
//! used, and in which order.
//!
//! The text is items with `;` between them, each a letter, a colon and a list of
//! mechanisms with `,` between them:
//!
//! - `m:` allows these and no others, in this order; an empty list allows none
//! - `x:` denies these
//! - `a:` and `d:` do the same on encrypted connections; where either is there,
//!   `m` and `x` hold in clear only, and otherwise always
//!
//! `m:;a:plain` means: nothing in clear, PLAIN once encrypted. A mechanism that
//! would show a secret to others is used in clear only if `m` lists it.
//! On the client's side one bare name stands for an `m` list of that name.

use super::{Channel, Mechanism};

/// Which mechanisms may be used, in clear and encrypted. The default allows
/// whatever is safe on the channel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    clear: Filter,
    encrypted: Filter,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Filter {
    /// All that may be used, best first; nothing where all may be.
    allowed: Option<Vec<Mechanism>>,
    denied: Vec<Mechanism>,
}

/// The lists of a configuration, by letter.
#[derive(Default)]
struct Lists {
    m: Option<Vec<Mechanism>>,
    x: Option<Vec<Mechanism>>,
    a: Option<Vec<Mechanism>>,
    d: Option<Vec<Mechanism>>,
}

impl Config {
    /// Reads the text of `--server-auth-config`. Gives warnings about unknown
    /// mechanisms with it, or all that is wrong: whoever mistypes a restriction
    /// must not go on without it.
    pub fn parse_server(text: &str) -> Result<(Config, Vec<String>), Vec<String>> {
        parse(text, false)
    }

    /// Reads the text of `--client-auth-config`, likewise.
    pub fn parse_client(text: &str) -> Result<(Config, Vec<String>), Vec<String>> {
        parse(text, true)
    }

    /// Chooses from what is available (in the order of our preference) what may
    /// be used on such a channel, best first.
    pub fn select(&self, available: &[Mechanism], channel: Channel) -> Vec<Mechanism> {
        let filter = match channel {
            Channel::Encrypted => &self.encrypted,
            Channel::Clear | Channel::Local => &self.clear,
        };
        filter.select(available, channel == Channel::Clear)
    }
}

impl Filter {
    fn select(&self, available: &[Mechanism], is_overheard: bool) -> Vec<Mechanism> {
        let candidates = self.allowed.as_deref().unwrap_or(available);
        let may_be_used = |mechanism: &&Mechanism| {
            available.contains(mechanism)
                && !self.denied.contains(mechanism)
                && (self.allowed.is_some() || !is_overheard || !mechanism.shows_secret())
        };
        candidates.iter().filter(may_be_used).copied().collect()
    }
}

fn parse(text: &str, takes_bare_name: bool) -> Result<(Config, Vec<String>), Vec<String>> {
    let (mut lists, mut warnings, mut problems) = (Lists::default(), Vec::new(), Vec::new());
    let items: Vec<&str> = text
        .split(';')
        .map(str::trim)
        .filter(|item| !item.is_empty())
        .collect();
    for item in &items {
        let (letter, names) = match item.split_once(':') {
            Some((letter, names)) => (letter.trim(), names),
            None if takes_bare_name && items.len() == 1 => ("m", *item),
            None => ("", ""),
        };
        let list = match letter {
            "m" | "M" => &mut lists.m,
            "x" | "X" => &mut lists.x,
            "a" | "A" => &mut lists.a,
            "d" | "D" => &mut lists.d,
            _ => {
                problems.push(format!(
                    "not an m:, x:, a: or d: list: {}",
                    item.escape_default()
                ));
                continue;
            }
        };
        if list.is_some() {
            problems.push(format!("more than one {letter}: list"));
        }
        *list = Some(mechanisms(names, &mut warnings));
    }
    if problems.is_empty() {
        Ok((lists.into_config(), warnings))
    } else {
        Err(problems)
    }
}

fn mechanisms(names: &str, warnings: &mut Vec<String>) -> Vec<Mechanism> {
    let names = names
        .split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty());
    let names: Vec<&str> = names.collect();
    for name in names
        .iter()
        .filter(|name| Mechanism::parse(name.as_bytes()).is_none())
    {
        warnings.push(format!(
            "unknown authentication mechanism: {}",
            name.escape_default()
        ));
    }
    Mechanism::known(names)
}

impl Lists {
    fn into_config(self) -> Config {
        let clear = Filter {
            allowed: self.m,
            denied: self.x.unwrap_or_default(),
        };
        let encrypted = if self.a.is_some() || self.d.is_some() {
            Filter {
                allowed: self.a,
                denied: self.d.unwrap_or_default(),
            }
        } else {
            clear.clone()
        };
        Config { clear, encrypted }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(mechanisms: &[Mechanism]) -> String {
        mechanisms
            .iter()
            .map(|m| m.name())
            .collect::<Vec<_>>()
            .join(" ")
    }

    fn selected(text: &str, channel: Channel) -> String {
        let available = Mechanism::known([
            "CRAM-SHA256",
            "CRAM-MD5",
            "XOAUTH2",
            "EXTERNAL",
            "PLAIN",
            "LOGIN",
        ]);
        let (config, _) = Config::parse_server(text).unwrap();
        names(&config.select(&available, channel))
    }

    #[test]
    fn selects_by_list_and_channel() {
        let all = "CRAM-SHA256 CRAM-MD5 XOAUTH2 EXTERNAL PLAIN LOGIN";
        let hidden = "CRAM-SHA256 CRAM-MD5 EXTERNAL";
        for (text, clear, local, encrypted) in [
            ("", hidden, all, all),
            ("m:", "", "", ""),
            ("m:;a:plain", "", "", "PLAIN"),
            ("m:;a:", "", "", ""),
            (
                "m:;d:login",
                "",
                "",
                "CRAM-SHA256 CRAM-MD5 XOAUTH2 EXTERNAL PLAIN",
            ),
            ("m:login,plain", "LOGIN PLAIN", "LOGIN PLAIN", "LOGIN PLAIN"),
            (
                "m:plain,cram-md5,scram-sha-1",
                "PLAIN CRAM-MD5",
                "PLAIN CRAM-MD5",
                "PLAIN CRAM-MD5",
            ),
            ("m:plain,login;x:plain", "LOGIN", "LOGIN", "LOGIN"),
            ("m:plain;a:cram-md5", "PLAIN", "PLAIN", "CRAM-MD5"),
            (
                "x:cram-sha256,xoauth2",
                "CRAM-MD5 EXTERNAL",
                "CRAM-MD5 EXTERNAL PLAIN LOGIN",
                "CRAM-MD5 EXTERNAL PLAIN LOGIN",
            ),
            (
                "x:cram-md5;d:plain,login",
                "CRAM-SHA256 EXTERNAL",
                "CRAM-SHA256 XOAUTH2 EXTERNAL PLAIN LOGIN",
                "CRAM-SHA256 CRAM-MD5 XOAUTH2 EXTERNAL",
            ),
            ("a:plain,login,plain;d:login", hidden, all, "PLAIN"),
            (" M: Plain , LOGIN ; X : login ;", "PLAIN", "PLAIN", "PLAIN"),
            ("m:oauthbearer", "", "", ""),
        ] {
            assert_eq!(selected(text, Channel::Clear), clear, "{text} in clear");
            assert_eq!(selected(text, Channel::Local), local, "{text} on this host");
            assert_eq!(
                selected(text, Channel::Encrypted),
                encrypted,
                "{text} encrypted"
            );
        }
    }

    #[test]
    fn says_all_that_is_wrong() {
        let problems = Config::parse_server("q:plain;m:x;m:y;x;plain").unwrap_err();
        assert_eq!(
            problems,
            [
                "not an m:, x:, a: or d: list: q:plain",
                "more than one m: list",
                "not an m:, x:, a: or d: list: x",
                "not an m:, x:, a: or d: list: plain",
            ]
        );
    }

    #[test]
    fn warns_of_mechanisms_it_does_not_know() {
        let (_, warnings) = Config::parse_server("m:plain,ntlm,apop;x:scram-sha-1").unwrap();
        assert_eq!(
            warnings,
            [
                "unknown authentication mechanism: ntlm",
                "unknown authentication mechanism: scram-sha-1"
            ]
        );
    }

    #[test]
    fn takes_a_bare_name_from_clients_only() {
        let (bare, _) = Config::parse_client("login").unwrap();
        assert_eq!(bare, Config::parse_client("m:login").unwrap().0);
        assert!(Config::parse_server("login").is_err());
        assert!(Config::parse_client("login;plain").is_err());
        assert!(Config::parse_client("x;m:plain").is_err());
        assert_eq!(Config::parse_client("").unwrap().0, Config::default());
    }
}
