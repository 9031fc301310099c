//! What a server of a walk is configured to do, for the model, for the machine and
//! for the program.

/// The settings of a server, as far as they matter to what it says.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    /// As [`crate::support::in_memory::read_settings`] has them.
    pub(super) pairs: Vec<(String, String)>,
    pub(super) size: Option<u64>,
    pub(super) chunking: bool,
    pub(super) smtputf8: bool,
    pub(super) pipelining: bool,
    pub(super) starttls: bool,
    pub(super) tls_required: bool,
    pub(super) auth: bool,
    /// Whether the connection is one that nobody can listen to.
    pub(super) local: bool,
    pub(super) verify: bool,
    pub(super) keeps_stray_line_ends: bool,
    /// In seconds.
    pub(super) idle: u64,
    // docs/compat.md: the limits of a session.
    pub(super) errors_max: u32,
    pub(super) junk_max: u32,
    pub(super) recipients_max: usize,
    pub(super) transactions_max: u32,
    pub(super) command_swallow_max: usize,
}

impl Rules {
    /// Reads settings such as `size 60, chunking`.
    pub(super) fn read(words: &str) -> Rules {
        let pairs: Vec<(String, String)> = words
            .split_terminator(", ")
            .map(|word| word.split_once(' ').unwrap_or((word, "")))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let value = |name: &str| pairs.iter().find(|(known, _)| known == name);
        let has = |name: &str| value(name).is_some();
        let number = |name: &str, default: u64| {
            value(name).map_or(default, |(_, text)| text.parse().unwrap())
        };
        let small = |name: &str, default| u32::try_from(number(name, default)).unwrap();
        let size = |name: &str, default| usize::try_from(number(name, default)).unwrap();
        Rules {
            size: has("size").then(|| number("size", 0)),
            chunking: has("chunking"),
            smtputf8: has("smtputf8"),
            pipelining: !has("no-pipelining"),
            starttls: has("starttls"),
            tls_required: has("tls-required"),
            auth: has("auth"),
            local: has("local"),
            verify: has("verify"),
            keeps_stray_line_ends: has("keep-stray-line-ends"),
            idle: number("idle", 60),
            errors_max: small("errors-max", 8),
            junk_max: small("junk-max", 200),
            recipients_max: size("recipients-max", 1000),
            transactions_max: small("transactions-max", 10_000),
            command_swallow_max: size("command-swallow-max", 64 * 1024),
            pairs,
        }
    }

    /// The longest line in octets, with its end: RFC 4954 4 has longer ones for all
    /// that has to do with AUTH.
    pub(super) fn line_max(&self) -> usize {
        match self.auth {
            true => 12_288,
            false => COMMAND_LINE_MAX,
        }
    }
}

/// The longest command line but for AUTH (docs/rfc.md, RFC 5321 4.5.3.1.4).
pub(super) const COMMAND_LINE_MAX: usize = 4096;

/// What the verifier of a walk says of a recipient, by its first word.
pub(super) fn verdict(recipient: &[u8]) -> (&'static str, &'static str) {
    let word = recipient.split(|octet| !octet.is_ascii_alphabetic()).next();
    match word.unwrap_or_default() {
        b"local" => ("local", "box"),
        b"refuse" => ("refuse", "no such user"),
        b"abort" => ("abort", ""),
        _ => ("remote", ""),
    }
}
