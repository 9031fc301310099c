use std::path::Path;
use std::time::Instant;

use super::*;
use crate::relay::limits::CIPHER_WAITING_MAX;
use crate::relay::parting::Parting;
use crate::sys::socket::{Address, Listener};
use crate::sys::testing::LONG;
use crate::tls::{self, CertificateFiles, ClientSettings, Keywords, ServerSettings, VerifySource};

/// Two connections joined by sockets of the loopback interface.
struct Pair {
    client: Connection,
    server: Connection,
    scratch: Vec<u8>,
}

fn pair() -> Pair {
    let any = Address::Tcp("127.0.0.1:0".parse().unwrap());
    let listener = Listener::bind(&any, 1).unwrap();
    let client = Stream::connect(&listener.local_address().unwrap(), None).unwrap();
    let server = wait(|| listener.accept().ok().map(|(stream, _)| stream));
    Pair {
        client: Connection::new(client),
        server: Connection::new(server),
        scratch: vec![0; BUFFER_MAX],
    }
}

/// The same with TLS started at both ends; nothing without a TLS library.
fn encrypted() -> Option<Pair> {
    let provider = tls::provider(None).ok()?;
    let certificate = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pki/server-all.pem");
    let settings = ServerSettings {
        certificate: CertificateFiles::new([certificate]).unwrap(),
        verify: VerifySource::None,
        keywords: Keywords::default(),
    };
    let mut pair = pair();
    let acceptor = provider.server(&settings).unwrap();
    let connector = provider.client(&ClientSettings::default()).unwrap();
    pair.server.start_tls(acceptor.accept().unwrap());
    pair.client.start_tls(connector.connect().unwrap());
    Some(pair)
}

fn wait<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + LONG;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < until, "nothing happens");
        std::thread::yield_now();
    }
}

impl Pair {
    fn turn(&mut self) {
        self.client.flush().unwrap();
        self.client.read(&mut self.scratch).unwrap();
        self.server.flush().unwrap();
        self.server.read(&mut self.scratch).unwrap();
    }

    fn shake_hands(&mut self) {
        wait(|| {
            self.turn();
            let both = self.client.tls().is_some() && self.server.tls().is_some();
            both.then_some(())
        });
    }

    /// What reading brings at the server, once it brings anything.
    fn arrival(&mut self) -> io::Result<Arrival> {
        wait(|| match self.server.read(&mut self.scratch) {
            Ok(Arrival::Nothing) => None,
            other => Some(other),
        })
    }
}

#[test]
fn carries_bytes_both_ways_in_clear_and_encrypted() {
    for pair in [Some(pair()), encrypted()] {
        let Some(mut pair) = pair else { continue };
        let message: Vec<u8> = (0u8..=255).cycle().take(1_000_000).collect();
        let (mut unsent, mut echoed) = (&message[..], Vec::new());
        wait(|| {
            let count = pair.client.output.push(unsent);
            unsent = &unsent[count..];
            pair.turn();
            let count = pair.server.output.push(pair.server.input.as_slice());
            pair.server.input.consume(count);
            echoed.extend_from_slice(pair.client.input.as_slice());
            pair.client.input.clear();
            (echoed.len() >= message.len()).then_some(())
        });
        assert!(echoed == message);
    }
}

#[test]
fn output_waits_for_the_handshake() {
    let Some(mut pair) = encrypted() else { return };
    pair.server.output.push(b"220 hello\r\n");
    assert!(pair.server.is_handshaking() && pair.server.tls().is_none());
    pair.server.flush().unwrap();
    assert_eq!(pair.server.output.len(), 11);
    // Nothing can be written, so there is nothing to wake up for but the peer.
    let interest = pair.server.interest(false).unwrap();
    assert!(interest.read && !interest.write);
    pair.shake_hands();
    wait(|| {
        pair.turn();
        (pair.client.input.as_slice() == b"220 hello\r\n").then_some(())
    });
    assert!(!pair.server.is_handshaking());
    let session = pair.server.tls().unwrap();
    assert_eq!(session.protocol, "TLSv1.3");
    assert!(pair.server.interest(false).is_none());
}

#[test]
fn never_holds_plaintext_beyond_the_limit() {
    let Some(mut pair) = encrypted() else { return };
    pair.shake_hands();
    let message = vec![b'x'; 10 * BUFFER_MAX];
    let mut unsent = &message[..];
    // The server does not consume anything, so it stops reading at some time.
    wait(|| {
        let count = pair.client.output.push(unsent);
        unsent = &unsent[count..];
        pair.turn();
        pair.server.interest(true).is_none().then_some(())
    });
    let held = pair.server.input.len();
    assert!(held <= BUFFER_MAX, "{held}");
    assert_eq!(
        pair.server.read(&mut pair.scratch).unwrap(),
        Arrival::Nothing
    );
    // All that was decrypted can be consumed: nothing is stuck in between.
    let mut received = 0;
    wait(|| {
        received += pair.server.input.len();
        pair.server.input.clear();
        let count = pair.client.output.push(unsent);
        unsent = &unsent[count..];
        pair.turn();
        (received + pair.server.input.len() == message.len()).then_some(())
    });
}

#[test]
fn a_slow_reader_bounds_the_ciphertext() {
    let Some(mut pair) = encrypted() else { return };
    pair.shake_hands();
    let chunk = vec![b'x'; BUFFER_MAX];
    for _ in 0..2000 {
        pair.server.output.push(&chunk);
        pair.server.flush().unwrap();
        let layer = pair.server.tls.as_ref().unwrap();
        assert!(layer.waiting_octets() <= CIPHER_WAITING_MAX);
    }
    assert_eq!(pair.server.output.room(), 0);
    assert!(pair.server.interest(false).unwrap().write);
}

#[test]
fn tells_an_orderly_end_from_a_truncation() {
    let Some(mut pair) = encrypted() else { return };
    pair.shake_hands();
    pair.client.output.push(b"QUIT\r\n");
    pair.client.flush().unwrap();
    pair.client.shut_down_output();
    wait(|| {
        let end = pair.server.read(&mut pair.scratch).unwrap() == Arrival::End;
        end.then_some(())
    });
    assert_eq!(pair.server.input.as_slice(), b"QUIT\r\n");

    let Some(mut pair) = encrypted() else { return };
    pair.shake_hands();
    // As if somebody on the way had ended the connection.
    pair.client.stream.shutdown_write().unwrap();
    assert_eq!(pair.arrival().unwrap(), Arrival::Truncated);

    let mut clear = self::pair();
    clear.client.shut_down_output();
    assert_eq!(clear.arrival().unwrap(), Arrival::End);
}

#[test]
fn an_end_within_the_handshake_is_a_truncation() {
    let Some(mut pair) = encrypted() else { return };
    pair.client.stream.shutdown_write().unwrap();
    assert_eq!(pair.arrival().unwrap(), Arrival::Truncated);
}

#[test]
fn clear_text_in_the_place_of_a_handshake_is_an_error_and_is_told() {
    let Some(mut pair) = encrypted() else { return };
    pair.client.tls = None;
    pair.client.output.push(b"EHLO me\r\n");
    pair.client.flush().unwrap();
    let error = pair.arrival().unwrap_err();
    assert!(error.to_string().contains("not tls"), "{error}");
    wait(|| {
        pair.client.read(&mut pair.scratch).unwrap();
        // RFC 8446 6: the type of an alert.
        (pair.client.input.as_slice().first() == Some(&21)).then_some(())
    });
}

#[test]
fn knows_what_came_before_the_handshake() {
    let mut pair = pair();
    assert!(!pair.server.has_unread_plain());
    pair.client.output.push(b"STARTTLS\r\nNOOP\r\n");
    pair.client.flush().unwrap();
    assert_eq!(pair.arrival().unwrap(), Arrival::Bytes);
    pair.server.input.consume(10);
    assert!(pair.server.has_unread_plain());
    pair.server.input.clear();
    assert!(!pair.server.has_unread_plain());
}

/// What a peer that is gone had answered is not lost with the connection.
#[test]
fn what_came_before_writing_failed_can_be_read() {
    let mut pair = pair();
    pair.server.output.push_all(b"250 ok\r\n");
    pair.server.flush().unwrap();
    pair.client.output.push_all(b"nobody reads this");
    pair.client.flush().unwrap();
    drop(pair.server);
    wait(|| {
        pair.client.output.push_all(b"x");
        pair.client.flush().err()
    });
    let arrival = pair.client.read(&mut pair.scratch).unwrap();
    assert_eq!(arrival, Arrival::Bytes);
    assert_eq!(pair.client.input.as_slice(), b"250 ok\r\n");
}

#[test]
fn what_tls_has_taken_has_not_been_sent_for_that() {
    let Some(mut pair) = encrypted() else { return };
    pair.shake_hands();
    assert!(pair.server.is_flushed());
    let mut sent = 0;
    // Nobody reads, so the socket is full sooner or later.
    while pair.server.is_flushed() || !pair.server.output.is_empty() {
        sent += pair.server.output.push(&[b'x'; 1000]);
        pair.server.flush().unwrap();
    }
    assert!(pair.server.interest(false).unwrap().write);
    assert!(!pair.server.shut_down_output(), "there is no room for it");
    let mut received = 0;
    let end = wait(|| {
        pair.server.flush().unwrap();
        if pair.server.is_flushed() {
            pair.server.shut_down_output();
        }
        let arrival = pair.client.read(&mut pair.scratch).unwrap();
        received += pair.client.input.len();
        pair.client.input.clear();
        matches!(arrival, Arrival::End | Arrival::Truncated).then_some(arrival)
    });
    assert_eq!((end, received), (Arrival::End, sent));
}

/// A server with TLS that has more to say than its client takes.
fn parting_server() -> Option<(Pair, Parting, Instant)> {
    let mut pair = encrypted()?;
    let mut scratch = vec![0; 1 << 16];
    wait(|| {
        for end in [&mut pair.client, &mut pair.server] {
            end.flush().unwrap();
            end.read(&mut scratch).unwrap();
        }
        let is_done = !pair.client.is_handshaking() && !pair.server.is_handshaking();
        is_done.then_some(())
    });
    wait(|| {
        let _ = pair.server.output.push(&[b'x'; 4096]);
        pair.server.flush().unwrap();
        (!pair.server.output.is_empty()).then_some(())
    });
    let now = Instant::now();
    Some((pair, Parting::new(now, false), now))
}

// Else the loop would be told of room to write for as long as replies may wait.
#[test]
fn parting_ends_with_the_first_error_of_tls_whatever_waits() {
    let Some((mut pair, mut parting, now)) = parting_server() else {
        return;
    };
    assert!(!parting.is_done(&mut pair.server, now));
    let record = [b"\x17\x03\x03\x00\x20".as_slice(), &[b'x'; 32]].concat();
    (&pair.client.stream).write_all(&record).unwrap();
    let mut scratch = vec![0; 1 << 16];
    wait(|| {
        parting.read(&mut pair.server, &mut scratch);
        parting.is_done(&mut pair.server, now).then_some(())
    });
    assert!(!parting.wants_input());
}

#[test]
fn parting_ends_when_the_peer_leaves_in_the_middle_of_the_handshake() {
    let Some(Pair {
        mut server, client, ..
    }) = encrypted()
    else {
        return;
    };
    let now = Instant::now();
    let mut parting = Parting::new(now, false);
    server.output.push(b"421 later\r\n");
    assert!(!parting.is_done(&mut server, now));
    drop(client);
    let mut scratch = vec![0; 1 << 16];
    wait(|| {
        parting.read(&mut server, &mut scratch);
        parting.is_done(&mut server, now).then_some(())
    });
}
