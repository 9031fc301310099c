//! What content may be sent before it is known that the server takes it as such.
//!
//! A server that offers CHUNKING need not know BDAT, and one that refuses a BDAT need
//! not skip its octets. Either would read content for commands, and who wrote the
//! content could have it send mail in our name. So
//!
//! - the first chunk of a session has no whole line in it, unless that is all there
//!   is, and nothing follows before it is accepted, and
//! - what follows an envelope without a wait is one chunk that begins with a header
//!   field, and has no word that could name a recipient. If it is read as commands then
//!   the first line alone brings an error where RSET is to be answered, and the
//!   session ends there.

/// No message gets to anybody without this command.
const VERB: &[u8] = b"RCPT";

/// How much of the first content of a session may go before BDAT has been accepted.
pub(super) fn trial_len(wire: &[u8]) -> usize {
    let is_line_end = |byte: &u8| matches!(byte, b'\r' | b'\n');
    let end = wire.iter().position(is_line_end).unwrap_or(wire.len());
    let line_end = match &wire[end..] {
        [b'\r', b'\n', ..] => 2,
        [] => 0,
        _ => 1,
    };
    match end {
        // An empty line is not a command, and one line does no harm.
        _ if end == 0 || end + line_end == wire.len() => end + line_end,
        _ => end,
    }
}

/// Whether the start of a content may go before the server is known to want it. What
/// comes after that start may not: each further chunk is one more reply that an
/// error could pass for.
pub(super) fn is_harmless(wire: &[u8]) -> bool {
    let names_somebody = |word: &[u8]| word.eq_ignore_ascii_case(VERB);
    begins_with_field(wire) && !wire.windows(VERB.len()).any(names_somebody)
}

/// Whether the first word is the name of a header field, and so of no command.
// RFC 5322 2.2: printable ASCII up to the colon.
fn begins_with_field(wire: &[u8]) -> bool {
    let is_end = |byte: &u8| *byte == b':' || !byte.is_ascii_graphic();
    let end = wire.iter().position(is_end);
    end.is_some_and(|end| end > 0 && wire[end] == b':')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_trial_has_no_whole_line_unless_that_is_all() {
        for (wire, expected) in [
            ("", ""),
            ("a", "a"),
            ("a\r\n", "a\r\n"),
            ("a\r\nb", "a"),
            ("a\n", "a\n"),
            ("a\nb", "a"),
            ("a\rb", "a"),
            ("\r\n", "\r\n"),
            ("\r\nMAIL FROM:<a@b>\r\n", "\r\n"),
            ("\n\nb", "\n"),
            ("Received: x\r\n\ty\r\n", "Received: x"),
        ] {
            assert_eq!(&wire[..trial_len(wire.as_bytes())], expected, "{wire:?}");
        }
    }

    #[test]
    fn what_a_server_could_act_upon_waits() {
        for (wire, expected) in [
            ("Received: from x\r\n", true),
            ("x:", true),
            ("NOOP\r\nNOOP:\r\n", false),
            ("MAIL FROM:<a@b>\r\n", false),
            (": x\r\n", false),
            ("", false),
            ("\r\nx:\r\n", false),
            ("x: y\r\n\r\nrcPt to:<a@b>\r\n", false),
            ("x: y\rRCPT TO:<a@b>", false),
        ] {
            assert_eq!(is_harmless(wire.as_bytes()), expected, "{wire:?}");
        }
    }
}
