//! Where the program listens, and whom it lets in there.
#![cfg(target_os = "linux")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::client::Client;
use crate::support::network::{ADDRESSES, in_private_network};
use crate::support::program::{Program, Scratch, as_ourselves, program, run};

const PORT: u16 = 2525;

fn arguments(spool: &Scratch, further: &[&str]) -> Vec<String> {
    let spool = spool.path().to_str().unwrap();
    let fixed = [
        "-t",
        "--log",
        "-v",
        "-n",
        "--domain",
        "x.test",
        "--spool-dir",
        spool,
    ];
    let all = fixed.iter().chain(further);
    all.map(|text| (*text).to_owned()).collect()
}

/// Starts a server and returns where it says that it listens.
fn listening(spool: &Scratch, further: &[&str], count: usize) -> (Program, Vec<String>) {
    let program = Program::spawn(&arguments(spool, further));
    let places = places(&program, count);
    (program, places)
}

fn places(program: &Program, count: usize) -> Vec<String> {
    program.wait_for_nth("smtp server on ", count);
    let log = program.log();
    let place = |line: &String| Some(line.split_once("smtp server on ")?.1.to_owned());
    log.iter().filter_map(place).collect()
}

fn refused(spool: &Scratch, further: &[&str]) -> (i32, String) {
    let (status, _, log) = run(&arguments(spool, further));
    (status, log)
}

#[test]
fn every_form_listens_where_it_says() {
    in_private_network(|| {
        let [v4, _, v6, _] = ADDRESSES;
        let table: &[(&[&str], &[&str])] = &[
            (&[], &["0.0.0.0:2525", "::.2525"]),
            (&["0.0.0.0"], &["0.0.0.0:2525"]),
            (&["::"], &["::.2525"]),
            (&["127.0.0.1,::1"], &["127.0.0.1:2525", "::1.2525"]),
            (
                &["127.0.0.1", "smtp=[::1]"],
                &["127.0.0.1:2525", "::1.2525"],
            ),
            (
                &["smtp=192.0.2.1, 127.0.0.1"],
                &["192.0.2.1:2525", "127.0.0.1:2525"],
            ),
            (&["fe80::9%lo"], &["fe80::9%1.2525"]),
            (&["fe80::9%1"], &["fe80::9%1.2525"]),
            (
                &["lo-ipv4"],
                &["127.0.0.1:2525", "192.0.2.1:2525", "192.0.2.2:2525"],
            ),
            (
                &["lo-ipv4,192.0.2.2,127.0.0.1"],
                &["127.0.0.1:2525", "192.0.2.1:2525", "192.0.2.2:2525"],
            ),
        ];
        for (items, expected) in table {
            let spool = Scratch::new();
            let mut further = vec!["--port=2525".to_owned()];
            further.extend(items.iter().map(|item| format!("--interface={item}")));
            let further: Vec<&str> = further.iter().map(String::as_str).collect();
            let (_program, places) = listening(&spool, &further, expected.len());
            assert_eq!(places, *expected, "{items:?}");
        }
        let spool = Scratch::new();
        let all = ["--port=2525", "--interface=lo", "-r"];
        let (_program, places) = listening(&spool, &all, 7);
        assert_eq!(places.len(), 7, "{places:?}");
        for address in [v4, v6, "127.0.0.1", "::1"] {
            let (_client, greeting) = Client::open_at((address, PORT)).unwrap();
            assert!(greeting.starts_with("220 "), "{address}: {greeting}");
        }
    });
}

#[test]
fn one_family_does_not_cover_the_other() {
    in_private_network(|| {
        for (interface, open, closed) in
            [("::", "::1", "127.0.0.1"), ("0.0.0.0", "127.0.0.1", "::1")]
        {
            let spool = Scratch::new();
            let further = ["--port=2525", "--interface", interface];
            let _running = listening(&spool, &further, 1);
            assert!(Client::open_at((open, PORT)).is_ok(), "{interface}");
            assert!(Client::open_at((closed, PORT)).is_err(), "{interface}");
        }
    });
}

#[test]
fn what_cannot_be_listened_on_is_named() {
    in_private_network(|| {
        for (item, status, expected) in [
            (
                "nosuch0",
                2,
                "cannot listen on interface [nosuch0]: no interface of that name",
            ),
            (
                "nosuch0-ipv6",
                2,
                "cannot listen on interface [nosuch0-ipv6]: no interface",
            ),
            ("198.51.100.1", 2, "cannot listen on 198.51.100.1:2525: "),
            ("fe80::9%nosuch0", 2, "fe80::9%nosuch0"),
            ("fd#77", 2, "cannot listen on fd#77: bad file descriptor"),
            ("fd#2", 1, "has no descriptor number from 3"),
            ("SMTP=127.0.0.1", 1, "has an unknown prefix"),
            (
                "127.0.0.1:25",
                1,
                "has a port; set that by --port or --pop-port",
            ),
            ("999.1.1.1", 1, "is not an IP address"),
            (
                "/no/such/directory/x",
                2,
                "cannot listen on /no/such/directory/x: no such file",
            ),
        ] {
            let spool = Scratch::new();
            let (got, log) = refused(&spool, &["--port=2525", "--interface", item]);
            assert_eq!(got, status, "{item}: {log}");
            assert!(log.contains(expected), "{item}: {log}");
        }
    });
}

#[test]
fn an_interface_without_addresses_of_the_kind_is_named() {
    in_private_network(|| {
        for address in [
            "::1/128",
            "fe80::9/64",
            "2001:db8::1/128",
            "2001:db8:1::1/128",
        ] {
            let mut command = Command::new("ip");
            command.args(["addr", "del", address, "dev", "lo"]);
            assert!(command.status().unwrap().success());
        }
        let spool = Scratch::new();
        let (status, log) = refused(&spool, &["--interface", "lo-ipv6"]);
        assert_eq!(status, 2);
        assert!(
            log.contains("[lo-ipv6]: the interface has no address of that kind"),
            "{log}"
        );
    });
}

#[test]
fn without_a_server_there_is_nothing_to_listen_for() {
    let spool = Scratch::new();
    let (status, log) = refused(&spool, &["--no-smtp"]);
    assert_eq!(status, 0);
    assert!(log.contains("nothing to do"), "{log}");
    let (status, log) = refused(&spool, &["--no-smtp", "--port=2525"]);
    assert_eq!(status, 1);
    assert!(
        log.contains("--port: cannot be used with --no-smtp"),
        "{log}"
    );
}

#[test]
fn clients_that_are_not_local_need_permission() {
    in_private_network(|| {
        let spool = Scratch::new();
        let (program, _) = listening(&spool, &["--port=2525"], 2);
        let ranges = [
            "127.0.0.0/8, 169.254.0.0/16, 10.0.0.0/8, 172.16.0.0/12, or 192.168.0.0/16",
            "::1/128 or fe80::/64 or fc00::/7",
        ];
        for (address, ranges) in [(ADDRESSES[0], ranges[0]), (ADDRESSES[2], ranges[1])] {
            let (mut client, greeting) = Client::open_at((address, PORT)).unwrap();
            assert_eq!(greeting, "554 5.7.1 access denied");
            assert!(client.reply().is_err());
            program.wait_for(&format!(
                "configured to reject non-local smtp connection: {address} is not in {ranges}"
            ));
            program.wait_for(&format!("connection rejected from {address}"));
        }
        for address in ["127.0.0.1", "::1", "fe80::9%lo"] {
            let (_client, greeting) = Client::open_at((address, PORT)).unwrap();
            assert!(greeting.starts_with("220 "), "{address}: {greeting}");
        }
    });
}

fn greeting_at(path: &Path) -> String {
    let mut line = String::new();
    let stream = UnixStream::connect(path).unwrap();
    BufReader::new(stream).read_line(&mut line).unwrap();
    line
}

#[test]
fn sockets_of_the_unix_domain_come_and_go() {
    let (spool, directory) = (Scratch::new(), Scratch::new());
    let path = directory.path().join("socket");
    let text = path.to_str().unwrap();
    // What a process that was killed has left behind.
    drop(UnixListener::bind(&path).unwrap());
    let (mut program, places) = listening(&spool, &["--interface", text], 1);
    assert_eq!(places, [text]);
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o770);
    assert!(greeting_at(&path).starts_with("220 "));
    program.wait_for("smtp connection from /");
    let (status, log) = refused(&spool, &["--interface", text]);
    assert_eq!(status, 2, "another process has it: {log}");
    assert!(log.contains("in use"), "{log}");
    assert!(greeting_at(&path).starts_with("220 "));
    program.terminate();
    assert!(program.wait().success());
    assert!(!path.exists());
    fs::write(&path, "precious").unwrap();
    let (status, _) = refused(&spool, &["--interface", text]);
    assert_eq!(status, 2);
    assert_eq!(
        fs::read(&path).unwrap(),
        b"precious",
        "only sockets are replaced"
    );
}

/// Starts the program with the socket as descriptor 3, and shell commands first.
fn start_with(socket: impl Into<OwnedFd>, first: &str, arguments: &[String]) -> Program {
    let script = format!("exec 3<&0 </dev/null; {first} exec \"$0\" \"$@\"");
    let mut command = Command::new("sh");
    command.args(["-c", &script]).arg(program());
    command.args(as_ourselves()).args(arguments);
    Program::spawn_with_input(command, Stdio::from(socket.into()))
}

#[test]
fn inherited_sockets_are_served() {
    let spool = Scratch::new();
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let program = start_with(socket, "", &arguments(&spool, &["--interface=fd#3"]));
    assert_eq!(places(&program, 1), [address.to_string()]);
    assert!(Client::open_at(address).unwrap().1.starts_with("220 "));
    drop(program);

    let directory = Scratch::new();
    let path = directory.path().join("socket");
    let socket = UnixListener::bind(&path).unwrap();
    let mut program = start_with(socket, "", &arguments(&spool, &["--interface=smtp=fd#3"]));
    places(&program, 1);
    assert!(greeting_at(&path).starts_with("220 "));
    program.terminate();
    program.wait();
    assert!(path.exists(), "whoever made it removes it");
}

#[test]
fn the_pop_server_has_sockets_of_its_own() {
    let (spool, files) = (Scratch::new(), Scratch::new());
    let secrets = files.join("secrets");
    fs::write(&secrets, "server plain a b\n").unwrap();
    let pop = ["--pop", "--pop-auth", &secrets, "--pop-port=0"];
    let systemd = "LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=pop";
    for (first, interface) in [
        ("", Some("--interface=pop=fd#3,smtp=127.0.0.1")),
        (systemd, None),
    ] {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let mut further = pop.to_vec();
        further.push("--port=0");
        further.extend(interface);
        let program = start_with(socket, first, &arguments(&spool, &further));
        program.wait_for(&format!("pop server on {address}"));
        places(&program, 1);
        let mut greeting = String::new();
        let client = std::net::TcpStream::connect(address).unwrap();
        BufReader::new(client).read_line(&mut greeting).unwrap();
        assert!(greeting.starts_with("+OK POP3 server ready"), "{greeting}");
    }
    // What is for POP alone is not taken by SMTP, and the other way round.
    let mut further = pop.to_vec();
    further.extend(["--port=0", "--interface=smtp=127.0.0.1,pop=127.0.0.2"]);
    let program = Program::spawn(&arguments(&spool, &further));
    program.wait_for("pop server on 127.0.0.2:");
    assert!(places(&program, 1)[0].starts_with("127.0.0.1:"));
}

#[test]
fn sockets_from_the_service_manager_are_the_default() {
    let spool = Scratch::new();
    let systemd = "LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=";
    let start = |first: &str, further: &[&str]| {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap().to_string();
        (
            start_with(socket, first, &arguments(&spool, further)),
            address,
        )
    };
    for name in ["smtp", "emailrelay.socket", ""] {
        let (program, address) = start(&format!("{systemd}{name}"), &[]);
        assert_eq!(places(&program, 1), [address], "{name:?}");
    }
    let (mut program, _) = start(&format!("{systemd}pop"), &[]);
    assert_eq!(program.wait().code(), Some(2));
    program.wait_for("fd#3: it is for a server that is not enabled: pop");
    let of_admin = format!("{systemd}admin");
    let (program, address) = start(&of_admin, &["--admin=1", "--port=0"]);
    program.wait_for(&format!("admin server on {address}"));
    // What --interface says goes first, and what is meant for others is not ours.
    for first in [
        format!("{systemd}smtp"),
        "LISTEN_PID=1 LISTEN_FDS=1".to_owned(),
    ] {
        let (program, address) = start(&first, &["--interface=127.0.0.1", "--port=0"]);
        assert_ne!(places(&program, 1), [address]);
    }
}

#[test]
fn a_socket_that_is_no_listener_is_refused() {
    let spool = Scratch::new();
    let datagrams = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut program = start_with(datagrams, "", &arguments(&spool, &["--interface=fd#3"]));
    assert_eq!(program.wait().code(), Some(2));
    program.wait_for("cannot listen on fd#3: it is not a stream socket");
}
