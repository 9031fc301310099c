//! The limits of the process as a whole; those of a protocol are with its machine.

use std::time::Duration;

/// What a session reads or has to write, in octets, before it is told to wait.
pub const BUFFER_MAX: usize = 64 * 1024;

/// Ciphertext that is read at once, in octets.
pub const CIPHER_READ_MAX: usize = 16 * 1024;

/// Ciphertext that waits for the socket, in octets.
pub const CIPHER_WAITING_MAX: usize = 32 * 1024;

/// The longest record of TLS, in octets with its header.
// RFC 5246 6.2.3; RFC 8446 5.2 allows less.
pub const TLS_RECORD_MAX: usize = 5 + 16 * 1024 + 2048;

/// Content is handed to the disk in chunks of this size, in octets.
pub const CHUNK: usize = 64 * 1024;

/// How much of a content is looked at for the Message-ID that the log is to have, in
/// octets.
pub const HEADER_LOOK_MAX: usize = 32 * 1024;

/// Content of messages that are about to be forwarded, in octets, after which no
/// further ones are locked at the same time.
pub const LOADED_OCTETS_MAX: usize = 4 * CHUNK;

/// Next hops about which something is remembered.
pub const HOPS_REMEMBERED_MAX: usize = 100;

/// Messages that wait, locked, in one session with a next hop.
pub const PREFETCH_MAX: usize = 32;

/// Content that may wait for the disk, in octets, before reading pauses.
pub const CHUNKS_WAITING_MAX: usize = 2 * CHUNK;

/// How long a TLS handshake may take.
pub const HANDSHAKE_MAX: Duration = Duration::from_secs(30);

/// Threads that work on the disk.
pub const DISK_THREADS_MAX: usize = 12;

/// Threads that look names up.
pub const LOOKUP_THREADS_MAX: usize = 4;

/// Filters that run at once, programs and those that are built in; further ones
/// wait for their turn.
pub const FILTER_THREADS_MAX: usize = 20;

/// How long a message may wait for the turn of a filter.
// RFC 5321 4.5.3.2.6: clients wait for ten minutes, of which the filter needs some.
pub const FILTER_TURN_MAX: Duration = Duration::from_secs(300);

/// Verifiers that run at once; further ones wait for their turn.
pub const PROGRAM_THREADS_MAX: usize = 20;

/// How long a question for a verifier may wait for its turn.
// RFC 5321 4.5.3.2.3: clients wait for five minutes, of which the verifier needs some.
pub const VERIFIER_TURN_MAX: Duration = Duration::from_secs(120);

/// SMTP sessions at once, where the descriptors allow as many.
pub const SESSIONS_MAX: usize = 10_000;

/// SMTP sessions of one client at once.
pub const SESSIONS_PER_CLIENT_MAX: usize = 100;

/// Sessions with administrators at once.
pub const ADMIN_SESSIONS_MAX: usize = 16;

/// Sessions with programs that watch at once.
pub const METRICS_SESSIONS_MAX: usize = 16;

/// Datagrams that are taken from one socket before others get their turn.
pub const DATAGRAMS_MAX: usize = 16;

/// How often to look whether the system's name servers are still the same.
pub const NAME_SERVERS_EVERY: Duration = Duration::from_secs(10);

/// Descriptors that are not for sessions: standard streams, listeners, the waker,
/// the spool, log files and the next hop.
pub const DESCRIPTORS_RESERVED: usize = 16;

/// POP sessions at once, where the descriptors allow as many.
pub const POP_SESSIONS_MAX: usize = 1000;

/// Content is read for POP clients in pieces of this size, in octets.
pub const POP_PIECE: usize = 32 * 1024;

/// What waits for a POP client, in octets, before more is made for it.
pub const POP_LOW_WATER: usize = 16 * 1024;

/// Pieces of a response or groups of commands that a POP session deals with before
/// others get their turn.
pub const POP_STEPS_MAX: u32 = 16;

/// How long sessions may take to finish once the program was told to stop.
pub const SHUTDOWN_MAX: Duration = Duration::from_secs(10);

/// How much of that is left when sessions are told that the rest of their work has no
/// time any more.
pub const FAREWELL: Duration = Duration::from_secs(1);

/// The same once it was told so again.
pub const HURRIED_SHUTDOWN_MAX: Duration = Duration::from_secs(1);

/// Signals to stop that come within this time count as one.
pub const SAME_SIGNAL_MAX: Duration = Duration::from_millis(500);

/// Sessions with the next hop that fail one after the other, with no message
/// settled, before a pass gives up.
pub const ROUTE_FAILURES_MAX: u32 = 10;

/// Who may wait for a forwarding pass that has not begun.
pub const FLUSHES_MAX: usize = 100;

/// Deletions after which the spool directory is synced.
pub const DELETIONS_UNSYNCED_MAX: u32 = 100;

/// How many SMTP sessions the descriptors suffice for: each may need two more for
/// the files of its message or, before that, so many to ask name servers by, and
/// so many for connections of its own.
pub fn sessions_max(descriptors: u64, questions: usize, connections: usize) -> usize {
    let descriptors = usize::try_from(descriptors).unwrap_or(usize::MAX);
    let each = 1 + questions.max(2) + connections;
    (descriptors.saturating_sub(DESCRIPTORS_RESERVED) / each).clamp(1, SESSIONS_MAX)
}

/// How many of so many sessions may be those of SMTP and of POP clients, whose files
/// take one descriptor more.
pub fn shares(sessions_max: usize, smtp: bool, pop: bool) -> (usize, usize) {
    let of_pop = match (smtp, pop) {
        (_, false) => 0,
        (true, true) => sessions_max / 4,
        (false, true) => sessions_max,
    };
    let most = POP_SESSIONS_MAX.max(1);
    let pop_max = (of_pop * 3 / 4).clamp(1, most);
    (
        sessions_max.saturating_sub(of_pop.min(most)).max(1),
        pop_max,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_share_the_descriptors() {
        assert_eq!(shares(16, true, false).0, 16);
        assert_eq!(shares(16, true, true), (12, 3));
        assert_eq!(shares(16, false, true).1, 12);
        assert_eq!(shares(1, true, true), (1, 1));
        assert_eq!(shares(10_000, true, true), (9000, POP_SESSIONS_MAX));
    }

    #[test]
    fn sessions_leave_descriptors_for_their_files() {
        assert_eq!(sessions_max(64, 0, 0), 16);
        assert_eq!(sessions_max(64, 2, 0), 16);
        assert_eq!(sessions_max(64, 5, 0), 8);
        assert_eq!(sessions_max(64, 0, 1), 12);
        assert_eq!(sessions_max(10, 0, 0), 1);
        assert_eq!(sessions_max(1 << 20, 0, 0), SESSIONS_MAX);
        assert_eq!(sessions_max(u64::MAX, 384, 1), SESSIONS_MAX);
    }
}
