//! Envelope files.

use emailrelay::base::{OneLine, ascii};
use emailrelay::store::envelope::{
    LINE_OCTETS_MAX, REASON_OCTETS_MAX, RECIPIENTS_MAX, Unprintable,
};
use emailrelay::store::{Attempts, Encoding, Envelope, Reason};

use super::pieces::{Dice, check_one_line, check_shown};

/// The text of a file.
pub(crate) fn envelope(data: &[u8]) {
    let envelope = match Envelope::parse(data) {
        Ok(envelope) => envelope,
        Err(why) => return check_shown(&why.to_string(), 300),
    };
    check(&envelope);
    let printed = match envelope.print() {
        Ok(printed) => printed,
        // What has to be escaped grows by a factor of four at most.
        Err(why) => {
            assert_eq!(why, Unprintable::Line);
            assert!(data.len() > LINE_OCTETS_MAX / 4);
            return;
        }
    };
    let again = Envelope::parse(&printed).expect("reads what it has written");
    let expected = Envelope {
        attempts: as_printed(&envelope.attempts),
        ..envelope
    };
    assert_eq!(again, expected);
    assert_eq!(again.print(), Ok(printed), "the second time as the first");
}

fn check(envelope: &Envelope) {
    let recipients = [&envelope.local_recipients, &envelope.remote_recipients];
    let count: usize = recipients.iter().map(|list| list.len()).sum();
    assert!(count + envelope.failed_recipients.len() <= 2 * RECIPIENTS_MAX);
    let all = recipients.into_iter().flatten();
    all.for_each(|path| check_one_line(path, LINE_OCTETS_MAX));
    check_one_line(&envelope.reverse_path, LINE_OCTETS_MAX);
    check_one_line(&envelope.forward_to_address, LINE_OCTETS_MAX);
    let more = envelope.trailer.iter().chain(&envelope.client_certificate);
    more.for_each(|line| check_one_line(line, usize::MAX));
    for reason in envelope.reasons() {
        check_one_line(&reason.text, usize::MAX);
    }
}

/// Nothing is written of attempts that there have not been, nor the end of a long reply.
fn as_printed(attempts: &Attempts) -> Attempts {
    let mut attempts = attempts.clone();
    if attempts.count == 0 {
        return Attempts::default();
    }
    attempts.reply.truncate(REASON_OCTETS_MAX);
    attempts.reply = trimmed(attempts.reply.as_bytes());
    attempts
}

fn trimmed(text: &[u8]) -> OneLine {
    OneLine::new(ascii::trim(text)).expect("it was one")
}

/// An envelope with these lines for its values.
pub(crate) fn envelope_fields(data: &[u8]) {
    let mut dice = Dice::of(data);
    let breaks = |octet: &u8| matches!(octet, b'\r' | b'\n' | 0);
    let mut values = data.split(breaks).map(trimmed);
    let mut next = || values.next().unwrap_or_default();
    let mut envelope = Envelope {
        encoding: dice.one_of(&[
            Encoding::SevenBit,
            Encoding::EightBit,
            Encoding::Binary,
            Encoding::Unknown,
        ]),
        reverse_path: next(),
        authentication: next(),
        client_address: next(),
        mail_auth_in: next(),
        mail_auth_out: next(),
        forward_to: next(),
        forward_to_address: next(),
        client_account_selector: next(),
        utf8: dice.below(2) == 1,
        ..Envelope::default()
    };
    if dice.below(2) == 1 {
        envelope.attempts = Attempts {
            count: 1 + u32::try_from(dice.below(9)).expect("below nine"),
            last: i64::try_from(dice.below(1 << 31)).expect("31 bits"),
            reply: next(),
            next: i64::try_from(dice.below(2)).expect("below two"),
            spent: dice.below(1 << 31) as u64,
        };
        envelope.attempts.reply.truncate(REASON_OCTETS_MAX);
        envelope.attempts.reply = trimmed(envelope.attempts.reply.as_bytes());
    }
    for line in values {
        match dice.below(6) {
            0 => envelope.local_recipients.push(line),
            1 => envelope.failed_recipients.push(line),
            2 if !line.is_empty() => envelope.client_certificate.push(line),
            3 => envelope.add_reason(&Reason {
                text: line,
                code: dice.one_of(&[None, Some(550), Some(0), Some(u16::MAX)]),
            }),
            _ => envelope.remote_recipients.push(line),
        }
    }
    let printed = envelope.print().expect("short values can be written");
    let again = Envelope::parse(&printed).expect("reads what it has written");
    assert_eq!(again, envelope, "{}", printed.escape_ascii());
}
