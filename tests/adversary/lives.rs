//! Several clients at once, and how what they say is cut into pieces.

use crate::support::in_memory::Random;

/// What each client says in its life, as one list: whose turn it is, and what comes.
/// Whose turn it is is left to chance.
pub(super) fn interleaved(
    mut lives: Vec<Vec<Vec<u8>>>,
    random: &mut Random,
) -> Vec<(usize, Vec<u8>)> {
    lives.iter_mut().for_each(|life| life.reverse());
    let mut turns = Vec::new();
    while lives.iter().any(|life| !life.is_empty()) {
        let number = random.below(lives.len());
        turns.extend(lives[number].pop().map(|octets| (number, octets)));
    }
    turns
}

/// Cuts octets at random, or not at all.
pub(super) fn in_pieces(octets: &[u8], mut cuts: Random) -> Vec<&[u8]> {
    let mut rest = octets;
    let mut pieces = Vec::new();
    while !rest.is_empty() {
        let (piece, others) = rest.split_at(rest.len().min(1 + cuts.below(2 * rest.len())));
        pieces.push(piece);
        rest = others;
    }
    pieces
}
