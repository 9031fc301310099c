//! Which options need or exclude which others. Whether this version can do what
//! an option asks for makes no difference here.

use crate::config::problem::{Kind, Problem};
use crate::config::raw::{Raw, Value};

/// One sentence about options that are on.
enum Rule {
    /// Each of the first needs at least one of the second.
    Needs(Names, Names),
    /// None of the first goes with any of the second.
    Excludes(Names, Names),
    /// None of them has more than two values.
    AtMostTwice(Names),
}

type Names = &'static [&'static str];

const NEXT_HOP: Names = &["forward-to", "as-client", "as-proxy"];
const CLIENT_TLS: Names = &["client-tls", "client-tls-connection"];
const SERVER_TLS: Names = &["server-tls", "server-tls-connection"];

const RULES: &[Rule] = &[
    Rule::Needs(
        &["pop-port", "pop-auth", "pop-by-name", "pop-no-delete"],
        &["pop"],
    ),
    Rule::Needs(&["pop"], &["pop-auth"]),
    Rule::Needs(&["admin-terminate"], &["admin"]),
    Rule::Excludes(&["forward-to"], &["as-client", "as-proxy"]),
    Rule::Needs(
        &[
            "forward",
            "poll",
            "forward-on-disconnect",
            "immediate",
            "client-filter",
        ],
        NEXT_HOP,
    ),
    Rule::Excludes(
        &[
            "filter",
            "port",
            "server-auth",
            "pop",
            "admin",
            "metrics",
            "poll",
        ],
        &["as-client", "dont-serve"],
    ),
    Rule::Excludes(&["filter", "port", "server-auth"], &["no-smtp"]),
    Rule::Needs(&["server-auth-config"], &["server-auth", "pop-auth"]),
    Rule::Needs(&["client-auth-config"], &["client-auth"]),
    Rule::Needs(
        &["verbose"],
        &["log", "help", "as-client", "as-proxy", "as-server"],
    ),
    Rule::Needs(&["debug"], &["log", "as-client", "as-proxy", "as-server"]),
    Rule::Excludes(&["client-tls"], &["client-tls-connection"]),
    Rule::Excludes(&["server-tls"], &["server-tls-connection"]),
    Rule::Needs(SERVER_TLS, &["server-tls-certificate"]),
    Rule::Needs(
        &[
            "server-tls-certificate",
            "server-tls-verify",
            "server-tls-required",
        ],
        SERVER_TLS,
    ),
    Rule::Needs(
        &[
            "client-tls-certificate",
            "client-tls-verify",
            "client-tls-required",
        ],
        CLIENT_TLS,
    ),
    Rule::Needs(&["client-tls-verify-name"], &["client-tls-verify"]),
    Rule::AtMostTwice(&["client-tls-certificate", "server-tls-certificate"]),
    Rule::Needs(&["dnsbl"], &["remote-clients"]),
];

/// All violations, in the order of the rules. Options named in `unavailable` are
/// a problem already: nothing more is said of them.
pub(super) fn broken(raw: &Raw, unavailable: &[&str]) -> Vec<Problem> {
    let said = |problem: &Problem| {
        let option = problem
            .option
            .is_some_and(|name| unavailable.contains(&name));
        let other =
            matches!(problem.kind, Kind::Excludes { other } if unavailable.contains(&other));
        option || other
    };
    let mut problems: Vec<Problem> = RULES.iter().flat_map(|rule| rule.broken(raw)).collect();
    problems.retain(|problem| !said(problem));
    problems
}

impl Rule {
    fn broken(&self, raw: &Raw) -> Vec<Problem> {
        let (Rule::Needs(names, _) | Rule::Excludes(names, _) | Rule::AtMostTwice(names)) = *self;
        names
            .iter()
            .filter(|name| raw.is_on(name))
            .flat_map(|name| {
                let problem = |kind| Problem::new(raw.origin(name), Some(*name), kind);
                self.kinds(raw, name).into_iter().map(problem)
            })
            .collect()
    }

    /// What that option, which is on, does wrong.
    fn kinds(&self, raw: &Raw, name: &'static str) -> Vec<Kind> {
        match *self {
            Rule::Needs(_, others) if others.iter().any(|other| raw.is_on(other)) => Vec::new(),
            Rule::Needs(_, others) => vec![Kind::Needs { others }],
            Rule::Excludes(_, others) => others
                .iter()
                .filter(|other| raw.is_on(other))
                .map(|other| Kind::Excludes { other })
                .collect(),
            Rule::AtMostTwice(_) if items(raw, name) > 2 => vec![Kind::AtMostTwice],
            Rule::AtMostTwice(_) => Vec::new(),
        }
    }
}

/// How many values a list has, however they were given.
fn items(raw: &Raw, name: &'static str) -> usize {
    let commas = |text: &[u8]| text.iter().filter(|octet| **octet == b',').count();
    let values = raw.all(name).iter().map(|given| match &given.value {
        Value::Flag(_) => 1,
        Value::Text(text) => 1 + commas(text.as_bytes()),
        Value::Path(path) => 1 + commas(path.as_encoded_bytes()),
    });
    values.sum()
}

#[cfg(test)]
mod tests;
