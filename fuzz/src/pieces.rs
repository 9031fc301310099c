//! Input in pieces, and what is the same for all texts.

use std::fmt::Debug;

use emailrelay::base::{ByteQueue, OneLine};

/// Longer input is not cut after each octet, which takes long and shows little more.
const OCTETS_AT_A_TIME_MAX: usize = 2048;

/// Numbers that look random and depend on nothing but the input (xorshift).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn of(data: &[u8]) -> Dice {
        // FNV-1a.
        let mix = |hash: u64, octet: &u8| (hash ^ u64::from(*octet)).wrapping_mul(0x100_0000_01B3);
        Dice(data.iter().fold(0xCBF2_9CE4_8422_2325, mix) | 1)
    }

    /// The next number, less than `limit`.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        let number = usize::try_from(self.0 >> 33).expect("31 bits");
        number % limit
    }

    /// One of them.
    pub(crate) fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }
}

/// Cuts the data anywhere into pieces of which each has an octet at least.
pub(crate) fn at_random(data: &[u8]) -> Vec<&[u8]> {
    let mut dice = Dice::of(data);
    let mut pieces = Vec::new();
    let mut rest = data;
    while !rest.is_empty() {
        let most = dice.one_of(&[1, 3, 10, 100, 1000]);
        let (piece, after) = rest.split_at(1 + dice.below(rest.len().min(most)));
        pieces.push(piece);
        rest = after;
    }
    pieces
}

/// Says what `run` makes of the data, having found that it makes the same of it
/// however it is cut.
pub(crate) fn same_however_cut<T: Debug + PartialEq>(
    data: &[u8],
    mut run: impl FnMut(&[&[u8]]) -> T,
) -> T {
    let whole = run(&[data]);
    assert_eq!(whole, run(&at_random(data)), "cut at random");
    if data.len() <= OCTETS_AT_A_TIME_MAX {
        let octets: Vec<&[u8]> = data.chunks(1).collect();
        assert_eq!(whole, run(&octets), "cut after each octet");
    }
    whole
}

/// Passes pieces through a queue of that many octets. `step` takes from it what it
/// can, and says whether it wants more; a full queue must not stay full.
pub(crate) fn through_queue(
    pieces: &[&[u8]],
    limit: usize,
    mut step: impl FnMut(&mut ByteQueue) -> bool,
) {
    let mut queue = ByteQueue::new(limit);
    for piece in pieces {
        let mut rest = *piece;
        while !rest.is_empty() {
            let count = queue.push(rest);
            assert!(count > 0, "a full queue stays full");
            rest = &rest[count..];
            if !step(&mut queue) {
                return;
            }
        }
    }
}

/// Splits off the first octet, for what it selects; zero where there is none.
pub(crate) fn selector(data: &[u8]) -> (u8, &[u8]) {
    match data.split_first() {
        Some((first, rest)) => (*first, rest),
        None => (0, data),
    }
}

/// Checks a text that people get to see: no more than `octets_max`, nothing in it
/// that moves the cursor or breaks the line.
pub(crate) fn check_shown(text: &str, octets_max: usize) {
    assert!(text.len() <= octets_max, "{} octets: {text:?}", text.len());
    assert!(!text.chars().any(char::is_control), "{text:?}");
}

/// Checks text that goes into a format of lines.
pub(crate) fn check_one_line(line: &OneLine, octets_max: usize) {
    let octets = line.as_bytes();
    assert!(octets.len() <= octets_max, "{} octets: {line}", line.len());
    let breaks = |octet: &u8| matches!(octet, b'\r' | b'\n' | 0);
    assert!(!octets.iter().any(breaks), "{line}");
}

/// Checks what is sent to a peer that takes CRLF for the end of a line, and might take
/// CR or LF alone for one.
pub(crate) fn check_wire(octets: &[u8]) {
    let mut after_cr = false;
    for octet in octets {
        let is_lf = *octet == b'\n';
        assert_eq!(after_cr, is_lf, "{}", octets.escape_ascii());
        after_cr = *octet == b'\r';
    }
    assert!(!after_cr, "{}", octets.escape_ascii());
}
