//! The votes of an option's zones, and what follows from them.

use super::Config;

/// How many zones say what, so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Votes {
    /// They list the client.
    pub(super) listed: usize,
    /// There will be no answer of theirs.
    pub(super) unanswered: usize,
    /// There may still be one.
    pub(super) pending: usize,
}

/// What an option means for the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Allowed,
    /// The answers that are missing might have led to a block.
    AllowedByTimeout,
    Blocked,
    BlockedByTimeout,
}

impl Votes {
    /// The verdict, once nothing that may still come can change it, or once the time
    /// is up.
    pub(super) fn verdict(self, config: &Config, is_time_up: bool) -> Option<Verdict> {
        let missing = self.unanswered + self.pending;
        let threshold = config.threshold();
        if threshold > 0 && self.listed >= threshold {
            return Some(Verdict::Blocked);
        }
        if threshold > 0 && self.listed + missing < threshold {
            return Some(Verdict::Allowed);
        }
        if self.pending > 0 && !is_time_up {
            return None;
        }
        Some(if missing == 0 {
            Verdict::Allowed
        } else if threshold > 0 && config.denies_on_timeout() {
            Verdict::BlockedByTimeout
        } else {
            Verdict::AllowedByTimeout
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decides_as_soon_as_it_is_certain() {
        let (open, closed) = ("a,b,c,2,1000", "a,b,c,2,-1000");
        let (never, only_note) = ("a,b,c,4,-1000", "a,b,c,0,-1000");
        use Verdict::*;
        for (text, listed, unanswered, pending, before, after) in [
            (open, 0, 0, 3, None, Some(AllowedByTimeout)),
            (open, 0, 0, 2, None, Some(AllowedByTimeout)),
            (open, 0, 0, 1, Some(Allowed), Some(Allowed)),
            (open, 1, 0, 1, None, Some(AllowedByTimeout)),
            (open, 1, 0, 0, Some(Allowed), Some(Allowed)),
            (open, 2, 0, 1, Some(Blocked), Some(Blocked)),
            (open, 2, 1, 0, Some(Blocked), Some(Blocked)),
            (open, 0, 1, 2, None, Some(AllowedByTimeout)),
            (open, 0, 1, 0, Some(Allowed), Some(Allowed)),
            (
                open,
                1,
                1,
                0,
                Some(AllowedByTimeout),
                Some(AllowedByTimeout),
            ),
            (
                open,
                0,
                3,
                0,
                Some(AllowedByTimeout),
                Some(AllowedByTimeout),
            ),
            (closed, 0, 0, 3, None, Some(BlockedByTimeout)),
            (closed, 1, 1, 1, None, Some(BlockedByTimeout)),
            (
                closed,
                1,
                1,
                0,
                Some(BlockedByTimeout),
                Some(BlockedByTimeout),
            ),
            (closed, 0, 1, 0, Some(Allowed), Some(Allowed)),
            (closed, 2, 1, 0, Some(Blocked), Some(Blocked)),
            (never, 0, 0, 3, Some(Allowed), Some(Allowed)),
            (never, 3, 0, 0, Some(Allowed), Some(Allowed)),
            (only_note, 2, 0, 1, None, Some(AllowedByTimeout)),
            (only_note, 3, 0, 0, Some(Allowed), Some(Allowed)),
            (
                only_note,
                2,
                1,
                0,
                Some(AllowedByTimeout),
                Some(AllowedByTimeout),
            ),
        ] {
            let config = Config::parse(text).unwrap();
            let votes = Votes {
                listed,
                unanswered,
                pending,
            };
            assert_eq!(votes.verdict(&config, false), before, "{text} {votes:?}");
            assert_eq!(votes.verdict(&config, true), after, "{text} {votes:?}");
        }
    }
}
