//! What a client is told of faults that are not its own: the only place where
//! errors become reply codes. Nothing said here names a path.

use crate::proto::smtp::client::{Cause, Outcome, PeerReply, RecipientOutcome};
use crate::proto::smtp::reply::Reply;
use crate::store;

/// The reply for a message that could not be stored.
// RFC 3463 3.4: X.3.1 is a full mail system, X.3.0 any other trouble of it.
pub fn of_store_error(error: &store::Error) -> Reply {
    if error.is_full() {
        Reply::new(452, Some((3, 1)), "insufficient system storage")
    } else {
        Reply::new(451, Some((3, 0)), "cannot store the message now")
    }
}

/// The reply for a message whose storing met a fault of our own.
pub fn of_internal_error() -> Reply {
    Reply::new(451, Some((3, 0)), "internal error")
}

/// The reply for a message that a filter has not dealt with as it should.
pub fn of_filter_failure() -> Reply {
    Reply::new(451, Some((3, 0)), "cannot filter the message now")
}

/// The reply for a message that was forwarded while its client waited: the next
/// hop's own, as far as it was about the message. What says that a session ends, or
/// that it must be another one, is not for the client to act on.
pub fn of_outcome(outcome: &Outcome) -> Reply {
    let is_served = |one: &RecipientOutcome| matches!(one, RecipientOutcome::Delivered);
    let said = outcome.recipients.iter().find_map(|one| match one {
        RecipientOutcome::Rejected(reply) => Some(Ok(reply)),
        RecipientOutcome::Deferred(Cause::Reply(reply)) => Some(Ok(reply)),
        RecipientOutcome::Deferred(cause) => Some(Err(cause)),
        RecipientOutcome::Delivered | RecipientOutcome::Held => None,
    });
    match (&outcome.reply, said) {
        (Some(reply), _) if outcome.recipients.iter().any(is_served) => passed_back(reply, 250),
        (_, Some(Ok(reply))) => passed_back(reply, reply.code),
        (_, Some(Err(Cause::OutcomeUnknown(_)))) => {
            Reply::new(451, Some((4, 2)), "forwarding failed: outcome unknown")
        }
        _ => of_lost_next_hop(),
    }
}

/// The text is escaped and bounded already, and has its own enhanced status code.
fn passed_back(reply: &PeerReply, code: u16) -> Reply {
    let enhanced = reply.enhanced.filter(|_| code == reply.code);
    Reply {
        code: match code {
            // RFC 5321 3.8: this would be about the client's session.
            421 => 451,
            code => code,
        },
        enhanced: enhanced.is_none().then_some((0, 0)),
        lines: vec![reply.text.clone()],
    }
}

/// The reply for a message that could not be forwarded while its client waited.
// RFC 3463 3.5: X.4.1 is a next hop that does not answer.
pub fn of_lost_next_hop() -> Reply {
    Reply::new(451, Some((4, 1)), "forwarding failed")
}

/// The greeting for a client that is not local.
// RFC 5321 3.1: 554 in place of 220.
pub fn not_local() -> Reply {
    Reply::new(554, Some((7, 1)), "access denied")
}

/// The greeting for a client that is on DNS block lists.
// RFC 5321 3.1: 554 in place of 220; its owner learns why there is no service.
pub fn blocked() -> Reply {
    Reply::new(554, Some((7, 1)), "your address is on a block list")
}

/// The greeting for a client that block lists could not be asked about in time.
pub fn not_checked() -> Reply {
    let text = "your address cannot be checked now, try again later";
    Reply::new(421, Some((7, 0)), text)
}

/// The greeting for a client that has too many sessions already.
pub fn too_many_of_one() -> Reply {
    let text = "too many sessions from your address, try again later";
    Reply::new(421, Some((7, 0)), text)
}

/// The greeting for a client that comes as the program ends.
pub fn shutting_down() -> Reply {
    Reply::new(421, Some((3, 2)), "shutting down, closing connection")
}

/// The greeting for a client that comes while an administrator has disabled the
/// server.
pub fn disabled() -> Reply {
    Reply::new(421, Some((3, 2)), "service not available")
}

/// The greeting for a client for whom there is no room.
// RFC 5321 3.8: 421 in place of 220.
pub fn too_many_sessions() -> Reply {
    Reply::new(421, Some((3, 2)), "too many sessions, try again later")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Operation;
    use std::io;

    #[test]
    fn trouble_with_the_disk_is_temporary_and_discreet() {
        let table = [
            (io::ErrorKind::StorageFull, 452),
            (io::ErrorKind::QuotaExceeded, 452),
            (io::ErrorKind::PermissionDenied, 451),
            (io::ErrorKind::NotFound, 451),
            (io::ErrorKind::Other, 451),
        ];
        for (kind, code) in table {
            let error = store::Error {
                operation: Operation::Create,
                name: b"/secret/path".to_vec(),
                source: io::Error::from(kind),
            };
            let reply = of_store_error(&error);
            assert_eq!(reply.code, code, "{kind:?}");
            let text = String::from_utf8(reply.render()).unwrap();
            assert!(!text.contains("secret"), "{text}");
        }
    }
}
