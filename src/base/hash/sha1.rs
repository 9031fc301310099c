//! SHA-1, RFC 3174.

use super::Compression;
use crate::base::secret;

/// The compression function of SHA-1 with its state H0 to H4.
#[derive(Clone)]
pub struct Sha1([u32; 5]);

impl Compression for Sha1 {
    type Word = u32;
    const BIG_ENDIAN: bool = true;

    // RFC 3174 6.1: the initial state.
    fn start() -> Sha1 {
        Sha1([
            0x6745_2301,
            0xEFCD_AB89,
            0x98BA_DCFE,
            0x1032_5476,
            0xC3D2_E1F0,
        ])
    }

    fn words(&self) -> &[u32] {
        &self.0
    }

    fn words_mut(&mut self) -> &mut [u32] {
        &mut self.0
    }

    // RFC 3174 6.1, steps a to e.
    fn compress(&mut self, block: &[u32; 16]) {
        let mut schedule = [0u32; 80];
        schedule[..16].copy_from_slice(block);
        for t in 16..80 {
            let mixed = schedule[t - 3] ^ schedule[t - 8] ^ schedule[t - 14] ^ schedule[t - 16];
            schedule[t] = mixed.rotate_left(1);
        }
        let [mut a, mut b, mut c, mut d, mut e] = self.0;
        for (t, word) in schedule.iter().enumerate() {
            // RFC 3174 5: the functions f and the constants K.
            let (mixed, constant) = match t / 20 {
                0 => ((b & c) | (!b & d), 0x5A82_7999),
                1 => (b ^ c ^ d, 0x6ED9_EBA1),
                2 => ((b & c) | (b & d) | (c & d), 0x8F1B_BCDC),
                _ => (b ^ c ^ d, 0xCA62_C1D6),
            };
            let sum = a
                .rotate_left(5)
                .wrapping_add(mixed)
                .wrapping_add(e)
                .wrapping_add(*word)
                .wrapping_add(constant);
            (a, b, c, d, e) = (sum, a, b.rotate_left(30), c, d);
        }
        for (word, change) in self.0.iter_mut().zip([a, b, c, d, e]) {
            *word = word.wrapping_add(change);
        }
        secret::wipe(&mut schedule);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::hash::digest;
    use crate::base::hash::tests::hex;

    // RFC 3174 7.3; the digest of the empty message is well known.
    #[test]
    #[cfg_attr(miri, ignore = "takes minutes")]
    fn passes_the_tests_of_the_rfc() {
        let million = "a".repeat(1_000_000);
        let octets = "01234567".repeat(80);
        for (message, expected) in [
            ("", "da39a3ee5e6b4b0d3255bfef95601890afd80709"),
            ("abc", "a9993e364706816aba3e25717850c26c9cd0d89d"),
            (
                "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
                "84983e441c3bd26ebaae4aa1f95129e5e54670f1",
            ),
            (&million, "34aa973cd4c4daa4f61eeb2bdbad27316534016f"),
            (&octets, "dea356a2cddd90c7a7ecedc5ebb563934f460452"),
        ] {
            assert_eq!(hex(&digest::<Sha1>(message.as_bytes())), expected);
        }
    }
}
