//! Names and messages of the DNS; names of files in the spool.

use emailrelay::proto::dns::{
    Data, Kind, NAME_MAX, Name, Query, RECORDS_MAX, Reply, TCP_MESSAGE_MAX, TXT_MAX, TcpReader,
    UDP_MESSAGE_MAX,
};
use emailrelay::proto::mx::{self, ADDRESSES_MAX, EXCHANGES_MAX, Exchanges};
use emailrelay::store::{MAILBOX_MAX, MailboxName, StoredId};

use super::pieces::{Dice, check_shown, same_however_cut, selector};

const KINDS: [Kind; 5] = [Kind::A, Kind::Aaaa, Kind::Cname, Kind::Mx, Kind::Txt];

/// The first octet chooses the kind of question and whether the rest is a message
/// (with our id put in), what follows the question, or a name.
pub(crate) fn dns(data: &[u8]) {
    let (choice, rest) = selector(data);
    let name = Name::parse("example.org").expect("it is a name");
    let query = Query {
        id: 0x1234,
        name,
        kind: KINDS[usize::from(choice & 0x3F) % KINDS.len()],
    };
    assert!(query.message().len() <= UDP_MESSAGE_MAX);
    match choice >> 6 {
        0 => {
            let mut message = rest.to_vec();
            if let Some(id) = message.get_mut(..2) {
                id.copy_from_slice(&query.id.to_be_bytes());
            }
            reply(&message, &query);
        }
        // As many answers as the first octet of the rest says.
        1 => {
            let (count, rest) = selector(rest);
            let mut message = query.message();
            message[2..8].copy_from_slice(&[0x81, 0x80, 0, 1, 0, count]);
            message.extend_from_slice(rest);
            reply(&message, &query);
        }
        2 => {
            let message = same_however_cut(rest, framed);
            assert!(message.is_none_or(|message| message.len() <= TCP_MESSAGE_MAX));
        }
        _ => domain_name(&String::from_utf8_lossy(rest)),
    }
}

fn reply(message: &[u8], query: &Query) {
    let reply = match Reply::parse(message, query) {
        Ok(reply) => reply,
        Err(why) => return check_shown(&why.to_string(), 200),
    };
    assert!(reply.records.len() <= RECORDS_MAX);
    assert!(!reply.truncated || reply.records.is_empty());
    for record in &reply.records {
        check(&record.owner);
        match &record.data {
            Data::Cname(name) => check(name),
            Data::Mx { exchange, .. } => check(exchange),
            Data::Txt(text) => assert!(text.len() <= TXT_MAX),
            Data::A(_) | Data::Aaaa(_) => {}
        }
    }
    let own = &query.name;
    assert!(reply.data_of(own).count() <= reply.records.len());
    let mut dice = Dice::of(message);
    let seed = dice.below(4) as u64;
    if let Some(Exchanges::Hosts(hosts)) = mx::exchanges(&reply, own, None, seed) {
        assert!((1..=EXCHANGES_MAX).contains(&hosts.len()));
        assert!(hosts.iter().all(|host| host.wire() != [0]));
    }
    let addresses = mx::addresses(&reply, own).unwrap_or_default();
    assert!(addresses.len() <= ADDRESSES_MAX);
}

fn check(name: &Name) {
    assert!((1..=NAME_MAX).contains(&name.wire().len()));
    assert_eq!(name.wire().last(), Some(&0));
    // An octet is shown as four characters at most.
    check_shown(&name.to_string(), 4 * NAME_MAX);
    assert!(name.to_string().is_ascii());
}

fn framed(pieces: &[&[u8]]) -> Option<Vec<u8>> {
    let mut reader = TcpReader::new();
    for piece in pieces {
        match reader.receive(piece) {
            Ok(None) => {}
            Ok(message) => return message,
            Err(_) => return None,
        }
    }
    None
}

fn domain_name(text: &str) {
    match Name::parse(text) {
        Ok(name) => {
            check(&name);
            let shown = name.to_string();
            assert_eq!(shown, text.strip_suffix('.').unwrap_or(text));
            assert_eq!(Name::parse(&shown), Ok(name));
        }
        Err(why) => check_shown(&why.to_string(), 200),
    }
}

/// The name of a file in the spool, or that of a mailbox.
pub(crate) fn spool_names(data: &[u8]) {
    if let Some((id, suffix)) = StoredId::parse_name(data) {
        assert_eq!(id.file_name(suffix), data);
        assert_eq!(StoredId::parse(&id.stem()), Some(id.clone()));
        assert!(!data.contains(&b'/') && !data.contains(&0));
        check_shown(&id.to_string(), 8 * data.len());
    }
    if let Some(name) = MailboxName::new(data) {
        assert!((1..=MAILBOX_MAX).contains(&data.len()));
        assert_eq!(name.to_string().as_bytes(), data);
        assert!(!data.starts_with(b".") && !data.contains(&b'/') && !data.contains(&b'\\'));
        assert!(StoredId::parse_name(data).is_none());
    }
}
