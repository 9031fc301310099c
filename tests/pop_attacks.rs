//! What an attacker may try with the POP server.

use std::fs;
use std::io::Read;
use std::os::unix::fs::symlink;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::client::submit;
use crate::support::pop::{Pop, PopServer, mailbox, plant, plant_envelope};
use crate::support::program::{Scratch, names};
use crate::support::secure::skip_without_tls;

const MESSAGE: &[u8] = b"Subject: x\r\n\r\nhello\r\n";

#[test]
fn user_names_lead_nowhere_else() {
    let spool = Scratch::new();
    let outside = Scratch::new();
    plant(outside.path(), 1, b"secret\r\n");
    mailbox(&spool, "bob");
    let pop_server = PopServer::start(&spool, &["--pop-by-name"]);
    let secrets = pop_server.files.join("secrets");
    let mut text = String::from("server plain alice secret\n");
    let awkward = [
        "../../etc".to_owned(),
        "../bob".to_owned(),
        outside.path().to_str().unwrap().to_owned(),
        "a/../bob".to_owned(),
        "..".to_owned(),
        ".".to_owned(),
        ".bob".to_owned(),
        "con".to_owned(),
        "a:b".to_owned(),
        "%2e%2e".to_owned(),
        "b\u{fc}rger".to_owned(),
        "emailrelay.1.1.1.envelope".to_owned(),
        "x".repeat(230),
    ];
    for name in &awkward {
        let xtext: String = name
            .bytes()
            .map(|octet| match octet.is_ascii_alphanumeric() {
                true => char::from(octet).to_string(),
                false => format!("+{octet:02X}"),
            })
            .collect();
        text += &format!("server plain {xtext} secret\n");
    }
    fs::write(&secrets, text).unwrap();
    pop_server.server.program.hang_up();
    pop_server
        .server
        .program
        .wait_for("re-reading secrets file");
    let before = spool.names();
    for name in &awkward {
        let mut pop = pop_server.connect();
        pop.ok(&format!("USER {name}"));
        // Though the password is right, the answer is that to a wrong one.
        let response = pop.err("PASS secret");
        assert_eq!(response, "-ERR [AUTH] authentication failed", "{name}");
        pop.err("STAT");
    }
    assert_eq!(spool.names(), before, "and nothing is made");
    let mut pop = pop_server.connect();
    pop.write(b"USER a\0b\r\n").unwrap();
    pop.line().unwrap();
    pop.err("PASS secret");
}

#[test]
fn links_are_not_followed() {
    let spool = Scratch::new();
    let bob = mailbox(&spool, "bob");
    plant(&bob, 1, b"for bob\r\n");
    symlink(&bob, spool.path().join("alice")).unwrap();
    let pop_server = PopServer::start(&spool, &["--pop-by-name"]);
    let mut pop = pop_server.connect();
    pop.ok("USER alice");
    let response = pop.err("PASS secret");
    assert_eq!(response, "-ERR [SYS/PERM] cannot open the maildrop");
    pop_server
        .server
        .program
        .wait_for("mailbox [alice] is not a directory");

    // A planted content, envelope or FIFO in a directory of one's own.
    fs::remove_file(spool.path().join("alice")).unwrap();
    let alice = mailbox(&spool, "alice");
    let secret = spool.path().join("secret");
    fs::write(&secret, b"secret\r\n").unwrap();
    let id = plant_envelope(&alice, 1);
    symlink(&secret, alice.join(format!("{id}.content"))).unwrap();
    let fifo = plant_envelope(&alice, 2);
    let mut command = Command::new("mkfifo");
    command.arg(alice.join(format!("{fifo}.content")));
    assert!(command.status().unwrap().success());
    let linked = plant(&alice, 3, b"x\r\n");
    let envelope = alice.join(format!("{linked}.envelope"));
    fs::rename(&envelope, alice.join("kept")).unwrap();
    symlink("kept", &envelope).unwrap();
    let mut pop = pop_server.log_in();
    assert_eq!(pop.ok("STAT"), "+OK 0 0");
    pop.quit();
    // Or exchanged once it has been listed.
    let whole = plant(&alice, 4, b"secret\r\n");
    let mut pop = pop_server.log_in();
    assert_eq!(pop.ok("STAT"), "+OK 1 8");
    let content = alice.join(format!("{whole}.content"));
    fs::remove_file(&content).unwrap();
    symlink(&secret, &content).unwrap();
    pop.err("RETR 1");
    pop.ok("DELE 1");
    pop.quit();
    assert!(secret.exists());
}

#[test]
fn a_directory_exchanged_during_a_session_changes_nothing() {
    let spool = Scratch::new();
    let alice = mailbox(&spool, "alice");
    plant(&alice, 1, MESSAGE);
    let bob = mailbox(&spool, "bob");
    plant(&bob, 1, b"for bob\r\n");
    let pop_server = PopServer::start(&spool, &["--pop-by-name"]);
    let mut pop = pop_server.log_in();
    fs::rename(&alice, spool.path().join("moved")).unwrap();
    symlink(&bob, &alice).unwrap();
    assert_eq!(pop.many("RETR 1"), MESSAGE);
    pop.ok("DELE 1");
    pop.quit();
    assert_eq!(names(&bob).len(), 2);
    assert_eq!(names(&spool.path().join("moved")), [""; 0]);
}

#[test]
fn a_guesser_that_does_not_wait_learns_nothing_and_is_counted() {
    let spool = Scratch::new();
    let pop_server = PopServer::start(&spool, &[]);
    let connect = || {
        let mut pop = pop_server.connect();
        pop.ok("USER alice");
        pop
    };
    connect().err("PASS wrong");
    let began = Instant::now();
    for guess in ["a", "b"] {
        let attempt = format!("PASS {guess}\r\n");
        connect().write(attempt.as_bytes()).unwrap();
    }
    connect().ok("PASS secret");
    assert!(began.elapsed() >= Duration::from_secs(1));
    let failure = "failed authentication of remote client";
    pop_server.server.program.wait_for_nth(failure, 3);
}

#[test]
fn guesses_are_slowed_down_and_logged() {
    let spool = Scratch::new();
    let pop_server = PopServer::start(&spool, &["--log-address"]);
    let began = Instant::now();
    let mut pop = pop_server.connect();
    for guess in ["a", "b"] {
        pop.ok("USER alice");
        let response = pop.err(&format!("PASS {guess}"));
        assert_eq!(response, "-ERR [AUTH] authentication failed");
    }
    pop.ok("USER nobody");
    let last = pop.err("PASS c");
    assert_eq!(last, "-ERR [AUTH] too many failed authentications");
    assert!(pop.line().is_err(), "and the connection is closed");
    // 1, 2 and 4 seconds.
    assert!(began.elapsed() >= Duration::from_secs(7));
    let line = pop_server
        .server
        .program
        .wait_for("failed authentication of remote client");
    assert!(
        line.contains("warning: 127.0.0.1; failed authentication of remote client"),
        "{line}"
    );
    // SMTP knows the same client.
    let log = pop_server.server.program.log();
    assert!(!log.iter().any(|line| line.contains("PASS a")), "{log:#?}");
}

#[test]
fn floods_and_endless_lines_end_the_session() {
    let spool = Scratch::new();
    let pop_server = PopServer::start(&spool, &[]);
    let mut pop = pop_server.connect();
    assert_eq!(
        pop.err(&format!("NOOP {}", "x".repeat(300))),
        "-ERR line too long"
    );
    let mut pop = pop_server.connect();
    // The server may close before all is sent.
    let _ = pop.write(&vec![b'x'; 1_000_000]);
    let mut last = String::new();
    while let Ok(line) = pop.line() {
        last = line;
    }
    assert!(last.starts_with("-ERR "), "{last}");
    let mut pop = pop_server.log_in();
    let _ = pop.write(&b"NOOP\r\n".repeat(100_000));
    let mut count = 0;
    while pop.line().is_ok_and(|line| line == "+OK") {
        count += 1;
    }
    assert!(count <= 2000, "{count}");
}

#[test]
fn a_client_that_never_reads_costs_little_and_stops_nobody() {
    let spool = Scratch::new();
    plant(spool.path(), 1, &b"0123456789abcde\r\n".repeat(3_000_000));
    let pop_server = PopServer::start(&spool, &["--pop-no-delete"]);
    let mut greedy = pop_server.log_in();
    greedy.write(&b"RETR 1\r\n".repeat(100)).unwrap();
    let mut other = pop_server.log_in_as("bob", "hunter2");
    for _ in 0..100 {
        other.ok("NOOP");
    }
    submit(pop_server.server.port, "a@b.test", &["c@d.test"], MESSAGE);
    let peak = pop_server.server.program.peak_memory();
    assert!(peak < 60_000, "{peak} KiB");
    // What it does read is whole.
    let size = greedy.line().unwrap();
    assert_eq!(size, "+OK 51000000 octets");
    assert_eq!(greedy.rest().len(), 51_000_000);
}

#[test]
fn a_client_that_is_hung_up_on_is_not_listened_to_for_long() {
    let spool = Scratch::new();
    let pop_server = PopServer::start(&spool, &[]);
    let mut pop = pop_server.connect();
    // An endless line.
    let block = [b'x'; 1 << 16];
    let mut taken = 0;
    while pop.write(&block).is_ok() {
        taken += block.len();
    }
    // What buffers of the system hold is in it, too.
    assert!(taken < 32 << 20, "{taken} octets");
}

#[test]
fn clear_text_behind_stls_ends_the_session() {
    if skip_without_tls() {
        return;
    }
    let spool = Scratch::new();
    let pop_server = PopServer::start_tls(&spool, "--server-tls", &[]);
    for injected in ["STLS\r\nUSER a\r\nPASS b\r\n", "STLS\r\nUSER inj"] {
        let mut pop = pop_server.connect();
        pop.write(injected.as_bytes()).unwrap();
        let mut rest = Vec::new();
        // A reset is a way of closing as well.
        let _ = pop.socket().read_to_end(&mut rest);
        let rest = String::from_utf8_lossy(&rest).into_owned();
        assert!(
            !rest.contains("-ERR") && rest.matches('\n').count() <= 1,
            "{rest}"
        );
    }
    pop_server
        .server
        .program
        .wait_for_nth("clear text behind stls", 2);
}

#[test]
fn deleting_what_is_being_forwarded_leaves_it_to_the_forwarder() {
    // A next hop that takes the message and does not answer its end.
    let hop = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = hop.local_addr().unwrap().to_string();
    let spool = Scratch::new();
    let id = plant(spool.path(), 1, MESSAGE);
    let pop_server = PopServer::start(
        &spool,
        &["--forward-on-disconnect", "--forward-to", &address],
    );
    let mut pop = pop_server.log_in();
    assert_eq!(pop.ok("STAT"), "+OK 1 21");
    // Another message has all of them forwarded.
    submit(pop_server.server.port, "a@b.test", &["c@d.test"], MESSAGE);
    let (hop, _) = hop.accept().unwrap();
    let mut dialogue = std::io::BufReader::new(hop.try_clone().unwrap());
    let mut talk = |say: &str| {
        std::io::Write::write_all(&mut (&hop), say.as_bytes()).unwrap();
        let mut line = String::new();
        std::io::BufRead::read_line(&mut dialogue, &mut line).unwrap();
        line
    };
    assert!(talk("220 hop\r\n").starts_with("EHLO"));
    assert!(talk("250 hop\r\n").starts_with("MAIL"));
    let busy = spool.path().join(format!("{id}.envelope.busy"));
    assert!(busy.exists());
    pop.ok("DELE 1");
    assert_eq!(
        pop.err("QUIT"),
        "-ERR [SYS/TEMP] some deleted messages not removed"
    );
    assert!(busy.exists() && spool.path().join(format!("{id}.content")).exists());
    let (mut pop, _) = Pop::open(pop_server.port).unwrap();
    pop.ok("USER alice");
    assert_eq!(pop.ok("PASS secret").split(' ').nth(3), Some("0"));
}

#[test]
fn remote_clients_are_sent_away_unless_allowed() {
    use crate::support::network::{ADDRESSES, in_private_network};
    in_private_network(|| {
        let remote = ADDRESSES[0];
        let (spool, files) = (Scratch::new(), Scratch::new());
        let secrets = files.join("secrets");
        fs::write(&secrets, "server plain alice secret\n").unwrap();
        let path = spool.path().to_str().unwrap().to_owned();
        for (more, expected) in [
            (None, "-ERR [SYS/PERM] access denied"),
            (Some("-r"), "+OK "),
        ] {
            let mut all = vec![
                "--no-daemon",
                "--log",
                "--no-smtp",
                "--pop",
                "--spool-dir",
                &path,
            ];
            all.extend(["--pop-port", "1110", "--pop-auth", &secrets]);
            all.extend(more);
            let program = crate::support::program::Program::spawn(&all);
            program.wait_for("pop server on ");
            let mut stream = std::net::TcpStream::connect((remote, 1110)).unwrap();
            let mut greeting = [0; 200];
            let count = stream.read(&mut greeting).unwrap();
            let greeting = String::from_utf8_lossy(&greeting[..count]).into_owned();
            assert!(greeting.starts_with(expected), "{greeting}");
            if more.is_none() {
                program.wait_for("configured to reject non-local pop connection: ");
            } else {
                // Others can listen: neither passwords nor APOP.
                assert_eq!(greeting, "+OK POP3 server ready\r\n");
            }
        }
    });
}
