//! Functions, structures and constants of Windows, as its headers declare them
//! and under their names there.
#![allow(non_camel_case_types, clippy::upper_case_acronyms)]

use std::ffi::{c_int, c_void};

pub(super) type SOCKET = usize;
pub(super) type BOOL = i32;

pub(super) const INVALID_SOCKET: SOCKET = SOCKET::MAX;

pub(super) const POLLRDNORM: i16 = 0x0100;
pub(super) const POLLWRNORM: i16 = 0x0010;
pub(super) const POLLERR: i16 = 0x0001;
pub(super) const POLLHUP: i16 = 0x0002;
pub(super) const POLLNVAL: i16 = 0x0004;

pub(super) const AF_INET: u16 = 2;
pub(super) const AF_INET6: u16 = 23;
pub(super) const SOCK_STREAM: c_int = 1;
pub(super) const IPPROTO_TCP: c_int = 6;
pub(super) const IPPROTO_IPV6: c_int = 41;
pub(super) const IPV6_V6ONLY: c_int = 27;
pub(super) const SOL_SOCKET: c_int = 0xFFFF;
pub(super) const SO_EXCLUSIVEADDRUSE: c_int = !4;
pub(super) const WSA_FLAG_OVERLAPPED: u32 = 0x01;
pub(super) const WSA_FLAG_NO_HANDLE_INHERIT: u32 = 0x80;
pub(super) const WINSOCK_VERSION: u16 = 0x0202;

pub(super) const WSAEAFNOSUPPORT: i32 = 10047;
pub(super) const WSAEOPNOTSUPP: i32 = 10045;
pub(super) const WSAENETDOWN: i32 = 10050;
pub(super) const WSAENETUNREACH: i32 = 10051;
pub(super) const WSAECONNABORTED: i32 = 10053;
pub(super) const WSAECONNRESET: i32 = 10054;
pub(super) const WSAENOBUFS: i32 = 10055;
pub(super) const WSAEHOSTUNREACH: i32 = 10065;
pub(super) const WSAEMFILE: i32 = 10024;
pub(super) const WSAEWOULDBLOCK: i32 = 10035;

pub(super) const INVALID_HANDLE_VALUE: *mut c_void = std::ptr::without_provenance_mut(usize::MAX);
pub(super) const ERROR_ACCESS_DENIED: i32 = 5;
pub(super) const ERROR_SHARING_VIOLATION: i32 = 32;
pub(super) const ERROR_LOCK_VIOLATION: i32 = 33;
pub(super) const STATUS_DELETE_PENDING: i32 = 0xC000_0056_u32.cast_signed();
pub(super) const MOVEFILE_REPLACE_EXISTING: u32 = 1;
pub(super) const MOVEFILE_WRITE_THROUGH: u32 = 8;

pub(super) const HANDLE_FLAG_INHERIT: u32 = 1;
pub(super) const COMPUTER_NAME_DNS_HOSTNAME: c_int = 1;
pub(super) const STD_INPUT_HANDLE: u32 = 0xFFFF_FFF6;
pub(super) const STD_OUTPUT_HANDLE: u32 = 0xFFFF_FFF5;
pub(super) const STD_ERROR_HANDLE: u32 = 0xFFFF_FFF4;
pub(super) const CREATE_NEW_CONSOLE: u32 = 0x10;
pub(super) const DETACHED_PROCESS: u32 = 0x08;
pub(super) const ENABLE_ECHO_INPUT: u32 = 4;
pub(super) const CTRL_C_EVENT: u32 = 0;
pub(super) const CTRL_BREAK_EVENT: u32 = 1;
pub(super) const CTRL_CLOSE_EVENT: u32 = 2;
pub(super) const CTRL_LOGOFF_EVENT: u32 = 5;
pub(super) const CTRL_SHUTDOWN_EVENT: u32 = 6;
pub(super) const BCRYPT_USE_SYSTEM_PREFERRED_RNG: u32 = 2;

#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct WSAPOLLFD {
    pub(super) fd: SOCKET,
    pub(super) events: i16,
    pub(super) revents: i16,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct SOCKADDR_IN {
    pub(super) family: u16,
    pub(super) port: u16,
    pub(super) addr: [u8; 4],
    pub(super) zero: [u8; 8],
}

#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct SOCKADDR_IN6 {
    pub(super) family: u16,
    pub(super) port: u16,
    pub(super) flow_info: u32,
    pub(super) addr: [u8; 16],
    pub(super) scope_id: u32,
}

/// WSADATA has 400 or 408 octets, depending on the width of a pointer; nobody
/// reads them.
#[repr(C)]
pub(super) struct WSADATA(pub(super) [u64; 64]);

#[repr(C)]
#[derive(Clone, Copy, Default)]
pub(super) struct FILETIME {
    pub(super) low: u32,
    pub(super) high: u32,
}

/// Year, month, day of the week, day, hour, minute, second, millisecond.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub(super) struct SYSTEMTIME([u16; 8]);

/// The most sockets in a set.
pub(super) const FD_SETSIZE: usize = 64;

#[repr(C)]
pub(super) struct fd_set {
    pub(super) count: u32,
    pub(super) sockets: [SOCKET; FD_SETSIZE],
}

impl fd_set {
    pub(super) fn new() -> fd_set {
        fd_set {
            count: 0,
            sockets: [INVALID_SOCKET; FD_SETSIZE],
        }
    }
}

#[repr(C)]
pub(super) struct timeval {
    pub(super) seconds: i32,
    pub(super) micros: i32,
}

/// What any address has room in.
pub(super) const SOCKADDR_STORAGE_OCTETS: usize = 128;
pub(super) const SOCKADDR_STORAGE_LENGTH: c_int = 128;

#[repr(C)]
pub(super) struct OSVERSIONINFOW {
    size: u32,
    major: u32,
    minor: u32,
    pub(super) build: u32,
    platform: u32,
    service_pack: [u16; 128],
}

impl OSVERSIONINFOW {
    pub(super) fn new() -> OSVERSIONINFOW {
        OSVERSIONINFOW {
            size: OSVERSIONINFOW_OCTETS,
            major: 0,
            minor: 0,
            build: 0,
            platform: 0,
            service_pack: [0; 128],
        }
    }
}

/// The size of the structure, which it has to tell.
const OSVERSIONINFOW_OCTETS: u32 = 276;
const _: () = assert!(std::mem::size_of::<OSVERSIONINFOW>() == 276);

#[link(name = "ws2_32")]
unsafe extern "system" {
    pub(super) fn select(
        ignored: c_int,
        readable: *mut fd_set,
        writable: *mut fd_set,
        failed: *mut fd_set,
        timeout: *const timeval,
    ) -> c_int;
    pub(super) fn getpeername(socket: SOCKET, address: *mut c_void, length: *mut c_int) -> c_int;
    pub(super) fn WSAStartup(version: u16, data: *mut WSADATA) -> c_int;
    pub(super) fn WSAGetLastError() -> c_int;
    pub(super) fn WSAPoll(entries: *mut WSAPOLLFD, count: u32, timeout_ms: c_int) -> c_int;
    pub(super) fn WSASocketW(
        family: c_int,
        kind: c_int,
        protocol: c_int,
        info: *const c_void,
        group: u32,
        flags: u32,
    ) -> SOCKET;
    pub(super) fn bind(socket: SOCKET, address: *const c_void, length: c_int) -> c_int;
    pub(super) fn connect(socket: SOCKET, address: *const c_void, length: c_int) -> c_int;
    pub(super) fn listen(socket: SOCKET, backlog: c_int) -> c_int;
    pub(super) fn setsockopt(
        socket: SOCKET,
        level: c_int,
        option: c_int,
        value: *const c_void,
        length: c_int,
    ) -> c_int;
}

#[link(name = "kernel32")]
unsafe extern "system" {
    pub(super) fn MoveFileExW(from: *const u16, to: *const u16, flags: u32) -> BOOL;
    pub(super) fn SetHandleInformation(handle: *mut c_void, mask: u32, flags: u32) -> BOOL;
    pub(super) fn GetStdHandle(which: u32) -> *mut c_void;
    pub(super) fn SetStdHandle(which: u32, handle: *mut c_void) -> BOOL;
    pub(super) fn GetConsoleProcessList(processes: *mut u32, count: u32) -> u32;
    pub(super) fn FreeConsole() -> BOOL;
    pub(super) fn GetConsoleMode(handle: *mut c_void, mode: *mut u32) -> BOOL;
    pub(super) fn SetConsoleMode(handle: *mut c_void, mode: u32) -> BOOL;
    pub(super) fn SetConsoleCtrlHandler(
        handler: Option<unsafe extern "system" fn(u32) -> BOOL>,
        add: BOOL,
    ) -> BOOL;
    pub(super) fn GetComputerNameExW(kind: c_int, buffer: *mut u16, length: *mut u32) -> BOOL;
    pub(super) fn FileTimeToSystemTime(time: *const FILETIME, fields: *mut SYSTEMTIME) -> BOOL;
    pub(super) fn SystemTimeToFileTime(fields: *const SYSTEMTIME, time: *mut FILETIME) -> BOOL;
    pub(super) fn SystemTimeToTzSpecificLocalTime(
        zone: *const c_void,
        utc: *const SYSTEMTIME,
        local: *mut SYSTEMTIME,
    ) -> BOOL;
}

#[link(name = "ntdll")]
unsafe extern "system" {
    pub(super) fn RtlGetLastNtStatus() -> i32;
    pub(super) fn RtlGetVersion(version: *mut OSVERSIONINFOW) -> i32;
    pub(super) fn NtResumeProcess(process: *mut c_void) -> i32;
}

#[link(name = "bcrypt")]
unsafe extern "system" {
    pub(super) fn BCryptGenRandom(
        algorithm: *mut c_void,
        buffer: *mut u8,
        length: u32,
        flags: u32,
    ) -> i32;
}
