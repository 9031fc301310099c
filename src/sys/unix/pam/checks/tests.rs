use super::*;
use crate::sys::pam::Trouble;
use crate::sys::poll;
use crate::sys::testing::{LONG, alone};
use crate::sys::unix::pam::ask_of;

const SHORT: Limits = Limits {
    at_once: 2,
    time: Duration::from_millis(300),
    refusal: Duration::ZERO,
};

/// What the user wants, by its name.
fn as_told(question: &Question) -> Answer {
    match question.user() {
        b"yes" => Answer::Granted(question.password().expose().to_vec()),
        b"no" => Answer::Refused(Trouble::new("test", 7, b"no")),
        b"panic" => panic!("on purpose"),
        b"crash" => fork::exit(GRANTED),
        b"sleep" => {
            // What it has started has to end with it.
            let _ = std::process::Command::new("sleep").arg("60").status();
            Answer::Granted(Vec::new())
        }
        b"descriptors" => {
            let open = std::fs::read_dir("/proc/self/fd").unwrap();
            // The folder itself is one of them.
            Answer::Granted((open.count() - 1).to_string().into_bytes())
        }
        b"environment" => {
            let names = std::env::vars_os().map(|(name, _)| name.into_string().unwrap());
            let mut names: Vec<String> = names.collect();
            names.sort();
            Answer::Granted(names.join(" ").into_bytes())
        }
        _ => Answer::Failed(Trouble::new("test", 1, b"what?")),
    }
}

fn begin(checks: &mut Checks) -> io::Result<UnixStream> {
    // SAFETY: the other thread, if there is one, waits for this test to end.
    unsafe { checks.begin(Instant::now()) }
}

fn question(user: &str) -> Vec<u8> {
    let mut octets = vec![0, u8::try_from(user.len()).unwrap()];
    octets.extend(user.bytes());
    octets.extend(b"password");
    let length = u16::try_from(octets.len()).unwrap();
    [&length.to_be_bytes()[..], &octets].concat()
}

/// Does what the monitor does until so many checks are left.
fn tend_until(checks: &mut Checks, left: usize) {
    let until = Instant::now() + LONG;
    while checks.running.len() > left {
        assert!(Instant::now() < until, "they do not end");
        let mut entries: Vec<Entry> = checks.entries().collect();
        let patience = checks.patience(Instant::now()).unwrap_or(TICK);
        poll::wait(&mut entries, Some(patience)).unwrap();
        checks.tend(Instant::now());
    }
}

fn ask(checks: &mut Checks, user: &str) -> Vec<u8> {
    let until = Instant::now() + LONG;
    let socket = begin(checks).unwrap();
    let octets = ask_of(|| socket.try_clone(), &question(user), until).unwrap();
    tend_until(checks, 0);
    octets
}

#[test]
fn each_check_is_a_process_of_its_own() {
    alone(
        "sys::unix::pam::checks::tests::each_check_is_a_process_of_its_own",
        &[],
        || {
            let mut checks = Checks::new(
                Limits {
                    time: LONG,
                    ..SHORT
                },
                as_told,
            );
            assert_eq!(ask(&mut checks, "yes"), b"gpassword");
            assert_eq!(ask(&mut checks, "no"), b"rtest: 7: no");
            assert_eq!(ask(&mut checks, "other"), b"ftest: 1: what?");
            assert_eq!(ask(&mut checks, "panic"), b"", "it is not this process's");
            assert_eq!(ask(&mut checks, "crash"), b"");
            // The standard ones, the socket and the pipe.
            assert_eq!(ask(&mut checks, "descriptors"), b"g5");
            assert_eq!(ask(&mut checks, "environment"), b"gIFS PATH");
        },
    );
}

#[test]
fn late_checks_are_killed_with_what_they_have_started() {
    let name = "sys::unix::pam::checks::tests::late_checks_are_killed_with_what_they_have_started";
    alone(name, &[], || {
        let mut checks = Checks::new(SHORT, as_told);
        let began = Instant::now();
        let mut socket = begin(&mut checks).unwrap();
        socket.write_all(&question("sleep")).unwrap();
        tend_until(&mut checks, 0);
        assert!(began.elapsed() >= SHORT.time);
        let mut answer = Vec::new();
        // Nobody has the socket any more.
        assert_eq!(socket.read_to_end(&mut answer).unwrap_or(0), 0);
        // One that gets no question ends by itself.
        let mut checks = Checks::new(
            Limits {
                time: LONG,
                ..SHORT
            },
            as_told,
        );
        drop(begin(&mut checks).unwrap());
        tend_until(&mut checks, 0);
    });
}

#[test]
fn so_many_at_once_and_refusals_count_for_a_while() {
    let name = "sys::unix::pam::checks::tests::so_many_at_once_and_refusals_count_for_a_while";
    alone(name, &[], || {
        let limits = Limits {
            time: LONG,
            refusal: LONG * 10,
            ..SHORT
        };
        let mut checks = Checks::new(limits, as_told);
        for _ in 0..5 {
            assert_eq!(ask(&mut checks, "yes"), b"gpassword", "these do not count");
        }
        let mut asked = begin(&mut checks).unwrap();
        asked.write_all(&question("no")).unwrap();
        asked.read_to_end(&mut Vec::new()).unwrap();
        // Nor is anything gained by not listening.
        drop(begin(&mut checks).unwrap());
        let until = Instant::now() + LONG;
        let is_over = |check: &Check| matches!(check.state, State::Over);
        while !checks.running.iter().all(is_over) {
            assert!(Instant::now() < until, "they do not end");
            checks.tend(Instant::now());
        }
        assert_eq!(checks.running.len(), 2);
        assert!(checks.patience(Instant::now()).is_none());
        let full = begin(&mut checks).unwrap_err();
        assert_eq!(full.kind(), io::ErrorKind::WouldBlock);
        checks.tend(Instant::now() + limits.refusal);
        assert!(checks.running.is_empty());
        begin(&mut checks).unwrap();
    });
}

#[test]
fn a_turn_is_waited_for_but_not_for_ever() {
    let full = || Err(io::ErrorKind::WouldBlock.into());
    let until = Instant::now() + Duration::from_millis(50);
    let error = ask_of(full, &question("yes"), until).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
    assert!(Instant::now() >= until);
    let gone = || Err(io::ErrorKind::BrokenPipe.into());
    let error = ask_of(gone, &question("yes"), Instant::now() + LONG).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
}
