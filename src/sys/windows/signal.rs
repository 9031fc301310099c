//! Console events, which come on a thread of their own.

use std::io;
use std::thread;
use std::time::Duration;

use super::ffi;
use crate::sys::signal::{Request, catch};

/// Windows ends the process some seconds after it has told it that the console
/// closes, or as soon as the handler returns; this is longer than it waits.
const CLOSING_TIME: Duration = Duration::from_secs(60);

/// Installs the handler.
pub(in crate::sys) fn install() -> io::Result<()> {
    // SAFETY: the function is of the type that is asked for, and stays.
    if unsafe { ffi::SetConsoleCtrlHandler(Some(handle), 1) } == 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// There is no event that asks for this.
#[allow(clippy::unnecessary_wraps)] // elsewhere it may fail
pub(in crate::sys) fn catch_reloads() -> io::Result<()> {
    Ok(())
}

/// Returns whether the event has been dealt with.
unsafe extern "system" fn handle(event: u32) -> ffi::BOOL {
    match event {
        ffi::CTRL_C_EVENT | ffi::CTRL_BREAK_EVENT => {
            catch(Request::Terminate);
            1
        }
        ffi::CTRL_CLOSE_EVENT | ffi::CTRL_SHUTDOWN_EVENT => {
            catch(Request::Terminate);
            thread::sleep(CLOSING_TIME);
            1
        }
        // Only services are told of it, and they outlive the user.
        ffi::CTRL_LOGOFF_EVENT => 1,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::sys::signal::watch;
    use crate::sys::socket::wake_pair;
    use crate::sys::testing::{alone, await_socket};

    #[test]
    fn the_console_may_ask_us_to_end() {
        let name = "sys::windows::signal::tests::the_console_may_ask_us_to_end";
        alone(name, &[], || {
            let (sender, receiver) = wake_pair().unwrap();
            let signals = watch(Arc::new(sender)).unwrap();
            // SAFETY: what the system may call at any time may be called by us.
            let tell = |event| unsafe { handle(event) };
            for event in [ffi::CTRL_C_EVENT, ffi::CTRL_BREAK_EVENT] {
                assert_eq!(tell(event), 1);
                await_socket(receiver.raw(), true, false);
                receiver.drain();
                assert!(signals.take().terminate);
            }
            // Others than ours decide what becomes of these.
            assert_eq!((tell(ffi::CTRL_LOGOFF_EVENT), tell(77)), (1, 0));
            assert!(!signals.take().terminate);
            // The system ends us once it returns, so it does not before we have ended.
            let closing = thread::spawn(move || tell(ffi::CTRL_CLOSE_EVENT));
            await_socket(receiver.raw(), true, false);
            assert!(signals.take().terminate && !closing.is_finished());
        });
    }
}
