use super::*;
use crate::proto::smtp::client::CloseReason;
use crate::store::Attempts;

const NOW: i64 = 1_795_361_082;
const DAY: u64 = 24 * 60 * 60;

fn line(text: &str) -> OneLine {
    OneLine::escaped(text)
}

fn reply(code: u16, text: &str) -> PeerReply {
    PeerReply {
        code,
        text: line(text),
        enhanced: None,
    }
}

fn refused() -> RecipientOutcome {
    RecipientOutcome::Rejected(reply(550, "5.1.1 no such user"))
}

fn later() -> RecipientOutcome {
    RecipientOutcome::Deferred(Cause::Reply(reply(451, "4.3.0 later")))
}

fn outcome(recipients: Vec<RecipientOutcome>) -> Outcome {
    Outcome {
        recipients,
        reply: None,
        sent: true,
    }
}

fn envelope(recipients: usize) -> Envelope {
    let path = |number: usize| line(&format!("{number}@x"));
    Envelope {
        reverse_path: line("me@src"),
        remote_recipients: (0..recipients).map(path).collect(),
        ..Envelope::default()
    }
}

fn clock(seconds: i64) -> WallClock {
    WallClock {
        unix_ms: seconds * 1000,
        zone_minutes: 0,
    }
}

fn terms() -> Terms {
    Terms {
        retry_period: Some(Duration::from_secs(5 * DAY)),
        bounces: None,
    }
}

fn bouncing() -> Terms {
    Terms {
        bounces: Some(Arc::new(Bounces::new(line("relay.test")))),
        ..terms()
    }
}

fn settle(
    envelope: &Envelope,
    recipients: Vec<RecipientOutcome>,
    terms: &Terms,
    is_strict: bool,
) -> Settlement {
    let judge = Judge {
        envelope,
        id: &StoredId::parse(b"emailrelay.1.2.3").unwrap(),
        clock: clock(NOW),
        terms,
    };
    judge.settle(&outcome(recipients), is_strict, 0)
}

#[test]
fn h7_each_recipient_has_its_own_fate() {
    let recipients = vec![RecipientOutcome::Delivered, refused(), later()];
    let settlement = settle(&envelope(3), recipients, &terms(), false);
    let Settlement::Deferred {
        attempt,
        part: Some(part),
        bounce: None,
    } = settlement
    else {
        panic!("{settlement:?}");
    };
    assert_eq!(part.remaining, [line("2@x")]);
    assert_eq!(part.failed, [line("1@x")]);
    assert_eq!(part.reasons.len(), 1);
    assert_eq!(part.reasons[0].code, Some(550));
    assert_eq!(attempt.reply, line("451 4.3.0 later"));
    assert_eq!((attempt.at, attempt.next, attempt.spent), (NOW, NOW, 0));
}

#[test]
fn who_has_the_message_does_not_get_it_again_even_if_nobody_is_refused() {
    let recipients = vec![RecipientOutcome::Delivered, later()];
    for is_strict in [false, true] {
        let settlement = settle(&envelope(2), recipients.clone(), &terms(), is_strict);
        let Settlement::Deferred {
            part: Some(part), ..
        } = settlement
        else {
            panic!("{settlement:?}");
        };
        assert_eq!(part.remaining, [line("1@x")]);
        assert!(part.failed.is_empty());
    }
}

#[test]
fn where_one_is_refused_for_all_everybody_stays_together() {
    let recipients = vec![RecipientOutcome::Held, refused(), later()];
    let settlement = settle(&envelope(3), recipients, &terms(), true);
    let Settlement::Failed {
        reasons, remaining, ..
    } = settlement
    else {
        panic!("{settlement:?}");
    };
    assert_eq!(remaining.len(), 3);
    assert_eq!(reasons.len(), 1);
}

#[test]
fn nobody_left_is_sent_and_only_the_refused_left_is_failed() {
    let delivered = RecipientOutcome::Delivered;
    let all = vec![delivered.clone(), delivered.clone()];
    let settlement = settle(&envelope(2), all, &terms(), false);
    assert!(matches!(settlement, Settlement::Sent));
    let some = vec![delivered, refused()];
    let settlement = settle(&envelope(2), some, &terms(), false);
    let Settlement::Failed { remaining, .. } = settlement else {
        panic!("{settlement:?}");
    };
    assert_eq!(remaining, [line("1@x")]);
    // An outcome that says nothing of a recipient must not lose it.
    let settlement = settle(
        &envelope(2),
        vec![RecipientOutcome::Delivered],
        &terms(),
        false,
    );
    assert!(matches!(settlement, Settlement::Deferred { .. }));
    let settlement = settle(&envelope(0), Vec::new(), &terms(), false);
    assert!(matches!(settlement, Settlement::Failed { .. }));
}

#[test]
fn attempts_come_less_and_less_often() {
    let mut envelope = envelope(1);
    envelope.attempts = Attempts {
        count: 3,
        last: NOW - 100,
        ..Attempts::default()
    };
    let settlement = settle(&envelope, vec![later()], &terms(), true);
    let Settlement::Deferred {
        attempt,
        part: None,
        ..
    } = settlement
    else {
        panic!("{settlement:?}");
    };
    assert_eq!((attempt.next, attempt.spent), (NOW + 240, 100));
}

#[test]
fn at_the_end_of_the_retry_period_it_is_given_up() {
    let mut envelope = envelope(2);
    envelope.attempts = Attempts {
        count: 120,
        last: NOW - 3600,
        spent: 5 * DAY - 3600,
        ..Attempts::default()
    };
    let recipients = vec![RecipientOutcome::Delivered, later()];
    let settlement = settle(&envelope, recipients.clone(), &terms(), true);
    let Settlement::Failed {
        reasons, remaining, ..
    } = settlement
    else {
        panic!("{settlement:?}");
    };
    let why = "given up after 121 attempts: 451 4.3.0 later";
    assert_eq!(remaining, [line("1@x")]);
    assert_eq!(
        (reasons[0].text.clone(), reasons[0].code),
        (line(why), Some(451))
    );
    envelope.attempts.spent -= 1;
    let settlement = settle(&envelope, recipients.clone(), &terms(), true);
    assert!(matches!(settlement, Settlement::Deferred { .. }));
    let for_ever = Terms::default();
    envelope.attempts.spent = u64::MAX;
    let settlement = settle(&envelope, recipients, &for_ever, true);
    assert!(matches!(settlement, Settlement::Deferred { .. }));
}

#[test]
fn an_unknown_outcome_is_called_that() {
    let reason = CloseReason::PeerClosed(OneLine::default());
    let unknown = RecipientOutcome::Deferred(Cause::OutcomeUnknown(reason));
    let settlement = settle(&envelope(1), vec![unknown], &terms(), true);
    let Settlement::Deferred { attempt, .. } = settlement else {
        panic!("{settlement:?}");
    };
    assert_eq!(attempt.reply, line("outcome unknown: peer disconnected"));
}

#[test]
fn senders_are_told_if_so_wished_but_never_the_null_sender() {
    let some = || vec![RecipientOutcome::Delivered, refused(), later()];
    let mut envelope = envelope(3);
    let is_bounced = |settlement: &Settlement| match settlement {
        Settlement::Deferred { bounce, .. } | Settlement::Failed { bounce, .. } => bounce.is_some(),
        Settlement::Sent | Settlement::Untouched | Settlement::Skipped => false,
    };
    for is_strict in [false, true] {
        assert!(is_bounced(&settle(
            &envelope,
            some(),
            &bouncing(),
            is_strict
        )));
        assert!(!is_bounced(&settle(&envelope, some(), &terms(), is_strict)));
    }
    let all_wait = vec![later(), later(), later()];
    assert!(!is_bounced(&settle(&envelope, all_wait, &bouncing(), true)));
    envelope.reverse_path = OneLine::default();
    assert!(!is_bounced(&settle(&envelope, some(), &bouncing(), false)));
}
