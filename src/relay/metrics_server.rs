//! Sessions with programs that watch: one request by HTTP, and its reply.

use std::rc::Rc;
use std::time::Instant;

use crate::event::{Interest, Ready, Token};
use crate::proto::exposition;
use crate::proto::http::{Progress, Reader, Reply, Request, Status};

use super::clients::Visit;
use super::connection::{Arrival, Connection};
use super::context::Context;
use super::disk;
use super::listener::{Caller, Host, Refusal};
use super::parting::Parting;
use super::peer::Peer;
use super::session::{Kind, Message, Session};
use super::watch::metrics;
use super::watch::surveyor::{ANSWER_MAX, News, Question, Survey};
use super::watch::traffic::Service as TrafficService;

/// What all sessions of a listener share.
pub struct Service {
    /// Who looks at the spool.
    pub surveyor: Token,
    /// When the program was started, in seconds since 1970.
    pub started: i64,
}

/// Receives programs that watch.
pub struct MetricsHost {
    /// What all sessions share.
    pub service: Rc<Service>,
    /// Whether it is only for those on this system: not where an address was named.
    pub only_this_system: bool,
}

/// What can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Page {
    Metrics,
    Live,
    Ready,
}

/// One session.
pub struct MetricsServer {
    service: Rc<Service>,
    connection: Connection,
    reader: Reader,
    peer: Peer,
    token: Token,
    /// What waits for a survey, whether only the head of it is wanted, and how long.
    waiting: Option<(Page, bool, Instant)>,
    parting: Option<Parting>,
    over: bool,
    /// Counts as one of its client's for as long as this exists.
    _visit: Visit,
}

impl Page {
    fn of(path: &[u8]) -> Option<Page> {
        match path {
            b"/metrics" => Some(Page::Metrics),
            b"/livez" => Some(Page::Live),
            b"/readyz" => Some(Page::Ready),
            _ => None,
        }
    }

    /// What has to be found out for it.
    fn question(self) -> Option<Question> {
        match self {
            Page::Metrics => Some(Question::Census),
            Page::Ready => Some(Question::Probe),
            Page::Live => None,
        }
    }
}

impl Host for MetricsHost {
    fn name(&self) -> &'static str {
        "metrics"
    }

    fn refusal(&self, _refusal: Refusal) -> Vec<u8> {
        Vec::new()
    }

    fn receive(&self, caller: Caller, context: &mut Context) {
        let service = Rc::clone(&self.service);
        let session = MetricsServer::new(service, caller, context.now);
        context.begin(Box::new(session));
    }

    fn is_for_this_system_only(&self) -> bool {
        self.only_this_system
    }
}

impl MetricsServer {
    fn new(service: Rc<Service>, caller: Caller, now: Instant) -> MetricsServer {
        let Caller {
            stream,
            peer,
            visit,
            ..
        } = caller;
        MetricsServer {
            service,
            connection: Connection::new(stream),
            reader: Reader::new(now),
            peer,
            token: Token::NOBODY,
            waiting: None,
            parting: None,
            over: false,
            _visit: visit,
        }
    }

    fn receive(&mut self, context: &mut Context) {
        match self.reader.receive(&mut self.connection.input) {
            Progress::NeedMore => {}
            Progress::Refused(octets) => self.send(&octets, context),
            Progress::Request(request) => self.serve(&request, context),
        }
    }

    fn serve(&mut self, request: &Request, context: &mut Context) {
        let head_only = request.head_only;
        let Some(page) = Page::of(request.path.as_bytes()) else {
            let reply = Reply::text(Status::NotFound, "not found");
            self.send(&reply.render(head_only), context);
            return;
        };
        match page.question() {
            None => self.reply(page, head_only, &Survey::default(), context),
            Some(question) => {
                self.waiting = Some((page, head_only, context.now + ANSWER_MAX));
                let by = self.token;
                let news = News::Ask { by, question };
                context.post(self.service.surveyor, Message::Survey(news));
            }
        }
    }

    fn surveyed(&mut self, survey: &Survey, context: &mut Context) {
        if let Some((page, head_only, _)) = self.waiting.take() {
            self.reply(page, head_only, survey, context);
        }
    }

    fn reply(&mut self, page: Page, head_only: bool, survey: &Survey, context: &mut Context) {
        let reply = match page {
            Page::Live => Reply::text(Status::Ok, "alive"),
            Page::Metrics => Reply {
                status: Status::Ok,
                media_type: exposition::MEDIA_TYPE,
                body: metrics::render(context, self.service.started, survey),
            },
            Page::Ready if context.stopping => Reply::text(Status::Unavailable, "stopping"),
            Page::Ready => match survey.is_writable {
                Some(true) => Reply::text(Status::Ok, "ready"),
                Some(false) => Reply::text(Status::Unavailable, "the spool cannot be written"),
                None => Reply::text(Status::Unavailable, "the spool does not answer"),
            },
        };
        self.send(&reply.render(head_only), context);
    }

    /// Sends the only reply there is.
    fn send(&mut self, octets: &[u8], context: &mut Context) {
        self.connection.output.push_all(octets);
        self.connection.input.clear();
        self.parting = Some(Parting::new(context.now, false));
        self.settle(context);
    }

    fn settle(&mut self, context: &mut Context) {
        if let Some(parting) = &mut self.parting {
            self.over |= parting.is_done(&mut self.connection, context.now);
        }
    }
}

impl Session for MetricsServer {
    fn kind(&self) -> Kind {
        Kind::MetricsServer
    }

    fn peer(&self) -> Option<&str> {
        Some(self.peer.ip_text())
    }

    fn peer_port(&self) -> Option<u16> {
        self.peer.port()
    }

    fn start(&mut self, token: Token, context: &mut Context) {
        self.token = token;
        let (stream, peer) = (self.connection.stream(), self.peer.address());
        context.arrived(token, TrafficService::Metrics, stream, peer);
    }

    fn interest(&self, _now: Instant) -> Option<Interest> {
        let read = match &self.parting {
            Some(parting) => parting.wants_input(),
            None => self.waiting.is_none(),
        };
        self.connection.interest(read)
    }

    fn deadline(&self) -> Option<Instant> {
        if let Some(parting) = &self.parting {
            return Some(parting.deadline());
        }
        let waiting = self.waiting.map(|(_, _, until)| until);
        waiting.or(Some(self.reader.deadline()))
    }

    fn on_ready(&mut self, ready: Ready, context: &mut Context) {
        if let Some(parting) = &mut self.parting {
            if ready.readable {
                parting.read(&mut self.connection, &mut context.scratch);
            }
            self.settle(context);
        } else if ready.readable && self.waiting.is_none() {
            match self.connection.read(&mut context.scratch) {
                Ok(Arrival::Bytes) => self.receive(context),
                Ok(Arrival::Nothing) => {}
                Ok(Arrival::End | Arrival::Truncated) | Err(_) => self.over = true,
            }
        }
    }

    fn on_timeout(&mut self, context: &mut Context) {
        let now = context.now;
        if self.parting.is_some() {
            self.settle(context);
        } else if self.waiting.is_some() {
            self.surveyed(&Survey::default(), context);
        } else if self.reader.deadline() <= now {
            self.over = true;
        }
    }

    fn on_message(&mut self, message: Message, context: &mut Context) {
        match message {
            Message::Survey(News::Known(survey)) => self.surveyed(&survey, context),
            other => disk::abandon(other, context),
        }
    }

    /// A request under way is answered, which takes seconds at most.
    fn on_shutdown(&mut self, _context: &mut Context) {
        self.over |= self.parting.is_none() && self.waiting.is_none();
    }

    fn is_over(&self) -> bool {
        self.over
    }
}
