//! Who a message is from and for, and what its header section gets.

use std::collections::HashSet;

use crate::base::{OneLine, WallClock, ascii};
use crate::proto::header_section::{Field, HeaderSection};
use crate::proto::mailbox_list;
use crate::proto::smtp::path::{PathRules, is_domain};
use crate::store::StoredId;
use crate::store::envelope::RECIPIENTS_MAX;
use crate::sys::caller;

use super::phrase::phrase;
use super::problem::Problem;
use super::{Additions, DefaultFrom, Submission};

/// The reverse-path where nothing else is known.
const ANONYMOUS: &str = "anonymous";

/// How long a line of a To field gets, in octets, unless an address alone is longer.
const LINE_LENGTH: usize = 76;

/// Reads one argument with recipients.
pub(super) fn add_recipients(list: &[u8], to: &mut Vec<OneLine>) -> Result<(), Problem> {
    let list = ascii::trim(list);
    // An address that is not to be looked up in aliases; here none is.
    let list = list.strip_prefix(b"\\").unwrap_or(list);
    let found = mailbox_list::parse(list, RECIPIENTS_MAX.saturating_sub(to.len()));
    let found = found.map_err(|fault| Problem::usage(format!("invalid recipient: {fault}")))?;
    if found.is_empty() || found.iter().any(OneLine::is_empty) {
        return Err(Problem::usage("invalid recipient: it is empty"));
    }
    to.extend(found);
    Ok(())
}

/// Reads an argument with the reverse-path.
pub(super) fn reverse_path(text: &[u8]) -> Result<OneLine, Problem> {
    let found = mailbox_list::parse(text, 1);
    let mut found = found.map_err(|fault| Problem::usage(format!("invalid sender: {fault}")))?;
    Ok(found.pop().unwrap_or_default())
}

/// Reads an argument with a domain.
pub(super) fn domain(text: &[u8]) -> Result<OneLine, Problem> {
    match OneLine::new(text) {
        Some(line) if is_domain(text, PathRules::Lenient) => Ok(line),
        _ => Err(Problem::usage("invalid domain")),
    }
}

/// The address with the domain, if it has none and is to have one.
pub(super) fn qualified(address: &OneLine, domain: Option<&OneLine>) -> OneLine {
    match domain {
        // A quoted local part may have an `@` in it, but then also ends in a quote.
        Some(domain) if !address.is_empty() && !has_domain(address.as_bytes()) => {
            let text = [address.as_bytes(), b"@", domain.as_bytes()].concat();
            OneLine::new(text).unwrap_or_else(|| address.clone())
        }
        _ => address.clone(),
    }
}

fn has_domain(address: &[u8]) -> bool {
    address.contains(&b'@') && !address.ends_with(b"\"")
}

/// The recipients of a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Recipients {
    /// Those who get the message itself.
    pub(super) shared: Vec<OneLine>,
    /// Those who get one each.
    pub(super) blind: Vec<OneLine>,
}

/// Finds the recipients, and removes what others of them are not to see.
pub(super) fn recipients(
    submission: &Submission,
    header: &mut HeaderSection,
    domain: Option<&OneLine>,
) -> Result<Recipients, Problem> {
    // RFC 5322 3.6.6: of a message that is sent on, these tell to whom.
    let resent = ["Resent-To", "Resent-Cc", "Resent-Bcc"];
    let is_resent = resent.iter().any(|name| header.has(name));
    let [to, cc, bcc] = if is_resent {
        resent
    } else {
        ["To", "Cc", "Bcc"]
    };
    let mut all = Unique::default();
    let mut blind = Unique::default();
    all.extend(submission.to.iter().map(|one| qualified(one, domain)));
    if submission.to_header || submission.bcc_split {
        let mut seen = Unique::default();
        seen.extend(listed(header, to, domain)?);
        seen.extend(listed(header, cc, domain)?);
        let listed = listed(header, bcc, domain)?.into_iter();
        blind.extend(listed.filter(|one| !seen.has(one)));
        if submission.to_header {
            all.extend(seen.in_order);
            all.extend(blind.in_order.iter().cloned());
        }
        // Nobody is to see blind recipients, of this or an earlier sending.
        header.remove("Bcc");
        header.remove("Resent-Bcc");
    }
    if all.in_order.is_empty() {
        return Err(Problem::data("there are no recipients"));
    }
    if all.in_order.len() > RECIPIENTS_MAX {
        return Err(Problem::data("there are too many recipients"));
    }
    let is_alone = |one: &OneLine| submission.bcc_split && blind.has(one);
    let (blind, shared) = all.in_order.into_iter().partition(is_alone);
    Ok(Recipients { shared, blind })
}

/// Addresses, each once, in the order in which they came.
#[derive(Default)]
struct Unique {
    in_order: Vec<OneLine>,
    known: HashSet<OneLine>,
}

impl Unique {
    fn extend(&mut self, addresses: impl IntoIterator<Item = OneLine>) {
        for address in addresses {
            if self.known.insert(address.clone()) {
                self.in_order.push(address);
            }
        }
    }

    fn has(&self, address: &OneLine) -> bool {
        self.known.contains(address)
    }
}

/// The addresses in all fields of that name.
fn listed(
    header: &HeaderSection,
    name: &str,
    domain: Option<&OneLine>,
) -> Result<Vec<OneLine>, Problem> {
    let mut found = Vec::new();
    for field in header.all(name) {
        let list = addresses(field)
            .map_err(|fault| Problem::data(format!("invalid {name} field: {fault}")))?;
        let list = list.iter().filter(|address| !address.is_empty());
        found.extend(list.map(|address| qualified(address, domain)));
    }
    Ok(found)
}

/// The addresses in a field.
fn addresses(field: &Field) -> Result<Vec<OneLine>, mailbox_list::Fault> {
    match field.is_clean() {
        true => mailbox_list::parse(&field.body(), RECIPIENTS_MAX),
        false => Err(mailbox_list::Fault::Control),
    }
}

/// The reverse-path of the message.
pub(super) fn sender(
    submission: &Submission,
    header: &HeaderSection,
    domain: Option<&OneLine>,
) -> Result<OneLine, Problem> {
    if let Some(from) = &submission.from {
        return Ok(qualified(from, domain));
    }
    match submission.default_from {
        DefaultFrom::User => Ok(qualified(&user(), domain)),
        DefaultFrom::Header => match header.all("From").next() {
            None => Ok(OneLine::escaped(ANONYMOUS)),
            Some(field) => {
                let list = addresses(field).map_err(|fault| {
                    Problem::data(format!("invalid From field: {fault}; use --from"))
                })?;
                let first = list.into_iter().next();
                Ok(first.unwrap_or_else(|| OneLine::escaped(ANONYMOUS)))
            }
        },
    }
}

/// The local part of the user's address.
fn user() -> OneLine {
    let name = caller::user_name().filter(|name| {
        let parsed = mailbox_list::parse(name.as_bytes(), 1);
        parsed.is_ok_and(|found| found.len() == 1) && !name.contains(['@', '<', '"', '('])
    });
    let number = caller::user_id().map(|number| format!("user-{number}"));
    OneLine::escaped(name.or(number).unwrap_or_else(|| ANONYMOUS.to_owned()))
}

/// What is known of a message when its header section is completed.
pub(super) struct Facts<'a> {
    pub(super) id: &'a StoredId,
    pub(super) domain: &'a OneLine,
    pub(super) sender: &'a OneLine,
    pub(super) recipients: &'a [OneLine],
    pub(super) full_name: Option<&'a [u8]>,
    pub(super) date: WallClock,
}

/// Adds the fields that are wanted and not there.
pub(super) fn complete(header: &mut HeaderSection, additions: Additions, facts: &Facts<'_>) {
    let date = facts.date.mail_date();
    let mut fields = Vec::new();
    if additions.received {
        // RFC 5321 4.4: where a message has been, and what tells of loops.
        let number = caller::user_id().map(|number| format!(" from uid {number}"));
        let body = format!(
            "by {} (emailrelay-submit{}) id {} ; {date}",
            facts.domain,
            number.unwrap_or_default(),
            facts.id
        );
        fields.push(Field::new("Received", body.as_bytes()));
    }
    if additions.from && !header.has("From") {
        fields.push(Field::new("From", &from(facts)));
    }
    if additions.to && !header.has("To") && !facts.recipients.is_empty() {
        fields.extend(to(facts.recipients));
    }
    if additions.date && !header.has("Date") {
        fields.push(Field::new("Date", date.as_bytes()));
    }
    if additions.message_id && !header.has("Message-ID") {
        let body = format!("<{}@{}>", facts.id, facts.domain);
        fields.push(Field::new("Message-ID", body.as_bytes()));
    }
    header.prepend(fields);
}

/// The body of a From field. A name that a field cannot have is left out: mail is worth
/// more than that.
fn from(facts: &Facts<'_>) -> Vec<u8> {
    let address = match facts.sender.is_empty() {
        // RFC 5322 3.6.2: there must be a mailbox, whatever the reverse-path.
        true => qualified(&user(), Some(facts.domain)),
        false => facts.sender.clone(),
    };
    match facts.full_name.and_then(phrase) {
        None => address.as_bytes().to_vec(),
        Some(name) => [&name, &b" <"[..], address.as_bytes(), b">"].concat(),
    }
}

/// A To field, folded; it is there as lines already.
fn to(recipients: &[OneLine]) -> Vec<Field> {
    let mut lines: Vec<Vec<u8>> = vec![b"To:".to_vec()];
    for (number, recipient) in recipients.iter().enumerate() {
        let comma: &[u8] = if number + 1 < recipients.len() {
            b","
        } else {
            b""
        };
        let is_full = lines
            .last()
            .is_some_and(|line| line.len() > 3 && line.len() + recipient.len() > LINE_LENGTH);
        if is_full {
            lines.push(Vec::new());
        }
        if let Some(line) = lines.last_mut() {
            line.push(b' ');
            line.extend_from_slice(recipient.as_bytes());
            line.extend_from_slice(comma);
        }
    }
    Field::from_lines(&lines).into_iter().collect()
}

#[cfg(test)]
mod tests;
