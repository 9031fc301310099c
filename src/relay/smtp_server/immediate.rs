//! Forwarding a message while its client waits for the reply, which then is the
//! next hop's own.
//!
//! The message stays this session's, and unacknowledged, all the while: nothing of
//! it remains that could be sent again, whatever happens. Whether the next hop has
//! it or has refused it, the files are removed; after a crash recovery does that.
//! Where some recipients have been served and others have not, the client is told
//! that all is well, since it can only send to all of them again: so the message is
//! made durable for the others first, and waits in the queue as any other does.
//!
//! A client that hangs up meanwhile changes nothing: it will not know whether the
//! message was accepted, as with any server (RFC 1047).

use crate::base::OneLine;
use crate::event::Token;
use crate::info;
use crate::proto::smtp::client::{Outcome, RecipientOutcome};
use crate::proto::smtp::reply::Reply;
use crate::proto::smtp::server::Event;
use crate::relay::context::Context;
use crate::relay::disk::{self, Batch, Done, Job, Loaded, NotLoaded};
use crate::relay::filter_files;
use crate::relay::filter_run::FilterRun;
use crate::relay::mail::{Ending, Mail, Trigger};
use crate::relay::session::Message;
use crate::relay::verdict;
use crate::store::{self, Routing, Staged};

use super::filtering::Filtering;
use super::{SmtpServer, refuse};

/// The client session of this session, and the message that it has.
#[derive(Default)]
pub(super) struct Immediate {
    /// The message.
    message: Option<Box<Staged>>,
    /// The same, to be handed over.
    loaded: Option<Loaded>,
    /// Who is to have it.
    client: ClientSession,
    /// Whether that has had a message before this one.
    is_used: bool,
    /// Which of the next hops it goes to.
    hop: usize,
    /// Why the next hops before that could not be reached.
    trouble: String,
    /// Whether the message is with the filters for mail that goes out.
    is_filtering: bool,
    /// What to tell the client once the files are as they should be.
    answer: Option<Reply>,
    /// Whether something of the message will wait in the queue.
    has_rest: bool,
}

/// How far the client session is.
#[derive(Clone, Copy, Default)]
enum ClientSession {
    /// There is none.
    #[default]
    Absent,
    /// The forwarder has been asked for one, which has not asked for mail yet.
    Begun,
    /// It asks for mail.
    Asking(Token),
    /// It has been given a message.
    Busy,
}

impl SmtpServer {
    /// The message is complete and no filter has anything against it; those for mail
    /// that goes out come next.
    pub(super) fn accepted(&mut self, staged: Box<Staged>, context: &mut Context) {
        let is_for_others = !staged.envelope().remote_recipients.is_empty();
        match self.service.client_filters.clone() {
            Some(filters) if is_for_others => {
                let peer = Some(self.peer.ip_text().to_owned());
                let run =
                    FilterRun::received(&filters, staged, self.token, peer, self.particulars());
                self.filtering = Filtering::Begun;
                self.immediate.is_filtering = true;
                context.begin(Box::new(run));
            }
            _ => self.forward_or_commit(staged, context),
        }
    }

    /// Whether it was the filters for mail that goes out that have seen the message.
    pub(super) fn take_filtering(&mut self) -> bool {
        std::mem::take(&mut self.immediate.is_filtering)
    }

    /// Nothing is left to be asked. A message that a filter sends another way than
    /// all others is the forwarder's, which knows those ways.
    pub(super) fn forward_or_commit(&mut self, staged: Box<Staged>, context: &mut Context) {
        self.away = Some(self.serial);
        let envelope = staged.envelope();
        let is_for_others = !envelope.remote_recipients.is_empty();
        let is_usual = Routing::of(envelope) == Routing::default();
        let job = match self.service.immediate {
            Some(_) if is_for_others && is_usual => Job::Filter(filter_files::Job::Lend(staged)),
            _ => {
                self.immediate.has_rest = is_for_others;
                Job::CommitStaged(staged)
            }
        };
        context.submit(self.token, job);
    }

    /// The message has been opened.
    pub(super) fn lent(
        &mut self,
        staged: Box<Staged>,
        loaded: Result<Loaded, NotLoaded>,
        context: &mut Context,
    ) {
        match loaded {
            Ok(loaded) => {
                self.immediate.message = Some(staged);
                self.immediate.loaded = Some(loaded);
                self.hand_over(context);
            }
            Err(_) => {
                self.remove(staged, context);
                self.stored(Err(verdict::of_internal_error()), context);
            }
        }
    }

    /// Gives the message to the client session once that asks for it; where there is
    /// none, one is begun.
    fn hand_over(&mut self, context: &mut Context) {
        let immediate = &mut self.immediate;
        match immediate.client {
            ClientSession::Asking(client) => {
                if let Some(loaded) = immediate.loaded.take() {
                    immediate.client = ClientSession::Busy;
                    let batch = Batch {
                        loaded: vec![Ok(loaded)],
                        left: Vec::new(),
                    };
                    context.post(client, Message::Disk(Some(Done::Loaded(batch))));
                }
            }
            ClientSession::Absent => {
                if let Some(forwarder) = self.service.immediate {
                    immediate.client = ClientSession::Begun;
                    immediate.is_used = false;
                    let (by, hop) = (self.token, immediate.hop);
                    context.post(forwarder, Message::Mail(Mail::Connect { by, hop }));
                }
            }
            ClientSession::Begun | ClientSession::Busy => {}
        }
    }

    pub(super) fn immediate_news(&mut self, mail: Mail, context: &mut Context) {
        match mail {
            Mail::Wanted { by, .. } => {
                self.immediate.client = ClientSession::Asking(by);
                self.hand_over(context);
            }
            Mail::Answered { outcome } => self.answered(&outcome, context),
            Mail::ClientOver { ending, .. } => self.client_over(ending, context),
            other => disk::abandon(Message::Mail(other), context),
        }
    }

    /// The next hop has said something about the message, or will not any more.
    fn answered(&mut self, outcome: &Outcome, context: &mut Context) {
        if outcome.is_unattempted() && self.immediate.is_used {
            // The next hop has closed an idle connection: the end of the client
            // session, which follows, has the message sent over another one.
            return;
        }
        self.immediate.is_used = true;
        let Some(staged) = self.immediate.message.take() else {
            return;
        };
        let reply = verdict::of_outcome(outcome);
        let paths = staged.envelope().remote_recipients.iter();
        let is_served = |one: &RecipientOutcome| matches!(one, RecipientOutcome::Delivered);
        let unserved = paths.zip(&outcome.recipients);
        let rest: Vec<OneLine> = unserved
            .filter(|(_, one)| !is_served(one))
            .map(|(path, _)| path.clone())
            .collect();
        let has_local = !staged.envelope().local_recipients.is_empty();
        let is_any_served = outcome.recipients.iter().any(is_served);
        if !is_any_served {
            self.remove(staged, context);
            self.stored(Err(reply), context);
        } else if rest.is_empty() && !has_local {
            info!("forwarded before it was accepted: {}", staged.id());
            self.immediate.answer = Some(reply);
            self.away = Some(self.serial);
            let job = Job::Filter(filter_files::Job::PassOn(staged));
            context.submit(self.token, job);
        } else {
            self.immediate.answer = Some(reply);
            self.immediate.has_rest = true;
            self.away = Some(self.serial);
            context.submit(self.token, Job::CommitRest(staged, rest));
        }
    }

    /// The client session is over. Where that leaves the message unsent it goes over
    /// another connection, or to the next of the next hops.
    fn client_over(&mut self, ending: Ending, context: &mut Context) {
        let was_used = self.immediate.is_used;
        let immediate = &mut self.immediate;
        immediate.client = ClientSession::Absent;
        let Some(staged) = immediate.message.take() else {
            immediate.hop = 0;
            return;
        };
        let is_handed_over = immediate.loaded.is_none();
        match ending {
            _ if was_used => {
                immediate.loaded = None;
                self.forward_or_commit(staged, context);
            }
            Ending::RouteFailed(trouble) | Ending::LoginFailed(trouble) if !is_handed_over => {
                (immediate.trouble, immediate.hop) = (trouble, immediate.hop + 1);
                immediate.message = Some(staged);
                self.hand_over(context);
            }
            ending => {
                let why = match ending {
                    Ending::Done => std::mem::take(&mut immediate.trouble),
                    Ending::Dropped(why) | Ending::RouteFailed(why) | Ending::LoginFailed(why) => {
                        why
                    }
                };
                (immediate.loaded, immediate.hop) = (None, 0);
                info!("not forwarded: {}: {why}", staged.id());
                self.remove(staged, context);
                self.stored(Err(verdict::of_lost_next_hop()), context);
            }
        }
    }

    /// What to tell the client of a message, which may have been forwarded but for what
    /// has been stored now.
    pub(super) fn take_answer(&mut self, is_stored: bool, context: &mut Context) -> Option<Reply> {
        let answer = self.immediate.answer.take();
        let has_rest = std::mem::take(&mut self.immediate.has_rest);
        if is_stored && has_rest {
            self.forward_rest(context);
        }
        answer.filter(|_| is_stored)
    }

    fn forward_rest(&self, context: &mut Context) {
        if let Some(forwarder) = self.service.immediate {
            context.post(forwarder, Message::Mail(Mail::Trigger(Trigger::Rest)));
        }
    }

    /// The message is the next hop's now, and what filters have made of it besides is
    /// in the queue; or else the client has to send it again, for the sake of that.
    pub(super) fn passed_on(
        &mut self,
        passed_on: Result<bool, store::Error>,
        context: &mut Context,
    ) {
        let answer = self.immediate.answer.take();
        let has_rest = match passed_on {
            Ok(has_rest) => has_rest,
            Err(error) => return self.stored(Err(refuse(&error)), context),
        };
        if has_rest {
            self.forward_rest(context);
        }
        self.intake = None;
        self.transaction = None;
        self.facts = None;
        self.rescan(context);
        let reply = answer.unwrap_or_else(verdict::of_internal_error);
        self.resume(Event::Answered(reply), context);
    }

    fn remove(&self, staged: Box<Staged>, context: &mut Context) {
        let job = Job::Filter(filter_files::Job::Discard(staged));
        context.submit(Token::NOBODY, job);
    }
}

impl Immediate {
    /// The filters will not say anything.
    pub(super) fn forget_filters(&mut self) {
        self.is_filtering = false;
    }

    /// What there is to be told to the client session when this one ends.
    pub(super) fn last_words(&self) -> Option<(Token, Message)> {
        match self.client {
            ClientSession::Asking(client) => Some((client, Message::NoMoreMail)),
            _ => None,
        }
    }
}
