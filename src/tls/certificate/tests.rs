use super::*;
use crate::tls::pem;

fn file(name: &str) -> Vec<u8> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/pki/");
    let text = std::fs::read(format!("{folder}{name}.pem")).unwrap();
    pem::sections(&text).unwrap().remove(0).der
}

fn texts(names: &[OneLine]) -> Vec<String> {
    names.iter().map(|name| name.to_string()).collect()
}

/// One element, in the shortest form of its length.
fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let octets = content.len().to_be_bytes();
    let significant = octets.iter().position(|o| *o != 0).unwrap_or(octets.len());
    let significant = &octets[significant..];
    let mut bytes = vec![tag];
    if content.len() >= 0x80 {
        bytes.push(0x80 | u8::try_from(significant.len()).unwrap());
        bytes.extend_from_slice(significant);
    } else {
        bytes.push(u8::try_from(content.len()).unwrap());
    }
    bytes.extend_from_slice(content);
    bytes
}

/// A certificate with these general names and this common name.
fn made(general_names: &[u8], common_name: &[u8]) -> Vec<u8> {
    let time = element(UTC_TIME, b"200101000000Z");
    let attribute = [
        element(OBJECT_IDENTIFIER, &[0x55, 0x04, 0x03]),
        element(0x0C, common_name),
    ];
    let subject = element(SET, &element(SEQUENCE, &attribute.concat()));
    let extension = [
        element(OBJECT_IDENTIFIER, SUBJECT_ALTERNATIVE_NAME),
        element(0x01, &[0xFF]),
        element(OCTET_STRING, &element(SEQUENCE, general_names)),
    ];
    let extensions = element(SEQUENCE, &element(SEQUENCE, &extension.concat()));
    let fields = [
        element(VERSION, &[2, 1, 2]),
        element(0x02, &[1]),
        element(SEQUENCE, &[]),
        element(SEQUENCE, &[]),
        element(SEQUENCE, &[time.clone(), time].concat()),
        element(SEQUENCE, &subject),
        element(SEQUENCE, b"key"),
        element(EXTENSIONS, &extensions),
    ];
    element(SEQUENCE, &element(SEQUENCE, &fields.concat()))
}

#[test]
fn reads_what_certificates_say() {
    let der = file("server");
    let certificate = Certificate::parse(&der).unwrap();
    let subject = certificate.subject.to_string();
    assert_eq!(subject, "/C=DE/O=Tests/CN=mail.example");
    assert_eq!(
        texts(&certificate.names),
        [
            "mail.example",
            "MiXed.Example",
            "*.wild.example",
            "127.0.0.1",
            "::1"
        ]
    );
    assert_eq!(certificate.not_before, 1_577_836_800);
    assert_eq!(certificate.not_after, 4_733_510_400);
    assert!(certificate.public_key.starts_with(&[SEQUENCE]));
}

#[test]
fn reads_certificates_of_version_1() {
    let der = file("v1");
    let certificate = Certificate::parse(&der).unwrap();
    assert_eq!(certificate.subject.to_string(), "/CN=mail.example");
    assert!(certificate.names.is_empty());
}

#[test]
fn measures_keys_of_rsa() {
    for (name, expected) in [("rsa", Some(2048)), ("short", Some(1024)), ("server", None)] {
        let der = file(name);
        assert_eq!(
            Certificate::parse(&der).unwrap().rsa_bits(),
            expected,
            "{name}"
        );
    }
    let der = made(&[], b"x");
    assert_eq!(Certificate::parse(&der).unwrap().rsa_bits(), None);
}

#[test]
fn knows_when_a_certificate_is_valid() {
    let der = file("expired");
    let certificate = Certificate::parse(&der).unwrap();
    let (start, end) = (1_577_836_800, 1_609_459_200);
    for (time, valid) in [
        (start - 1, false),
        (start, true),
        (end, true),
        (end + 1, false),
        (i64::MIN, false),
    ] {
        assert_eq!(certificate.is_valid_at(time), valid, "{time}");
    }
}

#[test]
fn reads_times() {
    let table: [(u8, &str, Option<i64>); 13] = [
        (UTC_TIME, "700101000000Z", Some(0)),
        (UTC_TIME, "491231235959Z", Some(2_524_607_999)),
        (UTC_TIME, "500101000000Z", Some(-631_152_000)),
        (GENERALIZED_TIME, "20000229120000Z", Some(951_825_600)),
        (GENERALIZED_TIME, "99991231235959Z", Some(253_402_300_799)),
        (GENERALIZED_TIME, "00000101000000Z", Some(-62_167_219_200)),
        (UTC_TIME, "700101000000", None),
        (UTC_TIME, "701301000000Z", None),
        (UTC_TIME, "700100000000Z", None),
        (UTC_TIME, "700101240000Z", None),
        (UTC_TIME, "7001010000Z", None),
        (GENERALIZED_TIME, "20000101000000+0100", None),
        (0x0C, "700101000000Z", None),
    ];
    for (tag, text, expected) in table {
        assert_eq!(time((tag, text.as_bytes())), expected, "{text}");
    }
}

#[test]
fn bounds_names_and_their_number() {
    let name = element(DNS_NAME, b"a.example");
    let der = made(&name.repeat(5000), &[b'x'; 5000]);
    let certificate = Certificate::parse(&der).unwrap();
    assert_eq!(certificate.names.len(), NAMES_MAX);
    assert_eq!(certificate.subject.len(), NAME_OCTETS_MAX);
    let der = made(&element(DNS_NAME, &[b'a'; 5000]), b"x");
    let certificate = Certificate::parse(&der).unwrap();
    assert_eq!(certificate.names[0].len(), NAME_OCTETS_MAX);
}

#[test]
fn names_never_break_a_line() {
    let names = [
        element(DNS_NAME, b"good.example\0.evil.example"),
        element(DNS_NAME, b"a\r\nb"),
        element(DNS_NAME, b"good.example"),
        element(IP_ADDRESS, &[1, 2, 3]),
        element(IP_ADDRESS, &[10, 0, 0, 1]),
        element(0x81, b"mail@good.example"),
    ];
    let der = made(&names.concat(), b"a\0b\nc");
    let certificate = Certificate::parse(&der).unwrap();
    assert_eq!(texts(&certificate.names), ["good.example", "10.0.0.1"]);
    let subject = certificate.subject.as_bytes();
    assert_eq!(subject, b"/CN=a\\x00b\\nc");
}

#[test]
#[cfg_attr(miri, ignore = "takes minutes")]
fn malformed_certificates_are_none() {
    for name in ["server", "v1", "rsa"] {
        let der = file(name);
        for end in 0..der.len() {
            assert!(Certificate::parse(&der[..end]).is_none(), "{name} {end}");
        }
        for position in 0..der.len() {
            for octet in [0x00, 0x30, 0x7F, 0x80, 0x83, 0x84, 0xFF] {
                let mut broken = der.clone();
                broken[position] = octet;
                // Whatever comes out, it must come out.
                let _ = Certificate::parse(&broken).map(|c| c.rsa_bits());
            }
        }
    }
    for length in [
        &[0x80][..],
        &[0x84, 0, 0, 0, 1],
        &[0xFF],
        &[0x83, 0xFF, 0xFF],
    ] {
        let bytes = [&[SEQUENCE], length, &[0; 8]].concat();
        assert!(Reader(&bytes).next().is_none(), "{length:?}");
    }
}

#[test]
fn a_common_name_is_a_name_only_where_there_is_no_other() {
    let is_called = |certificate: &str, host: &str| {
        let der = file(certificate);
        Certificate::parse(&der).unwrap().is_called(host)
    };
    assert!(is_called("cn-only", "Mail.Example"));
    assert!(!is_called("cn-only", "other.example"));
    assert!(!is_called("ip-only", "mail.example"));
}

#[test]
fn limits_of_authorities_are_seen() {
    for (certificate, expected) in [("ca", false), ("limited-ca", true), ("limited", false)] {
        let der = file(certificate);
        let parsed = Certificate::parse(&der).unwrap();
        assert_eq!(parsed.is_limited, expected, "{certificate}");
    }
}
