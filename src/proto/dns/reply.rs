use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use super::reader::Reader;
use super::{ALIASES_MAX, CLASS_IN, Error, Kind, Name, Query, RECORDS_MAX, TXT_MAX};

/// RFC 1035 4.1.1: QR and OPCODE, of which a reply to a standard query has only QR.
const REPLY_MASK: u16 = 0xF800;
const REPLY: u16 = 0x8000;
const TRUNCATED: u16 = 0x0200;
const RCODE_MASK: u8 = 0x0F;

/// What the server says about the query as a whole (RFC 1035 4.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rcode {
    /// 0: nothing went wrong; there may still be no record of the type.
    NoError,
    /// 1: the server did not understand the query.
    FormErr,
    /// 2: the server, or one that it asks, has a problem.
    ServFail,
    /// 3: there is no such name.
    NxDomain,
    /// 4: the server does not do this.
    NotImp,
    /// 5: the server does not do this for us.
    Refused,
    /// Any other.
    Other(u8),
}

/// The data of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Data {
    /// An IPv4 address.
    A(Ipv4Addr),
    /// An IPv6 address.
    Aaaa(Ipv6Addr),
    /// The name that the owner is an alias of.
    Cname(Name),
    /// The strings of a text, joined, up to [`TXT_MAX`] octets of anything.
    Txt(Vec<u8>),
    /// A mail exchange.
    Mx {
        /// Which one is to be tried first: the lowest.
        preference: u16,
        /// The host, or the root where there is none (RFC 7505).
        exchange: Name,
    },
}

/// A record of the answer section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The name that the data belong to.
    pub owner: Name,
    /// The data.
    pub data: Data,
}

/// A reply to a query that was ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// What the server says.
    pub rcode: Rcode,
    /// Whether not all of it fitted; then there are no records here, and TCP gives
    /// them.
    pub truncated: bool,
    /// The answers of the types in [`Data`].
    pub records: Vec<Record>,
}

/// Flags and counts of the header (RFC 1035 4.1.1).
struct Header {
    id: u16,
    flags: u16,
    questions: u16,
    answers: u16,
    /// Records of the authority and the additional section.
    others: u32,
}

impl Reply {
    /// Reads a message as the reply to `query`. Octets after the last record are
    /// left unread.
    ///
    /// # Errors
    /// [`Error::is_stray`] where it is not a reply to this query; otherwise the
    /// server that was asked sent something malformed.
    pub fn parse(message: &[u8], query: &Query) -> Result<Reply, Error> {
        let mut reader = Reader::new(message);
        let header = Header::read(&mut reader).map_err(|_| Error::Header)?;
        header.check(query)?;
        let rcode = Rcode::from_flags(header.flags);
        check_question(&mut reader, &header, rcode, query)?;
        let truncated = header.flags & TRUNCATED != 0;
        // RFC 2181 9: with TC set the rest is not to be used, and may end anywhere.
        let records = if truncated {
            Vec::new()
        } else {
            read_records(&mut reader, &header)?
        };
        Ok(Reply {
            rcode,
            truncated,
            records,
        })
    }

    /// The data of `name`, or of the name that it is an alias of; nothing that the
    /// reply says about other names.
    pub fn data_of<'a>(&'a self, name: &'a Name) -> impl Iterator<Item = &'a Data> {
        let mut name = name;
        for _ in 0..ALIASES_MAX {
            match self.alias_target(name) {
                Some(target) => name = target,
                None => break,
            }
        }
        let own = self.records.iter().filter(move |r| r.owner == *name);
        own.map(|record| &record.data)
    }

    fn alias_target(&self, name: &Name) -> Option<&Name> {
        self.records.iter().find_map(|record| match &record.data {
            Data::Cname(target) if record.owner == *name => Some(target),
            _ => None,
        })
    }
}

impl Header {
    fn read(reader: &mut Reader<'_>) -> Result<Header, Error> {
        Ok(Header {
            id: reader.u16()?,
            flags: reader.u16()?,
            questions: reader.u16()?,
            answers: reader.u16()?,
            others: u32::from(reader.u16()?) + u32::from(reader.u16()?),
        })
    }

    fn check(&self, query: &Query) -> Result<(), Error> {
        // RFC 5452 9.1: nothing is believed before these match.
        if self.flags & REPLY_MASK != REPLY {
            return Err(Error::NotAReply);
        }
        if self.id != query.id {
            return Err(Error::WrongId);
        }
        Ok(())
    }
}

fn check_question(
    reader: &mut Reader<'_>,
    header: &Header,
    rcode: Rcode,
    query: &Query,
) -> Result<(), Error> {
    // Servers that could not read the query, or will not, may not repeat it.
    if header.questions == 0 && !rcode.is_answer() {
        return Ok(());
    }
    let read_question = |reader: &mut Reader<'_>| {
        let name = reader.name()?;
        Ok::<_, Error>((name, reader.u16()?, reader.u16()?))
    };
    let (name, kind, class) = read_question(reader).map_err(|_| Error::WrongQuestion)?;
    let is_same = name == query.name && (kind, class) == (query.kind.code(), CLASS_IN);
    if header.questions != 1 || !is_same {
        return Err(Error::WrongQuestion);
    }
    Ok(())
}

/// Reads all sections, so that counts and lengths that lie are found, and keeps
/// the answers.
fn read_records(reader: &mut Reader<'_>, header: &Header) -> Result<Vec<Record>, Error> {
    let count = u32::from(header.answers) + header.others;
    if usize::try_from(count).map_or(true, |count| count > RECORDS_MAX) {
        return Err(Error::TooManyRecords);
    }
    let mut records = Vec::new();
    for index in 0..count {
        let record = read_record(reader)?;
        if index < u32::from(header.answers) {
            records.extend(record);
        }
    }
    Ok(records)
}

fn read_record(reader: &mut Reader<'_>) -> Result<Option<Record>, Error> {
    let owner = reader.name()?;
    let (kind, class) = (reader.u16()?, reader.u16()?);
    let _ttl: [u8; 4] = reader.array()?;
    let length = usize::from(reader.u16()?);
    let start = reader.position();
    let data = if class == CLASS_IN {
        read_data(reader, kind, length)?
    } else {
        reader.take(length)?;
        None
    };
    if reader.position() != start + length {
        return Err(Error::RecordLength);
    }
    Ok(data.map(|data| Record { owner, data }))
}

fn read_data(reader: &mut Reader<'_>, kind: u16, length: usize) -> Result<Option<Data>, Error> {
    let is = |known: Kind| kind == known.code();
    Ok(Some(if is(Kind::A) {
        Data::A(Ipv4Addr::from(reader.array::<4>()?))
    } else if is(Kind::Aaaa) {
        Data::Aaaa(Ipv6Addr::from(reader.array::<16>()?))
    } else if is(Kind::Cname) {
        Data::Cname(reader.name()?)
    } else if is(Kind::Mx) {
        Data::Mx {
            preference: reader.u16()?,
            exchange: reader.name()?,
        }
    } else if is(Kind::Txt) {
        Data::Txt(read_text(reader.take(length)?)?)
    } else {
        reader.take(length)?;
        return Ok(None);
    }))
}

/// Joins the strings of a text (RFC 1035 3.3.14), which have to fill the data.
fn read_text(mut data: &[u8]) -> Result<Vec<u8>, Error> {
    let mut text = Vec::new();
    while let Some((&length, after)) = data.split_first() {
        let split = after.split_at_checked(usize::from(length));
        let (string, rest) = split.ok_or(Error::RecordLength)?;
        let room = TXT_MAX - text.len();
        text.extend(string.iter().take(room));
        data = rest;
    }
    Ok(text)
}

impl Rcode {
    /// Whether the server has an answer, even if it is that there is no such name.
    pub fn is_answer(self) -> bool {
        matches!(self, Rcode::NoError | Rcode::NxDomain)
    }

    fn from_flags(flags: u16) -> Rcode {
        let [_, low] = flags.to_be_bytes();
        match low & RCODE_MASK {
            0 => Rcode::NoError,
            1 => Rcode::FormErr,
            2 => Rcode::ServFail,
            3 => Rcode::NxDomain,
            4 => Rcode::NotImp,
            5 => Rcode::Refused,
            other => Rcode::Other(other),
        }
    }
}

impl fmt::Display for Rcode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Rcode::NoError => f.write_str("no error"),
            Rcode::FormErr => f.write_str("format error"),
            Rcode::ServFail => f.write_str("server failure"),
            Rcode::NxDomain => f.write_str("no such name"),
            Rcode::NotImp => f.write_str("not implemented"),
            Rcode::Refused => f.write_str("refused"),
            Rcode::Other(code) => write!(f, "rcode {code}"),
        }
    }
}
