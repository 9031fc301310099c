use super::*;

fn line(text: &str) -> OneLine {
    OneLine::new(text).unwrap()
}

/// A verdict in short: `local <mailbox> <name>`, `remote <address>`, a reply, or
/// `abort`.
fn short(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Local { mailbox, full_name } => format!("local {mailbox} {full_name}"),
        Verdict::Remote { address } => format!("remote {address}"),
        Verdict::Refuse(reply) => String::from_utf8(reply.render())
            .unwrap()
            .trim_end()
            .to_owned(),
        Verdict::Abort => "abort".to_owned(),
    }
}

#[test]
fn exit_codes_and_lines_make_the_verdict() {
    let unavailable = "550 5.1.1 mailbox unavailable";
    for (code, output, verdict) in [
        (0, "Alice A.\nalice\n", "local alice Alice A."),
        (0, "Alice A.\r\nalice\r\n\r\n \t\n", "local alice Alice A."),
        (0, "\nalice", "local alice "),
        (0, "Alice A.\nalice\nmore\n", "local alice Alice A."),
        (0, "Alice\n\n", "550 5.1.1 Alice"),
        (0, "", unavailable),
        (1, "ignored\nbob@y\n", "remote bob@y"),
        (1, "\nbob@y\n", "remote bob@y"),
        (1, "bob@y\n", "550 5.1.1 bob@y"),
        (1, "\n\n", unavailable),
        (2, "", unavailable),
        (2, "go away\nreason\n", "550 5.1.1 go away"),
        (3, "", "450 4.2.0 mailbox unavailable"),
        (3, "later\n", "450 4.2.0 later"),
        (4, "", unavailable),
        (99, "no\n", "550 5.1.1 no"),
        (100, "", "abort"),
        (100, "a\nb\n", "abort"),
        (101, "", unavailable),
        (127, "", unavailable),
        (255, "", unavailable),
    ] {
        let decision = exited(code, output.as_bytes());
        assert_eq!(short(&decision.verdict), verdict, "{code} {output:?}");
        let is_refusal = matches!(decision.verdict, Verdict::Refuse(_));
        assert_eq!(decision.reason.is_some(), is_refusal, "{code} {output:?}");
    }
}

#[test]
fn log_lines_are_those_that_watchers_know() {
    let decision = exited(1, b"\nbob@y\n");
    assert_eq!(decision.exit.as_deref(), Some("exit code 1: [] [bob@y]"));
    let decision = exited(2, b"go \x1b away\nold\ttime\n");
    let expected = "exit code 2: [go \\x1b away] [old\\ttime]";
    assert_eq!(decision.exit.as_deref(), Some(expected));
    let expected = "go \\x1b away: old\\ttime";
    assert_eq!(decision.reason.as_deref(), Some(expected));
    let decision = exited(2, b"");
    let expected = "mailbox unavailable: exit code 2";
    assert_eq!(decision.reason.as_deref(), Some(expected));
    let question = Question {
        recipient: line("to@dst"),
        sender: line("$(me)"),
        client: line("::1.25"),
        domain: line("relay.test"),
        mechanism: line("none"),
        identity: line(""),
    };
    assert_eq!(
        executing(Path::new("/a b/verify"), &question),
        "address verifier: executing [/a b/verify] [to@dst] [$(me)] [::1.25] [relay.test] \
         [none] []"
    );
}

#[test]
fn output_becomes_one_printable_bounded_line() {
    let decision = exited(2, b"a\0b\x1b[2J\xff\r\n");
    assert_eq!(
        short(&decision.verdict),
        "550 5.1.1 a\\\\x00b\\\\x1b[2J\\\\xff"
    );
    let decision = exited(2, &[b'x'; 4000]);
    let expected = format!("550 5.1.1 {}", "x".repeat(TEXT_MAX));
    assert_eq!(short(&decision.verdict), expected);
    assert!(decision.exit.unwrap().len() < 2 * TEXT_MAX);
    assert!(decision.reason.unwrap().len() < 2 * TEXT_MAX);
    let decision = exited(0, &[&[b'x'; 4000][..], b"\nalice"].concat());
    let expected = format!("local alice {}", "x".repeat(TEXT_MAX));
    assert_eq!(short(&decision.verdict), expected);
}

#[test]
fn names_that_lead_elsewhere_are_refused_for_now() {
    let long = "x".repeat(MAILBOX_MAX + 1);
    for bad in [
        ".", "..", ".hidden", "a/b", "../x", "/etc", "a\\b", "a\tb", "a\x7f", &long,
    ] {
        let output = format!("name\n{bad}\n");
        let decision = exited(0, output.as_bytes());
        assert_eq!(
            short(&decision.verdict),
            "450 4.3.0 cannot verify",
            "{bad:?}"
        );
        let mailbox = line(bad);
        let full_name = line("");
        let decision = answered(&Answer::Local { mailbox, full_name });
        assert_eq!(
            short(&decision.verdict),
            "450 4.3.0 cannot verify",
            "{bad:?}"
        );
    }
    assert_eq!(
        short(&exited(0, b"name\n\nx\n").verdict),
        "450 4.3.0 cannot verify"
    );
    for good in ["alice", "a.b", "a b", "é", "-x", &long[1..]] {
        let decision = exited(0, format!("\n{good}").as_bytes());
        assert_eq!(short(&decision.verdict), format!("local {good} "));
    }
}

#[test]
fn addresses_that_cannot_be_are_refused_for_now() {
    let long = "x".repeat(ADDRESS_MAX + 1);
    for bad in ["a\tb", "a\x1b@b", &long] {
        let decision = exited(1, format!("\n{bad}\n").as_bytes());
        assert_eq!(
            short(&decision.verdict),
            "450 4.3.0 cannot verify",
            "{bad:?}"
        );
        let decision = answered(&Answer::Remote { address: line(bad) });
        assert_eq!(
            short(&decision.verdict),
            "450 4.3.0 cannot verify",
            "{bad:?}"
        );
    }
    let decision = exited(1, format!("\n{}", &long[1..]).as_bytes());
    assert_eq!(decision.verdict, remote(&line(&long[1..])));
}

#[test]
fn a_verifier_that_fails_is_never_final() {
    for end in [
        child::End::Signalled(9),
        child::End::TimedOut,
        child::End::TooMuchOutput,
        child::End::Cancelled,
    ] {
        let output = b"Alice\nalice\n".to_vec();
        let decision = ended_with(&child::Ended { end, output });
        assert_eq!(
            short(&decision.verdict),
            "450 4.3.0 cannot verify",
            "{end:?}"
        );
        assert_eq!(decision.exit, None);
    }
    let cancelled = AtomicBool::new(false);
    let path = Path::new("/no/such/verifier");
    let decision = run(path, &Question::default(), None, &cancelled);
    assert_eq!(short(&decision.verdict), "450 4.3.0 cannot verify");
    let exit = decision.exit.unwrap();
    assert!(exit.starts_with("exit code 127: exec error: "), "{exit}");
}

#[test]
fn services_are_understood_alike() {
    let refuse = |for_now, text, reason| Answer::Refuse {
        for_now,
        text: line(text),
        reason: line(reason),
    };
    for (answer, verdict, reason) in [
        (Answer::Abort, "abort", None),
        (Answer::Remote { address: line("") }, "remote ", None),
        (
            Answer::Remote {
                address: line("b@c"),
            },
            "remote b@c",
            None,
        ),
        (refuse(false, "no", "why"), "550 5.1.1 no", Some("no: why")),
        (
            refuse(true, "", ""),
            "450 4.2.0 mailbox unavailable",
            Some("mailbox unavailable: answer of the verifier"),
        ),
    ] {
        let decision = answered(&answer);
        assert_eq!(short(&decision.verdict), verdict);
        assert_eq!(decision.reason.as_deref(), reason);
    }
    let codes = [
        (Unaskable::Recipient, "553 5.1.3 "),
        (Unaskable::Sender, "553 5.1.7 "),
        (Unaskable::Surroundings, "450 4.3.0 "),
    ];
    for (fault, code) in codes {
        assert!(short(&unaskable(fault).verdict).starts_with(code));
    }
}

#[test]
fn a_program_that_only_exits_is_like_one() {
    assert_eq!(short(&exit(0).verdict), "remote ");
    assert_eq!(short(&exit(1).verdict), "remote ");
    assert_eq!(short(&exit(2).verdict), "550 5.1.1 mailbox unavailable");
    assert_eq!(short(&exit(3).verdict), "450 4.2.0 mailbox unavailable");
    assert_eq!(short(&exit(100).verdict), "abort");
}
