//! The parameters of MAIL and RCPT (RFC 5321 4.1.2).

use crate::base::{OneLine, ascii, xtext};

/// What the client says the content is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum BodyType {
    /// It did not say.
    #[default]
    Unknown,
    /// Lines of US-ASCII (RFC 6152).
    SevenBit,
    /// Lines of any octets (RFC 6152).
    EightBit,
    /// Octets without line structure (RFC 3030).
    Binary,
}

/// What is wrong with the parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParameterFault {
    /// Not `keyword[=value]`, or a value that its keyword does not allow.
    Malformed,
    /// The same keyword twice.
    Repeated,
    /// A keyword or body type that is not offered.
    Unknown,
}

/// Which parameters beyond SIZE, BODY and AUTH are offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offered {
    /// `BODY=BINARYMIME` (RFC 3030).
    pub binary: bool,
    /// `SMTPUTF8` (RFC 6531).
    pub smtputf8: bool,
}

/// The parameters of MAIL.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct MailParameters {
    /// The size announced, in octets, at most `u64::MAX` (RFC 1870).
    pub size: Option<u64>,
    /// The body type.
    pub body: BodyType,
    /// Whether paths and header may hold UTF-8.
    pub smtputf8: bool,
    /// The mailbox given by AUTH (RFC 4954 5), in xtext, or `<>`.
    pub auth: Option<OneLine>,
}

impl MailParameters {
    /// Reads what follows the reverse-path.
    pub fn parse(text: &[u8], offered: Offered) -> Result<MailParameters, ParameterFault> {
        let mut parameters = MailParameters::default();
        for parameter in split(text) {
            let (keyword, value) = parameter?;
            parameters.add(keyword, value, offered)?;
        }
        Ok(parameters)
    }

    fn add(
        &mut self,
        keyword: &[u8],
        value: Option<&[u8]>,
        offered: Offered,
    ) -> Result<(), ParameterFault> {
        let is = |name: &[u8]| ascii::eq(keyword, name);
        if is(b"SIZE") {
            once(self.size.is_none())?;
            self.size = Some(size(value).ok_or(ParameterFault::Malformed)?);
        } else if is(b"BODY") {
            once(self.body == BodyType::Unknown)?;
            self.body = body(value, offered)?;
        } else if is(b"SMTPUTF8") && offered.smtputf8 {
            once(!self.smtputf8)?;
            self.smtputf8 = value.is_none();
            return value.map_or(Ok(()), |_| Err(ParameterFault::Malformed));
        } else if is(b"AUTH") {
            once(self.auth.is_none())?;
            self.auth = Some(auth(value).ok_or(ParameterFault::Malformed)?);
        } else {
            return Err(ParameterFault::Unknown);
        }
        Ok(())
    }
}

/// Reads what follows a forward-path: no parameter of RCPT is offered.
pub fn parse_recipient(text: &[u8]) -> Result<(), ParameterFault> {
    match split(text).next() {
        None => Ok(()),
        Some(parameter) => parameter.and(Err(ParameterFault::Unknown)),
    }
}

type Parameter<'a> = Result<(&'a [u8], Option<&'a [u8]>), ParameterFault>;

// RFC 5321 4.1.2: esmtp-param = esmtp-keyword ["=" esmtp-value]
fn split(text: &[u8]) -> impl Iterator<Item = Parameter<'_>> {
    let words = text.split(|octet| *octet == b' ');
    words.filter(|word| !word.is_empty()).map(|word| {
        let equals = word.iter().position(|octet| *octet == b'=');
        let (keyword, value) = word.split_at(equals.unwrap_or(word.len()));
        let value = value.get(1..);
        let well_formed = is_keyword(keyword) && value.is_none_or(is_value);
        well_formed
            .then_some((keyword, value))
            .ok_or(ParameterFault::Malformed)
    })
}

fn is_keyword(text: &[u8]) -> bool {
    let inner = |octet: &u8| octet.is_ascii_alphanumeric() || *octet == b'-';
    text.first().is_some_and(u8::is_ascii_alphanumeric) && text.iter().all(inner)
}

fn is_value(text: &[u8]) -> bool {
    let allowed = |octet: &u8| octet.is_ascii_graphic() && *octet != b'=';
    !text.is_empty() && text.iter().all(allowed)
}

fn once(first: bool) -> Result<(), ParameterFault> {
    first.then_some(()).ok_or(ParameterFault::Repeated)
}

// RFC 1870 3: up to 20 digits, which may be more than 64 bits hold.
fn size(value: Option<&[u8]>) -> Option<u64> {
    let value = value.filter(|value| value.len() <= 20 && value.iter().all(u8::is_ascii_digit))?;
    Some(ascii::parse_decimal(value).unwrap_or(u64::MAX))
}

fn body(value: Option<&[u8]>, offered: Offered) -> Result<BodyType, ParameterFault> {
    let is = |name: &[u8]| value.is_some_and(|value| ascii::eq(value, name));
    match () {
        () if is(b"7BIT") => Ok(BodyType::SevenBit),
        () if is(b"8BITMIME") => Ok(BodyType::EightBit),
        () if is(b"BINARYMIME") && offered.binary => Ok(BodyType::Binary),
        () if is(b"BINARYMIME") => Err(ParameterFault::Unknown),
        () => Err(ParameterFault::Malformed),
    }
}

/// Decodes and encodes again, so that one mailbox has one spelling.
// RFC 4954 5: "<>" or the xtext encoding of a mailbox, at most 500 octets.
fn auth(value: Option<&[u8]>) -> Option<OneLine> {
    let value = value.filter(|value| value.len() <= 500)?;
    let decoded = match value {
        b"<>" => return OneLine::new(value),
        encoded => xtext::decode(encoded)?,
    };
    let clean = !decoded.iter().any(u8::is_ascii_control);
    OneLine::new(xtext::encode(&decoded)).filter(|_| clean)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Offered = Offered {
        binary: true,
        smtputf8: true,
    };
    const NONE: Offered = Offered {
        binary: false,
        smtputf8: false,
    };

    fn parse(text: &str) -> Result<MailParameters, ParameterFault> {
        MailParameters::parse(text.as_bytes(), ALL)
    }

    #[test]
    fn reads_every_parameter_in_any_case_and_order() {
        let parameters = parse("  smtputf8 body=8bitmime AUTH=e+3Dm@x  Size=12 ").unwrap();
        let expected = MailParameters {
            size: Some(12),
            body: BodyType::EightBit,
            smtputf8: true,
            auth: OneLine::new("e+3Dm@x"),
        };
        assert_eq!(parameters, expected);
        assert_eq!(parse(""), Ok(MailParameters::default()));
        assert_eq!(parse("BODY=7BIT").unwrap().body, BodyType::SevenBit);
        assert_eq!(parse("BODY=BinaryMime").unwrap().body, BodyType::Binary);
    }

    #[test]
    fn sizes_have_up_to_twenty_digits() {
        assert_eq!(parse("SIZE=0").unwrap().size, Some(0));
        assert_eq!(parse("SIZE=00000000000000000001").unwrap().size, Some(1));
        assert_eq!(
            parse("SIZE=99999999999999999999").unwrap().size,
            Some(u64::MAX)
        );
    }

    #[test]
    fn refuses_what_is_malformed() {
        let table = [
            "SIZE",
            "SIZE=",
            "SIZE=-1",
            "SIZE=+1",
            "SIZE=1k",
            "SIZE=0x1",
            "SIZE=1=2",
            "SIZE=100000000000000000000",
            "BODY",
            "BODY=",
            "BODY=9BIT",
            "BODY=8BITMIME,7BIT",
            "SMTPUTF8=x",
            "SMTPUTF8=",
            "AUTH",
            "AUTH=",
            "AUTH=x+0Ay",
            "AUTH=x+0dy",
            "AUTH=a+00b",
            "AUTH=a+7Fb",
            "AUTH=a+",
            "AUTH=a+2",
            "AUTH=a+XX",
            "AUTH=a=b",
            "=",
            "=1",
            "-A=1",
            "A_B=1",
            "SIZE=1\tBODY=7BIT",
            "X=\u{e9}",
            "\u{e9}=1",
            "X=\x01",
            "\0",
            "<a@b>",
        ];
        for text in table {
            assert_eq!(parse(text), Err(ParameterFault::Malformed), "{text:?}");
        }
        let long = format!("AUTH={}", "x".repeat(501));
        assert_eq!(parse(&long), Err(ParameterFault::Malformed));
        assert!(parse(&long[1..]).is_err() && parse(&long[..505]).is_ok());
    }

    #[test]
    fn refuses_what_comes_twice() {
        for text in [
            "SIZE=1 SIZE=2",
            "SIZE=1 size=1",
            "BODY=7BIT BODY=8BITMIME",
            "SMTPUTF8 SMTPUTF8",
            "AUTH=<> AUTH=<>",
        ] {
            assert_eq!(parse(text), Err(ParameterFault::Repeated), "{text}");
        }
    }

    #[test]
    fn refuses_what_is_not_offered() {
        for text in [
            "FOO=BAR",
            "FOO",
            "RET=x",
            "ENVID=a+0D+0A",
            "SIZE=1 X",
            "SIZEX=1",
            "1=1",
        ] {
            assert_eq!(parse(text), Err(ParameterFault::Unknown), "{text}");
        }
        for text in ["SMTPUTF8", "BODY=BINARYMIME"] {
            let parsed = MailParameters::parse(text.as_bytes(), NONE);
            assert_eq!(parsed, Err(ParameterFault::Unknown), "{text}");
        }
        let many = " FOO=BAR".repeat(500);
        assert_eq!(parse(&many), Err(ParameterFault::Unknown));
    }

    #[test]
    fn a_mailbox_in_auth_gets_one_spelling() {
        assert_eq!(parse("AUTH=<>").unwrap().auth, OneLine::new("<>"));
        assert_eq!(parse("AUTH=+61+2b").unwrap().auth, OneLine::new("a+2B"));
        assert_eq!(parse("AUTH=a+20b").unwrap().auth, OneLine::new("a+20b"));
    }

    #[test]
    fn rcpt_takes_no_parameters() {
        let parse = |text: &str| parse_recipient(text.as_bytes());
        assert_eq!(parse(""), Ok(()));
        assert_eq!(parse("  "), Ok(()));
        for text in [" NOTIFY=NEVER,SUCCESS", " ORCPT=rfc822;a+00b", " X"] {
            assert_eq!(parse(text), Err(ParameterFault::Unknown), "{text}");
        }
        assert_eq!(parse(" ="), Err(ParameterFault::Malformed));
    }
}
