//! A network of the test's own, in which this host has addresses that are not
//! local, and any port is free.

use std::env;
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use super::program::PATIENCE;
use super::skip;

/// Addresses that this host has in such a network, besides those of loopback.
pub(crate) const ADDRESSES: [&str; 4] = ["192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8:1::1"];

/// Set in the process that is in such a network.
const INSIDE: &str = "EMAILRELAY_TEST_NETWORK";

/// Runs the test that calls it once more, in a process and a network of its own.
/// Does nothing where that is not permitted, and says so.
pub(crate) fn in_private_network(test: impl FnOnce()) {
    if env::var_os(INSIDE).is_some() {
        set_up();
        return test();
    }
    let unshare = || {
        let mut command = Command::new("unshare");
        command.args(["--net", "--mount"]);
        command
    };
    let permitted = unshare().arg("true").output();
    if !permitted.is_ok_and(|output| output.status.success()) {
        skip("a private network is not permitted");
        return;
    }
    let thread = thread::current();
    let name = thread.name().filter(|name| name.contains("::"));
    let name = name.expect("tests run in threads that have their names");
    let mut command = unshare();
    command
        .arg(env::current_exe().unwrap())
        .args([name, "--exact", "--nocapture"])
        .env(INSIDE, "yes");
    let output = command.output().unwrap();
    let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
    let (out, log) = (text(&output.stdout), text(&output.stderr));
    assert!(
        output.status.success() && out.contains("1 passed"),
        "{out}\n{log}"
    );
}

fn set_up() {
    let mut commands = vec![
        "mount --make-rprivate /".to_owned(),
        "ip addr add fe80::9/64 dev lo nodad".to_owned(),
    ];
    commands.extend(ADDRESSES.map(|address| match address.contains(':') {
        true => format!("ip addr add {address}/128 dev lo nodad"),
        false => format!("ip addr add {address}/32 dev lo"),
    }));
    commands.push("ip link set lo up".to_owned());
    for command in &commands {
        let mut words = command.split(' ');
        let status = Command::new(words.next().unwrap()).args(words).status();
        assert!(status.unwrap().success(), "{command}");
    }
    ADDRESSES.iter().for_each(|address| await_address(address));
}

/// The system may need a moment before a new address can be reached.
fn await_address(address: &str) {
    let until = Instant::now() + PATIENCE;
    let reach = || TcpStream::connect(TcpListener::bind((address, 0))?.local_addr()?);
    while let Err(error) = reach() {
        assert!(Instant::now() < until, "{address}: {error}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// Puts other text in the place of a file, for the private network's programs.
pub(crate) fn replace_file(path: &str, with: &str) {
    let mut command = Command::new("mount");
    let status = command.args(["--bind", with, path]).status().unwrap();
    assert!(status.success());
}
