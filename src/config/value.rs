//! The values of options: numbers, times, scopes and names, each read by one
//! function that says what is wrong with a value.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use crate::base::{OneLine, ascii};

/// The longest time, in seconds.
pub const SECONDS_MAX: u64 = u32::MAX as u64;

/// The largest message size, in octets: the largest offset in a file.
pub const SIZE_MAX: u64 = i64::MAX as u64;

/// The longest host name, in octets.
// RFC 1035 2.3.4: names are at most 255 octets, labels at most 63.
pub const HOST_NAME_MAX: usize = 255;

/// The longest part of a host name between dots, in octets.
pub const LABEL_MAX: usize = 63;

/// The longest path of a unix-domain socket, in octets: that of Linux. Some
/// systems take a little less, which shows when the socket is bound.
pub const UNIX_PATH_MAX: usize = 107;

/// The longest name of a zone, in octets: that of an interface name.
pub const ZONE_MAX: usize = 15;

/// What is wrong with a value. Displays as what follows the value in a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Not a number, or outside this range.
    NotInRange {
        /// The least number.
        min: u64,
        /// The greatest number.
        max: u64,
    },
    /// Not a time above zero, in seconds or with `ms`.
    NotAPeriod,
    /// Not one of these words.
    NotOneOf(&'static [&'static str]),
    /// Not one of the scopes of `--anonymous`.
    NotAScope,
    /// Nothing at all.
    Empty,
    /// Not a host name.
    NotAHostName,
    /// A host name with characters outside ASCII.
    NotAscii,
    /// Not a host name or address literal.
    NotADomain,
    /// An IP address where an address literal would do.
    NotALiteral,
    /// Looks like an IP address, but is none.
    NotAnAddress,
    /// A link-local address without a zone.
    NoZone,
    /// A zone that cannot be one, or on an address that has none.
    BadZone,
    /// A transport address without a port.
    NoPort,
    /// A transport address without a host.
    NoHost,
    /// Neither a port number nor a service that is known.
    BadService,
    /// The path of a socket is too long.
    LongSocketPath,
    /// A listening address with a port.
    HasPort,
    /// A prefix that is none of those known.
    BadPrefix,
    /// The prefix of the option that became `--client-interface`.
    ClientPrefix,
    /// Neither an address nor a name that an interface may have.
    NotAnInterface,
    /// Not the number of a descriptor that may be inherited.
    BadDescriptor,
    /// None of the words of `--server-smtp-config`.
    NotASwitch,
    /// None of the words of `--client-smtp-config`.
    NotAClientSwitch,
    /// Something that cannot be switched off.
    AlwaysStrict,
    /// Not what the verifier of accounts takes.
    Accounts,
    /// The verifier of accounts, where accounts have no numbers.
    NoAccounts,
    /// A proxy, where there can be none.
    Socks,
    /// A port on an interface that is given by its name.
    InterfacePort,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Fault::NotInRange { min, max } => {
                return write!(f, "is not a number from {min} to {max}");
            }
            Fault::NotOneOf(words) => {
                return write!(f, "is none of {}", words.join(", "));
            }
            Fault::LongSocketPath => {
                return write!(f, "is longer than {UNIX_PATH_MAX} octets");
            }
            Fault::NotAPeriod => {
                "is not a number of seconds above 0 (or of milliseconds, ending in ms)"
            }
            Fault::NotAScope => "is not a scope; vrfy, server, content and client are",
            Fault::Empty => "is empty",
            Fault::NotAHostName => "is not a host name",
            Fault::NotAscii => "is not ASCII; write the name in its xn-- form",
            Fault::NotADomain => {
                "is not a host name, nor an address literal such as [192.0.2.1] or [IPv6:2001:db8::1]"
            }
            Fault::NotALiteral => "is an address; put it in square brackets, [IPv6:...] for IPv6",
            Fault::NotAnAddress => "is not an IP address",
            Fault::NoZone => "needs a zone, as in fe80::1%eth0, because it is link-local",
            Fault::BadZone => "has a zone that it cannot have",
            Fault::NoPort => "has no port; write host:port, or [address]:port for IPv6",
            Fault::NoHost => "has no host before the colon",
            Fault::BadService => {
                "has no port number from 1 to 65535 (or smtp, smtps, submission) after its last colon"
            }
            Fault::HasPort => "has a port; set that by --port or --pop-port",
            Fault::BadPrefix => "has an unknown prefix; smtp=, pop= and admin= are known",
            Fault::ClientPrefix => "has an unknown prefix; use --client-interface instead",
            Fault::NotAnInterface => "is not an IP address, nor a name that an interface may have",
            Fault::BadDescriptor => "has no descriptor number from 3 on after the #",
            Fault::NotASwitch => {
                "is not a switch; pipelining, chunking, smtputf8, smtputf8strict and strictparsing \
                 are, with + or -, no, with- or without- before them"
            }
            Fault::NotAClientSwitch => {
                "is not a switch; pipelining, chunking, eightbitstrict, smtputf8strict, \
                 binarymimestrict and linger are, with + or -, no, with- or without- before them"
            }
            Fault::AlwaysStrict => "cannot be switched off in this version",
            Fault::NoAccounts => "asks for accounts, which have no numbers on Windows",
            Fault::Accounts => {
                "is not account:<lowest>-<highest>;lowercase;remote;check, with any of it left out"
            }
            Fault::Socks => "goes through a SOCKS proxy, which only forwarding can",
            Fault::InterfacePort => "has a port; that goes with an address only, [address]:port",
        };
        f.write_str(text)
    }
}

/// Which of the things that tell others about this system are left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Anonymous {
    /// The VRFY command.
    pub vrfy: bool,
    /// What the greeting and the replies say about the server.
    pub server: bool,
    /// The Received line.
    pub content: bool,
    /// The AUTH parameter of MAIL, when forwarding.
    pub client: bool,
}

/// The values of `--show`.
const STYLES: &[&str] = &["hidden", "popup", "tray", "window", "window,tray"];

/// Reads how the program shows itself: whether it has a window.
pub(super) fn show(text: &str) -> Result<bool, Fault> {
    match text {
        "hidden" | "tray" => Ok(false),
        "popup" | "window" | "window,tray" => Ok(true),
        _ => Err(Fault::NotOneOf(STYLES)),
    }
}

/// Reads a listening port; 0 has the system choose.
pub(super) fn port(text: &str) -> Result<u16, Fault> {
    let max = u16::MAX.into();
    let number = number(text, 0, max)?;
    u16::try_from(number).map_err(|_| Fault::NotInRange { min: 0, max })
}

/// Reads a limit of octets; 0 means none.
pub(super) fn size(text: &str) -> Result<Option<u64>, Fault> {
    let size = number(text, 0, SIZE_MAX)?;
    Ok((size > 0).then_some(size))
}

/// Reads a time limit in seconds; 0 means none.
pub(super) fn timeout(text: &str) -> Result<Option<Duration>, Fault> {
    let seconds = number(text, 0, SECONDS_MAX)?;
    Ok((seconds > 0).then_some(Duration::from_secs(seconds)))
}

/// Reads the exit status of a program.
pub(super) fn exit_status(text: &str) -> Result<u8, Fault> {
    let max = u8::MAX.into();
    let number = number(text, 0, max)?;
    u8::try_from(number).map_err(|_| Fault::NotInRange { min: 0, max })
}

/// Reads a period: seconds, or milliseconds where the text ends in `ms`.
pub(super) fn period(text: &str) -> Result<Duration, Fault> {
    let period = match text.strip_suffix("ms") {
        Some(text) => number(text, 1, SECONDS_MAX * 1000).map(Duration::from_millis),
        None => number(text, 1, SECONDS_MAX).map(Duration::from_secs),
    };
    period.map_err(|_| Fault::NotAPeriod)
}

/// Reads a number from `min` to `max`.
pub(super) fn number(text: &str, min: u64, max: u64) -> Result<u64, Fault> {
    ascii::parse_decimal(text.as_bytes())
        .filter(|number| (min..=max).contains(number))
        .ok_or(Fault::NotInRange { min, max })
}

/// Reads the scopes of `--anonymous`, separated by commas; nothing means all.
pub(super) fn anonymous(text: &str) -> Result<Anonymous, Fault> {
    if text.is_empty() {
        return Ok(Anonymous {
            vrfy: true,
            server: true,
            content: true,
            client: true,
        });
    }
    let mut anonymous = Anonymous::default();
    for scope in text.split(',') {
        match scope.trim() {
            "vrfy" => anonymous.vrfy = true,
            "server" => anonymous.server = true,
            "content" => anonymous.content = true,
            "client" => anonymous.client = true,
            _ => return Err(Fault::NotAScope),
        }
    }
    Ok(anonymous)
}

/// Reads the name that this system calls itself by.
// RFC 5321 4.1.3: an address literal is in square brackets, tagged if IPv6.
pub(super) fn domain(text: &str) -> Result<OneLine, Fault> {
    if let Some(literal) = text.strip_prefix('[') {
        let address = literal.strip_suffix(']').ok_or(Fault::NotADomain)?;
        let is_ipv6 = match address.split_at_checked(5) {
            Some((tag, ipv6)) if tag.eq_ignore_ascii_case("IPv6:") => {
                ipv6.parse::<Ipv6Addr>().is_ok()
            }
            _ => false,
        };
        if !is_ipv6 && address.parse::<Ipv4Addr>().is_err() {
            return Err(Fault::NotADomain);
        }
    } else if text.parse::<Ipv4Addr>().is_ok() || text.parse::<Ipv6Addr>().is_ok() {
        return Err(Fault::NotALiteral);
    } else {
        host_name(text).map_err(|fault| match fault {
            Fault::Empty | Fault::NotAscii => fault,
            _ => Fault::NotADomain,
        })?;
    }
    OneLine::new(text).ok_or(Fault::NotADomain)
}

/// Checks that the text can be the name of a host.
// RFC 1123 2.1: letters, digits and hyphens; the underscore is common practice.
// RFC 3696 2: the last label of a name is not all digits, so that names and
// addresses cannot be confused.
/// The name of a user.
pub(super) fn user(text: &str) -> Result<String, Fault> {
    match text {
        "" => Err(Fault::Empty),
        _ => Ok(text.to_owned()),
    }
}

pub(super) fn host_name(text: &str) -> Result<(), Fault> {
    if text.is_empty() {
        return Err(Fault::Empty);
    }
    if !text.is_ascii() {
        return Err(Fault::NotAscii);
    }
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let is_label =
        |label: &str| (1..=LABEL_MAX).contains(&label.len()) && label.bytes().all(is_name);
    if text.len() > HOST_NAME_MAX || !text.split('.').all(is_label) {
        return Err(Fault::NotAHostName);
    }
    match text.rsplit('.').next() {
        Some(last) if last.bytes().all(|byte| byte.is_ascii_digit()) => Err(Fault::NotAnAddress),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_16_bits() {
        assert_eq!(port("0"), Ok(0));
        assert_eq!(port("0025"), Ok(25));
        assert_eq!(port("65535"), Ok(65535));
        for bad in [
            "",
            "65536",
            "-1",
            "+1",
            " 1",
            "25x",
            "0x19",
            "smtp",
            "99999999999999999999",
        ] {
            let fault = port(bad).unwrap_err();
            assert_eq!(
                fault.to_string(),
                "is not a number from 0 to 65535",
                "{bad}"
            );
        }
    }

    #[test]
    fn sizes_and_timeouts_have_no_limit_at_zero() {
        assert_eq!(size("0"), Ok(None));
        assert_eq!(size("1048576"), Ok(Some(1 << 20)));
        assert_eq!(size(&SIZE_MAX.to_string()), Ok(Some(SIZE_MAX)));
        assert!(size(&(SIZE_MAX + 1).to_string()).is_err());
        assert!(size("1M").is_err());
        assert_eq!(timeout("0"), Ok(None));
        assert_eq!(timeout("60"), Ok(Some(Duration::from_secs(60))));
        assert!(timeout(&SECONDS_MAX.to_string()).is_ok());
        assert!(timeout(&(SECONDS_MAX + 1).to_string()).is_err());
    }

    #[test]
    fn periods_are_above_zero() {
        assert_eq!(period("60"), Ok(Duration::from_secs(60)));
        assert_eq!(period("500ms"), Ok(Duration::from_millis(500)));
        for bad in [
            "",
            "0",
            "0ms",
            "ms",
            "1s",
            "1 ms",
            "1.5",
            "-1",
            "4294967296",
            "4294967295001ms",
        ] {
            assert_eq!(period(bad), Err(Fault::NotAPeriod), "{bad}");
        }
    }

    #[test]
    fn scopes_are_a_list_of_four_words() {
        let all = anonymous("").unwrap();
        assert_eq!(anonymous("vrfy,server,content,client"), Ok(all));
        let two = Anonymous {
            server: true,
            content: true,
            ..Anonymous::default()
        };
        assert_eq!(anonymous("server, content"), Ok(two));
        for bad in ["no", "yes", "VRFY", "vrfy,", ",", "vrfy server"] {
            assert_eq!(anonymous(bad), Err(Fault::NotAScope), "{bad}");
        }
    }

    #[test]
    fn domains_are_names_or_literals() {
        let long = format!("{0}.{0}.{0}.{1}", "a".repeat(63), "b".repeat(63));
        assert_eq!(long.len(), HOST_NAME_MAX);
        for good in [
            "localhost",
            "mail.example.com",
            "a_b.example",
            "1.example",
            "[192.0.2.1]",
            "[IPv6:2001:db8::1]",
            "[ipv6:::1]",
            &long,
        ] {
            assert_eq!(domain(good).unwrap().as_bytes(), good.as_bytes());
        }
        for (bad, fault) in [
            ("", Fault::Empty),
            ("bücher.example", Fault::NotAscii),
            ("192.0.2.1", Fault::NotALiteral),
            ("::1", Fault::NotALiteral),
            ("a b", Fault::NotADomain),
            ("a..b", Fault::NotADomain),
            (".a", Fault::NotADomain),
            ("a.", Fault::NotADomain),
            ("a@b", Fault::NotADomain),
            ("1.2.3", Fault::NotADomain),
            ("[::1]", Fault::NotADomain),
            ("[192.0.2.1", Fault::NotADomain),
            ("[IPv6:192.0.2.1]", Fault::NotADomain),
            ("[]", Fault::NotADomain),
            (&"a".repeat(LABEL_MAX + 1), Fault::NotADomain),
            (&format!("c{long}"), Fault::NotADomain),
        ] {
            assert_eq!(domain(bad), Err(fault), "{bad}");
        }
    }

    #[test]
    fn host_names_are_not_numbers() {
        assert_eq!(host_name("999.1.1.1"), Err(Fault::NotAnAddress));
        assert_eq!(host_name("127.1"), Err(Fault::NotAnAddress));
        assert_eq!(host_name("3com.example"), Ok(()));
        assert_eq!(host_name("a\r\nb"), Err(Fault::NotAHostName));
    }
}
