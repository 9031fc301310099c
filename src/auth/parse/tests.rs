use super::*;
use crate::base::hash::{Algorithm, hmac};
use crate::proto::sasl::Mechanism;

fn no_files(_: &Path) -> Result<Vec<u8>, String> {
    Err("no such file".to_owned())
}

fn parse(text: &str) -> Secrets {
    Secrets::parse("secrets", text.as_bytes(), &mut no_files).unwrap_or_else(|problems| {
        panic!("{text}: {problems:?}");
    })
}

fn problems(text: &str) -> Vec<String> {
    let problems = Secrets::parse("secrets", text.as_bytes(), &mut no_files).unwrap_err();
    problems.iter().map(Problem::to_string).collect()
}

fn warnings(text: &str) -> Vec<String> {
    parse(text)
        .warnings()
        .iter()
        .map(Problem::to_string)
        .collect()
}

fn password(proof: &Proof) -> &[u8] {
    match proof {
        Proof::Password(password) => password.expose(),
        other => panic!("no password: {other:?}"),
    }
}

fn server_password(secrets: &Secrets, id: &str) -> Option<Vec<u8>> {
    let credential = secrets.server_credential(Mechanism::Plain, id.as_bytes())?;
    Some(password(&credential.proof).to_vec())
}

const STATE: &str = "jEyYnNnQ9OvZZE5Kp7ZM+tOzJ+QBMa3YCS48tADGkPs=";
const SHA1_STATE: &str = "owb01BfX6ucrCYKmrF3Zrdxoxm9LFWtIfUydqmUGChUepJD2qeCRVw==";

#[test]
fn reads_users_with_passwords() {
    for line in [
        "server plain alice p+20w",
        "SERVER Plain alice p+20w",
        " \t server\tlogin   alice \t p+20w \t ",
        "server plain alice p+20w\r",
        "server plain alice p+20w # a note",
        "server plain alice p+20w #note and more of it",
        "server plain:b YWxpY2U= cCB3",
        "server plain a+6Cice p+20w",
        "\u{feff}server plain alice p+20w",
        "# comment\n\n   # another\r\n\t\r\nserver plain alice p+20w",
    ] {
        let secrets = parse(line);
        assert_eq!(
            server_password(&secrets, "alice").as_deref(),
            Some(&b"p w"[..]),
            "{line:?}"
        );
        assert!(secrets.warnings().is_empty(), "{line:?}");
        assert_eq!(server_password(&secrets, "Alice"), None);
        assert_eq!(server_password(&secrets, ""), None);
    }
}

#[test]
fn an_empty_file_is_fine() {
    for text in ["", "\n", "# nothing", "\r\n\r\n"] {
        let secrets = parse(text);
        assert_eq!(secrets.kinds(), &Default::default());
        assert!(secrets.client_account(b"").is_none());
        assert!(secrets.trusted(None).is_none());
    }
}

#[test]
fn ids_are_compared_decoded() {
    for id in ["a=b+3Dc", "a+3Db=c", "a=b=c", "+61=b=c", "+61+3db+3dc"] {
        let secrets = parse(&format!("server plain {id} e+3Dmc2"));
        assert_eq!(
            server_password(&secrets, "a=b=c").as_deref(),
            Some(&b"e=mc2"[..]),
            "{id}"
        );
        assert_eq!(server_password(&secrets, id).is_some(), id == "a=b=c");
    }
    assert_eq!(
        server_password(&parse("server plain a e=mc2"), "a").unwrap(),
        b"e=mc2"
    );
}

#[test]
fn reads_stored_keys_of_all_hashes() {
    let challenge = b"<1@2>";
    for algorithm in Algorithm::ALL {
        let state = hmac::State::from_key(algorithm, b"pw");
        let stored = String::from_utf8(base64::encode(state.to_octets())).unwrap();
        for name in [
            algorithm.name().to_owned(),
            format!("CRAM-{}", algorithm.name()),
        ] {
            let secrets = parse(&format!("server {name} alice {stored}"));
            let mechanism = Mechanism::Cram(algorithm);
            let credential = secrets.server_credential(mechanism, b"alice").unwrap();
            let Proof::State(read) = &credential.proof else {
                panic!("no state")
            };
            assert_eq!(read.mac(challenge), state.mac(challenge));
            assert_eq!(secrets.kinds().states, [algorithm]);
            assert!(!secrets.kinds().passwords);
            assert!(
                secrets
                    .server_credential(Mechanism::Plain, b"alice")
                    .is_none()
            );
        }
    }
    let dotted = "4059553961.2316091643.3282746241.1444639637.\
                  3735501773.3404060330.2760590371.1201092398";
    let secrets = parse(&format!("server apop alice {dotted}"));
    let credential = secrets
        .server_credential(Mechanism::Cram(Algorithm::Md5), b"alice")
        .unwrap();
    let Proof::State(read) = &credential.proof else {
        panic!("no state")
    };
    let expected = hmac::State::from_key(Algorithm::Md5, b"secret").mac(challenge);
    assert_eq!(read.mac(challenge), expected);
}

#[test]
fn one_user_may_have_secrets_of_several_kinds() {
    let secrets = parse(&format!("server plain me pw\nserver md5 me {STATE}"));
    let line = |mechanism| secrets.server_credential(mechanism, b"me").unwrap().line;
    assert_eq!(line(Mechanism::Cram(Algorithm::Md5)), Some(2));
    assert_eq!(line(Mechanism::Cram(Algorithm::Sha256)), Some(1));
    assert_eq!(line(Mechanism::Login), Some(1));
    assert!(secrets.kinds().passwords);
    assert_eq!(secrets.kinds().states, [Algorithm::Md5]);
}

#[test]
fn reads_client_accounts_by_selector() {
    let text = format!(
        "client plain m+20e p+20w\n\
         client sha1 me {SHA1_STATE} # not a selector\n\
         client oauth me@x dXNlcj1tZUB4AWF1dGg9QmVhcmVyIHQBAQ==\n\
         client plain:b bWU= cHc= other\n\
         client plain:b = = nobody\n"
    );
    let secrets = parse(&text);
    let account = secrets.client_account(b"").unwrap();
    let shown: Vec<String> = account
        .credentials
        .iter()
        .map(Credential::to_string)
        .collect();
    assert_eq!(
        shown,
        [
            "plaintext secret for [m e] from line 1",
            "sha1 secret for [me] from line 2",
            "oauth secret for [me@x] from line 3",
        ]
    );
    assert!(account.credential(Mechanism::Xoauth2).is_some());
    assert!(account.credential(Mechanism::OauthBearer).is_none());
    let other = secrets.client_account(b"other").unwrap();
    assert_eq!(other.credentials.len(), 1);
    assert_eq!(password(&other.credentials[0].proof), b"pw");
    assert!(
        secrets
            .client_account(b"nobody")
            .unwrap()
            .credentials
            .is_empty()
    );
    assert!(secrets.client_account(b"bogus").is_none());
    assert!(!secrets.kinds().passwords, "clients' secrets let nobody in");
    assert_eq!(server_password(&secrets, "m e"), None);
}

#[test]
fn reads_trusted_addresses() {
    let secrets = parse("server none 192.168.0.0/20 office # note\nserver none / local");
    let peer = Some("192.168.12.5".parse().unwrap());
    let trusted = secrets.trusted(peer).unwrap();
    assert_eq!(trusted.keyword.as_bytes(), b"office");
    let expected = "trusting [192.168.12.5]: matched [192.168.0.0/20] from line 1";
    assert_eq!(trusted.log_text(peer), expected);
    assert_eq!(secrets.trusted(None).unwrap().keyword.as_bytes(), b"local");
    assert!(
        secrets
            .trusted(Some("192.168.16.1".parse().unwrap()))
            .is_none()
    );
}

#[test]
fn tells_of_all_problems_at_once() {
    let text = "\
server plain alice
foo
sever plain alice pw
server plain a+ pw
server plain alice p+
server plain:b alice cHc=
server plain:b YWxpY2U= p
server plain:b YWxpY2U= =
server plain:b = cHc=
server plain a+0Ab pw
server md5 alice p!
server md5 alice cHc=
server md5 alice 1.2.3
server sha256 alice 1.2.3
client oauth alice p!
client oauth alice dHdvIHdvcmRz
server none 10.0.0.1/8 k
server none nowhere k
server plain \u{e9} pw
client plain:b = cHc=
server none 10.0.0.0/8 k+\u{1}
";
    let invalid_address = "invalid address in third field: ";
    assert_eq!(
        problems(text),
        [
            "secrets(1): too few fields",
            "secrets(2): too few fields",
            "secrets(3): invalid value in first field",
            "secrets(4): invalid xtext encoding in third field",
            "secrets(5): invalid xtext encoding in fourth field",
            "secrets(6): invalid base64 encoding in third field",
            "secrets(7): invalid base64 encoding in fourth field",
            "secrets(8): empty password in fourth field",
            "secrets(9): empty or control character in third field",
            "secrets(10): empty or control character in third field",
            "secrets(11): invalid base64 encoding in fourth field",
            "secrets(12): wrong length of a stored key in fourth field",
            "secrets(13): invalid dotted form of a stored key in fourth field",
            "secrets(14): invalid base64 encoding in fourth field",
            "secrets(15): invalid base64 encoding in fourth field",
            "secrets(16): neither a token nor a message in fourth field",
            &format!(
                "secrets(17): {invalid_address}bits are set after the prefix: \
                 the network is 10.0.0.0/8"
            ),
            &format!("secrets(18): {invalid_address}not an address, network or wildcard"),
            "secrets(19): invalid xtext encoding in third field",
            "secrets(20): empty or control character in third field",
            "secrets(21): invalid keyword in fourth field",
        ]
    );
}

#[test]
fn refuses_duplicates() {
    for (text, expected) in [
        (
            "server plain me pw\nserver login me pw2",
            "duplicate server secret: [server plain me]",
        ),
        (
            "server plain m+65 pw\nserver plain:b bWU= cHc=",
            "duplicate server secret: [server plain me]",
        ),
        (
            &format!("server md5 me {STATE}\nserver cram-md5 me {STATE}"),
            "duplicate server secret: [server md5 me]",
        ),
        (
            "client plain me pw\nclient plain you pw",
            "too many client secrets: [client plain]",
        ),
        (
            "client plain me pw s\nclient login you pw s",
            "duplicate client secret: [client plain] for selector [s]",
        ),
        (
            "client plain me pw s\nclient plain:b = = s",
            "duplicate client secret: [client plain] for selector [s]",
        ),
        (
            "client plain:b = = s\nclient oauth me dA== s",
            "duplicate client secret: [client oauth] for selector [s]",
        ),
        (
            "client plain:b = =\nclient plain:b = =",
            "too many client secrets: [client plain]",
        ),
        (
            "server none 10.0.0.0/8 a\nserver none 10.*.*.* b",
            "duplicate server trust address: [10.*.*.*]",
        ),
    ] {
        assert_eq!(
            problems(text),
            [format!("secrets(2): {expected}")],
            "{text}"
        );
    }
}

#[test]
fn warns_of_what_is_odd_but_harmless() {
    for (line, expected) in [
        ("server plain me my secret", "too many fields"),
        ("client plain me pw sel extra", "too many fields"),
        (
            "server foo me pw",
            "unknown type in second field: the line is not used",
        ),
        (
            "server plain:x me pw",
            "unknown type in second field: the line is not used",
        ),
        (
            "client none 10.0.0.0/8 k",
            "the type makes no sense on this side: the line is not used",
        ),
        (
            "server oauth me dA==",
            "the type makes no sense on this side: the line is not used",
        ),
    ] {
        assert_eq!(
            warnings(line),
            [format!("secrets(1): {expected}")],
            "{line}"
        );
    }
    let secrets = parse("server foo me pw\nclient foo me pw\nserver oauth me dA==");
    assert_eq!(secrets.kinds(), parse("").kinds());
    assert!(secrets.client_account(b"").is_none());
}

#[test]
fn a10_problems_and_warnings_show_no_secret() {
    let text = "hidden plain me hidden\nhidden hidden\nserver hidden me hidden\n\
                server plain hidden+ hidden+\nserver plain:b !hidden !hidden\n\
                server md5 me hidden\nclient oauth me hidden!\nserver plain me hidden hidden";
    let shown = format!("{:?}", Secrets::parse("f", text.as_bytes(), &mut no_files));
    assert!(
        shown.contains("first field") && !shown.contains("hidden"),
        "{shown}"
    );
    let shown = format!(
        "{:?}",
        parse("server plain me hidden\nclient plain me hidden")
    );
    assert!(
        shown.contains("[redacted]") && !shown.contains("hidden"),
        "{shown}"
    );
}

/// Files that exist only here, under a directory that is absolute everywhere.
fn read_made_up(path: &Path) -> Result<Vec<u8>, String> {
    let content = match path
        .strip_prefix(std::env::temp_dir())
        .ok()
        .and_then(Path::to_str)
    {
        Some("a b") => "p w\n",
        Some("token") => "ya29.token\r\n",
        Some("state") => STATE,
        Some("two") => "a\nb\n",
        Some("empty") => "\n",
        _ => return Err("no such file".to_owned()),
    };
    Ok(content.into())
}

/// Puts a path in place of each `DIR/`.
fn with_directory(text: &str) -> String {
    text.replace("DIR/", std::env::temp_dir().join("").to_str().unwrap())
}

/// The same as messages have it.
fn shown_with_directory(text: &str) -> String {
    let directory = std::env::temp_dir().join("");
    text.replace(
        "DIR/",
        &ascii::escape(directory.as_os_str().as_encoded_bytes()),
    )
}

#[test]
fn reads_secrets_from_files_of_their_own() {
    let text = with_directory(
        "server plain:file al+69ce DIR/a+20b\nserver md5:file bob DIR/state\n\
         client oauth:file me DIR/token sel",
    );
    let secrets = Secrets::parse("secrets", text.as_bytes(), &mut read_made_up).unwrap();
    assert_eq!(server_password(&secrets, "alice").unwrap(), b"p w");
    assert!(
        secrets
            .server_credential(Mechanism::Cram(Algorithm::Md5), b"bob")
            .is_some()
    );
    let account = secrets.client_account(b"sel").unwrap();
    assert!(account.credential(Mechanism::OauthBearer).is_some());
}

#[test]
fn says_what_is_wrong_with_files_of_secrets() {
    for (line, expected) in [
        (
            "server plain:file a DIR/none",
            "cannot use DIR/none: no such file",
        ),
        (
            "server plain:file a DIR/two",
            "cannot use DIR/two: the file has more than one line",
        ),
        (
            "server plain:file a DIR/empty",
            "cannot use DIR/empty: the file is empty",
        ),
        (
            "server plain:file a token",
            "invalid path in fourth field: not an absolute path",
        ),
        (
            "server md5:file a DIR/token",
            "invalid dotted form of a stored key in fourth field",
        ),
    ] {
        let text = with_directory(line);
        let problems = Secrets::parse("f", text.as_bytes(), &mut read_made_up).unwrap_err();
        let expected = shown_with_directory(&format!("f(1): {expected}"));
        assert_eq!(problems[0].to_string(), expected);
    }
}

#[test]
#[cfg_attr(miri, ignore = "takes minutes")]
fn limits_hold() {
    let long = format!("# {}", "x".repeat(FILE_MAX));
    assert_eq!(
        problems(&long),
        ["secrets: the file has more than 1048576 octets"]
    );

    let line = |length: usize| {
        let start = "server plain me pw # ";
        format!("{start}{}\r\n", "x".repeat(length - start.len()))
    };
    parse(&line(SECRET_LINE_MAX));
    let expected = "secrets(1): the line has more than 4096 octets";
    assert_eq!(problems(&line(SECRET_LINE_MAX + 1)), [expected]);

    let users = |count| {
        (0..count)
            .map(|index| format!("server plain u{index} pw\n"))
            .collect::<String>()
    };
    parse(&users(ACCOUNTS_MAX));
    let expected = "secrets(10001): more than 10000 accounts";
    assert_eq!(problems(&users(ACCOUNTS_MAX + 5)), [expected]);

    assert_eq!(problems(&"x\n".repeat(500)).len(), PROBLEMS_MAX);
    assert_eq!(
        warnings(&"server foo a b\n".repeat(500)).len(),
        PROBLEMS_MAX
    );

    let (fits, long) = ("x".repeat(FIELD_MAX), "x".repeat(FIELD_MAX + 1));
    parse(&format!("server plain {fits} {fits}"));
    let expected = "secrets(1): the id in the third field is too long";
    assert_eq!(problems(&format!("server plain {long} pw")), [expected]);
    assert_eq!(
        problems(&format!("server plain me {long}")),
        ["secrets(1): the password is too long"]
    );
}

#[test]
fn odd_octets_never_panic() {
    let mut octets: Vec<u8> = b"server plain:b = = # client none * /\n\xff\0".to_vec();
    for index in 0..octets.len() {
        for value in [0, b' ', b'\n', b'=', b'+', b'#', 0xFF] {
            let kept = std::mem::replace(&mut octets[index], value);
            // Only that it comes back is of interest.
            let _ = Secrets::parse("f", &octets, &mut no_files);
            octets[index] = kept;
        }
    }
}
