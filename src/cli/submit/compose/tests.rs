use super::*;
use crate::cli::submit::{Place, Report, Source};
use crate::sys::caller;

fn line(text: &str) -> OneLine {
    OneLine::new(text).unwrap()
}

fn lines(addresses: &[&str]) -> Vec<OneLine> {
    addresses.iter().copied().map(line).collect()
}

fn header(text: &str) -> HeaderSection {
    let mut header = HeaderSection::default();
    for line in text.lines() {
        header.take(line.as_bytes());
    }
    header
}

fn submission(to: &[&str]) -> Submission {
    Submission {
        place: Place::default(),
        from: None,
        default_from: DefaultFrom::Header,
        to: lines(to),
        to_header: to.is_empty(),
        lines: Vec::new(),
        source: Source::Nowhere,
        ends_at_dot: false,
        additions: Additions::default(),
        full_name: None,
        bcc_split: false,
        qualify: false,
        authentication: OneLine::default(),
        mail_auth_in: OneLine::default(),
        mail_auth_out: OneLine::default(),
        copy: false,
        report: Report::Nothing,
    }
}

const HEADER: &str = "From: \"Me, I\" <me@src.net>\nTo: a@x, B <b@x>\nCc: G: c@x, a@x;\n\
                      Bcc: d@x,\n b@x, e\nSubject: s";

#[test]
fn recipients_come_from_the_header_without_others() {
    let mut found = header(HEADER);
    let recipients = recipients(&submission(&[]), &mut found, None).unwrap();
    assert_eq!(recipients.shared, lines(&["a@x", "b@x", "c@x", "d@x", "e"]));
    assert!(recipients.blind.is_empty());
    assert!(!found.has("Bcc"));
}

#[test]
fn given_recipients_are_the_only_ones_and_the_header_stays() {
    let mut found = header(HEADER);
    let domain = line("here.net");
    let given = submission(&["root", "z@x", "root"]);
    let recipients = recipients(&given, &mut found, Some(&domain)).unwrap();
    assert_eq!(recipients.shared, lines(&["root@here.net", "z@x"]));
    assert_eq!(found, header(HEADER));
}

#[test]
fn both_are_recipients_if_so_told() {
    let given = Submission {
        to_header: true,
        ..submission(&["z@x"])
    };
    let mut found = header(HEADER);
    let recipients = recipients(&given, &mut found, Some(&line("h"))).unwrap();
    let expected = lines(&["z@x", "a@x", "b@x", "c@x", "d@x", "e@h"]);
    assert_eq!(recipients.shared, expected);
}

#[test]
fn blind_recipients_get_a_message_each_if_so_told() {
    for to in [&[][..], &["a@x", "b@x", "c@x", "d@x", "e"]] {
        let given = Submission {
            bcc_split: true,
            ..submission(to)
        };
        let mut found = header(HEADER);
        let recipients = recipients(&given, &mut found, None).unwrap();
        assert_eq!(recipients.shared, lines(&["a@x", "b@x", "c@x"]));
        assert_eq!(recipients.blind, lines(&["d@x", "e"]));
        assert!(!found.has("Bcc"));
    }
}

#[test]
fn a_message_that_is_sent_on_goes_where_that_says() {
    let text = format!("{HEADER}\nResent-To: r@x\nResent-Bcc: s@x");
    let mut found = header(&text);
    let recipients = recipients(&submission(&[]), &mut found, None).unwrap();
    assert_eq!(recipients.shared, lines(&["r@x", "s@x"]));
    assert!(!found.has("Bcc") && !found.has("Resent-Bcc"));
}

#[test]
fn without_recipients_there_is_no_message() {
    for text in ["Subject: x", "To: undisclosed-recipients:;", "To: <>"] {
        let result = recipients(&submission(&[]), &mut header(text), None);
        assert_eq!(
            result.unwrap_err().text,
            "there are no recipients",
            "{text}"
        );
    }
    for text in ["To: a b", "Cc: <a", "Bcc: x\x07@y"] {
        let result = recipients(&submission(&[]), &mut header(text), None);
        assert!(result.unwrap_err().text.starts_with("invalid "), "{text}");
    }
}

#[test]
fn the_sender_is_what_was_given_or_what_the_header_says() {
    let from = |text: &str| sender(&submission(&[]), &header(text), None);
    for (text, expected) in [
        (HEADER, "me@src.net"),
        ("From: Joe <joe@x>", "joe@x"),
        ("From: a@x, b@x", "a@x"),
        ("From: <>", ""),
        ("From:", "anonymous"),
        ("Subject: x", "anonymous"),
    ] {
        assert_eq!(from(text), Ok(line(expected)), "{text}");
    }
    assert!(
        from("From: Joe Public")
            .unwrap_err()
            .text
            .contains("use --from")
    );
    let given = Submission {
        from: Some(line("root")),
        ..submission(&[])
    };
    assert_eq!(
        sender(&given, &header(HEADER), Some(&line("h.net"))),
        Ok(line("root@h.net"))
    );
    let null = Submission {
        from: Some(OneLine::default()),
        ..submission(&[])
    };
    assert_eq!(
        sender(&null, &header(HEADER), Some(&line("h.net"))),
        Ok(OneLine::default())
    );
    let user = Submission {
        default_from: DefaultFrom::User,
        ..submission(&[])
    };
    let found = sender(&user, &header(HEADER), Some(&line("h.net"))).unwrap();
    assert!(found.to_string().ends_with("@h.net"), "{found}");
}

#[test]
fn addresses_get_a_domain_if_they_have_none() {
    let domain = line("h.net");
    for (address, expected) in [
        ("root", "root@h.net"),
        ("a@x", "a@x"),
        ("\"a@b\"", "\"a@b\"@h.net"),
        ("\"a\"@x", "\"a\"@x"),
        ("", ""),
    ] {
        assert_eq!(qualified(&line(address), Some(&domain)), line(expected));
        assert_eq!(qualified(&line(address), None), line(address));
    }
}

fn completed(text: &str, additions: Additions, name: Option<&[u8]>) -> String {
    let mut found = header(text);
    let many: Vec<OneLine> = (0..6)
        .map(|n| line(&format!("recipient-{n}@example.net")))
        .collect();
    let facts = Facts {
        id: &StoredId::parse(b"emailrelay.1.2.3").unwrap(),
        domain: &line("h.net"),
        sender: &line("me@src.net"),
        recipients: &many,
        full_name: name,
        date: WallClock {
            unix_ms: 1_795_361_082_000,
            zone_minutes: 0,
        },
    };
    complete(&mut found, additions, &facts);
    String::from_utf8(found.to_bytes()).unwrap()
}

const ALL: Additions = Additions {
    received: true,
    from: true,
    to: true,
    date: true,
    message_id: true,
};

#[test]
fn fields_are_added_where_they_are_missing() {
    let text = completed("Subject: x", ALL, None);
    let (first, rest) = text.split_once("\r\n").unwrap();
    let caller = caller::user_id().map(|uid| format!(" from uid {uid}"));
    let start = format!(
        "Received: by h.net (emailrelay-submit{})",
        caller.unwrap_or_default()
    );
    assert!(first.starts_with(&start), "{first}");
    assert!(
        first.ends_with(") id emailrelay.1.2.3 ; Sun, 22 Nov 2026 15:24:42 +0000"),
        "{first}"
    );
    let expected = "From: me@src.net\r\n\
        To: recipient-0@example.net, recipient-1@example.net, recipient-2@example.net,\r\n \
        recipient-3@example.net, recipient-4@example.net, recipient-5@example.net\r\n\
        Date: Sun, 22 Nov 2026 15:24:42 +0000\r\n\
        Message-ID: <emailrelay.1.2.3@h.net>\r\nSubject: x\r\n\r\n";
    assert_eq!(rest, expected);
    let full = "From: a\nTo: b\nDATE: c\nMessage-Id: d";
    let text = completed(full, ALL, None);
    assert_eq!(text.lines().count(), 6, "{text}");
    assert_eq!(
        completed("X: y", Additions::default(), None),
        "X: y\r\n\r\n"
    );
}

#[test]
fn the_name_of_the_sender_is_one_line() {
    for (name, expected) in [
        (&b"CronDaemon"[..], "CronDaemon <me@src.net>"),
        (b"a@b", "\"a@b\" <me@src.net>"),
        // What cannot be a name is left out.
        (b"x\r\nBcc: evil@x", "me@src.net"),
        (b"x\ny", "me@src.net"),
        (b"x\0", "me@src.net"),
        (b"J\xf6rg", "me@src.net"),
    ] {
        let text = completed("", ALL, Some(name));
        let field = text.lines().find(|line| line.starts_with("From:"));
        assert_eq!(field, Some(format!("From: {expected}").as_str()));
        assert_eq!(text.lines().count(), 7, "{text}");
    }
}
