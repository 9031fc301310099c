//! Who is believed to be who.

use super::abilities::Abilities;
use super::link::{Link, Pair};
use super::{by, client, files, for_backends, server, versions};
use crate::tls::{ClientSettings, Keywords, Peer, ServerSettings, Trust, VerifySource};

const ABSENT: VerifySource = VerifySource::Absent;

/// Connects; the server as the client sees it, or why the client gave up.
fn judge(pair: Pair, client: &ClientSettings, certificate: &str) -> Result<Peer, String> {
    let mut link = Link::new(pair, client, &server(certificate, ABSENT));
    match link.is_secure() {
        true => {
            let session = link.client.engine.established().unwrap();
            Ok(session.peer.clone().unwrap())
        }
        false => {
            assert!(link.server.engine.established().is_none() || link.server.error.is_some());
            Err(link
                .client
                .error
                .take()
                .expect("the client gave up")
                .to_string())
        }
    }
}

fn a_server_is_not_verified_unless_asked_for(pair: Pair) {
    for certificate in [
        "server",
        "rsa",
        "self-signed",
        "v1",
        "expired",
        "future",
        "cn-only",
    ] {
        for (_, version) in versions(pair) {
            let unverified = ClientSettings {
                keywords: Keywords::parse(version),
                ..client(ABSENT, "")
            };
            let peer = judge(pair, &unverified, certificate).unwrap();
            assert_eq!(peer.trust, Trust::Unverified, "{certificate}");
            let file = std::fs::read_to_string(files(certificate).chain).unwrap();
            assert_eq!(peer.pem.as_deref(), Some(&*file), "{certificate}");
        }
    }
    for verify in [VerifySource::None, by("other-ca")] {
        let keywords = Keywords::parse("noverify");
        let unverified = ClientSettings {
            keywords,
            ..client(verify, "wrong.example")
        };
        let peer = judge(pair, &unverified, "server").unwrap();
        assert_eq!(peer.trust, Trust::Unverified);
    }
}

fn a_server_needs_an_authority_that_is_listed(pair: Pair) {
    for (certificate, authority, accepted) in [
        ("server", "ca", true),
        ("server", "ca-list", true),
        ("rsa", "ca", true),
        ("cn-only", "ca", true),
        ("chained-chain", "ca", true),
        ("chained", "ca", false),
        ("server", "other-ca", false),
        ("expired", "ca", false),
        ("future", "ca", false),
        ("self-signed", "ca", false),
        ("self-signed", "self-signed", true),
        ("expired-self", "expired-self", false),
        ("client", "ca", false),
    ] {
        if certificate == "client" && !Abilities::of(pair.server).serves_with_any {
            let refused = pair.server.server(&server(certificate, ABSENT));
            assert!(refused.is_err());
            continue;
        }
        for (_, version) in versions(pair) {
            let verified = ClientSettings {
                keywords: Keywords::parse(version),
                ..client(by(authority), "")
            };
            let judged = judge(pair, &verified, certificate);
            let expected = accepted.then_some(Trust::Chain);
            let what = format!("{certificate} by {authority}: {judged:?}");
            assert_eq!(judged.ok().map(|peer| peer.trust), expected, "{what}");
        }
    }
}

fn the_authorities_of_the_system_do_not_know_ours(pair: Pair) {
    let verified = client(VerifySource::Default, "mail.example");
    assert!(judge(pair, &verified, "server").is_err());
}

// RFC 7817 3, RFC 6125 6.4.
fn a_server_needs_the_name_asked_for(pair: Pair) {
    for (certificate, name, accepted) in [
        ("server", "mail.example", true),
        ("server", "MAIL.example.", true),
        ("server", "mixed.example", true),
        ("server", "other.example", false),
        ("server", "example", false),
        ("server", "sub.mail.example", false),
        ("server", "a.wild.example", true),
        ("server", "a.b.wild.example", false),
        ("server", "wild.example", false),
        ("server", "127.0.0.1", true),
        ("server", "::1", true),
        ("server", "127.0.0.2", false),
        ("top-wildcard", "mail.example", false),
        ("ip-only", "127.0.0.1", true),
        ("ip-only", "mail.example", false),
        ("chained-chain", "mail.example", true),
        ("expired", "mail.example", false),
    ] {
        let judged = judge(pair, &client(by("ca"), name), certificate);
        let expected = accepted.then_some(Trust::Name);
        let what = format!("{certificate} for {name}: {judged:?}");
        assert_eq!(judged.ok().map(|peer| peer.trust), expected, "{what}");
    }
}

// RFC 6125 6.4.4: only where there are no other names.
fn a_common_name_counts_where_the_library_looks_at_it(pair: Pair) {
    let looks = Abilities::of(pair.client).common_names;
    for (certificate, name, accepted) in [
        ("cn-only", "mail.example", looks),
        ("cn-only", "MAIL.example", looks),
        ("cn-only", "example", false),
        ("ip-only", "mail.example", false),
        ("top-wildcard", "x", false),
    ] {
        let judged = judge(pair, &client(by("ca"), name), certificate);
        let expected = accepted.then_some(Trust::Name);
        let what = format!("{certificate} for {name}: {judged:?}");
        assert_eq!(judged.ok().map(|peer| peer.trust), expected, "{what}");
    }
    let unknown = client(by("other-ca"), "mail.example");
    assert!(judge(pair, &unknown, "cn-only").is_err());
}

fn certificates_of_version_1_are_verified_where_the_library_can(pair: Pair) {
    let judged = judge(pair, &client(by("v1"), ""), "v1");
    let expected = Abilities::of(pair.client).version_1.then_some(Trust::Chain);
    assert_eq!(judged.ok().map(|peer| peer.trust), expected);
    let asking = server("server", ABSENT);
    let peer = ask(pair, &asking, "v1", "").unwrap();
    let abilities = Abilities::of(pair.server);
    assert_eq!(
        peer.is_some(),
        abilities.version_1 && abilities.asks_without_need
    );
}

// RFC 5280 4.2.1.10.
fn an_authority_may_be_limited_to_some_names(pair: Pair) {
    let compares = Abilities::of(pair.client).compares_with_limits;
    for (certificate, name, accepted) in [
        ("limited", "mail.example", false),
        ("limited", "", false),
        ("limited-cn", "mail.example", false),
        ("limited-other", "other.example", compares),
        ("limited-other", "", compares),
    ] {
        let judged = judge(pair, &client(by("limited-ca"), name), certificate);
        let what = format!("{certificate} for {name}: {judged:?}");
        assert_eq!(judged.is_ok(), accepted, "{what}");
    }
}

fn a_listed_certificate_needs_the_name_as_well(pair: Pair) {
    let listed = |name| client(by("self-signed"), name);
    let judged = judge(pair, &listed("mail.example"), "self-signed");
    assert_eq!(judged.unwrap().trust, Trust::Name);
    assert!(judge(pair, &listed("other.example"), "self-signed").is_err());
    let expired = client(by("expired-self"), "mail.example");
    assert!(judge(pair, &expired, "expired-self").is_err());
}

/// Connects with that client certificate; the client as the server sees it, or
/// why the server gave up.
fn ask(
    pair: Pair,
    server: &ServerSettings,
    certificate: &str,
    version: &str,
) -> Result<Option<Peer>, String> {
    let settings = ClientSettings {
        certificate: (!certificate.is_empty()).then(|| files(certificate)),
        keywords: Keywords::parse(version),
        ..client(ABSENT, "")
    };
    let mut link = Link::new(pair, &settings, server);
    match link.is_secure() {
        true => Ok(link.server.engine.established().unwrap().peer.clone()),
        false => {
            assert!(
                link.client.error.is_some(),
                "the client hears of the refusal"
            );
            assert!(link.server.engine.established().is_none());
            let error = link.server.error.take().expect("the server gave up");
            Err(error.to_string())
        }
    }
}

fn a_client_is_asked_but_may_have_any_certificate(pair: Pair) {
    for (_, version) in versions(pair) {
        let asking = server("server", ABSENT);
        assert_eq!(ask(pair, &asking, "", version), Ok(None));
        if !Abilities::of(pair.server).asks_without_need {
            assert_eq!(ask(pair, &asking, "client", version), Ok(None));
            continue;
        }
        for certificate in [
            "client",
            "foreign-client",
            "self-signed-client",
            "expired",
            "server",
        ] {
            let peer = ask(pair, &asking, certificate, version);
            let peer = peer.unwrap().expect(certificate);
            assert_eq!(peer.trust, Trust::Unverified);
            let file = std::fs::read_to_string(files(certificate).chain).unwrap();
            assert_eq!(peer.pem.as_deref(), Some(&*file));
        }
        // Of all that is wrong nothing is left for what comes after the handshake.
        let misled = ask(pair, &asking, "misled-chain", version);
        assert_eq!(misled.unwrap().unwrap().trust, Trust::Unverified);
        let peer = ask(pair, &asking, "client", version).unwrap().unwrap();
        let names: Vec<String> = peer.names.iter().map(|name| name.to_string()).collect();
        assert_eq!(names, ["client.example"]);
        assert_eq!(
            peer.to_string(),
            "certificate-subject=[/O=Tests/CN=client.example/\
            emailAddress=client@client.example] unverified"
        );
    }
}

fn a_client_is_not_asked_with_none(pair: Pair) {
    let silent = server("server", VerifySource::None);
    for (_, version) in versions(pair) {
        assert_eq!(ask(pair, &silent, "client", version), Ok(None));
    }
}

fn a_client_needs_an_authority_that_is_listed(pair: Pair) {
    for (certificate, authority, accepted) in [
        ("client", "ca", true),
        ("client", "ca-list", true),
        ("", "ca", false),
        ("foreign-client", "ca", false),
        ("foreign-client", "ca-list", true),
        ("self-signed-client", "ca", false),
        ("self-signed-client", "self-signed-client", true),
        ("expired", "ca", false),
        ("expired-self", "expired-self", false),
        ("server", "ca", false),
    ] {
        for (_, version) in versions(pair) {
            let judged = ask(pair, &server("server", by(authority)), certificate, version);
            let what = format!("{certificate} by {authority}: {judged:?}");
            let trust = judged.ok().flatten().map(|peer| peer.trust);
            assert_eq!(trust, accepted.then_some(Trust::Chain), "{what}");
        }
    }
}

fn noverify_lets_every_client_in(pair: Pair) {
    let lax = ServerSettings {
        keywords: Keywords::parse("noverify"),
        ..server("server", by("ca"))
    };
    assert_eq!(ask(pair, &lax, "", ""), Ok(None));
    let peer = ask(pair, &lax, "foreign-client", "").unwrap();
    let expected = Abilities::of(pair.server).asks_without_need;
    let trust = peer.map(|peer| peer.trust);
    assert_eq!(trust, expected.then_some(Trust::Unverified));
}

for_backends!(
    a_server_is_not_verified_unless_asked_for,
    a_server_needs_an_authority_that_is_listed,
    the_authorities_of_the_system_do_not_know_ours,
    a_server_needs_the_name_asked_for,
    a_common_name_counts_where_the_library_looks_at_it,
    certificates_of_version_1_are_verified_where_the_library_can,
    an_authority_may_be_limited_to_some_names,
    a_listed_certificate_needs_the_name_as_well,
    a_client_is_asked_but_may_have_any_certificate,
    a_client_is_not_asked_with_none,
    a_client_needs_an_authority_that_is_listed,
    noverify_lets_every_client_in,
);
