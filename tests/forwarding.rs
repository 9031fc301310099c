//! Forwarding beyond one attempt, one connection and one next hop.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::TcpListener;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::support::address::unused;
use crate::support::client::{Client, submit};
#[cfg(unix)]
use crate::support::executable;
use crate::support::program::{Program, Scratch, Server, run};
use crate::support::sink::{Answer, Sink};

const EXTENSIONS: [&str; 2] = ["PIPELINING", "8BITMIME"];

/// Stores messages to `to0@dst.test` and so on.
pub(crate) fn store(spool: &Scratch, count: usize) {
    let server = Server::start(spool, &[]);
    let mut client = Client::connect(server.port);
    client.hello();
    for number in 0..count {
        let to = format!("to{number}@dst.test");
        client.send("me@src.test", &[&to], b"x: y\r\n\r\nhello\r\n");
    }
    client.quit();
}

/// Forwards once with further options.
pub(crate) fn forward(spool: &Scratch, target: &str, options: &[&str]) -> (i32, String) {
    let spool = spool.path().to_str().unwrap();
    let mut arguments = vec!["--as-client", target, "--spool-dir", spool];
    arguments.extend(["--domain", "relay.test", "--response-timeout", "60"]);
    arguments.extend(["--connection-timeout", "60", "--prompt-timeout", "60"]);
    arguments.extend(options);
    let (status, _, log) = run(&arguments);
    (status, log)
}

/// The names of the files in the spool that end so.
pub(crate) fn ending(spool: &Scratch, end: &str) -> Vec<String> {
    let names = spool.names().into_iter();
    names.filter(|name| name.ends_with(end)).collect()
}

pub(crate) fn read(spool: &Scratch, name: &str) -> String {
    fs::read_to_string(spool.join(name)).unwrap()
}

/// Changes a part of the text of one of the envelopes, which is there.
pub(crate) fn edit(spool: &Scratch, index: usize, from: &str, to: &str) {
    let name = &ending(spool, ".envelope")[index];
    let text = read(spool, name);
    assert!(text.contains(from), "{text}");
    fs::write(spool.join(name), text.replacen(from, to, 1)).unwrap();
}

/// The value of a line of the only envelope.
fn value(spool: &Scratch, field: &str) -> Option<String> {
    let text = read(spool, &ending(spool, ".envelope")[0]);
    let start = format!("X-MailRelay-{field}: ");
    let mut lines = text.lines();
    lines.find_map(|line| line.strip_prefix(&start).map(str::to_owned))
}

/// A sink that gives one answer to every command that starts so.
pub(crate) fn grumpy(command: &'static str, answer: &str) -> Sink {
    let answer = answer.to_owned();
    Sink::scripted(&EXTENSIONS, move |_, given| {
        match given.starts_with(command) {
            true => Answer::Reply(answer.clone()),
            false => Answer::Usual,
        }
    })
}

pub(crate) fn dead() -> String {
    unused().to_string()
}

fn recipients(sinks: &[&Sink]) -> Vec<String> {
    let arrived = sinks.iter().flat_map(|sink| sink.arrived());
    let mut all: Vec<String> = arrived.flat_map(|one| one.forward_paths).collect();
    all.sort();
    all
}

fn commands(sink: &Sink, start: &str) -> usize {
    let commands = sink.commands();
    commands.iter().filter(|one| one.starts_with(start)).count()
}

// ---- retrying

#[test]
fn a_deferred_message_waits_for_its_time_unless_somebody_asks() {
    let spool = Scratch::new();
    store(&spool, 1);
    let sink = grumpy(".", "451 4.3.0 later");
    for attempts in ["1", "2"] {
        assert_eq!(forward(&spool, &sink.address(), &[]).0, 1);
        assert_eq!(value(&spool, "Attempts").as_deref(), Some(attempts));
    }
    let number = |field: &str| value(&spool, field).unwrap().parse::<i64>().unwrap();
    let delay = number("NextAttempt") - number("LastAttempt");
    assert!((45..=60).contains(&delay), "{delay}");
    let options = ["--poll", "100ms", "--forward-to", &sink.address()];
    let server = Server::start(&spool, &options);
    let waits = "no messages to send, 1 waiting for their next attempt";
    server.program.wait_for_nth(waits, 3);
    assert_eq!(commands(&sink, "MAIL"), 2);
    drop(server);
    let willing = Sink::start();
    assert_eq!(forward(&spool, &willing.address(), &[]).0, 0);
    assert_eq!(spool.names(), [""; 0]);
}

#[test]
fn the_first_retry_comes_with_the_next_pass() {
    let spool = Scratch::new();
    let sink = Sink::scripted(&EXTENSIONS, |connection, command| {
        match (connection, command) {
            (1, ".") => Answer::Reply("451 4.3.0 later".to_owned()),
            _ => Answer::Usual,
        }
    });
    let options = ["--poll", "200ms", "--forward-to", &sink.address()];
    let server = Server::start(&spool, &options);
    submit(server.port, "me@src.test", &["a@dst.test"], b"x: y\r\n\r\n");
    server.program.wait_for("forwarding: 0 sent, 1 deferred");
    sink.wait_for(1);
    server.program.wait_for("forwarding: 1 sent, 0 deferred");
}

#[test]
fn a_message_is_given_up_after_its_period_but_not_because_the_clock_jumps() {
    let spool = Scratch::new();
    store(&spool, 1);
    let sink = grumpy("RCPT", "450 4.2.0 mailbox busy");
    for attempt in 1..=5 {
        assert_eq!(ending(&spool, ".envelope").len(), 1, "{attempt}");
        if let Some(last) = value(&spool, "LastAttempt") {
            // As if it had been in 1970: counts as a quarter of the period.
            edit(&spool, 0, &format!("LastAttempt: {last}"), "LastAttempt: 5");
        }
        let options = ["--retry-period", "1000"];
        assert_eq!(forward(&spool, &sink.address(), &options).0, 1);
    }
    let bad = read(&spool, &ending(&spool, ".envelope.bad")[0]);
    let reason = "X-MailRelay-Reason: given up after 5 attempts: 450 4.2.0 mailbox busy\r\n\
        X-MailRelay-ReasonCode: 450\r\n";
    assert!(bad.contains(reason), "{bad}");
    assert!(bad.contains("To-Remote: to0@dst.test"), "{bad}");
    assert!(
        !bad.contains("RetryTime") && !bad.contains("NextAttempt"),
        "{bad}"
    );
}

#[test]
fn a_next_hop_that_comes_back_gets_its_mail_without_being_asked_for() {
    let spool = Scratch::new();
    let address = dead();
    let options = ["--forward-on-disconnect", "--forward-to", &address];
    let server = Server::start(&spool, &options);
    submit(server.port, "me@src.test", &["a@dst.test"], b"x: y\r\n\r\n");
    server.program.wait_for("1 not tried: cannot connect to");
    let listener = TcpListener::bind(&address).unwrap();
    let sink = Sink::on(listener, &EXTENSIONS, |_, _| Answer::Usual);
    sink.wait_for(1);
}

#[test]
fn h8_an_unknown_outcome_is_called_that_and_tried_again() {
    let spool = Scratch::new();
    store(&spool, 1);
    let sink = Sink::scripted(&EXTENSIONS, |connection, command| {
        match (connection, command) {
            (1, ".") => Answer::Drop,
            _ => Answer::Usual,
        }
    });
    let (status, log) = forward(&spool, &sink.address(), &[]);
    assert_eq!(status, 1, "{log}");
    let reason = "reason=\"outcome unknown: peer disconnected";
    assert!(log.contains(reason), "{log}");
    assert_eq!(log.matches("deferred message").count(), 1, "{log}");
    let reply = value(&spool, "LastReply").unwrap();
    assert!(reply.starts_with("outcome unknown"), "{reply}");
    assert_eq!(forward(&spool, &sink.address(), &[]).0, 0);
    assert_eq!(sink.arrived().len(), 1);
}

// ---- pauses

#[test]
fn a_next_hop_that_fails_is_left_alone_for_a_while() {
    let spool = Scratch::new();
    store(&spool, 3);
    let sink = Sink::scripted(&EXTENSIONS, |_, command| match command {
        "GREETING" => Answer::LastReply("554 5.3.2 closed".to_owned()),
        _ => Answer::Usual,
    });
    let options = ["--poll", "100ms", "--forward-to", &sink.address()];
    let server = Server::start(&spool, &options);
    server.program.wait_for("3 not tried: ");
    server
        .program
        .wait_for_nth("[poll]: the next hop rests", 20);
    // The fifth connection comes after 22 seconds at the earliest.
    assert!(sink.connections() < 5, "{}", sink.connections());
    let text = read(&spool, &ending(&spool, ".envelope")[0]);
    assert!(!text.contains("Attempts"), "{text}");
}

#[test]
fn a_wrong_password_is_not_tried_again_and_again() {
    let (spool, directory) = (Scratch::new(), Scratch::new());
    store(&spool, 3);
    let sink = Sink::scripted(&["PIPELINING", "AUTH PLAIN"], |_, command| {
        match command.starts_with("AUTH") {
            true => Answer::Reply("535 5.7.8 no".to_owned()),
            false => Answer::Usual,
        }
    });
    let secrets = directory.join("secrets");
    fs::write(&secrets, "client plain bob secret\n").unwrap();
    let options = ["--poll", "100ms", "--forward-to", &sink.address()];
    let auth = ["--client-auth", &secrets, "--client-auth-config", "m:plain"];
    let server = Server::start(&spool, &[&options[..], &auth].concat());
    server.program.wait_for("3 not tried: ");
    server
        .program
        .wait_for_nth("[poll]: the next hop rests", 20);
    assert_eq!((sink.connections(), commands(&sink, "AUTH")), (1, 1));
}

// ---- several next hops

#[test]
fn the_next_of_several_servers_is_used_where_the_first_is_of_no_use() {
    for greeting in ["", "421 4.3.2 busy", "554 5.3.2 closed"] {
        let spool = Scratch::new();
        store(&spool, 3);
        let (first, second) = (grumpy("GREETING", greeting), Sink::start());
        let first = match greeting {
            "" => dead(),
            _ => first.address(),
        };
        let servers = format!("{first},{}", second.address());
        let (status, log) = forward(&spool, &servers, &[]);
        assert_eq!(status, 0, "{log}");
        assert_eq!(second.arrived().len(), 3, "{log}");
        assert_eq!(log.matches("; trying the next").count(), 1, "{log}");
        assert!(
            log.contains("3 sent, 0 deferred, 0 failed, 0 not tried"),
            "{log}"
        );
    }
}

#[test]
fn the_first_server_is_used_as_long_as_it_works() {
    let spool = Scratch::new();
    store(&spool, 30);
    let (first, second) = (Sink::start(), Sink::start());
    let servers = format!("{},{}", first.address(), second.address());
    assert_eq!(forward(&spool, &servers, &[]).0, 0);
    assert_eq!((first.arrived().len(), second.connections()), (30, 0));
}

#[test]
fn with_no_server_left_all_mail_stays() {
    let spool = Scratch::new();
    store(&spool, 3);
    let (status, log) = forward(&spool, &format!("{},{}", dead(), dead()), &[]);
    assert_eq!((status, ending(&spool, ".envelope").len()), (1, 3), "{log}");
    assert!(
        log.contains("0 sent, 0 deferred, 0 failed, 3 not tried: "),
        "{log}"
    );
}

#[test]
fn h14_the_program_does_not_forward_to_itself() {
    let spool = Scratch::new();
    let itself = dead();
    let (_, port) = itself.rsplit_once(':').unwrap();
    let directory = spool.path().to_str().unwrap();
    let serve = [
        "--no-daemon",
        "--log",
        "--spool-dir",
        directory,
        "--port",
        port,
    ];
    let forward = ["--forward-on-disconnect", "--forward-to", &itself];
    let program = Program::spawn(&[&serve[..], &forward].concat());
    program.wait_for("smtp server on ");
    let content = b"x: y\r\n\r\n";
    submit(
        port.parse().unwrap(),
        "me@src.test",
        &["a@dst.test"],
        content,
    );
    let line = program.wait_for("1 not tried: ");
    assert!(
        line.contains("the next hop is this program itself"),
        "{line}"
    );
    assert_eq!(ending(&spool, ".envelope").len(), 1);
}

// ---- several connections

#[test]
fn several_connections_carry_each_message_once() {
    let spool = Scratch::new();
    store(&spool, 300);
    let sink = Sink::start();
    let options = ["--forward-connections", "3"];
    let (status, log) = forward(&spool, &sink.address(), &options);
    assert_eq!(status, 0, "{log}");
    assert!(
        (2..=3).contains(&sink.connections()),
        "{}",
        sink.connections()
    );
    let all = recipients(&[&sink]);
    let different: BTreeSet<&String> = all.iter().collect();
    assert_eq!((all.len(), different.len()), (300, 300));
}

#[test]
fn a_connection_that_hangs_does_not_hold_the_others() {
    let spool = Scratch::new();
    store(&spool, 300);
    let sink = Sink::scripted(&EXTENSIONS, |connection, command| {
        match (connection, command) {
            (1, ".") => Answer::Silence,
            _ => Answer::Usual,
        }
    });
    let options = ["--poll", "100ms", "--forward-to", &sink.address()];
    let server = Server::start(&spool, &options);
    // The first one may have a window of messages on its way, and no more.
    let arrived = sink.wait_for(300 - 100);
    assert!(arrived.iter().all(|one| one.connection > 1));
    drop(server);
    let willing = Sink::start();
    assert_eq!(forward(&spool, &willing.address(), &[]).0, 0);
    let all = recipients(&[&sink, &willing]);
    let different: BTreeSet<&String> = all.iter().collect();
    assert_eq!(different.len(), 300);
}

#[test]
fn a_server_that_wants_one_connection_only_is_not_given_up() {
    let spool = Scratch::new();
    store(&spool, 200);
    let sink = Sink::scripted(&EXTENSIONS, |connection, command| {
        match (connection, command) {
            (1, _) => Answer::Usual,
            (_, "GREETING") => Answer::LastReply("421 4.7.0 too many of you".to_owned()),
            _ => Answer::Usual,
        }
    });
    let (status, log) = forward(&spool, &sink.address(), &[]);
    assert_eq!((status, sink.arrived().len()), (0, 200), "{log}");
    assert!(sink.connections() <= 3, "{}", sink.connections());
}

#[test]
fn no_more_messages_go_over_a_connection_than_wished() {
    let spool = Scratch::new();
    store(&spool, 5);
    let sink = Sink::start();
    let options = ["--forward-per-connection", "2"];
    assert_eq!(forward(&spool, &sink.address(), &options).0, 0);
    assert_eq!((sink.arrived().len(), sink.connections()), (5, 3));
}

#[test]
fn no_more_messages_go_in_a_minute_than_wished() {
    let spool = Scratch::new();
    store(&spool, 6);
    let (sink, start) = (Sink::start(), Instant::now());
    let options = ["--forward-rate", "600"];
    assert_eq!(forward(&spool, &sink.address(), &options).0, 0);
    assert_eq!(sink.arrived().len(), 6);
    assert!(start.elapsed() >= Duration::from_millis(500));
}

// ---- routing

#[test]
fn a_message_goes_where_its_envelope_says() {
    let spool = Scratch::new();
    store(&spool, 3);
    let (usual, other) = (Sink::start(), Sink::start());
    let to = format!("ForwardToAddress: {}", other.address());
    edit(&spool, 1, "ForwardToAddress: ", &to);
    let (status, log) = forward(&spool, &usual.address(), &[]);
    assert_eq!(status, 0, "{log}");
    assert_eq!(recipients(&[&usual]), ["to0@dst.test", "to2@dst.test"]);
    assert_eq!(recipients(&[&other]), ["to1@dst.test"]);
    assert_eq!(other.commands().last().map(String::as_str), Some("QUIT"));
}

#[test]
fn the_usual_server_is_not_needed_for_mail_that_goes_elsewhere() {
    let spool = Scratch::new();
    store(&spool, 3);
    let other = Sink::start();
    let to = format!("ForwardToAddress: {}", other.address());
    (0..3).for_each(|index| edit(&spool, index, "ForwardToAddress: ", &to));
    let (status, log) = forward(&spool, &dead(), &[]);
    assert_eq!((status, other.arrived().len()), (0, 3), "{log}");
    assert_eq!(other.connections(), 1);
}

#[test]
fn a_server_that_is_not_there_keeps_only_its_own_mail() {
    let spool = Scratch::new();
    store(&spool, 4);
    let to = format!("ForwardToAddress: {}", dead());
    for index in [0, 2] {
        edit(&spool, index, "ForwardToAddress: ", &to);
    }
    let sink = Sink::start();
    let (status, log) = forward(&spool, &sink.address(), &[]);
    assert_eq!((status, sink.arrived().len()), (1, 2), "{log}");
    assert_eq!(ending(&spool, ".envelope").len(), 2);
    assert!(
        log.contains("2 sent, 2 deferred, 0 failed, 0 not tried: cannot"),
        "{log}"
    );
}

/// Has all messages in the spool go to that address.
fn direct_all(spool: &Scratch, address: &str) {
    let to = format!("ForwardToAddress: {address}");
    let count = ending(spool, ".envelope").len();
    (0..count).for_each(|index| edit(spool, index, "ForwardToAddress: ", &to));
}

#[test]
fn each_message_whose_own_server_cannot_be_reached_has_an_attempt_more() {
    let spool = Scratch::new();
    // More than are put off at once.
    store(&spool, 50);
    let address = dead();
    direct_all(&spool, &address);
    let sink = Sink::start();
    for attempts in ["1", "2"] {
        let (status, log) = forward(&spool, &sink.address(), &[]);
        assert_eq!((status, sink.arrived().len()), (1, 0), "{log}");
        assert!(log.contains("50 deferred, 0 failed, 0 not tried"), "{log}");
        let line = format!("next-hop={address} reason=\"cannot connect to");
        assert_eq!(log.matches(&line).count(), 50, "{log}");
        for name in ending(&spool, ".envelope") {
            let text = read(&spool, &name);
            let count = format!("Attempts: {attempts}\r\n");
            assert!(text.contains(&count), "{text}");
            assert!(text.contains("LastReply: cannot connect to"), "{text}");
        }
    }
    // They are not due now, and nobody asks.
    let options = ["--poll", "100ms", "--forward-to", &sink.address()];
    let server = Server::start(&spool, &options);
    let waits = "no messages to send, 50 waiting for their next attempt";
    server.program.wait_for_nth(waits, 2);
    drop(server);
    let listener = TcpListener::bind(&address).unwrap();
    let sink = Sink::on(listener, &EXTENSIONS, |_, _| Answer::Usual);
    assert_eq!(forward(&spool, &dead(), &[]).0, 0);
    assert_eq!((sink.arrived().len(), spool.names()), (50, Vec::new()));
}

#[test]
fn a_message_whose_own_server_never_answers_is_given_up_and_its_sender_told() {
    let spool = Scratch::new();
    store(&spool, 1);
    direct_all(&spool, &dead());
    for attempt in 1..=5 {
        assert_eq!(ending(&spool, ".envelope").len(), 1, "{attempt}");
        if let Some(last) = value(&spool, "LastAttempt") {
            // As if it had been in 1970: counts as a quarter of the period.
            edit(&spool, 0, &format!("LastAttempt: {last}"), "LastAttempt: 5");
        }
        let options = ["--retry-period", "1000", "--bounce"];
        let (status, log) = forward(&spool, &dead(), &options);
        assert_eq!(status, 1, "{log}");
        let given_up = log.contains("reason=\"given up after 5 attempts: cannot connect to");
        assert_eq!(given_up, attempt == 5, "{log}");
    }
    // What is there now is the notification.
    assert_eq!(ending(&spool, ".bad"), [""; 0]);
    let sink = Sink::start();
    assert_eq!(forward(&spool, &sink.address(), &[]).0, 0);
    assert_eq!(recipients(&[&sink]), ["me@src.test"]);
}

#[test]
fn a_message_with_a_login_of_its_own_that_is_refused_is_not_given_up() {
    let (spool, directory) = (Scratch::new(), Scratch::new());
    store(&spool, 1);
    let sink = Sink::scripted(&["AUTH PLAIN"], |_, command| {
        match command.starts_with("AUTH") {
            true => Answer::Reply("535 5.7.8 no".to_owned()),
            false => Answer::Usual,
        }
    });
    direct_all(&spool, &sink.address());
    let secrets = directory.join("secrets");
    fs::write(&secrets, "client plain me secret\n").unwrap();
    let options = ["--client-auth", &secrets];
    let (status, log) = forward(&spool, &dead(), &options);
    assert!(
        status == 1 && log.contains("0 deferred, 0 failed, 1 not tried"),
        "{log}"
    );
    assert_eq!(value(&spool, "Attempts"), None);
}

#[test]
fn mail_to_nowhere_fails_with_the_reason() {
    let spool = Scratch::new();
    store(&spool, 2);
    edit(&spool, 0, "ForwardToAddress: ", "ForwardToAddress: nowhere");
    let sink = Sink::start();
    let (status, log) = forward(&spool, &sink.address(), &[]);
    assert_eq!((status, sink.arrived().len()), (1, 1), "{log}");
    let bad = read(&spool, &ending(&spool, ".envelope.bad")[0]);
    assert!(
        bad.contains("Reason: cannot be routed: invalid address"),
        "{bad}"
    );
    assert!(log.contains("1 sent, 0 deferred, 1 failed"), "{log}");
}

#[test]
fn the_account_is_the_one_that_the_envelope_selects() {
    let (spool, directory) = (Scratch::new(), Scratch::new());
    store(&spool, 4);
    let select = |index: usize, selector: &str| {
        let field = format!("End: 1\r\nX-MailRelay-ClientAccountSelector: {selector}\r\n");
        edit(&spool, index, "End: 1\r\n", &field);
    };
    select(1, "second");
    select(2, "nobody");
    select(3, "third");
    let sink = Sink::scripted(&["AUTH PLAIN"], |_, command| {
        match command.starts_with("AUTH") {
            true => Answer::Reply("235 2.7.0 ok".to_owned()),
            false => Answer::Usual,
        }
    });
    let secrets = directory.join("secrets");
    let lines = "client plain alice pw1\nclient plain bob pw2 second\nclient plain:b = = nobody\n";
    fs::write(&secrets, lines).unwrap();
    let options = ["--client-auth", &secrets, "--client-auth-config", "m:plain"];
    let (status, log) = forward(&spool, &sink.address(), &options);
    assert_eq!((status, sink.arrived().len()), (1, 3), "{log}");
    assert!(
        log.contains("no client account for the selector \"third\""),
        "{log}"
    );
    let mut logins: Vec<String> = sink.commands();
    logins.retain(|command| command.starts_with("AUTH"));
    logins.sort();
    // NUL alice NUL pw1, and NUL bob NUL pw2.
    assert_eq!(
        logins,
        ["AUTH PLAIN AGFsaWNlAHB3MQ==", "AUTH PLAIN AGJvYgBwdzI="]
    );
    let arrived = sink.arrived();
    let connections: BTreeSet<usize> = arrived.iter().map(|one| one.connection).collect();
    assert_eq!(connections.len(), 3);
    assert_eq!(ending(&spool, ".envelope").len(), 1);
}

/// A client filter that notes which message it sees, and then does that.
#[cfg(unix)]
pub(crate) fn filter(directory: &Scratch, action: &str) -> String {
    let log = directory.join("seen");
    let text = format!("echo \"$1\" >> {log}\n{action}\n");
    executable::script(directory, "filter.sh", &text)
}

#[cfg(unix)]
#[test]
fn a_client_filter_decides_where_a_message_goes_and_sees_it_once() {
    let (spool, directory) = (Scratch::new(), Scratch::new());
    store(&spool, 30);
    let (usual, other) = (Sink::start(), Sink::start());
    for index in [3, 4, 20] {
        edit(&spool, index, "ForwardTo: ", "ForwardTo: elsewhere");
    }
    let address = other.address();
    let to = format!("s/ForwardToAddress: .*/ForwardToAddress: {address}/");
    let action = format!("if grep -q 'ForwardTo: e' \"$2\"; then sed -i '{to}' \"$2\"; fi");
    let filter = filter(&directory, &action);
    let options = ["--client-filter", &filter];
    let (status, log) = forward(&spool, &usual.address(), &options);
    assert_eq!(status, 0, "{log}");
    let count = (usual.arrived().len(), other.arrived().len());
    assert_eq!(count, (27, 3), "{log}");
    let seen = fs::read_to_string(directory.join("seen")).unwrap();
    let different: BTreeSet<&str> = seen.lines().collect();
    assert_eq!((seen.lines().count(), different.len()), (30, 30));
}

#[cfg(unix)]
#[test]
fn a_message_that_is_routed_needs_no_connection_to_fail_or_to_be_left() {
    for (action, suffix) in [("exit 1", ".envelope.bad"), ("exit 100", ".envelope")] {
        let (spool, directory) = (Scratch::new(), Scratch::new());
        store(&spool, 1);
        edit(&spool, 0, "ForwardTo: ", "ForwardTo: elsewhere");
        let filter = filter(&directory, action);
        let (status, log) = forward(&spool, &dead(), &["--client-filter", &filter]);
        assert_eq!(status, 1, "{log}");
        assert_eq!(ending(&spool, suffix).len(), 1, "{action}: {log}");
        assert!(!log.contains("cannot connect"), "{log}");
    }
}

// ---- recipients

#[test]
fn h7_who_is_served_refused_or_put_off_is_so_each_by_itself() {
    for bounce in [false, true] {
        let spool = Scratch::new();
        let server = Server::start(&spool, &[]);
        let all = ["a@x.test", "b@x.test", "c@x.test"];
        submit(server.port, "me@src.test", &all, b"x: y\r\n\r\n");
        drop(server);
        let sink = Sink::scripted(&EXTENSIONS, |_, command| match command {
            "RCPT TO:<b@x.test>" => Answer::Reply("550 5.1.1 unknown".to_owned()),
            "RCPT TO:<c@x.test>" => Answer::Reply("451 4.3.0 later".to_owned()),
            _ => Answer::Usual,
        });
        let options = ["--forward-to-some", "--bounce"];
        let options = &options[..1 + usize::from(bounce)];
        let (status, log) = forward(&spool, &sink.address(), options);
        assert_eq!((status, recipients(&[&sink]).len()), (1, 1), "{log}");
        let names = ending(&spool, ".envelope");
        assert_eq!(names.len(), 1 + usize::from(bounce), "{log}");
        let text = read(&spool, &names[0]);
        let only = "ToCount: 1\r\nX-MailRelay-To-Remote: c@x.test\r\n";
        assert!(text.contains(only), "{text}");
        let is_noted = text.contains("FailedRecipient: b@x.test");
        assert_eq!(is_noted, !bounce, "{text}");
        h7_in_the_end(&spool, options, bounce);
    }
}

#[test]
fn a_message_may_be_for_all_of_its_recipients_or_for_nobody() {
    let all = ["--forward-to-some", "--forward-to-all"];
    for (options, served) in [(&all[..1], 1), (&all[..], 0), (&all[1..], 0)] {
        let spool = Scratch::new();
        let server = Server::start(&spool, &[]);
        let both = ["a@x.test", "b@x.test"];
        submit(server.port, "me@src.test", &both, b"x: y\r\n\r\n");
        drop(server);
        let sink = Sink::scripted(&EXTENSIONS, |_, command| match command {
            "RCPT TO:<b@x.test>" => Answer::Reply("550 5.1.1 unknown".to_owned()),
            _ => Answer::Usual,
        });
        let (status, log) = forward(&spool, &sink.address(), options);
        assert_eq!(status, 1, "{log}");
        assert_eq!(recipients(&[&sink]).len(), served, "{options:?}: {log}");
        let bad = read(&spool, &ending(&spool, ".envelope.bad")[0]);
        let left = format!("ToCount: {}\r\n", both.len() - served);
        assert!(bad.contains(&left), "{bad}");
    }
}

fn h7_in_the_end(spool: &Scratch, options: &[&str], bounce: bool) {
    let willing = Sink::start();
    let (status, log) = forward(spool, &willing.address(), options);
    if bounce {
        assert_eq!(status, 0, "{log}");
        assert_eq!(recipients(&[&willing]), ["c@x.test", "me@src.test"]);
        assert_eq!(spool.names(), [""; 0]);
        return;
    }
    assert_eq!(status, 1, "{log}");
    assert_eq!(recipients(&[&willing]), ["c@x.test"]);
    let bad = read(spool, &ending(spool, ".envelope.bad")[0]);
    let only = "ToCount: 1\r\nX-MailRelay-To-Remote: b@x.test\r\n";
    assert!(bad.contains(only), "{bad}");
    let reason = "Reason: <b@x.test>: 550 5.1.1 unknown";
    assert!(bad.contains(reason), "{bad}");
}

// ---- a bad day

/// Refuses every third recipient for good, defers every fifth once, and drops every
/// seventh connection at one point or another.
#[test]
fn each_message_ends_where_it_should_and_none_is_sent_twice() {
    const COUNT: usize = 120;
    let spool = Scratch::new();
    store(&spool, COUNT);
    // By number, the connection that was told to come back.
    let deferred = Mutex::new(BTreeMap::new());
    let sink = Sink::scripted(&EXTENSIONS, move |connection, command| {
        let points = ["GREETING", "EHLO", "MAIL", "RCPT", "DATA", "."];
        if connection % 7 == 0 && command.starts_with(points[connection / 7 % points.len()]) {
            return Answer::Drop;
        }
        let number = command.strip_prefix("RCPT TO:<to");
        let number = number.and_then(|rest| rest.split('@').next()?.parse::<usize>().ok());
        match number {
            Some(number) if number % 3 == 0 => Answer::Reply("550 5.1.1 unknown".to_owned()),
            Some(number) if number % 5 == 0 => {
                let mut deferred = deferred.lock().unwrap();
                match *deferred.entry(number).or_insert(connection) == connection {
                    true => Answer::Reply("450 4.2.0 later".to_owned()),
                    false => Answer::Usual,
                }
            }
            _ => Answer::Usual,
        }
    });
    let options = [
        "--forward-per-connection",
        "3",
        "--forward-connections",
        "2",
    ];
    let mut runs = 0;
    while !ending(&spool, ".envelope").is_empty() {
        runs += 1;
        assert!(runs < 20, "{:?}", spool.names());
        forward(&spool, &sink.address(), &options);
    }
    let mut expected: Vec<String> = (0..COUNT)
        .filter(|number| number % 3 != 0)
        .map(|number| format!("to{number}@dst.test"))
        .collect();
    expected.sort();
    assert_eq!(recipients(&[&sink]), expected);
    assert_eq!(ending(&spool, ".envelope.bad").len(), COUNT / 3);
    assert_eq!(spool.names().len(), 2 * COUNT / 3);
}
