//! A network filter, asked about one message over a connection of its own.

use std::time::Instant;

use crate::event::{Interest, Ready, Token};
use crate::filter::chain::Subject;
use crate::filter::output::Response;
use crate::filter::verdict::{Finding, Rejection, Verdict};
use crate::net::address::Target;
use crate::proto::netfilter::{self, Answer, Found};

use super::context::Context;
use super::dialogue::Dialogue;
use super::service_link::{News, ServiceLink};
use super::session::Message;

/// One question.
pub struct NetFilter {
    link: ServiceLink,
    question: Option<Vec<u8>>,
}

impl NetFilter {
    /// Is about to ask about that message.
    pub fn new(target: &Target, subject: &Subject) -> NetFilter {
        let path = subject.content().into_os_string().into_encoded_bytes();
        NetFilter {
            link: ServiceLink::new(target.clone()),
            question: netfilter::question(&path),
        }
    }

    fn on_news(&mut self, news: News) -> Option<Finding> {
        match news {
            News::Nothing | News::Room => None,
            News::Open => {
                let question = self.question.take()?;
                self.link.connection()?.output.push_all(&question);
                let news = self.link.flush();
                self.on_news(news)
            }
            News::Input => self.receive(),
            News::Lost(why) => Some(Finding::failed(why)),
        }
    }

    fn receive(&mut self) -> Option<Finding> {
        match netfilter::receive(&self.link.connection()?.input) {
            Found::NeedMore => None,
            Found::Garbage => Some(Finding::failed("not an answer")),
            Found::Answer(Answer::Accept) => Some(Finding::of(Verdict::Accept)),
            Found::Answer(Answer::Refuse { text, reason }) => {
                let reason = match reason.is_empty() {
                    true => text.clone(),
                    false => reason,
                };
                let said = Response {
                    response: text,
                    reason,
                };
                Some(Finding::of(Verdict::Reject(Rejection::of(said))))
            }
        }
    }
}

impl Dialogue for NetFilter {
    fn begin(&mut self, me: Token, context: &mut Context) -> Option<Finding> {
        if self.question.is_none() {
            let why = "not possible to ask a network filter: a line break in the path";
            return Some(Finding::failed(why));
        }
        let news = self.link.begin(me, context);
        self.on_news(news)
    }

    fn interest(&self) -> Option<Interest> {
        self.link.interest()
    }

    fn deadline(&self) -> Option<Instant> {
        self.link.deadline()
    }

    fn on_ready(&mut self, ready: Ready, context: &mut Context) -> Option<Finding> {
        let news = self.link.on_ready(ready, context);
        self.on_news(news)
    }

    fn on_timeout(&mut self, context: &mut Context) -> Option<Finding> {
        let news = self.link.on_timeout(context);
        self.on_news(news)
    }

    fn on_message(&mut self, message: Message, context: &mut Context) -> Option<Finding> {
        let news = self.link.on_message(message, context);
        self.on_news(news)
    }
}
