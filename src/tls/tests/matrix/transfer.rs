//! Bytes get through, however the network cuts them, and so does the end.

use super::link::{Link, Pair, Random};
use super::{for_backends, plain_link, versions};
use crate::base::ByteQueue;

/// Of cuts between two libraries only every so manieth is tried.
const STEP_BETWEEN_LIBRARIES: usize = 17;

/// A whole connection; panics where anything is lost.
fn converse(link: &mut Link, cut: &mut dyn FnMut(usize) -> usize) {
    link.run_cut(cut);
    assert_eq!(link.client.engine.write_plain(b"EHLO x\r\n"), 8);
    assert_eq!(link.server.engine.write_plain(b"220 y\r\n"), 7);
    link.run_cut(cut);
    assert_eq!(link.client.take_plain(), b"220 y\r\n");
    assert_eq!(link.server.take_plain(), b"EHLO x\r\n");
    assert_eq!(link.server.engine.write_plain(b"221 z\r\n"), 7);
    link.server.engine.close_notify();
    link.run_cut(cut);
    assert_eq!(link.client.take_plain(), b"221 z\r\n");
    assert!(link.client.engine.is_closed_by_peer());
    assert!(link.client.error.is_none() && link.server.error.is_none());
}

fn survives_octets_one_by_one(pair: Pair) {
    for (name, keywords) in versions(pair) {
        let mut link = plain_link(pair, keywords);
        converse(&mut link, &mut |_| 1);
        assert_eq!(link.client.engine.established().unwrap().protocol, name);
        assert_eq!(link.server.engine.established().unwrap().protocol, name);
    }
}

fn survives_a_cut_anywhere(pair: Pair) {
    for (_, keywords) in versions(pair) {
        let mut total = 0;
        converse(&mut plain_link(pair, keywords), &mut |octets| {
            total += octets;
            octets
        });
        assert!(total > 1000);
        // What a cut does is for each engine by itself to bear.
        let step = match pair.client.backend() == pair.server.backend() {
            true => 1,
            false => STEP_BETWEEN_LIBRARIES,
        };
        for position in (1..total).step_by(step) {
            let mut left = position;
            converse(&mut plain_link(pair, keywords), &mut |octets| {
                let now = if left == 0 { octets } else { octets.min(left) };
                left -= now.min(left);
                now
            });
        }
    }
}

fn survives_random_cuts(pair: Pair) {
    for (_, keywords) in versions(pair) {
        for seed in 1..=20 {
            let mut random = Random(seed);
            let mut cut = |octets: usize| 1 + random.below(octets.max(1));
            converse(&mut plain_link(pair, keywords), &mut cut);
        }
    }
}

fn carries_a_megabyte_each_way_through_small_buffers(pair: Pair) {
    const SIZE: usize = 1024 * 1024;
    let content: Vec<u8> = (0..SIZE).map(|n| ((n * 31) >> 3) as u8).collect();
    for (_, keywords) in versions(pair) {
        let mut link = plain_link(pair, keywords);
        let mut random = Random(7);
        link.run();
        let (mut sent, mut received) = ([0, 0], [Vec::new(), Vec::new()]);
        while received.iter().any(|bytes| bytes.len() < SIZE) {
            let before = (sent, received[0].len(), received[1].len());
            sent[0] += link.client.engine.write_plain(&content[sent[0]..]);
            sent[1] += link.server.engine.write_plain(&content[sent[1]..]);
            link.run_cut(&mut |octets| octets.min(1 + random.below(1500)));
            received[0].extend(link.server.take_plain());
            received[1].extend(link.client.take_plain());
            let now = (sent, received[0].len(), received[1].len());
            assert_ne!(before, now, "nothing moves");
        }
        assert!(received[0] == content && received[1] == content);
    }
}

fn accepts_little_that_nobody_takes(pair: Pair) {
    let mut link = plain_link(pair, "");
    assert_eq!(
        link.client.engine.write_plain(b"x"),
        0,
        "before the handshake"
    );
    link.run();
    let chunk = [b'x'; 10_000];
    let mut accepted = 0;
    loop {
        match link.client.engine.write_plain(&chunk) {
            0 => break,
            count => accepted += count,
        }
        assert!(accepted <= 256 * 1024, "no limit");
    }
    assert!(accepted >= 10_000);
    let mut taken = ByteQueue::new(100);
    link.client.engine.take_cipher(&mut taken);
    assert_eq!(taken.len(), 100);
    link.client.engine.take_cipher(&mut taken);
    assert_eq!(taken.len(), 100, "beyond the room");
    assert!(link.client.engine.wants_output());
}

fn holds_input_back_while_plaintext_waits(pair: Pair) {
    let mut link = plain_link(pair, "");
    link.run();
    let content: Vec<u8> = (0u8..200).cycle().take(40_000).collect();
    let mut wire = ByteQueue::new(100_000);
    assert_eq!(link.client.engine.write_plain(&content), content.len());
    link.client.engine.take_cipher(&mut wire);
    let server = &mut link.server.engine;
    server.feed_cipher(&mut wire).unwrap();
    let left = wire.len();
    assert!(left > 0 && !server.wants_input());
    server.feed_cipher(&mut wire).unwrap();
    assert_eq!(wire.len(), left, "consumed without need");
    let mut received = Vec::new();
    while received.len() < content.len() {
        let mut plain = ByteQueue::new(999);
        server.decrypt(&mut wire, &mut plain).unwrap();
        assert!(!plain.is_empty(), "nothing moves");
        received.extend_from_slice(plain.as_slice());
    }
    assert!(received == content && wire.is_empty() && server.wants_input());
}

fn an_end_closes_its_own_direction_only(pair: Pair) {
    for (_, keywords) in versions(pair) {
        let mut link = plain_link(pair, keywords);
        link.run();
        link.client.engine.close_notify();
        link.client.engine.close_notify();
        assert_eq!(link.client.engine.write_plain(b"x"), 0, "after the end");
        link.run();
        assert!(link.server.engine.is_closed_by_peer());
        assert!(!link.server.engine.wants_input());
        assert!(!link.client.engine.is_closed_by_peer());
        assert_eq!(link.server.engine.write_plain(b"bye"), 3);
        link.server.engine.close_notify();
        link.run();
        assert_eq!(link.client.take_plain(), b"bye");
        assert!(link.client.engine.is_closed_by_peer());
    }
}

fn an_end_before_the_handshake_is_told_after_it(pair: Pair) {
    for (_, keywords) in versions(pair) {
        let mut link = plain_link(pair, keywords);
        link.server.engine.close_notify();
        link.run();
        assert_eq!(link.server.engine.write_plain(b"x"), 0);
        assert!(link.client.engine.is_closed_by_peer());
    }
}

fn what_follows_the_end_is_ignored(pair: Pair) {
    let mut link = plain_link(pair, "");
    link.run();
    link.client.engine.write_plain(b"last");
    link.client.engine.close_notify();
    let mut wire = ByteQueue::new(10_000);
    link.client.engine.take_cipher(&mut wire);
    wire.push(b"this is not a record");
    let mut plain = ByteQueue::new(2);
    link.server.engine.decrypt(&mut wire, &mut plain).unwrap();
    plain.consume(2);
    link.server.engine.decrypt(&mut wire, &mut plain).unwrap();
    assert_eq!(plain.as_slice(), b"st");
    assert!(link.server.engine.is_closed_by_peer() && wire.is_empty());
    wire.push(b"nor is this");
    link.server.engine.decrypt(&mut wire, &mut plain).unwrap();
    assert!(wire.is_empty() && plain.as_slice() == b"st");
}

fn an_end_without_notice_is_not_the_end(pair: Pair) {
    for (_, keywords) in versions(pair) {
        let mut link = plain_link(pair, keywords);
        link.run();
        link.client.engine.write_plain(b"354 go");
        link.run();
        assert_eq!(link.server.take_plain(), b"354 go");
        assert!(!link.server.engine.is_closed_by_peer());
        assert!(link.server.engine.wants_input());
    }
}

for_backends!(
    survives_octets_one_by_one,
    survives_a_cut_anywhere,
    survives_random_cuts,
    carries_a_megabyte_each_way_through_small_buffers,
    accepts_little_that_nobody_takes,
    holds_input_back_while_plaintext_waits,
    an_end_closes_its_own_direction_only,
    an_end_before_the_handshake_is_told_after_it,
    what_follows_the_end_is_ignored,
    an_end_without_notice_is_not_the_end,
);
