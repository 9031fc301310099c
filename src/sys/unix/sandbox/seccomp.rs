//! Seccomp (seccomp(2)): a program for the kernel that looks at the number of each
//! system call, and sometimes at one argument.
//!
//! What is not on the list fails with EPERM, so that the program goes on; a call by
//! another architecture's convention ends it. Not on the list are, above all: to run
//! programs, to trace or signal other processes, to mount, to change who one is, to
//! load into the kernel, and sockets of other families than those of the internet
//! and the system itself. No memory is both writable and executable, or becomes
//! executable.

use std::io;

use libc::{
    BPF_ABS, BPF_JEQ, BPF_JMP, BPF_JSET, BPF_K, BPF_LD, BPF_RET, BPF_W, c_int, c_long, sock_filter,
    sock_fprog,
};

// Positions in `struct seccomp_data`.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const ARGUMENTS: u32 = 16;

#[cfg(target_arch = "x86_64")]
const OURS: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const OURS: u32 = 0xc000_00b7;

/// What marks calls by the convention with short pointers.
#[cfg(target_arch = "x86_64")]
const SHORT_POINTERS: u32 = 0x4000_0000;

const ALLOW: u32 = 0x7fff_0000;
const KILL: u32 = 0x8000_0000;

/// Fails the call with that code.
const fn fail(code: c_int) -> u32 {
    0x0005_0000 | code.unsigned_abs()
}

/// Sets a name of the memory, as allocators do for whoever reads the maps.
const PR_SET_VMA: u32 = 0x5356_4d41;

/// The calls that are looked at more closely: which argument, what about it, and
/// what then; anything else about it has the call fail with the code.
const LIMITED: &[Limited] = &[
    // Threads, and no processes.
    Limited::with_bits(libc::SYS_clone, 0, libc::CLONE_THREAD.unsigned_abs()),
    Limited::one_of(
        libc::SYS_prctl,
        0,
        &[libc::PR_SET_NAME.unsigned_abs(), PR_SET_VMA],
    ),
    // To whom signals go for a descriptor: it would be a way to send some.
    Limited::none_of(libc::SYS_fcntl, 1, &[F_SETOWN, F_SETOWN_EX]),
    Limited::one_of(libc::SYS_ioctl, 1, &[FIONBIO, FIONREAD, FIOCLEX, TCGETS]),
    Limited::without_bits(libc::SYS_mprotect, 2, libc::PROT_EXEC.unsigned_abs()),
];

const F_SETOWN: u32 = 8;
const F_SETOWN_EX: u32 = 15;
const FIONBIO: u32 = 0x5421;
const FIONREAD: u32 = 0x541b;
const FIOCLEX: u32 = 0x5451;
const TCGETS: u32 = 0x5401;

/// The calls that are allowed whatever their arguments, the frequent ones first.
const ALLOWED: &[c_long] = &[
    libc::SYS_futex,
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_ppoll,
    libc::SYS_recvfrom,
    libc::SYS_sendto,
    libc::SYS_accept4,
    libc::SYS_close,
    libc::SYS_openat,
    libc::SYS_fsync,
    libc::SYS_fdatasync,
    libc::SYS_sync_file_range,
    libc::SYS_renameat,
    libc::SYS_renameat2,
    libc::SYS_unlinkat,
    libc::SYS_fstat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_statfs,
    libc::SYS_fstatfs,
    libc::SYS_lseek,
    libc::SYS_readv,
    libc::SYS_writev,
    libc::SYS_pread64,
    libc::SYS_pwrite64,
    libc::SYS_getdents64,
    libc::SYS_flock,
    libc::SYS_ftruncate,
    libc::SYS_fallocate,
    libc::SYS_fchmod,
    libc::SYS_fchown,
    libc::SYS_copy_file_range,
    libc::SYS_sendfile,
    libc::SYS_linkat,
    libc::SYS_mkdirat,
    libc::SYS_readlinkat,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_getcwd,
    libc::SYS_umask,
    libc::SYS_utimensat,
    libc::SYS_fadvise64,
    libc::SYS_dup,
    libc::SYS_dup3,
    libc::SYS_pipe2,
    libc::SYS_recvmsg,
    libc::SYS_sendmsg,
    libc::SYS_sendmmsg,
    libc::SYS_recvmmsg,
    libc::SYS_connect,
    libc::SYS_bind,
    libc::SYS_listen,
    libc::SYS_accept,
    libc::SYS_shutdown,
    libc::SYS_socketpair,
    libc::SYS_getsockname,
    libc::SYS_getpeername,
    libc::SYS_setsockopt,
    libc::SYS_getsockopt,
    libc::SYS_brk,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_membarrier,
    libc::SYS_clock_gettime,
    libc::SYS_clock_getres,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_gettimeofday,
    libc::SYS_getrandom,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_rt_sigtimedwait,
    libc::SYS_sigaltstack,
    libc::SYS_restart_syscall,
    libc::SYS_set_robust_list,
    libc::SYS_get_robust_list,
    libc::SYS_rseq,
    libc::SYS_set_tid_address,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_gettid,
    libc::SYS_getpid,
    libc::SYS_getppid,
    libc::SYS_getuid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getegid,
    libc::SYS_getrlimit,
    libc::SYS_prlimit64,
    libc::SYS_getrusage,
    libc::SYS_sysinfo,
    libc::SYS_uname,
    libc::SYS_exit,
    libc::SYS_exit_group,
];

/// The older forms of calls, which newer architectures do without.
#[cfg(target_arch = "x86_64")]
const ALLOWED_OF_OLD: &[c_long] = &[
    libc::SYS_poll,
    libc::SYS_open,
    libc::SYS_stat,
    libc::SYS_lstat,
    libc::SYS_access,
    libc::SYS_rename,
    libc::SYS_unlink,
    libc::SYS_link,
    libc::SYS_mkdir,
    libc::SYS_rmdir,
    libc::SYS_readlink,
    libc::SYS_dup2,
    libc::SYS_pipe,
    libc::SYS_time,
    libc::SYS_arch_prctl,
];
#[cfg(not(target_arch = "x86_64"))]
const ALLOWED_OF_OLD: &[c_long] = &[];

/// What is asked about an argument.
#[derive(Clone, Copy)]
enum Test {
    /// It is one of these.
    OneOf(&'static [u32]),
    /// It is none of these.
    NoneOf(&'static [u32]),
    /// It has any of these bits.
    With(u32),
    /// It has none of them.
    Without(u32),
}

/// A call that is allowed if its argument passes the test.
struct Limited {
    call: c_long,
    argument: u32,
    test: Test,
}

impl Limited {
    const fn one_of(call: c_long, argument: u32, values: &'static [u32]) -> Limited {
        let test = Test::OneOf(values);
        Limited {
            call,
            argument,
            test,
        }
    }

    const fn none_of(call: c_long, argument: u32, values: &'static [u32]) -> Limited {
        let test = Test::NoneOf(values);
        Limited {
            call,
            argument,
            test,
        }
    }

    const fn with_bits(call: c_long, argument: u32, bits: u32) -> Limited {
        let test = Test::With(bits);
        Limited {
            call,
            argument,
            test,
        }
    }

    const fn without_bits(call: c_long, argument: u32, bits: u32) -> Limited {
        let test = Test::Without(bits);
        Limited {
            call,
            argument,
            test,
        }
    }
}

pub(super) fn restrict() -> io::Result<()> {
    let mut program = program();
    let filter = sock_fprog {
        len: program.len().try_into().map_err(io::Error::other)?,
        filter: program.as_mut_ptr(),
    };
    // SAFETY: the pointer is to a live structure, which says where the program is and
    // how long; the kernel copies both.
    let result = unsafe {
        libc::prctl(
            libc::PR_SET_SECCOMP,
            libc::c_ulong::from(libc::SECCOMP_MODE_FILTER),
            &raw const filter,
        )
    };
    match result {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// The program, one instruction after the other.
fn program() -> Vec<sock_filter> {
    let mut program = vec![load(ARCHITECTURE), jump(BPF_JEQ, OURS, 1, 0), give(KILL)];
    program.push(load(NUMBER));
    #[cfg(target_arch = "x86_64")]
    program.extend([jump(BPF_JSET, SHORT_POINTERS, 0, 1), give(KILL)]);
    for call in ALLOWED.iter().chain(ALLOWED_OF_OLD) {
        program.extend([jump(BPF_JEQ, number(*call), 0, 1), give(ALLOW)]);
    }
    let limited = LIMITED.iter().map(|one| (one.call, block(one)));
    for (call, block) in limited.chain([(libc::SYS_socket, of_socket())]) {
        let length = u8::try_from(block.len()).expect("invariant: a block is short");
        program.push(jump(BPF_JEQ, number(call), 0, length));
        program.extend(block);
    }
    // Its flags are in memory, where they cannot be looked at; without it the C
    // library does with the older call.
    let unknown = [
        jump(BPF_JEQ, number(libc::SYS_clone3), 0, 1),
        give(fail(libc::ENOSYS)),
    ];
    program.extend(unknown);
    // Code is loaded from files, and memory is for data.
    program.extend(of_mmap());
    program.push(give(fail(libc::EPERM)));
    program
}

/// Ends in a decision in any case.
fn block(limited: &Limited) -> Vec<sock_filter> {
    let mut block = vec![load(ARGUMENTS + 8 * limited.argument)];
    match limited.test {
        Test::OneOf(values) => {
            for value in values {
                block.extend([jump(BPF_JEQ, *value, 0, 1), give(ALLOW)]);
            }
        }
        Test::NoneOf(values) => {
            for value in values {
                block.extend([jump(BPF_JEQ, *value, 0, 1), give(fail(libc::EPERM))]);
            }
            block.push(give(ALLOW));
            return block;
        }
        Test::With(bits) => block.extend([jump(BPF_JSET, bits, 0, 1), give(ALLOW)]),
        Test::Without(bits) => block.extend([jump(BPF_JSET, bits, 1, 0), give(ALLOW)]),
    }
    block.push(give(fail(libc::EPERM)));
    block
}

/// What socket(2) may be asked for. Of the kernel's own sockets it is the one that tells
/// of addresses and routes, which the C library asks when names are looked up.
fn of_socket() -> Vec<sock_filter> {
    let mut block = vec![load(ARGUMENTS)];
    for family in [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6] {
        block.extend([jump(BPF_JEQ, family.unsigned_abs(), 0, 1), give(ALLOW)]);
    }
    block.extend([
        jump(BPF_JEQ, libc::AF_NETLINK.unsigned_abs(), 0, 3),
        load(ARGUMENTS + 8 * 2),
        jump(BPF_JEQ, libc::NETLINK_ROUTE.unsigned_abs(), 0, 1),
        give(ALLOW),
        give(fail(libc::EPERM)),
    ]);
    block
}

/// mmap(2), unless what it asks for is to be written and executed.
fn of_mmap() -> Vec<sock_filter> {
    let (write, execute) = (
        libc::PROT_WRITE.unsigned_abs(),
        libc::PROT_EXEC.unsigned_abs(),
    );
    vec![
        jump(BPF_JEQ, number(libc::SYS_mmap), 0, 5),
        load(ARGUMENTS + 8 * 2),
        jump(BPF_JSET, execute, 0, 2),
        jump(BPF_JSET, write, 0, 1),
        give(fail(libc::EPERM)),
        give(ALLOW),
    ]
}

fn number(call: c_long) -> u32 {
    u32::try_from(call).expect("invariant: calls have small numbers")
}

fn load(position: u32) -> sock_filter {
    instruction(BPF_LD | BPF_W | BPF_ABS, position, 0, 0)
}

/// Passes over so many instructions if the test succeeds, or if it does not.
fn jump(test: u32, value: u32, if_so: u8, if_not: u8) -> sock_filter {
    instruction(BPF_JMP | test | BPF_K, value, if_so, if_not)
}

fn give(decision: u32) -> sock_filter {
    instruction(BPF_RET | BPF_K, decision, 0, 0)
}

fn instruction(code: u32, k: u32, jt: u8, jf: u8) -> sock_filter {
    let code = u16::try_from(code).expect("invariant: instructions have 16 bits");
    sock_filter { code, jt, jf, k }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the program decides, by running it as the kernel would.
    fn decision(architecture: u32, call: u32, arguments: [u32; 6]) -> u32 {
        let program = program();
        let word = |position: u32| match position {
            NUMBER => call,
            ARCHITECTURE => architecture,
            _ => arguments[usize::try_from((position - ARGUMENTS) / 8).unwrap()],
        };
        let (mut at, mut loaded) = (0, 0);
        loop {
            let sock_filter { code, jt, jf, k } = program[at];
            at += 1;
            let code = u32::from(code);
            if code == BPF_LD | BPF_W | BPF_ABS {
                loaded = word(k);
                continue;
            }
            if code == BPF_RET | BPF_K {
                return k;
            }
            let passed = match code {
                code if code == BPF_JMP | BPF_JEQ | BPF_K => loaded == k,
                code if code == BPF_JMP | BPF_JSET | BPF_K => loaded & k != 0,
                _ => panic!("{code}"),
            };
            at += usize::from(if passed { jt } else { jf });
        }
    }

    fn decide(call: c_long, arguments: [u32; 6]) -> u32 {
        decision(OURS, number(call), arguments)
    }

    #[test]
    fn what_is_not_listed_fails() {
        let refused = fail(libc::EPERM);
        for call in [
            libc::SYS_execve,
            libc::SYS_execveat,
            libc::SYS_ptrace,
            libc::SYS_kill,
            libc::SYS_setuid,
            libc::SYS_mount,
            libc::SYS_unshare,
            libc::SYS_process_vm_readv,
            libc::SYS_bpf,
            libc::SYS_io_uring_setup,
            libc::SYS_chroot,
            libc::SYS_symlinkat,
        ] {
            assert_eq!(decide(call, [0; 6]), refused, "{call}");
        }
        assert_eq!(decide(libc::SYS_clone3, [0; 6]), fail(libc::ENOSYS));
        for call in ALLOWED.iter().chain(ALLOWED_OF_OLD) {
            assert_eq!(decide(*call, [u32::MAX; 6]), ALLOW, "{call}");
        }
    }

    #[cfg(target_arch = "x86_64")]
    const HEADER: &str = "/usr/include/x86_64-linux-gnu/asm/unistd_64.h";
    #[cfg(target_arch = "aarch64")]
    const HEADER: &str = "/usr/include/asm-generic/unistd.h";

    /// The names of the calls in a list of this file, in their order.
    fn names_in(list: &str) -> Vec<&'static str> {
        let text = include_str!("seccomp.rs");
        let start = text.split_once(&format!("const {list}: &[c_long] = &[\n"));
        let items = start.unwrap().1.split_once("];").unwrap().0;
        let name = |line: &'static str| line.trim().strip_prefix("libc::SYS_");
        let names = items.lines().filter_map(name);
        names.map(|name| name.trim_end_matches(',')).collect()
    }

    /// The number that the kernel's header gives a call, which may be by way of another
    /// name.
    fn number_in(header: &str, name: &str) -> Option<c_long> {
        let defined = |line: &str| {
            let mut words = line.strip_prefix("#define ")?.split_whitespace();
            (words.next() == Some(name)).then(|| words.next().map(str::to_owned))?
        };
        let value = header.lines().find_map(defined)?;
        value.parse().ok().or_else(|| number_in(header, &value))
    }

    #[test]
    fn numbers_are_those_of_the_kernel() {
        let Ok(header) = std::fs::read_to_string(HEADER) else {
            crate::sys::skip::skip("the kernel's headers are not installed");
            return;
        };
        let old = match cfg!(target_arch = "x86_64") {
            true => names_in("ALLOWED_OF_OLD"),
            false => Vec::new(),
        };
        let names = [names_in("ALLOWED"), old].concat();
        assert!(names.len() > 90, "{names:?}");
        let calls: Vec<_> = ALLOWED.iter().chain(ALLOWED_OF_OLD).collect();
        assert_eq!(names.len(), calls.len());
        for (name, call) in names.into_iter().zip(calls) {
            let number = number_in(&header, &format!("__NR_{name}"));
            assert_eq!(number, Some(*call), "{name}");
        }
        assert_eq!(number_in(&header, "__NR_no_such_call"), None);
    }

    #[test]
    fn other_conventions_end_it() {
        assert_eq!(decision(0x4000_0003, 0, [0; 6]), KILL);
        #[cfg(target_arch = "x86_64")]
        assert_eq!(decision(OURS, SHORT_POINTERS | 1, [0; 6]), KILL);
    }

    #[test]
    fn arguments_are_looked_at() {
        let (yes, no) = (ALLOW, fail(libc::EPERM));
        let at = |place: usize, value: c_int| {
            let mut arguments = [0; 6];
            arguments[place] = value.unsigned_abs();
            arguments
        };
        for (call, arguments, expected) in [
            (
                libc::SYS_clone,
                at(0, libc::CLONE_THREAD | libc::CLONE_VM),
                yes,
            ),
            (libc::SYS_clone, at(0, libc::SIGCHLD), no),
            (libc::SYS_socket, at(0, libc::AF_INET6), yes),
            (libc::SYS_socket, at(0, libc::AF_PACKET), no),
            (libc::SYS_socket, at(0, libc::AF_NETLINK), yes),
            (
                libc::SYS_socket,
                [
                    libc::AF_NETLINK.unsigned_abs(),
                    0,
                    libc::NETLINK_NETFILTER.unsigned_abs(),
                    0,
                    0,
                    0,
                ],
                no,
            ),
            (libc::SYS_fcntl, at(1, libc::F_SETFL), yes),
            (libc::SYS_fcntl, at(1, libc::F_SETLEASE), yes),
            (libc::SYS_fcntl, at(1, 8), no),
            (libc::SYS_fcntl, at(1, 15), no),
            (libc::SYS_prctl, at(0, libc::PR_SET_NAME), yes),
            (libc::SYS_prctl, at(0, libc::PR_SET_DUMPABLE), no),
            (libc::SYS_ioctl, at(1, 0x5421), yes),
            // TIOCSTI, which types on the terminal.
            (libc::SYS_ioctl, at(1, 0x5412), no),
            (
                libc::SYS_mprotect,
                at(2, libc::PROT_READ | libc::PROT_WRITE),
                yes,
            ),
            (
                libc::SYS_mprotect,
                at(2, libc::PROT_READ | libc::PROT_EXEC),
                no,
            ),
            (
                libc::SYS_mmap,
                at(2, libc::PROT_READ | libc::PROT_WRITE),
                yes,
            ),
            (
                libc::SYS_mmap,
                at(2, libc::PROT_READ | libc::PROT_EXEC),
                yes,
            ),
            (
                libc::SYS_mmap,
                at(2, libc::PROT_WRITE | libc::PROT_EXEC),
                no,
            ),
        ] {
            assert_eq!(decide(call, arguments), expected, "{call} {arguments:?}");
        }
    }
}
