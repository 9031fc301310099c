//! Sessions with administrators.

pub mod host;
pub mod queue;
mod status;

use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;
use std::vec;

use crate::base::OneLine;
use crate::event::{Interest, Ready, Token};
use crate::info;
use crate::proto::admin::{Action, Answer, CloseReason, Dnsbl, Machine, Request, Settings, Verb};
use crate::store::{Spool, StoredId};

use super::clients::Visit;
use super::connection::{Arrival, Connection};
use super::context::Context;
use super::disk::{self, Job};
use super::limits::BUFFER_MAX;
use super::listener::Caller;
use super::mail::{Mail, PassReport, Trigger};
use super::parting::Parting;
use super::peer::Peer;
use super::session::{Kind, Message, Session};
use super::watch::surveyor::{ANSWER_MAX, News, Question, Survey};
use super::watch::switches::Switches;
use super::watch::traffic::Service as TrafficService;

/// How many lines of a list are made at once.
const LIST_CHUNK: usize = 256;

/// How full the output may be, in octets, for an event to be put there.
const EVENT_OUTPUT_MAX: usize = BUFFER_MAX / 2;

/// What all sessions with administrators of a configuration share.
pub struct Service {
    /// The machine's settings.
    pub machine: Arc<Settings>,
    /// The spool.
    pub spool: Spool,
    /// Who forwards, if anybody.
    pub forwarder: Option<Token>,
    /// Who looks at the spool.
    pub surveyor: Token,
    /// What can be switched off.
    pub switches: Rc<Switches>,
    /// Whether there is an SMTP server.
    pub has_smtp: bool,
    /// Whether there are block lists.
    pub has_block_lists: bool,
}

/// A list that is being sent.
struct Listed {
    ids: vec::IntoIter<StoredId>,
    more: usize,
}

/// One session.
pub struct AdminServer {
    service: Rc<Service>,
    connection: Connection,
    machine: Machine,
    peer: Peer,
    token: Token,
    list: Option<Listed>,
    /// Until when to wait for a survey.
    survey_by: Option<Instant>,
    /// What is being done to the queue, for the log.
    change: Option<String>,
    input_ended: bool,
    parting: Option<Parting>,
    over: bool,
    /// Counts as one of its client's for as long as this exists.
    _visit: Visit,
}

impl AdminServer {
    /// Takes an administrator who has been let in.
    pub fn new(service: Rc<Service>, caller: Caller, now: Instant) -> AdminServer {
        let Caller {
            stream,
            peer,
            visit,
            ..
        } = caller;
        AdminServer {
            machine: Machine::new(Arc::clone(&service.machine), now),
            service,
            connection: Connection::new(stream),
            peer,
            token: Token::NOBODY,
            list: None,
            survey_by: None,
            change: None,
            input_ended: false,
            parting: None,
            over: false,
            _visit: visit,
        }
    }

    /// Does all that can be done now. Each round takes something off the input, the
    /// list, the events that wait or the output, or is the last.
    fn drive(&mut self, context: &mut Context) {
        while self.parting.is_none() && !self.over {
            let has_acted = self.step(context);
            let waiting = self.connection.output.len();
            self.over = self.connection.flush().is_err();
            if !has_acted && self.connection.output.len() == waiting {
                break;
            }
        }
        self.settle(context);
    }

    fn step(&mut self, context: &mut Context) -> bool {
        let has_room = self.connection.output.room() > 0;
        if has_room && self.list.is_some() {
            self.continue_list(context);
            return true;
        }
        if self.connection.output.len() < EVENT_OUTPUT_MAX
            && self.act(context, |machine, actions| machine.next_event(actions))
        {
            return true;
        }
        let before = self.connection.input.len();
        if has_room && before > 0 && self.machine.wants_input() {
            let mut actions = Vec::new();
            let input = &mut self.connection.input;
            self.machine.receive(context.now, input, &mut actions);
            self.perform(actions, context);
            return self.connection.input.len() < before;
        }
        false
    }

    /// Decides whether the session goes on.
    fn settle(&mut self, context: &mut Context) {
        let may_be_done = self.input_ended && !self.machine.is_busy() && self.list.is_none();
        if self.parting.is_none() && may_be_done && self.connection.is_flushed() {
            self.act(context, |machine, actions| machine.peer_closed(actions));
        }
        if let Some(parting) = &mut self.parting {
            self.over |= parting.is_done(&mut self.connection, context.now);
        }
        if self.over {
            info!("admin connection closed: {}", self.peer);
        }
    }

    /// Lets the machine act; whether it wanted anything done.
    fn act(
        &mut self,
        context: &mut Context,
        call: impl FnOnce(&mut Machine, &mut Vec<Action>),
    ) -> bool {
        let mut actions = Vec::new();
        call(&mut self.machine, &mut actions);
        let acted = !actions.is_empty();
        self.perform(actions, context);
        acted
    }

    fn answer(&mut self, answer: Answer, context: &mut Context) {
        let now = context.now;
        self.act(context, |machine, actions| {
            machine.answer(now, answer, actions);
        });
    }

    fn perform(&mut self, actions: Vec<Action>, context: &mut Context) {
        for action in actions {
            match action {
                Action::Send(octets) => self.connection.output.push_all(&octets),
                Action::Ask(request) => self.obey(request, context),
                Action::Close(reason) => self.part(reason, context),
            }
        }
    }

    fn part(&mut self, reason: CloseReason, context: &mut Context) {
        if let Some(text) = reason.explain() {
            info!("admin connection to be closed: {text}: {}", self.peer);
        }
        self.list = None;
        self.connection.input.clear();
        // At the end of the program nobody is waited for.
        let has_gone = self.input_ended || reason == CloseReason::ShuttingDown;
        self.parting = Some(Parting::new(context.now, has_gone));
    }

    fn obey(&mut self, request: Request, context: &mut Context) {
        match request {
            Request::Status => {
                self.survey_by = Some(context.now + ANSWER_MAX);
                let news = News::Ask {
                    by: self.token,
                    question: Question::Census,
                };
                context.post(self.service.surveyor, Message::Survey(news));
            }
            Request::List(listing) => self.submit(queue::Task::List(listing), context),
            Request::UnfailAll => {
                self.change = Some("unfail-all".to_owned());
                self.submit(queue::Task::UnfailAll, context);
            }
            Request::Message { verb, id } => {
                self.change = (verb != Verb::Show).then(|| format!("{} {id}", verb.as_str()));
                self.submit(queue::Task::Message(verb, id), context);
            }
            Request::Forward => self.forward(context),
            Request::Flush => self.flush(context),
            Request::Notify => context.tell_of_events(self.token),
            Request::Smtp { enable } => self.switch_smtp(enable, context),
            Request::Dnsbl(dnsbl) => self.switch_block_lists(dnsbl, context),
            Request::Terminate => {
                info!("received a terminate command from {}", self.peer);
                context.exit = Some(0);
            }
        }
    }

    fn submit(&self, task: queue::Task, context: &mut Context) {
        let spool = self.service.spool.clone();
        let job = queue::Job { spool, task };
        context.submit(self.token, Job::Queue(job));
    }

    fn forward(&mut self, context: &mut Context) {
        let answer = match self.service.forwarder {
            Some(forwarder) => {
                let trigger = Mail::Trigger(Trigger::Admin);
                context.post(forwarder, Message::Mail(trigger));
                Answer::Ok
            }
            None => Answer::Failed(no_forwarder()),
        };
        self.answer(answer, context);
    }

    fn flush(&mut self, context: &mut Context) {
        match self.service.forwarder {
            Some(forwarder) => {
                let by = self.token;
                context.post(forwarder, Message::Mail(Mail::Flush { by }));
            }
            None => self.flushed(Err(no_forwarder()), context),
        }
    }

    fn flushed(&mut self, result: Result<(), OneLine>, context: &mut Context) {
        let now = context.now;
        self.act(context, |machine, actions| {
            machine.flushed(now, result, actions);
        });
    }

    fn switch_smtp(&mut self, enable: bool, context: &mut Context) {
        if !self.service.has_smtp {
            let reason = OneLine::escaped("no smtp server: there is --no-smtp");
            self.answer(Answer::Failed(reason), context);
            return;
        }
        let word = if enable { "enabled" } else { "disabled" };
        info!("smtp server {word} by {}", self.peer);
        self.service.switches.enable_smtp(enable);
        self.answer(Answer::Ok, context);
    }

    fn switch_block_lists(&mut self, dnsbl: Dnsbl, context: &mut Context) {
        if !self.service.has_block_lists {
            let reason = OneLine::escaped("no block lists configured: use --dnsbl");
            self.answer(Answer::Failed(reason), context);
            return;
        }
        let switches = &self.service.switches;
        match dnsbl {
            Dnsbl::Start => {
                info!("dnsbl started by {}", self.peer);
                switches.start_block_lists();
            }
            Dnsbl::Stop(time) => {
                info!("dnsbl stopped by {}", self.peer);
                switches.stop_block_lists(context.now, time);
            }
        }
        self.answer(Answer::Ok, context);
    }

    /// Sends the next lines of a list.
    fn continue_list(&mut self, context: &mut Context) {
        let Some(list) = &mut self.list else { return };
        let ids = list.ids.by_ref().take(LIST_CHUNK);
        // What ids show is escaped already.
        let mut lines: Vec<OneLine> = ids.filter_map(|id| OneLine::new(id.to_string())).collect();
        let goes_on = list.ids.len() > 0;
        if !goes_on {
            if list.more > 0 {
                lines.push(OneLine::escaped(format!("<{} more>", list.more)));
            }
            self.list = None;
        }
        self.answer(Answer::Items(lines, goes_on), context);
    }

    fn queue_done(&mut self, done: queue::Done, context: &mut Context) {
        let change = self.change.take();
        let log = |result: &str| {
            if let Some(change) = &change {
                info!("queue: {change}: {result}: by {}", self.peer);
            }
        };
        let answer = match done {
            queue::Done::Listed(ids, more) => {
                let ids = ids.into_iter();
                self.list = Some(Listed { ids, more });
                return;
            }
            queue::Done::Shown(lines) => Answer::Lines(lines),
            queue::Done::Unfailed => {
                log("done");
                Answer::Nothing
            }
            queue::Done::Changed => {
                log("done");
                Answer::Ok
            }
            queue::Done::Failed(reason) => {
                log(&reason.to_string());
                Answer::Failed(reason)
            }
        };
        self.answer(answer, context);
    }

    fn surveyed(&mut self, survey: &Survey, context: &mut Context) {
        // It may come after the wait for it has ended.
        if self.survey_by.take().is_some() {
            let lines = status::lines(context, &self.service.switches, survey);
            self.answer(Answer::Lines(lines), context);
        }
    }
}

/// What a pass has come to, as `flush` tells it: that messages were refused does
/// not make it a failure.
fn result_of(report: PassReport) -> Result<(), OneLine> {
    match report.trouble {
        Some(trouble) => Err(OneLine::escaped(trouble)),
        None if report.is_empty() => Err(OneLine::escaped("no messages to send")),
        None => Ok(()),
    }
}

fn no_forwarder() -> OneLine {
    OneLine::escaped("no remote server configured: use --forward-to")
}

impl Session for AdminServer {
    fn kind(&self) -> Kind {
        Kind::AdminServer
    }

    fn peer(&self) -> Option<&str> {
        Some(self.peer.ip_text())
    }

    fn peer_port(&self) -> Option<u16> {
        self.peer.port()
    }

    fn start(&mut self, token: Token, context: &mut Context) {
        self.token = token;
        info!("admin connection from {}", self.peer);
        let (stream, peer) = (self.connection.stream(), self.peer.address());
        context.arrived(token, TrafficService::Admin, stream, peer);
    }

    fn interest(&self, _now: Instant) -> Option<Interest> {
        let read = match &self.parting {
            Some(parting) => parting.wants_input(),
            None => !self.input_ended,
        };
        self.connection.interest(read)
    }

    fn deadline(&self) -> Option<Instant> {
        match &self.parting {
            Some(parting) => Some(parting.deadline()),
            None => [self.machine.deadline(), self.survey_by]
                .into_iter()
                .flatten()
                .min(),
        }
    }

    fn on_ready(&mut self, ready: Ready, context: &mut Context) {
        if let Some(parting) = &mut self.parting {
            if ready.readable {
                parting.read(&mut self.connection, &mut context.scratch);
            }
        } else if ready.readable && !self.input_ended {
            match self.connection.read(&mut context.scratch) {
                Ok(Arrival::Bytes | Arrival::Nothing) => {}
                Ok(Arrival::End | Arrival::Truncated) => self.input_ended = true,
                Err(_) => {
                    self.over = true;
                    info!("admin connection closed: {}", self.peer);
                    return;
                }
            }
        }
        self.drive(context);
    }

    fn on_timeout(&mut self, context: &mut Context) {
        let now = context.now;
        if self.parting.is_none() {
            if self.survey_by.is_some_and(|by| by <= now) {
                self.surveyed(&Survey::default(), context);
            }
            self.act(context, |machine, actions| machine.timeout(now, actions));
        }
        self.drive(context);
    }

    fn on_message(&mut self, message: Message, context: &mut Context) {
        match message {
            Message::Event(event) => self.machine.notify(event),
            Message::Survey(News::Known(survey)) => self.surveyed(&survey, context),
            Message::Flushed(report) => self.flushed(result_of(report), context),
            Message::Disk(Some(disk::Done::Queue(done))) => self.queue_done(done, context),
            Message::Disk(None) => {
                let failed = OneLine::escaped("internal error");
                self.queue_done(queue::Done::Failed(failed), context);
            }
            other => disk::abandon(other, context),
        }
        self.drive(context);
    }

    fn on_shutdown(&mut self, context: &mut Context) {
        self.act(context, |machine, actions| machine.shut_down(actions));
        self.drive(context);
    }

    fn is_over(&self) -> bool {
        self.over
    }
}
