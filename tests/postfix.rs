//! Postfix as the next hop, with TLS.
#![cfg(target_os = "linux")]

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use crate::support::address::unused;
use crate::support::client::submit;
use crate::support::program::{PATIENCE, Scratch, Server, run};
use crate::support::{skip_unless_root, skip_without};

const MASTER: &str = "\
ADDRESS inet n - n - - smtpd
postlog unix-dgram n - n - 1 postlogd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
discard unix - - n - - discard
anvil unix - - n - 1 anvil
tlsmgr unix - - n 1000? 1 tlsmgr
proxymap unix - - n - - proxymap
error unix - - n - - error
retry unix - - n - - error
";

const MAIN: &str = "\
compatibility_level = 3.6
queue_directory = DIR/spool
data_directory = DIR/data
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = postfix.test
mydestination =
relay_domains = dst.test
mynetworks = 127.0.0.0/8
default_transport = discard
relay_transport = discard
smtpd_tls_cert_file = PKI/rsa.pem
smtpd_tls_key_file = PKI/rsa.key
smtpd_tls_security_level = encrypt
maillog_file = DIR/log
maillog_file_prefixes = /
";

/// An instance of Postfix that accepts mail over TLS and throws it away.
struct Postfix {
    directory: Scratch,
    address: SocketAddr,
}

impl Postfix {
    /// Nothing where it is not installed or may not be started.
    fn start() -> Option<Postfix> {
        if skip_without("/usr/sbin/postfix") || skip_unless_root() {
            return None;
        }
        let directory = Scratch::new();
        let address = unused();
        let pki = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pki");
        let main = MAIN.replace("DIR", directory.path().to_str().unwrap());
        for folder in ["conf", "spool", "data"] {
            fs::create_dir(directory.join(folder)).unwrap();
        }
        fs::write(
            directory.join("conf/main.cf"),
            main.replace("PKI", pki.to_str().unwrap()),
        )
        .unwrap();
        fs::write(
            directory.join("conf/master.cf"),
            MASTER.replace("ADDRESS", &address.to_string()),
        )
        .unwrap();
        let owned = Command::new("chown")
            .args(["postfix", &directory.join("data")])
            .status();
        assert!(owned.unwrap().success());
        let postfix = Postfix { directory, address };
        postfix.control("start");
        let until = Instant::now() + PATIENCE;
        while TcpStream::connect(address).is_err() {
            assert!(Instant::now() < until, "Postfix does not listen");
            thread::sleep(Duration::from_millis(20));
        }
        Some(postfix)
    }

    fn control(&self, command: &str) {
        let conf = self.directory.join("conf");
        let output = Command::new("/usr/sbin/postfix")
            .args(["-c", &conf, command])
            .output();
        assert!(
            output.is_ok_and(|output| output.status.success()),
            "postfix {command}"
        );
    }
}

impl Drop for Postfix {
    fn drop(&mut self) {
        self.control("stop");
    }
}

#[test]
fn postfix_takes_mail_over_verified_tls() {
    let Some(postfix) = Postfix::start() else {
        return;
    };
    let spool = Scratch::new();
    let server = Server::start(&spool, &[]);
    for _ in 0..3 {
        submit(
            server.port,
            "a@src.test",
            &["c@dst.test"],
            b"Subject: x\r\n\r\nhello\r\n",
        );
    }
    drop(server);
    let authorities = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pki/ca.pem");
    let forward = |name: &str| {
        let target = postfix.address.to_string();
        let spool = spool.path().to_str().unwrap();
        let authorities = authorities.to_str().unwrap();
        run(&[
            "--as-client",
            &target,
            "--spool-dir",
            spool,
            "--domain",
            "relay.test",
            "--verbose",
            "--client-tls",
            "--client-tls-required",
            "--client-tls-verify",
            authorities,
            "--client-tls-verify-name",
            name,
        ])
    };
    let (status, _, log) = forward("wrong.example");
    assert_eq!((status, spool.names().len()), (1, 6), "{log}");
    let (status, _, log) = forward("mail.example");
    assert_eq!((status, spool.names().len()), (0, 0), "{log}");
    assert!(log.contains("tls protocol established"), "{log}");
    assert!(log.contains(" bytes queued as "), "{log}");
}
