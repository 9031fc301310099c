//! Whole sessions with the SMTP server machine.

use std::sync::Arc;
use std::time::Instant;

use emailrelay::auth::{self, Secrets};
use emailrelay::base::{ByteQueue, OneLine};
use emailrelay::proto::sasl::{Answer, Channel, Config};
use emailrelay::proto::smtp::path::{PATH_MAX, PathRules};
use emailrelay::proto::smtp::reply::{LINE_MAX, Reply};
use emailrelay::proto::smtp::server::{
    Action, Admission, Client, CloseReason, Event, Machine, Settings, StrayLineEnds, Transaction,
    Verdict,
};

use super::pieces::{Dice, at_random, check_one_line, check_wire, same_however_cut, selector};

const SECRETS: &[u8] = b"server plain alice secret\nserver plain bob a+20b\n";

/// What comes before BDAT.
const BEFORE_CONTENT: &[u8] = b"EHLO a\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n";

/// The first two octets choose how the server is set up, the rest is what a client says.
pub(crate) fn smtp_server(data: &[u8]) {
    let (first, rest) = selector(data);
    let (second, dialogue) = selector(rest);
    let settings = Arc::new(settings(first, second));
    same_however_cut(dialogue, |pieces| play(&settings, pieces, Dice::of(data)));
}

/// What a client says once it may send content; and the same as the content itself,
/// in chunks.
pub(crate) fn bdat(data: &[u8]) {
    let settings = Arc::new(Settings {
        chunking: true,
        stray_line_ends: StrayLineEnds::Keep,
        ..Settings::default()
    });
    let dice = Dice::of(data);
    let dialogue = [BEFORE_CONTENT, data].concat();
    same_however_cut(&dialogue, |pieces| play(&settings, pieces, dice));

    let mut dialogue = BEFORE_CONTENT.to_vec();
    for piece in at_random(data) {
        dialogue.extend(format!("BDAT {}\r\n", piece.len()).into_bytes());
        dialogue.extend_from_slice(piece);
    }
    dialogue.extend_from_slice(b"BDAT 0 LAST\r\n");
    let actions = play(&settings, &at_random(&dialogue), dice);
    let content = actions.iter().filter_map(|action| match action {
        Action::Content(octets) => Some(octets.as_slice()),
        _ => None,
    });
    let is_stored = actions.iter().any(|a| matches!(a, Action::Commit(_)));
    // A header section in a loop is refused, as are too many small chunks.
    assert!(!is_stored || content.collect::<Vec<_>>().concat() == data);
}

fn settings(first: u8, second: u8) -> Settings {
    let is = |octet: u8, bit: u8| octet & (1 << bit) != 0;
    let mut settings = Settings {
        domain: OneLine::escaped("relay.test"),
        chunking: is(first, 0),
        smtputf8: is(first, 1),
        verify: is(first, 2),
        starttls: is(first, 3),
        tls_required: is(first, 4),
        size_max: is(first, 5).then_some(100),
        auth: is(first, 6).then(Config::default),
        note_commands: is(first, 7),
        anonymous_server: is(second, 1),
        vrfy: !is(second, 2),
        ..Settings::default()
    };
    if is(second, 0) {
        settings.path_rules = PathRules::Lenient;
    }
    if is(second, 3) {
        settings.stray_line_ends = StrayLineEnds::Keep;
    }
    // Limits that short input can reach.
    settings.limits.header.octets_max = 200;
    settings.limits.header.received_max = 2;
    settings.limits.content_swallow_max = 200;
    settings.limits.command_swallow_max = 200;
    settings.limits.recipients_max = 3;
    settings.limits.transactions_max = 5;
    settings.limits.junk_max = 20;
    if is(second, 4) {
        settings.limits.command_line_max = 80;
    }
    settings
}

/// The machine with a driver that answers all that it asks, each time the same.
struct Session {
    machine: Machine,
    secrets: Secrets,
    now: Instant,
    dice: Dice,
    input: ByteQueue,
    limits: Settings,
    open: Option<u64>,
    event: Option<Event>,
    starts_tls: bool,
    closed: bool,
    actions: Vec<Action>,
}

/// What the machine does, with content in one piece.
fn play(settings: &Arc<Settings>, pieces: &[&[u8]], dice: Dice) -> Vec<Action> {
    let client = Client {
        channel: Channel::Clear,
        random: [7; 32],
        connected_at: 1_795_361_082,
    };
    let secrets = Secrets::parse("secrets", SECRETS, &mut |_| Err(String::new()));
    let secrets = secrets.expect("they are well-formed");
    let mut session = Session {
        machine: Machine::new(Arc::clone(settings), client),
        now: Instant::now(),
        dice,
        input: ByteQueue::new(16 * 1024),
        limits: Settings::clone(settings),
        open: None,
        event: None,
        starts_tls: false,
        closed: false,
        actions: Vec::new(),
        secrets,
    };
    let kinds = session.secrets.kinds().clone();
    let trusted = None;
    session.machine.admit(Admission { kinds, trusted });
    session.act(|machine, now, out| machine.greet(now, false, out));
    let mut left: usize = pieces.iter().map(|piece| piece.len()).sum();
    for piece in pieces {
        let mut rest = *piece;
        while !rest.is_empty() && !session.closed {
            let count = session.input.push(rest);
            assert!(count > 0, "a full queue stays full");
            rest = &rest[count..];
            left -= count;
            session.serve(left > 0);
        }
    }
    session.act(|machine, _, out| machine.peer_closed(out));
    assert!(session.closed, "ends with the connection");
    session.actions
}

impl Session {
    fn act(&mut self, call: impl FnOnce(&mut Machine, Instant, &mut Vec<Action>)) {
        let mut out = Vec::new();
        call(&mut self.machine, self.now, &mut out);
        out.into_iter().for_each(|action| self.carry_out(action));
    }

    /// Has the machine take in what there is, and answers what it asks.
    fn serve(&mut self, has_more: bool) {
        loop {
            let mut input = std::mem::replace(&mut self.input, ByteQueue::new(0));
            self.act(|machine, now, out| machine.receive(now, &mut input, out));
            self.input = input;
            if std::mem::take(&mut self.starts_tls) {
                match self.input.is_empty() && !has_more {
                    true => self.machine.encrypted(self.now),
                    false => self.act(|m, _, out| m.abort(CloseReason::Injection, out)),
                }
            }
            let Some(event) = self.event.take() else {
                return;
            };
            assert!(!self.machine.wants_input(), "wants input while it waits");
            self.act(|machine, now, out| machine.resume(now, event, out));
        }
    }

    fn carry_out(&mut self, action: Action) {
        assert!(!self.closed, "acts after its close: {action:?}");
        match &action {
            Action::Reply(reply) => check_reply(reply),
            Action::Command(line) | Action::Warn(line) => check_one_line(line, 10_000),
            Action::Begin(transaction) => {
                assert!(self.open.replace(0).is_none(), "a message in a message");
                self.check(transaction);
            }
            Action::Content(octets) => {
                let open = self.open.as_mut().expect("content of a message");
                *open += octets.len() as u64;
            }
            Action::Commit(facts) => {
                let octets = self.open.take().expect("a message to be stored");
                assert_eq!(facts.octets, octets);
                assert!(self.limits.size_max.is_none_or(|max| octets <= max));
                self.event = Some(self.stored());
            }
            Action::Discard => assert!(self.open.take().is_some(), "nothing to discard"),
            Action::Verify(_) => self.event = Some(Event::Verified(self.verdict())),
            Action::Authenticate(credentials) => {
                let result = auth::check(&self.secrets, credentials);
                let result = result.map(|identity| identity.id);
                let result = result.map_err(|_| Answer::Rejected);
                self.event = Some(Event::Authenticated(result));
            }
            Action::HoldBack(answer) => {
                self.event = Some(Event::Authenticated(Err(*answer)));
            }
            Action::StartTls => self.starts_tls = true,
            Action::Close(_) => {
                assert!(self.open.is_none(), "a message is left open");
                self.closed = true;
            }
        }
        self.note(action);
    }

    /// Leaves out the accidents of cutting.
    fn note(&mut self, action: Action) {
        match (self.actions.last_mut(), action) {
            (Some(Action::Content(before)), Action::Content(octets)) => before.extend(octets),
            (Some(Action::Content(_)), Action::Discard) => {
                self.actions.pop();
                self.actions.push(Action::Discard);
            }
            (_, action) => self.actions.push(action),
        }
    }

    fn check(&self, transaction: &Transaction) {
        assert!(!self.limits.tls_required || transaction.encrypted);
        assert!(self.limits.auth.is_none() || transaction.authenticated);
        let count = transaction.recipients.len();
        assert!((1..=self.limits.limits.recipients_max).contains(&count));
        check_one_line(&transaction.reverse_path, PATH_MAX);
        for recipient in &transaction.recipients {
            check_one_line(&recipient.address, PATH_MAX);
        }
        check_one_line(&transaction.helo, 4 * PATH_MAX);
    }

    fn stored(&mut self) -> Event {
        let refusal = Reply::new(452, Some((3, 1)), "insufficient system storage");
        match self.dice.below(4) {
            0 => Event::Answered(refusal),
            _ => Event::Stored(OneLine::escaped("emailrelay.1.2.3")),
        }
    }

    fn verdict(&mut self) -> Verdict {
        match self.dice.below(8) {
            0 => Verdict::Refuse(Reply::new(550, Some((1, 1)), "no")),
            1 => Verdict::Local {
                mailbox: OneLine::escaped("box"),
                full_name: OneLine::escaped("A Name <box>"),
            },
            2 if self.dice.below(8) == 0 => Verdict::Abort,
            _ => Verdict::Remote {
                address: OneLine::default(),
            },
        }
    }
}

fn check_reply(reply: &Reply) {
    let octets = reply.render();
    check_wire(&octets);
    let lines = octets.split_inclusive(|octet| *octet == b'\n');
    lines.for_each(|line| assert!(line.len() <= LINE_MAX, "{reply:?}"));
}
