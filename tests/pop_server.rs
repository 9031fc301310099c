//! The POP server as its clients and its operator see it.

use std::fs;
#[cfg(unix)]
use std::path::PathBuf;
#[cfg(unix)]
use std::process::Command;

#[cfg(unix)]
use crate::pop_transcripts::transcripts;
use crate::support::client::{awkward_message, submit, without_trace};
use crate::support::pop::{Pop, PopServer, mailbox, plant, plant_envelope};
#[cfg(unix)]
use crate::support::program::program;
use crate::support::program::{Scratch, names, run};
use crate::support::secure::{pki_text, skip_without_tls, trusting};
#[cfg(unix)]
use crate::support::transcript::{Player, Step, Transcript};

const MESSAGE: &[u8] = b"Subject: x\r\n\r\n.hello\r\n";

#[test]
fn mail_that_came_in_by_smtp_is_read_and_deleted() {
    let spool = Scratch::new();
    let pop_server = PopServer::start(&spool, &[]);
    let message = awkward_message("pop", 300_000);
    submit(pop_server.server.port, "a@b.test", &["c@d.test"], &message);
    let mut pop = pop_server.log_in();
    let size: usize = fs::metadata(spool.path().join(&spool.names()[0]))
        .unwrap()
        .len()
        .try_into()
        .unwrap();
    assert_eq!(pop.ok("STAT"), format!("+OK 1 {size}"));
    let content = pop.many("RETR 1");
    assert_eq!(content.len(), size);
    assert_eq!(without_trace(&content), message);
    pop.ok("DELE 1");
    assert_eq!(spool.names().len(), 2, "not before QUIT");
    pop.quit();
    assert_eq!(spool.names(), [""; 0]);
    let line = pop_server.server.program.wait_for("pop authentication of ");
    assert!(
        line.contains("of alice connected from 127.0.0.1:"),
        "{line}"
    );
}

#[test]
fn unique_ids_are_those_of_the_files_and_stay() {
    let spool = Scratch::new();
    let first = plant(spool.path(), 2, MESSAGE);
    let second = plant(spool.path(), 10, MESSAGE);
    let expected = [format!("1 {first}.content"), format!("2 {second}.content")];
    for _ in 0..2 {
        let pop_server = PopServer::start(&spool, &[]);
        let mut pop = pop_server.log_in();
        assert_eq!(pop.lines("UIDL"), expected);
        pop.quit();
    }
}

#[test]
fn nothing_is_deleted_but_at_quit() {
    let spool = Scratch::new();
    plant(spool.path(), 1, MESSAGE);
    let pop_server = PopServer::start(&spool, &[]);
    let before = spool.names();
    // The connection breaks off.
    let mut pop = pop_server.log_in();
    pop.ok("DELE 1");
    drop(pop);
    pop_server.wait_for_closed(1);
    assert_eq!(spool.names(), before);
    // The client thinks better of it.
    let mut pop = pop_server.log_in();
    pop.ok("DELE 1");
    pop.ok("RSET");
    pop.quit();
    assert_eq!(spool.names(), before);
    // QUIT before login.
    pop_server.connect().quit();
    assert_eq!(spool.names(), before);
    drop(pop_server);
    // The client falls silent.
    let pop_server = PopServer::start(&spool, &["--idle-timeout=5"]);
    let mut pop = pop_server.log_in();
    pop.ok("DELE 1");
    assert!(pop.line().is_err(), "closed without a word");
    pop_server.wait_for_closed(1);
    assert_eq!(spool.names(), before);
}

#[test]
fn no_delete_keeps_messages_and_lets_others_in() {
    let spool = Scratch::new();
    plant(spool.path(), 1, MESSAGE);
    let pop_server = PopServer::start(&spool, &["--pop-no-delete"]);
    let before = spool.names();
    let mut first = pop_server.log_in();
    let mut second = pop_server.log_in_as("bob", "hunter2");
    first.ok("DELE 1");
    assert_eq!(first.ok("STAT"), "+OK 0 0");
    assert_eq!(second.ok("STAT"), "+OK 1 22");
    first.quit();
    second.quit();
    assert_eq!(spool.names(), before);
}

#[test]
fn one_session_has_a_maildrop_at_a_time() {
    let spool = Scratch::new();
    plant(spool.path(), 1, MESSAGE);
    let pop_server = PopServer::start(&spool, &[]);
    let first = pop_server.log_in();
    let mut second = pop_server.connect();
    second.ok("USER bob");
    assert!(second.err("PASS hunter2").starts_with("-ERR [IN-USE] "));
    // Another process on the same spool is kept out as well.
    let other_server = PopServer::start(&spool, &[]);
    let mut third = other_server.connect();
    third.ok("USER alice");
    assert!(third.err("PASS secret").starts_with("-ERR [IN-USE] "));
    first.quit();
    second.ok("USER bob");
    second.ok("PASS hunter2");
    drop(second);
    pop_server.wait_for_closed(2);
    third.ok("USER alice");
    third.ok("PASS secret");
}

#[test]
fn a_killed_program_leaves_no_lock_and_deletes_nothing() {
    let spool = Scratch::new();
    plant(spool.path(), 1, MESSAGE);
    plant(spool.path(), 2, MESSAGE);
    let before = spool.names();
    let mut pop_server = PopServer::start(&spool, &[]);
    let mut pop = pop_server.log_in();
    pop.ok("DELE 1");
    pop_server.server.program.kill();
    assert_eq!(spool.names(), before);
    let pop_server = PopServer::start(&spool, &[]);
    let mut pop = pop_server.log_in();
    assert_eq!(pop.ok("STAT"), "+OK 2 44");
    pop.quit();
}

/// Kills the program at some moment while it deletes: each message is whole or gone.
#[test]
fn a_program_killed_during_quit_leaves_messages_whole_or_gone() {
    for delay in [0, 1, 2, 4, 8, 16] {
        let spool = Scratch::new();
        let alice = mailbox(&spool, "alice");
        for number in 0..300 {
            match number % 2 {
                0 => plant(&alice, number, MESSAGE),
                _ => {
                    plant(spool.path(), number, MESSAGE);
                    plant_envelope(&alice, number)
                }
            };
        }
        let mut pop_server = PopServer::start(&spool, &["--pop-by-name"]);
        let mut pop = pop_server.log_in();
        let all: String = (1..=300).map(|n| format!("DELE {n}\r\n")).collect();
        pop.write(all.as_bytes()).unwrap();
        for _ in 0..300 {
            assert_eq!(pop.line().unwrap(), "+OK");
        }
        pop.write(b"QUIT\r\n").unwrap();
        std::thread::sleep(std::time::Duration::from_millis(delay));
        pop_server.server.program.kill();
        let is_told = pop.line().is_ok_and(|line| line.starts_with("+OK"));
        let pop_server = PopServer::start(&spool, &["--pop-by-name"]);
        let mut pop = pop_server.log_in();
        let left = pop.lines("LIST").len();
        assert!(!is_told || left == 0, "told so, but {left} are left");
        for number in 1..=left {
            assert_eq!(pop.many(&format!("RETR {number}")), MESSAGE);
        }
        pop.quit();
        // The envelopes in the spool directory still have their contents.
        let envelopes = spool
            .names()
            .iter()
            .filter(|n| n.ends_with(".envelope"))
            .count();
        let contents = spool
            .names()
            .iter()
            .filter(|n| n.ends_with(".content"))
            .count();
        assert_eq!((envelopes, contents), (150, 150));
    }
}

#[test]
fn users_by_name_have_mail_of_their_own() {
    let spool = Scratch::new();
    let alice = mailbox(&spool, "alice");
    let own = plant(&alice, 1, b"own\r\n");
    let shared = plant(spool.path(), 2, b"shared\r\n");
    plant_envelope(&alice, 2);
    let carol = mailbox(&spool, "carol@x.test");
    plant_envelope(&carol, 2);
    let pop_server = PopServer::start(&spool, &["--pop-by-name"]);
    let mut pop = pop_server.log_in();
    assert_eq!(pop.lines("LIST"), ["1 5", "2 8"]);
    assert_eq!(pop.many("RETR 2"), b"shared\r\n");
    // Another user's maildrop is another one.
    let mut other = pop_server.log_in_as("carol@x.test", "with blank");
    assert_eq!(other.lines("UIDL"), [format!("1 {shared}.content")]);
    pop.ok("DELE 1");
    pop.ok("DELE 2");
    pop.quit();
    assert_eq!(names(&alice), [""; 0], "{own}");
    other.ok("DELE 1");
    other.quit();
    // The spool directory has an envelope of its own.
    let content = format!("{shared}.content");
    assert!(spool.names().contains(&content));
    let mut third = pop_server.log_in_as("bob", "hunter2");
    assert_eq!(third.ok("STAT"), "+OK 0 0");
    third.quit();
    pop_server
        .server
        .program
        .wait_for("created pop-by-name sub-directory [bob]");
    assert!(spool.path().join("bob").is_dir());
}

#[cfg(unix)]
#[test]
fn a_directory_that_is_made_is_for_owner_and_group() {
    use std::os::unix::fs::PermissionsExt;
    let spool = Scratch::new();
    let pop_server = PopServer::start(&spool, &["--pop-by-name"]);
    pop_server.log_in().quit();
    let mode = fs::metadata(spool.path().join("alice"))
        .unwrap()
        .permissions();
    assert_eq!(mode.mode() & 0o777, 0o770);
}

#[test]
fn the_last_user_takes_a_shared_content_away() {
    let spool = Scratch::new();
    let users = [("alice", "secret"), ("bob", "hunter2")];
    for (user, _) in users {
        plant_envelope(&mailbox(&spool, user), 1);
    }
    plant(spool.path(), 1, MESSAGE);
    let pop_server = PopServer::start(&spool, &["--pop-by-name"]);
    let id = plant_envelope(spool.path(), 1);
    fs::remove_file(spool.path().join(format!("{id}.envelope"))).unwrap();
    for (user, password) in users {
        assert!(spool.names().contains(&format!("{id}.content")), "{user}");
        let mut pop = pop_server.log_in_as(user, password);
        pop.ok("DELE 1");
        pop.quit();
    }
    assert_eq!(spool.names(), ["alice", "bob"]);
}

#[test]
fn a_message_that_is_copied_to_all_users_is_gone_with_the_last() {
    for filter in [
        "--filter=copy:pop",
        "--filter=copy:hardlink",
        "--filter=copy:",
    ] {
        let spool = Scratch::new();
        let users = [("alice", "secret"), ("bob", "hunter2")];
        for (user, _) in users {
            mailbox(&spool, user);
        }
        let pop_server = PopServer::start(&spool, &["--pop-by-name", filter]);
        submit(
            pop_server.server.port,
            "me@src.test",
            &["all@dst.test"],
            MESSAGE,
        );
        let mut left = users.len();
        for (user, password) in users {
            let mut pop = pop_server.log_in_as(user, password);
            assert_eq!(pop.lines("UIDL").len(), 1, "{user} {filter}");
            assert_eq!(without_trace(&pop.many("RETR 1")), MESSAGE);
            pop.ok("DELE 1");
            pop.quit();
            left -= 1;
            assert_eq!(names(&spool.path().join(user)), [""; 0], "{filter}");
            let shared = usize::from(filter.ends_with(":pop") && left > 0);
            assert_eq!(spool.names().len(), users.len() + shared, "{filter}");
        }
    }
}

#[test]
fn encryption_is_as_the_options_say() {
    if skip_without_tls() {
        return;
    }
    let spool = Scratch::new();
    plant(spool.path(), 1, MESSAGE);
    let pop_server = PopServer::start_tls(&spool, "--server-tls", &[]);
    let mut pop = pop_server.connect();
    assert!(pop.lines("CAPA").contains(&"STLS".to_owned()));
    pop.ok("STLS");
    pop.start_tls(&trusting("")).unwrap();
    // No line comes unasked.
    assert!(!pop.lines("CAPA").contains(&"STLS".to_owned()));
    pop.err("STLS");
    pop.ok("USER alice");
    pop.ok("PASS secret");
    assert_eq!(pop.many("RETR 1"), MESSAGE);
    pop.quit();

    let pop_server = PopServer::start_tls(&spool, "--server-tls-connection", &[]);
    let mut pop = Pop::knock(pop_server.port).unwrap();
    pop.start_tls(&trusting("")).unwrap();
    assert!(pop.line().unwrap().starts_with("+OK POP3 server ready"));
    pop.ok("USER alice");
    pop.ok("PASS secret");
    assert_eq!(pop.ok("STAT"), "+OK 1 22");
    pop.quit();

    let required = ["--server-tls-required"];
    let pop_server = PopServer::start_tls(&spool, "--server-tls", &required);
    let (mut pop, greeting) = Pop::open(pop_server.port).unwrap();
    assert_eq!(greeting, "+OK POP3 server ready");
    let capabilities = pop.lines("CAPA").join(",");
    assert!(!capabilities.contains("USER") && !capabilities.contains("SASL"));
    pop.err("USER alice");
    pop.err("AUTH PLAIN AGFsaWNlAHNlY3JldA==");
    pop.err("APOP alice 0123456789abcdef0123456789abcdef");
    pop.ok("STLS");
    pop.start_tls(&trusting("")).unwrap();
    pop.ok("AUTH PLAIN AGFsaWNlAHNlY3JldA==");
    pop.quit();
}

#[test]
fn messages_that_vanish_are_refused_and_the_session_goes_on() {
    let spool = Scratch::new();
    let ids: Vec<String> = (1..=3).map(|n| plant(spool.path(), n, MESSAGE)).collect();
    let pop_server = PopServer::start(&spool, &[]);
    let mut pop = pop_server.log_in();
    let content = |id: &String| spool.path().join(format!("{id}.content"));
    fs::remove_file(content(&ids[0])).unwrap();
    fs::write(content(&ids[1]), b"another one, and longer\r\n").unwrap();
    pop.err("RETR 1");
    pop.err("TOP 1 0");
    pop.err("RETR 2");
    assert_eq!(pop.many("RETR 3"), MESSAGE);
    assert_eq!(pop.ok("STAT"), "+OK 3 66");
    fs::remove_file(spool.path().join(format!("{}.envelope", ids[0]))).unwrap();
    pop.ok("DELE 1");
    pop.ok("DELE 3");
    pop.quit();
    assert_eq!(spool.names().len(), 2);
}

#[test]
fn secrets_are_read_again() {
    let spool = Scratch::new();
    let pop_server = PopServer::start(&spool, &[]);
    let secrets = pop_server.files.join("secrets");
    fs::write(secrets, "server plain dave other\n").unwrap();
    // The file is looked at every second at most.
    loop {
        let mut pop = pop_server.connect();
        pop.ok("USER dave");
        if pop.say("PASS other").starts_with("+OK") {
            return;
        }
    }
}

#[test]
fn pop_needs_no_smtp() {
    let (spool, files) = (Scratch::new(), Scratch::new());
    let secrets = files.join("secrets");
    fs::write(&secrets, "server plain alice secret\n").unwrap();
    let path = spool.path().to_str().unwrap();
    let arguments = [
        "--no-daemon",
        "--log",
        "--no-smtp",
        "--pop",
        "--pop-port=0",
        "--pop-auth",
        &secrets,
        "--spool-dir",
        path,
        "--interface=127.0.0.1",
    ];
    let program = crate::support::program::Program::spawn(&arguments);
    let line = program.wait_for("pop server on ");
    let port = line.rsplit(':').next().unwrap().parse().unwrap();
    let (mut pop, _) = Pop::open(port).unwrap();
    pop.ok("USER alice");
    pop.ok("PASS secret");
    pop.quit();
}

#[test]
fn what_is_wrong_with_the_options_is_told() {
    let spool = Scratch::new();
    let path = spool.path().to_str().unwrap();
    for (options, expected) in [
        ("--pop", "--pop: needs --pop-auth"),
        ("--pop-port 1", "--pop-port: needs --pop"),
        (
            "--pop --pop-auth /no/such",
            "--pop-auth: cannot read secrets file /no/such",
        ),
        (
            "--pop --pop-auth x --dont-serve",
            "--pop: cannot be used with --dont-serve",
        ),
    ] {
        let mut all = vec!["--no-daemon", "--spool-dir", path, "--port", "0"];
        all.extend(["--interface", "127.0.0.1"]);
        all.extend(options.split(' '));
        let (status, _, log) = run(&all);
        assert_eq!(status, 1, "{log}");
        assert!(log.contains(expected), "{log}");
    }
}

#[cfg(unix)]
#[test]
fn too_few_descriptors_turn_pop_clients_away() {
    let spool = Scratch::new();
    plant(spool.path(), 1, MESSAGE);
    let mut command = Command::new("sh");
    command
        .args(["-c", "ulimit -n 64; exec \"$0\" \"$@\""])
        .arg(program());
    let pop_server = PopServer::start_with(command, &spool, &[]);
    let (mut served, mut refused) = (Vec::new(), 0);
    for _ in 0..20 {
        let (pop, greeting) = Pop::open(pop_server.port).unwrap();
        match greeting.starts_with("+OK") {
            true => served.push(pop),
            false => {
                assert!(greeting.starts_with("-ERR [SYS/TEMP] too many sessions"));
                refused += 1;
            }
        }
    }
    assert!(!served.is_empty() && refused > 0);
    // SMTP has a share of its own.
    submit(pop_server.server.port, "a@b.test", &["c@d.test"], MESSAGE);
    let count = served.len();
    drop(served);
    pop_server.wait_for_closed(count);
    let mut pop = pop_server.log_in();
    assert_eq!(pop.lines("LIST").len(), 2);
}

#[test]
fn certificates_have_to_be_given_for_pop_alone() {
    if skip_without_tls() {
        return;
    }
    let spool = Scratch::new();
    let path = spool.path().to_str().unwrap();
    let missing = ["--server-tls", "--server-tls-certificate", "/no/such.pem"];
    let mut all = vec!["--no-daemon", "--no-smtp", "--spool-dir", path, "--pop"];
    all.extend(["--pop-port", "0", "--interface", "127.0.0.1", "--pop-auth"]);
    let secrets = spool.join("secrets");
    fs::write(&secrets, "server plain a b\n").unwrap();
    all.push(&secrets);
    all.extend(missing);
    let (status, _, log) = run(&all);
    assert_eq!(status, 1, "{log}");
    assert!(
        log.contains("--server-tls-certificate: cannot read"),
        "{log}"
    );
    assert!(!pki_text("server-all.pem").is_empty());
}

/// A transcript that needs nothing but a maildrop.
#[cfg(unix)]
fn playable(path: &PathBuf) -> Option<Transcript> {
    let transcript = Transcript::parse(&fs::read_to_string(path).unwrap()).unwrap();
    let is_plain = |(name, _): &(String, String)| name == "local" || name == "message";
    let is_told = |(_, step): &(usize, Step)| match step {
        Step::Line(text) => !text.contains("uid-"),
        Step::Send(octets) => !octets.windows(5).any(|five| five == b"mrose"),
        Step::Reply(_) => true,
        Step::Expect(expectation) => {
            use crate::support::transcript::Expectation::{Deleted, Open, WaitLogin};
            matches!(expectation, Open | WaitLogin | Deleted(_))
        }
    };
    let has_login =
        |(_, step): &(usize, Step)| matches!(step, Step::Line(text) if text.contains("[AUTH]"));
    let fits = transcript.settings.iter().all(is_plain)
        && transcript.steps.iter().all(is_told)
        && !transcript.steps.iter().any(has_login)
        && transcript.settings.iter().any(|(name, _)| name == "local");
    fits.then_some(transcript)
}

/// A connection to a program whose spool has the transcript's messages.
#[cfg(unix)]
struct OverTcp<'a> {
    pop: Pop,
    spool: &'a Scratch,
    ids: Vec<String>,
    by_octets: bool,
}

#[cfg(unix)]
impl Player for OverTcp<'_> {
    fn send(&mut self, octets: &[u8]) {
        let size = if self.by_octets {
            1
        } else {
            octets.len().max(1)
        };
        for piece in octets.chunks(size) {
            self.pop.write(piece).unwrap();
        }
    }

    fn line(&mut self) -> Option<Vec<u8>> {
        self.pop.line().ok().map(String::into_bytes)
    }

    fn expect(
        &mut self,
        expectation: &crate::support::transcript::Expectation,
    ) -> Result<(), String> {
        let crate::support::transcript::Expectation::Deleted(numbers) = expectation else {
            return Ok(());
        };
        let names = self.spool.names();
        let is_gone = |number: &usize| {
            let id = &self.ids[*number - 1];
            !names.iter().any(|name| name.starts_with(id.as_str()))
        };
        let gone: Vec<usize> = (1..=self.ids.len()).filter(is_gone).collect();
        match gone == *numbers {
            true => Ok(()),
            false => Err(format!("deleted: {gone:?}")),
        }
    }

    fn finish(&mut self) -> Result<(), String> {
        Ok(())
    }
}

#[cfg(unix)]
#[test]
fn pop_transcripts_play_over_tcp_by_steps_and_by_octets() {
    let mut played = 0;
    for path in transcripts() {
        let Some(transcript) = playable(&path) else {
            continue;
        };
        played += 1;
        for by_octets in [false, true] {
            let spool = Scratch::new();
            let messages = transcript
                .settings
                .iter()
                .filter(|(name, _)| name == "message");
            let unescaped =
                |(_, text): &(String, String)| crate::support::transcript::unescaped(text).unwrap();
            let plant_one =
                |(index, message): (usize, Vec<u8>)| plant(spool.path(), index, &message);
            let ids: Vec<String> = messages.map(unescaped).enumerate().map(plant_one).collect();
            let pop_server = PopServer::start(&spool, &[]);
            fs::write(
                pop_server.files.join("secrets"),
                "server plain alice e+3Dmc2\n",
            )
            .unwrap();
            pop_server.server.program.hang_up();
            pop_server
                .server
                .program
                .wait_for("re-reading secrets file");
            let mut player = OverTcp {
                pop: Pop::knock(pop_server.port).unwrap(),
                spool: &spool,
                ids,
                by_octets,
            };
            let result = transcript.play(&mut player);
            assert_eq!(result, Ok(()), "{} {by_octets}", path.display());
        }
    }
    assert!(played >= 10, "only {played} were played");
}
