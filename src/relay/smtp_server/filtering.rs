//! From a message that is complete, by way of the filters, to its reply.
//!
//! A client that hangs up meanwhile changes nothing: the filter may have acted on
//! the message already, so it is left to finish, and the message becomes what it
//! says.

use crate::event::Token;
use crate::filter::verdict::Verdict;
use crate::relay::acceptance;
use crate::relay::context::Context;
use crate::relay::disk::{self, Job};
use crate::relay::filter_files::Done;
use crate::relay::filter_run::{FilterRun, Filtered, News, Remains};
use crate::relay::mail::{Mail, Trigger};
use crate::relay::session::Message;
use crate::relay::verdict;
use crate::store::{Receipt, StoredId};
use crate::{info, warning};

use super::{SmtpServer, refuse};

/// How far the current message has come with the filters.
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

impl SmtpServer {
    /// The message is written: has it put through the filters.
    pub(super) fn staged(&mut self, done: Done, context: &mut Context) {
        let filters = self.service.filters.as_ref();
        match (done, filters) {
            (Done::Staged(Ok(staged)), Some(filters)) if self.intake.is_some() => {
                let peer = Some(self.peer.ip_text().to_owned());
                let run =
                    FilterRun::received(filters, staged, self.token, peer, self.particulars());
                self.filtering = Filtering::Begun;
                context.begin(Box::new(run));
            }
            (Done::Staged(Ok(staged)), None) if self.intake.is_some() => {
                self.accepted(staged, context);
            }
            (Done::Lent(staged, loaded), _) if self.intake.is_some() => {
                self.lent(staged, *loaded, context);
            }
            (Done::PassedOn(result), _) if self.intake.is_some() => {
                self.passed_on(result, context);
            }
            (Done::Staged(Err(error)), _) => self.stored(Err(refuse(&error)), context),
            (done, _) => disk::abandon(Message::Disk(Some(disk::Done::Filter(done))), context),
        }
    }

    /// What the log is to say of the current message if a filter refuses it.
    pub(super) fn particulars(&self) -> String {
        let of = self.transaction.as_ref().zip(self.facts.as_ref());
        of.map(|(transaction, facts)| acceptance::particulars(transaction, facts, &self.peer))
            .unwrap_or_default()
    }

    pub(super) fn filter_news(&mut self, news: News, context: &mut Context) {
        match (&self.filtering, news) {
            (Filtering::Begun, News::Started(run)) => self.filtering = Filtering::Running(run),
            (Filtering::Begun | Filtering::Running(_), News::Over(filtered)) => {
                self.filtering = Filtering::Idle;
                self.filtered(*filtered, context);
            }
            (Filtering::Begun | Filtering::Running(_), News::Gone) => {
                self.filtering = Filtering::Idle;
                self.immediate.forget_filters();
                self.stored(Err(verdict::of_internal_error()), context);
            }
            (_, news) => disk::abandon(Message::Filter(news), context),
        }
    }

    fn filtered(&mut self, filtered: Filtered, context: &mut Context) {
        let Filtered {
            id,
            verdict,
            wishes,
            left,
            ..
        } = filtered;
        self.wants_rescan |= wishes.rescan;
        if let (Remains::Received(staged), Some(transaction)) = (&left, &mut self.transaction) {
            acceptance::follow(transaction, staged.envelope());
        }
        let is_outgoing = self.take_filtering();
        match (verdict, left) {
            (Verdict::Accept, Remains::Received(staged)) if is_outgoing => {
                self.forward_or_commit(staged, context);
            }
            (Verdict::Accept, Remains::Received(staged)) => self.accepted(staged, context),
            // Left for later, or for the filter to remove.
            (Verdict::Abandon, Remains::Received(staged)) => {
                self.away = Some(self.serial);
                context.submit(self.token, Job::CommitStaged(staged));
            }
            (Verdict::Abandon, _) => self.taken(id, context),
            (Verdict::Reject(rejection), _) => self.stored(Err(rejection.reply()), context),
            (Verdict::Fail(_) | Verdict::Accept, _) => {
                self.stored(Err(verdict::of_filter_failure()), context);
            }
        }
    }

    /// The filter has the message now, and has told us to forget it.
    fn taken(&mut self, id: StoredId, context: &mut Context) {
        info!("message taken by the filter: {id}");
        let octets = self.facts.as_ref().map_or(0, |facts| facts.octets);
        let receipt = Receipt {
            id,
            octets,
            is_local: false,
        };
        self.stored(Ok(receipt), context);
    }

    /// Has mail forwarded, if a filter wishes so: once its own message is there.
    pub(super) fn rescan(&mut self, context: &mut Context) {
        if !std::mem::take(&mut self.wants_rescan) {
            return;
        }
        match self.service.rescans {
            Some(forwarder) => {
                let trigger = Mail::Trigger(Trigger::Filter);
                context.post(forwarder, Message::Mail(trigger));
            }
            None => warning!("a filter wants mail forwarded, but there is no --forward-to"),
        }
    }
}
