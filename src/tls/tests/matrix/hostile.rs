//! Peers that speak something else, or nothing that makes sense.

use super::abilities::Abilities;
use super::link::{End, Pair, Random};
use super::{by, client, for_backends, plain_link, server, versions};
use crate::base::ByteQueue;
use crate::tls::{Engine, Error, VerifySource};

fn server_engine(pair: Pair) -> Box<dyn Engine> {
    let settings = server("server", VerifySource::Absent);
    pair.server.server(&settings).unwrap().accept().unwrap()
}

fn client_engine(pair: Pair) -> Box<dyn Engine> {
    let settings = client(VerifySource::Absent, "");
    pair.client.client(&settings).unwrap().connect().unwrap()
}

/// Feeds all of it; the error, and how much was consumed before it.
fn feed(engine: &mut dyn Engine, bytes: &[u8]) -> (Option<Error>, usize) {
    let mut input = ByteQueue::new(bytes.len());
    let mut plain = ByteQueue::new(1000);
    input.push(bytes);
    let result = engine.decrypt(&mut input, &mut plain);
    assert!(plain.is_empty());
    (result.err(), bytes.len() - input.len())
}

fn clear_text_is_refused(pair: Pair) {
    let texts: [&[u8]; 6] = [
        b"EHLO client.example\r\nMAIL FROM:<>\r\n",
        b"220 server.example ready\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\r\n\r\n\r\n\r\n\r\n",
        &[0; 64],
        &[0xFF; 64],
    ];
    for text in texts {
        for mut engine in [server_engine(pair), client_engine(pair)] {
            let (error, _) = feed(&mut *engine, text);
            assert!(matches!(error, Some(Error::Handshake(_))), "{error:?}");
            assert!(!engine.wants_input() && engine.established().is_none());
            assert_eq!(engine.write_plain(b"x"), 0);
            let (again, consumed) = feed(&mut *engine, text);
            assert!(again.is_some(), "the error is forgotten");
            assert_eq!(consumed, 0);
        }
    }
}

/// Feeds it, and takes what the server has to say to that.
fn answer(pair: Pair, bytes: &[u8]) -> Vec<u8> {
    let mut engine = server_engine(pair);
    feed(&mut *engine, bytes);
    let mut answer = ByteQueue::new(100);
    engine.take_cipher(&mut answer);
    assert!(!engine.wants_output());
    answer.as_slice().to_vec()
}

fn a_refusal_says_why(pair: Pair) {
    // RFC 8446 6: an alert has content type 21 and two octets, of which the first is 2
    // for a fatal one.
    let is_alert = |bytes: &[u8]| bytes.len() == 7 && bytes[0] == 21 && bytes[5] == 2;
    // A message of the handshake that there is not.
    let refused = answer(pair, &[22, 3, 1, 0, 4, 99, 0, 0, 0]);
    assert!(is_alert(&refused), "{refused:?}");
    let to_clear_text = answer(pair, b"EHLO client.example\r\n");
    match Abilities::of(pair.server).alerts_to_clear_text {
        true => assert!(is_alert(&to_clear_text), "{to_clear_text:?}"),
        false => assert_eq!(to_clear_text, b""),
    }
}

fn clear_text_is_called_so(pair: Pair) {
    for mut engine in [server_engine(pair), client_engine(pair)] {
        let (error, _) = feed(&mut *engine, b"220 server.example ready\r\n");
        assert_eq!(
            error.unwrap().to_string(),
            "tls handshake failed: what the peer sent is not tls"
        );
    }
}

fn records_and_messages_without_end_are_refused(pair: Pair) {
    let too_long_a_record = [&[22, 3, 1, 0xFF, 0xFF][..], &[1; 70_000]].concat();
    // A message of 16 megabytes, in records of 16 kilobytes.
    let fragment = [&[22, 3, 1, 0x40, 0][..], &[0; 0x4000]].concat();
    let mut too_long_a_message = fragment.repeat(16);
    too_long_a_message[5..9].copy_from_slice(&[1, 0xFF, 0xFF, 0xFF]);
    for bytes in [too_long_a_record, too_long_a_message] {
        let mut engine = server_engine(pair);
        let (error, consumed) = feed(&mut *engine, &bytes);
        assert!(matches!(error, Some(Error::Handshake(_))), "{error:?}");
        assert!(consumed <= 150_000, "{consumed}");
    }
}

fn floods_of_nothing_are_refused(pair: Pair) {
    let warning = [21, 3, 1, 0, 2, 1, 90].repeat(10_000);
    let empty = [22, 3, 1, 0, 0].repeat(10_000);
    for bytes in [warning, empty] {
        let mut engine = server_engine(pair);
        let (error, _) = feed(&mut *engine, &bytes);
        assert!(matches!(error, Some(Error::Handshake(_))), "{error:?}");
    }
}

fn a_broken_handshake_never_becomes_secure(pair: Pair) {
    for (_, version) in versions(pair) {
        for seed in 1..=60 {
            let mut random = Random(seed);
            let mut link = plain_link(pair, version);
            let hello = hello(&mut link.client);
            let mut broken = hello.clone();
            let position = 5 + random.below(hello.len() - 5);
            broken[position] ^= 1 << random.below(8);
            link.server.input = ByteQueue::new(broken.len());
            link.server.input.push(&broken);
            link.server.read();
            // What one has sent and the other received differ, so that the
            // handshake cannot end well.
            assert!(!link.is_secure(), "octet {position} of the hello");
        }
    }
}

fn hostile_names_asked_for_do_no_harm(pair: Pair) {
    let names: [&[u8; 12]; 4] = [
        b"../../../etc",
        b"a\\b\\c\\d\\e\\f\\",
        &[0; 12],
        b"*.*.*.*.*.*.",
    ];
    for name in names {
        let settings = client(by("ca"), "mail.example");
        let engine = pair.client.client(&settings).unwrap().connect().unwrap();
        let mut hello = hello(&mut End::new(engine));
        let position = hello.windows(12).position(|part| part == b"mail.example");
        let position = position.expect("the name is asked for");
        hello[position..position + 12].copy_from_slice(name);
        let mut engine = server_engine(pair);
        // Refused or not: it is nothing that the server looks for.
        let (_, consumed) = feed(&mut *engine, &hello);
        assert!(consumed > 0 && engine.wants_output());
        assert!(engine.established().is_none());
    }
}

fn hello(client: &mut End) -> Vec<u8> {
    let mut wire = ByteQueue::new(10_000);
    client.engine.take_cipher(&mut wire);
    wire.as_slice().to_vec()
}

fn a_broken_record_ends_the_connection_but_not_what_came_before(pair: Pair) {
    for (_, version) in versions(pair) {
        let mut link = plain_link(pair, version);
        link.run();
        let mut wire = ByteQueue::new(1000);
        link.client.engine.write_plain(b"good");
        link.client.engine.take_cipher(&mut wire);
        let good = wire.len();
        link.client.engine.write_plain(b"evil");
        link.client.engine.take_cipher(&mut wire);
        let mut bytes = wire.as_slice().to_vec();
        bytes[good + 10] ^= 1;
        link.server.input.push(&bytes);
        link.server.read();
        assert_eq!(link.server.take_plain(), b"good");
        let error = link.server.error.take();
        assert!(matches!(error, Some(Error::Connection(_))), "{error:?}");
        assert!(!link.server.engine.is_closed_by_peer());
        link.run();
        let error = link.client.error.take();
        assert!(matches!(error, Some(Error::Connection(_))), "{error:?}");
    }
}

fn records_do_not_come_twice_or_out_of_order(pair: Pair) {
    for (_, version) in versions(pair) {
        let mut link = plain_link(pair, version);
        link.run();
        let mut wire = ByteQueue::new(1000);
        link.client.engine.write_plain(b"RCPT TO:<a@b>\r\n");
        link.client.engine.take_cipher(&mut wire);
        let record = wire.as_slice().to_vec();
        link.server.input.push(&record);
        link.server.input.push(&record);
        link.server.read();
        assert_eq!(link.server.take_plain(), b"RCPT TO:<a@b>\r\n");
        assert!(link.server.error.is_some(), "a record was replayed");
    }
}

fn clear_text_within_a_secure_connection_is_refused(pair: Pair) {
    for (_, version) in versions(pair) {
        let mut link = plain_link(pair, version);
        link.run();
        link.server.input.push(b"QUIT\r\n");
        link.server.read();
        let error = link.server.error.take();
        assert!(matches!(error, Some(Error::Connection(_))), "{error:?}");
    }
}

for_backends!(
    clear_text_is_refused,
    a_refusal_says_why,
    clear_text_is_called_so,
    records_and_messages_without_end_are_refused,
    floods_of_nothing_are_refused,
    a_broken_handshake_never_becomes_secure,
    hostile_names_asked_for_do_no_harm,
    a_broken_record_ends_the_connection_but_not_what_came_before,
    records_do_not_come_twice_or_out_of_order,
    clear_text_within_a_secure_connection_is_refused,
);
