//! What a reply has to look like, whatever it says, and what EHLO is told.

use super::model::Model;
use super::terms::Reply;

impl Model {
    /// Checks what EHLO is told.
    pub(super) fn check_offers(&self, reply: &Reply, is_extended: bool) -> Result<(), String> {
        let rules = &self.rules;
        let is_private = rules.local || self.is_encrypted;
        let must_encrypt = rules.tls_required && !self.is_encrypted;
        let text = |line: &Vec<u8>| String::from_utf8_lossy(line).into_owned();
        let offers: Vec<String> = reply.lines.iter().skip(1).map(text).collect();
        let size = rules.size.map(|max| format!("SIZE {max}"));
        let auth = offers.iter().find(|offer| offer.starts_with("AUTH "));
        let mechanisms =
            |name: &str| auth.is_some_and(|offer| offer.split(' ').any(|word| word == name));
        let has = |word: &str| offers.iter().any(|offer| offer == word);
        let offers_auth = rules.auth && !must_encrypt;
        let table = [
            // RFC 1870 3, RFC 2920 3, RFC 3030 2 and 3, RFC 3207 4.2
            (has(size.as_deref().unwrap_or("SIZE 0")), size.is_some()),
            (has("PIPELINING"), rules.pipelining),
            (has("CHUNKING"), rules.chunking),
            (has("BINARYMIME"), rules.chunking),
            (has("STARTTLS"), rules.starttls && !self.is_encrypted),
            // RFC 4954 3 and 4: no passwords in clear.
            (auth.is_some(), offers_auth),
            (mechanisms("CRAM-MD5"), offers_auth),
            (mechanisms("PLAIN"), offers_auth && is_private),
            (mechanisms("LOGIN"), offers_auth && is_private),
            // RFC 6531 3.1, RFC 6152 2, RFC 2034 3; RFC 3461 is not offered.
            (has("SMTPUTF8"), rules.smtputf8),
            (has("8BITMIME"), true),
            (has("ENHANCEDSTATUSCODES"), true),
            (has("DSN"), false),
        ];
        let as_it_should = match is_extended {
            true => table.iter().all(|(is, should)| is == should),
            // RFC 5321 4.1.1.1: HELO is told nothing.
            false => offers.is_empty(),
        };
        as_it_should
            .then_some(())
            .ok_or_else(|| format!("offers {offers:?}"))
    }
}

/// Checks the grammar of a reply.
// RFC 5321 4.2 and 4.5.3.1.5: printable lines of at most 512 octets.
// RFC 2034 4: an enhanced code of the same class, but for greetings and 3yz.
pub(super) fn check_form(reply: &Reply, is_greeting: bool, is_hello: bool) -> Result<(), String> {
    let is_printable = |octet: &u8| (b' '..=b'~').contains(octet);
    for line in &reply.lines {
        let class = format!("{}.", reply.code / 100).into_bytes();
        let needs_code = !is_greeting && !is_hello && reply.code / 100 != 3;
        if line.len() + 6 > 512 || !line.iter().all(is_printable) {
            return Err("a reply out of the grammar".to_owned());
        }
        if needs_code && !line.starts_with(&class) {
            return Err("a reply without its enhanced code".to_owned());
        }
    }
    Ok(())
}
