//! Dialogues with the machine.

use super::*;

struct Session {
    machine: Machine,
    now: Instant,
    output: String,
    requests: Vec<Request>,
    closed: Option<CloseReason>,
}

impl Session {
    fn new() -> Session {
        Session::with(false)
    }

    fn with(terminate: bool) -> Session {
        let settings = Settings {
            pid: 4711,
            version: OneLine::escaped("1.2.3"),
            copyright: OneLine::escaped("of the authors"),
            credit: OneLine::escaped("a library"),
            warranty: OneLine::escaped("none"),
            terminate,
            idle_timeout: IDLE_MAX,
        };
        let now = Instant::now();
        Session {
            machine: Machine::new(Arc::new(settings), now),
            now,
            output: String::new(),
            requests: Vec::new(),
            closed: None,
        }
    }

    fn take(&mut self, actions: Vec<Action>) {
        for action in actions {
            assert_eq!(self.closed, None, "nothing comes after the end");
            match action {
                Action::Send(octets) => self.output += &String::from_utf8(octets).unwrap(),
                Action::Ask(request) => self.requests.push(request),
                Action::Close(reason) => self.closed = Some(reason),
            }
        }
    }

    /// What is said to that input, taken a piece at a time.
    fn says(&mut self, input: &str) -> String {
        let mut queue = ByteQueue::new(1 << 20);
        for octet in input.bytes() {
            queue.push(&[octet]);
            while !queue.is_empty() && self.machine.wants_input() {
                let mut out = Vec::new();
                self.machine.receive(self.now, &mut queue, &mut out);
                self.take(out);
            }
        }
        std::mem::take(&mut self.output)
    }

    fn answer(&mut self, answer: Answer) -> String {
        let mut out = Vec::new();
        self.machine.answer(self.now, answer, &mut out);
        self.take(out);
        std::mem::take(&mut self.output)
    }

    fn flushed(&mut self, result: Result<(), &str>) -> String {
        let mut out = Vec::new();
        let result = result.map_err(OneLine::escaped);
        self.machine.flushed(self.now, result, &mut out);
        self.take(out);
        std::mem::take(&mut self.output)
    }

    fn event(&mut self) -> String {
        let mut out = Vec::new();
        self.machine.next_event(&mut out);
        self.take(out);
        std::mem::take(&mut self.output)
    }

    fn timeout(&mut self, after: Duration) {
        self.now += after;
        let mut out = Vec::new();
        self.machine.timeout(self.now, &mut out);
        self.take(out);
    }
}

fn lines(texts: &[&str]) -> Vec<OneLine> {
    texts.iter().map(OneLine::escaped).collect()
}

#[test]
fn answers_what_needs_no_looking_up() {
    let mut session = Session::new();
    let table = [
        ("\n", "E-MailRelay> "),
        ("pid\n", "4711\nE-MailRelay> "),
        ("PID of it\n", "4711\nE-MailRelay> "),
        ("info version\n", "1.2.3\nE-MailRelay> "),
        ("info warranty\n", "none\nE-MailRelay> "),
        ("info credit\n", "a library\nE-MailRelay> "),
        ("info copyright\n", "of the authors\nE-MailRelay> "),
        (
            "info\n",
            "usage: info {copyright|credit|version|warranty}\nE-MailRelay> ",
        ),
        ("smtp\n", "usage: smtp {disable|enable}\nE-MailRelay> "),
        (
            "dnsbl x\n",
            "usage: dnsbl {start|stop [seconds]}\nE-MailRelay> ",
        ),
        ("nonsense\n", "error: unrecognised command\nE-MailRelay> "),
        (
            "help\n",
            "commands: delete, dnsbl, failures, flush, forward, help, hold, info, list, notify, \
             pid, quit, release, retry, show, smtp, status, unfail-all\nE-MailRelay> ",
        ),
    ];
    for (line, expected) in table {
        assert_eq!(session.says(line), expected, "{line:?}");
    }
    assert!(session.requests.is_empty());
    assert_eq!(session.says("quit\n"), "");
    assert_eq!(session.closed, Some(CloseReason::Quit));
}

#[test]
fn lines_end_as_the_first_one_did() {
    let mut session = Session::new();
    assert_eq!(session.says("pid\r\n"), "4711\r\nE-MailRelay> ");
    assert_eq!(session.says("pid\n"), "4711\r\nE-MailRelay> ");
    session.says("status\n");
    let answer = session.answer(Answer::Lines(lines(&["one", "two"])));
    assert_eq!(answer, "one\r\ntwo\r\nE-MailRelay> ");
}

#[test]
fn waits_for_an_answer_before_it_reads_on() {
    let mut session = Session::new();
    let mut queue = ByteQueue::new(100);
    queue.push(b"forward\npid\n");
    let mut out = Vec::new();
    session.machine.receive(session.now, &mut queue, &mut out);
    assert_eq!(out, [Action::Ask(Request::Forward)]);
    out.clear();
    session.machine.receive(session.now, &mut queue, &mut out);
    assert!(out.is_empty() && queue.as_slice() == b"pid\n");
    assert_eq!(session.answer(Answer::Ok), "OK\nE-MailRelay> ");
    assert_eq!(session.says("unfail-all\n"), "");
    assert_eq!(session.answer(Answer::Nothing), "E-MailRelay> ");
    assert_eq!(session.says("forward\n"), "");
    let reason = OneLine::escaped("no\nsuch thing");
    let answer = session.answer(Answer::Failed(reason));
    assert_eq!(answer, "error: no\\nsuch thing\nE-MailRelay> ");
    assert_eq!(session.answer(Answer::Ok), "", "nothing was asked");
}

#[test]
fn lists_come_in_pieces() {
    let mut session = Session::new();
    session.says("list\n");
    assert_eq!(
        session.answer(Answer::Items(Vec::new(), false)),
        "<none>\nE-MailRelay> "
    );
    session.says("failures\n");
    assert_eq!(
        session.answer(Answer::Items(lines(&["a", "b"]), true)),
        "a\nb\n"
    );
    assert!(!session.machine.wants_input());
    assert_eq!(session.answer(Answer::Items(lines(&["c"]), true)), "c\n");
    assert_eq!(
        session.answer(Answer::Items(Vec::new(), false)),
        "E-MailRelay> "
    );
    assert!(session.machine.wants_input());
    let listed = [Listing::Ready, Listing::Failed].map(Request::List);
    assert_eq!(session.requests, listed);
}

#[test]
fn flush_answers_at_its_end_and_other_commands_meanwhile() {
    let mut session = Session::new();
    assert_eq!(session.says("flush\n"), "");
    assert_eq!(session.says("pid\n"), "4711\nE-MailRelay> ");
    assert_eq!(
        session.says("flush\n"),
        "error: still working\nE-MailRelay> "
    );
    assert_eq!(session.requests, [Request::Flush]);
    assert_eq!(session.machine.deadline(), None, "an answer is owed");
    assert_eq!(session.flushed(Ok(())), "OK\nE-MailRelay> ");
    session.says("flush\n");
    let failed = session.flushed(Err("no messages to send"));
    assert_eq!(failed, "error: no messages to send\nE-MailRelay> ");
    assert_eq!(session.flushed(Ok(())), "", "nothing was asked");
}

#[test]
fn flush_does_not_answer_in_the_middle_of_a_list() {
    let mut session = Session::new();
    session.says("flush\nlist\n");
    assert_eq!(session.flushed(Ok(())), "");
    let first = session.answer(Answer::Items(lines(&["a"]), true));
    assert_eq!(first, "a\n");
    assert!(session.machine.is_busy());
    let last = session.answer(Answer::Items(lines(&["b"]), false));
    assert_eq!(last, "b\nE-MailRelay> OK\nE-MailRelay> ");
    assert!(!session.machine.is_busy());
}

#[test]
fn events_come_between_answers() {
    let mut session = Session::new();
    let event = |text: &str| Rc::new(OneLine::escaped(text));
    session.machine.notify(event("too early"));
    assert_eq!(session.says("notify\n"), "", "there is no prompt");
    assert_eq!(session.event(), "");
    session.machine.notify(event("network: in: start"));
    assert_eq!(session.event(), "\nEVENT: network: in: start  ");
    session.says("list\n");
    session.machine.notify(event("late"));
    assert_eq!(session.event(), "", "not before the list");
    session.answer(Answer::Items(lines(&["a"]), true));
    assert_eq!(session.event(), "", "nor in it");
    session.answer(Answer::Items(Vec::new(), false));
    assert_eq!(session.event(), "\nEVENT: late  ");
    assert_eq!(session.event(), "");
}

#[test]
fn events_nobody_reads_are_dropped_with_a_note() {
    let mut session = Session::new();
    session.says("notify\n");
    for number in 0..EVENTS_WAITING_MAX + 7 {
        let event = OneLine::escaped(number.to_string());
        session.machine.notify(Rc::new(event));
    }
    assert_eq!(session.event(), "\nEVENT: notify: 7 lost  ");
    for number in 7..EVENTS_WAITING_MAX + 7 {
        assert_eq!(session.event(), format!("\nEVENT: {number}  "));
    }
    assert_eq!(session.event(), "");
}

#[test]
fn terminate_has_to_be_allowed() {
    let mut session = Session::new();
    let unknown = "error: unrecognised command\nE-MailRelay> ";
    assert_eq!(session.says("terminate\n"), unknown);
    assert!(session.requests.is_empty());
    let mut session = Session::with(true);
    assert!(
        session
            .says("help\n")
            .contains(", status, terminate, unfail-all\n")
    );
    assert_eq!(session.says("terminate\n"), "");
    assert_eq!(session.requests, [Request::Terminate]);
}

#[test]
fn http_is_cut_off_without_a_word() {
    for head in [
        "GET / HTTP/1.1",
        "POST /x HTTP/1.1",
        "HEAD /",
        "PUT /",
        "OPTIONS *",
        "get /",
    ] {
        let mut session = Session::with(true);
        let body = format!("{head}\r\nHost: relay\r\n\r\nterminate\r\nforward\r\n");
        assert_eq!(session.says(&body), "", "{head}");
        assert_eq!(session.closed, Some(CloseReason::Http), "{head}");
        assert!(session.requests.is_empty(), "{head}");
    }
}

#[test]
fn tls_is_cut_off_at_its_first_octet() {
    let mut session = Session::new();
    assert_eq!(session.says("\u{16}\u{3}\u{1}"), "");
    assert_eq!(session.closed, Some(CloseReason::Tls));
    let mut out = Vec::new();
    let mut whole = ByteQueue::new(100);
    whole.push(b"\x16\x03\x01\nforward\n");
    let mut session = Session::new();
    session.machine.receive(session.now, &mut whole, &mut out);
    assert_eq!(out, [Action::Close(CloseReason::Tls)]);
}

#[test]
fn lines_without_end_are_cut_off() {
    let mut session = Session::new();
    let longest = format!("{}\n", "x".repeat(LINE_MAX));
    assert_eq!(
        session.says(&longest),
        "error: unrecognised command\nE-MailRelay> "
    );
    let said = session.says(&"x".repeat(1 << 16));
    assert_eq!(said, "error: line too long\n");
    assert_eq!(session.closed, Some(CloseReason::LineTooLong));
}

#[test]
fn the_last_of_many_errors_is_answered() {
    let mut session = Session::new();
    for _ in 1..ERRORS_MAX {
        assert!(session.says("x\n").starts_with("error: "));
        assert_eq!(session.closed, None);
    }
    assert!(session.says("x\n").starts_with("error: "));
    assert_eq!(session.closed, Some(CloseReason::TooManyErrors));
}

#[test]
fn nobody_stays_for_ever_without_asking() {
    let mut session = Session::new();
    session.timeout(IDLE_MAX - Duration::from_secs(1));
    session.says("x");
    assert_eq!(session.closed, None);
    session.timeout(Duration::from_secs(1));
    assert_eq!(session.closed, Some(CloseReason::IdleTimeout(IDLE_MAX)));

    let mut session = Session::new();
    session.says("notify\n");
    session.timeout(IDLE_MAX * 2);
    assert_eq!(session.closed, None, "events are waited for");

    let mut session = Session::new();
    session.says("list\n");
    session.timeout(IDLE_MAX * 2);
    assert_eq!(session.closed, None, "so are answers");
    session.answer(Answer::Items(lines(&["a"]), true));
    session.timeout(IDLE_MAX);
    let idle = CloseReason::IdleTimeout(IDLE_MAX);
    assert_eq!(
        session.closed,
        Some(idle),
        "but who does not read a list is not"
    );
}

#[test]
fn nothing_is_said_after_the_end() {
    let mut session = Session::new();
    session.says("notify\nflush\nlist\n");
    let mut out = Vec::new();
    session.machine.shut_down(&mut out);
    session.take(out);
    assert_eq!(session.closed, Some(CloseReason::ShuttingDown));
    assert_eq!(session.answer(Answer::Ok), "");
    assert_eq!(session.flushed(Ok(())), "");
    session.machine.notify(Rc::new(OneLine::escaped("late")));
    assert_eq!(session.event(), "");
    assert_eq!(session.machine.deadline(), None);
    let mut out = Vec::new();
    session.machine.peer_closed(&mut out);
    assert!(out.is_empty());
}
