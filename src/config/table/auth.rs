//! Who may log in here, and how we log in elsewhere.

use crate::config::option::{
    Argument::{Path, Required},
    Opt,
};

pub(super) const OPTIONS: &[Opt] = &[
    Opt {
        long: "client-auth",
        short: Some('C'),
        argument: Path("file"),
        summary: "account to log in with when forwarding",
        doc: "Logs in to the remote SMTP server with the account from this secrets file, on a line \
            of: the word client, the kind of secret (plain, md5, sha1, sha256, sha512 or oauth), \
            the user and the secret. The value plain:USER:PASSWORD, with both in base64, is the \
            account itself. Passwords and tokens are sent only over encrypted connections, unless \
            --client-auth-config names such a mechanism. The file is read again when it changes.",
        ..Opt::FLAG
    },
    Opt {
        long: "client-auth-config",
        argument: Required("config"),
        summary: "mechanisms to log in with",
        doc: "Chooses authentication mechanisms for forwarding, as items of a letter, a colon and \
            a list with commas, separated by semicolons: m names those to use, in this order, x \
            those to avoid, and a and d do the same for encrypted connections, where m and x then \
            do not count. A mechanism's name alone stands for an m list of that name.",
        ..Opt::FLAG
    },
    Opt {
        long: "server-auth",
        short: Some('S'),
        argument: Path("file"),
        summary: "accounts of SMTP clients",
        doc: "Makes SMTP clients log in before they submit mail, with an account from this \
            secrets file, on lines of: the word server, the password's encoding (plain or md5), \
            the user and the password. Clients with addresses on lines of server, none, the \
            address or network, and a name for them need not log in. The value pam: has PAM \
            check accounts of the system, or what its service emailrelay says; a program has \
            that if it was built with it.",
        ..Opt::FLAG
    },
    Opt {
        long: "server-auth-config",
        argument: Required("config"),
        summary: "mechanisms that clients may log in with",
        doc: "Chooses the authentication mechanisms that clients may use, as items of a letter, a \
            colon and a list with commas, separated by semicolons: m names those that are allowed, \
            x those that are denied, and a and d do the same for encrypted connections. In clear, \
            passwords are accepted only from this system, or where m names such a mechanism.",
        ..Opt::FLAG
    },
    Opt {
        long: "strict-secrets",
        summary: "refuse secrets files that others can read",
        doc: "Makes it an error, and not only a warning, if the group of a secrets file or anybody \
            else can read or change it.",
        ..Opt::FLAG
    },
    Opt {
        long: "pop-auth",
        short: Some('F'),
        argument: Path("file"),
        summary: "accounts of POP clients",
        doc: "Takes the accounts of POP clients from this secrets file, which has the form of that \
            of --server-auth, or by PAM if the value is pam:. The file is read again when it \
            changes.",
        ..Opt::FLAG
    },
];
