//! Who may log in here, and how we log in elsewhere: the secrets file, trusted
//! addresses, and the check of credentials.
//!
//! # The secrets file
//!
//! One line for each secret, as fields with blanks or tabs between them. Empty
//! lines and lines that start with `#` mean nothing; line ends may be LF or CRLF.
//!
//! - `server TYPE ID SECRET`: a user who may log in here
//! - `client TYPE ID SECRET [SELECTOR]`: how we log in at the next hop, for
//!   messages with that selector
//! - `client plain:b = = SELECTOR`: messages with that selector are sent without
//!   logging in
//! - `server none RANGE KEYWORD`: peers of these addresses need not log in; the
//!   keyword stands for their name
//!
//! The first two fields are of either case. Types of secrets, with other names:
//!
//! - `plain` (`login`): a password in xtext (RFC 3461 4)
//! - `plain:b` (`login:b`): a password in base64, and so is the id; `=` stands for
//!   nothing
//! - `md5` (`cram-md5`, `apop`): the stored key of HMAC-MD5
//!   ([`crate::base::hash::hmac`]), in base64 or dotted
//! - `sha1`, `sha256`, `sha512` (`cram-sha1`, ...): likewise, in base64
//! - `oauth` (`xoauth2`, `oauthbearer`): for clients; a token, or the whole message
//!   of one of the two mechanisms, in base64
//!
//! With `:file` after any type (`plain:file`, `oauth:file`, ...) the last field is
//! the absolute path, in xtext, of a file whose one line is the secret: a password
//! or token as it is, or a stored key as above. Such files are read again when
//! they change, as the secrets file is, so another program can renew a token.
//! This is an extension of ours.
//!
//! Ids are in xtext, but `=` may stand for itself; they are compared after
//! decoding. From the first field after the fourth that starts with `#`, the rest
//! of a line is a comment. Fields too many are warned of. So are types that are
//! unknown or make no sense on that side, and their lines are not used. All else
//! that is wrong makes the whole file unusable.
//!
//! In place of the file, [`pam`] may know the users and their passwords.
//!
//! [`trust`] says what a RANGE is.
#![forbid(unsafe_code)]

mod check;
mod field;
pub mod file;
pub mod pam;
mod parse;
mod secrets;
pub mod trust;

pub use check::{Identity, Refusal, Unproven, check};
pub use file::{Refreshed, SecretsFile};
pub use parse::{ACCOUNTS_MAX, FILE_MAX, ReadFile, SECRET_LINE_MAX};
pub use secrets::{InvalidAccount, Problem, Secrets};
pub use trust::Trusted;
