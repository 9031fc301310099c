//! The way to a service that verifies or filters: a connection, from looking its
//! name up to losing it.

use std::net::SocketAddr;
use std::time::Instant;

use crate::event::{Interest, Ready, Token};
use crate::net::address::Target;
use crate::net::connector::{Connector, Progress, TIMEOUT_MAX};
use crate::net::resolver::{self, ResolveError};
use crate::sys::socket::Address;

use super::connection::{Arrival, Connection};
use super::context::Context;
use super::lookup::{self, Origin};
use super::session::Message;

/// One connection, or the attempt to make one.
pub struct ServiceLink {
    target: Target,
    state: State,
}

enum State {
    Closed,
    Resolving {
        /// Without it nobody would be asked.
        _asked: lookup::Asked,
    },
    Connecting(Connector),
    Open(Connection),
}

/// What has happened.
#[derive(Debug, PartialEq, Eq)]
pub enum News {
    /// Nothing that matters.
    Nothing,
    /// The connection is there.
    Open,
    /// There is more input.
    Input,
    /// There was room for output, and some has gone out.
    Room,
    /// There will be no connection, or no more input, for this reason.
    Lost(String),
}

impl ServiceLink {
    /// A link that has yet to be begun.
    pub fn new(target: Target) -> ServiceLink {
        ServiceLink {
            target,
            state: State::Closed,
        }
    }

    /// Begins to connect, for the session of that name.
    pub fn begin(&mut self, me: Token, context: &mut Context) -> News {
        match &self.target {
            Target::Unix(path) => {
                let address = Address::Unix(path.clone());
                self.connect(vec![address], context)
            }
            Target::HostPort(host_port) => {
                if let Some(found) = resolver::literal(host_port, None) {
                    return self.resolved(found, context);
                }
                let (job, asked) = lookup::ask(host_port, None, Origin::Configuration);
                self.state = State::Resolving { _asked: asked };
                context.look_up(me, job);
                News::Nothing
            }
            // The configuration has none.
            Target::Proxied(_) => News::Lost("services are not asked through proxies".to_owned()),
        }
    }

    /// Gives the connection up, or the attempt. It may be begun again.
    pub fn close(&mut self) {
        self.state = State::Closed;
    }

    /// The connection, once it is there. What is put into its output goes out with
    /// the next [`ServiceLink::flush`].
    pub fn connection(&mut self) -> Option<&mut Connection> {
        match &mut self.state {
            State::Open(connection) => Some(connection),
            _ => None,
        }
    }

    /// Writes what there is to write.
    pub fn flush(&mut self) -> News {
        let State::Open(connection) = &mut self.state else {
            return News::Nothing;
        };
        match connection.flush() {
            Ok(()) => News::Room,
            Err(error) => self.lose(error.to_string()),
        }
    }

    /// What it waits for on its socket.
    pub fn interest(&self) -> Option<Interest> {
        match &self.state {
            State::Connecting(connector) => connector.socket().map(|socket| Interest {
                socket,
                read: false,
                write: true,
            }),
            State::Open(connection) => connection.interest(true),
            State::Closed | State::Resolving { .. } => None,
        }
    }

    /// When it wants [`ServiceLink::on_timeout`].
    pub fn deadline(&self) -> Option<Instant> {
        match &self.state {
            State::Connecting(connector) => connector.deadline(),
            _ => None,
        }
    }

    /// Its socket is ready.
    pub fn on_ready(&mut self, ready: Ready, context: &mut Context) -> News {
        match &mut self.state {
            State::Connecting(connector) => {
                let progress = connector.on_ready(context.now);
                self.on_progress(progress)
            }
            State::Open(connection) if ready.readable => {
                match connection.read(&mut context.scratch) {
                    Ok(Arrival::Bytes) => News::Input,
                    Ok(Arrival::Nothing) => News::Nothing,
                    Ok(Arrival::End | Arrival::Truncated) => {
                        self.lose("it closed the connection".to_owned())
                    }
                    Err(error) => self.lose(error.to_string()),
                }
            }
            State::Open(_) => self.flush(),
            State::Closed | State::Resolving { .. } => News::Nothing,
        }
    }

    /// Its deadline may have passed.
    pub fn on_timeout(&mut self, context: &mut Context) -> News {
        match &mut self.state {
            State::Connecting(connector) => {
                let progress = connector.on_timeout(context.now);
                self.on_progress(progress)
            }
            _ => News::Nothing,
        }
    }

    /// A message for the session may be the result of looking the name up.
    pub fn on_message(&mut self, message: Message, context: &mut Context) -> News {
        let Message::Lookup(done) = message else {
            return News::Nothing;
        };
        if !matches!(self.state, State::Resolving { .. }) {
            return News::Nothing;
        }
        match done {
            Some(lookup::Done::Addresses(found)) => self.resolved(found, context),
            // Of an earlier attempt.
            Some(lookup::Done::Unwanted) => News::Nothing,
            Some(lookup::Done::NameServers(_)) | None => self.lose("internal error".to_owned()),
        }
    }

    fn resolved(
        &mut self,
        found: Result<Vec<SocketAddr>, ResolveError>,
        context: &mut Context,
    ) -> News {
        match found {
            Ok(found) => {
                let addresses = found.into_iter().map(Address::Tcp).collect();
                self.connect(addresses, context)
            }
            Err(error) => self.lose(error.to_string()),
        }
    }

    fn connect(&mut self, addresses: Vec<Address>, context: &mut Context) -> News {
        let mut connector = Connector::new(addresses, None, TIMEOUT_MAX);
        let progress = connector.start(context.now);
        self.state = State::Connecting(connector);
        self.on_progress(progress)
    }

    fn on_progress(&mut self, progress: Progress) -> News {
        match progress {
            Progress::Connecting => News::Nothing,
            Progress::Connected(stream, _) => {
                self.state = State::Open(Connection::new(stream));
                News::Open
            }
            Progress::Failed(error) => self.lose(error.to_string()),
        }
    }

    fn lose(&mut self, why: String) -> News {
        self.state = State::Closed;
        News::Lost(format!("{}: {why}", self.target))
    }
}
