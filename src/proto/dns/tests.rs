//! Messages made by hand, the malformed ones each with a name of its own.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::*;

const FLAGS_OK: u16 = 0x8180;

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

fn query(text: &str, kind: Kind) -> Query {
    Query {
        id: 0x1234,
        name: name(text),
        kind,
    }
}

/// A message under construction; the counts are as given, not as found.
struct Message(Vec<u8>);

impl Message {
    fn new(flags: u16, counts: [u16; 4]) -> Message {
        let fields = [0x1234, flags].into_iter().chain(counts);
        Message(fields.flat_map(u16::to_be_bytes).collect())
    }

    fn question(self, query: &Query) -> Message {
        self.octets(query.name.wire())
            .field(query.kind.code())
            .field(1)
    }

    fn octets(mut self, octets: &[u8]) -> Message {
        self.0.extend_from_slice(octets);
        self
    }

    fn field(self, field: u16) -> Message {
        self.octets(&field.to_be_bytes())
    }

    /// A record of the class IN, with a time to live and the length of its data.
    fn record(self, owner: &[u8], kind: u16, data: &[u8]) -> Message {
        let length = u16::try_from(data.len()).unwrap();
        self.record_head(owner, kind, length).octets(data)
    }

    fn record_head(self, owner: &[u8], kind: u16, length: u16) -> Message {
        let head = self.octets(owner).field(kind).field(1);
        head.field(0).field(300).field(length)
    }

    fn parse(&self, query: &Query) -> Result<Reply, Error> {
        Reply::parse(&self.0, query)
    }
}

/// A pointer to the name in the question.
const QNAME: [u8; 2] = [0xC0, 12];

fn one_answer(query: &Query) -> Message {
    Message::new(FLAGS_OK, [1, 1, 0, 0]).question(query)
}

/// What a reply with one record of this kind and data is read as.
fn parse_data(kind: Kind, data: &[u8]) -> Result<Vec<Data>, Error> {
    let query = query("a.test", kind);
    let message = one_answer(&query).record(&QNAME, kind.code(), data);
    let reply = message.parse(&query)?;
    Ok(reply.data_of(&query.name).cloned().collect())
}

/// What is wrong with a reply that goes on like this after its question.
fn fault_of(counts: [u16; 3], rest: &[u8]) -> Error {
    let query = query("a.test", Kind::A);
    let counts = [1, counts[0], counts[1], counts[2]];
    let message = Message::new(FLAGS_OK, counts).question(&query).octets(rest);
    message.parse(&query).unwrap_err()
}

#[test]
fn a_query_is_a_header_and_a_question() {
    let query = Query {
        id: 0xBEEF,
        name: name("F.ISI.ARPA"),
        kind: Kind::A,
    };
    let expected = b"\xBE\xEF\x01\x00\0\x01\0\0\0\0\0\0\x01F\x03ISI\x04ARPA\0\0\x01\0\x01";
    assert_eq!(query.message(), expected);
    assert_eq!(query.framed_message()[..2], [0, 28]);
    assert_eq!(query.framed_message()[2..], *expected);
}

#[test]
fn the_longest_query_fits_into_a_datagram() {
    let long = format!(
        "{}{}",
        format!("{}.", "x".repeat(63)).repeat(3),
        "y".repeat(61)
    );
    let query = query(&long, Kind::Txt);
    assert_eq!(query.name.wire().len(), NAME_MAX);
    assert!(query.message().len() <= UDP_MESSAGE_MAX);
    assert_eq!(Name::parse(&format!("{long}y")), Err(Error::NameTooLong));
}

#[test]
fn names_have_a_text() {
    for text in ["bl.example.org", "a", "_dmarc.x-y.test", "2.0.0.127.bl"] {
        assert_eq!(name(text).to_string(), text);
        assert_eq!(name(&format!("{text}.")), name(text));
    }
    assert_eq!(name("BL.Example.ORG"), name("bl.example.org"));
    for (text, error) in [
        ("", Error::EmptyLabel),
        (".", Error::EmptyLabel),
        ("a..b", Error::EmptyLabel),
        (".a", Error::EmptyLabel),
        ("a..", Error::EmptyLabel),
        ("a b", Error::Character),
        ("a\0", Error::Character),
        ("é.test", Error::Character),
        ("[::1]:53", Error::Character),
        (&"x".repeat(64), Error::Label),
        (&"x".repeat(300), Error::Label),
        (&"x.".repeat(200), Error::NameTooLong),
    ] {
        assert_eq!(Name::parse(text), Err(error), "{text}");
    }
}

#[test]
fn names_from_the_wire_are_shown_printable() {
    let wire = b"\x04a.b\\\x03\x1b[\xff\0".to_vec();
    assert_eq!(
        Name::from_wire(wire).unwrap().to_string(),
        "a\\.b\\\\.\\027[\\255"
    );
    assert_eq!(Name::from_wire(vec![0]).unwrap().to_string(), ".");
}

// RFC 1035 4.1.4: F.ISI.ARPA at 20, FOO.F.ISI.ARPA at 40, ARPA at 64, the root at 92.
#[test]
fn reads_the_compressed_names_of_the_rfc() {
    let mut message = vec![0; 100];
    message[20..32].copy_from_slice(b"\x01F\x03ISI\x04ARPA\0");
    message[40..46].copy_from_slice(b"\x03FOO\xC0\x14");
    message[64..66].copy_from_slice(b"\xC0\x1A");
    for (start, text, end) in [
        (20, "F.ISI.ARPA", 32),
        (40, "FOO.F.ISI.ARPA", 46),
        (64, "ARPA", 66),
        (92, ".", 93),
    ] {
        let mut reader = reader::Reader::new(&message);
        reader.take(start).unwrap();
        assert_eq!(reader.name().unwrap().to_string(), text);
        assert_eq!(reader.position(), end);
    }
}

// RFC 1034 6.2.1: the two addresses of SRI-NIC.ARPA.
#[test]
fn reads_the_addresses_of_the_rfc() {
    let query = query("SRI-NIC.ARPA", Kind::A);
    let message = Message::new(0x8580, [1, 2, 0, 0])
        .question(&query)
        .record(&QNAME, 1, &[26, 0, 0, 73])
        .record(query.name.wire(), 1, &[10, 0, 0, 51]);
    let reply = message.parse(&query).unwrap();
    assert_eq!((reply.rcode, reply.truncated), (Rcode::NoError, false));
    let addresses = [Ipv4Addr::new(26, 0, 0, 73), Ipv4Addr::new(10, 0, 0, 51)];
    let found: Vec<&Data> = reply.data_of(&query.name).collect();
    assert_eq!(found, addresses.map(Data::A).iter().collect::<Vec<_>>());
}

#[test]
fn reads_every_kind_of_data() {
    let v6 = Ipv6Addr::new(0x2001, 0xDB8, 0, 0, 0, 0, 0, 1);
    let exchange = |preference, text: &str| Data::Mx {
        preference,
        exchange: name(text),
    };
    for (kind, octets, data) in [
        (
            Kind::A,
            &[127, 0, 0, 2][..],
            Data::A(Ipv4Addr::new(127, 0, 0, 2)),
        ),
        (Kind::Aaaa, &v6.octets(), Data::Aaaa(v6)),
        (Kind::Txt, b"\x03abc\0\x02de", Data::Txt(b"abcde".to_vec())),
        (Kind::Txt, b"", Data::Txt(Vec::new())),
        (Kind::Mx, b"\0\x0a\x02mx\xC0\x0c", exchange(10, "mx.a.test")),
        (Kind::Mx, b"\x01\0\xC0\x0e", exchange(256, "test")),
    ] {
        assert_eq!(parse_data(kind, octets), Ok(vec![data]), "{octets:?}");
    }
    // RFC 7505: no mail exchange at all.
    let null = parse_data(Kind::Mx, b"\0\0\0").unwrap();
    assert!(matches!(&null[..], [Data::Mx { exchange, .. }] if exchange.to_string() == "."));
}

#[test]
fn bounds_the_text_it_keeps() {
    let mut data = Vec::new();
    for _ in 0..8 {
        data.push(255);
        data.extend([b'x'; 255]);
    }
    assert_eq!(
        parse_data(Kind::Txt, &data),
        Ok(vec![Data::Txt(vec![b'x'; TXT_MAX])])
    );
}

#[test]
fn follows_aliases_and_only_those() {
    let query = query("a.test", Kind::A);
    let wire = |text| name(text).wire().to_vec();
    let message = Message::new(FLAGS_OK, [1, 5, 1, 0])
        .question(&query)
        .record(&wire("other.test"), 5, &wire("evil.test"))
        .record(&wire("evil.test"), 1, &[6, 6, 6, 6])
        .record(&wire("C.test"), 1, &[127, 0, 0, 4])
        .record(&wire("B.test"), 5, &wire("c.TEST"))
        .record(&QNAME, 5, &wire("b.test"))
        // Of another section, so no answer.
        .record(&wire("c.test"), 1, &[127, 0, 0, 5]);
    let reply = message.parse(&query).unwrap();
    let found: Vec<&Data> = reply.data_of(&query.name).collect();
    assert_eq!(found, [&Data::A(Ipv4Addr::new(127, 0, 0, 4))]);
}

#[test]
fn aliases_in_a_circle_end() {
    let query = query("a.test", Kind::A);
    let message = Message::new(FLAGS_OK, [1, 2, 0, 0])
        .question(&query)
        .record(&QNAME, 5, name("b.test").wire())
        .record(name("b.test").wire(), 5, &QNAME);
    let reply = message.parse(&query).unwrap();
    let addresses = reply
        .data_of(&query.name)
        .filter(|data| matches!(data, Data::A(_)));
    assert_eq!(addresses.count(), 0);
}

#[test]
fn leaves_out_what_it_does_not_know() {
    let query = query("a.test", Kind::A);
    let (opt, signature) = (41, 46);
    let message = Message::new(FLAGS_OK, [1, 2, 0, 1])
        .question(&query)
        .record(&QNAME, signature, &[1; 20])
        .record(&QNAME, 1, &[127, 0, 0, 2])
        .octets(&[0])
        .field(opt)
        .field(1232)
        .octets(&[0, 0, 0, 0, 0, 0])
        .octets(b"padding after the last record");
    assert_eq!(message.parse(&query).unwrap().records.len(), 1);
}

#[test]
fn a_record_of_another_class_does_not_count() {
    let query = query("a.test", Kind::A);
    let chaos = [&QNAME[..], &[0, 1, 0, 3, 0, 0, 0, 0, 0, 4, 127, 0, 0, 2]].concat();
    let reply = one_answer(&query).octets(&chaos).parse(&query).unwrap();
    assert_eq!(reply.records, []);
}

#[test]
fn says_what_the_server_says() {
    let query = query("a.test", Kind::A);
    for (code, rcode, is_answer) in [
        (0, Rcode::NoError, true),
        (1, Rcode::FormErr, false),
        (2, Rcode::ServFail, false),
        (3, Rcode::NxDomain, true),
        (4, Rcode::NotImp, false),
        (5, Rcode::Refused, false),
        (15, Rcode::Other(15), false),
    ] {
        let message = Message::new(FLAGS_OK | code, [1, 0, 0, 0]).question(&query);
        let reply = message.parse(&query).unwrap();
        assert_eq!((reply.rcode, reply.rcode.is_answer()), (rcode, is_answer));
        // A server that could not answer need not repeat the question.
        let bare = Message::new(FLAGS_OK | code, [0; 4]).parse(&query);
        assert_eq!(bare.is_ok(), !is_answer, "rcode {code}");
    }
}

#[test]
fn a_truncated_reply_is_read_no_further() {
    let query = query("a.test", Kind::A);
    let message = Message::new(FLAGS_OK | 0x0200, [1, 9, 0, 0]).question(&query);
    let reply = message.octets(&QNAME).parse(&query).unwrap();
    assert_eq!((reply.truncated, reply.records.len()), (true, 0));
}

#[test]
fn what_could_be_forged_is_a_stray() {
    let query = query("a.test", Kind::A);
    let good = one_answer(&query).record(&QNAME, 1, &[127, 0, 0, 2]).0;
    let with = |index: usize, octet: u8| {
        let mut message = good.clone();
        message[index] = octet;
        message
    };
    for (message, error) in [
        (Vec::new(), Error::Header),
        (vec![0x12, 0x34], Error::Header),
        (good[..11].to_vec(), Error::Header),
        (with(0, 0x13), Error::WrongId),
        (with(1, 0x35), Error::WrongId),
        (with(2, 0x01), Error::NotAReply),
        (with(2, 0xA0), Error::NotAReply),
        (with(5, 0), Error::WrongQuestion),
        (with(5, 2), Error::WrongQuestion),
        (with(13, b'b'), Error::WrongQuestion),
        (with(12, 0xC0), Error::WrongQuestion),
        (with(21, 28), Error::WrongQuestion),
        (with(23, 3), Error::WrongQuestion),
        (good[..12].to_vec(), Error::WrongQuestion),
        (good[..23].to_vec(), Error::WrongQuestion),
    ] {
        assert_eq!(Reply::parse(&message, &query), Err(error), "{message:02x?}");
        assert!(error.is_stray());
    }
    assert!(Reply::parse(&with(13, b'A'), &query).is_ok());
}

#[test]
fn a_pointer_to_itself() {
    assert_eq!(fault_of([1, 0, 0], &[0xC0, 24]), Error::Pointer);
}

#[test]
fn two_pointers_to_each_other() {
    // The owner, at 24, leads to the alias, at 36, and that leads to the owner.
    let rest = b"\xC0\x24\0\x05\0\x01\0\0\0\0\0\x02\xC0\x18";
    assert_eq!(fault_of([1, 0, 0], rest), Error::Pointer);
    // The same where the first of them comes after a label.
    let rest = b"\x01a\xC0\x26\0\x05\0\x01\0\0\0\0\0\x02\xC0\x18";
    assert_eq!(fault_of([1, 0, 0], rest), Error::Pointer);
}

#[test]
fn a_pointer_to_the_labels_before_it() {
    assert_eq!(fault_of([1, 0, 0], b"\x01a\xC0\x18"), Error::Pointer);
}

#[test]
fn a_forward_pointer() {
    assert_eq!(fault_of([1, 0, 0], b"\xC0\x1a\0"), Error::Pointer);
    assert_eq!(fault_of([1, 0, 0], b"\xFF\xFF"), Error::Pointer);
}

#[test]
fn a_pointer_into_the_header() {
    assert_eq!(fault_of([1, 0, 0], &[0xC0, 0]), Error::Pointer);
    assert_eq!(fault_of([1, 0, 0], &[0xC0, 11]), Error::Pointer);
}

#[test]
fn half_a_pointer() {
    assert_eq!(fault_of([1, 0, 0], &[0xC0]), Error::Short);
}

#[test]
fn a_chain_of_pointers_is_followed_only_so_far() {
    let chain_of = |pointers: usize| {
        let query = query("a.test", Kind::A);
        let opaque = 99;
        let mut chain = QNAME.to_vec();
        let start = query.message().len() + 12;
        for index in 1..pointers {
            let target = start + (index - 1) * 2;
            chain.extend(u16::try_from(0xC000 + target).unwrap().to_be_bytes());
        }
        let last = u16::try_from(0xC000 + start + (pointers - 1) * 2).unwrap();
        let message = Message::new(FLAGS_OK, [1, 2, 0, 0])
            .question(&query)
            .record(&QNAME, opaque, &chain);
        message
            .record(&last.to_be_bytes(), 1, &[127, 0, 0, 2])
            .parse(&query)
    };
    assert_eq!(chain_of(POINTERS_MAX - 1).unwrap().records.len(), 1);
    assert_eq!(chain_of(POINTERS_MAX), Err(Error::Pointer));
}

#[test]
fn a_label_of_more_than_63_octets() {
    let rest = [&[64][..], &[b'x'; 64], &[0]].concat();
    assert_eq!(fault_of([1, 0, 0], &rest), Error::Label);
    assert_eq!(fault_of([1, 0, 0], &[0x80, 0]), Error::Label);
}

#[test]
fn a_label_past_the_end() {
    assert_eq!(fault_of([1, 0, 0], b"\x05abc"), Error::Short);
}

#[test]
fn a_name_of_more_than_255_octets() {
    let label = [&[63][..], &[b'x'; 63]].concat();
    let rest = [label.repeat(4), vec![0]].concat();
    assert_eq!(fault_of([1, 0, 0], &rest), Error::NameTooLong);
    // By way of a pointer: 249 octets, and the 8 of the question.
    let last = [&[56][..], &[b'x'; 56]].concat();
    let rest = [label.repeat(3), last, QNAME.to_vec()].concat();
    assert_eq!(fault_of([1, 0, 0], &rest), Error::NameTooLong);
}

#[test]
fn a_record_longer_than_the_message() {
    let query = query("a.test", Kind::A);
    for (kind, length) in [(1, 4), (1, 65535), (28, 16), (16, 9), (99, 65535), (5, 2)] {
        let message = one_answer(&query).record_head(&QNAME, kind, length);
        let fault = message.parse(&query).unwrap_err();
        assert_eq!(fault, Error::Short, "type {kind} length {length}");
    }
    let message = one_answer(&query).record_head(&QNAME, 1, 65535);
    let fault = message.octets(&[127, 0, 0, 2]).parse(&query);
    assert_eq!(fault, Err(Error::RecordLength));
}

#[test]
fn an_address_of_another_length() {
    for length in [0, 1, 3, 5, 16] {
        let fault = parse_data(Kind::A, &vec![1; length]).unwrap_err();
        assert!(
            matches!(fault, Error::RecordLength | Error::Short),
            "{length}"
        );
        let fault = parse_data(Kind::Aaaa, &vec![1; length + 1]).unwrap_err();
        assert!(
            matches!(fault, Error::RecordLength | Error::Short),
            "{length}"
        );
    }
}

#[test]
fn a_mail_exchange_of_less_than_three_octets() {
    for length in 0..3 {
        assert!(parse_data(Kind::Mx, &vec![0; length]).is_err(), "{length}");
    }
    assert_eq!(
        parse_data(Kind::Mx, b"\0\x01\0\0"),
        Err(Error::RecordLength)
    );
}

#[test]
fn an_alias_that_does_not_fill_its_record_or_overflows_it() {
    assert_eq!(
        parse_data(Kind::Cname, b"\x01a\0\0"),
        Err(Error::RecordLength)
    );
    let query = query("a.test", Kind::A);
    let message = one_answer(&query).record_head(&QNAME, 5, 2);
    let fault = message.octets(b"\x01a\0").parse(&query);
    assert_eq!(fault, Err(Error::RecordLength));
}

#[test]
fn a_string_past_the_end_of_its_text() {
    assert_eq!(parse_data(Kind::Txt, b"\x04abc"), Err(Error::RecordLength));
    assert_eq!(
        parse_data(Kind::Txt, b"\x01a\xFF"),
        Err(Error::RecordLength)
    );
}

#[test]
fn counts_that_promise_too_much() {
    for section in 0..3 {
        let mut counts = [0; 3];
        counts[section] = 1;
        assert_eq!(fault_of(counts, b""), Error::Short);
        counts[section] = u16::try_from(RECORDS_MAX).unwrap();
        assert_eq!(fault_of(counts, b""), Error::Short);
        counts[section] += 1;
        assert_eq!(fault_of(counts, b""), Error::TooManyRecords);
        counts[section] = u16::MAX;
        assert_eq!(fault_of(counts, b""), Error::TooManyRecords);
    }
    assert_eq!(fault_of([u16::MAX; 3], b""), Error::TooManyRecords);
}

#[test]
fn every_cut_of_a_good_reply_is_an_error() {
    let query = query("a.test", Kind::Mx);
    let message = Message::new(FLAGS_OK, [1, 2, 1, 0])
        .question(&query)
        .record(&QNAME, 15, b"\0\x0a\x02mx\xC0\x0c")
        .record(&QNAME, 16, b"\x03abc\0\x02de")
        .record(&QNAME, 5, b"\x01b\xC0\x0e");
    for end in 0..message.0.len() {
        assert!(
            Reply::parse(&message.0[..end], &query).is_err(),
            "cut at {end}"
        );
    }
    assert!(message.parse(&query).is_ok());
}

/// Seeded, so that a failure comes again (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(limit).unwrap()).unwrap()
    }
}

#[test]
#[cfg_attr(miri, ignore = "takes minutes")]
fn mutations_do_not_make_it_panic() {
    let query = query("a.test", Kind::A);
    let good = Message::new(FLAGS_OK, [1, 4, 1, 0])
        .question(&query)
        .record(&QNAME, 5, b"\x01b\xC0\x0e")
        .record(&QNAME, 1, &[127, 0, 0, 2])
        .record(b"\x03foo\xC0\x24", 15, b"\0\x0a\x02mx\xC0\x0c")
        .record(&QNAME, 16, b"\x03abc\0\x02de")
        .record(&QNAME, 28, &[0; 16]);
    let interesting = [0, 1, 12, 63, 64, 0x7F, 0x80, 0xC0, 0xFF];
    let mut random = Random(0x5EED_0D45);
    let mut read = 0;
    for _ in 0..10_000 {
        let mut message = good.0.clone();
        for _ in 0..=random.below(4) {
            let at = random.below(message.len());
            message[at] = match random.below(3) {
                0 => interesting[random.below(interesting.len())],
                1 => message[at] ^ (1 << random.below(8)),
                _ => u8::try_from(random.below(256)).unwrap(),
            };
        }
        message.truncate(1 + random.below(message.len() * 2));
        if let Ok(reply) = Reply::parse(&message, &query) {
            read += 1;
            reply.data_of(&query.name).for_each(drop);
            let _shown = format!("{reply:?}");
        }
    }
    assert!(
        read > 100,
        "mutations should leave some readable, not {read}"
    );
}

#[test]
fn a_stream_may_be_cut_anywhere() {
    let message = b"any thirty octets of a message".to_vec();
    let stream = [&[0, 30][..], &message, b"more"].concat();
    for first in 0..=32 {
        for second in first..=32 {
            let mut reader = TcpReader::new();
            let (head, tail) = stream.split_at(first);
            let (middle, tail) = tail.split_at(second - first);
            let pieces = [head, middle, tail].map(|piece| reader.receive(piece).unwrap());
            let seen = pieces.iter().flatten().next();
            assert_eq!(seen, Some(&message), "cut at {first} and {second}");
        }
    }
}

#[test]
fn a_stream_octet_by_octet() {
    let message = query("a.test", Kind::A).framed_message();
    let mut reader = TcpReader::default();
    let (last, others) = message.split_last().unwrap();
    for octet in others {
        assert_eq!(reader.receive(&[*octet]), Ok(None));
    }
    assert_eq!(reader.receive(&[*last]), Ok(Some(message[2..].to_vec())));
}

#[test]
fn a_stream_has_a_limit() {
    let head = |length: usize| u16::try_from(length).unwrap().to_be_bytes();
    let full = [&head(TCP_MESSAGE_MAX)[..], &[7; TCP_MESSAGE_MAX]].concat();
    let message = TcpReader::new().receive(&full).unwrap().unwrap();
    assert_eq!(message.len(), TCP_MESSAGE_MAX);
    let mut reader = TcpReader::new();
    assert_eq!(reader.receive(&[0x40]), Ok(None));
    assert_eq!(reader.receive(&[0x01]), Err(Error::MessageTooLong));
    let flood = [&[0xFF, 0xFF][..], &[7; 0xFFFF]].concat();
    assert_eq!(TcpReader::new().receive(&flood), Err(Error::MessageTooLong));
    assert_eq!(TcpReader::new().receive(&[0, 0]), Ok(Some(Vec::new())));
}
