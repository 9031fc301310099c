use std::fs;
use std::sync::atomic::AtomicBool;
use std::thread;

use super::*;
use crate::sys::testing::{LONG, TempDir, await_that};

const OUTPUT_MAX: usize = 10_000;
const SHELL: &str = "/bin/sh";

/// Runs a line of shell.
fn shell(line: &str, timeout: Duration, cancelled: &AtomicBool) -> Ended {
    let arguments = ["-c", line, "name"].map(|word| word.as_bytes().to_vec());
    let order = Order {
        program: Path::new(SHELL),
        arguments: &arguments,
        output_max: OUTPUT_MAX,
        timeout: Some(timeout),
        cancelled,
    };
    run(&order).unwrap()
}

fn quick(line: &str) -> Ended {
    shell(line, LONG, &AtomicBool::new(false))
}

fn text(line: &str) -> String {
    String::from_utf8(quick(line).output).unwrap()
}

/// Whether the process runs: neither gone nor waiting to be waited for.
fn is_running(pid: &str) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit(')').next().unwrap().starts_with(" Z"))
}

#[test]
fn tells_output_and_status() {
    let ended = quick("printf 'a\\0b\\n'; exit 3");
    assert_eq!(ended.end, End::Exited(3));
    assert_eq!(ended.output, b"a\0b\n");
    assert_eq!(quick("exit 0").end, End::Exited(0));
    assert_eq!(quick("exit 255").end, End::Exited(255));
    assert_eq!(quick("kill -9 $$").end, End::Signalled(9));
}

#[test]
fn the_surroundings_are_fixed() {
    assert_eq!(text("printf %s \"$IFS\""), " \t\n");
    let environment = text("/usr/bin/env | /usr/bin/tr '\\n' ';'");
    // The shell adds names of its own, but nothing of ours is there.
    for entry in environment.split(';') {
        let name = entry.split('=').next().unwrap();
        let known = ["", " \t", "PATH", "IFS", "PWD", "OLDPWD", "SHLVL", "_"];
        assert!(known.contains(&name), "{entry:?}");
    }
    assert!(environment.contains("PATH=/usr/bin:/bin"));
    assert_eq!(text("umask"), "0077\n");
    assert_eq!(text("read line; echo $?"), "1\n");
    assert_eq!(text("echo out; echo error >&2"), "out\n");
}

#[test]
#[cfg(target_os = "linux")]
fn no_descriptor_is_inherited() {
    let name = "sys::child::tests::no_descriptor_is_inherited";
    crate::sys::testing::alone(name, &[], || {
        let _ours = fs::File::open("/dev/null").unwrap();
        // SAFETY: the call takes no pointers. The copy stands for a descriptor
        // that came from whoever started the process.
        let inherited = unsafe { libc::dup(0) };
        assert!(text("exec ls /proc/self/fd").contains(&format!("{inherited}\n")));
        // SAFETY: as above. One that is above what the limit is lowered to.
        let high = unsafe { libc::fcntl(0, libc::F_DUPFD, 200) };
        assert!(high >= 200);
        let limit = libc::rlimit {
            rlim_cur: 100,
            rlim_max: 100,
        };
        // SAFETY: the pointer is to a live variable.
        assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) }, 0);
        crate::sys::process::keep_descriptors();
        // The fourth is that of the listing itself.
        assert_eq!(text("exec ls /proc/self/fd"), "0\n1\n2\n3\n");
    });
}

#[test]
#[cfg(target_os = "linux")]
fn the_group_is_its_own_and_no_signal_is_ignored() {
    let ids = text("cut -d' ' -f1,5 /proc/$$/stat");
    let (process, group) = ids.trim().split_once(' ').unwrap();
    assert_eq!(process, group);
    let ignored = text("grep SigIgn /proc/$$/status");
    let mask = u64::from_str_radix(ignored.split_whitespace().last().unwrap(), 16).unwrap();
    let pipe_and_io = (1 << (libc::SIGPIPE - 1)) | (1 << (libc::SIGIO - 1));
    assert_eq!(mask & pipe_and_io, 0);
}

#[test]
fn arguments_arrive_as_they_are() {
    let words: [&[u8]; 8] = [
        b"",
        b"-n",
        b"$(id)",
        b"a b",
        b"*",
        b"\"'",
        b"\xff\xfe",
        b"; exit 9",
    ];
    let mut arguments: Vec<Vec<u8>> = ["-c", "printf '<%s>' \"$@\"", "name"]
        .map(|word| word.as_bytes().to_vec())
        .into();
    arguments.extend(words.iter().map(|word| word.to_vec()));
    let ended = run(&Order {
        program: Path::new(SHELL),
        arguments: &arguments,
        output_max: OUTPUT_MAX,
        timeout: None,
        cancelled: &AtomicBool::new(false),
    });
    let expected: Vec<u8> = words
        .iter()
        .flat_map(|word| [b"<", *word, b">"].concat())
        .collect();
    assert_eq!(ended.unwrap().output, expected);
}

#[test]
fn too_much_output_is_cut_and_the_writer_killed() {
    let ended = quick("echo $$; exec cat /dev/zero");
    assert_eq!(ended.end, End::TooMuchOutput);
    assert_eq!(ended.output.len(), OUTPUT_MAX);
    let pid = ended.output.split(|b| *b == b'\n').next().unwrap();
    assert!(!is_running(std::str::from_utf8(pid).unwrap()));
    let line = format!("printf '%{}s' x", OUTPUT_MAX);
    assert_eq!(quick(&line).end, End::Exited(0));
    let line = format!("printf '%{}s' x", OUTPUT_MAX + 1);
    assert_eq!(quick(&line).end, End::TooMuchOutput);
}

#[test]
fn a_group_ends_together_when_time_is_up() {
    let lines = [
        "sleep 1000 & echo $!; wait",
        // Deaf to the polite signal, both of them.
        "trap '' TERM; sleep 1000 & echo $!; while :; do wait; done",
        "sleep 1000 & echo $!; kill -STOP $$",
    ];
    for line in lines {
        let mut time = Duration::from_millis(200);
        // A shell that has said nothing had too little time to begin with.
        let output = loop {
            let started = Instant::now();
            let ended = shell(line, time, &AtomicBool::new(false));
            assert_eq!(ended.end, End::TimedOut, "{line}");
            assert!(started.elapsed() < time + LONG, "{line}");
            match ended.output.is_empty() && time < LONG {
                true => time *= 2,
                false => break ended.output,
            }
        };
        let grandchild = String::from_utf8(output).unwrap();
        assert!(!grandchild.trim().is_empty());
        await_that("it has ended", || !is_running(grandchild.trim()));
    }
}

#[test]
fn a_closed_output_is_not_the_end() {
    let ended = quick("exec >&-; sleep 0.2; exit 7");
    assert_eq!(ended.end, End::Exited(7));
    let line = "exec >&-; sleep 1000";
    let ended = shell(line, Duration::from_millis(100), &AtomicBool::new(false));
    assert_eq!(ended.end, End::TimedOut);
}

#[test]
fn the_end_is_not_held_up_by_who_keeps_the_output_open() {
    let started = Instant::now();
    let ended = quick("sleep 30 & echo said; exit 5");
    assert_eq!(ended.end, End::Exited(5));
    assert_eq!(ended.output, b"said\n");
    assert!(started.elapsed() < Duration::from_secs(20));
}

#[test]
fn nor_by_who_goes_on_writing_to_it() {
    let ended = quick("(while :; do echo x; sleep 0.02; done) & sleep 0.2; exit 5");
    assert_eq!(ended.end, End::Exited(5));
    let cancelled = AtomicBool::new(false);
    for (is_cancelled, timeout, expected) in [
        (false, Duration::from_secs(1), End::TimedOut),
        (true, LONG, End::Cancelled),
    ] {
        let line = "while :; do echo x; sleep 0.02; done";
        let ended = thread::scope(|scope| {
            scope.spawn(|| {
                thread::sleep(Duration::from_millis(200));
                cancelled.store(is_cancelled, Ordering::Relaxed);
            });
            shell(line, timeout, &cancelled)
        });
        assert_eq!(ended.end, expected);
    }
}

#[test]
fn nobody_interested_ends_it() {
    let cancelled = AtomicBool::new(false);
    let ended = thread::scope(|scope| {
        scope.spawn(|| {
            thread::sleep(Duration::from_millis(100));
            cancelled.store(true, Ordering::Relaxed);
        });
        shell("sleep 1000", LONG, &cancelled)
    });
    assert_eq!(ended.end, End::Cancelled);
    // It is not even begun another time, or there would be an error.
    let order = Order {
        program: Path::new("/no/such/program"),
        arguments: &[],
        output_max: OUTPUT_MAX,
        timeout: Some(GRACE),
        cancelled: &cancelled,
    };
    assert_eq!(run(&order).unwrap().end, End::Cancelled);
}

#[test]
fn what_cannot_be_run_is_an_error() {
    let cancelled = AtomicBool::new(false);
    for (program, kind) in [
        ("/no/such/file", io::ErrorKind::NotFound),
        ("/etc/passwd", io::ErrorKind::PermissionDenied),
        ("/", io::ErrorKind::PermissionDenied),
    ] {
        let order = Order {
            program: Path::new(program),
            arguments: &[],
            output_max: OUTPUT_MAX,
            timeout: None,
            cancelled: &cancelled,
        };
        assert_eq!(run(&order).unwrap_err().kind(), kind, "{program}");
        assert!(check(Path::new(program)).is_err(), "{program}");
    }
    check(Path::new(SHELL)).unwrap();
}

#[test]
#[cfg(target_os = "linux")]
fn nothing_is_left_to_be_waited_for() {
    for _ in 0..5 {
        quick("exit 1");
        let _ = shell("sleep 9", Duration::from_millis(5), &AtomicBool::new(false));
    }
    let me = std::process::id().to_string();
    let is_dead_child = |entry: fs::DirEntry| {
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let rest = stat.rsplit(')').next().unwrap_or_default().to_owned();
        let fields: Vec<&str> = rest.split_whitespace().collect();
        // A child of another test may be about to be waited for.
        fields.first() == Some(&"Z")
            && fields.get(1) == Some(&me.as_str())
            && stat.contains("(sleep)")
    };
    let dead = || {
        let processes = fs::read_dir("/proc").unwrap();
        processes.filter_map(Result::ok).any(is_dead_child)
    };
    await_that("nobody is left", || !dead());
}

#[test]
fn at_the_end_of_the_process_all_programs_end() {
    let name = "sys::child::tests::at_the_end_of_the_process_all_programs_end";
    crate::sys::testing::alone(name, &[], || {
        let folder = TempDir::new();
        let mark = folder.join("mark");
        // More is written than a pipe holds: whoever has read that knows that it runs.
        let line = format!(
            "trap '' TERM; head -c 200000 /dev/zero; : > '{}'; sleep 1000 & wait; sleep 1000",
            mark.display()
        );
        let running = thread::spawn(move || {
            run(&Order {
                program: Path::new(SHELL),
                arguments: &[b"-c".to_vec(), line.into_bytes()],
                output_max: 1_000_000,
                timeout: Some(LONG),
                cancelled: &AtomicBool::new(false),
            })
        });
        await_that("it has begun", || mark.exists());
        end_all();
        let ended = running.join().unwrap().unwrap();
        assert_eq!(ended.end, End::Signalled(9));
        let order = Order {
            program: Path::new(SHELL),
            arguments: &[],
            output_max: 1,
            timeout: None,
            cancelled: &AtomicBool::new(false),
        };
        assert!(run(&order).is_err());
    });
}
