//! Functions, structures and constants of Windows, as its headers declare them
//! and under their names there.
#![allow(non_camel_case_types, clippy::upper_case_acronyms)]

use std::ffi::{c_int, c_void};

pub(super) type SOCKET = usize;
pub(super) type BOOL = i32;

pub(super) const INVALID_SOCKET: SOCKET = SOCKET::MAX;

pub(super) const POLLRDNORM: i16 = 0x0100;
pub(super) const POLLRDBAND: i16 = 0x0200;
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

pub(super) const HANDLE_FLAG_INHERIT: u32 = 1;
pub(super) const COMPUTER_NAME_DNS_HOSTNAME: c_int = 1;
pub(super) const STD_INPUT_HANDLE: u32 = 0xFFFF_FFF6;
pub(super) const STD_ERROR_HANDLE: u32 = 0xFFFF_FFF4;
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

#[link(name = "ws2_32")]
unsafe extern "system" {
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
    pub(super) fn SetHandleInformation(handle: *mut c_void, mask: u32, flags: u32) -> BOOL;
    pub(super) fn GetStdHandle(which: u32) -> *mut c_void;
    pub(super) fn SetStdHandle(which: u32, handle: *mut c_void) -> BOOL;
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

#[link(name = "bcrypt")]
unsafe extern "system" {
    pub(super) fn BCryptGenRandom(
        algorithm: *mut c_void,
        buffer: *mut u8,
        length: u32,
        flags: u32,
    ) -> i32;
}
