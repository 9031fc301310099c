//! The name service, for what std does not ask it.

use std::ffi::{CStr, CString};
use std::ptr;

pub(in crate::sys) fn canonical_name(host: &str) -> Option<String> {
    let host = CString::new(host).ok()?;
    // SAFETY: all of its fields are integers and pointers, for which zero is a value.
    let mut hints: libc::addrinfo = unsafe { std::mem::zeroed() };
    hints.ai_flags = libc::AI_CANONNAME;
    hints.ai_socktype = libc::SOCK_STREAM;
    let mut first = ptr::null_mut();
    // SAFETY: the pointers are to a string that ends in NUL, to a live structure and
    // to a live variable; without a service there is no port.
    let result =
        unsafe { libc::getaddrinfo(host.as_ptr(), ptr::null(), &raw const hints, &raw mut first) };
    if result != 0 {
        return None;
    }
    // SAFETY: after success the pointer is to a list that is ours until it is given
    // back; the name, where there is one, is in its first entry and ends in NUL.
    let name = unsafe {
        first
            .as_ref()
            .filter(|entry| !entry.ai_canonname.is_null())
            .map(|entry| CStr::from_ptr(entry.ai_canonname).to_owned())
    };
    // SAFETY: the list came from getaddrinfo and is given back only here.
    unsafe { libc::freeaddrinfo(first) };
    name?.into_string().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_host_has_a_name() {
        let name = canonical_name("localhost").unwrap();
        assert!(name.contains("localhost"), "{name}");
    }

    #[test]
    fn nonsense_has_none() {
        // RFC 6761 6.4: there is no such domain, nor will there be.
        for nonsense in ["no-such-host.invalid", "a\0b"] {
            assert_eq!(canonical_name(nonsense), None);
        }
    }
}
