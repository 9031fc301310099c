//! Encryption.

use crate::config::option::{
    Argument::{Path, Required},
    Opt,
    Status::{Planned, Ready},
};

pub(super) const OPTIONS: &[Opt] = &[
    Opt {
        long: "client-tls",
        short: Some('j'),
        status: Planned,
        summary: "encrypt forwarding if the server can",
        doc: "Encrypts outgoing SMTP connections by the STARTTLS command where the remote server \
            offers it.",
        ..Opt::FLAG
    },
    Opt {
        long: "client-tls-certificate",
        argument: Path("pem-file"),
        repeat: true,
        status: Planned,
        summary: "certificate to present when forwarding",
        doc: "Presents the certificate chain in this PEM file, which also has the private key, to \
            remote servers; given twice, the first file has the key and the second the chain.",
        ..Opt::FLAG
    },
    Opt {
        long: "client-tls-connection",
        short: Some('b'),
        status: Planned,
        summary: "encrypt forwarding from the first octet",
        doc: "Encrypts outgoing SMTP connections from the first octet, without STARTTLS.",
        ..Opt::FLAG
    },
    Opt {
        long: "client-tls-required",
        status: Planned,
        summary: "never forward without encryption",
        doc: "Does not forward over a connection that could not be encrypted.",
        ..Opt::FLAG
    },
    Opt {
        long: "client-tls-server-name",
        argument: Required("hostname"),
        status: Planned,
        summary: "server name to ask for",
        doc: "Names the server in the TLS handshake of outgoing connections, for servers that have \
            several identities.",
        ..Opt::FLAG
    },
    Opt {
        long: "client-tls-verify",
        argument: Path("ca-list"),
        status: Planned,
        summary: "authorities that remote servers must be certified by",
        doc: "Forwards only to servers that have a certificate by one of the authorities in this \
            file or directory; <default> stands for those that the system trusts.",
        ..Opt::FLAG
    },
    Opt {
        long: "client-tls-verify-name",
        argument: Required("cname"),
        status: Planned,
        summary: "name that remote servers must be certified for",
        doc: "Forwards only to servers that have a certificate for this name.",
        ..Opt::FLAG
    },
    Opt {
        long: "server-tls",
        short: Some('K'),
        status: Ready,
        summary: "offer encryption to clients",
        doc: "Lets SMTP clients encrypt their connections by the STARTTLS command. Needs \
            --server-tls-certificate.",
        ..Opt::FLAG
    },
    Opt {
        long: "server-tls-certificate",
        argument: Path("pem-file"),
        repeat: true,
        status: Ready,
        summary: "certificate to present to clients",
        doc: "Presents the certificate chain in this PEM file, which also has the private key, to \
            clients; given twice, the first file has the key and the second the chain.",
        ..Opt::FLAG
    },
    Opt {
        long: "server-tls-connection",
        status: Ready,
        summary: "encrypt SMTP clients from the first octet",
        doc: "Expects SMTP clients to encrypt from the first octet, without STARTTLS.",
        ..Opt::FLAG
    },
    Opt {
        long: "server-tls-required",
        status: Ready,
        summary: "insist on encryption by clients",
        doc: "Lets clients neither log in nor submit mail before their connection is encrypted.",
        ..Opt::FLAG
    },
    Opt {
        long: "server-tls-verify",
        argument: Path("ca-list"),
        status: Ready,
        summary: "authorities that clients must be certified by",
        doc: "Serves only clients that have a certificate by one of the authorities in this file \
            or directory; <default> stands for those that the system trusts.",
        ..Opt::FLAG
    },
    Opt {
        long: "tls-config",
        short: Some('9'),
        argument: Required("options"),
        repeat: true,
        status: Ready,
        summary: "TLS library and versions",
        doc: "Chooses the TLS library and sets it up, by keywords separated by commas; tlsv1.2 is \
            the lowest and -tlsv1.2 the highest protocol version to use, and so on for others.",
        ..Opt::FLAG
    },
];
