//! Mail in, mail out, byte for byte.

use std::io::Write;
use std::time::Duration;

use crate::support::client::{Client, awkward_message, submit, without_trace};
use crate::support::program::{Scratch, Server};
use crate::support::sink::{Answer, Sink};

fn proxy(sink: &str) -> [&str; 3] {
    ["--forward-on-disconnect", "--forward-to", sink]
}

#[test]
fn a_message_arrives_byte_for_byte_and_leaves_nothing_behind() {
    let (spool, sink) = (Scratch::new(), Sink::start());
    let server = Server::start(&spool, &proxy(&sink.address()));
    let content = awkward_message("one", 5000);
    submit(
        server.port,
        "me@src.test",
        &["a@dst.test", "b@dst.test"],
        &content,
    );
    let arrived = sink.wait_for(1);
    assert_eq!(arrived[0].reverse_path, "me@src.test");
    assert_eq!(arrived[0].forward_paths, ["a@dst.test", "b@dst.test"]);
    assert_eq!(
        arrived[0].parameters,
        "SIZE=5100 BODY=8BITMIME".replace("5100", &size(&arrived[0].content))
    );
    assert_eq!(without_trace(&arrived[0].content), content);
    server.program.wait_for("forwarding: 1 sent");
    assert_eq!(spool.names(), [""; 0]);
}

fn size(content: &[u8]) -> String {
    content.len().to_string()
}

#[test]
fn the_trace_header_names_everybody() {
    let (spool, sink) = (Scratch::new(), Sink::start());
    let server = Server::start(&spool, &proxy(&sink.address()));
    submit(server.port, "", &["a@dst.test"], b"Subject: x\r\n\r\n");
    let content = sink.wait_for(1)[0].content.clone();
    let trace = String::from_utf8(content).unwrap();
    let start = "Received: from client.test ([127.0.0.1]) by relay.test with ESMTP id emailrelay.";
    assert!(trace.starts_with(start), "{trace}");
}

#[test]
fn content_says_nothing_in_our_name() {
    let (spool, sink) = (Scratch::new(), Sink::start());
    let server = Server::start(&spool, &proxy(&sink.address()));
    let forged = b" by trusted.test ; Thu, 1 Jan 1970 00:00:00 +0000\r\n";
    submit(server.port, "", &["a@dst.test"], forged);
    let content = sink.wait_for(1)[0].content.clone();
    let end = content.windows(2).position(|pair| pair == b"\r\n").unwrap();
    let (trace, rest) = content.split_at(end);
    assert!(trace.starts_with(b"Received: from client.test "));
    // The field ends, and the header section with it.
    assert_eq!(rest, [b"\r\n\r\n", &forged[..]].concat());
}

#[test]
fn with_anonymous_content_nothing_is_added() {
    let (spool, sink) = (Scratch::new(), Sink::start());
    let address = sink.address();
    let mut arguments = proxy(&address).to_vec();
    arguments.push("--anonymous=content");
    let server = Server::start(&spool, &arguments);
    submit(
        server.port,
        "a@b.test",
        &["c@d.test"],
        b"Subject: x\r\n\r\n.\r\n",
    );
    assert_eq!(sink.wait_for(1)[0].content, b"Subject: x\r\n\r\n.\r\n");
}

#[test]
fn an_empty_message_is_a_message() {
    let (spool, sink) = (Scratch::new(), Sink::start());
    let address = sink.address();
    let mut arguments = proxy(&address).to_vec();
    arguments.push("--anonymous");
    let server = Server::start(&spool, &arguments);
    submit(server.port, "a@b.test", &["c@d.test"], b"");
    assert_eq!(sink.wait_for(1)[0].content, b"");
}

#[test]
fn twenty_megabytes_arrive_whole() {
    let (spool, sink) = (Scratch::new(), Sink::start());
    let server = Server::start(&spool, &proxy(&sink.address()));
    let content = awkward_message("big", 20 * 1024 * 1024);
    submit(server.port, "me@src.test", &["a@dst.test"], &content);
    let arrived = sink.wait_for(1);
    assert!(
        without_trace(&arrived[0].content) == content,
        "the content differs"
    );
    server.program.wait_for("forwarding: 1 sent");
    assert_eq!(spool.names(), [""; 0]);
}

#[test]
fn a_thousand_small_messages_arrive_whole_over_one_connection() {
    let (spool, sink) = (Scratch::new(), Sink::start());
    let address = sink.address();
    let one = ["--forward-connections", "1"];
    let server = Server::start(&spool, &[&proxy(&address)[..], &one].concat());
    let messages: Vec<Vec<u8>> = (0..1000)
        .map(|n| awkward_message(&format!("number {n:04}"), 200 + n))
        .collect();
    let mut client = Client::connect(server.port);
    client.hello();
    for content in &messages {
        client.send("me@src.test", &["a@dst.test"], content);
    }
    client.quit();
    let arrived = sink.wait_for(1000);
    let contents: Vec<&[u8]> = arrived
        .iter()
        .map(|one| without_trace(&one.content))
        .collect();
    assert!(contents == messages, "contents or their order differ");
    assert_eq!(sink.connections(), 1);
    server.program.wait_for("forwarding: 1000 sent");
    assert_eq!(spool.names(), [""; 0]);
}

#[test]
fn the_envelope_goes_out_in_one_flight_when_the_next_hop_pipelines() {
    let (spool, sink) = (Scratch::new(), Sink::start());
    let server = Server::start(&spool, &proxy(&sink.address()));
    submit(
        server.port,
        "me@src.test",
        &["a@x.test", "b@x.test", "c@x.test"],
        b"x: y\r\n\r\n",
    );
    sink.wait_for(1);
    assert_eq!(sink.flight_max(), 5, "MAIL, three RCPTs and DATA");
}

#[test]
fn without_pipelining_every_command_waits_for_its_reply() {
    let sink = Sink::scripted(&["8BITMIME"], |_, _| Answer::Usual);
    let spool = Scratch::new();
    let server = Server::start(&spool, &proxy(&sink.address()));
    submit(
        server.port,
        "me@src.test",
        &["a@x.test", "b@x.test"],
        b"x: y\r\n\r\n",
    );
    sink.wait_for(1);
    assert_eq!(sink.flight_max(), 1);
}

#[test]
fn a_next_hop_that_knows_only_helo_is_served() {
    let sink = Sink::scripted(&[], |_, command| match command {
        command if command.starts_with("EHLO") => Answer::Reply("502 5.5.1 what?".to_owned()),
        _ => Answer::Usual,
    });
    let spool = Scratch::new();
    let server = Server::start(&spool, &proxy(&sink.address()));
    submit(server.port, "me@src.test", &["a@x.test"], b"x: y\r\n\r\n");
    sink.wait_for(1);
    assert!(
        sink.commands().contains(&"HELO relay.test".to_owned()),
        "{:?}",
        sink.commands()
    );
}

#[test]
fn stray_line_ends_smuggle_nothing() {
    let (spool, sink) = (Scratch::new(), Sink::start());
    let server = Server::start(&spool, &proxy(&sink.address()));
    let mut client = Client::connect(server.port);
    client.hello();
    client.expect("MAIL FROM:<a@b.test>", "250");
    client.expect("RCPT TO:<c@d.test>", "250");
    client.expect("DATA", "354");
    client
        .write(b"x: y\r\n\r\n\n.\nMAIL FROM:<evil@e.test>\r\nRCPT TO:<e@e.test>\r\n.\r\n")
        .unwrap();
    let reply = client.reply().unwrap();
    assert!(reply.starts_with("554 5.6.11"), "{reply}");
    client.send("a@b.test", &["c@d.test"], b"x: good\r\n\r\n");
    client.quit();
    let arrived = sink.wait_for(1);
    assert_eq!(without_trace(&arrived[0].content), b"x: good\r\n\r\n");
}

#[test]
fn one_line_proves_a_delivery() {
    let (spool, sink) = (Scratch::new(), Sink::start());
    let server = Server::start(&spool, &proxy(&sink.address()));
    submit(
        server.port,
        "me@src.test",
        &["a@x.test"],
        b"Message-ID: <1@src.test>\r\n\r\nhello\r\n",
    );
    let accepted = server.program.wait_for("accepted message: ");
    for part in [
        "id=emailrelay.",
        "from=<me@src.test>",
        "to=<a@x.test>",
        "<1@src.test>",
    ] {
        assert!(accepted.contains(part), "{part} in {accepted}");
    }
    let sent = server.program.wait_for("sent message: ");
    let hop = format!("next-hop=127.0.0.1:{}", sink.port);
    for part in [
        "id=emailrelay.",
        "from=<me@src.test>",
        "to=<a@x.test>",
        "message-id=<1@src.test>",
        &hop,
        "250 2.0.0 queued",
    ] {
        assert!(sent.contains(part), "{part} in {sent}");
    }
}

#[test]
fn a_next_hop_that_is_slow_to_read_gets_everything() {
    let sink = Sink::scripted(&["PIPELINING"], |_, command| match command {
        "DATA" => Answer::Slow(Duration::from_secs(2)),
        _ => Answer::Usual,
    });
    let spool = Scratch::new();
    let server = Server::start(&spool, &proxy(&sink.address()));
    let content = awkward_message("slow", 20 * 1024 * 1024);
    submit(server.port, "me@src.test", &["a@dst.test"], &content);
    assert!(without_trace(&sink.wait_for(1)[0].content) == content);
}

#[test]
fn a_client_that_reads_nothing_until_it_has_said_all_is_served() {
    let spool = Scratch::new();
    let server = Server::start(&spool, &[]);
    let mut client = Client::connect(server.port);
    client.hello();
    client.expect("MAIL FROM:<a@b.test>", "250");
    let count = 100_000;
    let mut writer = client.writer();
    let writing = std::thread::spawn(move || {
        let line = b"RCPT TO:<recipient@with-a-longer-name.dst.test>\r\n";
        (0..count).for_each(|_| writer.write_all(line).unwrap());
    });
    // Both directions fill up before the first reply is read.
    std::thread::sleep(Duration::from_millis(500));
    for number in 0..count {
        let reply = client.reply().unwrap();
        let expected = if number < 1000 { "250 " } else { "452 4.5.3" };
        assert!(reply.starts_with(expected), "{number}: {reply}");
    }
    writing.join().unwrap();
}

#[test]
fn a_client_that_leaves_in_the_middle_of_a_command_is_noticed() {
    let spool = Scratch::new();
    let server = Server::start(&spool, &["--idle-timeout", "0"]);
    let mut client = Client::connect(server.port);
    client.write(b"EHLO half").unwrap();
    drop(client);
    server
        .program
        .wait_for("smtp connection closed: peer disconnected");
}
