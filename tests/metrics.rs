//! What programs that watch get to see.
#![cfg(unix)]

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};

use crate::support::client::{Client, submit};
use crate::support::program::{PATIENCE, Scratch, Server};
use crate::support::sink::{Answer, Sink};
use crate::support::{skip_without, skip_without_python, unpacked};

fn start(spool: &Scratch, further: &[&str]) -> (Server, String) {
    let arguments: Vec<&str> = ["--metrics=0"].iter().chain(further).copied().collect();
    let server = Server::start(spool, &arguments);
    let line = server.program.wait_for("metrics server on 127.0.0.1:");
    let place = line.rsplit(' ').next().unwrap().to_owned();
    (server, place)
}

/// Sends octets and returns all that comes back.
fn exchange(place: &str, request: &str) -> String {
    let mut stream = TcpStream::connect(place).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    // The reply may come, and the end of it, before all has been taken.
    let _ = stream.write_all(request.as_bytes());
    let mut reply = Vec::new();
    let _ = stream.read_to_end(&mut reply);
    String::from_utf8(reply).unwrap()
}

fn get(place: &str, path: &str) -> String {
    exchange(place, &format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n"))
}

/// The body of a page that is there.
fn body(place: &str, path: &str) -> String {
    let reply = get(place, path);
    let (head, body) = reply.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{reply}");
    body.to_owned()
}

#[test]
fn counts_what_happens() {
    let spool = Scratch::new();
    let sink = Sink::scripted(&[], |_, command| match command {
        "RCPT TO:<no@y.test>" => Answer::Reply("550 no".to_owned()),
        "RCPT TO:<later@y.test>" => Answer::Reply("450 later".to_owned()),
        _ => Answer::Usual,
    });
    let forward_to = format!("--forward-to={}", sink.address());
    let (server, place) = start(
        &spool,
        &[&forward_to, "--forward-on-disconnect", "--size=100"],
    );
    for to in ["yes@y.test", "no@y.test", "later@y.test"] {
        submit(server.port, "a@x.test", &[to], b"Subject: x\r\n\r\n");
    }
    let mut client = Client::connect(server.port);
    client.hello();
    client.expect("MAIL FROM:<a@x.test> SIZE=1000", "552 ");
    client.expect("NONSENSE", "500 ");
    client.quit();
    let lines = [
        "emailrelay_messages_accepted_total 3",
        "emailrelay_accepted_bytes_total 42",
        "emailrelay_smtp_refusals_total{reason=\"size\"} 1",
        "emailrelay_smtp_refusals_total{reason=\"protocol\"} 1",
        "emailrelay_smtp_refusals_total{reason=\"recipient\"} 0",
        "emailrelay_forwarding_total{outcome=\"sent\"} 1",
        "emailrelay_forwarding_total{outcome=\"failed\"} 1",
        "emailrelay_sessions_total{service=\"smtp\"} 4",
        "emailrelay_sessions{service=\"smtp\"} 0",
        "emailrelay_sessions{service=\"metrics\"} 1",
        "emailrelay_queue_messages{state=\"bad\"} 1",
        "emailrelay_queue_messages{state=\"ready\"} 1",
    ];
    let until = std::time::Instant::now() + PATIENCE;
    let text = loop {
        let text = body(&place, "/metrics");
        let missing = |line: &&&str| !text.lines().any(|one| one == **line);
        let Some(line) = lines.iter().find(missing) else {
            break text;
        };
        // It is counted when all is done, which takes a while.
        assert!(std::time::Instant::now() < until, "{line}: {text}");
        std::thread::sleep(std::time::Duration::from_millis(20));
    };
    assert!(
        text.contains("\nemailrelay_queue_oldest_age_seconds "),
        "{text}"
    );
}

#[test]
fn filters_and_logins_are_counted() {
    let spool = Scratch::new();
    let secrets = Scratch::new();
    let path = secrets.join("secrets");
    std::fs::write(&path, "server plain:b YWxpY2U= cHc=\n").unwrap();
    let auth = format!("--server-auth={path}");
    let (server, place) = start(&spool, &[&auth, "--filter=exit:0"]);
    let mut client = Client::connect(server.port);
    client.hello();
    client.expect("MAIL FROM:<a@x.test>", "530 ");
    client.expect("AUTH PLAIN AGFsaWNlAHdyb25n", "535 ");
    client.expect("AUTH PLAIN AGFsaWNlAHB3", "235 ");
    client.send("a@x.test", &["b@y.test"], b"x\r\n");
    client.quit();
    let text = body(&place, "/metrics");
    for line in [
        "emailrelay_authentication_failures_total 1",
        "emailrelay_smtp_refusals_total{reason=\"authentication\"} 1",
        "emailrelay_smtp_refusals_total{reason=\"authentication_required\"} 1",
        "emailrelay_filter_seconds_count 1",
        "emailrelay_client_filter_seconds_count 0",
    ] {
        assert!(text.lines().any(|one| one == line), "{line}: {text}");
    }
    assert!(!text.contains("alice"), "{text}");
}

#[test]
fn the_end_of_the_certificate_is_told() {
    let spool = Scratch::new();
    let (_server, place) = start(&spool, &[]);
    assert!(!body(&place, "/metrics").contains("certificate"));
    let certificate = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/pki/server.pem");
    let key = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/pki/server.key");
    let files = format!("--server-tls-certificate={key},{certificate}");
    let (_server, place) = start(&spool, &["--server-tls", &files]);
    let text = body(&place, "/metrics");
    let (_, rest) = text
        .split_once("\nemailrelay_certificate_expiry_time_seconds ")
        .unwrap();
    let seconds: i64 = rest.lines().next().unwrap().parse().unwrap();
    assert!(seconds > 1_700_000_000, "{seconds}");
}

#[test]
fn is_ready_only_while_the_spool_can_be_written() {
    let spool = Scratch::new();
    let (_server, place) = start(&spool, &[]);
    assert_eq!(body(&place, "/livez"), "alive\n");
    assert_eq!(body(&place, "/readyz"), "ready\n");
    assert_eq!(spool.names(), [""; 0], "nothing is left behind");
    // Even root cannot make files in a directory that is gone.
    let moved = spool.path().with_extension("moved");
    std::fs::remove_dir(spool.path()).unwrap();
    let until = std::time::Instant::now() + PATIENCE;
    let refused = loop {
        let reply = get(&place, "/readyz");
        if !reply.starts_with("HTTP/1.1 200") {
            break reply;
        }
        // What was found is good for a second.
        assert!(std::time::Instant::now() < until);
    };
    assert!(refused.starts_with("HTTP/1.1 503 "), "{refused}");
    assert!(
        refused.ends_with("\r\n\r\nthe spool cannot be written\n"),
        "{refused}"
    );
    assert_eq!(body(&place, "/livez"), "alive\n");
    assert!(!moved.exists());
    std::fs::create_dir(spool.path()).unwrap();
}

#[cfg(target_os = "linux")]
#[test]
fn is_not_ready_while_the_disk_is_full() {
    crate::support::network::in_private_network(|| {
        let spool = Scratch::new();
        let path = spool.path().to_str().unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=1m,mode=0770", "tmpfs", path]);
        assert!(mount.status().unwrap().success());
        let (_server, place) = start(&spool, &[]);
        let wait_for = |status: &str| {
            let until = std::time::Instant::now() + PATIENCE;
            while !get(&place, "/readyz").contains(status) {
                // What was found is good for a second.
                assert!(std::time::Instant::now() < until, "never {status}");
            }
        };
        wait_for(" 200 ");
        let filler = spool.join("filler");
        // It goes as far as there is room.
        let _ = std::fs::write(&filler, vec![0; 2 << 20]);
        wait_for(" 503 ");
        std::fs::remove_file(&filler).unwrap();
        wait_for(" 200 ");
        assert_eq!(spool.names(), [""; 0]);
        // The program holds on to it only by a descriptor of the directory.
        let _ = Command::new("umount").args(["-l", path]).status();
    });
}

#[test]
fn prometheus_can_read_it() {
    let unpacked = unpacked("usr/bin/promtool");
    let program = match unpacked.is_file() {
        true => unpacked.to_str().unwrap(),
        false => "promtool",
    };
    if skip_without(program) {
        return;
    }
    let spool = Scratch::new();
    let (server, place) = start(&spool, &[]);
    submit(server.port, "a@x.test", &["b@y.test"], b"x\r\n");
    let mut promtool = Command::new(program)
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let text = body(&place, "/metrics");
    let mut input = promtool.stdin.take().unwrap();
    input.write_all(text.as_bytes()).unwrap();
    drop(input);
    let output = promtool.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&said)
    );
    assert!(said.is_empty(), "{}", String::from_utf8_lossy(&said));
}

// Python's parser knows every sample, and each has the type that is announced.
#[test]
fn python_can_read_it() {
    if skip_without_python("prometheus_client.parser") {
        return;
    }
    let spool = Scratch::new();
    let (server, place) = start(&spool, &["--filter=exit:0"]);
    submit(server.port, "a@x.test", &["b@y.test"], b"x\r\n");
    let program = "import sys, urllib.request\n\
        from prometheus_client.parser import text_string_to_metric_families as parse\n\
        text = urllib.request.urlopen(sys.argv[1], timeout=30).read().decode()\n\
        for family in parse(text):\n\
        \x20   print(family.name, family.type, len(family.samples))\n";
    let url = format!("http://{place}/metrics");
    let output = Command::new("/usr/bin/python3")
        .args(["-c", program, &url])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let trouble = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{trouble}");
    for line in [
        "emailrelay_messages_accepted counter 1",
        "emailrelay_smtp_refusals counter 11",
        "emailrelay_connections_refused counter 5",
        "emailrelay_sessions gauge 5",
        "emailrelay_filter_seconds histogram 12",
        "emailrelay_queue_messages gauge 6",
    ] {
        assert!(said.lines().any(|one| one == line), "{line}: {said}");
    }
    assert!(!said.contains("unknown"), "{said}");
}

#[test]
fn curl_can_read_it() {
    if skip_without("curl") {
        return;
    }
    let spool = Scratch::new();
    let folder = Scratch::new();
    let path = folder.join("metrics.sock");
    let server = Server::start(&spool, &["--metrics", &path]);
    server
        .program
        .wait_for(&format!("metrics server on {path}"));
    let curl = |arguments: &[&str]| {
        let mut command = Command::new("curl");
        command.args(["-sS", "--fail", "--unix-socket", &path]);
        let output = command.args(arguments).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        (output.status.code(), text)
    };
    let (status, text) = curl(&["http://relay/metrics"]);
    assert_eq!(status, Some(0));
    assert!(text.contains("emailrelay_build_info{version="), "{text}");
    let (status, head) = curl(&["--head", "http://relay/livez"]);
    assert_eq!(status, Some(0));
    assert!(head.contains("Content-Length: 6\r\n"), "{head}");
    let (status, _) = curl(&["http://relay/other"]);
    assert_eq!(status, Some(22), "404");
    let (status, _) = curl(&["--data", "x", "http://relay/metrics"]);
    assert_eq!(status, Some(22), "405");
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o7, 0, "others have no access");
    assert!(UnixStream::connect(&path).is_ok());
}

// B11 G4: nothing but these pages, however they are asked for.
#[test]
fn nothing_else_is_served() {
    let spool = Scratch::new();
    let (_server, place) = start(&spool, &[]);
    let status = |request: &str| {
        let reply = exchange(&place, request);
        reply.split(' ').nth(1).unwrap_or_default().to_owned()
    };
    for (request, expected) in [
        ("GET /../../etc/passwd HTTP/1.0\r\n\r\n", "404"),
        ("GET /metrics/../etc/passwd HTTP/1.0\r\n\r\n", "404"),
        ("GET /metrics%00 HTTP/1.0\r\n\r\n", "404"),
        ("GET / HTTP/1.0\r\n\r\n", "404"),
        (
            "POST /metrics HTTP/1.0\r\nContent-Length: 5\r\n\r\nhello",
            "405",
        ),
        ("DELETE /metrics HTTP/1.0\r\n\r\n", "405"),
        ("EHLO x\r\nMAIL FROM:<a@b>\r\n", "400"),
        ("GET /metrics\r\n\r\n", "400"),
    ] {
        assert_eq!(status(request), expected, "{request:?}");
    }
    let long = format!("GET /{} HTTP/1.0\r\n\r\n", "x".repeat(10_000));
    assert_eq!(status(&long), "414");
    let many = format!("GET /metrics HTTP/1.0\r\n{}\r\n", "X: y\r\n".repeat(1000));
    assert_eq!(status(&many), "431");
    // The second of two requests is not answered.
    let twice = "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n".repeat(2);
    assert_eq!(exchange(&place, &twice).matches("HTTP/1.1 ").count(), 1);
}

// B11 G4: those who send slowly, or nothing, are cut off, and there are few of them.
#[test]
fn slow_clients_are_cut_off_and_keep_nobody_out() {
    let spool = Scratch::new();
    let (server, place) = start(&spool, &[]);
    let mut slow: Vec<TcpStream> = (0..100)
        .map(|_| {
            let mut stream = TcpStream::connect(&place).unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            // Who finds no place may have been hung up on already.
            let _ = stream.write_all(b"GET /metrics HTTP/1.1\r\n");
            stream
        })
        .collect();
    Client::connect(server.port).quit();
    for stream in &mut slow {
        let mut rest = Vec::new();
        // They are closed by the server, and get nothing.
        let _ = stream.read_to_end(&mut rest);
        assert!(rest.is_empty());
        let _ = stream.shutdown(Shutdown::Both);
    }
    assert_eq!(body(&place, "/livez"), "alive\n");
}
