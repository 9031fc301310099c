mod client_security;
mod forwarding;
#[cfg(unix)]
mod pam;

use super::*;
use crate::config::settings::{CONNECTION_TIMEOUT, PROMPT_TIMEOUT, RESPONSE_TIMEOUT};
use crate::config::settings::{PopServer, ServerAccounts, ServerAuth, ServerTls, Traffic, Verify};
use crate::config::{AdminServer, Host, IpFamily, Literal, MetricsAddress, MetricsServer};
use crate::config::{Platform, parse};
use forwarding::{FORWARD_CHANGES, ForwardChange};

fn check_line(line: &str) -> Result<(Config, Vec<Warning>), Vec<String>> {
    let context = Context {
        base_dir: Some("/home/me".into()),
        app_dir: Some("/opt/relay".into()),
        ..Context::new(Platform::Unix)
    };
    check_in(&context, line)
}

fn check_in(context: &Context, line: &str) -> Result<(Config, Vec<Warning>), Vec<String>> {
    let mut read = parse::words(line.split_whitespace().map(Into::into));
    assert!(read.problems.is_empty(), "{line}: {:?}", read.problems);
    check(read.options.plain(), context)
        .map_err(|problems| problems.iter().map(ToString::to_string).collect())
}

fn good(line: &str) -> Config {
    check_line(line)
        .unwrap_or_else(|problems| panic!("{line}: {problems:?}"))
        .0
}

fn bad(line: &str) -> Vec<String> {
    check_line(line).expect_err(line)
}

fn warned(line: &str) -> Vec<Warning> {
    check_line(line).unwrap().1
}

fn literal(text: &str) -> Literal {
    Literal::parse(text).unwrap()
}

/// What `--no-daemon` alone comes to.
fn defaults() -> Config {
    Config {
        name: None,
        spool_dir: "/var/spool/emailrelay".into(),
        tls_config: String::new(),
        strict_secrets: false,
        domain: None,
        process: Process {
            daemon: false,
            window: false,
            hidden: false,
            check: false,
            pid_file: None,
            user: "daemon".to_owned(),
            sandbox: false,
        },
        log: Log {
            enabled: false,
            verbose: false,
            debug: false,
            format: Format::default(),
            file: None,
            syslog: None,
            close_stderr: false,
        },
        serve: Some(Serve {
            smtp: Some(SmtpServer {
                listen: Vec::new(),
                port: 25,
                size_max: None,
                idle_timeout: Some(Duration::from_secs(60)),
                anonymous: Anonymous::default(),
                remote_clients: false,
                dnsbl: Vec::new(),
                extensions: Extensions::default(),
                address_verifier: None,
                filters: Vec::new(),
                filter_timeout: Some(Duration::from_secs(60)),
                delivery_dir: None,
                auth: None,
                tls: None,
            }),
            pop: None,
            admin: None,
            metrics: None,
        }),
        forward: None,
    }
}

/// What `--forward-to mail.example.com:25` alone comes to.
fn forward() -> Forward {
    Forward {
        to: vec![Address::Tcp(Host::Name("mail.example.com".to_owned()), 25)],
        traffic: Traffic {
            connections: 4,
            per_minute: None,
            per_connection: None,
        },
        retry_period: Some(Duration::from_secs(432_000)),
        bounce: false,
        on_start: false,
        on_disconnect: false,
        poll: None,
        client_interface: None,
        connection_timeout: Some(Duration::from_secs(40)),
        response_timeout: Some(Duration::from_secs(60)),
        prompt_timeout: Some(Duration::from_secs(20)),
        extensions: ClientExtensions::default(),
        to_some: false,
        immediate: false,
        filters: Vec::new(),
        filter_timeout: Some(Duration::from_secs(60)),
        delivery_dir: None,
        tls: None,
        auth: None,
        anonymous: Anonymous::default(),
    }
}

#[test]
fn defaults_are_those_of_the_manual() {
    assert_eq!(good("-t"), defaults());
    let expected = Config {
        forward: Some(forward()),
        ..defaults()
    };
    assert_eq!(good("-t --forward-to mail.example.com:25"), expected);
    assert_eq!(CONNECTION_TIMEOUT + PROMPT_TIMEOUT, RESPONSE_TIMEOUT);
}

type Change = fn(&mut Config);

/// The administration interface, as it is by default but for its port.
fn admin(config: &mut Config) -> &mut AdminServer {
    let serve = config.serve.as_mut().unwrap();
    serve.admin.get_or_insert(AdminServer {
        own: Vec::new(),
        shared: Vec::new(),
        port: 0,
        terminate: false,
        remote_clients: false,
    })
}

fn listen_on(text: &str) -> ListenAddress {
    ListenAddress::Ip(Literal::parse(text).unwrap())
}

fn smtp(config: &mut Config) -> &mut SmtpServer {
    config.serve.as_mut().unwrap().smtp.as_mut().unwrap()
}

/// The server with TLS by a certificate of its own.
fn tls(c: &mut Config, change: fn(&mut ServerTls)) {
    let mut tls = ServerTls {
        first: false,
        required: false,
        key: "/home/me/a.pem".into(),
        chain: "/home/me/a.pem".into(),
        verify: Verify::Unset,
    };
    change(&mut tls);
    smtp(c).tls = Some(tls);
}

/// The server with a secrets file.
fn auth(c: &mut Config, config: Option<&str>) {
    smtp(c).auth = Some(ServerAuth {
        accounts: ServerAccounts::File("/home/me/secrets".into()),
        config: config.map(str::to_owned),
    });
}

/// The POP server with its defaults.
fn pop(c: &mut Config, change: fn(&mut PopServer)) {
    let mut pop = PopServer {
        listen: Vec::new(),
        port: 110,
        idle_timeout: Some(Duration::from_secs(60)),
        maildrop_idle_timeout: Some(Duration::from_secs(600)),
        anonymous: Anonymous::default(),
        remote_clients: false,
        by_name: false,
        no_delete: false,
        auth: Some(ServerAuth {
            accounts: ServerAccounts::File("/home/me/p".into()),
            config: None,
        }),
        tls: None,
    };
    change(&mut pop);
    c.serve.as_mut().unwrap().pop = Some(pop);
}

/// Options of the process and the server, and what they change.
const CHANGES: &[(&str, Change)] = &[
    ("--no-daemon", |_| {}),
    ("--no-syslog", |_| {}),
    ("--pid-file=run/x.pid", |c| {
        c.process.pid_file = Some("/home/me/run/x.pid".into());
    }),
    ("--check", |c| c.process.check = true),
    ("--sandbox", |c| c.process.sandbox = true),
    ("--user=mail", |c| c.process.user = "mail".to_owned()),
    ("--log", |c| {
        c.log.enabled = true;
        c.log.syslog = Some(Facility::Mail);
    }),
    ("--debug --syslog=local1 --log --no-syslog", |c| {
        c.log.enabled = true;
        c.log.debug = true;
        c.log.syslog = Some(Facility::Local(1));
    }),
    ("--log-file=log.%d", |c| {
        c.log.file = Some("/home/me/log.%d".into())
    }),
    ("--log-format=port,json", |c| {
        c.log.format.port = true;
        c.log.format.json = true;
    }),
    ("--log --verbose --no-syslog", |c| {
        c.log.enabled = true;
        c.log.verbose = true;
    }),
    ("--log-time", |c| c.log.format.time = true),
    ("--log-address", |c| c.log.format.address = true),
    ("--close-stderr", |c| c.log.close_stderr = true),
    ("--as-server -n", |c| {
        c.log.enabled = true;
        c.log.close_stderr = true;
    }),
    ("--as-server -n --close-stderr=no", |c| c.log.enabled = true),
    ("--as-server=no", |_| {}),
    ("--spool-dir /a/b", |c| c.spool_dir = "/a/b".into()),
    ("--spool-dir a/b", |c| c.spool_dir = "/home/me/a/b".into()),
    ("--spool-dir @app/b", |c| {
        c.spool_dir = "/opt/relay/b".into()
    }),
    ("--domain a.example", |c| {
        c.domain = crate::base::OneLine::new("a.example");
    }),
    ("--dont-serve", |c| c.serve = None),
    ("--no-smtp", |c| c.serve.as_mut().unwrap().smtp = None),
    ("--admin 10587", |c| admin(c).port = 10587),
    ("--admin 0 --admin-terminate -r", |c| {
        admin(c).port = 0;
        admin(c).terminate = true;
        admin(c).remote_clients = true;
        smtp(c).remote_clients = true;
    }),
    (
        "--admin 7 --interface admin=::1,127.0.0.1,admin=0.0.0.0,admin=/run/a,::1,/run/b",
        |c| {
            let [v4, v6, all] = ["127.0.0.1", "::1", "0.0.0.0"].map(listen_on);
            admin(c).port = 7;
            admin(c).own = vec![v6.clone(), ListenAddress::Unix("/run/a".into())];
            admin(c).shared = vec![v4.clone(), all];
            smtp(c).listen = vec![v4, v6, ListenAddress::Unix("/run/b".into())];
        },
    ),
    // It is all of IPv4 under another name, and lets in nobody from elsewhere either.
    ("--admin 7 --interface admin=::ffff:0.0.0.0", |c| {
        admin(c).port = 7;
        admin(c).shared = vec![listen_on("::ffff:0.0.0.0")];
    }),
    ("--metrics 9100", |c| {
        c.serve.as_mut().unwrap().metrics = Some(MetricsServer {
            listen: MetricsAddress::Loopback(9100),
            remote_clients: false,
        });
    }),
    ("--port 10025", |c| smtp(c).port = 10025),
    ("--port 0", |c| smtp(c).port = 0),
    ("--remote-clients", |c| smtp(c).remote_clients = true),
    ("--address-verifier a/verify", |c| {
        smtp(c).address_verifier = Some(Program::File("/home/me/a/verify".into()));
    }),
    ("--address-verifier=exit:2", |c| {
        smtp(c).address_verifier = Some(Program::Exit(2));
    }),
    ("--filter /bin/f,exit:0 --filter sleepms:5", |c| {
        let delay = Duration::from_millis(5);
        smtp(c).filters = vec![
            Filter::File("/bin/f".into()),
            Filter::Exit(0),
            Filter::Sleep(delay),
        ];
    }),
    ("--filter-timeout 0", |c| smtp(c).filter_timeout = None),
    ("--filter-timeout 3", |c| {
        smtp(c).filter_timeout = Some(Duration::from_secs(3));
    }),
    ("--size 1000", |c| smtp(c).size_max = Some(1000)),
    ("--size 0", |_| {}),
    ("--idle-timeout 0", |c| smtp(c).idle_timeout = None),
    ("--idle-timeout 5", |c| {
        smtp(c).idle_timeout = Some(Duration::from_secs(5))
    }),
    ("--server-auth secrets", |c| auth(c, None)),
    ("--server-auth secrets --server-auth-config m:plain", |c| {
        auth(c, Some("m:plain"))
    }),
    ("--server-tls --server-tls-certificate a.pem", |c| {
        tls(c, |_| {})
    }),
    ("-K --server-tls-certificate a.pem,/b.pem", |c| {
        tls(c, |t| t.chain = "/b.pem".into())
    }),
    (
        "-K --server-tls-certificate=/k --server-tls-certificate=@app/c",
        |c| {
            tls(c, |t| {
                t.key = "/k".into();
                t.chain = "/opt/relay/c".into();
            })
        },
    ),
    (
        "--server-tls-connection --server-tls-certificate a.pem",
        |c| tls(c, |t| t.first = true),
    ),
    (
        "-K --server-tls-certificate a.pem --server-tls-required",
        |c| tls(c, |t| t.required = true),
    ),
    (
        "-K --server-tls-certificate a.pem --server-tls-verify ca",
        |c| tls(c, |t| t.verify = Verify::Path("/home/me/ca".into())),
    ),
    (
        "-K --server-tls-certificate a.pem --server-tls-verify=<none>",
        |c| tls(c, |t| t.verify = Verify::Nobody),
    ),
    (
        "-K --server-tls-certificate a.pem --server-tls-verify=<default>",
        |c| tls(c, |t| t.verify = Verify::SystemAuthorities),
    ),
    ("--tls-config rustls,tlsv1.3 -9=-tlsv1.3", |c| {
        c.tls_config = "rustls,tlsv1.3,-tlsv1.3".into()
    }),
    ("--anonymous=vrfy,content", |c| {
        smtp(c).anonymous.vrfy = true;
        smtp(c).anonymous.content = true;
    }),
    (
        "--interface 127.0.0.1,smtp=::1 --interface=/run/smtp,127.0.0.1",
        |c| {
            let ips = ["127.0.0.1", "::1"].map(|ip| ListenAddress::Ip(literal(ip)));
            smtp(c).listen = ips.into();
            smtp(c).listen.push(ListenAddress::Unix("/run/smtp".into()));
        },
    ),
    ("--interface fd#3,smtp=fd#3,eth0-ipv6", |c| {
        let name = "eth0".to_owned();
        let only = Some(IpFamily::Ipv6);
        let eth0 = ListenAddress::Interface { name, only };
        smtp(c).listen = vec![ListenAddress::Inherited(3), eth0];
    }),
    ("--dnsbl a.test,b.test --dnsbl=c.test -r", |c| {
        smtp(c).dnsbl = vec!["a.test,b.test".to_owned(), "c.test".to_owned()];
        smtp(c).remote_clients = true;
    }),
    ("--strict-secrets", |c| c.strict_secrets = true),
    ("--pop --pop-auth p", |c| pop(c, |_| {})),
    ("-B -F p --no-smtp", |c| {
        pop(c, |_| {});
        c.serve.as_mut().unwrap().smtp = None;
    }),
    ("--pop -F p --pop-port 1110", |c| pop(c, |p| p.port = 1110)),
    ("--pop -F p --pop-by-name", |c| pop(c, |p| p.by_name = true)),
    ("--pop -F p --pop-no-delete", |c| {
        pop(c, |p| p.no_delete = true)
    }),
    ("--pop -F p --idle-timeout 5", |c| {
        let time = Some(Duration::from_secs(5));
        smtp(c).idle_timeout = time;
        pop(c, |p| {
            p.idle_timeout = Some(Duration::from_secs(5));
            p.maildrop_idle_timeout = p.idle_timeout;
        });
    }),
    ("--pop -F p -r -A=server", |c| {
        smtp(c).remote_clients = true;
        smtp(c).anonymous.server = true;
        pop(c, |p| {
            p.remote_clients = true;
            p.anonymous.server = true;
        });
    }),
    ("--pop -F p --server-auth-config m:apop", |c| {
        pop(c, |p| {
            p.auth.as_mut().unwrap().config = Some("m:apop".to_owned());
        });
    }),
    (
        "--pop -F p --server-tls-connection --server-tls-certificate a.pem",
        |c| {
            tls(c, |t| t.first = true);
            let tls = smtp(c).tls.clone();
            pop(c, |_| {});
            c.serve.as_mut().unwrap().pop.as_mut().unwrap().tls = tls;
        },
    ),
    ("--pop -F p -I smtp=::1,pop=127.0.0.1,pop=fd#5,eth0", |c| {
        let eth0 = ListenAddress::Interface {
            name: "eth0".to_owned(),
            only: None,
        };
        smtp(c).listen = vec![ListenAddress::Ip(literal("::1")), eth0];
        pop(c, |p| {
            p.listen = vec![
                ListenAddress::Ip(literal("127.0.0.1")),
                ListenAddress::Inherited(5),
                ListenAddress::Interface {
                    name: "eth0".to_owned(),
                    only: None,
                },
            ];
        });
    }),
    ("--delivery-dir /var/mail", |c| {
        smtp(c).delivery_dir = Some("/var/mail".into());
    }),
    ("--server-smtp-config chunking,-pipelining", |c| {
        smtp(c).extensions.chunking = true;
        smtp(c).extensions.pipelining = false;
    }),
];

#[test]
#[cfg_attr(miri, ignore = "takes minutes")]
fn each_option_changes_what_it_says() {
    for (line, change) in CHANGES {
        let mut expected = defaults();
        change(&mut expected);
        assert_eq!(good(&format!("-t {line}")), expected, "{line}");
    }
}

#[test]
fn the_servers_of_a_list_are_checked_one_by_one() {
    let problems = bad("-t -o a:25,b,:25 --forward-connections 51");
    let about = |text: &str| problems.iter().any(|one| one.contains(text));
    assert!(problems.len() == 3 && about("\"b\"") && about("\":25\"") && about("51"));
    let many: Vec<String> = (1..=21).map(|number| format!("h{number}:25")).collect();
    let problems = bad(&format!("-t -o {}", many.join(",")));
    assert!(problems.len() == 1 && problems[0].contains("more than 20"));
    let problems = bad("-t -o 127.0.0.1:25,[::1]:25 --client-interface 127.0.0.2");
    assert!(problems.len() == 1 && problems[0].contains("[::1]:25"));
}

#[test]
fn each_option_changes_how_mail_is_forwarded() {
    for (line, change) in FORWARD_CHANGES {
        let mut expected = forward();
        change(&mut expected);
        let config = good(&format!("-t -o mail.example.com:25 {line}"));
        assert_eq!(config.forward, Some(expected), "{line}");
    }
    let config = good("-t -o mail.example.com:25 -f -A");
    assert!(config.forward.unwrap().anonymous.client);
}

#[test]
fn every_option_has_a_test_of_its_effect() {
    let changes = CHANGES.iter().map(|(line, _)| line);
    let tested: Vec<&str> = changes
        .chain(FORWARD_CHANGES.iter().map(|(line, _)| line))
        .chain(client_security::CHANGES.iter().map(|(line, _)| line))
        .chain(WINDOWS_CHANGES.iter().map(|(line, _)| line))
        .flat_map(|line| line.split([' ', '=']))
        .collect();
    // These have tests of their own.
    let elsewhere = [
        "help",
        "version",
        "localedir",
        "as-client",
        "as-proxy",
        "forward-to",
    ];
    for option in table::options() {
        let is_tested = tested.contains(&format!("--{}", option.long).as_str());
        assert!(
            is_tested != elsewhere.contains(&option.long),
            "{}",
            option.long
        );
    }
}

#[test]
fn modes_stand_for_other_options() {
    let client = good("--as-client mail.example.com:25");
    let spelt_out = "--log --no-syslog --no-daemon --dont-serve --forward \
                     --forward-to=mail.example.com:25";
    assert_eq!(client, good(spelt_out));
    let proxy = good("-t --as-proxy mail.example.com:25");
    let spelt_out = "-t --log --close-stderr --forward-on-disconnect \
                     --forward-to=mail.example.com:25";
    assert_eq!(proxy, good(spelt_out));
    assert_eq!(good("-t --as-server"), good("-t --log --close-stderr"));
    let both = good("-d -q mail.example.com:25 -y other.example.com:25");
    assert_eq!(
        both.forward.unwrap().to[0].to_string(),
        "mail.example.com:25"
    );
    assert!(both.serve.is_none() && both.log.close_stderr);
}

#[test]
fn no_goes_against_what_modes_imply() {
    let proxy = good("-t -y mail.example.com:25 --close-stderr=no --log=no");
    assert!(!proxy.log.enabled && !proxy.log.close_stderr);
    assert!(proxy.forward.unwrap().on_disconnect);
    let client = good("-q mail.example.com:25 --dont-serve=no");
    assert!(client.serve.is_some());
}

#[test]
fn secrets_are_in_a_file() {
    assert_eq!(bad("-t --server-auth="), ["--server-auth: \"\" is empty"]);
    let empty = "--server-tls-certificate: \"\" is empty";
    assert_eq!(bad("-t -K --server-tls-certificate="), [empty]);
    assert_eq!(bad("-t -K --server-tls-certificate=a,"), [empty]);
    let verify = bad("-t -K --server-tls-certificate=a --server-tls-verify=");
    assert_eq!(verify, ["--server-tls-verify: \"\" is empty"]);
}

#[test]
fn options_of_another_system_are_refused_once_each() {
    for (line, long) in [("-t -H --hidden", "hidden"), ("-t --show=window", "show")] {
        assert_eq!(
            bad(line),
            [format!("--{long}: not available on this system")]
        );
    }
    assert_eq!(good("-t --hidden=no"), defaults());
}

/// What the options of Windows alone change there, in the background.
const WINDOWS_CHANGES: &[(&str, Change)] = &[
    ("--hidden", |c| c.process.hidden = true),
    ("--hidden --show=window", |c| c.process.hidden = true),
    ("--show=tray", |_| {}),
    ("--show=hidden", |_| {}),
    ("--show=window", |c| c.process.window = true),
    ("--show=popup", |c| c.process.window = true),
    ("--show=window,tray", |c| c.process.window = true),
];

fn check_on_windows(line: &str) -> Result<Config, Vec<String>> {
    let mut read = parse::words(line.split_whitespace().map(Into::into));
    check(read.options.plain(), &Context::new(Platform::Windows))
        .map(|(config, _)| config)
        .map_err(|problems| problems.iter().map(ToString::to_string).collect())
}

#[test]
fn the_options_of_windows_change_how_the_program_shows_itself() {
    for (line, change) in WINDOWS_CHANGES {
        let mut expected = defaults();
        expected.process.daemon = true;
        change(&mut expected);
        let process = check_on_windows(line).unwrap().process;
        assert_eq!(process, expected.process, "{line}");
    }
    for style in ["", "tray,window", "Window", "window, tray"] {
        let problem = &check_on_windows(&format!("--show={style}")).unwrap_err()[0];
        assert!(problem.starts_with("--show: ") && problem.contains("is none of hidden, popup"));
    }
}

#[test]
fn what_has_work_is_known() {
    for line in ["--dont-serve", "--no-smtp", "--no-smtp -1 -o a:1"] {
        assert!(!good(line).has_work(), "{line}");
    }
    assert!(!good("-X --metrics=9100").has_work());
    for line in ["-t", "-q a:1", "-t -X -O 1 -o a:1", "-t -X -a 1", "-d"] {
        assert!(good(line).has_work(), "{line}");
    }
    assert!(good("--as-client a:1 --no-daemon=no").process.daemon);
    assert_eq!(
        check_on_windows("-l").unwrap().log.syslog,
        Some(Facility::Mail)
    );
}

#[test]
fn users_and_pid_files_have_names() {
    assert_eq!(bad("-t --user="), ["--user: \"\" is empty"]);
    assert_eq!(bad("-t --pid-file="), ["--pid-file: \"\" is empty"]);
}

#[test]
fn bad_values_name_option_value_and_what_is_allowed() {
    for (line, problem) in [
        (
            "--port 22000x",
            "--port: \"22000x\" is not a number from 0 to 65535",
        ),
        (
            "--size x",
            "--size: \"x\" is not a number from 0 to 9223372036854775807",
        ),
        (
            "--idle-timeout -1",
            "--idle-timeout: \"-1\" is not a number from 0 to 4294967295",
        ),
        (
            "--anonymous=no",
            "--anonymous: \"no\" is not a scope; vrfy, server, content and client are",
        ),
        (
            "--address-verifier=net:a",
            "--address-verifier: \"net:a\" has no port; write host:port, or [address]:port for IPv6",
        ),
        ("--address-verifier=", "--address-verifier: \"\" is empty"),
        (
            "--filter-timeout=1s",
            "--filter-timeout: \"1s\" is not a number from 0 to 4294967295",
        ),
        ("--domain=", "--domain: \"\" is empty"),
        ("--spool-dir=", "--spool-dir: \"\" is empty"),
        (
            "--client-interface lo:25",
            "--client-interface: \"lo:25\" has a port; that goes with an address only, [address]:port",
        ),
        (
            "--as-client foo",
            "--as-client: \"foo\" has no port; write host:port, or [address]:port for IPv6",
        ),
        (
            "--as-proxy a:0",
            "--as-proxy: \"a:0\" has no port number from 1 to 65535 (or smtp, smtps, submission) after its last colon",
        ),
        ("--forward-to=", "--forward-to: \"\" is empty"),
        (
            "--server-smtp-config chunky",
            "--server-smtp-config: \"chunky\" is not a switch; pipelining, chunking, smtputf8, \
             smtputf8strict and strictparsing are, with + or -, no, with- or without- before them",
        ),
        ("--dnsbl a.test", "--dnsbl: needs --remote-clients"),
        ("--interface=", "--interface: \"\" is empty"),
        ("--interface=::1,", "--interface: \"\" is empty"),
        (
            "--interface=::1,SMTP=::2",
            "--interface: \"SMTP=::2\" has an unknown prefix; smtp=, pop= and admin= are known",
        ),
        (
            "--poll=0 -o a:1",
            "--poll: \"0\" is not a number of seconds above 0 (or of milliseconds, ending in ms)",
        ),
    ] {
        let line = line.replacen(" -1", "=-1", 1);
        assert_eq!(bad(&format!("-t {line}")), [problem], "{line}");
    }
}

#[test]
fn all_problems_are_told_together() {
    let line = "--pop -v --port=x --size=y --interface=1.2.3,b! --domain=? --connection-timeout=z \
                --client-interface=lo:25 --poll=0 --idle-timeout=i";
    let problems = bad(line);
    for name in [
        "pop",
        "verbose",
        "port",
        "size",
        "domain",
        "connection-timeout",
        "client-interface",
        "poll",
        "idle-timeout",
    ] {
        let told = |problem: &&String| problem.starts_with(&format!("--{name}: "));
        assert!(
            problems.iter().any(|problem| told(&problem)),
            "{name}: {problems:?}"
        );
    }
    assert_eq!(
        problems
            .iter()
            .filter(|problem| problem.starts_with("--interface: "))
            .count(),
        2
    );
}

#[test]
fn both_ends_of_a_connection_are_of_one_kind() {
    for to in ["192.0.2.1:25", "mail.example.com:25"] {
        good(&format!("-t -6 0.0.0.0 -o {to}"));
    }
    for (from, to) in [
        ("::", "192.0.2.1:25"),
        ("0.0.0.0", "[::1]:25"),
        ("::", "/run/lmtp"),
    ] {
        let problem = format!("--client-interface: cannot be used to reach \"{to}\"");
        assert_eq!(bad(&format!("-t -6 {from} -o {to}")), [problem]);
    }
}

#[test]
fn lists_of_addresses_are_bounded() {
    let list = |count: u8| {
        (0..count)
            .map(|n| format!("127.0.0.{n}"))
            .collect::<Vec<_>>()
            .join(",")
    };
    let line = format!("-t -I {}", list(100));
    assert_eq!(
        good(&line).serve.unwrap().smtp.unwrap().listen.len(),
        LIST_MAX
    );
    assert_eq!(
        bad(&format!("-t -I {}", list(101))),
        ["--interface: has more than 100 values"]
    );
}

#[test]
fn what_is_probably_not_meant_is_warned_of() {
    assert_eq!(
        warned("-t -n --log --as-proxy a:1"),
        [Warning::LoggingStops]
    );
    assert_eq!(warned("-t -d -n"), [Warning::LoggingStops]);
    assert_eq!(warned("-t -d"), []);
    assert_eq!(warned("-t -d -n -N log"), []);
    assert_eq!(warned("-t -e"), []);
    for line in ["-t -k", "-t -N log", "-t -n -N log -k=local0"] {
        assert_eq!(warned(line), [Warning::NothingLogged], "{line}");
        assert_eq!(warned(&format!("{line} -l")), [], "{line}");
    }
    assert_eq!(warned("-t -d --close-stderr=no"), []);
    assert_eq!(warned("-t -o a:1"), [Warning::NeverForwards]);
    assert_eq!(warned("-t -o a:1 -a 1"), []);
    let nobody = Warning::NobodyListens(ServerName::Admin);
    assert_eq!(warned("-t --interface admin=::1"), [nobody]);
    assert_eq!(warned("-t --interface admin=::1 -a 1"), []);
    let nobody = Warning::NobodyListens(ServerName::Pop);
    assert_eq!(warned("-t --interface ::1,pop=::1,pop=127.0.0.1"), [nobody]);
    for line in ["-t -o a:1 -f", "-t -o a:1 -1", "-t -o a:1 -O 1", "-q a:1"] {
        assert_eq!(warned(line), [], "{line}");
    }
}
