//! What has happened since the program started, in numbers.

use std::time::Duration;

use crate::filter::chain::Side;
use crate::proto::exposition::Histogram;
use crate::proto::smtp::reply::Reply;
use crate::relay::clients::TooMany;
use crate::relay::listener::Refusal;
use crate::relay::mail::Fate;

/// Numbers that only grow. The loop owns them; everything is counted where it
/// happens.
#[derive(Debug, Default)]
pub struct Counters {
    /// Messages that were stored, by SMTP clients' wish.
    pub accepted: u64,
    /// The octets of their content as the clients sent it.
    pub accepted_octets: u64,
    /// Messages that all their recipients have.
    pub sent: u64,
    /// The octets of their content.
    pub sent_octets: u64,
    /// Attempts that left a message queued.
    pub deferred: u64,
    /// Messages that have failed.
    pub failed: u64,
    /// Clients of SMTP and POP that have failed to authenticate, each time.
    pub authentication_failures: u64,
    refusals: [u64; Reason::ALL.len()],
    turned_away: [u64; TurnedAway::ALL.len()],
    server_filters: Histogram,
    client_filters: Histogram,
}

/// Why an SMTP client got a reply that says no.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It failed to authenticate.
    Authentication,
    /// It must authenticate, or encrypt, first.
    AuthenticationRequired,
    /// The reverse-path.
    Sender,
    /// A forward-path.
    Recipient,
    /// The size of a message.
    Size,
    /// The spool.
    Storage,
    /// The content of a message.
    Content,
    /// A rule of this system, such as a filter.
    Policy,
    /// A limit, or the end of the program.
    Limit,
    /// A command that is wrong, or in the wrong place.
    Protocol,
    /// Anything else.
    Other,
}

impl Reason {
    /// All of them.
    pub const ALL: [Reason; 11] = [
        Reason::Authentication,
        Reason::AuthenticationRequired,
        Reason::Sender,
        Reason::Recipient,
        Reason::Size,
        Reason::Storage,
        Reason::Content,
        Reason::Policy,
        Reason::Limit,
        Reason::Protocol,
        Reason::Other,
    ];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Reason::Authentication => "authentication",
            Reason::AuthenticationRequired => "authentication_required",
            Reason::Sender => "sender",
            Reason::Recipient => "recipient",
            Reason::Size => "size",
            Reason::Storage => "storage",
            Reason::Content => "content",
            Reason::Policy => "policy",
            Reason::Limit => "limit",
            Reason::Protocol => "protocol",
            Reason::Other => "other",
        }
    }

    /// What a reply says; nothing where it does not say no. Codes may come from
    /// filters and verifiers, so anything has to be expected.
    // RFC 5321 4.2.3 and RFC 3463 3; RFC 4954 6 for the codes of AUTH.
    fn of(reply: &Reply) -> Option<Reason> {
        if reply.code < 400 {
            return None;
        }
        Some(match (reply.code, reply.enhanced) {
            (530, _) => Reason::AuthenticationRequired,
            (432 | 454 | 534 | 535 | 538, _) => Reason::Authentication,
            (421, _) => Reason::Limit,
            (_, Some((1, 7 | 8))) => Reason::Sender,
            (_, Some((1, _))) => Reason::Recipient,
            (_, Some((3, 4))) => Reason::Size,
            (_, Some((3, _))) => Reason::Storage,
            (_, Some((5, 3))) => Reason::Limit,
            (_, Some((6, _) | (4, 6))) => Reason::Content,
            (_, Some((7, _))) => Reason::Policy,
            (_, Some((5, _))) | (500..=504 | 555, _) => Reason::Protocol,
            _ => Reason::Other,
        })
    }
}

/// Why a client was sent away before a session began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TurnedAway {
    /// It is not local.
    NotLocal,
    /// There were too many sessions.
    TooMany,
    /// It had too many sessions.
    TooManyOfOne,
    /// It is on a block list, or could not be checked.
    BlockList,
    /// An administrator has disabled the server.
    Disabled,
}

impl TurnedAway {
    /// All of them.
    pub const ALL: [TurnedAway; 5] = [
        TurnedAway::NotLocal,
        TurnedAway::TooMany,
        TurnedAway::TooManyOfOne,
        TurnedAway::BlockList,
        TurnedAway::Disabled,
    ];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            TurnedAway::NotLocal => "not_local",
            TurnedAway::TooMany => "too_many_sessions",
            TurnedAway::TooManyOfOne => "too_many_sessions_of_client",
            TurnedAway::BlockList => "block_list",
            TurnedAway::Disabled => "disabled",
        }
    }
}

impl From<Refusal> for TurnedAway {
    fn from(refusal: Refusal) -> TurnedAway {
        match refusal {
            Refusal::NotLocal => TurnedAway::NotLocal,
            Refusal::TooMany(TooMany::OfAll) => TurnedAway::TooMany,
            Refusal::TooMany(TooMany::OfOne) => TurnedAway::TooManyOfOne,
        }
    }
}

impl Counters {
    /// A message of that many octets has been stored.
    pub fn accepted(&mut self, octets: u64) {
        self.accepted += 1;
        self.accepted_octets = self.accepted_octets.saturating_add(octets);
    }

    /// A client is given that reply.
    pub fn replied(&mut self, reply: &Reply) {
        let Some(reason) = Reason::of(reply) else {
            return;
        };
        self.refusals[reason as usize] += 1;
    }

    /// A client has been sent away.
    pub fn turned_away(&mut self, why: TurnedAway) {
        self.turned_away[why as usize] += 1;
    }

    /// An attempt to forward a message has ended.
    pub fn settled(&mut self, fate: Fate) {
        match fate {
            Fate::Sent => self.sent += 1,
            Fate::Deferred { .. } => self.deferred += 1,
            Fate::Failed => self.failed += 1,
        }
    }

    /// A chain of filters took that long.
    pub fn filtered(&mut self, side: Side, time: Duration) {
        match side {
            Side::Server => self.server_filters.add(time),
            Side::Client => self.client_filters.add(time),
        }
    }

    /// How often clients were refused something, by reason.
    pub fn refusals(&self) -> impl Iterator<Item = (Reason, u64)> {
        Reason::ALL.into_iter().zip(self.refusals)
    }

    /// How many clients were sent away, by reason.
    pub fn all_turned_away(&self) -> impl Iterator<Item = (TurnedAway, u64)> {
        TurnedAway::ALL.into_iter().zip(self.turned_away)
    }

    /// How long filters took.
    pub fn filter_times(&self, side: Side) -> &Histogram {
        match side {
            Side::Server => &self.server_filters,
            Side::Client => &self.client_filters,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relay::verdict;

    #[test]
    fn replies_that_say_no_are_counted_by_their_reason() {
        let table = [
            (250, Some((0, 0)), None),
            (354, None, None),
            (334, None, None),
            (421, Some((4, 2)), Some(Reason::Limit)),
            (450, Some((2, 1)), Some(Reason::Other)),
            (451, Some((3, 0)), Some(Reason::Storage)),
            (452, Some((3, 1)), Some(Reason::Storage)),
            (452, Some((5, 3)), Some(Reason::Limit)),
            (500, Some((5, 1)), Some(Reason::Protocol)),
            (501, None, Some(Reason::Protocol)),
            (503, Some((5, 1)), Some(Reason::Protocol)),
            (530, Some((7, 0)), Some(Reason::AuthenticationRequired)),
            (535, Some((7, 8)), Some(Reason::Authentication)),
            (550, Some((1, 1)), Some(Reason::Recipient)),
            (550, Some((7, 1)), Some(Reason::Policy)),
            (552, Some((3, 4)), Some(Reason::Size)),
            (553, Some((1, 7)), Some(Reason::Sender)),
            (554, Some((6, 11)), Some(Reason::Content)),
            (554, Some((4, 6)), Some(Reason::Content)),
            (555, Some((5, 4)), Some(Reason::Protocol)),
            (599, Some((99, 999)), Some(Reason::Other)),
            (550, None, Some(Reason::Other)),
        ];
        for (code, enhanced, expected) in table {
            let reply = Reply::new(code, enhanced, "x");
            assert_eq!(Reason::of(&reply), expected, "{code} {enhanced:?}");
        }
    }

    #[test]
    fn everything_has_a_number_of_its_own() {
        for (index, reason) in Reason::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, index);
        }
        for (index, why) in TurnedAway::ALL.into_iter().enumerate() {
            assert_eq!(why as usize, index);
        }
    }

    #[test]
    fn counts() {
        let mut counters = Counters::default();
        counters.accepted(10);
        counters.accepted(5);
        counters.replied(&verdict::of_internal_error());
        counters.replied(&Reply::new(535, Some((7, 8)), "no"));
        counters.turned_away(TurnedAway::from(Refusal::TooMany(TooMany::OfOne)));
        counters.settled(Fate::Deferred { until: 0 });
        counters.filtered(Side::Client, Duration::from_secs(2));
        assert_eq!((counters.accepted, counters.accepted_octets), (2, 15));
        let refused: u64 = counters.refusals().map(|(_, count)| count).sum();
        assert_eq!(refused, 2);
        let away: Vec<u64> = counters.all_turned_away().map(|(_, count)| count).collect();
        assert_eq!(away, [0, 0, 1, 0, 0]);
        assert_eq!(counters.deferred, 1);
        assert_eq!(counters.filter_times(Side::Client).count(), 1);
        assert_eq!(counters.filter_times(Side::Server).count(), 0);
    }
}
