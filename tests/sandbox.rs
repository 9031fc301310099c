//! The sandbox, with mail that comes in and goes out.
#![cfg(target_os = "linux")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::support::client::submit;
use crate::support::process::{
    MESSAGE, ONE_PROCESS, PKI, assert_powerless, launch, owners, packaged_spool,
    skip_without_landlock, start, status, the_child,
};
use crate::support::program::Scratch;
use crate::support::sink::Sink;
use crate::support::skip_unless_root;

#[test]
fn in_the_sandbox_mail_comes_in_and_goes_out() {
    if skip_unless_root() || skip_without_landlock() {
        return;
    }
    let scratch = Scratch::new();
    let (spool, sink) = (packaged_spool(&scratch), Sink::start());
    let secrets = scratch.join("secrets");
    let protect = |text: &str| {
        fs::write(&secrets, text).unwrap();
        fs::set_permissions(&secrets, fs::Permissions::from_mode(0o600)).unwrap();
    };
    protect("server none 127.0.0.1 x\n");
    // By its name, which has to be looked up.
    let next_hop = sink.address().replace("127.0.0.1", "localhost");
    let certificate = format!("{PKI}/server.key,{PKI}/server.pem");
    let more = [
        "--sandbox",
        "--forward-on-disconnect",
        "--forward-to",
        &next_hop,
        "--server-auth",
        &secrets,
        "--server-tls",
        "--server-tls-certificate",
        &certificate,
    ];
    let (mut relay, port) = start(&spool, &more);
    let network = the_child(relay.id());
    assert_powerless(network);
    assert_eq!(status(network, "NoNewPrivs:"), "1");
    assert_eq!(status(network, "Seccomp:"), "2");
    assert_eq!(
        status(relay.id(), "Seccomp:"),
        "0",
        "the monitor needs it all"
    );
    submit(port, "a@b.test", &["c@d.test"], MESSAGE);
    sink.wait_for(1);
    // Files are still read again: those that may be, and by the monitor.
    protect("server none 127.0.0.1 y\nserver plain a b\n");
    relay.hang_up();
    relay.wait_for("re-reading secrets file");
    relay.wait_for("re-reading tls certificate file");
    submit(port, "a@b.test", &["c@d.test"], MESSAGE);
    sink.wait_for(2);
    // Every thread is in it, those that came later included.
    for thread in fs::read_dir(format!("/proc/{network}/task")).unwrap() {
        // One that ends meanwhile has nothing to say.
        if let Ok(text) = fs::read_to_string(thread.unwrap().path().join("status")) {
            assert!(text.contains("Seccomp:\t2"), "{text}");
        }
    }
    relay.terminate();
    assert!(relay.wait().success(), "{:#?}", relay.log());
    assert_eq!(owners(&spool), []);
}

#[test]
fn one_process_can_be_in_the_sandbox_too_but_no_programs() {
    if skip_without_landlock() {
        return;
    }
    let scratch = Scratch::new();
    let spool = scratch.join("spool");
    fs::create_dir(&spool).unwrap();
    let pid_file = scratch.join("run/relay.pid");
    let socket = scratch.join("run/metrics");
    let more = ["--sandbox", "--pid-file", &pid_file, "--metrics", &socket];
    fs::create_dir(scratch.join("run")).unwrap();
    let arguments = [ONE_PROCESS, &more].concat();
    let (mut relay, port) = start(&spool, &arguments);
    assert_eq!(status(relay.id(), "Seccomp:"), "2");
    submit(port, "a@b.test", &["c@d.test"], MESSAGE);
    assert_eq!(owners(&spool).len(), 2);
    assert!(Path::new(&socket).exists());
    relay.terminate();
    assert!(relay.wait().success());
    for removed in [&pid_file, &socket] {
        assert!(
            !Path::new(removed).exists(),
            "{removed} may still be removed"
        );
    }
    let output = launch(&spool, &["--sandbox", "--address-verifier=/bin/true"]);
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("--sandbox: cannot be used with"), "{text}");
}
