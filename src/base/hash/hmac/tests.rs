use super::*;
use crate::base::base64;
use crate::base::hash::tests::hex;

fn hmac(algorithm: Algorithm, key: &[u8], message: &[u8]) -> String {
    hex(&State::from_key(algorithm, key).mac(message))
}

// RFC 2202 2.
#[test]
fn passes_the_tests_of_rfc_2202_for_md5() {
    for (key, message, expected) in [
        (
            vec![0x0B; 16],
            b"Hi There".to_vec(),
            "9294727a3638bb1c13f48ef8158bfc9d",
        ),
        (
            b"Jefe".to_vec(),
            b"what do ya want for nothing?".to_vec(),
            "750c783e6ab0b503eaa86e310a5db738",
        ),
        (
            vec![0xAA; 16],
            vec![0xDD; 50],
            "56be34521d144c88dbb8c733f0e8b3f6",
        ),
        (
            (1..=25).collect(),
            vec![0xCD; 50],
            "697eaf0aca3a3aea3a75164746ffaa79",
        ),
        (
            vec![0xAA; 80],
            b"Test Using Larger Than Block-Size Key - Hash Key First".to_vec(),
            "6b1ab7fe4bd7bf8f0b62e6ce61b9d0cd",
        ),
    ] {
        assert_eq!(hmac(Algorithm::Md5, &key, &message), expected);
    }
}

// RFC 2202 3.
#[test]
fn passes_the_tests_of_rfc_2202_for_sha1() {
    for (key, message, expected) in [
        (
            vec![0x0B; 20],
            b"Hi There".to_vec(),
            "b617318655057264e28bc0b6fb378c8ef146be00",
        ),
        (
            b"Jefe".to_vec(),
            b"what do ya want for nothing?".to_vec(),
            "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79",
        ),
        (
            vec![0xAA; 20],
            vec![0xDD; 50],
            "125d7342b9ac11cd91a39af48aa17b4f63f175d3",
        ),
        (
            vec![0xAA; 80],
            b"Test Using Larger Than Block-Size Key - Hash Key First".to_vec(),
            "aa4ae5e15272d00e95705637ce8a3b55ed402112",
        ),
    ] {
        assert_eq!(hmac(Algorithm::Sha1, &key, &message), expected);
    }
}

// RFC 4231 4.2, 4.3 and 4.7.
#[test]
fn passes_the_tests_of_rfc_4231_for_sha2() {
    let long = vec![0xAA; 131];
    let message = b"Test Using Larger Than Block-Size Key - Hash Key First";
    assert_eq!(
        hmac(Algorithm::Sha256, &[0x0B; 20], b"Hi There"),
        "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
    );
    assert_eq!(
        hmac(Algorithm::Sha256, b"Jefe", b"what do ya want for nothing?"),
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    );
    assert_eq!(
        hmac(Algorithm::Sha256, &long, message),
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
    );
    assert_eq!(
        hmac(Algorithm::Sha512, &[0x0B; 20], b"Hi There"),
        "87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cde\
         daa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f1702e696c203a126854"
    );
    assert_eq!(
        hmac(Algorithm::Sha512, b"Jefe", b"what do ya want for nothing?"),
        "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554\
         9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737"
    );
    assert_eq!(
        hmac(Algorithm::Sha512, &long, message),
        "80b24263c7c1a3ebb71493c1dd7be8b49b46d1f41b4aeec1121b013783f8f352\
         6b56d037e05f2598bd0fd2215d6a1e5295e64f73f63f0aec8b915a985d786598"
    );
}

#[test]
fn keys_around_the_length_of_a_block_differ() {
    for algorithm in Algorithm::ALL {
        let block = if algorithm == Algorithm::Sha512 {
            128
        } else {
            64
        };
        let key = vec![b'k'; block + 1];
        let macs: Vec<_> = (block - 1..=block + 1)
            .map(|length| hmac(algorithm, &key[..length], b"m"))
            .collect();
        assert_ne!(macs[0], macs[1]);
        assert_ne!(macs[1], macs[2]);
        let digest = algorithm.digest(&key);
        assert_eq!(
            hmac(algorithm, &digest, b"m"),
            macs[2],
            "a long key is its digest"
        );
    }
}

// The stored forms that E-MailRelay's own documentation and program give.
#[test]
fn stores_passwords_in_the_published_form() {
    for (algorithm, password, stored) in [
        (
            Algorithm::Md5,
            "pw",
            "jEyYnNnQ9OvZZE5Kp7ZM+tOzJ+QBMa3YCS48tADGkPs=",
        ),
        (
            Algorithm::Md5,
            "e=mc2",
            "v1HOpuLIbbvgoJjhueeoqwfvtIp2C+gMA285ke+xxow=",
        ),
        (
            Algorithm::Sha1,
            "pw",
            "owb01BfX6ucrCYKmrF3Zrdxoxm9LFWtIfUydqmUGChUepJD2qeCRVw==",
        ),
    ] {
        let state = State::from_key(algorithm, password.as_bytes());
        assert_eq!(base64::encode(state.to_octets()), stored.as_bytes());
    }
}

#[test]
fn stored_forms_stand_for_the_password() {
    for algorithm in Algorithm::ALL {
        let state = State::from_key(algorithm, b"secret pw");
        let stored = State::from_octets(algorithm, state.to_octets().to_vec()).unwrap();
        assert_eq!(stored.algorithm(), algorithm);
        assert_eq!(stored.mac(b"<123.456@vm>"), state.mac(b"<123.456@vm>"));
    }
    // RFC 2195 2: the example of CRAM-MD5.
    let state = State::from_key(Algorithm::Md5, b"tanstaaftanstaaf");
    let mac = state.mac(b"<1896.697170952@postoffice.reston.mci.net>");
    assert_eq!(hex(&mac), "b913a602c7eda7a495b4e6e7334d3890");
}

#[test]
fn reads_and_writes_the_dotted_form() {
    let dotted = "4059553961.2316091643.3282746241.1444639637.\
                  3735501773.3404060330.2760590371.1201092398";
    let state = State::from_key(Algorithm::Md5, b"secret");
    assert_eq!(state.to_dotted().as_deref(), Some(dotted));
    let read = State::from_dotted(dotted.as_bytes()).unwrap();
    assert_eq!(read.to_octets(), state.to_octets());
    assert_eq!(
        State::from_key(Algorithm::Sha1, b"secret").to_dotted(),
        None
    );
}

#[test]
fn refuses_stored_forms_of_the_wrong_length() {
    for algorithm in Algorithm::ALL {
        let length = stored_length(algorithm);
        for bad in [0, length - 1, length + 1, length / 2] {
            assert!(
                State::from_octets(algorithm, vec![0; bad]).is_none(),
                "{algorithm:?} {bad}"
            );
        }
    }
    for bad in [
        "",
        "1.2.3.4.5.6.7",
        "1.2.3.4.5.6.7.8.9",
        "1.2.3.4.5.6.7.",
        "1.2.3.4.5.6.7.4294967296",
        "1.2.3.4.5.6.7.-8",
        "1.2.3.4.5.6.7. 8",
        "........",
    ] {
        assert!(State::from_dotted(bad.as_bytes()).is_none(), "{bad}");
    }
}

#[test]
fn never_shows_a_state() {
    let shown = format!("{:?}", State::from_key(Algorithm::Md5, b"secret"));
    assert_eq!(shown, "State { algorithm: Md5, octets: [redacted] }");
}
