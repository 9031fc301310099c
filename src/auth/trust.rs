//! Addresses whose peers need not log in.
//!
//! A range is one of these:
//!
//! - an address of IPv4 or IPv6
//! - a network, `ADDRESS/LENGTH`, with 0 to 32 or 0 to 128 bits of prefix. All
//!   bits of the address after the prefix must be zero: `10.0.0.1/8` might mean
//!   one host or sixteen million, so it is refused
//! - `A.B.C.*`, `A.B.*.*`, `A.*.*.*`, `*.*.*.*`; the stars at the end may be
//!   written as one where a number comes before it (`A.B.*`)
//! - `/`, which stands for peers on sockets of the unix domain
//!
//! IPv6 addresses are compared as numbers, so any way to write one will do. Peers
//! with IPv4 addresses mapped into IPv6 (`::ffff:192.0.2.1`) count as IPv4; such a
//! range is the IPv4 range if its prefix has 96 bits or more. `::/0` therefore
//! means all of IPv6 and nothing of IPv4. Of several ranges that match, the one
//! with the longest prefix counts.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::base::OneLine;

/// A set of addresses with the same first bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    family: Family,
    /// The address, in the lowest bits.
    bits: u128,
    prefix: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    Local,
    V4,
    V6,
}

/// Why a text is no range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RangeError {
    /// Not in any of the forms.
    NoRange,
    /// The prefix length is no number, or too long for the address.
    BadPrefix,
    /// There are bits after the prefix; the range without them.
    BitsAfterPrefix(Range),
}

/// A range with what it stands for.
#[derive(Clone, Debug)]
pub struct Trusted {
    /// The addresses.
    pub range: Range,
    /// The range as it was written.
    pub text: OneLine,
    /// What the peer is called instead of a user name.
    pub keyword: OneLine,
    /// The line of the secrets file.
    pub line: usize,
}

/// All trusted ranges, the ones with the longest prefixes first.
#[derive(Clone, Debug, Default)]
pub(super) struct Ranges(Vec<Trusted>);

impl Range {
    /// Reads a range.
    pub fn parse(text: &str) -> Result<Range, RangeError> {
        if text == "/" {
            return Ok(Range {
                family: Family::Local,
                bits: 0,
                prefix: 0,
            });
        }
        if text.contains('*') {
            return wildcard(text).ok_or(RangeError::NoRange);
        }
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| RangeError::NoRange)?;
        let width = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            None => width,
            Some(digits) => prefix_length(digits, width).ok_or(RangeError::BadPrefix)?,
        };
        Range::checked(address, prefix)
    }

    fn checked(address: IpAddr, prefix: u32) -> Result<Range, RangeError> {
        let range = match address {
            IpAddr::V4(v4) => Range {
                family: Family::V4,
                bits: v4.to_bits().into(),
                prefix,
            },
            IpAddr::V6(v6) => match (v6.to_ipv4_mapped(), prefix.checked_sub(96)) {
                (Some(v4), Some(prefix)) => Range {
                    family: Family::V4,
                    bits: v4.to_bits().into(),
                    prefix,
                },
                _ => Range {
                    family: Family::V6,
                    bits: v6.to_bits(),
                    prefix,
                },
            },
        };
        let network = Range {
            bits: range.bits & range.mask(),
            ..range
        };
        if network == range {
            Ok(range)
        } else {
            Err(RangeError::BitsAfterPrefix(network))
        }
    }

    /// Whether a peer is among them: its address, or nothing for a peer on a
    /// socket of the unix domain.
    pub fn contains(&self, peer: Option<IpAddr>) -> bool {
        let (family, bits) = match peer.map(|address| address.to_canonical()) {
            None => (Family::Local, 0),
            Some(IpAddr::V4(address)) => (Family::V4, address.to_bits().into()),
            Some(IpAddr::V6(address)) => (Family::V6, address.to_bits()),
        };
        family == self.family && bits & self.mask() == self.bits
    }

    fn width(&self) -> u32 {
        match self.family {
            Family::Local => 0,
            Family::V4 => 32,
            Family::V6 => 128,
        }
    }

    /// Ones where addresses of the range agree.
    fn mask(&self) -> u128 {
        let after = self.width() - self.prefix;
        u128::MAX.checked_shl(after).unwrap_or(0)
    }
}

fn prefix_length(digits: &str, width: u32) -> Option<u32> {
    let length: u32 = digits.parse().ok()?;
    // No sign, no zeros in front: one way to write it.
    (length <= width && length.to_string() == digits).then_some(length)
}

fn wildcard(text: &str) -> Option<Range> {
    let mut numbers = [0; 4];
    let (mut fields, mut stars) = (0, 0);
    for field in text.split('.') {
        let number = numbers.get_mut(fields)?;
        match field {
            "*" => stars += 1,
            _ if stars > 0 => return None,
            digits => {
                *number = digits
                    .parse()
                    .ok()
                    .filter(|number: &u8| number.to_string() == digits)?;
            }
        }
        fields += 1;
    }
    let known = fields - stars;
    let is_whole = fields == 4 || (stars == 1 && known > 0);
    let bits = u128::from(Ipv4Addr::from(numbers).to_bits());
    let prefix = u32::try_from(8 * known).ok()?;
    is_whole.then_some(Range {
        family: Family::V4,
        bits,
        prefix,
    })
}

/// Shows the range as address and prefix length.
impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = match self.family {
            Family::Local => return f.write_str("/"),
            Family::V4 => u32::try_from(self.bits)
                .map(Ipv4Addr::from_bits)
                .map(IpAddr::V4),
            Family::V6 => Ok(IpAddr::V6(Ipv6Addr::from_bits(self.bits))),
        };
        let address = address.expect("invariant: an IPv4 address has 32 bits");
        write!(f, "{address}/{}", self.prefix)
    }
}

impl fmt::Display for RangeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RangeError::NoRange => f.write_str("not an address, network or wildcard"),
            RangeError::BadPrefix => f.write_str("invalid prefix length"),
            RangeError::BitsAfterPrefix(network) => {
                write!(f, "bits are set after the prefix: the network is {network}")
            }
        }
    }
}

impl Trusted {
    /// What the log says of it: `trusting [192.0.2.1]: matched [192.0.2.*] from line 1`.
    pub fn log_text(&self, peer: Option<IpAddr>) -> String {
        let peer = peer.map_or("/".to_owned(), |address| address.to_canonical().to_string());
        format!(
            "trusting [{peer}]: matched [{}] from line {}",
            self.text, self.line
        )
    }
}

impl Ranges {
    /// Adds a range, or gives it back where the same one is there already.
    pub(super) fn add(&mut self, trusted: Trusted) -> Result<(), Trusted> {
        if self.0.iter().any(|other| other.range == trusted.range) {
            return Err(trusted);
        }
        let longer = |other: &Trusted| other.range.prefix >= trusted.range.prefix;
        let place = self.0.partition_point(longer);
        self.0.insert(place, trusted);
        Ok(())
    }

    /// The range that a peer is in.
    pub(super) fn find(&self, peer: Option<IpAddr>) -> Option<&Trusted> {
        self.0.iter().find(|trusted| trusted.range.contains(peer))
    }
}

#[cfg(test)]
mod tests;
