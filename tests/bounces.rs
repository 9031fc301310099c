//! Senders are told of mail that cannot be delivered.

use crate::forwarding::{ending, forward, grumpy, read, store};
use crate::support::client::Client;
use crate::support::program::{Scratch, Server};
use crate::support::sink::{Answer, Sink};

#[test]
fn a_sender_is_told_and_the_message_is_gone() {
    let spool = Scratch::new();
    store(&spool, 1);
    let refusing = grumpy("RCPT", "550 5.1.1 no such user");
    let (status, log) = forward(&spool, &refusing.address(), &["--bounce"]);
    assert_eq!(status, 1, "{log}");
    assert!(log.contains("bounced message: id="), "{log}");
    assert_eq!(spool.names().len(), 2, "{:?}", spool.names());
    let sink = Sink::start();
    assert_eq!(forward(&spool, &sink.address(), &["--bounce"]).0, 0);
    let bounce = &sink.arrived()[0];
    assert_eq!(bounce.reverse_path, "");
    assert_eq!(bounce.forward_paths, ["me@src.test"]);
    let text = String::from_utf8(bounce.content.clone()).unwrap();
    for part in [
        "From: Mail Delivery System <MAILER-DAEMON@relay.test>\r\n",
        "To: <me@src.test>\r\n",
        "Final-Recipient: rfc822; to0@dst.test\r\nAction: failed\r\nStatus: 5.1.1\r\n\
            Diagnostic-Code: smtp; 550 5.1.1 no such user\r\n",
        "\r\nx: y\r\n",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains("hello"), "{text}");
}

#[test]
fn a_bounce_that_is_refused_is_kept_and_makes_no_other() {
    let spool = Scratch::new();
    store(&spool, 1);
    let refusing = grumpy("RCPT", "550 5.1.1 no such user");
    for _ in 0..3 {
        forward(&spool, &refusing.address(), &["--bounce"]);
    }
    assert_eq!(spool.names().len(), 2, "{:?}", spool.names());
    let bad = read(&spool, &ending(&spool, ".envelope.bad")[0]);
    assert!(bad.contains("X-MailRelay-From: \r\n"), "{bad}");
}

#[test]
fn what_the_next_hop_cannot_take_does_not_keep_the_bounce_from_it() {
    let spool = Scratch::new();
    let server = Server::start(&spool, &["--server-smtp-config", "smtputf8"]);
    let mut client = Client::connect(server.port);
    client.hello();
    client.expect("MAIL FROM:<me@src.test> SMTPUTF8 BODY=8BITMIME", "250");
    client.expect("RCPT TO:<jos\u{e9}@dst.test>", "250");
    client.expect("DATA", "354");
    client.expect("Subject: gr\u{fc}\u{df}e\r\n\r\nhello\r\n.", "250");
    client.quit();
    drop(server);
    let old = Sink::scripted(&["PIPELINING"], |_, _| Answer::Usual);
    let options = ["--bounce", "--client-smtp-config", "eightbitstrict"];
    let (_, log) = forward(&spool, &old.address(), &options);
    assert!(log.contains("5.6.7 peer does not offer SMTPUTF8"), "{log}");
    assert_eq!(forward(&spool, &old.address(), &options).0, 0);
    let arrived = old.arrived();
    let bounce = String::from_utf8(arrived[0].content.clone()).unwrap();
    assert!(bounce.is_ascii(), "{bounce}");
    let recipient = "\r\nFinal-Recipient: utf-8; jos\\x{E9}@dst.test\r\n";
    assert!(bounce.contains(recipient), "{bounce}");
    assert!(bounce.contains("\r\nSubject: gr??e\r\n"), "{bounce}");
    assert_eq!(spool.names(), [""; 0]);
}
