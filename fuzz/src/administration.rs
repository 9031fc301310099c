//! The administration interface, and HTTP for those who collect metrics.

use std::sync::Arc;
use std::time::{Duration, Instant};

use emailrelay::base::OneLine;
use emailrelay::proto::admin::{Action, Answer, Machine, Request, Settings};
use emailrelay::proto::http::{Progress, REQUEST_LINE_MAX, REQUEST_MAX, Reader};

use super::pieces::{Dice, check_one_line, same_however_cut, through_queue};

/// What an administrator says.
pub(crate) fn admin(data: &[u8]) {
    let text = OneLine::escaped("text");
    let settings = Arc::new(Settings {
        pid: 1,
        version: text.clone(),
        copyright: text.clone(),
        credit: text.clone(),
        warranty: text,
        terminate: true,
        idle_timeout: Duration::from_secs(60),
    });
    let dice = Dice::of(data);
    same_however_cut(data, |pieces| administrate(&settings, pieces, dice));
}

fn administrate(settings: &Arc<Settings>, pieces: &[&[u8]], mut dice: Dice) -> Vec<Action> {
    let now = Instant::now();
    let mut machine = Machine::new(Arc::clone(settings), now);
    let mut all: Vec<Action> = Vec::new();
    through_queue(pieces, 8 * 1024, |queue| {
        loop {
            let (before, done) = (queue.len(), all.len());
            let mut out = Vec::new();
            machine.receive(now, queue, &mut out);
            let mut index = 0;
            while let Some(action) = out.get(index) {
                index += 1;
                if let Action::Ask(request) = action {
                    let request = request.clone();
                    answer(&mut machine, now, &request, &mut dice, &mut out);
                }
            }
            all.append(&mut out);
            if all.iter().any(|action| matches!(action, Action::Close(_))) {
                return false;
            }
            if queue.len() == before && all.len() == done {
                return true;
            }
        }
    });
    let closes = all.iter().position(|a| matches!(a, Action::Close(_)));
    assert!(
        closes.is_none_or(|at| at + 1 == all.len()),
        "acts after its close"
    );
    for action in &all {
        match action {
            Action::Send(octets) => assert!(!octets.contains(&0)),
            Action::Ask(Request::Message { id, .. }) => check_one_line(id, 8 * 1024),
            Action::Ask(_) | Action::Close(_) => {}
        }
    }
    all
}

fn answer(
    machine: &mut Machine,
    now: Instant,
    request: &Request,
    dice: &mut Dice,
    out: &mut Vec<Action>,
) {
    let line = OneLine::escaped("an answer");
    match request {
        Request::Notify | Request::Terminate => {}
        Request::Flush => machine.flushed(now, Ok(()), out),
        _ => match dice.below(4) {
            0 => machine.answer(now, Answer::Ok, out),
            1 => machine.answer(now, Answer::Failed(line), out),
            2 => machine.answer(now, Answer::Lines(vec![line]), out),
            _ => {
                machine.answer(now, Answer::Items(vec![line], true), out);
                assert!(!machine.wants_input(), "more of the list is to come");
                machine.answer(now, Answer::Items(Vec::new(), false), out);
            }
        },
    }
}

/// A request.
pub(crate) fn http(data: &[u8]) {
    match same_however_cut(data, request) {
        Progress::NeedMore => assert!(data.len() <= REQUEST_MAX),
        Progress::Request(request) => {
            check_one_line(&request.path, REQUEST_LINE_MAX);
            let path = request.path.as_bytes();
            assert!(path.iter().all(u8::is_ascii_graphic), "{}", request.path);
            assert!(!path.contains(&b'?'));
        }
        Progress::Refused(octets) => assert!(octets.starts_with(b"HTTP/1.1 ")),
    }
}

fn request(pieces: &[&[u8]]) -> Progress {
    let mut reader = Reader::new(Instant::now());
    let mut progress = Progress::NeedMore;
    through_queue(pieces, 1000, |queue| {
        progress = reader.receive(queue);
        progress == Progress::NeedMore
    });
    progress
}
