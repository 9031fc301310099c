//! How octets are written as text, and back.

use emailrelay::base::hash::{Algorithm, hmac};
use emailrelay::base::{OneLine, ascii, base64, xtext};
use emailrelay::proto::sasl::Token;

use super::pieces::{check_one_line, check_shown};

/// Any octets, as text and as what a text stands for.
pub(crate) fn encodings(data: &[u8]) {
    assert_eq!(base64::decode(&base64::encode(data)).as_deref(), Some(data));
    if let Some(octets) = base64::decode(data) {
        assert_eq!(
            base64::encode(&octets),
            data,
            "there is one way to write it"
        );
    }
    let text = xtext::encode(data);
    assert!(text.iter().all(u8::is_ascii_graphic));
    assert_eq!(xtext::decode(&text).as_deref(), Some(data));
    if let Some(octets) = xtext::decode(data) {
        // Who writes "+30" means "0".
        assert_eq!(xtext::decode(&xtext::encode(&octets)), Some(octets));
    }
    // An octet is escaped by four.
    check_shown(&ascii::escape(data), 4 * data.len());
    let bounded = ascii::escape_bounded(data, 10);
    check_shown(&bounded, 44);
    one_line(data);
    if let Some(state) = hmac::State::from_dotted(data) {
        let dotted = state.to_dotted().expect("it came in this form");
        let again = hmac::State::from_dotted(dotted.as_bytes());
        let again = again.expect("reads what it has written");
        assert_eq!(again.to_octets(), state.to_octets());
        assert_eq!(state.mac(data).len(), 16);
    }
    for algorithm in Algorithm::ALL {
        if let Some(state) = hmac::State::from_octets(algorithm, data.to_vec()) {
            assert_eq!(state.to_octets(), data);
        }
        let digest = algorithm.digest(data);
        assert_eq!(digest, algorithm.digest(data));
    }
    if let Some(number) = ascii::parse_decimal(data) {
        let digits = number.to_string();
        let zeros = data.len() - digits.len();
        assert!(data[..zeros].iter().all(|octet| *octet == b'0'));
        assert_eq!(&data[zeros..], digits.as_bytes());
    }
    if let Some(token) = Token::parse(data.to_vec()) {
        assert!(!format!("{token:?}").is_empty());
    }
}

fn one_line(data: &[u8]) {
    let escaped = OneLine::escaped(data);
    check_one_line(&escaped, 4 * data.len());
    let Some(mut line) = OneLine::new(data) else {
        assert!(data.iter().any(|octet| matches!(octet, b'\r' | b'\n' | 0)));
        return;
    };
    check_shown(&line.to_string(), 4 * data.len());
    let is_text = std::str::from_utf8(data).is_ok();
    line.truncate(7);
    assert!(line.len() <= 7 && data.starts_with(line.as_bytes()));
    assert!(!is_text || std::str::from_utf8(line.as_bytes()).is_ok());
}
