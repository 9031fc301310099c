//! MAIL and RCPT.

use crate::base::OneLine;
use crate::proto::smtp::params::{self, MailParameters, Offered, ParameterFault};
use crate::proto::smtp::path::{self, Path, PathFault, Side};
use crate::proto::smtp::trace::Protocol;

use super::replies::{self, Fixed};
use super::session::{Hello, Session};
use super::wait::Wait;
use super::{
    Action, CloseReason, Recipient, Settings, State, Step, Transaction, Turn, VerifyRequest,
};

pub(super) fn mail(turn: &mut Turn<'_>, session: Session, argument: &[u8]) -> Step {
    let Session::Idle(hello) = session else {
        unreachable!("invariant: the table has MAIL where there is no transaction");
    };
    turn.core.counts.transactions += 1;
    if turn.core.counts.transactions > turn.settings().limits.transactions_max {
        let state = State::Command(Session::Idle(hello));
        return Step::HangUp(state, CloseReason::TooManyTransactions);
    }
    match read_mail(turn, &hello, argument) {
        Ok(transaction) => {
            turn.core.counts.junk = 0;
            turn.say(replies::SENDER_OK);
            Session::Transaction(hello, Box::new(transaction)).stay()
        }
        Err(reply) => {
            turn.forgive_followers();
            turn.say(reply);
            Session::Idle(hello).stay()
        }
    }
}

fn read_mail(turn: &Turn<'_>, hello: &Hello, argument: &[u8]) -> Result<Transaction, Fixed> {
    turn.may_send_mail()?;
    let settings = turn.settings();
    let (path, rest) = path::parse(argument, Side::Reverse, settings.path_rules)
        .map_err(|fault| refusal(fault, Side::Reverse))?;
    let offered = Offered {
        binary: settings.chunking,
        smtputf8: settings.smtputf8,
    };
    let parameters = MailParameters::parse(rest, offered).map_err(parameter_refusal)?;
    check_utf8(&path, parameters.smtputf8)?;
    // RFC 1870 6.1: refused before the content has been sent in vain.
    if settings
        .size_max
        .is_some_and(|max| parameters.size > Some(max))
    {
        return Err(replies::TOO_BIG);
    }
    let protocol = match parameters.smtputf8 {
        true => Protocol::Utf8Smtp,
        false => hello.protocol,
    };
    Ok(Transaction {
        reverse_path: path.into_mailbox(),
        recipients: Vec::new(),
        body: parameters.body,
        size: parameters.size,
        smtputf8: parameters.smtputf8,
        auth_parameter: parameters.auth.as_ref().map(|claim| turn.submitter(claim)),
        auth_claimed: parameters.auth,
        identity: turn.core.access.identity(),
        authenticated: turn.core.access.is_authenticated(),
        encrypted: turn.core.access.is_encrypted(),
        helo: hello.name.clone(),
        protocol,
    })
}

pub(super) fn rcpt(turn: &mut Turn<'_>, session: Session, argument: &[u8]) -> Step {
    let Session::Transaction(hello, mut transaction) = session else {
        unreachable!("invariant: the table has RCPT in a transaction");
    };
    let recipient = match read_rcpt(turn.settings(), &transaction, argument) {
        Ok(recipient) => recipient,
        Err(reply) => {
            // RFC 5321 4.5.3.1.10: who has more than fit says all of them, and costs nothing.
            let is_guess = reply != replies::TOO_MANY_RECIPIENTS;
            turn.core.counts.refused += u32::from(is_guess);
            turn.say(reply);
            return Session::Transaction(hello, transaction).stay();
        }
    };
    if turn.settings().verify {
        turn.out.push(Action::Verify(Box::new(VerifyRequest {
            recipient: recipient.clone(),
            sender: transaction.reverse_path.clone(),
            vrfy: false,
            mechanism: turn.core.access.mechanism(),
            identity: turn.core.access.identity(),
        })));
        return Step::Rest(State::Wait(Wait::Recipient(hello, transaction, recipient)));
    }
    transaction.recipients.push(Recipient {
        address: recipient,
        local: false,
    });
    turn.say(replies::RECIPIENT_OK);
    Session::Transaction(hello, transaction).stay()
}

fn read_rcpt(
    settings: &Settings,
    transaction: &Transaction,
    argument: &[u8],
) -> Result<OneLine, Fixed> {
    let (path, rest) = path::parse(argument, Side::Forward, settings.path_rules)
        .map_err(|fault| refusal(fault, Side::Forward))?;
    params::parse_recipient(rest).map_err(parameter_refusal)?;
    check_utf8(&path, transaction.smtputf8)?;
    // RFC 5321 4.5.3.1.10: 452, so that the client sends the rest separately.
    if transaction.recipients.len() >= settings.limits.recipients_max {
        return Err(replies::TOO_MANY_RECIPIENTS);
    }
    Ok(path.into_mailbox())
}

// RFC 6531 3.5: a path that is not ASCII needs SMTPUTF8 with MAIL.
fn check_utf8(path: &Path, smtputf8: bool) -> Result<(), Fixed> {
    match path.is_ascii() || smtputf8 {
        true => Ok(()),
        false => Err(replies::UTF8_NOT_ALLOWED),
    }
}

fn refusal(fault: PathFault, side: Side) -> Fixed {
    match (fault, side) {
        (PathFault::Syntax, _) => replies::BAD_ARGUMENT,
        (PathFault::TooLong, Side::Reverse) => replies::SENDER_TOO_LONG,
        (PathFault::TooLong, Side::Forward) => replies::RECIPIENT_TOO_LONG,
        (PathFault::Mailbox, Side::Reverse) => replies::BAD_SENDER,
        (PathFault::Mailbox, Side::Forward) => replies::BAD_RECIPIENT,
    }
}

// RFC 5321 4.1.1.11: 555 for parameters that are not recognized.
fn parameter_refusal(fault: ParameterFault) -> Fixed {
    match fault {
        ParameterFault::Malformed | ParameterFault::Repeated => replies::BAD_ARGUMENT,
        ParameterFault::Unknown => replies::UNKNOWN_PARAMETER,
    }
}
