//! What the loop asks of everything it drives.

use std::rc::Rc;
use std::time::Instant;

use crate::base::OneLine;
use crate::event::{Interest, Ready, Token};

use super::context::Context;
use super::mail::{Mail, PassReport};
use super::verification::News;
use super::watch::surveyor;
use super::{disk, filter_run, lookup, passwords, programs};

/// What kind of session it is, for counting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Accepts connections.
    Listener,
    /// Serves an SMTP client.
    SmtpServer,
    /// Serves a POP client.
    PopServer,
    /// Talks to a next hop.
    SmtpClient,
    /// Decides when to forward.
    Forwarder,
    /// Has a message routed.
    Router,
    /// Keeps up with the list of name servers.
    NameServerWatch,
    /// Asks a network verifier.
    VerifierClient,
    /// Serves an administrator.
    AdminServer,
    /// Serves a program that watches.
    MetricsServer,
    /// Looks at the spool for those who watch.
    Surveyor,
    /// Puts a message through filters.
    FilterRun,
}

/// News for a session from a worker or from another session.
pub enum Message {
    /// A disk job is done; nothing where it panicked.
    Disk(Option<disk::Done>),
    /// A name was looked up; nothing where that panicked.
    Lookup(Option<lookup::Done>),
    /// PAM has been asked about a password; nothing where that panicked.
    Password(Option<passwords::Done>),
    /// A program has ended; nothing where running it panicked.
    Program(Option<programs::Done>),
    /// Between an SMTP session and the one with its verifier.
    Verification(News),
    /// Between a run of filters, its filters and the session that has begun it.
    Filter(filter_run::News),
    /// To the forwarder.
    Mail(Mail),
    /// To a client session: there is no more mail in this pass.
    NoMoreMail,
    /// To who asked for it with [`Mail::Flush`]: how the pass ended.
    Flushed(PassReport),
    /// To an administrator's session: something has happened.
    Event(Rc<OneLine>),
    /// To and from the surveyor of a spool.
    Survey(surveyor::News),
}

/// One party that the loop drives.
pub trait Session {
    /// Its kind.
    fn kind(&self) -> Kind;

    /// The peer's address as log lines show it.
    fn peer(&self) -> Option<&str> {
        None
    }

    /// The peer's port, where log lines are to show it.
    fn peer_port(&self) -> Option<u16> {
        None
    }

    /// The id of the message that is being forwarded, as log lines show it.
    fn message_id(&self) -> Option<String> {
        None
    }

    /// Called once, before anything else, with the session's own name.
    fn start(&mut self, token: Token, context: &mut Context);

    /// What it waits for on its socket; see [`crate::event::Pollable::interest`].
    fn interest(&self, _now: Instant) -> Option<Interest> {
        None
    }

    /// What it waits for on further sockets; see
    /// [`crate::event::Pollable::more_interests`].
    fn more_interests(&self, _out: &mut Vec<Interest>) {}

    /// When it wants [`Session::on_timeout`], unless something happens before.
    fn deadline(&self) -> Option<Instant> {
        None
    }

    /// Its socket is ready.
    fn on_ready(&mut self, _ready: Ready, _context: &mut Context) {}

    /// Its deadline has passed.
    fn on_timeout(&mut self, _context: &mut Context) {}

    /// A message for it arrived.
    fn on_message(&mut self, message: Message, context: &mut Context);

    /// The program stops: finish what is in flight, begin nothing.
    fn on_shutdown(&mut self, context: &mut Context);

    /// There is no more time for what is in flight: a last word, and no more.
    fn on_time_up(&mut self, _context: &mut Context) {}

    /// Whether it is over and may be dropped.
    fn is_over(&self) -> bool;

    /// What somebody who counts on it must be told when it has panicked.
    fn last_words(&self) -> Vec<(Token, Message)> {
        Vec::new()
    }
}
