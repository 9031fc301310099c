//! Clients that are checked against DNS block lists before they are greeted.
#![cfg(target_os = "linux")]

use std::fs;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::admin::Admin;
use crate::support::client::Client;
use crate::support::name_server::{
    NO_ERROR, NO_SUCH_NAME, NameServer, SERVER_FAILURE, TRUNCATED, framed, record, reply,
};
use crate::support::network::{ADDRESSES, in_private_network, replace_file};
use crate::support::program::{PATIENCE, Program, Scratch, as_ourselves, program, run};
use crate::support::skip_without;

const LISTED: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const PORT: u16 = 2525;

/// A server for everybody, with these block lists.
fn serve(spool: &Scratch, lists: &[&str]) -> Program {
    let mut command = Command::new(program());
    command.args(as_ourselves());
    command.args(["--no-daemon", "--log", "--verbose", "--no-syslog", "-r"]);
    command.args(["--domain", "relay.test", "--port", &PORT.to_string()]);
    command.arg("--spool-dir").arg(spool.path());
    command.args(lists.iter().map(|list| format!("--dnsbl={list}")));
    let program = Program::spawn_command(command);
    program.wait_for("smtp server on ");
    program
}

/// How a client that comes from one of this host's addresses is greeted.
fn greeting(from: &str) -> String {
    let opened = Client::open_at((from, PORT));
    opened.unwrap_or_else(|error| panic!("{from}: {error}")).1
}

struct Dnsmasq(Child);

impl Dnsmasq {
    fn start(address: &str, port: u16) -> Dnsmasq {
        let mut command = Command::new("dnsmasq");
        command.args(["-k", "--conf-file=/dev/null", "--no-resolv", "--no-hosts"]);
        command.args(["--bind-interfaces", "--pid-file=", "--local=/bl.test/"]);
        command.args(["--address=/1.2.0.192.bl.test/127.0.0.2"]);
        command.args([
            format!("--listen-address={address}"),
            format!("--port={port}"),
        ]);
        let nibbles = format!("1{}8.b.d.0.1.0.0.2", ".0".repeat(23) + ".");
        command.arg(format!("--address=/{nibbles}.bl.test/127.0.0.3"));
        let child = command.stderr(Stdio::null()).spawn().unwrap();
        let until = Instant::now() + PATIENCE;
        while std::net::TcpStream::connect((address, port)).is_err() {
            assert!(Instant::now() < until, "dnsmasq does not listen");
            thread::sleep(Duration::from_millis(5));
        }
        Dnsmasq(child)
    }
}

impl Drop for Dnsmasq {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn listed_clients_are_refused_by_a_real_name_server() {
    if skip_without("dnsmasq") {
        return;
    }
    in_private_network(|| {
        let _dnsmasq = Dnsmasq::start("127.0.0.1", 5353);
        let spool = Scratch::new();
        let server = serve(&spool, &["bl.test,1,60s,127.0.0.1:5353"]);
        let [listed, free, listed_v6, free_v6] = ADDRESSES;
        for address in [listed, listed_v6] {
            let refusal = "554 5.7.1 your address is on a block list";
            assert_eq!(greeting(address), refusal);
            let line = format!("client address [{address}] blocked by [bl.test]");
            server.wait_for(&line);
        }
        for address in [free, free_v6] {
            assert!(greeting(address).starts_with("220 "), "{address}");
        }
        server.wait_for(&format!("address [{free}] allowed by [bl.test]"));
        for address in ["127.0.0.1", "::1"] {
            assert!(greeting(address).starts_with("220 "), "{address}");
            server.wait_for(&format!("dnsbl: not checking local address [{address}]"));
        }
    });
}

#[test]
fn the_systems_name_servers_are_asked_also_after_they_changed() {
    if skip_without("dnsmasq") {
        return;
    }
    in_private_network(|| {
        let (spool, etc) = (Scratch::new(), Scratch::new());
        let file = etc.join("resolv.conf");
        fs::write(&file, "nameserver 127.0.0.7\n").unwrap();
        replace_file("/etc/resolv.conf", &file);
        let server = serve(&spool, &["bl.test"]);
        // Nobody is there to be asked, which is no reason to refuse anyone.
        assert!(greeting(ADDRESSES[0]).starts_with("220 "));
        server.wait_for("no answer from [bl.test]");
        let _dnsmasq = Dnsmasq::start("127.0.0.8", 53);
        fs::write(&file, "nameserver 127.0.0.8\n").unwrap();
        server.wait_for("name servers are now [127.0.0.8:53]");
        assert!(greeting(ADDRESSES[0]).starts_with("554 "));
    });
}

#[test]
fn administrators_can_stop_the_checks() {
    in_private_network(|| {
        let names = NameServer::start(|question| vec![reply(question, NO_ERROR, &[LISTED])]);
        let spool = Scratch::new();
        let mut command = Command::new(program());
        command.args(as_ourselves());
        command.args([
            "-t",
            "-l",
            "-n",
            "-r",
            "--domain=relay.test",
            "--admin=2587",
        ]);
        command.arg(format!("--port={PORT}"));
        command.arg(format!("--dnsbl=bl.test,1,60s,127.0.0.1:{}", names.port));
        command.arg("--spool-dir").arg(spool.path());
        let server = Program::spawn_command(command);
        server.wait_for("smtp server on ");
        let mut admin = Admin::connect("127.0.0.1:2587");
        let is_checked = || greeting(ADDRESSES[0]).starts_with("554 ");
        assert!(is_checked());
        for (command, checked) in [
            ("dnsbl stop", false),
            ("dnsbl start", true),
            ("dnsbl stop 10000", false),
            ("dnsbl stop 0", false),
            ("dnsbl start", true),
        ] {
            let answer = admin.says(command);
            let is_usage = answer == "usage: dnsbl {start|stop [seconds]}\n";
            assert!(answer == "OK\n" || is_usage, "{command}: {answer}");
            assert_eq!(is_checked(), checked, "{command}");
        }
        admin.says("dnsbl stop");
        assert!(admin.says("status").contains("\nDNSBL: stopped\n"));
    });
}

type Udp = fn(&[u8]) -> Vec<Vec<u8>>;
type Tcp = fn(&[u8]) -> Vec<u8>;

/// What a name server does, and how the client is greeted then.
const MISCHIEF: &[(&str, Udp, Tcp, &str)] = &[
    (
        "listed",
        |q| vec![reply(q, NO_ERROR, &[LISTED])],
        none,
        "554",
    ),
    (
        "not listed",
        |q| vec![reply(q, NO_SUCH_NAME, &[])],
        none,
        "220",
    ),
    ("no value", |q| vec![reply(q, NO_ERROR, &[])], none, "220"),
    (
        "foreign value",
        |q| vec![reply(q, NO_ERROR, &[[8, 8, 8, 8].into()])],
        none,
        "220",
    ),
    (
        "server failure",
        |q| vec![reply(q, SERVER_FAILURE, &[])],
        none,
        "220",
    ),
    ("two octets", |q| vec![q[..2].to_vec()], none, "220"),
    ("nothing at all", |_| vec![Vec::new()], none, "220"),
    ("noise", |_| vec![vec![0xFF; 600]], none, "220"),
    (
        "half a reply",
        |q| {
            let mut whole = reply(q, NO_ERROR, &[LISTED]);
            whole.truncate(whole.len() - 3);
            vec![whole]
        },
        none,
        "220",
    ),
    (
        "a count that lies",
        |q| {
            let mut lie = reply(q, NO_ERROR, &[LISTED]);
            lie[6..8].copy_from_slice(&[0xFF, 0xFF]);
            vec![lie]
        },
        none,
        "220",
    ),
    (
        "a name that loops",
        |q| {
            let mut looped = reply(q, NO_ERROR, &[LISTED]);
            let end = q.len();
            looped[end + 1] = u8::try_from(end).unwrap();
            vec![looped]
        },
        none,
        "220",
    ),
    (
        "a text",
        |q| {
            let mut text = reply(q, NO_ERROR, &[LISTED]);
            text[6..8].copy_from_slice(&[0, 2]);
            text.extend(record(16, b"\x06reason"));
            vec![text]
        },
        none,
        "554",
    ),
    (
        "a wrong id, then the right one",
        |q| {
            let mut forged = reply(q, NO_SUCH_NAME, &[]);
            forged[0] ^= 0xFF;
            vec![forged, reply(q, NO_ERROR, &[LISTED])]
        },
        none,
        "554",
    ),
    (
        "a hundred wrong ids",
        |q| {
            let mut forged = reply(q, NO_SUCH_NAME, &[]);
            forged[1] ^= 0xFF;
            let mut all = vec![forged; 100];
            all.push(reply(q, NO_ERROR, &[LISTED]));
            all
        },
        none,
        "554",
    ),
    (
        "another question",
        |q| {
            let mut other = reply(q, NO_ERROR, &[LISTED]);
            other[13] = b'9';
            vec![other]
        },
        none,
        "220",
    ),
    (
        "truncated, whole over tcp",
        truncated,
        |q| framed(&reply(q, NO_ERROR, &[LISTED])),
        "554",
    ),
    (
        "truncated, noise over tcp",
        truncated,
        |_| vec![0xFF; 100],
        "220",
    ),
    (
        "truncated, half over tcp",
        truncated,
        |q| {
            let mut half = framed(&reply(q, NO_ERROR, &[LISTED]));
            half.pop();
            half
        },
        "220",
    ),
    (
        "truncated over tcp",
        truncated,
        |q| framed(&reply(q, TRUNCATED, &[])),
        "220",
    ),
    ("truncated, nothing over tcp", truncated, none, "220"),
    (
        "slow",
        |q| {
            thread::sleep(Duration::from_millis(300));
            vec![reply(q, NO_ERROR, &[LISTED])]
        },
        none,
        "554",
    ),
    ("silent", |_| Vec::new(), none, "220"),
];

fn none(_: &[u8]) -> Vec<u8> {
    Vec::new()
}

fn truncated(question: &[u8]) -> Vec<Vec<u8>> {
    vec![reply(question, TRUNCATED, &[])]
}

#[test]
fn no_reply_drops_a_client_or_lets_a_listed_one_in() {
    in_private_network(|| {
        for (what, udp, tcp, expected) in MISCHIEF {
            let (spool, names) = (Scratch::new(), NameServer::with_tcp(*udp, *tcp));
            // Without an answer the client is let in, in the end.
            let limit = if *expected == "554" { 60_000 } else { 1500 };
            let list = format!("127.0.0.1:{},{limit},1,bl.test", names.port);
            let server = serve(&spool, &[&list]);
            let got = greeting(ADDRESSES[0]);
            assert!(
                got.starts_with(expected),
                "{what}: {got}: {:#?}",
                server.log()
            );
            // The program is well, and local clients are served as ever.
            assert!(greeting("127.0.0.1").starts_with("220 "), "{what}");
        }
    });
}

#[test]
fn the_time_limit_says_what_silence_means() {
    in_private_network(|| {
        let (spool, names) = (Scratch::new(), NameServer::start(|_| Vec::new()));
        let server = serve(
            &spool,
            &[&format!("127.0.0.1:{},-300,1,bl.test", names.port)],
        );
        let start = Instant::now();
        let refusal = greeting(ADDRESSES[0]);
        assert!(refusal.starts_with("421 4.7.0 "), "{refusal}");
        assert!(start.elapsed() >= Duration::from_millis(300));
        let text = "blocked: timeout: no answer from [bl.test]";
        server.wait_for(text);
    });
}

#[test]
fn so_many_lists_have_to_agree_and_each_option_counts() {
    in_private_network(|| {
        // Lists whose name has an x in it list everybody.
        // The first twelve octets are the header, with the id, which is random.
        let names = NameServer::start(|question| match question[12..].contains(&b'x') {
            true => vec![reply(question, NO_ERROR, &[LISTED])],
            false => vec![reply(question, NO_SUCH_NAME, &[])],
        });
        let own = |text: &str| format!("{text},60000,127.0.0.1:{}", names.port);
        for (lists, expected) in [
            (vec![own("x.test,y.test,2")], "220"),
            (vec![own("x.test,x2.test,y.test,2")], "554"),
            (vec![own("x.test,0")], "220"),
            (vec![own("y.test,1"), own("x.test,1")], "554"),
        ] {
            let spool = Scratch::new();
            let texts: Vec<&str> = lists.iter().map(String::as_str).collect();
            let _server = serve(&spool, &texts);
            let got = greeting(ADDRESSES[0]);
            assert!(got.starts_with(expected), "{lists:?}: {got}");
        }
    });
}

#[test]
fn who_speaks_during_the_check_is_sent_away_at_once() {
    in_private_network(|| {
        let (spool, names) = (Scratch::new(), NameServer::start(|_| Vec::new()));
        let _server = serve(
            &spool,
            &[&format!("127.0.0.1:{},60000,1,bl.test", names.port)],
        );
        let mut client = Client::silent((ADDRESSES[0], PORT)).unwrap();
        client
            .write(b"EHLO early.test\r\nMAIL FROM:<a@b.test>\r\n")
            .unwrap();
        let reply = client.reply().unwrap();
        assert!(reply.starts_with("554 5.5.0 "), "{reply}");
        assert!(client.reply().is_err(), "the connection is closed");
    });
}

#[test]
fn who_hangs_up_during_the_check_is_forgotten() {
    in_private_network(|| {
        let (spool, names) = (Scratch::new(), NameServer::start(|_| Vec::new()));
        let server = serve(
            &spool,
            &[&format!("127.0.0.1:{},60000,1,bl.test", names.port)],
        );
        let before = sockets(&server);
        drop(Client::silent((ADDRESSES[0], PORT)).unwrap());
        server.wait_for("client has gone");
        let until = Instant::now() + PATIENCE;
        while sockets(&server) != before {
            assert!(Instant::now() < until, "sockets are left open");
            thread::sleep(Duration::from_millis(2));
        }
    });
}

/// How many sockets the program has.
fn sockets(program: &Program) -> usize {
    let descriptors = fs::read_dir(format!("/proc/{}/fd", program.id())).unwrap();
    let link = |entry: fs::DirEntry| fs::read_link(entry.path()).unwrap_or_default();
    let links = descriptors.map(|entry| link(entry.unwrap()));
    let is_socket = |link: &PathBuf| link.to_string_lossy().starts_with("socket:");
    links.filter(is_socket).count()
}

#[test]
fn clients_that_wait_keep_nobody_from_stopping() {
    in_private_network(|| {
        let (spool, names) = (Scratch::new(), NameServer::start(|_| Vec::new()));
        let list = format!("127.0.0.1:{},60000,1,bl.test", names.port);
        let mut server = serve(&spool, &[&list]);
        let mut client = Client::silent((ADDRESSES[0], PORT)).unwrap();
        // The listener has no other way to tell that it has taken the client.
        assert!(greeting("127.0.0.1").starts_with("220 "));
        server.terminate();
        assert!(client.reply().unwrap().starts_with("421 4.3.2 "));
        assert!(server.wait().success());
    });
}

#[test]
fn many_clients_are_checked_at_once() {
    in_private_network(|| {
        let names = NameServer::start(|question| {
            thread::sleep(Duration::from_millis(500));
            vec![reply(question, NO_SUCH_NAME, &[])]
        });
        let spool = Scratch::new();
        let _server = serve(
            &spool,
            &[&format!("127.0.0.1:{},20000,1,bl.test", names.port)],
        );
        let start = Instant::now();
        let mut clients: Vec<Client> = (0..80)
            .map(|_| Client::silent((ADDRESSES[0], PORT)).unwrap())
            .collect();
        for client in &mut clients {
            assert!(client.reply().unwrap().starts_with("220 "));
        }
        // One after the other would take 40 seconds.
        assert!(start.elapsed() < Duration::from_secs(30), "one by one");
    });
}

#[test]
fn mistakes_are_told_at_start() {
    let spool = Scratch::new();
    let spool = spool.path().to_str().unwrap();
    for (value, expected) in [
        ("a.test,1,0", "invalid dnsbl configuration: timeout [0]"),
        (
            "localhost:53,100,1,a.test",
            "invalid dnsbl configuration: server [localhost:53]",
        ),
        ("1.1.1.1:53,100,1", "invalid dnsbl configuration: no zone"),
    ] {
        let list = format!("--dnsbl={value}");
        let arguments = ["-t", "-r", "--port=0", "--spool-dir", spool, &list];
        let (status, _, log) = run(&arguments);
        assert_eq!(status, 1, "{log}");
        assert!(log.contains(expected), "{log}");
    }
    let (status, _, log) = run(&["-t", "--port=0", "--dnsbl=a.test", "--spool-dir", spool]);
    assert_eq!(status, 1);
    assert!(log.contains("--dnsbl: needs --remote-clients"), "{log}");
}

#[test]
fn lists_that_can_never_block_are_told_of() {
    in_private_network(|| {
        let spool = Scratch::new();
        let server = serve(&spool, &["127.0.0.1:5353,1000,3,a.test", "b.test"]);
        server.wait_for("warning: --dnsbl: no client is ever blocked where 3 lists have to agree");
    });
}

#[test]
fn one_client_cannot_take_all_sessions() {
    in_private_network(|| {
        let spool = Scratch::new();
        let server = serve(&spool, &[]);
        let from = |address| Client::open_at((address, PORT)).unwrap();
        let mut clients: Vec<_> = (0..100).map(|_| from(ADDRESSES[0])).collect();
        assert!(
            clients
                .iter()
                .all(|(_, greeting)| greeting.starts_with("220 "))
        );
        let (_refused, greeting) = from(ADDRESSES[0]);
        let expected = "421 4.7.0 too many sessions from your address, try again later";
        assert_eq!(greeting, expected);
        server.wait_for("too many sessions of one client");
        for other in [ADDRESSES[1], "127.0.0.1"] {
            assert!(from(other).1.starts_with("220 "), "{other}");
        }
        clients.pop().unwrap().0.quit();
        server.wait_for("smtp connection closed: smtp protocol done");
        assert!(from(ADDRESSES[0]).1.starts_with("220 "));
    });
}
