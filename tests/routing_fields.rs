//! Fields of the envelope by which filters say where a message goes and in whose
//! name, all the way to the next hop that it was meant for.

use std::fs;
use std::net::TcpListener;

use crate::support::address::unused;
use crate::support::client::{Client, submit};
use crate::support::executable::script;
use crate::support::name_server::Dnsmasq;
use crate::support::program::{Scratch, Server, run};
use crate::support::sink::{Answer, Sink};
use crate::support::skip_without;

const MESSAGE: &[u8] = b"Subject: x\r\n\r\ntext\r\n";

/// The exchanges of two domains, which have the same port, and who knows of them: one
/// domain has only one, and the other has two, of which nobody is at the better one.
fn exchanges() -> (Sink, Sink, Dnsmasq) {
    let [one, nobody, other] = [(); 3].map(|()| unused().ip());
    let port = unused().port();
    let dnsmasq = Dnsmasq::start(&[
        "--mx-host=one.test,mx.one.test,10",
        "--mx-host=two.test,mx1.two.test,10",
        "--mx-host=two.test,mx2.two.test,20",
        &format!("--host-record=mx.one.test,{one}"),
        &format!("--host-record=mx1.two.test,{nobody}"),
        &format!("--host-record=mx2.two.test,{other}"),
    ]);
    let sink = |host| {
        let listener = TcpListener::bind((host, port)).unwrap();
        Sink::on(listener, &["PIPELINING"], |_, _| Answer::Usual)
    };
    (sink(one), sink(other), dnsmasq)
}

/// Forwards with `mx:`, by way of a server that is not there.
fn forward(spool: &Scratch, dnsmasq: &Dnsmasq) -> (i32, String) {
    let nowhere = unused().to_string();
    let filter = format!("--client-filter=mx:127.0.0.1:{}", dnsmasq.port);
    let spool = format!("--spool-dir={}", spool.path().display());
    let (status, _, log) = run(&["--as-client", &nowhere, &filter, &spool]);
    (status, log)
}

fn forward_paths(sink: &Sink) -> Vec<String> {
    let arrived = sink.arrived();
    let mut paths: Vec<String> = arrived
        .into_iter()
        .flat_map(|one| one.forward_paths)
        .collect();
    paths.sort();
    paths
}

#[test]
fn each_domain_of_a_split_message_gets_its_part_at_its_exchange() {
    if skip_without("/usr/sbin/dnsmasq") {
        return;
    }
    let (one, two, dnsmasq) = exchanges();
    let spool = Scratch::new();
    let server = Server::start(&spool, &[&format!("--filter=split:{}", one.port)]);
    let mut client = Client::connect(server.port);
    client.hello();
    let to = ["a@one.test", "b@two.test", "c@one.test", "d@two.test"];
    client.send("me@src.test", &to, MESSAGE);
    drop(server);
    let (status, log) = forward(&spool, &dnsmasq);
    assert_eq!(status, 0, "{log}");
    assert_eq!(forward_paths(&one), ["a@one.test", "c@one.test"]);
    assert_eq!(forward_paths(&two), ["b@two.test", "d@two.test"]);
    assert!(log.contains("trying the next"), "{log}");
    assert!(spool.names().is_empty(), "{:?}", spool.names());
}

#[test]
fn a_program_may_say_whose_exchange_a_message_goes_to() {
    if skip_without("/usr/sbin/dnsmasq") {
        return;
    }
    let (one, two, dnsmasq) = exchanges();
    let (spool, work) = (Scratch::new(), Scratch::new());
    let port = one.port;
    let text = format!("sed -i 's/\\(-ForwardTo:\\) .*/\\1 hub@two.test:{port}\\r/' \"$2\"\n");
    let filter = format!("--filter={}", script(&work, "route", &text));
    let server = Server::start(&spool, &[&filter]);
    submit(server.port, "me@src.test", &["a@one.test"], MESSAGE);
    drop(server);
    let (status, log) = forward(&spool, &dnsmasq);
    assert_eq!(status, 0, "{log}");
    assert_eq!(forward_paths(&two), ["a@one.test"]);
    assert!(one.arrived().is_empty());
    assert!(spool.names().is_empty(), "{:?}", spool.names());
}

#[test]
fn the_next_hop_is_told_the_submitter_that_a_filter_has_set() {
    let (spool, work) = (Scratch::new(), Scratch::new());
    let text = "sed -i 's/\\(-MailFromAuthOut:\\) .*/\\1 a+2Bb@src.test\\r/' \"$2\"\n";
    let filter = format!("--filter={}", script(&work, "submitter", text));
    for filters in [&[filter.as_str()][..], &[]] {
        let server = Server::start(&spool, filters);
        submit(server.port, "me@src.test", &["a@dst.test"], MESSAGE);
    }
    let sink = Sink::scripted(&["AUTH PLAIN"], |_, command| {
        match command.starts_with("AUTH") {
            true => Answer::Reply("235 2.7.0 ok".to_owned()),
            false => Answer::Usual,
        }
    });
    let secrets = work.join("secrets");
    fs::write(&secrets, "client plain bob pw\n").unwrap();
    let to_spool = format!("--spool-dir={}", spool.path().display());
    let login = ["--client-auth", &secrets, "--client-auth-config=m:plain"];
    let to_sink = sink.address();
    let arguments = [&["--as-client", &to_sink, &to_spool][..], &login].concat();
    let (status, _, log) = run(&arguments);
    assert_eq!(status, 0, "{log}");
    let arrived = sink.arrived();
    let mut said: Vec<&str> = arrived.iter().map(|one| one.parameters.trim()).collect();
    said.sort_unstable();
    assert_eq!(said, ["AUTH=a+2Bb@src.test", "AUTH=bob"]);
}
