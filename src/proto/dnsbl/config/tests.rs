use super::*;

fn parse(text: &str) -> Config {
    Config::parse(text).unwrap()
}

fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

fn zones(config: &Config) -> Vec<String> {
    config.zones().iter().map(Name::to_string).collect()
}

#[test]
fn reads_the_order_with_the_server_first() {
    let config = parse("127.0.0.1:5353,500,2,bl.example.org,b.test");
    assert_eq!(config.server(), Some("127.0.0.1:5353".parse().unwrap()));
    assert_eq!(
        (config.timeout(), config.denies_on_timeout()),
        (ms(500), false)
    );
    assert_eq!(config.threshold(), 2);
    assert_eq!(zones(&config), ["bl.example.org", "b.test"]);
    assert!(parse("1.2.3.4:53,-1,0,b.test").denies_on_timeout());
    assert_eq!(
        parse(" 1.2.3.4:53 , 1 , 1 , b.test "),
        parse("1.2.3.4,1,1,b.test.")
    );
}

#[test]
fn reads_the_order_with_the_zones_first() {
    let config = parse("bl.example.org,b.test");
    assert_eq!(config.server(), None);
    assert_eq!(
        (config.timeout(), config.denies_on_timeout()),
        (TIMEOUT_DEFAULT, false)
    );
    assert_eq!(config.threshold(), 1);
    assert_eq!(zones(&config), ["bl.example.org", "b.test"]);
    let config = parse("b.test,3,-7s,[::1]:5353");
    assert_eq!(config.server(), Some("[::1]:5353".parse().unwrap()));
    assert_eq!(
        (config.timeout(), config.denies_on_timeout()),
        (ms(7000), true)
    );
    assert_eq!(config.threshold(), 3);
    assert_eq!(parse("b.test,0").threshold(), 0);
    assert_eq!(
        zones(&parse("127net.test,10s.test,s,ms,-s")),
        ["127net.test", "10s.test", "s", "ms", "-s"]
    );
}

#[test]
fn both_orders_mean_the_same() {
    assert_eq!(
        parse("10.0.0.1:53,2000,2,a.test,b.test"),
        parse("a.test,b.test,2,2s,10.0.0.1:53")
    );
}

#[test]
fn timeouts_have_units_and_limits() {
    for (text, expected) in [
        ("1", ms(1)),
        ("250ms", ms(250)),
        ("5s", ms(5000)),
        ("300000", TIMEOUT_MAX),
        ("300s", TIMEOUT_MAX),
    ] {
        for (sign, denies) in [("", false), ("-", true)] {
            let config = parse(&format!("a.test,1,{sign}{text}"));
            assert_eq!(
                (config.timeout(), config.denies_on_timeout()),
                (expected, denies)
            );
        }
    }
    for bad in [
        "0",
        "-0",
        "0s",
        "300001",
        "301s",
        "99999999999999999999",
        "18446744073709551615s",
    ] {
        for text in [
            format!("a.test,1,{bad}"),
            format!("1.2.3.4:53,{bad},1,a.test"),
        ] {
            assert_eq!(
                Config::parse(&text),
                Err(Error::TimeoutRange(bad.to_owned()))
            );
        }
    }
    for bad in ["", "x", "-", "--1", "+1", "1m", "1.5s", "s", "1 s", "1sms"] {
        for text in [
            format!("a.test,1,{bad}"),
            format!("1.2.3.4:53,{bad},1,a.test"),
        ] {
            assert_eq!(
                Config::parse(&text),
                Err(Error::Timeout(bad.to_owned())),
                "{text}"
            );
        }
    }
}

#[test]
fn servers_are_addresses() {
    for (text, expected) in [
        ("1.2.3.4:53", "1.2.3.4:53"),
        ("1.2.3.4:65535", "1.2.3.4:65535"),
        ("1.2.3.4", "1.2.3.4:53"),
        ("[::1]:5353", "[::1]:5353"),
        ("[::1]", "[::1]:53"),
        ("::1:53", "[::1]:53"),
        ("::1.53", "[::1]:53"),
        ("::1", "[::1]:53"),
        ("2001:db8::53:5353", "[2001:db8::53]:5353"),
        ("2001:db8:0:0:0:0:0:53", "[2001:db8::53]:53"),
        ("2001:db8:0:0:0:0:0:53:99", "[2001:db8::53]:99"),
        ("::ffff:1.2.3.4", "[::ffff:1.2.3.4]:53"),
        ("[fe80::1%2]:53", "[fe80::1%2]:53"),
    ] {
        let expected = Some(expected.parse().unwrap());
        assert_eq!(
            parse(&format!("{text},1000,1,a.test")).server(),
            expected,
            "{text}"
        );
        assert_eq!(
            parse(&format!("a.test,1,1000,{text}")).server(),
            expected,
            "{text}"
        );
    }
    for bad in [
        "",
        "ns.test:53",
        "1.2.3.4:0",
        "[::1]:0",
        "::1:0:x",
        "1.2.3.4:dns",
        "1.2.3:53",
        ":53",
        "1.2.3.4:65536",
    ] {
        let text = format!("a.test,1,1000,{bad}");
        assert_eq!(
            Config::parse(&text),
            Err(Error::Server(bad.to_owned())),
            "{text}"
        );
    }
}

#[test]
fn says_which_field_is_wrong() {
    for (text, expected) in [
        ("", "zone []: name with an empty label"),
        ("a.test,,1", "zone []: name with an empty label"),
        (
            "a b.test",
            "zone [a b.test]: name with a character that is not a letter, digit, - or _",
        ),
        ("a.test,1.2.3.4", "zone [1.2.3.4] is not a name"),
        ("5,1000", "no zone"),
        ("a.test,-1", "threshold [-1] is not a number"),
        ("a.test,5s", "threshold [5s] is not a number"),
        (
            "a.test,1,1h",
            "timeout [1h] is not a number of milliseconds, or seconds like 5s",
        ),
        ("a.test,1,1000,1.2.3.4:53,x\n", "[x] after the last field"),
        ("1.2.3.4:53", "no timeout"),
        ("1.2.3.4:53,1000", "no threshold"),
        ("1.2.3.4:53,1000,1", "no zone"),
        (
            "1.2.3.4:53,1000,b.test,1",
            "threshold [b.test] is not a number",
        ),
        (
            "1.2.3.4:53,b.test,1000",
            "timeout [b.test] is not a number of milliseconds, or seconds like 5s",
        ),
        (
            "1.2.3.4:53,0,1,b.test",
            "timeout [0] is not between 1 and 300000 milliseconds",
        ),
        (
            "ns\x1b.test:53,1000,1,b.test",
            "server [ns\\x1b.test:53] is not an ip address and port like 127.0.0.1:53 or [::1]:53",
        ),
    ] {
        let error = Config::parse(text).map(|config| format!("{config:?}"));
        let expected = format!("invalid dnsbl configuration: {expected}");
        // A text that is taken, against expectation, is shown as it was understood.
        assert_eq!(
            error.map_err(|error| error.to_string()),
            Err(expected),
            "{text}"
        );
    }
}

#[test]
fn zones_have_limits() {
    let many = vec!["a.test"; ZONES_MAX].join(",");
    assert_eq!(parse(&many).zones().len(), ZONES_MAX);
    assert_eq!(
        Config::parse(&format!("{many},b.test")),
        Err(Error::TooManyZones)
    );
    let text = format!("1.2.3.4:53,1000,1,{many},b.test");
    assert_eq!(Config::parse(&text), Err(Error::TooManyZones));
    let longest = [63, 63, 61].map(|length| "x".repeat(length)).join(".");
    assert_eq!(parse(&longest).zones()[0].wire().len(), ZONE_NAME_MAX);
    let error = Config::parse(&format!("{longest}x")).unwrap_err();
    assert_eq!(error, Error::ZoneTooLong(format!("{longest}x")));
    assert!(error.to_string().ends_with("is longer than 189 octets"));
    let error = Config::parse(&"x".repeat(64)).unwrap_err();
    assert_eq!(error, Error::Zone("x".repeat(64), dns::Error::Label));
}

#[test]
fn options_have_a_limit() {
    let some = ["a.test,1"; OPTIONS_MAX];
    assert_eq!(Config::parse_all(some).unwrap().len(), OPTIONS_MAX);
    let many = ["a.test,1"; OPTIONS_MAX + 1];
    assert_eq!(Config::parse_all(many), Err(Error::TooManyOptions));
    assert_eq!(
        Config::parse_all(["a.test", ""]).map(drop),
        Config::parse("").map(drop)
    );
}

#[test]
fn zones_alone_go_on_with_those_before() {
    let all = |texts: &[&str]| Config::parse_all(texts.iter().copied()).unwrap();
    for (texts, expected) in [
        (&["1.2.3.4,1000,2,a", "b"][..], "1.2.3.4,1000,2,a,b"),
        (&["a", "b,c", "d"], "a,b,c,d"),
        (&["a,2,1000,1.2.3.4", "b"], "a,b,2,1000,1.2.3.4"),
    ] {
        assert_eq!(all(texts), [parse(expected)], "{texts:?}");
    }
    let two = all(&["a", "b,1", "c"]);
    assert_eq!(two, [parse("a"), parse("b,c,1")]);
    let many = ["a"; ZONES_MAX];
    assert_eq!(all(&many)[0].zones().len(), ZONES_MAX);
    let many = Config::parse_all(["a"; ZONES_MAX + 1]);
    assert_eq!(many, Err(Error::TooManyZones));
}

#[test]
fn tells_what_can_never_block() {
    for (text, expected) in [
        ("a,b", true),
        ("a,b,2", true),
        ("a,b,0", false),
        ("a,b,3", false),
    ] {
        assert_eq!(parse(text).can_block(), expected, "{text}");
    }
}
