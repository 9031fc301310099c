//! Peers that will send no more, but may still read: WSAPoll reports a hang-up for them,
//! asked for or not, where poll(2) does so only when neither side can send any more. Who
//! waits for room for output would be told again and again that there is something, and
//! find that there is not. So these are looked at now and then.

use std::io;
use std::time::{Duration, Instant};

use super::super::ffi;
use super::{READ, RawEntry, WRITE, ready, wait_for_all};

/// How long room for output goes unnoticed at most.
const LOOK: Duration = Duration::from_millis(50);

/// As [`wait_for_all`], but such a peer alone is nothing that has happened.
pub(super) fn wait(entries: &mut [RawEntry], timeout_ms: i32) -> io::Result<usize> {
    let timeout = u64::try_from(timeout_ms).ok().map(Duration::from_millis);
    let until = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    let mut wait_ms = timeout_ms;
    loop {
        wait_for_all(entries, wait_ms)?;
        let closed: Vec<bool> = entries.iter().map(is_half_closed).collect();
        if !closed.contains(&true) {
            return Ok(ready(entries));
        }
        let ours = entries
            .iter_mut()
            .zip(&closed)
            .filter(|(_, closed)| **closed);
        ours.for_each(|(entry, _)| entry.forget());
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        if ready(entries) > 0 || left == Some(Duration::ZERO) {
            return Ok(ready(entries));
        }
        wait_for_others(entries, &closed, left.map_or(LOOK, |left| left.min(LOOK)))?;
        if ready(entries) > 0 {
            return Ok(ready(entries));
        }
        wait_ms = 0;
    }
}

/// Whether all that is told of a peer that is only written to is that it has hung up.
fn is_half_closed(entry: &RawEntry) -> bool {
    let awaits_room = entry.0.events & (READ | WRITE) == WRITE;
    let others = WRITE | ffi::POLLERR | ffi::POLLNVAL;
    awaits_room && entry.reported() & ffi::POLLHUP != 0 && entry.reported() & others == 0
}

fn wait_for_others(entries: &mut [RawEntry], closed: &[bool], time: Duration) -> io::Result<()> {
    let places = || (0..closed.len()).filter(|place| !closed[*place]);
    let mut others: Vec<RawEntry> = places().map(|place| entries[place]).collect();
    let time_ms = i32::try_from(time.as_nanos().div_ceil(1_000_000)).unwrap_or(i32::MAX);
    wait_for_all(&mut others, time_ms)?;
    for (place, other) in places().zip(others) {
        entries[place] = other;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{Shutdown, TcpListener, TcpStream};

    use super::*;
    use crate::sys::address::Address;
    use crate::sys::socket::Stream;

    /// A stream that takes no more, and its peer, which will send no more.
    fn full() -> (Stream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = Address::Tcp(listener.local_addr().unwrap());
        let stream = Stream::connect(&address, None).unwrap();
        let (peer, _) = listener.accept().unwrap();
        while (&stream).write(&[0; 65536]).is_ok() {}
        peer.shutdown(Shutdown::Write).unwrap();
        (stream, peer)
    }

    #[test]
    fn who_waits_for_room_is_not_told_that_the_peer_sends_no_more() {
        let (stream, mut peer) = full();
        let mut entries = [RawEntry::new(stream.raw(), WRITE)];
        let begin = Instant::now();
        assert_eq!(super::super::wait(&mut entries, 300).unwrap(), 0);
        assert!(begin.elapsed() >= Duration::from_millis(300));
        // Who reads finds the end.
        let mut reading = [RawEntry::new(stream.raw(), READ | WRITE)];
        assert_eq!(super::super::wait(&mut reading, 60_000).unwrap(), 1);
        // Room is found as before.
        peer.set_nonblocking(true).unwrap();
        let mut scratch = vec![0; 1 << 20];
        while super::super::wait(&mut entries, 0).unwrap() == 0 {
            let _ = peer.read(&mut scratch);
            assert!(begin.elapsed() < Duration::from_secs(60));
        }
        assert_ne!(entries[0].reported() & WRITE, 0);
    }

    #[test]
    fn others_are_heard_meanwhile() {
        let (stream, _peer) = full();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = Address::Tcp(listener.local_addr().unwrap());
        let ears = Stream::connect(&address, None).unwrap();
        let (mut mouth, _) = listener.accept().unwrap();
        let mut entries = [
            RawEntry::new(stream.raw(), WRITE),
            RawEntry::new(ears.raw(), READ),
        ];
        assert_eq!(super::super::wait(&mut entries, 100).unwrap(), 0);
        mouth.write_all(b"x").unwrap();
        assert_eq!(super::super::wait(&mut entries, 10_000).unwrap(), 1);
        assert_eq!(entries[0].reported(), 0);
        assert_ne!(entries[1].reported() & READ, 0);
    }
}
