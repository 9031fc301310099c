//! What a client filter's verdict means for a message that is to be forwarded.
//! Whoever has begun a [`FilterRun`](super::filter_run::FilterRun) with such a
//! message asks this for what to do with the result; no connection is needed.

use crate::base::{OneLine, WallClock};
use crate::filter::verdict::{FAILED_CODE, Verdict};
use crate::store::{Locked, Reason};
use crate::{info, warning};

use super::disk::{Loaded, NotLoaded, Outgoing};
use super::filter_run::{Filtered, Remains};
use super::mail::Fate;
use super::settlement::{Settlement, Terms};

/// What to do with the message.
pub enum Next {
    /// Send it. It has been read again.
    Send(Loaded),
    /// Record this.
    Settle(Box<Outgoing>, Settlement),
    /// Nothing: it has become something else already, which the forwarder may have
    /// to know.
    Over(NotLoaded),
}

/// What to do with the message, and whether the pass is to end after it.
pub fn next(filtered: Filtered, clock: WallClock, terms: &Terms) -> (Next, bool) {
    let Filtered {
        id,
        verdict,
        wishes,
        left,
        is_cancelled,
    } = filtered;
    let next = match left {
        Remains::Queued(loaded) if is_cancelled => Next::Settle(loaded.mail, Settlement::Untouched),
        Remains::Queued(loaded) => decide(loaded, verdict, clock, terms),
        Remains::NotQueued(not_loaded) => {
            if not_loaded.trouble.is_none() {
                info!("message taken by the client filter: {id}");
            }
            Next::Over(not_loaded)
        }
        // An error of our own: the message is ready again.
        Remains::Received(_) | Remains::Nothing => Next::Over(NotLoaded {
            id,
            trouble: Some(("internal error".to_owned(), Fate::Deferred { until: 0 })),
        }),
    };
    (next, wishes.stop)
}

fn decide(loaded: Loaded, verdict: Verdict, clock: WallClock, terms: &Terms) -> Next {
    let mail = &loaded.mail.mail;
    let deferred = |why: &str| {
        let why = one_line(format!("client filter: {why}"));
        Settlement::put_off(why, mail, clock, terms)
    };
    let settlement = match verdict {
        Verdict::Accept => return Next::Send(loaded),
        Verdict::Abandon => Settlement::Skipped,
        Verdict::Fail(why) => deferred(&why),
        Verdict::Reject(rejection) if rejection.is_for_now() => {
            deferred(&rejection.reason.to_string())
        }
        Verdict::Reject(rejection) => {
            let reason = Reason {
                text: rejection.reason,
                code: Some(rejection.code.unwrap_or(FAILED_CODE)),
            };
            Settlement::refuse(reason, mail, clock, terms)
        }
    };
    log(mail, &settlement);
    Next::Settle(loaded.mail, settlement)
}

/// The reasons are printable already.
fn one_line(text: String) -> OneLine {
    OneLine::new(text.as_str()).unwrap_or_else(|| OneLine::escaped(text))
}

fn log(mail: &Locked, settlement: &Settlement) {
    let id = mail.id();
    match settlement {
        Settlement::Failed { reasons, .. } => {
            for Reason { text, .. } in reasons {
                warning!("failed message: id={id} client filter: reason=\"{text}\"");
            }
        }
        Settlement::Deferred { attempt, .. } => {
            let why = &attempt.reply;
            warning!("deferred message: id={id} reason=\"{why}\"");
        }
        _ => info!("message left for later by the client filter: {id}"),
    }
}
