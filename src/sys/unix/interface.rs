//! getifaddrs(3) and if_nametoindex(3).

use std::ffi::{CStr, CString};
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::ptr;

use crate::sys::interface::InterfaceAddress;

/// A list that the system made and wants back.
struct List(*mut libc::ifaddrs);

impl Drop for List {
    fn drop(&mut self) {
        // SAFETY: the list came from getifaddrs and is given back only here.
        unsafe { libc::freeifaddrs(self.0) };
    }
}

pub(in crate::sys) fn addresses() -> io::Result<Vec<InterfaceAddress>> {
    let mut first = ptr::null_mut();
    // SAFETY: the pointer is to a live variable.
    if unsafe { libc::getifaddrs(&raw mut first) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let list = List(first);
    let mut found = Vec::new();
    let mut next = list.0;
    // SAFETY: each entry is null or a live one of the list, which stays until the
    // end of the function.
    while let Some(entry) = unsafe { next.as_ref() } {
        found.extend(read(entry));
        next = entry.ifa_next;
    }
    Ok(found)
}

/// Reads an entry that is an IP address of an interface that is up.
fn read(entry: &libc::ifaddrs) -> Option<InterfaceAddress> {
    // The constant and the field differ in type from system to system.
    #[allow(clippy::cast_sign_loss)]
    let is_up = entry.ifa_flags & libc::IFF_UP as libc::c_uint != 0;
    if !is_up || entry.ifa_addr.is_null() || entry.ifa_name.is_null() {
        return None;
    }
    // SAFETY: both pointers are to what the entry describes (they are not null),
    // and live as long as the entry does.
    let (name, address) = unsafe { (CStr::from_ptr(entry.ifa_name), read_address(entry.ifa_addr)) };
    Some(InterfaceAddress {
        name: name.to_str().ok()?.to_owned(),
        address: address?,
    })
}

/// Reads a socket address of whatever family.
///
/// # Safety
/// The pointer is to a live address that is as long as its family has them.
unsafe fn read_address(address: *const libc::sockaddr) -> Option<SocketAddr> {
    // SAFETY: each address begins with its family, which tells how long it is.
    match i32::from(unsafe { (*address).sa_family }) {
        libc::AF_INET => {
            // SAFETY: as above; it may be aligned less than the type is.
            let raw = unsafe { address.cast::<libc::sockaddr_in>().read_unaligned() };
            let ip = Ipv4Addr::from(raw.sin_addr.s_addr.to_ne_bytes());
            Some(SocketAddr::from((ip, 0)))
        }
        libc::AF_INET6 => {
            // SAFETY: as above.
            let raw = unsafe { address.cast::<libc::sockaddr_in6>().read_unaligned() };
            let ip = Ipv6Addr::from(raw.sin6_addr.s6_addr);
            Some(SocketAddrV6::new(ip, 0, 0, raw.sin6_scope_id).into())
        }
        _ => None,
    }
}

pub(in crate::sys) fn index(name: &str) -> Option<u32> {
    let name = CString::new(name).ok()?;
    // SAFETY: the pointer is to a live string that ends in NUL.
    let index = unsafe { libc::if_nametoindex(name.as_ptr()) };
    (index != 0).then_some(index)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_loopback_interface_by_its_address() {
        let all = addresses().unwrap();
        let loopback = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let found = all.iter().find(|one| one.address == loopback).unwrap();
        assert!(index(&found.name).is_some_and(|index| index > 0), "{all:?}");
    }

    #[test]
    fn names_of_nothing_have_no_index() {
        for name in ["no-such-if", "", "a\0b"] {
            assert_eq!(index(name), None, "{name:?}");
        }
    }
}
