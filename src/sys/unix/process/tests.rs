use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::sys::process;
use crate::sys::stderr::write_line;
use crate::sys::testing::TempDir;
use crate::sys::testing::alone;
use std::os::fd::AsRawFd;

/// The type differs between libraries, even on one system.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
type Resource = libc::__rlimit_resource_t;
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
type Resource = std::ffi::c_int;

/// The limit in force and what it may be raised to.
fn limit(resource: Resource) -> (libc::rlim_t, libc::rlim_t) {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: the pointer is to a live variable.
    let result = unsafe { libc::getrlimit(resource, &mut limit) };
    assert_eq!(result, 0);
    (limit.rlim_cur, limit.rlim_max)
}

fn set_limit(resource: Resource, rlim_cur: libc::rlim_t, rlim_max: libc::rlim_t) {
    let limit = libc::rlimit { rlim_cur, rlim_max };
    // SAFETY: the pointer is to a live variable.
    let result = unsafe { libc::setrlimit(resource, &limit) };
    assert_eq!(result, 0);
}

#[test]
fn knows_the_name_of_the_host() {
    let name = process::host_name();
    assert!(!name.is_empty() && !name.contains('\0'));
    if let Ok(known) = fs::read_to_string("/proc/sys/kernel/hostname") {
        assert_eq!(name, known.trim_end());
    }
}

#[test]
fn raises_the_limit_of_descriptors() {
    let name = "sys::unix::process::tests::raises_the_limit_of_descriptors";
    alone(name, &[], || {
        set_limit(libc::RLIMIT_NOFILE, 64, 128);
        assert_eq!(process::raise_descriptor_limit(), 128);
        assert_eq!(limit(libc::RLIMIT_NOFILE), (128, 128));
        assert_eq!(process::raise_descriptor_limit(), 128);
    });
}

#[test]
fn forbids_core_dumps() {
    alone("sys::unix::process::tests::forbids_core_dumps", &[], || {
        process::forbid_core_dumps().unwrap();
        assert_eq!(limit(libc::RLIMIT_CORE), (0, 0));
    });
}

#[test]
fn sets_the_umask() {
    alone("sys::unix::process::tests::sets_the_umask", &[], || {
        let directory = TempDir::new();
        process::set_umask(0o027);
        fs::write(directory.join("file"), "").unwrap();
        let mode = fs::metadata(directory.join("file"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o640);
        assert_eq!(process::set_umask(0o077), 0o027);
    });
}

#[test]
fn closes_standard_error() {
    let name = "sys::unix::process::tests::closes_standard_error";
    let ran = alone(name, &[], || {
        write_line("before");
        process::close_standard_error().unwrap();
        write_line("after");
        // SAFETY: the call takes no pointers.
        assert_ne!(unsafe { libc::fcntl(2, libc::F_GETFD) }, -1);
    });
    if let Some(output) = ran {
        assert_eq!(String::from_utf8_lossy(&output.stderr), "before\n");
    }
}

#[test]
fn fills_the_places_of_standard_descriptors() {
    let name = "sys::unix::process::tests::fills_the_places_of_standard_descriptors";
    alone(name, &[], || {
        for fd in [0, 2] {
            // SAFETY: standard descriptors belong to nobody, and are back soon.
            assert_eq!(unsafe { libc::close(fd) }, 0);
        }
        process::ensure_standard_descriptors().unwrap();
        for fd in 0..3 {
            // SAFETY: the call takes no pointers.
            assert_ne!(unsafe { libc::fcntl(fd, libc::F_GETFD) }, -1, "{fd}");
        }
        // Again, with nothing to do.
        process::ensure_standard_descriptors().unwrap();
        let next = fs::File::open("/dev/null").unwrap();
        assert!(next.as_raw_fd() > 2);
    });
}

#[test]
fn root_is_who_owns_what_it_makes() {
    use std::os::unix::fs::MetadataExt;
    let directory = TempDir::new();
    fs::write(directory.join("file"), "").unwrap();
    let owner = fs::metadata(directory.join("file")).unwrap().uid();
    assert_eq!(process::is_root(), owner == 0);
}
