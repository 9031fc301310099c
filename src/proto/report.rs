//! The message that tells a sender which recipients have not been served: a
//! multipart/report with a part for people, one for programs, and the header of
//! the message that it is about.
//!
//! All of it is ASCII, but for a reverse-path that is not: what kept a message from being
//! sent (a next hop without 8BITMIME or SMTPUTF8, say) must not keep the report as well.

use std::fmt::Write;

use crate::base::OneLine;

/// The most recipients that one report names.
pub const RECIPIENTS_MAX: usize = 1000;

/// The most octets of the header that a report returns.
pub const HEADER_OCTETS_MAX: usize = 64 * 1024;

/// The most octets of a path or reply in a report, so that no line is too long.
// RFC 5322 2.1.1: a line has at most 998 characters.
const VALUE_MAX: usize = 800;

/// The longest line of the header that is returned; longer ones are left out.
const LINE_MAX: usize = 998;

/// What to tell, and to whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The name by which we call ourselves.
    pub domain: OneLine,
    /// The sender of the message: its reverse-path, which is not empty.
    pub to: OneLine,
    /// The date of the report, as a header field has it.
    pub date: String,
    /// The id under which the message was known here.
    pub original_id: String,
    /// Who has not been served; at most [`RECIPIENTS_MAX`].
    pub failures: Vec<Failure>,
}

/// A recipient that has not been served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The forward-path.
    pub path: OneLine,
    /// The class, subject and detail (RFC 3463 2), such as 5.1.1.
    pub status: String,
    /// What happened, for people.
    pub why: OneLine,
    /// Whether that is the reply of a server.
    pub is_reply: bool,
}

impl Report {
    /// The report as a message, of which `id` makes the identifier. Of the original
    /// its first octets are given; the header ends with the first empty line.
    pub fn print(&self, id: &str, original: &[u8]) -> Vec<u8> {
        let header = header(original);
        let boundary = boundary(id, &header);
        let (domain, to) = (plain(&self.domain), bounded(&self.to));
        let mut text = Vec::new();
        let mut add = |parts: &[&[u8]]| {
            parts.iter().for_each(|part| text.extend_from_slice(part));
            text.extend_from_slice(b"\r\n");
        };
        add(&[b"From: Mail Delivery System <MAILER-DAEMON@", &domain, b">"]);
        add(&[b"To: <", &to, b">"]);
        add(&[b"Date: ", self.date.as_bytes()]);
        add(&[b"Message-ID: <", id.as_bytes(), b"@", &domain, b">"]);
        add(&[b"Subject: Message could not be delivered"]);
        // RFC 3834 5.1: so that nobody answers automatically.
        add(&[b"Auto-Submitted: auto-replied"]);
        add(&[b"MIME-Version: 1.0"]);
        // RFC 6522 3.
        add(&[b"Content-Type: multipart/report; report-type=delivery-status;"]);
        add(&[b"\tboundary=\"", boundary.as_bytes(), b"\""]);
        add(&[]);
        add(&[b"--", boundary.as_bytes()]);
        // Without a Content-Type it is plain text in ASCII.
        add(&[]);
        self.explain(&mut add);
        add(&[]);
        add(&[b"--", boundary.as_bytes()]);
        // RFC 3464 2.1: which has to be 7bit.
        add(&[b"Content-Type: message/delivery-status"]);
        add(&[]);
        self.tell(&mut add);
        add(&[b"--", boundary.as_bytes()]);
        // RFC 6522 4.
        add(&[b"Content-Type: text/rfc822-headers"]);
        add(&[]);
        add(&[&header]);
        add(&[b"--", boundary.as_bytes(), b"--"]);
        text
    }

    fn explain(&self, add: &mut impl FnMut(&[&[u8]])) {
        let domain = plain(&self.domain);
        add(&[b"This is the mail relay at ", &domain, b"."]);
        add(&[]);
        add(&[b"Your message could not be delivered to the following recipients, and"]);
        add(&[b"will not be tried again. Its header is below."]);
        for failure in &self.failures {
            add(&[]);
            add(&[b"<", &plain(&failure.path), b">:"]);
            add(&[b"    ", &plain(&failure.why)]);
        }
    }

    /// The part for programs (RFC 3464 2): fields of the message, and then of each
    /// recipient.
    fn tell(&self, add: &mut impl FnMut(&[&[u8]])) {
        add(&[b"Reporting-MTA: dns; ", &plain(&self.domain)]);
        add(&[b"X-Queue-ID: ", self.original_id.as_bytes()]);
        add(&[]);
        for failure in &self.failures {
            add(&[b"Final-Recipient: ", &typed(&failure.path)]);
            add(&[b"Action: failed"]);
            add(&[b"Status: ", failure.status.as_bytes()]);
            if failure.is_reply {
                add(&[b"Diagnostic-Code: smtp; ", &plain(&failure.why)]);
            }
            add(&[]);
        }
    }
}

fn bounded(text: &OneLine) -> Vec<u8> {
    let mut text = text.clone();
    text.truncate(VALUE_MAX);
    text.as_bytes().to_vec()
}

/// Text with characters that are not printable ASCII by their numbers.
fn plain(text: &OneLine) -> Vec<u8> {
    numbered(text, |c| c.is_ascii_control())
}

/// An address with its type.
// RFC 6533 3: of the type utf-8, in the form for reports that are 7bit.
fn typed(path: &OneLine) -> Vec<u8> {
    if path.as_bytes().is_ascii() {
        return [b"rfc822; ", plain(path).as_slice()].concat();
    }
    let special = |c: char| !c.is_ascii_graphic() || matches!(c, '\\' | '+' | '=');
    [b"utf-8; ", numbered(path, special).as_slice()].concat()
}

/// Text with the numbers of special characters and of those that are not ASCII, cut
/// at [`VALUE_MAX`].
fn numbered(text: &OneLine, is_special: impl Fn(char) -> bool) -> Vec<u8> {
    let mut shown = String::new();
    for character in String::from_utf8_lossy(text.as_bytes()).chars() {
        let length = shown.len();
        if character.is_ascii() && !is_special(character) {
            shown.push(character);
        } else {
            let _ = write!(shown, "\\x{{{:02X}}}", u32::from(character));
        }
        if shown.len() > VALUE_MAX {
            shown.truncate(length);
            break;
        }
    }
    shown.into_bytes()
}

/// The lines of the header, with CRLF, as far as they fit. Characters that are not ASCII
/// become question marks.
fn header(original: &[u8]) -> Vec<u8> {
    let mut header = Vec::new();
    for line in original.split_inclusive(|byte| *byte == b'\n') {
        let Some(line) = line.strip_suffix(b"\n") else {
            break; // It goes on where we have not looked.
        };
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() || header.len() + line.len() + 2 > HEADER_OCTETS_MAX {
            break;
        }
        if line.len() <= LINE_MAX && !line.contains(&b'\r') && !line.contains(&0) {
            let line = String::from_utf8_lossy(line);
            header.extend_from_slice(line.replace(|c: char| !c.is_ascii(), "?").as_bytes());
            header.extend_from_slice(b"\r\n");
        }
    }
    header
}

/// A boundary that no line of the header can be taken for (RFC 2046 5.1.1: at most
/// 70 characters).
fn boundary(id: &str, header: &[u8]) -> String {
    let mut boundary = format!("={}", id.replace(|c: char| !c.is_ascii_alphanumeric(), "_"));
    boundary.truncate(50);
    let is_in = |text: &str| {
        let text = text.as_bytes();
        header.windows(text.len()).any(|part| part == text)
    };
    let mut number = 0_u64;
    let mut numbered = boundary.clone();
    while is_in(&numbered) {
        number += 1;
        numbered = format!("{boundary}_{number}");
    }
    numbered
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> OneLine {
        OneLine::new(text).unwrap()
    }

    fn report() -> Report {
        Report {
            domain: line("relay.test"),
            to: line("me@src.test"),
            date: "Sun, 22 Nov 2026 15:22:55 +0000".to_owned(),
            original_id: "emailrelay.1.2.3".to_owned(),
            failures: vec![
                Failure {
                    path: line("a@dst.test"),
                    status: "5.1.1".to_owned(),
                    why: line("550 5.1.1 no such user"),
                    is_reply: true,
                },
                Failure {
                    path: line("b@dst.test"),
                    status: "5.4.7".to_owned(),
                    why: line("given up"),
                    is_reply: false,
                },
            ],
        }
    }

    fn print(original: &[u8]) -> String {
        String::from_utf8(report().print("emailrelay.1.9.9", original)).unwrap()
    }

    #[test]
    fn has_a_part_for_people_one_for_programs_and_the_header() {
        let text = print(b"Subject: x\r\nTo: y\r\n\r\nbody\r\n");
        let expected = "From: Mail Delivery System <MAILER-DAEMON@relay.test>\r\n\
            To: <me@src.test>\r\n\
            Date: Sun, 22 Nov 2026 15:22:55 +0000\r\n\
            Message-ID: <emailrelay.1.9.9@relay.test>\r\n\
            Subject: Message could not be delivered\r\n\
            Auto-Submitted: auto-replied\r\n\
            MIME-Version: 1.0\r\n\
            Content-Type: multipart/report; report-type=delivery-status;\r\n\
            \tboundary=\"=emailrelay_1_9_9\"\r\n";
        assert!(text.starts_with(expected), "{text}");
        let status = "Reporting-MTA: dns; relay.test\r\n\
            X-Queue-ID: emailrelay.1.2.3\r\n\r\n\
            Final-Recipient: rfc822; a@dst.test\r\n\
            Action: failed\r\n\
            Status: 5.1.1\r\n\
            Diagnostic-Code: smtp; 550 5.1.1 no such user\r\n\r\n\
            Final-Recipient: rfc822; b@dst.test\r\n\
            Action: failed\r\n\
            Status: 5.4.7\r\n\r\n\
            --=emailrelay_1_9_9\r\n";
        assert!(text.contains(status), "{text}");
        let end = "text/rfc822-headers\r\n\r\n\
            Subject: x\r\nTo: y\r\n\r\n--=emailrelay_1_9_9--\r\n";
        assert!(text.ends_with(end), "{text}");
        assert!(!text.contains("body"));
    }

    #[test]
    fn all_is_ascii_but_for_a_sender_that_is_not() {
        let mut report = report();
        report.failures[0].path = line("jos\u{e9}+x@dst.test");
        report.failures[0].why = line("550 5.1.1 \u{1f4ec} geht nicht");
        let text = report.print(
            "emailrelay.1.9.9",
            "Subject: gr\u{fc}\u{df}e\r\n\r\n".as_bytes(),
        );
        let text = String::from_utf8(text).unwrap();
        assert!(text.is_ascii(), "{text}");
        for expected in [
            "<jos\\x{E9}+x@dst.test>:\r\n    550 5.1.1 \\x{1F4EC} geht nicht\r\n",
            "Final-Recipient: utf-8; jos\\x{E9}\\x{2B}x@dst.test\r\n",
            "Diagnostic-Code: smtp; 550 5.1.1 \\x{1F4EC} geht nicht\r\n",
            "\r\nSubject: gr??e\r\n",
            "Final-Recipient: rfc822; b@dst.test\r\n",
        ] {
            assert!(text.contains(expected), "{expected} in {text}");
        }
        report.to = line("j\u{f6}rg@src.test");
        let text = report.print("emailrelay.1.9.9", b"");
        let text = String::from_utf8(text).unwrap();
        assert!(text.contains("\nTo: <j\u{f6}rg@src.test>\r\n"), "{text}");
        assert!(text.replace(char::from(0xf6), "").is_ascii());
    }

    #[test]
    fn a_header_cannot_end_the_part_that_it_is_in() {
        let text = print(b"X: 1\r\n--=emailrelay_1_9_9--\r\n=emailrelay_1_9_9_1\r\n\r\n");
        assert!(text.contains("boundary=\"=emailrelay_1_9_9_2\""), "{text}");
        assert_eq!(text.matches("\r\n--=emailrelay_1_9_9_2").count(), 4);
    }

    #[test]
    fn every_line_is_short_and_ends_with_crlf() {
        let mut report = report();
        report.failures[0].why = line(&"x".repeat(5000));
        report.failures[0].path = line(&"y".repeat(5000));
        let long = format!("X: {}\nY: 1\nZ: a\rb\nlast", "z".repeat(2000));
        let text = report.print(&"i".repeat(500), long.as_bytes());
        let text = String::from_utf8(text).unwrap();
        assert!(text.split("\r\n").all(|line| line.len() <= LINE_MAX));
        assert!(!text.replace("\r\n", "").contains(['\r', '\n']));
        assert!(text.contains("\r\n\r\nY: 1\r\n\r\n--"), "{text}");
    }

    #[test]
    fn the_header_that_is_returned_is_bounded() {
        let original = b"X: 0123456789\r\n".repeat(HEADER_OCTETS_MAX);
        let length = header(&original).len();
        assert!((HEADER_OCTETS_MAX - 100..=HEADER_OCTETS_MAX).contains(&length));
    }
}
