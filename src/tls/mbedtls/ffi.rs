//! The functions of `shim.c` made safe: handles that free themselves, slices, and a
//! lock. The only file of the room with unsafe code in it.
//!
//! Mbed TLS can be built to be used by several threads, but need not be; and even
//! then what it keeps with a private key of an elliptic curve is changed by each
//! signature without a lock. So one lock of ours is held during each call that can
//! reach what connections share. Connections are all served by one thread, and the
//! others, which read certificates, hold it for one certificate at a time.

#![allow(unsafe_code)]

use std::ffi::{CStr, CString, c_char, c_int, c_uchar, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::{self, NonNull};
use std::sync::{Arc, Mutex, PoisonError};

use super::verify::{Faults, Judge};
use crate::base::ByteQueue;
use crate::sys::random;

/// Room for what one call may have to say: what is left of one record, and another
/// one, each of at most 16 KiB and what encryption adds.
const SAID_MAX: usize = 40 * 1024;

const WANT_READ: c_int = -0x6900;
const WANT_WRITE: c_int = -0x6880;
const PEER_CLOSE_NOTIFY: c_int = -0x7880;
const FATAL_ALERT_MESSAGE: c_int = -0x7780;

/// The library is used by whoever holds this.
static LIBRARY: Mutex<()> = Mutex::new(());

fn locked<R>(call: impl FnOnce() -> R) -> R {
    // It guards no data of ours that a panic could leave half done.
    let _guard = LIBRARY.lock().unwrap_or_else(PoisonError::into_inner);
    call()
}

enum RawConfig {}
enum RawConnection {}

#[repr(C)]
struct RawIo {
    input: *const c_uchar,
    input_octets: usize,
    output: *mut c_uchar,
    output_room: usize,
}

type RawRandom = extern "C" fn(*mut c_uchar, usize) -> c_int;
type RawJudge = extern "C" fn(*const c_void, *const c_uchar, usize, c_int, u32, u32) -> u32;

unsafe extern "C" {
    safe fn shim_lowest_version() -> c_int;
    safe fn shim_highest_version() -> c_int;
    fn shim_version_text(text: *mut c_char);
    safe fn shim_is_same_version() -> c_int;
    fn shim_error_text(error: c_int, text: *mut c_char, room: usize);
    fn shim_config_new(is_server: c_int, random: RawRandom, error: *mut c_int) -> *mut RawConfig;
    fn shim_config_free(config: *mut RawConfig);
    fn shim_config_versions(config: *mut RawConfig, lowest: c_int, highest: c_int);
    fn shim_config_suites(config: *mut RawConfig, numbers: *const u16, count: usize) -> c_int;
    fn shim_config_client_order(config: *mut RawConfig);
    fn shim_config_key(config: *mut RawConfig, der: *const c_uchar, octets: usize) -> c_int;
    fn shim_config_certificate(config: *mut RawConfig, der: *const c_uchar, octets: usize)
    -> c_int;
    fn shim_config_check_pair(config: *mut RawConfig) -> c_int;
    fn shim_config_check_server(config: *const RawConfig) -> c_int;
    fn shim_config_show_identity(config: *mut RawConfig) -> c_int;
    fn shim_config_authority(config: *mut RawConfig, der: *const c_uchar, octets: usize) -> c_int;
    fn shim_config_verify(config: *mut RawConfig, judge: Option<RawJudge>, context: *const c_void);
    fn shim_config_tickets(config: *mut RawConfig, seconds: u32, with_tls13: c_int) -> c_int;
    fn shim_connection_new(
        config: *const RawConfig,
        name: *const c_char,
        error: *mut c_int,
    ) -> *mut RawConnection;
    fn shim_connection_free(connection: *mut RawConnection);
    fn shim_is_secure(connection: *const RawConnection) -> c_int;
    fn shim_step(connection: *mut RawConnection, io: *mut RawIo) -> c_int;
    fn shim_read(
        connection: *mut RawConnection,
        io: *mut RawIo,
        plain: *mut c_uchar,
        room: usize,
    ) -> c_int;
    fn shim_write(
        connection: *mut RawConnection,
        io: *mut RawIo,
        plain: *const c_uchar,
        octets: usize,
    ) -> c_int;
    fn shim_close(connection: *mut RawConnection, io: *mut RawIo) -> c_int;
    fn shim_send_alert(
        connection: *mut RawConnection,
        io: *mut RawIo,
        description: c_uchar,
    ) -> c_int;
    fn shim_received_alert(connection: *const RawConnection) -> c_int;
    fn shim_faults(connection: *const RawConnection) -> u32;
    fn shim_protocol(connection: *const RawConnection) -> c_int;
    fn shim_suite(connection: *const RawConnection) -> c_int;
    fn shim_peer(connection: *const RawConnection, octets: *mut usize) -> *const c_uchar;
}

/// An error code of the library's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Code(c_int);

impl Code {
    fn check(status: c_int) -> Result<(), Code> {
        match status {
            0 => Ok(()),
            error => Err(Code(error)),
        }
    }

    /// What the library says about it.
    pub(super) fn text(self) -> String {
        let mut text: [c_char; 200] = [0; 200];
        // SAFETY: writes no more than it is told that there is room for, the octet 0
        // at the end of the text among it; it reads constants only.
        unsafe { shim_error_text(self.0, text.as_mut_ptr(), text.len()) };
        text_of(&text)
    }
}

/// The lowest and the highest version of the protocol, as they are on the wire.
pub(super) fn versions() -> (u16, u16) {
    let number = |version: c_int| u16::try_from(version).unwrap_or_default();
    (
        number(shim_lowest_version()),
        number(shim_highest_version()),
    )
}

/// The version of the library that is there: `2.28.3`.
pub(super) fn library_version() -> String {
    let mut text: [c_char; 32] = [0; 32];
    // SAFETY: the library writes at most 18 octets, the octet 0 at their end.
    unsafe { shim_version_text(text.as_mut_ptr()) };
    text_of(&text)
}

/// Whether the library is of the version that the shim was compiled for.
pub(super) fn is_same_version() -> bool {
    shim_is_same_version() != 0
}

fn text_of(text: &[c_char]) -> String {
    let octets = text.iter().map(|octet| octet.to_ne_bytes()[0]);
    let octets: Vec<u8> = octets.take_while(|octet| *octet != 0).collect();
    String::from_utf8_lossy(&octets).into_owned()
}

/// A configuration, which is only read once the first connection is made of it.
#[derive(Debug)]
pub(super) struct Config {
    raw: NonNull<RawConfig>,
    /// What the library calls during handshakes; `raw` points to it.
    judge: Option<Arc<Judge>>,
}

// SAFETY: the library keeps nothing that belongs to a thread, and everything that can
// be reached through `raw` is used with `LIBRARY` held.
unsafe impl Send for Config {}
// SAFETY: as above; of what is beside `raw`, the judge is not changed either.
unsafe impl Sync for Config {}

impl Drop for Config {
    fn drop(&mut self) {
        // SAFETY: made by `shim_config_new`, freed here only; connections, which
        // point to it, have a share of the `Arc` that this is in.
        locked(|| unsafe { shim_config_free(self.raw.as_ptr()) });
    }
}

impl Config {
    pub(super) fn new(is_server: bool) -> Result<Config, Code> {
        let mut error = 0;
        // SAFETY: takes a pointer to an integer, which is there.
        let raw = locked(|| unsafe { shim_config_new(is_server.into(), draw, &mut error) });
        let raw = NonNull::new(raw).ok_or(Code(error))?;
        Ok(Config { raw, judge: None })
    }

    pub(super) fn set_versions(&mut self, lowest: u16, highest: u16) {
        let raw = self.raw.as_ptr();
        // SAFETY: `raw` is a configuration, and nobody else's by `&mut`.
        locked(|| unsafe { shim_config_versions(raw, lowest.into(), highest.into()) });
    }

    /// Once for a configuration; the preferred one first.
    pub(super) fn set_suites(&mut self, numbers: &[u16]) -> Result<(), Code> {
        let (start, count) = (numbers.as_ptr(), numbers.len());
        // SAFETY: as in `set_versions`; the numbers are copied.
        Code::check(locked(|| unsafe {
            shim_config_suites(self.raw.as_ptr(), start, count)
        }))
    }

    /// The client's order of suites counts, as far as the library can.
    pub(super) fn follow_clients(&mut self) {
        // SAFETY: as in `set_versions`.
        locked(|| unsafe { shim_config_client_order(self.raw.as_ptr()) });
    }

    pub(super) fn set_key(&mut self, der: &[u8]) -> Result<(), Code> {
        // SAFETY: as in `set_versions`; the octets are copied.
        Code::check(locked(|| unsafe {
            shim_config_key(self.raw.as_ptr(), der.as_ptr(), der.len())
        }))
    }

    /// Appends to the certificates to show.
    pub(super) fn add_certificate(&mut self, der: &[u8]) -> Result<(), Code> {
        // SAFETY: as in `set_versions`; the octets are copied.
        Code::check(locked(|| unsafe {
            shim_config_certificate(self.raw.as_ptr(), der.as_ptr(), der.len())
        }))
    }

    /// Whether the first certificate is for the key; there have to be both.
    pub(super) fn is_pair(&mut self) -> bool {
        // SAFETY: as in `set_versions`.
        locked(|| unsafe { shim_config_check_pair(self.raw.as_ptr()) }) == 0
    }

    /// Whether the first certificate, which has to be there, may be a server's.
    pub(super) fn is_for_servers(&self) -> bool {
        // SAFETY: reads what `raw` has, which nobody changes by `&`.
        locked(|| unsafe { shim_config_check_server(self.raw.as_ptr()) }) == 0
    }

    pub(super) fn show_identity(&mut self) -> Result<(), Code> {
        // SAFETY: as in `set_versions`.
        Code::check(locked(|| unsafe {
            shim_config_show_identity(self.raw.as_ptr())
        }))
    }

    pub(super) fn add_authority(&mut self, der: &[u8]) -> Result<(), Code> {
        // SAFETY: as in `set_versions`; the octets are copied.
        Code::check(locked(|| unsafe {
            shim_config_authority(self.raw.as_ptr(), der.as_ptr(), der.len())
        }))
    }

    /// Has peers show a certificate in which the judge finds no fault; without a judge
    /// clients are not asked, and servers not judged. After the authorities have been
    /// added.
    pub(super) fn verify(&mut self, judge: Option<Judge>) {
        self.judge = judge.map(Arc::new);
        let context = self.judge.as_ref().map_or(ptr::null(), Arc::as_ptr);
        let function = self.judge.as_ref().map(|_| judge_peer as RawJudge);
        // SAFETY: as in `set_versions`; `judge_peer` gets the context back during the
        // calls of connections only, which keep this, and with it the judge, alive.
        locked(|| unsafe { shim_config_verify(self.raw.as_ptr(), function, context.cast()) });
    }

    pub(super) fn give_tickets(&mut self, seconds: u32, with_tls13: bool) -> Result<(), Code> {
        // SAFETY: as in `set_versions`.
        Code::check(locked(|| unsafe {
            shim_config_tickets(self.raw.as_ptr(), seconds, with_tls13.into())
        }))
    }
}

extern "C" fn draw(octets: *mut c_uchar, count: usize) -> c_int {
    if count == 0 {
        return 0;
    }
    // SAFETY: the library hands in where it has room for so many octets, which nobody
    // else looks at; they may never have been written to before, which is of no
    // consequence for octets that are only written here.
    let buffer = unsafe {
        ptr::write_bytes(octets, 0, count);
        std::slice::from_raw_parts_mut(octets, count)
    };
    // A panic must not get into the library.
    match catch_unwind(AssertUnwindSafe(|| random::bytes(buffer))) {
        Ok(()) => 0,
        Err(_) => 1,
    }
}

extern "C" fn judge_peer(
    context: *const c_void,
    der: *const c_uchar,
    octets: usize,
    is_first: c_int,
    own: u32,
    above: u32,
) -> u32 {
    // SAFETY: the context is that of `Config::verify`, and is never changed while
    // there are connections; the certificate is the library's for the whole call.
    let (judge, der) = unsafe {
        (
            &*context.cast::<Judge>(),
            std::slice::from_raw_parts(der, octets),
        )
    };
    let judged = catch_unwind(AssertUnwindSafe(|| match is_first {
        0 => judge.weigh_authority(der, Faults(own), Faults(above)),
        _ => judge.weigh(der, Faults(own), Faults(above)),
    }));
    judged.unwrap_or(Faults::OTHER).0
}

/// What came of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    /// So many octets, or a step of the handshake.
    Done(usize),
    /// Nothing more can be done without more input.
    WantsInput,
    /// What there was to say did not fit; call again.
    WantsOutput,
    /// The peer says no more.
    Closed,
    /// The peer has refused to go on, with that alert.
    Refused(u8),
    /// The connection is of no use any more.
    Failed(Code),
}

/// A connection.
#[derive(Debug)]
pub(super) struct Connection {
    raw: NonNull<RawConnection>,
    /// `raw` points into it.
    _config: Arc<Config>,
}

// SAFETY: the library keeps nothing that belongs to a thread, and what connections
// share is used with `LIBRARY` held.
unsafe impl Send for Connection {}

impl Drop for Connection {
    fn drop(&mut self) {
        // SAFETY: made by `shim_connection_new`, freed here only; the configuration
        // is still there.
        locked(|| unsafe { shim_connection_free(self.raw.as_ptr()) });
    }
}

impl Connection {
    /// Begins a connection; clients ask for the name.
    pub(super) fn new(config: &Arc<Config>, name: Option<&CStr>) -> Result<Connection, Code> {
        let name = name.map_or(ptr::null(), CStr::as_ptr);
        let mut error = 0;
        // SAFETY: the configuration outlives the connection by the `Arc`; the name is
        // copied, and the error an integer.
        let raw = locked(|| unsafe { shim_connection_new(config.raw.as_ptr(), name, &mut error) });
        Ok(Connection {
            raw: NonNull::new(raw).ok_or(Code(error))?,
            _config: Arc::clone(config),
        })
    }

    /// Makes a call that takes from the one queue, and appends to the other.
    fn call(
        &mut self,
        input: &mut ByteQueue,
        output: &mut ByteQueue,
        function: impl FnOnce(*mut RawConnection, *mut RawIo) -> c_int,
    ) -> Status {
        let mut said: Vec<u8> = Vec::with_capacity(SAID_MAX);
        let octets = input.as_slice();
        let mut io = RawIo {
            input: octets.as_ptr(),
            input_octets: octets.len(),
            output: said.as_mut_ptr(),
            output_room: SAID_MAX,
        };
        let status = locked(|| function(self.raw.as_ptr(), &mut io));
        let taken = octets.len() - io.input_octets;
        // SAFETY: the vector has room for `SAID_MAX` octets, of which the call has
        // written all but those that there is still room for.
        unsafe { said.set_len(SAID_MAX - io.output_room) };
        input.consume(taken);
        output.push_all(&said);
        match status {
            WANT_READ => Status::WantsInput,
            WANT_WRITE => Status::WantsOutput,
            PEER_CLOSE_NOTIFY => Status::Closed,
            FATAL_ALERT_MESSAGE => Status::Refused(self.received_alert()),
            status => usize::try_from(status).map_or(Status::Failed(Code(status)), Status::Done),
        }
    }

    /// Takes one step of the handshake, which must not be over.
    pub(super) fn step(&mut self, input: &mut ByteQueue, output: &mut ByteQueue) -> Status {
        // SAFETY: both are there for the call, and nobody else's.
        self.call(input, output, |raw, io| unsafe { shim_step(raw, io) })
    }

    /// Reads plaintext from one record.
    pub(super) fn read(
        &mut self,
        input: &mut ByteQueue,
        output: &mut ByteQueue,
        plain: &mut [u8],
    ) -> Status {
        let (start, room) = (plain.as_mut_ptr(), plain.len());
        // SAFETY: as in `step`; `plain` is ours, and has that room.
        self.call(input, output, |raw, io| unsafe {
            shim_read(raw, io, start, room)
        })
    }

    /// Makes at most one record of the plaintext.
    pub(super) fn write(&mut self, plain: &[u8], output: &mut ByteQueue) -> Status {
        let (start, octets) = (plain.as_ptr(), plain.len());
        // SAFETY: as in `step`; `plain` has so many octets.
        self.call(&mut ByteQueue::new(0), output, |raw, io| unsafe {
            shim_write(raw, io, start, octets)
        })
    }

    /// Says that nothing more will be said.
    pub(super) fn close(&mut self, output: &mut ByteQueue) -> Status {
        // SAFETY: as in `step`.
        self.call(&mut ByteQueue::new(0), output, |raw, io| unsafe {
            shim_close(raw, io)
        })
    }

    /// Tells the peer that it is over, and why.
    pub(super) fn send_alert(&mut self, description: u8, output: &mut ByteQueue) -> Status {
        // SAFETY: as in `step`.
        self.call(&mut ByteQueue::new(0), output, |raw, io| unsafe {
            shim_send_alert(raw, io, description)
        })
    }

    fn received_alert(&self) -> u8 {
        // SAFETY: reads what the connection itself has received.
        let alert = locked(|| unsafe { shim_received_alert(self.raw.as_ptr()) });
        u8::try_from(alert).unwrap_or(u8::MAX)
    }

    /// Whether the handshake is over, and well.
    pub(super) fn is_secure(&self) -> bool {
        // SAFETY: reads a number of the connection's.
        locked(|| unsafe { shim_is_secure(self.raw.as_ptr()) }) != 0
    }

    /// What was wrong with the peer's certificate; nothing where none was judged.
    pub(super) fn faults(&self) -> Faults {
        // SAFETY: reads a number of the connection's.
        match locked(|| unsafe { shim_faults(self.raw.as_ptr()) }) {
            u32::MAX => Faults(0),
            faults => Faults(faults),
        }
    }

    /// The version of the protocol, as it is on the wire.
    pub(super) fn protocol(&self) -> u16 {
        // SAFETY: reads a number of the connection's.
        let protocol = locked(|| unsafe { shim_protocol(self.raw.as_ptr()) });
        u16::try_from(protocol).unwrap_or_default()
    }

    /// The registered number of the suite.
    pub(super) fn suite(&self) -> u16 {
        // SAFETY: reads a number of the connection's.
        let suite = locked(|| unsafe { shim_suite(self.raw.as_ptr()) });
        u16::try_from(suite).unwrap_or_default()
    }

    /// The certificate that the peer has shown.
    pub(super) fn peer(&self) -> Option<Vec<u8>> {
        locked(|| {
            let mut octets = 0;
            // SAFETY: what is handed out is the connection's, which is not used again
            // before the copy is made.
            unsafe {
                let start = shim_peer(self.raw.as_ptr(), &mut octets);
                (!start.is_null()).then(|| std::slice::from_raw_parts(start, octets).to_vec())
            }
        })
    }
}

/// A name as the library wants it.
pub(super) fn c_string(name: &str) -> Option<CString> {
    CString::new(name).ok()
}
