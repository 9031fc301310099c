use super::*;

fn forward(path: &str, rules: PathRules) -> Result<String, PathFault> {
    let argument = format!("TO:{path}");
    let (path, rest) = parse(argument.as_bytes(), Side::Forward, rules)?;
    assert_eq!(rest, b"");
    Ok(String::from_utf8(path.into_mailbox().as_bytes().to_vec()).unwrap())
}

/// Mailboxes that are accepted as they stand.
const VALID: &[&str] = &[
    "a@b",
    "a@b.c",
    "A.B@C.D",
    "Local.Part@Example.COM",
    "a+b@c",
    "a%b@c",
    "a!b@c",
    "!#$%&'*+-/=?^_`{|}~@x",
    "${run{id}}@localhost",
    "-f@x",
    "--@x",
    "0@0",
    "1.2.3@4.5.6",
    "a@1",
    "a@x-y",
    "a@x--y",
    "a@xn--9ca.com",
    "a@a.b.c.d.e.f.g",
    "\"\"@x",
    "\"a\"@x",
    "\"a b\"@x",
    "\" \"@x",
    "\"a@b\"@x",
    "\"a>b\"@x",
    "\"<>\"@x",
    "\"x@evil.test y\"@d.test",
    "\"a\\\"b\"@x",
    "\"\\\\\"@x",
    "\"a\\ b\"@x",
    "\"a\\@b\"@x",
    "\".\"@x",
    "\"..\"@x",
    "\"a,b;c:d\"@x",
    "\"(((((\"@x",
    "\"$(id)\"@x",
    "a@[192.0.2.1]",
    "a@[0.0.0.0]",
    "a@[255.255.255.255]",
    "a@[IPv6:::1]",
    "a@[ipv6:2001:db8::1]",
    "a@[IPv6:::ffff:192.0.2.1]",
    "a@[IPv6:1:2:3:4:5:6:7:8]",
    "\"a b\"@[192.0.2.1]",
    "postmaster",
    "pOsTmAsTeR",
    "postmaster@x",
    "é@x",
    "é.è@x",
    "a@é.example",
    "\"é è\"@x",
    "用户@例え.jp",
    "a\u{560d}\u{560a}b@x",
    "a\u{2028}b@x",
    "a\u{85}b@x",
    "root@localhost",
    "a.b.c.d.e.f.g.h@x",
    "a-@x",
    "a=b@x",
    "=@x",
    "~@x",
    "user@example.museum",
];

/// What no rules accept as a mailbox.
const INVALID: &[&str] = &[
    "",
    " ",
    "@",
    "a@",
    "@b",
    "@b:",
    "@b,c:a@d",
    "@b,:a@d",
    "@b,@:a@d",
    "@b;a@d",
    "@a@b",
    "@[1.2.3.4]:a@b",
    "@nocolon",
    "a@b@c",
    "a@@b",
    "a b@c",
    "a @b",
    "a@ b",
    "a@b ",
    " a@b",
    "a@b c",
    "a@b.",
    "a@.b",
    "a@b..c",
    "a@.",
    "a@-b",
    "a@b-",
    "a@b.-c",
    "a@b-.c",
    "a@b!c",
    "a@b%c",
    "a@b+c",
    "a@b/c",
    "a@b:25",
    "a@b,c@d",
    "a@b;c",
    "a@\"b\"",
    "a@b\"",
    "\"a@b",
    "\"a\\\"@b",
    "\"a\"b@c",
    "a\"b\"@c",
    "a\"b@c",
    "\"a\".b@c",
    "\"a\" @b",
    "\"\"\"@b",
    "\"\"\"\"\"\"@x",
    "\\a@b",
    "a\\@b@c",
    "a(comment)@b",
    "(a)@b",
    "((((((@b",
    "a@b(c)",
    "a@(b)",
    "<a@b",
    "<<a@b>",
    "a>b@c",
    "a<b@c",
    "a,b@c",
    "a;b@c",
    "a:b@c",
    ";sleep 66;",
    "-oQ/tmp -X/tmp/x@x",
    "a[b]@c",
    "a]@c",
    "a@[",
    "a@[]",
    "a@]",
    "a@[1.2.3]",
    "a@[1.2.3.4",
    "a@[1.2.3.4]x",
    "a@[1.2.3.4].x",
    "a@[1.2.3.256]",
    "a@[1.2.3.4.5]",
    "a@[ 1.2.3.4]",
    "a@[::1]",
    "a@[IPv6:]",
    "a@[IPv6:1.2.3.4]",
    "a@[IPv6:fe80::1%eth0]",
    "a@[IPv6:1:2:3:4:5:6:7:8:9]",
    "a@[IPv6::::]",
    "a@[tag:text]",
    "a@[x]",
    "a@[1.2.3.é]",
    "a\0@b",
    "a@b\0",
    "a\x01@b",
    "a\t@b",
    "a\x7f@b",
    "\"a\tb\"@c",
    "\"a\0b\"@c",
    "\"a\x7fb\"@c",
    "\"a\\\tb\"@c",
    "\"a\\é\"@c",
    "\"a\rb\"@c",
    "\"a\nb\"@c",
    "a\rb@c",
    "a\nb@c",
    "a@b\r",
    "a@b\n",
];

#[test]
fn accepts_every_valid_mailbox_as_it_stands() {
    for mailbox in VALID {
        for rules in [PathRules::Strict, PathRules::Lenient] {
            let path = format!("<{mailbox}>");
            assert_eq!(forward(&path, rules).as_deref(), Ok(*mailbox), "{rules:?}");
        }
    }
}

#[test]
fn refuses_every_invalid_mailbox_under_any_rules() {
    for mailbox in INVALID {
        for rules in [PathRules::Strict, PathRules::Lenient] {
            let path = format!("<{mailbox}>");
            assert!(forward(&path, rules).is_err(), "{mailbox:?} {rules:?}");
        }
    }
}

#[test]
fn lenient_rules_take_what_clients_write() {
    let table = [
        ("a@b", "a@b"),
        (" <a@b>", "a@b"),
        ("  a@b", "a@b"),
        ("<a>", "a"),
        ("alice", "alice"),
        ("<\"a b\">", "\"a b\""),
        ("<@b:a>", "a"),
        ("<a..b@c>", "a..b@c"),
        ("<.a@c>", ".a@c"),
        ("<a.@c>", "a.@c"),
        ("<a@my_host.lan>", "a@my_host.lan"),
        ("<@r1,@r2:a@b>", "a@b"),
        ("\"a b\"@c", "\"a b\"@c"),
    ];
    for (path, mailbox) in table {
        assert_eq!(forward(path, PathRules::Lenient).as_deref(), Ok(mailbox));
        let strict = forward(path, PathRules::Strict);
        assert_eq!(strict.is_ok(), path == "<@r1,@r2:a@b>", "{path}");
    }
    for bad in ["", " ", "<>", "a@b>", "a@b<", "<a@b", "a@b,c@d", "a b@c"] {
        let argument = format!("TO:{bad}");
        let parsed = parse(argument.as_bytes(), Side::Forward, PathRules::Lenient);
        let whole = parsed.is_ok_and(|(_, rest)| rest.is_empty());
        assert!(!whole, "{bad:?}");
    }
}

#[test]
fn the_null_path_is_a_reverse_path_only() {
    let (path, rest) = parse(b"FROM:<> SIZE=1", Side::Reverse, PathRules::Strict).unwrap();
    assert!(path.is_null() && path.is_ascii());
    assert_eq!((path.domain(), rest), (None, b" SIZE=1".as_slice()));
    let null = parse(b"TO:<>", Side::Forward, PathRules::Strict);
    assert_eq!(null.unwrap_err(), PathFault::Mailbox);
    let postmaster = parse(b"FROM:<postmaster>", Side::Reverse, PathRules::Strict);
    assert_eq!(postmaster.unwrap_err(), PathFault::Mailbox);
}

#[test]
fn wants_keyword_colon_and_brackets() {
    for argument in [
        "<a@b>",
        "FROM<a@b>",
        "TO:<a@b>",
        "FROM :<a@b>",
        "FROM",
        "",
        "FROM:a@b",
    ] {
        let parsed = parse(argument.as_bytes(), Side::Reverse, PathRules::Strict);
        assert_eq!(parsed.unwrap_err(), PathFault::Syntax, "{argument}");
    }
    assert!(parse(b"fRoM:<a@b>", Side::Reverse, PathRules::Strict).is_ok());
}

#[test]
fn returns_what_follows_the_path() {
    let table = [
        ("FROM:<a@b>", Ok("")),
        ("FROM:<a@b> SIZE=1", Ok(" SIZE=1")),
        ("FROM:<a@b>\tX", Ok("\tX")),
        ("FROM:<a@b>SIZE=1", Err(PathFault::Syntax)),
        ("FROM:<a@b>>", Err(PathFault::Syntax)),
    ];
    for (argument, expected) in table {
        let parsed = parse(argument.as_bytes(), Side::Reverse, PathRules::Strict);
        assert_eq!(parsed.map(|(_, rest)| rest), expected.map(str::as_bytes));
    }
}

#[test]
fn the_domain_is_after_the_last_at_that_is_not_quoted() {
    let table = [
        ("<\"x@evil.test y\"@d.test>", "\"x@evil.test y\"", "d.test"),
        ("<a%b@c>", "a%b", "c"),
        ("<@h:c@d>", "c", "d"),
        ("<a@[1.2.3.4]>", "a", "[1.2.3.4]"),
    ];
    for (path, local_part, domain) in table {
        let argument = format!("TO:{path}");
        let (path, _) = parse(argument.as_bytes(), Side::Forward, PathRules::Strict).unwrap();
        assert_eq!(path.local_part(), local_part.as_bytes());
        assert_eq!(path.domain(), Some(domain.as_bytes()));
    }
}

#[test]
fn accepts_lengths_up_to_the_limits() {
    let local = |count: usize| format!("<{}@x>", "a".repeat(count));
    assert!(forward(&local(64), PathRules::Strict).is_ok());
    let label = |count: usize| format!("<a@{}>", "b".repeat(count));
    assert!(forward(&label(63), PathRules::Strict).is_ok());
    for path in [local(65), label(64), local(100_000), label(100_000)] {
        assert_eq!(forward(&path, PathRules::Lenient), Err(PathFault::TooLong));
    }
    let path = |count: usize| format!("<a@{}{}>", "bcd.".repeat(60), "e".repeat(count - 244));
    assert_eq!(path(256).len(), 256);
    assert!(forward(&path(256), PathRules::Strict).is_ok());
    assert_eq!(
        forward(&path(257), PathRules::Strict),
        Err(PathFault::TooLong)
    );
    let long_domain = "bcd.".repeat(64) + "e";
    assert!(!is_domain(long_domain.as_bytes(), PathRules::Strict));
    assert!(is_domain(&long_domain.as_bytes()[2..], PathRules::Strict));
}

#[test]
#[cfg_attr(miri, ignore = "takes minutes")]
fn takes_no_longer_on_hostile_input() {
    for hostile in ["(", "<", "\"\"", "\\\\", ",", "@a,", "@a:", "a.", "\"\\a"] {
        let path = format!("<{}@x>", hostile.repeat(100_000));
        assert!(forward(&path, PathRules::Lenient).is_err(), "{hostile}");
    }
}
