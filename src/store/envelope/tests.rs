use super::*;

/// A small generator of repeatable pseudo-random numbers (xorshift64*).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }
}

const PLAIN: &str = "X-MailRelay-Format: #2821.6\r\n\
    X-MailRelay-Content: 7bit\r\n\
    X-MailRelay-From: me@src.net\r\n\
    X-MailRelay-ToCount: 2\r\n\
    X-MailRelay-To-Remote: a@x.net\r\n\
    X-MailRelay-To-Remote: b@y.net\r\n\
    X-MailRelay-Authentication: \r\n\
    X-MailRelay-Client: 127.0.0.1\r\n\
    X-MailRelay-ClientCertificate: \r\n\
    X-MailRelay-MailFromAuthIn: \r\n\
    X-MailRelay-MailFromAuthOut: \r\n\
    X-MailRelay-ForwardTo: \r\n\
    X-MailRelay-ForwardToAddress: \r\n\
    X-MailRelay-End: 1\r\n";

fn line(text: &str) -> OneLine {
    OneLine::new(text).unwrap()
}

fn plain() -> Envelope {
    Envelope {
        encoding: Encoding::SevenBit,
        reverse_path: line("me@src.net"),
        remote_recipients: vec![line("a@x.net"), line("b@y.net")],
        client_address: line("127.0.0.1"),
        ..Envelope::default()
    }
}

fn full() -> Envelope {
    Envelope {
        encoding: Encoding::EightBit,
        local_recipients: vec![line("alice"), line("bob")],
        authentication: line("user+3Dx"),
        client_certificate: ["-----BEGIN-----", "AAAA", "", "-----END-----"]
            .map(line)
            .to_vec(),
        mail_auth_in: line("<>"),
        mail_auth_out: line("foo+2Bbar"),
        forward_to: line("x.net"),
        forward_to_address: line("127.0.0.1:25"),
        client_account_selector: line("second"),
        utf8: true,
        attempts: Attempts {
            count: 3,
            last: 1_795_361_082,
            reply: line("451 4.3.0 later \u{e9}"),
            next: 1_795_361_142,
            spent: 60,
        },
        failed_recipients: vec![line("c@z.net")],
        trailer: vec![line("X-MailRelay-Foo: bar"), line(""), line("anything")],
        ..plain()
    }
}

#[test]
fn writes_the_form_of_2_4() {
    assert_eq!(plain().print().unwrap(), PLAIN.as_bytes());
    assert_eq!(Envelope::parse(PLAIN.as_bytes()), Ok(plain()));
}

#[test]
fn writes_local_recipients_first_and_folds_certificates() {
    let text = String::from_utf8(full().print().unwrap()).unwrap();
    let expected = "X-MailRelay-ToCount: 4\r\n\
        X-MailRelay-To-Local: alice\r\n\
        X-MailRelay-To-Local: bob\r\n\
        X-MailRelay-To-Remote: a@x.net\r\n\
        X-MailRelay-To-Remote: b@y.net\r\n\
        X-MailRelay-Authentication: user+3Dx\r\n\
        X-MailRelay-Client: 127.0.0.1\r\n\
        X-MailRelay-ClientCertificate: -----BEGIN-----\r\n AAAA\r\n \r\n -----END-----\r\n\
        X-MailRelay-MailFromAuthIn: <>\r\n";
    assert!(text.contains(expected), "{text}");
    let trailer = "X-MailRelay-End: 1\r\nX-MailRelay-Foo: bar\r\n\r\nanything\r\n\
        X-MailRelay-ClientAccountSelector: second\r\n\
        X-MailRelay-Utf8MailboxNames: 1\r\n\
        X-MailRelay-Attempts: 3\r\n\
        X-MailRelay-LastAttempt: 1795361082\r\n\
        X-MailRelay-LastReply: 451 4.3.0 later \u{e9}\r\n\
        X-MailRelay-NextAttempt: 1795361142\r\n\
        X-MailRelay-RetryTime: 60\r\n\
        X-MailRelay-FailedRecipient: c@z.net\r\n";
    assert!(text.ends_with(trailer), "{text}");
}

#[test]
fn reads_what_it_writes() {
    for envelope in [plain(), full(), Envelope::default()] {
        let text = envelope.print().unwrap();
        assert_eq!(Envelope::parse(&text), Ok(envelope));
    }
}

#[test]
fn notes_reasons_in_pairs() {
    let mut envelope = plain();
    envelope.add_reason(&Reason {
        text: line("550 no such user"),
        code: Some(550),
    });
    envelope.add_reason(&Reason::without_code("peer\ndisconnected"));
    let text = String::from_utf8(envelope.print().unwrap()).unwrap();
    let expected = "X-MailRelay-Reason: 550 no such user\r\n\
        X-MailRelay-ReasonCode: 550\r\n\
        X-MailRelay-Reason: peer\\ndisconnected\r\n\
        X-MailRelay-ReasonCode:\r\n";
    assert!(text.ends_with(expected), "{text}");
    assert_eq!(Envelope::parse(text.as_bytes()), Ok(envelope));
}

#[test]
fn reads_all_formats() {
    let start = "X-MailRelay-Content: 8bit\nX-MailRelay-From: f\nX-MailRelay-ToCount: 1\n\
        X-MailRelay-To-Remote: t\nX-MailRelay-Authentication: a\nX-MailRelay-Client: c\n";
    let certificate = "X-MailRelay-ClientCertificate: p\n q\n";
    let auth = "X-MailRelay-MailFromAuthIn: i\nX-MailRelay-MailFromAuthOut: o\n";
    let forward = "X-MailRelay-ForwardTo: r\nX-MailRelay-ForwardToAddress: h:1\n";
    let name = "X-MailRelay-ClientName: n\n";
    let selector = "X-MailRelay-ClientAccountSelector: s\n";
    let utf8 = "X-MailRelay-Utf8MailboxNames: 1\n";
    let three = Envelope {
        encoding: Encoding::EightBit,
        reverse_path: line("f"),
        remote_recipients: vec![line("t")],
        authentication: line("a"),
        client_address: line("c"),
        ..Envelope::default()
    };
    let four = Envelope {
        client_certificate: vec![line("p"), line("q")],
        ..three.clone()
    };
    let five = Envelope {
        mail_auth_in: line("i"),
        mail_auth_out: line("o"),
        ..four.clone()
    };
    let six = Envelope {
        forward_to: line("r"),
        forward_to_address: line("h:1"),
        ..five.clone()
    };
    let seven = Envelope {
        utf8: true,
        ..six.clone()
    };
    let eight = Envelope {
        client_account_selector: line("s"),
        ..seven.clone()
    };
    let table = [
        ('3', String::new(), three),
        ('4', format!("{name}{certificate}"), four),
        ('5', format!("{certificate}{auth}"), five),
        ('6', format!("{certificate}{auth}{forward}"), six),
        ('7', format!("{certificate}{auth}{forward}{utf8}"), seven),
        (
            '8',
            format!("{certificate}{auth}{forward}{selector}{utf8}"),
            eight,
        ),
    ];
    for (version, later, expected) in table {
        let text =
            format!("X-MailRelay-Format: #2821.{version}\n{start}{later}X-MailRelay-End: 1\n");
        let parsed = Envelope::parse(text.as_bytes());
        assert_eq!(parsed.as_ref(), Ok(&expected), "{version}");
        let again = Envelope::parse(&expected.print().unwrap());
        assert_eq!(again, parsed, "{version} rewritten");
        let crlf = text.replace('\n', "\r\n");
        assert_eq!(Envelope::parse(crlf.as_bytes()), parsed);
    }
}

/// The plain envelope with one piece of its text replaced.
fn changed(from: &str, to: &str) -> Result<Envelope, Malformed> {
    assert!(PLAIN.contains(from), "{from}");
    Envelope::parse(PLAIN.replacen(from, to, 1).as_bytes())
}

#[test]
fn is_lenient_where_nothing_is_at_stake() {
    assert_eq!(
        Envelope::parse(PLAIN.replace('\r', "").as_bytes()),
        Ok(plain())
    );
    assert_eq!(
        Envelope::parse(PLAIN.replace(": \r", ":\r").as_bytes()),
        Ok(plain())
    );
    assert_eq!(Envelope::parse(PLAIN.trim_end().as_bytes()), Ok(plain()));
    assert_eq!(
        changed("From: me@src.net", "From:\t me@src.net  "),
        Ok(plain())
    );
    assert_eq!(changed("End: 1", "Endxyz"), Ok(plain()));
    let folded = changed("From: me@src.net", "From: me\r\n\t@src.net").unwrap();
    assert_eq!(folded.reverse_path, line("me @src.net"));
    let unknown = changed("7bit", "9bit").unwrap();
    assert_eq!(unknown.encoding, Encoding::Unknown);
    let empty = changed("To-Remote: b@y.net", "To-Remote:").unwrap();
    assert_eq!(empty.remote_recipients, [line("a@x.net"), line("")]);
    let mixed = PLAIN.replacen("To-Remote: b", "To-Local: b", 1);
    let mixed = Envelope::parse(mixed.as_bytes()).unwrap();
    assert_eq!(mixed.local_recipients, [line("b@y.net")]);
}

#[test]
fn is_strict_about_the_fields() {
    use Malformed::{BadValue, Expected, NoEnd, TooManyRecipients, UnknownFormat};
    let table = [
        ("#2821.6", "#2821.9", UnknownFormat(line("#2821.9"))),
        ("#2821.6", "#2821.66", UnknownFormat(line("#2821.66"))),
        ("#2821.6", "", UnknownFormat(line(""))),
        (
            "X-MailRelay-Format",
            "X-MailRelay-format",
            Expected("Format"),
        ),
        ("X-MailRelay-From", "X-MailRelay-FROM", Expected("From")),
        (
            "X-MailRelay-Client:",
            "X-MailRelay-Foo: 1\r\nX-MailRelay-Client:",
            Expected("Client"),
        ),
        ("ToCount: 2", "ToCount: 3", Expected("To-Remote")),
        ("ToCount: 2", "ToCount: 1", Expected("Authentication")),
        ("ToCount: 2", "ToCount: -2", BadValue("ToCount")),
        ("ToCount: 2", "ToCount: ", BadValue("ToCount")),
        (
            "ToCount: 2",
            "ToCount: 18446744073709551616",
            BadValue("ToCount"),
        ),
        ("ToCount: 2", "ToCount: 100001", TooManyRecipients),
        ("me@src.net", "me\0@src.net", BadValue("From")),
        ("me@src.net", "me\r@src.net", BadValue("From")),
        ("X-MailRelay-End: 1", "X-MailRelay-Foo: 1", NoEnd),
        ("X-MailRelay-End: 1\r\n", "", NoEnd),
    ];
    for (from, to, error) in table {
        assert_eq!(changed(from, to), Err(error), "{from:?} -> {to:?}");
    }
    assert_eq!(Envelope::parse(b""), Err(Expected("Format")));
}

#[test]
fn keeps_what_stands_after_the_end() {
    let trailer = "X-MailRelay-Attempts: many\r\nX-MailRelay-Reason: x\r\n folded\r\nlast";
    let envelope = Envelope::parse(format!("{PLAIN}{trailer}").as_bytes()).unwrap();
    let lines = [
        "X-MailRelay-Attempts: many",
        "X-MailRelay-Reason: x",
        " folded",
        "last",
    ];
    assert_eq!(envelope.trailer, lines.map(line));
    let printed = String::from_utf8(envelope.print().unwrap()).unwrap();
    assert_eq!(printed, format!("{PLAIN}{trailer}\r\n"));
    let broken = Envelope::parse(format!("{PLAIN}a\0b\rc\r\n").as_bytes()).unwrap();
    assert_eq!(broken.trailer, [line("a\\x00b\\rc")]);
}

#[test]
#[cfg_attr(miri, ignore = "takes minutes")]
fn limits_hold_both_ways() {
    let long = "x".repeat(LINE_OCTETS_MAX);
    let mut envelope = Envelope {
        reverse_path: line(&long),
        ..plain()
    };
    let text = envelope.print().unwrap();
    assert_eq!(Envelope::parse(&text), Ok(envelope.clone()));
    envelope.reverse_path = line(&(long.clone() + "x"));
    assert_eq!(envelope.print(), Err(Unprintable::Line));
    assert_eq!(
        changed("me@src.net", &(long.clone() + "x")),
        Err(Malformed::LineTooLong)
    );
    let folded = format!("{}\r\n {}", &long[1..], "xx");
    assert_eq!(changed("me@src.net", &folded), Err(Malformed::LineTooLong));

    let mut many = plain();
    many.remote_recipients = vec![line("a@b"); RECIPIENTS_MAX];
    let text = many.print().unwrap();
    assert_eq!(Envelope::parse(&text), Ok(many.clone()));
    many.local_recipients.push(line("c"));
    assert_eq!(many.print(), Err(Unprintable::Recipients));

    let mut large = plain();
    large.trailer = vec![line(&long); ENVELOPE_OCTETS_MAX / LINE_OCTETS_MAX];
    assert_eq!(large.print(), Err(Unprintable::Envelope));
    let text = vec![b'x'; ENVELOPE_OCTETS_MAX + 1];
    assert_eq!(Envelope::parse(&text), Err(Malformed::TooLong));
}

#[test]
fn reasons_and_replies_are_cut() {
    let mut envelope = plain();
    envelope.add_reason(&Reason::without_code("y".repeat(5000)));
    envelope.attempts = Attempts {
        count: 1,
        last: 1,
        reply: line(&"z".repeat(5000)),
        ..Attempts::default()
    };
    let text = envelope.print().unwrap();
    let parsed = Envelope::parse(&text).unwrap();
    assert_eq!(parsed.attempts.reply.len(), REASON_OCTETS_MAX);
    assert!(text.len() < PLAIN.len() + 2 * REASON_OCTETS_MAX + 200);
    // Where there is a blank, it goes as well: it would not be there the next time.
    let head = "z".repeat(REASON_OCTETS_MAX - 1);
    envelope.attempts.reply = line(&format!("{head} z"));
    let text = envelope.print().unwrap();
    let parsed = Envelope::parse(&text).unwrap();
    assert_eq!(parsed.attempts.reply, line(&head));
    assert_eq!(parsed.print().unwrap(), text);
}

#[test]
#[cfg_attr(miri, ignore = "takes minutes")]
fn a_cut_envelope_is_refused_or_complete() {
    let text = full().print().unwrap();
    let end = PLAIN.find("X-MailRelay-End").unwrap();
    let complete_from = text.len() - (PLAIN.len() - end);
    for cut in 0..text.len() {
        match Envelope::parse(&text[..cut]) {
            // Only what stands after `End` may be missing.
            Ok(envelope) => {
                assert!(cut + 400 > complete_from, "cut at {cut}");
                assert_eq!(envelope.remote_recipients, full().remote_recipients);
                assert_eq!(envelope.forward_to_address, full().forward_to_address);
            }
            Err(malformed) => assert!(!malformed.to_string().is_empty()),
        }
    }
}

#[test]
#[cfg_attr(miri, ignore = "takes minutes")]
fn mutations_never_panic_and_what_is_read_can_be_written() {
    let mut random = Random(0x5EED);
    let seeds = [plain().print().unwrap(), full().print().unwrap()];
    for round in 0..10_000 {
        let mut text = seeds[round % 2].clone();
        for _ in 0..=random.below(4) {
            if text.len() < 2 {
                break;
            }
            let place = random.below(text.len());
            match random.below(5) {
                0 => text[place] = random.next() as u8,
                1 => text.insert(place, *b"\r\n \t:\0"[..].get(random.below(6)).unwrap()),
                2 => drop(text.remove(place)),
                3 => text.truncate(place.max(1)),
                _ => {
                    let from = random.below(text.len());
                    let piece = text[from..].to_vec();
                    text.splice(place..place, piece);
                }
            }
        }
        if let Ok(envelope) = Envelope::parse(&text) {
            let printed = envelope.print().unwrap();
            let again = Envelope::parse(&printed).unwrap();
            assert!(again.print().unwrap() == printed, "round {round}");
            assert_eq!(again.remote_recipients, envelope.remote_recipients);
        }
    }
}
