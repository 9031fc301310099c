//! What the service manager is told: as systemd wants it (sd_notify(3)), or that of
//! Windows.

use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use super::platform::monitor::Notices;
use super::platform::notify::{self as platform, NotifySocket};

/// What there is to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum State {
    /// It serves, or has done what it was told to do again.
    Ready = 1,
    /// It reads its files again.
    Reloading = 2,
    /// It is about to end.
    Stopping = 3,
    /// It is still at work.
    Alive = 4,
}

impl State {
    /// The state of that number, as it travels between processes.
    #[cfg_attr(windows, cfg(test))]
    pub(in crate::sys) fn of(octet: u8) -> Option<State> {
        let all = [
            State::Ready,
            State::Reloading,
            State::Stopping,
            State::Alive,
        ];
        all.into_iter().find(|state| *state as u8 == octet)
    }

    fn text(self, process: u32, monotonic_usec: u64) -> String {
        match self {
            State::Ready => format!("READY=1\nMAINPID={process}\nSTATUS=Serving\n"),
            State::Reloading => {
                format!(
                    "RELOADING=1\nMONOTONIC_USEC={monotonic_usec}\nSTATUS=Reading files again\n"
                )
            }
            State::Stopping => "STOPPING=1\nSTATUS=Finishing what is in flight\n".to_owned(),
            State::Alive => "WATCHDOG=1\n".to_owned(),
        }
    }
}

enum Way {
    Socket(NotifySocket),
    #[cfg_attr(windows, allow(dead_code))] // there is no monitor
    Monitor(Notices),
}

static WAY: RwLock<Option<Way>> = RwLock::new(None);

/// Finds the service manager by the environment; without one there, only that of
/// Windows is told, and only by a service.
/// An address that cannot be one is an error, with its text.
pub fn open(variable: &dyn Fn(&str) -> Option<String>) -> Result<(), String> {
    let Some(name) = variable("NOTIFY_SOCKET").filter(|name| !name.is_empty()) else {
        return Ok(());
    };
    let socket = NotifySocket::open(&name)
        .map_err(|error| format!("cannot use NOTIFY_SOCKET: {}", super::reason(&error)))?;
    *WAY.write().unwrap_or_else(PoisonError::into_inner) = Some(Way::Socket(socket));
    Ok(())
}

/// How often the service manager is to hear of the process of that number, or of
/// the one that it has started: twice in the time after which it would end it.
pub fn heartbeat(process: u32, variable: &dyn Fn(&str) -> Option<String>) -> Option<Duration> {
    let pid = variable("WATCHDOG_PID");
    if pid.is_some_and(|pid| pid != process.to_string()) {
        return None;
    }
    let usec = variable("WATCHDOG_USEC")?.parse().ok()?;
    Some(Duration::from_micros(usec) / 2).filter(|every| !every.is_zero())
}

/// Tells the service manager; never waits, and failure is of no matter.
pub fn tell(state: State) {
    match &*WAY.read().unwrap_or_else(PoisonError::into_inner) {
        Some(Way::Socket(socket)) => {
            let text = state.text(std::process::id(), platform::monotonic_usec());
            socket.send(text.as_bytes());
        }
        Some(Way::Monitor(notices)) => notices.tell(state),
        None => platform::tell(state),
    }
}

/// Has the monitor tell the service manager from now on, if there is one. What it is
/// told by stays open to the end, as the monitor takes it for the end otherwise.
#[cfg(unix)]
pub(in crate::sys) fn send_by(notices: Notices) {
    *WAY.write().unwrap_or_else(PoisonError::into_inner) = Some(Way::Monitor(notices));
}

/// The descriptor by which the service manager is told.
#[cfg(unix)]
pub(in crate::sys) fn descriptor() -> Option<std::os::fd::RawFd> {
    match &*WAY.read().unwrap_or_else(PoisonError::into_inner) {
        Some(Way::Socket(socket)) => Some(socket.raw()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_told_in_the_words_of_the_manual() {
        assert!(
            State::Ready
                .text(77, 0)
                .starts_with("READY=1\nMAINPID=77\n")
        );
        let reloading = State::Reloading.text(77, 123);
        assert!(reloading.starts_with("RELOADING=1\nMONOTONIC_USEC=123\n"));
        assert!(State::Stopping.text(77, 0).starts_with("STOPPING=1\n"));
        assert_eq!(State::Alive.text(77, 0), "WATCHDOG=1\n");
        for octet in 0..=u8::MAX {
            assert!(State::of(octet).is_none_or(|state| state as u8 == octet));
        }
        assert_eq!(State::of(4), Some(State::Alive));
    }

    #[test]
    fn the_heart_beats_twice_in_the_time_given() {
        let beat = |usec: &str, pid: Option<&str>| {
            heartbeat(77, &|name| match name {
                "WATCHDOG_USEC" => Some(usec.to_owned()),
                "WATCHDOG_PID" => pid.map(str::to_owned),
                _ => None,
            })
        };
        assert_eq!(beat("3000000", None), Some(Duration::from_millis(1500)));
        assert_eq!(beat("2", Some("77")), Some(Duration::from_micros(1)));
        for (usec, pid) in [
            ("3000000", Some("78")),
            ("0", None),
            ("x", None),
            ("-1", None),
        ] {
            assert_eq!(beat(usec, pid), None, "{usec} {pid:?}");
        }
        assert_eq!(heartbeat(77, &|_| None), None);
    }
}
