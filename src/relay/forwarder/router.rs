//! Having a message routed: the client filters see it before it is known where it
//! goes, and may write that into its envelope. No connection is needed for this.

use std::sync::Arc;

use crate::event::Token;
use crate::filter::chain::Chain;
use crate::relay::client_filter::{self, Next};
use crate::relay::context::Context;
use crate::relay::disk::{self, Batch, Done, Job};
use crate::relay::filter_run::{FilterRun, Filtered, News};
use crate::relay::mail::{Fate, Mail, NO_LINE, Way};
use crate::relay::session::{Kind, Message, Session};
use crate::relay::settlement::{Settlement, Terms};
use crate::store::{Routing, Spool, StoredId};
use crate::warning;

/// How many messages are routed at the same time.
pub(super) const ROUTERS_MAX: usize = 10;

/// One message on its way through the filters.
pub(super) struct Router {
    spool: Spool,
    id: StoredId,
    /// Where it was to go when it was looked at.
    routing: Routing,
    chain: Arc<Chain>,
    terms: Terms,
    forwarder: Token,
    token: Token,
    run: Option<Token>,
    /// Where it is to go now, to be told once the message is back in the queue.
    routed: Option<Routing>,
    over: bool,
}

impl Router {
    pub(super) fn new(
        (spool, id, routing): (Spool, StoredId, Routing),
        (chain, terms): (Arc<Chain>, Terms),
        forwarder: Token,
    ) -> Router {
        Router {
            spool,
            id,
            routing,
            chain,
            terms,
            forwarder,
            token: Token::NOBODY,
            run: None,
            routed: None,
            over: false,
        }
    }

    fn loaded(&mut self, batch: Batch, context: &mut Context) {
        for loaded in batch.loaded {
            match loaded {
                Ok(loaded) if context.stopping => self.put_back(loaded.mail, context),
                Ok(loaded) => {
                    let run = FilterRun::queued(&self.chain, loaded.mail.mail, self.token);
                    context.begin(Box::new(run));
                }
                Err(not_loaded) => self.skip(not_loaded, context),
            }
        }
    }

    fn put_back(&mut self, mail: Box<disk::Outgoing>, context: &mut Context) {
        let untouched = Box::new(Settlement::Untouched);
        context.submit(self.token, Job::Settle(mail, untouched));
    }

    fn skip(&mut self, not_loaded: disk::NotLoaded, context: &mut Context) {
        let disk::NotLoaded { id, trouble } = not_loaded;
        if let Some((text, fate)) = trouble {
            warning!("{id}: {text}");
            let settled = Mail::Settled {
                line: NO_LINE,
                id,
                fate,
                recorded: true,
            };
            context.post(self.forwarder, Message::Mail(settled));
        }
        self.end(context);
    }

    fn filtered(&mut self, filtered: Filtered, context: &mut Context) {
        let (next, stop) = client_filter::next(filtered, context.wall_clock(), &self.terms);
        if stop {
            context.post(self.forwarder, Message::Mail(Mail::StopPass));
        }
        match next {
            Next::Send(loaded) => {
                self.routed = Some(Routing::of(loaded.mail.mail.envelope()));
                self.put_back(loaded.mail, context);
            }
            Next::Settle(mail, settlement) => {
                context.submit(self.token, Job::Settle(mail, Box::new(settlement)));
            }
            Next::Over(not_loaded) => self.skip(not_loaded, context),
        }
    }

    fn settled(&mut self, settled: disk::Settled, context: &mut Context) {
        let news = match (settled.report(NO_LINE), self.routed.take()) {
            (Mail::Returned { id, .. }, Some(routing)) => Mail::Routed { id, routing },
            (other, _) => other,
        };
        context.post(self.forwarder, Message::Mail(news));
        self.end(context);
    }

    fn end(&mut self, context: &mut Context) {
        if !self.over {
            self.over = true;
            context.post(self.forwarder, Message::Mail(Mail::RouterOver));
        }
    }
}

impl Session for Router {
    fn kind(&self) -> Kind {
        Kind::Router
    }

    fn start(&mut self, token: Token, context: &mut Context) {
        self.token = token;
        let way = Way {
            routing: self.routing.clone(),
            filtered: Vec::new(),
        };
        context.submit(
            token,
            Job::Lock(self.spool.clone(), vec![self.id.clone()], way),
        );
    }

    fn on_message(&mut self, message: Message, context: &mut Context) {
        match message {
            Message::Disk(Some(Done::Loaded(batch))) => self.loaded(batch, context),
            Message::Disk(Some(Done::Settled(settled))) => self.settled(settled, context),
            Message::Filter(News::Started(run)) => {
                self.run = Some(run);
                if context.stopping {
                    context.post(run, Message::Filter(News::HangUp));
                }
            }
            Message::Filter(News::Over(filtered)) => self.filtered(*filtered, context),
            Message::Filter(News::Gone) | Message::Disk(None) => {
                // What it held has been put back by its Drop.
                let trouble = ("internal error".to_owned(), Fate::Deferred { until: 0 });
                let (id, trouble) = (self.id.clone(), Some(trouble));
                self.skip(disk::NotLoaded { id, trouble }, context);
            }
            other => disk::abandon(other, context),
        }
    }

    fn on_shutdown(&mut self, context: &mut Context) {
        if let Some(run) = self.run {
            context.post(run, Message::Filter(News::HangUp));
        }
    }

    fn is_over(&self) -> bool {
        self.over
    }

    fn last_words(&self) -> Vec<(Token, Message)> {
        let mut words = vec![(self.forwarder, Message::Mail(Mail::RouterOver))];
        words.extend(self.run.map(|run| (run, Message::Filter(News::HangUp))));
        words
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::filter::chain::Side;
    use crate::relay::context::Pools;
    use crate::sys::testing::TempDir;
    use crate::sys::time;

    // Else the pass would end as if there had been no such message.
    #[test]
    fn a_message_whose_filters_have_died_is_said_to_be_left() {
        for news in [Message::Filter(News::Gone), Message::Disk(None)] {
            let folder = TempDir::new();
            let spool = Spool::open(folder.path(), 1).unwrap();
            let id = StoredId::parse(b"emailrelay.1.2.3").unwrap();
            let chain = Arc::new(Chain {
                side: Side::Client,
                links: Vec::new(),
                timeout: None,
            });
            let terms = Terms {
                retry_period: None,
                bounces: None,
            };
            let what = (spool, id.clone(), Routing::default());
            let mut router = Router::new(what, (chain, terms), Token::NOBODY);
            let mut context = Context::new(Instant::now(), time::wall_clock, Pools::small());
            router.on_message(news, &mut context);
            let mut told = context.posts.into_iter().map(|(_, message)| message);
            let Some(Message::Mail(Mail::Settled {
                id: whose, fate, ..
            })) = told.next()
            else {
                panic!("the message is not heard of again");
            };
            assert_eq!((whose, fate), (id, Fate::Deferred { until: 0 }));
            assert!(matches!(told.next(), Some(Message::Mail(Mail::RouterOver))));
            assert!(router.is_over());
        }
    }
}
