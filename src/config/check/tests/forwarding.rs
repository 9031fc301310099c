//! What the options of forwarding change.

use super::*;

pub(super) type ForwardChange = fn(&mut Forward);

/// Options of forwarding, and what they change.
pub(super) const FORWARD_CHANGES: &[(&str, ForwardChange)] = &[
    ("--client-filter net:/run/filter,exit:100", |f| {
        let address = Address::Unix("/run/filter".into());
        f.filters = vec![Filter::Net(address), Filter::Exit(100)];
    }),
    ("--forward", |f| f.on_start = true),
    ("--forward-on-disconnect", |f| f.on_disconnect = true),
    ("--poll 60", |f| f.poll = Some(Duration::from_secs(60))),
    ("--poll 500ms", |f| {
        f.poll = Some(Duration::from_millis(500))
    }),
    ("--client-interface ::", |f| {
        f.client_interface = Some(ClientInterface::Ip(literal("::"), 0))
    }),
    ("--client-interface eth0-ipv4", |f| {
        let (name, only) = ("eth0".to_owned(), Some(IpFamily::Ipv4));
        f.client_interface = Some(ClientInterface::Interface { name, only });
    }),
    ("--client-smtp-config nochunking,eightbitstrict", |f| {
        f.extensions.chunking = false;
        f.extensions.strict_eight_bit = true;
    }),
    ("--immediate", |f| f.immediate = true),
    ("--forward-to-some", |f| f.to_some = true),
    ("--forward-to-all", |f| f.to_some = false),
    ("--connection-timeout 1", |f| {
        f.connection_timeout = Some(Duration::from_secs(1))
    }),
    ("--connection-timeout 0", |f| f.connection_timeout = None),
    ("--response-timeout 2", |f| {
        f.response_timeout = Some(Duration::from_secs(2))
    }),
    ("--prompt-timeout 3", |f| {
        f.prompt_timeout = Some(Duration::from_secs(3))
    }),
    ("--prompt-timeout 0", |f| f.prompt_timeout = None),
    ("--forward-connections 50", |f| f.traffic.connections = 50),
    ("--forward-rate 60", |f| f.traffic.per_minute = Some(60)),
    ("--forward-rate 0", |_| {}),
    ("--forward-per-connection 9", |f| {
        f.traffic.per_connection = Some(9)
    }),
    ("--forward-per-connection 0", |_| {}),
    ("--retry-period 3600", |f| {
        f.retry_period = Some(Duration::from_secs(3600))
    }),
    ("--retry-period 0", |f| f.retry_period = None),
    ("--bounce", |f| f.bounce = true),
];

#[test]
fn several_servers_are_a_list_in_order() {
    let all = |line: &str| {
        let to = good(line).forward.unwrap().to;
        to.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let expected = ["a:25", "[::1]:26", "/run/x"];
    assert_eq!(all("-t -o a:25,[::1]:26,/run/x"), expected);
    assert_eq!(all("-t -o a:25 -o [::1]:26,a:25 -o /run/x"), expected);
    assert_eq!(all("-q a:25,[::1]:26,/run/x"), expected);
    // A path is one, since it may have commas in it.
    assert_eq!(all("-t -o /run/x,b:25"), ["/run/x,b:25"]);
    assert_eq!(all("-t -y /run/x,b:25"), ["/run/x,b:25"]);
}
