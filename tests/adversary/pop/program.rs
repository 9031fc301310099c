//! The program with a POP server, configured as a model is.

use std::fs;

use super::model::Rules;
use crate::adversary::sasl::SECRETS;
use crate::support::program::{Scratch, Server};
use crate::support::secure::pki_text;

/// The options that stand for rules; the secrets are put into a directory.
pub(super) fn options(rules: &Rules, secrets: &Scratch) -> Vec<String> {
    let path = secrets.join("secrets");
    fs::write(&path, SECRETS).unwrap();
    let mut options = vec!["--pop".to_owned(), "--pop-port=0".to_owned()];
    options.push(format!("--pop-auth={path}"));
    for (name, _) in &rules.pairs {
        match name.as_str() {
            "no-delete" => options.push("--pop-no-delete".to_owned()),
            "tls-required" => options.push("--server-tls-required".to_owned()),
            "stls" => {
                let certificate = pki_text("server-all.pem");
                options.push("--server-tls".to_owned());
                options.push(format!("--server-tls-certificate={certificate}"));
            }
            "local" => {}
            other => panic!("no option for {other}"),
        }
    }
    options
}

/// Starts it, and gives the port for POP.
pub(super) fn start(spool: &Scratch, options: &[String]) -> (Server, u16) {
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    let server = Server::start(spool, &options);
    let line = server.program.wait_for("pop server on ");
    let port = line.rsplit(':').next().unwrap().parse().unwrap();
    (server, port)
}
