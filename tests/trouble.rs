//! What is wrong at start is said at start.

use std::fs;
use std::net::TcpListener;

use crate::support::program::{Scratch, run};

fn try_to_serve(arguments: &[&str]) -> (i32, String) {
    let fixed = [
        "--no-daemon",
        "--log",
        "--no-syslog",
        "--interface",
        "127.0.0.1",
        "--domain",
        "x.test",
    ];
    let (status, _, log) = run(&[&fixed[..], arguments].concat());
    (status, log)
}

#[test]
fn a_missing_spool_directory_is_named() {
    let scratch = Scratch::new();
    let missing = scratch.join("not-there");
    let (status, log) = try_to_serve(&["--port", "0", "--spool-dir", &missing]);
    assert_eq!(status, 1, "{log}");
    assert!(
        log.contains(&missing) && log.contains("no such file or directory"),
        "{log}"
    );
}

#[test]
fn a_spool_directory_that_is_a_file_is_refused() {
    let scratch = Scratch::new();
    let file = scratch.join("file");
    fs::write(&file, "").unwrap();
    let (status, log) = try_to_serve(&["--port", "0", "--spool-dir", &file]);
    assert_eq!(status, 1, "{log}");
    assert!(
        log.contains(&file) && log.contains("not a directory"),
        "{log}"
    );
}

#[test]
#[cfg(unix)]
fn secrets_that_others_can_read_are_refused_on_request() {
    use std::os::unix::fs::PermissionsExt;
    let spool = Scratch::new();
    let secrets = spool.join("secrets");
    fs::write(&secrets, "server plain me pw\nclient plain me pw\n").unwrap();
    let directory = spool.path().to_str().unwrap();
    let strict = "--strict-secrets";
    for (mode, strict, status) in [
        (0o640, strict, 1),
        (0o600, strict, 0),
        (0o640, "--strict-secrets=no", 0),
    ] {
        fs::set_permissions(&secrets, fs::Permissions::from_mode(mode)).unwrap();
        let options = [
            "--as-client",
            "127.0.0.1:9",
            "--spool-dir",
            directory,
            strict,
        ];
        let (got, _, log) = run(&[&options[..], &["--client-auth", &secrets]].concat());
        let told = log.contains(&secrets);
        assert_eq!(
            (got, told),
            (status, mode == 0o640),
            "{mode:o} {strict}: {log}"
        );
    }
}

#[test]
fn a_port_in_use_is_named_and_has_its_own_exit_status() {
    let (spool, taken) = (Scratch::new(), TcpListener::bind("127.0.0.1:0").unwrap());
    let port = taken.local_addr().unwrap().port().to_string();
    let spool = spool.path().to_str().unwrap();
    let (status, log) = try_to_serve(&["--port", &port, "--spool-dir", spool]);
    assert_eq!(status, 2, "{log}");
    let address = format!("127.0.0.1:{port}");
    assert!(log.contains(&address) && log.contains("in use"), "{log}");
}

#[test]
#[cfg(unix)]
fn a_configuration_that_everybody_may_write_to_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let spool = Scratch::new();
    let file = spool.join("a.conf");
    fs::write(&file, "as-client 127.0.0.1:9\n").unwrap();
    let directory = spool.path().to_str().unwrap();
    for (mode, status) in [(0o664, 0), (0o646, 1)] {
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        let (got, _, log) = run(&["--spool-dir", directory, &file]);
        assert_eq!(got, status, "{mode:o}: {log}");
        assert_eq!(log.contains("chmod o-w"), status == 1, "{log}");
    }
}
