//! Having messages put through the client filters before they are sent, one at a
//! time, so that a wish to end the pass is known before the next one is begun.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::event::Token;
use crate::filter::chain::Chain;
use crate::relay::client_filter::{self, Next};
use crate::relay::context::Context;
use crate::relay::disk::{self, Job, Loaded, NotLoaded};
use crate::relay::filter_run::{FilterRun, Filtered, News};
use crate::relay::mail::Mail;
use crate::relay::session::Message;
use crate::relay::settlement::Settlement;

use super::SmtpClient;

/// The messages that filters have yet to see.
#[derive(Default)]
pub(super) struct Filtering {
    waiting: VecDeque<Loaded>,
    run: Run,
}

/// How far the one that they are asked about has come.
#[derive(Default)]
enum Run {
    /// There is none.
    #[default]
    Idle,
    /// They are about to be asked.
    Begun,
    /// They are asked by this session.
    Running(Token),
}

impl Filtering {
    /// Whether they are at work on a message.
    pub(super) fn is_busy(&self) -> bool {
        !matches!(self.run, Run::Idle)
    }

    /// What there is to be told to others when the session ends.
    pub(super) fn last_words(&self) -> Option<(Token, Message)> {
        match self.run {
            Run::Running(run) => Some((run, Message::Filter(News::HangUp))),
            Run::Idle | Run::Begun => None,
        }
    }
}

impl SmtpClient {
    /// A message is here; unless filters are to see it first, it can go.
    pub(super) fn filter_or_send(
        &mut self,
        loaded: Result<Loaded, NotLoaded>,
        context: &mut Context,
    ) {
        match (loaded, self.route.filters.clone()) {
            (Ok(loaded), Some(chain))
                if !loaded.is_filtered && self.ending.is_none() && !context.stopping =>
            {
                self.filtering.waiting.push_back(loaded);
                self.filter_next(&chain, context);
            }
            (loaded, _) => self.loaded(loaded, context),
        }
    }

    /// Asks about the next message, unless they are still asked about another.
    fn filter_next(&mut self, chain: &Arc<Chain>, context: &mut Context) {
        if matches!(self.filtering.run, Run::Idle)
            && let Some(loaded) = self.filtering.waiting.pop_front()
        {
            let run = FilterRun::queued(chain, loaded.mail.mail, self.token);
            self.filtering.run = Run::Begun;
            context.begin(Box::new(run));
        }
    }

    /// The session has no use for further messages. What filters are asked about now is
    /// only given up if the program stops: another session need not ask again. Else a
    /// filter slower than the next hop's patience would be asked for ever.
    pub(super) fn end_filtering(&mut self, context: &mut Context) {
        for Loaded { mail, .. } in std::mem::take(&mut self.filtering.waiting) {
            let untouched = Box::new(Settlement::Untouched);
            self.submit(Job::Settle(mail, untouched), context);
        }
        if context.stopping
            && let Some((run, news)) = self.filtering.last_words()
        {
            context.post(run, news);
        }
    }

    pub(super) fn filter_news(&mut self, news: News, context: &mut Context) {
        match (&self.filtering.run, news) {
            (Run::Begun, News::Started(run)) => {
                self.filtering.run = Run::Running(run);
                if self.ending.is_some() || context.stopping {
                    self.end_filtering(context);
                }
            }
            (Run::Begun | Run::Running(_), News::Over(filtered)) => {
                self.filtering.run = Run::Idle;
                self.filtered(*filtered, context);
                self.filter_rest(context);
            }
            (Run::Begun | Run::Running(_), News::Gone) => {
                // The message has been put back by its Drop.
                self.filtering.run = Run::Idle;
                self.filter_rest(context);
            }
            (_, news) => disk::abandon(Message::Filter(news), context),
        }
    }

    fn filter_rest(&mut self, context: &mut Context) {
        if self.ending.is_some() {
            self.end_filtering(context);
        }
        if let Some(chain) = self.route.filters.clone() {
            self.filter_next(&chain, context);
        }
    }

    fn filtered(&mut self, filtered: Filtered, context: &mut Context) {
        let (next, stop) = client_filter::next(filtered, context.wall_clock(), &self.route.terms);
        if stop {
            self.traffic.no_more = true;
            context.post(self.forwarder, Message::Mail(Mail::StopPass));
            self.end_filtering(context);
        }
        match next {
            Next::Send(loaded) => {
                let is_filtered = true;
                let loaded = Loaded {
                    is_filtered,
                    ..loaded
                };
                self.loaded(Ok(loaded), context);
            }
            Next::Over(not_loaded) => self.loaded(Err(not_loaded), context),
            Next::Settle(mail, settlement) => {
                self.submit(Job::Settle(mail, Box::new(settlement)), context);
            }
        }
    }
}
