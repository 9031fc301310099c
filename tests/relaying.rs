//! Who may hand in mail, and for whom: all kinds of clients by all kinds of logins by
//! all kinds of recipients, against servers that are configured in each manner.
#![cfg(target_os = "linux")]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;

use emailrelay::base::base64;
use emailrelay::base::hash::{Algorithm, hmac};
use emailrelay::proto::sasl::cram;

use crate::support::client::Client;
use crate::support::network::{ADDRESSES, in_private_network};
use crate::support::program::{Program, Scratch, Server};
use crate::support::secure::{pki_text, skip_without_tls, trusting};

const PORT: u16 = 2525;

/// Whether and how clients log in, in the order of the columns below.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Login {
    Not,
    Wrongly,
    Rightly,
}

const LOGINS: [Login; 3] = [Login::Not, Login::Wrongly, Login::Rightly];

/// Where clients come from, in the order of the columns below.
#[derive(Clone, Copy, Debug)]
enum From {
    Loopback,
    Loopback6,
    Elsewhere,
    Elsewhere6,
    Socket,
}

const PLACES: [From; 5] = [
    From::Loopback,
    From::Loopback6,
    From::Elsewhere,
    From::Elsewhere6,
    From::Socket,
];

/// What MAIL is told for each login; 0 where the client is not even greeted, and for
/// sockets of the unix domain with TLS, which the clients of these tests cannot do.
type Told = [u16; 3];

const ALL: Told = [250, 250, 250];
const KNOWN: Told = [530, 530, 250];
const NOBODY: Told = [530, 530, 530];
const AWAY: Told = [0, 0, 0];

/// A server: its options, whether clients encrypt, and what those are told who come
/// from each place.
type Row = (&'static [&'static str], bool, [Told; 5]);

const AUTH: &str = "--server-auth=SECRETS";
const TRUSTING: &str = "--server-auth=TRUSTING";
const TLS: &str = "--server-tls";
const REQUIRED: &str = "--server-tls-required";

#[rustfmt::skip]
const TABLE: &[Row] = &[
    // options                     TLS    loopback         elsewhere        socket
    (&[],                          false, [ALL, ALL,       AWAY, AWAY,      ALL]),
    (&["-r"],                      false, [ALL, ALL,       ALL, ALL,        ALL]),
    (&[AUTH],                      false, [KNOWN, KNOWN,   AWAY, AWAY,      KNOWN]),
    (&[AUTH, "-r"],                false, [KNOWN, KNOWN,   KNOWN, KNOWN,    KNOWN]),
    // It is an address that is trusted, and not who says something.
    (&[TRUSTING, "-r"],            false, [KNOWN, KNOWN,   ALL, KNOWN,      KNOWN]),
    (&[TRUSTING],                  false, [KNOWN, KNOWN,   AWAY, AWAY,      KNOWN]),
    (&[TLS, REQUIRED, "-r"],       false, [NOBODY, NOBODY, NOBODY, NOBODY,  NOBODY]),
    (&[TLS, REQUIRED, "-r"],       true,  [ALL, ALL,       ALL, ALL,        AWAY]),
    (&[TLS, REQUIRED, AUTH, "-r"], false, [NOBODY, NOBODY, NOBODY, NOBODY,  NOBODY]),
    (&[TLS, REQUIRED, AUTH, "-r"], true,  [KNOWN, KNOWN,   KNOWN, KNOWN,    AWAY]),
    (&[TLS, REQUIRED, TRUSTING, "-r"], false, [NOBODY, NOBODY, NOBODY, NOBODY, NOBODY]),
    (&[TLS, REQUIRED, TRUSTING, "-r"], true, [KNOWN, KNOWN,    ALL, KNOWN,      AWAY]),
    // That it can be encrypted is not enough.
    (&[TLS, AUTH, "-r"],           false, [KNOWN, KNOWN,   KNOWN, KNOWN,    KNOWN]),
];

/// Recipients, and what is said of each without a verifier, and with one that knows
/// the accounts of this host only.
const RECIPIENTS: &[(&str, u16, u16)] = &[
    ("c@d.test", 250, 550),
    ("root@relay.test", 250, 250),
    ("ROOT@RELAY.TEST", 250, 250),
    ("nobody-of-that-name@relay.test", 250, 550),
    ("Postmaster", 250, 250),
    ("root@other.test", 250, 550),
    // Those who ask another host for the way.
    ("@relay.test:c@d.test", 250, 550),
    ("c%d.test@relay.test", 250, 550),
    ("d.test!c@relay.test", 250, 550),
    ("\"c@d.test\"@relay.test", 250, 550),
    ("root@[127.0.0.1]", 250, 550),
];

/// A client of any kind: says a line, and hears the code and the first line.
type Say<'a> = &'a mut dyn FnMut(&str) -> String;

#[test]
fn mail_is_taken_from_those_who_may_send_it_alone() {
    in_private_network(|| {
        for (options, encrypts, told) in TABLE {
            if options.contains(&TLS) && skip_without_tls() {
                continue;
            }
            let (spool, files) = (Scratch::new(), Scratch::new());
            let server = start(&spool, &files, options);
            thread::scope(|scope| {
                for (place, told) in PLACES.iter().zip(told) {
                    let socket = files.join("socket");
                    // One after the other, as a wrong login costs time.
                    scope.spawn(move || {
                        for (login, told) in LOGINS.iter().zip(told) {
                            let got = mail(*place, &socket, *login, *encrypts);
                            let got = got.map(|reply| code(&reply)).unwrap_or_default();
                            let what = format!("{options:?} {encrypts} {place:?} {login:?}");
                            assert_eq!(got, *told, "{what}");
                        }
                    });
                }
            });
            drop(server);
            let taken = told.iter().flatten().filter(|told| **told == 250).count();
            let names = spool.names();
            let envelopes = names.iter().filter(|name| name.ends_with(".envelope"));
            assert_eq!(envelopes.count(), taken, "{options:?}: {names:?}");
        }
    });
}

#[test]
fn mail_is_taken_for_those_who_are_known_alone() {
    for (verifier, is_known) in [(None, false), (Some("account:0-100000"), true)] {
        let spool = Scratch::new();
        let option = verifier.map(|verifier| format!("--address-verifier={verifier}"));
        let options: Vec<&str> = option.as_deref().into_iter().collect();
        let server = Server::start(&spool, &options);
        let mut client = Client::connect(server.port);
        client.hello();
        client.expect("MAIL FROM:<a@b.test>", "250 ");
        for (recipient, any, known) in RECIPIENTS {
            let told = client.command(&format!("RCPT TO:<{recipient}>"));
            let expected = if is_known { known } else { any };
            assert_eq!(code(&told), *expected, "{verifier:?} {recipient}: {told}");
        }
    }
}

fn code(reply: &str) -> u16 {
    reply[..3].parse().unwrap()
}

fn start(spool: &Scratch, files: &Scratch, options: &[&str]) -> Program {
    let secrets = |name: &str, text: &str| {
        let path = files.join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        format!("--server-auth={path}")
    };
    let alice = "server plain alice secret\n";
    let plain = secrets("secrets", alice);
    let trusting = secrets(
        "trusting",
        &format!("{alice}server none 192.0.2.0/24 office\n"),
    );
    let fixed = [
        "--as-server",
        "--no-daemon",
        "--log",
        "--verbose",
        "--no-syslog",
    ];
    let mut all = fixed.map(str::to_owned).to_vec();
    all.push("--domain=relay.test".to_owned());
    all.push(format!("--port={PORT}"));
    all.push(format!("--spool-dir={}", spool.path().display()));
    let addresses = ["127.0.0.1", "::1"].into_iter().chain(ADDRESSES);
    all.extend(addresses.map(|address| format!("--interface={address}")));
    all.push(format!("--interface={}", files.join("socket")));
    for option in options {
        match *option {
            AUTH => all.push(plain.clone()),
            TRUSTING => all.push(trusting.clone()),
            TLS => {
                all.push(TLS.to_owned());
                let certificate = pki_text("server-all.pem");
                all.push(format!("--server-tls-certificate={certificate}"));
            }
            other => all.push(other.to_owned()),
        }
    }
    let program = Program::spawn(&all);
    program.wait_for_nth("smtp server on ", 7);
    program
}

/// The reply to MAIL of a client that then sends a message if it may; nothing where it
/// is not greeted.
fn mail(from: From, socket: &str, login: Login, encrypts: bool) -> Option<String> {
    let address = match from {
        From::Loopback => "127.0.0.1",
        From::Loopback6 => "::1",
        From::Elsewhere => ADDRESSES[0],
        From::Elsewhere6 => ADDRESSES[2],
        From::Socket if encrypts => return None,
        From::Socket => return Some(over_socket(Path::new(socket), login)),
    };
    let (mut client, greeting) = Client::open_at((address, PORT)).unwrap();
    if !greeting.starts_with("220 ") {
        assert!(greeting.starts_with("554 "), "{greeting}");
        return None;
    }
    if encrypts {
        client.hello();
        client.expect("STARTTLS", "220 ");
        client.start_tls(&trusting("")).unwrap();
    }
    Some(submit(&mut |line| client.command(line), login))
}

fn over_socket(path: &Path, login: Login) -> String {
    let mut stream = BufReader::new(UnixStream::connect(path).unwrap());
    let mut greeting = String::new();
    stream.read_line(&mut greeting).unwrap();
    let mut say = |line: &str| {
        stream
            .get_mut()
            .write_all(format!("{line}\r\n").as_bytes())
            .unwrap();
        let mut reply = String::new();
        loop {
            let start = reply.len();
            assert!(
                stream.read_line(&mut reply).unwrap() > 0,
                "closed after {line}"
            );
            if reply.as_bytes().get(start + 3) == Some(&b' ') {
                return reply[start..].trim_end().to_owned();
            }
        }
    };
    submit(&mut say, login)
}

fn submit(say: Say<'_>, login: Login) -> String {
    say("EHLO client.test");
    if login != Login::Not {
        log_in(say, login);
    }
    let told = say("MAIL FROM:<a@b.test>");
    if told.starts_with("250 ") {
        assert!(say("RCPT TO:<c@d.test>").starts_with("250 "));
        assert!(say("DATA").starts_with("354 "));
        assert!(say("Subject: x\r\n\r\nx\r\n.").starts_with("250 "));
    } else {
        // Nor does anything else lead there.
        assert!(say("RCPT TO:<c@d.test>").starts_with("503 "));
        assert!(say("DATA").starts_with("503 "));
    }
    told
}

/// By a mechanism that may be used in clear. Whether there is one is not asked.
fn log_in(say: Say<'_>, login: Login) {
    let reply = say("AUTH CRAM-MD5");
    let Some(challenge) = reply.strip_prefix("334 ") else {
        return;
    };
    let password: &[u8] = match login {
        Login::Rightly => b"secret",
        Login::Wrongly | Login::Not => b"wrong",
    };
    let state = hmac::State::from_key(Algorithm::Md5, password);
    let challenge = base64::decode(challenge.as_bytes()).unwrap();
    let response = base64::encode(&cram::response(b"alice", &state, &challenge));
    say(std::str::from_utf8(&response).unwrap());
}
