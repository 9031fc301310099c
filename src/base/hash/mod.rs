//! Hash functions of the challenge-response mechanisms, and HMAC.
//!
//! MD5 and SHA-1 are broken as hash functions; in HMAC, which is all that they
//! are used for here, no attack on them is known. Mail programs and stored
//! passwords still call for them.
//!
//! All four work alike: a chaining state of words is changed by one block of
//! sixteen words at a time ([`Compression`]); [`Hasher`] cuts the message into
//! blocks and adds the padding. A state can be taken out after a whole block and
//! put back later, which is how passwords are stored (see [`hmac`]).

pub mod hmac;
pub mod md5;
pub mod sha1;
pub mod sha2;

use crate::base::secret;

/// A hash function chosen at run time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Algorithm {
    /// RFC 1321.
    Md5,
    /// RFC 3174.
    Sha1,
    /// RFC 6234.
    Sha256,
    /// RFC 6234.
    Sha512,
}

impl Algorithm {
    /// All of them, the weakest first.
    pub const ALL: [Algorithm; 4] = [
        Algorithm::Md5,
        Algorithm::Sha1,
        Algorithm::Sha256,
        Algorithm::Sha512,
    ];

    /// The name in lower case and without a dash, as the secrets file has it.
    pub fn name(self) -> &'static str {
        match self {
            Algorithm::Md5 => "md5",
            Algorithm::Sha1 => "sha1",
            Algorithm::Sha256 => "sha256",
            Algorithm::Sha512 => "sha512",
        }
    }

    /// Finds it by its name, of either case.
    pub fn parse(name: &[u8]) -> Option<Algorithm> {
        let has_name =
            |algorithm: &Algorithm| name.eq_ignore_ascii_case(algorithm.name().as_bytes());
        Algorithm::ALL.into_iter().find(has_name)
    }

    /// Hashes the message.
    pub fn digest(self, message: &[u8]) -> Vec<u8> {
        match self {
            Algorithm::Md5 => digest::<md5::Md5>(message),
            Algorithm::Sha1 => digest::<sha1::Sha1>(message),
            Algorithm::Sha256 => digest::<sha2::Sha256>(message),
            Algorithm::Sha512 => digest::<sha2::Sha512>(message),
        }
    }
}

/// The unit that a hash function computes with.
pub trait Word: Copy + Default {
    /// Octets of a word.
    const OCTETS: usize;
    /// Reads a word, its lowest octet first; a missing octet counts as 0.
    fn from_le(octets: &[u8]) -> Self;
    /// Appends the word, its lowest octet first.
    fn push_le(self, octets: &mut Vec<u8>);
    /// The word with its octets turned around.
    fn swapped(self) -> Self;
}

/// The inner part of a hash function, together with its chaining state.
pub trait Compression: Clone {
    /// The unit it computes with; a block has sixteen of them.
    type Word: Word;
    /// Whether words are read and written with their highest octet first.
    const BIG_ENDIAN: bool;
    /// The state before the first block.
    fn start() -> Self;
    /// The state.
    fn words(&self) -> &[Self::Word];
    /// The state, to be changed.
    fn words_mut(&mut self) -> &mut [Self::Word];
    /// Works one block into the state.
    fn compress(&mut self, block: &[Self::Word; 16]);
}

/// A hash function at work. Its state and input are wiped in the end.
pub struct Hasher<C: Compression> {
    chain: C,
    octets: u128,
    /// The start of a block that is not complete yet.
    pending: Vec<u8>,
}

/// Hashes a message in one go.
pub fn digest<C: Compression>(message: &[u8]) -> Vec<u8> {
    let mut hasher = Hasher::<C>::new();
    hasher.update(message);
    hasher.finish()
}

impl<C: Compression> Hasher<C> {
    /// Octets of a block.
    pub const BLOCK: usize = 16 * C::Word::OCTETS;

    /// Octets of the message's length, at the end of the padding.
    const LENGTH: usize = 2 * C::Word::OCTETS;

    /// Starts with an empty message.
    pub fn new() -> Hasher<C> {
        Hasher::with_chain(C::start(), 0)
    }

    fn with_chain(chain: C, octets: u128) -> Hasher<C> {
        Hasher {
            chain,
            octets,
            pending: Vec::with_capacity(Self::BLOCK),
        }
    }

    /// Appends to the message.
    pub fn update(&mut self, bytes: &[u8]) {
        self.octets = self.octets.wrapping_add(bytes.len() as u128);
        self.absorb(bytes);
    }

    /// Ends the message and gives its digest.
    pub fn finish(mut self) -> Vec<u8> {
        let bits = self.octets.wrapping_mul(8);
        let zeros = (2 * Self::BLOCK - Self::LENGTH - 1 - self.pending.len()) % Self::BLOCK;
        self.absorb(&[0x80]);
        self.absorb(&vec![0; zeros]);
        if C::BIG_ENDIAN {
            let length = bits.to_be_bytes();
            self.absorb(&length[length.len() - Self::LENGTH..]);
        } else {
            self.absorb(&bits.to_le_bytes()[..Self::LENGTH]);
        }
        let mut digest = Vec::with_capacity(Self::LENGTH * 4);
        for word in self.chain.words() {
            let word = if C::BIG_ENDIAN { word.swapped() } else { *word };
            word.push_le(&mut digest);
        }
        digest
    }

    /// The chaining state, each word with its lowest octet first whatever the
    /// function's own order. Nothing where the message so far is not a whole
    /// number of blocks.
    pub fn export(&self) -> Option<Vec<u8>> {
        if !self.pending.is_empty() {
            return None;
        }
        let words = self.chain.words();
        let mut octets = Vec::with_capacity(words.len() * C::Word::OCTETS);
        words.iter().for_each(|word| word.push_le(&mut octets));
        Some(octets)
    }

    /// Goes on from a state that was exported after that many blocks. Nothing
    /// where the state has the wrong length.
    pub fn import(state: &[u8], blocks: u64) -> Option<Hasher<C>> {
        let mut chain = C::start();
        let words = chain.words_mut();
        if state.len() != words.len() * C::Word::OCTETS {
            return None;
        }
        for (word, octets) in words.iter_mut().zip(state.chunks(C::Word::OCTETS)) {
            *word = C::Word::from_le(octets);
        }
        Some(Hasher::with_chain(
            chain,
            u128::from(blocks) * Self::BLOCK as u128,
        ))
    }

    fn absorb(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(Self::BLOCK - self.pending.len()));
            self.pending.extend_from_slice(now);
            bytes = later;
            if self.pending.len() == Self::BLOCK {
                self.compress_pending();
            }
        }
    }

    fn compress_pending(&mut self) {
        let mut block = [C::Word::default(); 16];
        for (word, octets) in block.iter_mut().zip(self.pending.chunks(C::Word::OCTETS)) {
            let read = C::Word::from_le(octets);
            *word = if C::BIG_ENDIAN { read.swapped() } else { read };
        }
        self.chain.compress(&block);
        secret::wipe(&mut block);
        secret::wipe(&mut self.pending);
        self.pending.clear();
    }
}

impl<C: Compression> Default for Hasher<C> {
    fn default() -> Self {
        Hasher::new()
    }
}

impl<C: Compression> Drop for Hasher<C> {
    fn drop(&mut self) {
        secret::wipe(&mut self.pending);
        secret::wipe(self.chain.words_mut());
    }
}

impl Word for u32 {
    const OCTETS: usize = 4;

    fn from_le(octets: &[u8]) -> u32 {
        octets
            .iter()
            .rev()
            .fold(0, |word, octet| word << 8 | u32::from(*octet))
    }

    fn push_le(self, octets: &mut Vec<u8>) {
        octets.extend_from_slice(&self.to_le_bytes());
    }

    fn swapped(self) -> u32 {
        self.swap_bytes()
    }
}

impl Word for u64 {
    const OCTETS: usize = 8;

    fn from_le(octets: &[u8]) -> u64 {
        octets
            .iter()
            .rev()
            .fold(0, |word, octet| word << 8 | u64::from(*octet))
    }

    fn push_le(self, octets: &mut Vec<u8>) {
        octets.extend_from_slice(&self.to_le_bytes());
    }

    fn swapped(self) -> u64 {
        self.swap_bytes()
    }
}

#[cfg(test)]
mod tests;
