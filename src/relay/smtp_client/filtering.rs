//! Having the next message put through the client filters.

use std::sync::Arc;

use crate::event::Token;
use crate::filter::chain::Chain;
use crate::relay::client_filter::{self, Next};
use crate::relay::context::Context;
use crate::relay::disk::{self, Job, Loaded};
use crate::relay::filter_run::{FilterRun, Filtered, News};
use crate::relay::mail::Mail;
use crate::relay::session::Message;

use super::SmtpClient;

/// How far the next message has come with the filters.
pub(super) enum Filtering {
    /// They are not asked now.
    Idle,
    /// They are about to be asked.
    Begun,
    /// They are asked by this session.
    Running(Token),
}

impl Filtering {
    /// What there is to be told to others when the session ends.
    pub(super) fn last_words(&self) -> Option<(Token, Message)> {
        match self {
            Filtering::Running(run) => Some((*run, Message::Filter(News::HangUp))),
            Filtering::Idle | Filtering::Begun => None,
        }
    }
}

impl SmtpClient {
    pub(super) fn filter(&mut self, chain: &Arc<Chain>, loaded: Loaded, context: &mut Context) {
        let run = FilterRun::queued(chain, loaded.mail.mail, self.token);
        self.filtering = Filtering::Begun;
        context.begin(Box::new(run));
    }

    /// The session has no use for the next message any more.
    pub(super) fn cancel_filters(&mut self, context: &mut Context) {
        if let Some((run, news)) = self.filtering.last_words() {
            context.post(run, news);
        }
    }

    pub(super) fn filter_news(&mut self, news: News, context: &mut Context) {
        match (&self.filtering, news) {
            (Filtering::Begun, News::Started(run)) => {
                self.filtering = Filtering::Running(run);
                if self.ending.is_some() || context.stopping {
                    self.cancel_filters(context);
                }
            }
            (Filtering::Begun | Filtering::Running(_), News::Over(filtered)) => {
                self.filtering = Filtering::Idle;
                self.filtered(*filtered, context);
            }
            (Filtering::Begun | Filtering::Running(_), News::Gone) => {
                // The message has been put back by its Drop.
                self.filtering = Filtering::Idle;
                self.asked = false;
            }
            (_, news) => disk::abandon(Message::Filter(news), context),
        }
    }

    fn filtered(&mut self, filtered: Filtered, context: &mut Context) {
        let (next, stop) = client_filter::next(filtered, context.wall_clock());
        if stop {
            self.no_more = true;
            context.post(self.forwarder, Message::Mail(Mail::StopPass));
        }
        match next {
            Next::Send(loaded) => self.loaded(Ok(loaded), context),
            Next::Over(not_loaded) => self.loaded(Err(not_loaded), context),
            Next::Settle(mail, settlement) => {
                self.asked = false;
                self.submit(Job::Settle(mail, Box::new(settlement)), context);
            }
        }
    }
}
