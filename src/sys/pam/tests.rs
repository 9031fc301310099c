use super::*;
use crate::sys::testing::LONG;

const ADDRESSES: [Option<&str>; 3] = [None, Some("192.0.2.7"), Some("2001:db8::7")];

fn question(user: &[u8], password: &[u8], peer: Option<&str>) -> Question {
    Question::new(user, password, peer.map(|text| text.parse().unwrap())).unwrap()
}

#[test]
fn questions_arrive_as_they_were_sent() {
    let (user, password) = ([b'u'; USER_MAX], [0xff; PASSWORD_MAX]);
    for peer in ADDRESSES {
        for (user, password) in [(&b"a"[..], &b"b"[..]), (&user, &password), (b"\xff", b" ")] {
            let sent = question(user, password, peer).encode();
            let (length, octets) = sent.expose().split_at(2);
            assert_eq!(length, u16::try_from(octets.len()).unwrap().to_be_bytes());
            assert!(octets.len() <= QUESTION_MAX);
            let received = Question::decode(octets).unwrap();
            assert_eq!(received.user(), user);
            assert!(received.password().matches(password));
            assert_eq!(received.peer(), peer.map(|text| text.parse().unwrap()));
        }
    }
}

#[test]
fn hostile_questions_make_no_sense() {
    let sent = question(b"alice", b"secret", Some("192.0.2.7")).encode();
    let octets = &sent.expose()[2..];
    // Without any password, and less.
    for length in 0..=1 + 4 + 1 + 5 {
        assert!(Question::decode(&octets[..length]).is_none(), "{length}");
    }
    for bad in [
        &b"\x01\x01a\x01b"[..],
        b"\x00\x00b",
        b"\x00\xffa",
        b"\x00\x01\0b",
        b"\x00\x01ab\0c",
        b"\x00\x02\nab",
        b"\x06\x01ab",
    ] {
        assert!(Question::decode(bad).is_none(), "{bad:?}");
    }
    let mut long = vec![0, 1, b'a'];
    long.extend([b'b'; PASSWORD_MAX + 1]);
    assert!(Question::decode(&long).is_none());
    assert!(Question::decode(&long[..long.len() - 1]).is_some());
}

#[test]
fn answers_arrive_as_they_were_sent() {
    let trouble = Trouble::new("pam_start", 26, b"Critical \\error");
    assert_eq!(
        trouble.to_string(),
        "pam error: pam_start: 26: Critical \\\\error"
    );
    for answer in [
        Answer::Granted(b"al\xffice".to_vec()),
        Answer::Granted([b'a'; USER_MAX].to_vec()),
        Answer::Refused(trouble.clone()),
        Answer::Failed(trouble),
    ] {
        let sent = answer.encode();
        assert_eq!(Answer::decode(&sent), Some(answer));
    }
    let long = Answer::Failed(Trouble::new("x", 1, &[b'x'; 2 * ANSWER_MAX]));
    assert_eq!(long.encode().len(), ANSWER_MAX);
    for nonsense in [&b""[..], b"x", b"\0g"] {
        assert_eq!(Answer::decode(nonsense), None);
    }
}

#[test]
fn who_has_no_monitor_is_told_so() {
    let until = Instant::now() + LONG;
    let answer = ask(&question(b"a", b"b", None), until);
    let Answer::Failed(trouble) = answer else {
        panic!("{answer:?}");
    };
    let text = trouble.to_string();
    assert!(
        text.starts_with("pam error: cannot ask the monitor: "),
        "{text}"
    );
}

#[test]
fn passwords_are_not_shown() {
    let question = question(b"alice", b"xyzzy", None);
    assert!(!format!("{question:?} {:?}", question.encode()).contains("xyzzy"));
}
