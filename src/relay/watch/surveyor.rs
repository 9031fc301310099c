//! Looks at a spool for those who watch: how full it is, and whether it can be
//! written. What was found is good for a while, and there is never more than one
//! look of a kind under way, however many want to know and however long it takes.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::error;
use crate::event::Token;
use crate::relay::context::Context;
use crate::relay::disk;
use crate::relay::session::{Kind, Message, Session};
use crate::store::{self, Spool, State};

/// How long a count of the messages is good for.
pub const CENSUS_GOOD_FOR: Duration = Duration::from_secs(5);

/// How long it is good for that the spool could be written.
pub const PROBE_GOOD_FOR: Duration = Duration::from_secs(1);

/// How long those who want to know wait at most.
pub const ANSWER_MAX: Duration = Duration::from_secs(3);

/// Who may wait for an answer at once. More there can only be while the disk takes
/// for ever; those who came first have given up by then.
pub const WAITING_MAX: usize = 64;

/// What is to be found out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// How many messages there are.
    Census,
    /// Whether the spool can be written.
    Probe,
}

/// What is in the spool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Census {
    counts: [u64; State::ALL.len()],
    /// When the oldest message arrived that waits to be forwarded, in seconds since
    /// 1970, as ids tell.
    pub oldest: Option<i64>,
}

/// What was found out last.
#[derive(Clone, Debug, Default)]
pub struct Survey {
    /// The messages; nothing where that is not known.
    pub census: Option<Census>,
    /// Whether the spool could be written; nothing where that is not known.
    pub is_writable: Option<bool>,
}

/// To and from the surveyor.
#[derive(Debug)]
pub enum News {
    /// A session wants to know.
    Ask {
        /// Who.
        by: Token,
        /// What.
        question: Question,
    },
    /// This is known.
    Known(Box<Survey>),
}

/// What a worker does.
pub enum Job {
    /// Counts.
    Census(Spool),
    /// Tries to write.
    Probe(Spool),
}

/// What came of it.
pub enum Done {
    /// Of [`Job::Census`].
    Census(Result<Census, store::Error>),
    /// Of [`Job::Probe`].
    Probe(Result<(), store::Error>),
}

impl Job {
    /// Does it. Blocks.
    pub fn run(self) -> Done {
        match self {
            Job::Census(spool) => Done::Census(spool.queue().map(|queue| {
                let mut census = Census::default();
                for entry in queue.entries() {
                    census.add(entry.state, entry.id.seconds());
                }
                census
            })),
            Job::Probe(spool) => Done::Probe(spool.probe()),
        }
    }
}

impl Census {
    fn add(&mut self, state: State, arrived: Option<i64>) {
        self.counts[state as usize] += 1;
        if state == State::Ready
            && let Some(arrived) = arrived
        {
            let oldest = self.oldest.get_or_insert(arrived);
            *oldest = arrived.min(*oldest);
        }
    }

    /// How many messages are in that state.
    pub fn count(&self, state: State) -> u64 {
        self.counts[state as usize]
    }
}

/// What is known of one question.
struct Known<T> {
    answer: Option<T>,
    at: Option<Instant>,
    good_for: Duration,
    is_asked: bool,
    /// It has been said that it cannot be found out.
    has_complained: bool,
    waiting: VecDeque<Token>,
}

/// What is to be done for somebody who wants to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    /// What is known is good.
    Told,
    /// It is being found out.
    Waits,
    /// Somebody has to find out.
    First,
}

impl<T> Known<T> {
    fn new(good_for: Duration) -> Known<T> {
        Known {
            answer: None,
            at: None,
            good_for,
            is_asked: false,
            has_complained: false,
            waiting: VecDeque::new(),
        }
    }

    fn is_good(&self, now: Instant) -> bool {
        self.at
            .is_some_and(|at| now.saturating_duration_since(at) < self.good_for)
    }

    /// Somebody wants to know.
    fn ask(&mut self, now: Instant, by: Token) -> Turn {
        if self.is_good(now) {
            return Turn::Told;
        }
        if self.waiting.len() >= WAITING_MAX {
            self.waiting.pop_front();
        }
        self.waiting.push_back(by);
        match std::mem::replace(&mut self.is_asked, true) {
            true => Turn::Waits,
            false => Turn::First,
        }
    }

    /// Logs what went wrong, but not as often as somebody looks.
    fn complain<A>(&mut self, result: Result<A, store::Error>) -> Option<A> {
        match result {
            Ok(found) => {
                self.has_complained = false;
                Some(found)
            }
            Err(error) => {
                if !std::mem::replace(&mut self.has_complained, true) {
                    error!("the spool is in trouble: {error}");
                }
                None
            }
        }
    }

    fn learn(&mut self, now: Instant, answer: Option<T>) -> VecDeque<Token> {
        self.is_asked = false;
        self.at = Some(now);
        self.answer = answer;
        std::mem::take(&mut self.waiting)
    }
}

/// Looks at one spool.
pub struct Surveyor {
    token: Token,
    spool: Spool,
    census: Known<Census>,
    probe: Known<bool>,
    over: bool,
}

impl Surveyor {
    /// Has not looked yet.
    pub fn new(spool: Spool) -> Surveyor {
        Surveyor {
            token: Token::NOBODY,
            spool,
            census: Known::new(CENSUS_GOOD_FOR),
            probe: Known::new(PROBE_GOOD_FOR),
            over: false,
        }
    }

    fn asked(&mut self, by: Token, question: Question, context: &mut Context) {
        let now = context.now;
        let turn = match question {
            Question::Census => self.census.ask(now, by),
            Question::Probe => self.probe.ask(now, by),
        };
        match turn {
            Turn::Told => self.tell(by, context),
            Turn::Waits => {}
            Turn::First => {
                let spool = self.spool.clone();
                let job = match question {
                    Question::Census => Job::Census(spool),
                    Question::Probe => Job::Probe(spool),
                };
                context.submit(self.token, disk::Job::Watch(job));
            }
        }
    }

    fn tell(&self, who: Token, context: &mut Context) {
        let survey = Survey {
            census: self.census.answer.clone(),
            is_writable: self.probe.answer,
        };
        context.post(who, Message::Survey(News::Known(Box::new(survey))));
    }

    fn learn(&mut self, done: Done, context: &mut Context) {
        let now = context.now;
        let waiting = match done {
            Done::Census(result) => {
                let census = self.census.complain(result);
                self.census.learn(now, census)
            }
            Done::Probe(result) => {
                let is_writable = self.probe.complain(result).is_some();
                self.probe.learn(now, Some(is_writable))
            }
        };
        for who in waiting {
            self.tell(who, context);
        }
    }

    /// A worker has panicked, and it is not known with what.
    fn despair(&mut self, context: &mut Context) {
        let now = context.now;
        let mut waiting = self.census.learn(now, None);
        waiting.extend(self.probe.learn(now, None));
        for who in waiting {
            self.tell(who, context);
        }
    }
}

impl Session for Surveyor {
    fn kind(&self) -> Kind {
        Kind::Surveyor
    }

    fn start(&mut self, token: Token, _context: &mut Context) {
        self.token = token;
    }

    fn on_message(&mut self, message: Message, context: &mut Context) {
        match message {
            Message::Survey(News::Ask { by, question }) => self.asked(by, question, context),
            Message::Disk(Some(disk::Done::Watch(done))) => self.learn(done, context),
            Message::Disk(None) => self.despair(context),
            other => disk::abandon(other, context),
        }
    }

    fn on_shutdown(&mut self, _context: &mut Context) {
        self.over = true;
    }

    fn is_over(&self) -> bool {
        self.over
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_have_numbers_of_their_own() {
        for (index, state) in State::ALL.into_iter().enumerate() {
            assert_eq!(state as usize, index);
        }
        let mut census = Census::default();
        census.add(State::Bad, Some(1));
        census.add(State::Ready, Some(9));
        census.add(State::Ready, None);
        census.add(State::Ready, Some(7));
        assert_eq!(census.count(State::Ready), 3);
        assert_eq!(census.oldest, Some(7), "failed ones do not wait");
    }

    #[test]
    fn what_is_known_is_good_for_a_while_and_asked_for_once() {
        let now = Instant::now();
        let mut known = Known::new(Duration::from_secs(1));
        let who = Token::NOBODY;
        assert_eq!(known.ask(now, who), Turn::First);
        assert_eq!(known.ask(now, who), Turn::Waits, "it is asked already");
        assert_eq!(known.learn(now, Some(true)), [who, who]);
        assert_eq!(known.ask(now, who), Turn::Told);
        let later = now + Duration::from_secs(1);
        assert_eq!(known.ask(later, who), Turn::First);
    }

    #[test]
    fn with_a_disk_that_does_not_answer_nobody_is_told_what_was_known() {
        let now = Instant::now();
        let mut known = Known::new(Duration::from_secs(1));
        assert_eq!(known.ask(now, Token::NOBODY), Turn::First);
        known.learn(now, Some(true));
        let later = now + Duration::from_secs(60);
        assert_eq!(known.ask(later, Token::NOBODY), Turn::First);
        for _ in 0..2 * WAITING_MAX {
            assert_eq!(known.ask(later, Token::NOBODY), Turn::Waits);
            assert!(known.waiting.len() <= WAITING_MAX);
        }
    }
}
