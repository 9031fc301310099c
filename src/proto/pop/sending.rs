//! RETR and TOP: content on its way to the client.

use crate::proto::stuff::{Framing, Stuffer};

use super::maildrop::Session;
use super::wait::Wait;
use super::{Action, CloseReason, Failure, State, Step, Turn, responses};

/// What of a message is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// All of it.
    All,
    /// The header, the blank line, and so many lines of the body.
    Top { lines: u64 },
}

/// A message that is being sent.
#[derive(Debug)]
pub(super) struct Sending {
    stuffer: Stuffer,
    top: Option<Top>,
}

/// Where the top of a message ends.
#[derive(Debug)]
struct Top {
    lines_left: u64,
    in_header: bool,
    /// Whether there is anything in the line so far.
    has_text: bool,
}

impl Top {
    /// How many of these octets, which have been made ready to be sent, belong to
    /// the top; nothing where all do.
    fn end(&mut self, octets: &[u8]) -> Option<usize> {
        let mut start = 0;
        while let Some(length) = octets[start..].iter().position(|octet| *octet == b'\n') {
            let end = start + length + 1;
            self.has_text |= has_text(&octets[start..end]);
            match (self.in_header, std::mem::take(&mut self.has_text)) {
                (true, false) => self.in_header = false,
                (true, true) => {}
                (false, _) => self.lines_left -= 1,
            }
            if !self.in_header && self.lines_left == 0 {
                return Some(end);
            }
            start = end;
        }
        self.has_text |= has_text(&octets[start..]);
        None
    }
}

fn has_text(octets: &[u8]) -> bool {
    octets.iter().any(|octet| !matches!(octet, b'\r' | b'\n'))
}

/// Answers RETR or TOP, now that it is known whether the message is there.
pub(super) fn found(
    turn: &mut Turn<'_>,
    (session, index, part): (Box<Session>, usize, Part),
    result: Result<(), Failure>,
) -> Step {
    if let Err(failure) = result {
        turn.say(responses::of_failure(failure));
        return Step::Next(State::Transaction(session));
    }
    turn.begin_response();
    let top = match part {
        Part::All => {
            let octets = session.messages.octets(index);
            turn.send(responses::line(format!("+OK {octets} octets")));
            None
        }
        Part::Top { lines } => {
            turn.say(responses::OK);
            Some(Top {
                lines_left: lines,
                in_header: true,
                has_text: false,
            })
        }
    };
    let sending = Sending {
        stuffer: Stuffer::new(Framing::Dot),
        top,
    };
    sending.read_on(turn, session)
}

impl Sending {
    fn read_on(self, turn: &mut Turn<'_>, session: Box<Session>) -> Step {
        turn.out.push(Action::ReadOn);
        Step::Rest(State::Wait(Wait::Content(session, self)))
    }

    /// Sends more of the content, and asks for more unless that was the last.
    pub(super) fn send(
        mut self,
        turn: &mut Turn<'_>,
        session: Box<Session>,
        content: Option<(Vec<u8>, bool)>,
    ) -> Step {
        // RFC 1939 5: what has been begun as +OK can only be broken off.
        let Some((content, last)) = content else {
            return Step::HangUp(CloseReason::Broken);
        };
        let mut octets = Vec::new();
        self.stuffer.push(&content, &mut octets);
        if let Some(end) = self.top.as_mut().and_then(|top| top.end(&octets)) {
            octets.truncate(end);
            octets.extend_from_slice(responses::END);
            if !last {
                turn.out.push(Action::StopReading);
            }
        } else if last {
            self.stuffer.finish(&mut octets);
        } else {
            turn.send(octets);
            return self.read_on(turn, session);
        }
        turn.send(octets);
        turn.end_response();
        Step::Next(State::Transaction(session))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn top_of(content: &str, lines: u64, piece: usize) -> String {
        let mut top = Top {
            lines_left: lines,
            in_header: true,
            has_text: false,
        };
        let mut sent = Vec::new();
        for octets in content.as_bytes().chunks(piece) {
            match top.end(octets) {
                Some(end) => {
                    sent.extend_from_slice(&octets[..end]);
                    break;
                }
                None => sent.extend_from_slice(octets),
            }
        }
        String::from_utf8(sent).unwrap()
    }

    #[test]
    fn a_top_ends_at_the_same_place_however_it_is_cut() {
        let message = "a: b\r\nc: d\r\n\r\none\r\n\r\nthree\r\nfour\r\n";
        for (lines, expected) in [
            (0, "a: b\r\nc: d\r\n\r\n"),
            (1, "a: b\r\nc: d\r\n\r\none\r\n"),
            (2, "a: b\r\nc: d\r\n\r\none\r\n\r\n"),
            (4, message),
            (u64::MAX, message),
        ] {
            for piece in 1..=message.len() {
                assert_eq!(
                    top_of(message, lines, piece),
                    expected,
                    "{lines} by {piece}"
                );
            }
        }
        assert_eq!(top_of("a: b\r\n", 0, 3), "a: b\r\n");
        assert_eq!(top_of("\r\nbody\r\n", 0, 1), "\r\n");
    }
}
