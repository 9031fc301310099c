//! What the machine asks of its driver, and what it is told in return.

use std::fmt::Debug;

use crate::base::OneLine;
use crate::proto::sasl::{Answer, Credentials};

use super::CloseReason;

/// What the driver is to do, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Action {
    /// Send these octets.
    Respond(Vec<u8>),
    /// A command line has come in, escaped and bounded (with `note_commands` only).
    Command(OneLine),
    /// Something for the log to warn of.
    Warn(OneLine),
    /// Find out whether these are right; the machine waits for
    /// [`Event::Authenticated`].
    Authenticate(Box<Credentials>),
    /// The client has failed to authenticate, and needs no check for it: give that
    /// answer back in [`Event::Authenticated`], after the delay that it has earned.
    HoldBack(Answer),
    /// Start TLS once the responses have been flushed; the machine waits for
    /// `Machine::encrypted`. Input that is there by then came behind STLS, in clear:
    /// the session is to be aborted for it.
    StartTls,
    /// Open the maildrop of that user; the machine waits for [`Event::Opened`].
    Open(OneLine),
    /// Find the message at that index; the machine waits for [`Event::Found`].
    Retrieve(usize),
    /// Give more of that message's content once there is room for it to be sent;
    /// the machine waits for [`Event::Content`]. After the last it asks no more.
    ReadOn,
    /// No more of that message is needed.
    StopReading,
    /// Delete the messages at these indices; the machine waits for
    /// [`Event::Deleted`].
    Delete(Vec<usize>),
    /// Close the connection once the responses have been flushed.
    Close(CloseReason),
}

/// How a wait of the machine ends.
#[derive(Debug)]
#[must_use]
pub enum Event {
    /// The client is who it says, by that name, or it gets that answer.
    Authenticated(Result<OneLine, Answer>),
    /// The maildrop with its messages, or why there is none.
    Opened(Result<Box<dyn Messages>, OpenFailure>),
    /// Whether the message has been found.
    Found(Result<(), Failure>),
    /// More of the content, and whether that is the last; nothing where it cannot
    /// be read.
    Content(Option<(Vec<u8>, bool)>),
    /// Whether all messages that were to be deleted are gone.
    Deleted(bool),
}

/// The messages of a maildrop, by index from 0; they never change.
pub trait Messages: Debug + Send {
    /// How many there are.
    fn count(&self) -> usize;
    /// The octets of a message as they are sent, but for doubled dots.
    fn octets(&self, index: usize) -> u64;
    /// Its unique id: 1 to 70 graphic ASCII characters.
    fn unique_id(&self, index: usize) -> String;
}

/// Why a maildrop is not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenFailure {
    /// Another session has it.
    InUse,
    /// It cannot be opened now.
    ForNow,
    /// It cannot be opened until somebody has repaired something.
    ForGood,
    /// The user's name cannot be that of a maildrop; clients are told as of a wrong
    /// password.
    BadName,
}

/// Why a message is not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// It is gone.
    Gone,
    /// It is no longer what it was when the maildrop was opened.
    Changed,
    /// It cannot be read now.
    ForNow,
}
