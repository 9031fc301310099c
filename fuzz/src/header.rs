//! Header sections: of mail that passes, of mail that is submitted, and in reports.

use emailrelay::base::OneLine;
use emailrelay::proto::header_section::{HeaderSection, Taken};
use emailrelay::proto::mailbox_list;
use emailrelay::proto::message::{HeaderLimits, MESSAGE_ID_MAX, Scan};
use emailrelay::proto::report::{Failure, Report};

use super::pieces::{check_one_line, check_wire, same_however_cut};

const ADDRESSES_MAX: usize = 20;

/// The longest line of a report (RFC 5322 2.1.1).
const LINE_MAX: usize = 998;

/// A message.
pub(crate) fn header(data: &[u8]) {
    same_however_cut(data, scan);
    section(data);
    report(data);
}

type Scanned = (u64, Option<bool>, Option<u64>, bool, Option<OneLine>);

fn scan(pieces: &[&[u8]]) -> Scanned {
    let mut scan = Scan::new(HeaderLimits {
        octets_max: 1000,
        received_max: 3,
    });
    pieces.iter().for_each(|piece| scan.feed(piece));
    if let Some(id) = scan.message_id() {
        // An octet is escaped by four.
        check_one_line(&id, 4 * MESSAGE_ID_MAX);
        assert!(scan.has_message_id());
    }
    let fault = scan.fault().map(|(at, _)| at);
    assert!(fault.is_none_or(|at| at < scan.octets()));
    (
        scan.octets(),
        scan.eight_bit(),
        fault,
        scan.has_message_id(),
        scan.message_id(),
    )
}

/// What is submitted comes line by line, and goes out so that it reads the same again.
fn section(data: &[u8]) {
    let lines: Vec<&[u8]> = data.split(|octet| *octet == b'\n').collect();
    let section = take(&lines);
    let text = section.to_bytes();
    assert!(text.len() <= section.octets() + 2);
    check_wire(&text);
    assert!(!text.contains(&0));
    let again: Vec<&[u8]> = text.split(|octet| *octet == b'\n').collect();
    let again: Vec<&[u8]> = again
        .iter()
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
        .collect();
    assert_eq!(take(&again).to_bytes(), text);
    for name in ["To", "Bcc", "Message-ID"] {
        for field in section.all(name) {
            mailbox_list(&field.body());
            assert!(!field.body().iter().any(|o| matches!(o, b'\r' | b'\n' | 0)));
        }
        let mut without = section.clone();
        without.remove(name);
        assert!(!without.has(name));
    }
}

fn take(lines: &[&[u8]]) -> HeaderSection {
    let mut section = HeaderSection::default();
    for line in lines {
        if section.take(line) != Taken::Field {
            break;
        }
    }
    section
}

/// A list of addresses as a field has it.
pub(crate) fn mailbox_list(data: &[u8]) {
    match mailbox_list::parse(data, ADDRESSES_MAX) {
        Ok(addresses) => {
            assert!(addresses.len() <= ADDRESSES_MAX);
            let mut again = Vec::new();
            for address in &addresses {
                check_one_line(address, 256);
                assert!(!address.as_bytes().iter().any(u8::is_ascii_control));
                again.extend_from_slice(b"<");
                again.extend_from_slice(address.as_bytes());
                again.extend_from_slice(b">, ");
            }
            assert_eq!(mailbox_list::parse(&again, ADDRESSES_MAX), Ok(addresses));
        }
        Err(fault) => super::pieces::check_shown(&fault.to_string(), 1000),
    }
}

/// Whatever the message was, its report is one that can be sent.
fn report(data: &[u8]) {
    let line = |octets: &[u8]| OneLine::escaped(octets);
    let (path, why) = data.split_at(data.len().min(300));
    let report = Report {
        domain: line(b"relay.test"),
        to: line(b"me@src.test"),
        date: "Sun, 22 Nov 2026 15:24:42 +0000".to_owned(),
        original_id: "emailrelay.1.2.3".to_owned(),
        failures: vec![Failure {
            path: line(path),
            status: "5.1.1".to_owned(),
            why: line(why),
            is_reply: true,
        }],
    };
    let text = report.print("emailrelay.4.5.6", data);
    check_wire(&text);
    let lines = text.split(|octet| *octet == b'\n');
    lines.for_each(|line| assert!(line.len() <= LINE_MAX + 1, "{}", line.escape_ascii()));
    // Nothing in the message can end a part: there are three, and the last is closed.
    let lines: Vec<&[u8]> = text.split(|octet| *octet == b'\n').collect();
    let boundary = lines.iter().find_map(|line| {
        let at = line.windows(10).position(|part| part == b"boundary=\"")?;
        line[at + 10..].split(|octet| *octet == b'"').next()
    });
    let delimiter = [b"--", boundary.expect("it has parts")].concat();
    let parts = lines.iter().filter(|line| line.starts_with(&delimiter));
    assert_eq!(parts.count(), 4, "{}", text.escape_ascii());
}
