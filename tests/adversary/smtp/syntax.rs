//! What the standards say of paths and parameters, in three values: surely right,
//! surely wrong, and not for this model to say (which a server may take either way).

use std::collections::BTreeSet;

use emailrelay::base::xtext;

use super::rules::Rules;

/// What a server may make of something.
#[derive(Clone, Debug, Default)]
pub(super) struct Judgement {
    /// The codes that it may be refused with.
    pub(super) refusals: BTreeSet<u16>,
    /// Whether it must be refused.
    pub(super) is_wrong: bool,
    /// Whether this model knows.
    pub(super) is_unsure: bool,
}

impl Judgement {
    /// Surely wrong, to be refused with one of these.
    pub(super) fn wrong(&mut self, codes: &[u16]) {
        self.is_wrong = true;
        self.refusals.extend(codes);
    }

    /// Right or wrong.
    pub(super) fn unsure(&mut self, codes: &[u16]) {
        self.is_unsure = true;
        self.refusals.extend(codes);
    }

    /// All codes that may come of it.
    pub(super) fn codes(&self, success: u16) -> Vec<u16> {
        let success = (!self.is_wrong).then_some(success);
        self.refusals.iter().copied().chain(success).collect()
    }
}

/// A path and what stands behind it.
#[derive(Debug, Default)]
pub(super) struct Path {
    /// Nothing where this model cannot say which mailbox it is.
    pub(super) mailbox: Option<Vec<u8>>,
    is_ascii: bool,
    parameters: Vec<Vec<u8>>,
}

/// RFC 5321 4.1.1.11 and 4.1.2: syntax errors get 501, mailboxes that are none 553.
const BAD_PATH: &[u16] = &[501, 553];

/// Reads the argument of MAIL or RCPT.
// RFC 5321 4.1.1.2, 4.1.1.3: no blanks, and always brackets.
pub(super) fn path(argument: &[u8], keyword: &str, judgement: &mut Judgement) -> Path {
    let text = argument
        .split_at_checked(keyword.len())
        .filter(|(start, _)| start.eq_ignore_ascii_case(keyword.as_bytes()));
    let Some(text) = text.and_then(|(_, rest)| rest.strip_prefix(b"<")) else {
        judgement.wrong(BAD_PATH);
        return Path::default();
    };
    // One that is quoted ends nothing.
    let is_end = |octet: &u8| *octet == b'>';
    let end = match text.contains(&b'"') {
        true => text.iter().rposition(is_end),
        false => text.iter().position(is_end),
    };
    let Some(end) = end else {
        judgement.wrong(BAD_PATH);
        return Path::default();
    };
    let (inner, rest) = (&text[..end], &text[end + 1..]);
    // Quotes, routes, literals and the like are for the tables of the unit tests.
    let is_odd = |octet: &u8| b"\"\\[]:,()<@".contains(octet);
    let count_of_ats = inner.iter().filter(|octet| **octet == b'@').count();
    let is_odd = inner.iter().any(|octet| *octet != b'@' && is_odd(octet)) || count_of_ats > 1;
    let mut path = Path {
        mailbox: Some(inner.to_vec()),
        is_ascii: inner.is_ascii(),
        parameters: Vec::new(),
    };
    if inner.iter().any(u8::is_ascii_control) || std::str::from_utf8(inner).is_err() {
        judgement.wrong(&[501, 553]);
    } else if is_odd {
        judgement.unsure(&[501, 553, 555]);
        path.mailbox = None;
    } else if !is_mailbox(inner, keyword == "FROM:") {
        judgement.wrong(BAD_PATH);
    }
    match rest.first() {
        None | Some(b' ') => {}
        Some(_) if is_odd => {}
        Some(_) => judgement.wrong(BAD_PATH),
    }
    let words = rest
        .split(|octet| *octet == b' ')
        .filter(|word| !word.is_empty());
    path.parameters = words.map(<[u8]>::to_vec).collect();
    path
}

/// Whether this is a mailbox, of those that have no quotes and no literals.
// RFC 5321 4.1.1.2: <> as a sender; 4.1.1.3: postmaster as a recipient; 4.1.2.
fn is_mailbox(text: &[u8], is_sender: bool) -> bool {
    let at = text.iter().position(|octet| *octet == b'@');
    let Some(at) = at else {
        return match is_sender {
            true => text.is_empty(),
            false => text.eq_ignore_ascii_case(b"postmaster"),
        };
    };
    let (local, domain) = (&text[..at], &text[at + 1..]);
    // RFC 5321 4.5.3.1.1, 4.5.3.1.2, 4.5.3.1.3
    if local.len() > 64 || domain.len() > 255 || text.len() > 254 {
        return false;
    }
    let is_atext = |octet: &u8| {
        octet.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(octet) || *octet >= 0x80
    };
    let is_atom = |atom: &[u8]| !atom.is_empty() && atom.iter().all(is_atext);
    let is_inner = |octet: &u8| octet.is_ascii_alphanumeric() || *octet == b'-' || *octet >= 0x80;
    let is_label = |label: &[u8]| {
        let edges = [label.first(), label.last()];
        let is_edge = |octet: Option<&u8>| octet.is_some_and(|octet| *octet != b'-');
        label.len() <= 63 && edges.into_iter().all(is_edge) && label.iter().all(is_inner)
    };
    local.split(|octet| *octet == b'.').all(is_atom)
        && domain.split(|octet| *octet == b'.').all(is_label)
}

/// What the parameters of MAIL say.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct MailParameters {
    pub(super) binary: bool,
    pub(super) utf8: bool,
}

/// Judges the argument of MAIL.
pub(super) fn mail(
    argument: &[u8],
    rules: &Rules,
    judgement: &mut Judgement,
) -> (Path, MailParameters) {
    let path = path(argument, "FROM:", judgement);
    let mut parameters = MailParameters::default();
    let mut seen = BTreeSet::new();
    for word in &path.parameters {
        let equals = word.iter().position(|octet| *octet == b'=');
        let (keyword, value) = word.split_at(equals.unwrap_or(word.len()));
        let keyword = keyword.to_ascii_uppercase();
        if !seen.insert(keyword.clone()) {
            judgement.wrong(&[501]);
        }
        mail_parameter(&keyword, value, rules, &mut parameters, judgement);
    }
    // RFC 6531 3.5
    if !path.is_ascii && !parameters.utf8 {
        judgement.wrong(&[501, 553]);
    }
    (path, parameters)
}

/// Judges a parameter; `value` begins with the equals sign, if there is one.
// RFC 5321 4.1.1.11: 555 for those that are not known, 501 for those that are wrong.
fn mail_parameter(
    keyword: &[u8],
    value: &[u8],
    rules: &Rules,
    parameters: &mut MailParameters,
    judgement: &mut Judgement,
) {
    let upper = value.to_ascii_uppercase();
    match (keyword, upper.as_slice()) {
        // RFC 1870 3, 6.1
        (b"SIZE", _) if is_number(value) => {
            let octets = std::str::from_utf8(&value[1..]).unwrap().parse::<u64>();
            let octets = octets.unwrap_or(u64::MAX);
            if rules.size.is_some_and(|max| octets > max) {
                judgement.wrong(&[552]);
            }
        }
        (b"SIZE", _) => judgement.wrong(&[501]),
        // RFC 6152 2
        (b"BODY", b"=7BIT" | b"=8BITMIME") => {}
        // RFC 3030 3
        (b"BODY", b"=BINARYMIME") if rules.chunking => parameters.binary = true,
        (b"BODY", _) => judgement.wrong(&[501, 555]),
        // RFC 6531 3.4
        (b"SMTPUTF8", b"") if rules.smtputf8 => parameters.utf8 = true,
        (b"SMTPUTF8", _) => judgement.wrong(&[501, 555]),
        // RFC 4954 5
        (b"AUTH", b"=<>") => {}
        (b"AUTH", _) => match value.get(1..).and_then(xtext::decode) {
            Some(name) if name.is_ascii() && !name.is_empty() => judgement.unsure(&[501, 555]),
            _ => judgement.wrong(&[501, 555]),
        },
        _ => judgement.wrong(&[501, 555]),
    }
}

fn is_number(value: &[u8]) -> bool {
    let digits = value.get(1..).unwrap_or_default();
    (1..=20).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit)
}

/// Judges the argument of RCPT, in a transaction with or without SMTPUTF8.
pub(super) fn recipient(argument: &[u8], utf8: bool, judgement: &mut Judgement) -> Path {
    let path = path(argument, "TO:", judgement);
    // RFC 5321 4.1.1.11: none is offered, not even those of RFC 3461.
    if !path.parameters.is_empty() {
        judgement.wrong(&[501, 555]);
    }
    // RFC 6531 3.5
    if !path.is_ascii && !utf8 {
        judgement.wrong(&[501, 553]);
    }
    path
}

/// Judges the argument of EHLO or HELO.
// RFC 5321 4.1.1.1: a domain or an address literal.
pub(super) fn hello(argument: &[u8], judgement: &mut Judgement) {
    let is_name = |octet: &u8| octet.is_ascii_lowercase() || *octet == b'.';
    let is_printable = |octet: &u8| octet.is_ascii_graphic();
    if argument.is_empty() || argument.len() > 255 || !argument.iter().all(is_printable) {
        judgement.wrong(&[501]);
    } else if !argument.iter().all(is_name)
        || argument.split(|octet| *octet == b'.').any(<[u8]>::is_empty)
    {
        judgement.unsure(&[501]);
    }
}
