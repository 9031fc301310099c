use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::*;
use crate::sys::poll::{self, Entry};
use crate::sys::signal::{Caught, Signals, put_reloads_off, watch};
use crate::sys::socket::{WakeReceiver, wake_pair};
use crate::sys::testing::{LONG, alone, await_socket, is_readable};

fn start() -> (Signals, WakeReceiver) {
    let (sender, receiver) = wake_pair().unwrap();
    (watch(Arc::new(sender)).unwrap(), receiver)
}

fn raise(signal: c_int) {
    // SAFETY: the call takes no pointers.
    assert_eq!(unsafe { libc::raise(signal) }, 0);
}

#[test]
fn signals_wake_the_loop() {
    alone(
        "sys::unix::signal::tests::signals_wake_the_loop",
        &[],
        || {
            let (signals, receiver) = start();
            assert_eq!(signals.take(), Caught::default());
            for (signal, terminate, reload) in [
                (libc::SIGTERM, true, false),
                (libc::SIGINT, true, false),
                (libc::SIGQUIT, true, false),
                (libc::SIGHUP, false, true),
            ] {
                raise(signal);
                await_socket(receiver.raw(), true, false);
                receiver.drain();
                assert_eq!(signals.take(), Caught { terminate, reload });
                assert_eq!(signals.take(), Caught::default());
                assert!(!is_readable(receiver.raw()));
            }
            for harmless in [libc::SIGUSR1, libc::SIGUSR2] {
                raise(harmless);
                assert_eq!(signals.take(), Caught::default());
            }
            raise(libc::SIGHUP);
            raise(libc::SIGTERM);
            let both = Caught {
                terminate: true,
                reload: true,
            };
            assert_eq!(signals.take(), both);
        },
    );
}

#[test]
fn a_reload_that_comes_early_is_put_off() {
    let name = "sys::unix::signal::tests::a_reload_that_comes_early_is_put_off";
    alone(name, &[], || {
        put_reloads_off().unwrap();
        for signal in [libc::SIGHUP, libc::SIGUSR1, libc::SIGUSR2] {
            raise(signal);
        }
        let (signals, receiver) = start();
        await_socket(receiver.raw(), true, false);
        let reload = Caught {
            terminate: false,
            reload: true,
        };
        assert_eq!(signals.take(), reload);
    });
}

#[test]
fn what_was_ignored_stays_ignored() {
    let name = "sys::unix::signal::tests::what_was_ignored_stays_ignored";
    alone(name, &[], || {
        set_action(libc::SIGHUP, libc::SIG_IGN).unwrap();
        put_reloads_off().unwrap();
        let (signals, receiver) = start();
        for signal in [libc::SIGHUP, libc::SIGPIPE, libc::SIGIO] {
            assert!(is_ignored(signal).unwrap());
            raise(signal);
        }
        assert_eq!(signals.take(), Caught::default());
        assert!(!is_readable(receiver.raw()));
        raise(libc::SIGTERM);
        assert!(signals.take().terminate);
    });
}

#[test]
fn a_process_watches_once() {
    alone(
        "sys::unix::signal::tests::a_process_watches_once",
        &[],
        || {
            let _first = start();
            let (sender, _receiver) = wake_pair().unwrap();
            let second = watch(Arc::new(sender)).unwrap_err();
            assert_eq!(second.kind(), io::ErrorKind::AlreadyExists);
        },
    );
}

#[test]
fn the_handler_leaves_errno_alone() {
    let name = "sys::unix::signal::tests::the_handler_leaves_errno_alone";
    alone(name, &[], || {
        let (_signals, receiver) = start();
        // So that the write in the handler fails and sets errno.
        drop(receiver);
        errno::set(4242);
        handle(libc::SIGTERM);
        assert_eq!(errno::get(), 4242);
    });
}

#[test]
fn an_interrupted_poll_reports_nothing() {
    let name = "sys::unix::signal::tests::an_interrupted_poll_reports_nothing";
    alone(name, &[], || {
        let _watching = start();
        let (sender, receiver) = wake_pair().unwrap();
        sender.wake();
        let mut entries = [Entry::new(receiver.raw(), true, false)];
        assert_eq!(poll::wait(&mut entries, Some(LONG)).unwrap(), 1);
        receiver.drain();

        let is_over = AtomicBool::new(false);
        // SAFETY: the call takes no arguments.
        let this_thread = unsafe { libc::pthread_self() } as usize;
        let ready = thread::scope(|scope| {
            scope.spawn(|| {
                // However long the other thread takes to get to its poll.
                while !is_over.load(Ordering::Acquire) {
                    // SAFETY: the thread lives until this one has ended.
                    unsafe { libc::pthread_kill(this_thread as libc::pthread_t, libc::SIGHUP) };
                    thread::yield_now();
                }
            });
            let ready = poll::wait(&mut entries, None);
            is_over.store(true, Ordering::Release);
            ready
        });
        assert_eq!(ready.unwrap(), 0);
        assert!(!entries[0].is_ready(), "what an earlier poll reported");
    });
}
