//! What programs and services say that the relay asks: filters, verifiers, spamd and
//! SOCKS proxies.

use std::net::{IpAddr, Ipv6Addr};

use emailrelay::base::ByteQueue;
use emailrelay::filter::output::Response;
use emailrelay::filter::verdict::{Rejection, TEXT_MAX};
use emailrelay::filter::verifier;
use emailrelay::proto::socks::{Failure, FarHost, Negotiation, Progress, Version};
use emailrelay::proto::spamd::{self, Fault, Rating, Reader, Wish};
use emailrelay::proto::{netfilter, netverifier};

use super::pieces::{Dice, through_queue};
use super::pieces::{check_one_line, check_shown, check_wire, same_however_cut, selector};

/// What a filter or verifier says, as a service and as a program.
pub(crate) fn filter_replies(data: &[u8]) {
    let verdict = same_however_cut(data, verifier);
    if let netverifier::Found::Answer(answer, _) = &verdict {
        let _answer = verifier::answered(answer);
    }
    let verdict = same_however_cut(data, filter);
    if let netfilter::Found::Answer(netfilter::Answer::Refuse { text, reason }) = verdict {
        assert!(text.len() + reason.len() < netfilter::LINE_MAX);
        assert!(!text.contains(&b'\t'));
        let response = text.to_vec();
        rejection(Response { response, reason });
    }
    let said = Response::parse(data);
    assert!(!said.response.is_empty() && !said.reason.is_empty());
    rejection(said);
    if let Some(question) = netfilter::question(data) {
        assert!(question.len() <= netfilter::LINE_MAX);
        let ends = question.iter().filter(|octet| **octet == b'\n').count();
        assert_eq!(ends, 1);
    }
}

fn rejection(said: Response) {
    let rejection = Rejection::of(said);
    let reply = rejection.reply();
    assert!((400..=599).contains(&reply.code));
    check_wire(&reply.render());
    for line in &reply.lines {
        // An octet is escaped by four.
        check_one_line(line, 4 * TEXT_MAX + 100);
    }
}

fn verifier(pieces: &[&[u8]]) -> netverifier::Found {
    let mut found = netverifier::Found::NeedMore;
    through_queue(pieces, netverifier::LINE_MAX + 10, |queue| {
        found = match netverifier::receive(queue) {
            // Whether more follows is an accident of cutting.
            netverifier::Found::Answer(answer, _) => netverifier::Found::Answer(answer, true),
            found => found,
        };
        found == netverifier::Found::NeedMore
    });
    found
}

fn filter(pieces: &[&[u8]]) -> netfilter::Found {
    let mut found = netfilter::Found::NeedMore;
    through_queue(pieces, netfilter::LINE_MAX + 10, |queue| {
        found = netfilter::receive(queue);
        found == netfilter::Found::NeedMore
    });
    found
}

/// The first octet chooses what is wished for, the rest is the reply.
pub(crate) fn spamd(data: &[u8]) {
    let (choice, reply) = selector(data);
    let wish = [Wish::Rate, Wish::Edit][usize::from(choice & 1)];
    let content_max = u64::from(choice);
    let (content, result) = same_however_cut(reply, |pieces| rate(wish, content_max, pieces));
    match (&result, wish) {
        (Ok(rating), _) => {
            if let Some(rating) = rating {
                check_one_line(&rating.text, spamd::TEXT_MAX);
            }
            assert!(content.len() as u64 <= content_max);
            assert!(reply.ends_with(&content) || wish == Wish::Rate);
        }
        (Err(fault), _) => check_shown(&fault.to_string(), 1000),
    }
    assert!(wish == Wish::Edit || content.is_empty());
    let octets = Dice::of(data).below(1000) as u64;
    check_wire(&spamd::request(wish, octets));
}

fn rate(
    wish: Wish,
    content_max: u64,
    pieces: &[&[u8]],
) -> (Vec<u8>, Result<Option<Rating>, Fault>) {
    let mut reader = Reader::new(wish, content_max);
    let mut content = Vec::new();
    for piece in pieces {
        match reader.receive(piece) {
            Ok(octets) => content.extend_from_slice(octets),
            // What had come before it is thrown away.
            Err(fault) => return (Vec::new(), Err(fault)),
        }
    }
    match reader.finish() {
        Ok(rating) => (content, Ok(rating)),
        Err(fault) => (Vec::new(), Err(fault)),
    }
}

/// The first octet chooses the version and the host, the rest is what the proxy says.
pub(crate) fn socks(data: &[u8]) {
    let (choice, said) = selector(data);
    let version = [Version::V4a, Version::V5][usize::from(choice & 1)];
    let host = match choice >> 1 & 3 {
        0 => FarHost::Ip(IpAddr::V6(Ipv6Addr::LOCALHOST)),
        1 => FarHost::Ip([192, 0, 2, 1].into()),
        _ => FarHost::Name("a.very.long.name.".repeat(usize::from(choice >> 3))),
    };
    let octets: Vec<&[u8]> = said.chunks(1).collect();
    let slowly = negotiate(version, &host, &octets);
    let at_once = negotiate(version, &host, &[said]);
    // A proxy that says more than it was asked for may be found out.
    if at_once.failure != Some(Failure::Malformed) {
        assert_eq!(at_once, slowly);
    }
    if let Some(failure) = slowly.failure {
        check_shown(&failure.to_string(), 300);
    }
}

/// How it has ended.
#[derive(Debug, PartialEq)]
struct Negotiated {
    sent: Vec<u8>,
    /// What is left for the far host, once it is connected.
    left: Option<usize>,
    failure: Option<Failure>,
}

fn negotiate(version: Version, host: &FarHost, pieces: &[&[u8]]) -> Negotiated {
    let mut negotiation = Negotiation::new(version, host.clone(), 25);
    let mut ended = Negotiated {
        sent: negotiation.begin(),
        left: None,
        failure: None,
    };
    let mut queue = ByteQueue::new(usize::MAX);
    let mut to_come: usize = pieces.iter().map(|piece| piece.len()).sum();
    for piece in pieces {
        to_come -= queue.push(piece);
        loop {
            match negotiation.receive(&mut queue) {
                Ok(Progress::Waiting) => break,
                Ok(Progress::Send(octets)) => ended.sent.extend(octets),
                Ok(Progress::Connected) => {
                    ended.left = Some(queue.len() + to_come);
                    return ended;
                }
                Err(failure) => {
                    ended.failure = Some(failure);
                    return ended;
                }
            }
        }
    }
    ended
}
