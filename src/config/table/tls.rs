//! Encryption.

use crate::config::option::{
    Argument::{Path, Required},
    Opt,
};

pub(super) const OPTIONS: &[Opt] = &[
    Opt {
        long: "client-tls",
        short: Some('j'),
        summary: "encrypt forwarding if the server can",
        doc: "Encrypts outgoing SMTP connections by the STARTTLS command where the remote server \
            offers it; --client-tls-required leaves servers without it alone.",
        ..Opt::FLAG
    },
    Opt {
        long: "client-tls-certificate",
        argument: Path("pem-file"),
        repeat: true,
        summary: "certificate to present when forwarding",
        doc: "Presents the certificate chain in this PEM file, which also has the private key, to \
            remote servers; given twice, the first file has the key and the second the chain.",
        ..Opt::FLAG
    },
    Opt {
        long: "client-tls-connection",
        short: Some('b'),
        summary: "encrypt forwarding from the first octet",
        doc: "Encrypts outgoing SMTP connections from the first octet, without STARTTLS.",
        ..Opt::FLAG
    },
    Opt {
        long: "client-tls-required",
        summary: "never forward without encryption",
        doc: "Does not forward over a connection that could not be encrypted; mail stays queued.",
        ..Opt::FLAG
    },
    Opt {
        long: "client-tls-server-name",
        argument: Required("hostname"),
        summary: "server name to ask for",
        doc: "Names the server in the TLS handshake of outgoing connections, for servers that have \
            several identities. By default it is the name of --client-tls-verify-name, if any.",
        ..Opt::FLAG
    },
    Opt {
        long: "client-tls-verify",
        argument: Path("ca-list"),
        summary: "authorities that remote servers must be certified by",
        doc: "Forwards only to servers that have a certificate by one of the authorities in this \
            file or directory; <default> stands for those that the system trusts. Servers that \
            offer no TLS are kept from mail by --client-tls-required.",
        ..Opt::FLAG
    },
    Opt {
        long: "client-tls-verify-name",
        argument: Required("cname"),
        summary: "name that remote servers must be certified for",
        doc: "Forwards only to servers that have a certificate for this name or address, among its \
            subject alternative names.",
        ..Opt::FLAG
    },
    Opt {
        long: "server-tls",
        short: Some('K'),
        summary: "offer encryption to clients",
        doc: "Lets clients encrypt their connections, by the STARTTLS command of SMTP and the STLS \
            command of POP. Needs --server-tls-certificate.",
        ..Opt::FLAG
    },
    Opt {
        long: "server-tls-certificate",
        argument: Path("pem-file"),
        repeat: true,
        summary: "certificate to present to clients",
        doc: "Presents the certificate chain in this PEM file, which also has the private key, to \
            clients; given twice, the first file has the key and the second the chain.",
        ..Opt::FLAG
    },
    Opt {
        long: "server-tls-connection",
        summary: "encrypt clients from the first octet",
        doc: "Expects clients to encrypt from the first octet, without STARTTLS or STLS; but POP \
            clients on port 110, which is for clear text, are offered STLS as with --server-tls.",
        ..Opt::FLAG
    },
    Opt {
        long: "server-tls-required",
        summary: "insist on encryption by clients",
        doc: "Lets clients neither log in nor submit mail, nor read it by POP, before their connection \
            is encrypted.",
        ..Opt::FLAG
    },
    Opt {
        long: "server-tls-verify",
        argument: Path("ca-list"),
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
        summary: "TLS library and versions",
        doc: "Chooses the TLS library and sets it up, by keywords separated by commas: rustls, \
            openssl and mbedtls are the libraries, the first of which that is built in is used \
            without a keyword; tlsv1.2 is the lowest and -tlsv1.2 the highest protocol version \
            to use, and so on for others. Versions below 1.2 are used only if one is named.",
        ..Opt::FLAG
    },
];
