use super::*;

fn line(arguments: &[&str]) -> Result<String, String> {
    run(arguments
        .iter()
        .map(|argument| argument.as_bytes().to_vec())
        .collect())
}

fn converted(password: &str, form: Form) -> String {
    convert(password.as_bytes(), false, form).unwrap()
}

fn read(input: &[u8]) -> Result<Vec<u8>, String> {
    read_line(&mut &*input).map(|password| password.expose().to_vec())
}

// What E-MailRelay's own program is known to print.
#[test]
fn prints_what_is_published() {
    const MD5: Form = Form::State(Algorithm::Md5);
    const SHA1: Form = Form::State(Algorithm::Sha1);
    const SHA256: Form = Form::State(Algorithm::Sha256);
    for (password, form, expected) in [
        (
            "secret",
            MD5,
            "qeD38fvADIqBu6rDlXMbVs07p96q1uXKI0SLpC43l0c=",
        ),
        (
            "secret",
            Form::Dotted,
            "4059553961.2316091643.3282746241.1444639637.\
             3735501773.3404060330.2760590371.1201092398",
        ),
        (
            "spaced out",
            MD5,
            "wRWWA3ToGYRXfsXSBnySjZVUMHbHsOwOvko5afkL7eY=",
        ),
        (
            "a+b=c #x",
            MD5,
            "Jh0VB8pHjE6bX3nxPTKtheIEpz3b4Cd+9Qdh+NpxqXc=",
        ),
        ("a+b=c #x", Form::Xtext, "a+2Bb+3Dc+20#x"),
        (
            &"q".repeat(64),
            MD5,
            "Z3yg057TUIRIM9XL9duAJ1i05Hij3rsntMDbLiLM2pY=",
        ),
        (
            &"p".repeat(100),
            MD5,
            "xRZquA+taqEAgCeIRcXi0DR27qktzRopwB2NJK2o0og=",
        ),
        (
            "pässwörd",
            MD5,
            "yyNLwwKKqypxoiXLDe37uUpgvTeST8XUW0ySzmlbrIY=",
        ),
        ("pässwörd", Form::Xtext, "p+C3+A4ssw+C3+B6rd"),
        (
            "secret",
            SHA1,
            "Q3Lhrmvp8z2xD/Ckw5CktjQgnZJMDx4Jfie1bDm2vuIxCA2mza3ItQ==",
        ),
        (
            "secret",
            SHA256,
            "MU+AcmgBQrCi3tMEopHp9AaJHBuUFRa+dPsCsrPOyK8qB4RaItI3q605sXVkJan3\
             vnT2x5l955idaG8fRVLgKQ==",
        ),
        (
            "spaced out",
            SHA256,
            "immSo5jQ7klCbKnRZe+BMRt1qaW3TNx+4aiDvX0dZ1o1oCk226LrwNQF9zsPJIxB\
             YyRJAx6W/SMO8huYOTSr0Q==",
        ),
        ("pw", MD5, "jEyYnNnQ9OvZZE5Kp7ZM+tOzJ+QBMa3YCS48tADGkPs="),
        ("e=mc2", MD5, "v1HOpuLIbbvgoJjhueeoqwfvtIp2C+gMA285ke+xxow="),
        (
            "pw",
            SHA1,
            "owb01BfX6ucrCYKmrF3Zrdxoxm9LFWtIfUydqmUGChUepJD2qeCRVw==",
        ),
    ] {
        assert_eq!(converted(password, form), expected, "{password}");
    }
    assert_eq!(converted("pw", Form::State(Algorithm::Sha512)).len(), 172);
}

#[test]
fn takes_options_in_all_their_forms() {
    let md5 = "qeD38fvADIqBu6rDlXMbVs07p96q1uXKI0SLpC43l0c=\n";
    for arguments in [
        &["--password=secret"][..],
        &["--password", "secret"],
        &["-p", "secret"],
        &["-p", "secret", "--hash=MD5"],
        &["--hash", "md5", "-p", "secret", "--"],
        &["-H", "Md5", "-p", "secret"],
        &["-b", "-p", "c2VjcmV0"],
        &["--base64", "--password=c2VjcmV0"],
    ] {
        assert_eq!(line(arguments).as_deref(), Ok(md5), "{arguments:?}");
    }
    for arguments in [
        &["-bd", "-p", "c2VjcmV0"][..],
        &["-db", "--password=c2VjcmV0"],
        &["--dotted", "-p", "secret"],
    ] {
        let dotted = line(arguments).unwrap();
        assert!(dotted.starts_with("4059553961.") && dotted.ends_with(".1201092398\n"));
    }
    assert_eq!(line(&["-H", "none", "-p", "a=b"]).as_deref(), Ok("a+3Db\n"));
    assert_eq!(line(&["-p", "-x", "-H", "NONE"]).as_deref(), Ok("-x\n"));
    assert_eq!(
        line(&["--password=a=b", "-HH"]).unwrap_err(),
        "no value supplied for -H"
    );
    assert!(line(&["--hash=SHA512", "-p", "pw"]).is_ok());
}

#[test]
fn says_what_is_wrong() {
    for (arguments, expected) in [
        (&["--password="][..], "invalid password"),
        (&["-p", ""], "invalid password"),
        (&["-b", "--password="], "invalid password"),
        (&["-b", "-p", "!"], "invalid password: not base64"),
        (
            &["--hash=SHA384", "-p", "x"],
            "invalid hash function: use MD5, SHA1, SHA256, SHA512 or NONE",
        ),
        (
            &["--hash=", "-p", "x"],
            "invalid hash function: use MD5, SHA1, SHA256, SHA512 or NONE",
        ),
        (
            &["-d", "--hash=SHA1", "-p", "x"],
            "the dotted form is for MD5 only",
        ),
        (
            &["-d", "--hash=NONE", "-p", "x"],
            "the dotted form is for MD5 only",
        ),
        (&["secret"], "too many non-option arguments"),
        (&["--", "secret"], "too many non-option arguments"),
        (&["-"], "too many non-option arguments"),
        (&["--md5"], "invalid option: --md5"),
        (&["--nope=secret"], "invalid option: --nope"),
        (&["-x"], "invalid option: -x"),
        (&["-bp", "secret"], "no value supplied for -p"),
        (&["-p"], "no value supplied for -p"),
        (&["--hash"], "no value supplied for --hash"),
        (&["--dotted=yes"], "--dotted takes no value"),
        (&["-p", "a", "--password=a"], "duplicate use of --password"),
        (&["-H", "md5", "-H", "md5"], "duplicate use of --hash"),
    ] {
        assert_eq!(line(arguments).unwrap_err(), expected, "{arguments:?}");
    }
}

#[test]
fn shows_help_and_version() {
    for arguments in [&["-h"][..], &["--help"], &["-Vh"]] {
        assert!(
            line(arguments)
                .unwrap()
                .starts_with("usage: emailrelay-passwd ")
        );
    }
    assert!(line(&["-V"]).unwrap().starts_with("emailrelay-passwd "));
}

#[test]
fn reads_one_line_and_trims_it() {
    for (input, expected) in [
        (&b"secret\n"[..], &b"secret"[..]),
        (b"secret", b"secret"),
        (b" \t secret\t \r\nmore\n", b"secret"),
        (b"spaced out\r\n", b"spaced out"),
        (b"\xff\xfe\n", b"\xff\xfe"),
        (b"a\rb\n", b"a\rb"),
        (b"", b""),
        (b"\n", b""),
        (b" \t\r\nsecret\n", b""),
    ] {
        assert_eq!(read(input).as_deref(), Ok(expected), "{input:?}");
    }
}

#[test]
fn a_line_has_a_limit() {
    let fits = vec![b'x'; PASSWORD_MAX];
    assert_eq!(read(&fits), Ok(fits.clone()));
    let long = vec![b'x'; PASSWORD_MAX + 1];
    assert_eq!(
        read(&long).unwrap_err(),
        "invalid password: more than 4096 octets"
    );
}

#[test]
fn the_manual_page_names_the_options_as_they_are() {
    let page = include_str!("../../../man/emailrelay-passwd.1");
    let named = |text: &str| -> Vec<String> {
        let lines = text.lines().filter(|line| line.starts_with("\\fB\\-"));
        lines.map(str::to_owned).collect()
    };
    assert_eq!(named(page), named(&TOOL.manual()));
}
