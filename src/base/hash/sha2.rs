//! SHA-256 and SHA-512, RFC 6234.
//!
//! They differ in the width of a word, the number of rounds, the constants and
//! the amounts of rotation, hence the one macro for both.

use super::Compression;
use crate::base::secret;

/// The compression function of SHA-256 with its state H0 to H7.
#[derive(Clone)]
pub struct Sha256([u32; 8]);

/// The compression function of SHA-512 with its state H0 to H7.
#[derive(Clone)]
pub struct Sha512([u64; 8]);

/// Implements [`Compression`]: `big` are the rotations of BSIG0 and BSIG1,
/// `small` two rotations and a shift of SSIG0 and SSIG1.
macro_rules! compression {
    ($name:ident, $word:ident, $rounds:literal, $start:ident, $constants:ident,
     big: $big0:expr, $big1:expr, small: $small0:expr, $small1:expr) => {
        impl Compression for $name {
            type Word = $word;
            const BIG_ENDIAN: bool = true;

            fn start() -> $name {
                $name($start)
            }

            fn words(&self) -> &[$word] {
                &self.0
            }

            fn words_mut(&mut self) -> &mut [$word] {
                &mut self.0
            }

            // RFC 6234 6.2 and 6.4, steps 1 to 4.
            fn compress(&mut self, block: &[$word; 16]) {
                // RFC 6234 5.1 and 5.2: BSIG and SSIG.
                let big = |x: $word, [r, s, t]: [u32; 3]| {
                    x.rotate_right(r) ^ x.rotate_right(s) ^ x.rotate_right(t)
                };
                let small = |x: $word, [r, s, shift]: [u32; 3]| {
                    x.rotate_right(r) ^ x.rotate_right(s) ^ (x >> shift)
                };
                let mut schedule: [$word; $rounds] = [0; $rounds];
                schedule[..16].copy_from_slice(block);
                for t in 16..$rounds {
                    schedule[t] = small(schedule[t - 2], $small1)
                        .wrapping_add(schedule[t - 7])
                        .wrapping_add(small(schedule[t - 15], $small0))
                        .wrapping_add(schedule[t - 16]);
                }
                let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = self.0;
                for (word, constant) in schedule.iter().zip($constants) {
                    let first = h
                        .wrapping_add(big(e, $big1))
                        .wrapping_add((e & f) ^ (!e & g))
                        .wrapping_add(constant)
                        .wrapping_add(*word);
                    let second = big(a, $big0).wrapping_add((a & b) ^ (a & c) ^ (b & c));
                    (h, g, f, e) = (g, f, e, d.wrapping_add(first));
                    (d, c, b, a) = (c, b, a, first.wrapping_add(second));
                }
                for (word, change) in self.0.iter_mut().zip([a, b, c, d, e, f, g, h]) {
                    *word = word.wrapping_add(change);
                }
                secret::wipe(&mut schedule);
            }
        }
    };
}

compression!(
    Sha256, u32, 64, START_256, CONSTANTS_256,
    big: [2, 13, 22], [6, 11, 25], small: [7, 18, 3], [17, 19, 10]
);
compression!(
    Sha512, u64, 80, START_512, CONSTANTS_512,
    big: [28, 34, 39], [14, 18, 41], small: [1, 8, 7], [19, 61, 6]
);

/// The first 32 bits of the fractional parts of the square roots of the first
/// eight primes.
#[rustfmt::skip]
const START_256: [u32; 8] = [
    0x6A09_E667, 0xBB67_AE85, 0x3C6E_F372, 0xA54F_F53A,
    0x510E_527F, 0x9B05_688C, 0x1F83_D9AB, 0x5BE0_CD19,
];

/// The first 64 bits of the same.
#[rustfmt::skip]
const START_512: [u64; 8] = [
    0x6A09_E667_F3BC_C908, 0xBB67_AE85_84CA_A73B,
    0x3C6E_F372_FE94_F82B, 0xA54F_F53A_5F1D_36F1,
    0x510E_527F_ADE6_82D1, 0x9B05_688C_2B3E_6C1F,
    0x1F83_D9AB_FB41_BD6B, 0x5BE0_CD19_137E_2179,
];

/// The first 32 bits of the fractional parts of the cube roots of the first 64
/// primes.
#[rustfmt::skip]
const CONSTANTS_256: [u32; 64] = [
    0x428A_2F98, 0x7137_4491, 0xB5C0_FBCF, 0xE9B5_DBA5,
    0x3956_C25B, 0x59F1_11F1, 0x923F_82A4, 0xAB1C_5ED5,
    0xD807_AA98, 0x1283_5B01, 0x2431_85BE, 0x550C_7DC3,
    0x72BE_5D74, 0x80DE_B1FE, 0x9BDC_06A7, 0xC19B_F174,
    0xE49B_69C1, 0xEFBE_4786, 0x0FC1_9DC6, 0x240C_A1CC,
    0x2DE9_2C6F, 0x4A74_84AA, 0x5CB0_A9DC, 0x76F9_88DA,
    0x983E_5152, 0xA831_C66D, 0xB003_27C8, 0xBF59_7FC7,
    0xC6E0_0BF3, 0xD5A7_9147, 0x06CA_6351, 0x1429_2967,
    0x27B7_0A85, 0x2E1B_2138, 0x4D2C_6DFC, 0x5338_0D13,
    0x650A_7354, 0x766A_0ABB, 0x81C2_C92E, 0x9272_2C85,
    0xA2BF_E8A1, 0xA81A_664B, 0xC24B_8B70, 0xC76C_51A3,
    0xD192_E819, 0xD699_0624, 0xF40E_3585, 0x106A_A070,
    0x19A4_C116, 0x1E37_6C08, 0x2748_774C, 0x34B0_BCB5,
    0x391C_0CB3, 0x4ED8_AA4A, 0x5B9C_CA4F, 0x682E_6FF3,
    0x748F_82EE, 0x78A5_636F, 0x84C8_7814, 0x8CC7_0208,
    0x90BE_FFFA, 0xA450_6CEB, 0xBEF9_A3F7, 0xC671_78F2,
];

/// The first 64 bits of the same, of the first 80 primes.
#[rustfmt::skip]
const CONSTANTS_512: [u64; 80] = [
    0x428A_2F98_D728_AE22, 0x7137_4491_23EF_65CD,
    0xB5C0_FBCF_EC4D_3B2F, 0xE9B5_DBA5_8189_DBBC,
    0x3956_C25B_F348_B538, 0x59F1_11F1_B605_D019,
    0x923F_82A4_AF19_4F9B, 0xAB1C_5ED5_DA6D_8118,
    0xD807_AA98_A303_0242, 0x1283_5B01_4570_6FBE,
    0x2431_85BE_4EE4_B28C, 0x550C_7DC3_D5FF_B4E2,
    0x72BE_5D74_F27B_896F, 0x80DE_B1FE_3B16_96B1,
    0x9BDC_06A7_25C7_1235, 0xC19B_F174_CF69_2694,
    0xE49B_69C1_9EF1_4AD2, 0xEFBE_4786_384F_25E3,
    0x0FC1_9DC6_8B8C_D5B5, 0x240C_A1CC_77AC_9C65,
    0x2DE9_2C6F_592B_0275, 0x4A74_84AA_6EA6_E483,
    0x5CB0_A9DC_BD41_FBD4, 0x76F9_88DA_8311_53B5,
    0x983E_5152_EE66_DFAB, 0xA831_C66D_2DB4_3210,
    0xB003_27C8_98FB_213F, 0xBF59_7FC7_BEEF_0EE4,
    0xC6E0_0BF3_3DA8_8FC2, 0xD5A7_9147_930A_A725,
    0x06CA_6351_E003_826F, 0x1429_2967_0A0E_6E70,
    0x27B7_0A85_46D2_2FFC, 0x2E1B_2138_5C26_C926,
    0x4D2C_6DFC_5AC4_2AED, 0x5338_0D13_9D95_B3DF,
    0x650A_7354_8BAF_63DE, 0x766A_0ABB_3C77_B2A8,
    0x81C2_C92E_47ED_AEE6, 0x9272_2C85_1482_353B,
    0xA2BF_E8A1_4CF1_0364, 0xA81A_664B_BC42_3001,
    0xC24B_8B70_D0F8_9791, 0xC76C_51A3_0654_BE30,
    0xD192_E819_D6EF_5218, 0xD699_0624_5565_A910,
    0xF40E_3585_5771_202A, 0x106A_A070_32BB_D1B8,
    0x19A4_C116_B8D2_D0C8, 0x1E37_6C08_5141_AB53,
    0x2748_774C_DF8E_EB99, 0x34B0_BCB5_E19B_48A8,
    0x391C_0CB3_C5C9_5A63, 0x4ED8_AA4A_E341_8ACB,
    0x5B9C_CA4F_7763_E373, 0x682E_6FF3_D6B2_B8A3,
    0x748F_82EE_5DEF_B2FC, 0x78A5_636F_4317_2F60,
    0x84C8_7814_A1F0_AB72, 0x8CC7_0208_1A64_39EC,
    0x90BE_FFFA_2363_1E28, 0xA450_6CEB_DE82_BDE9,
    0xBEF9_A3F7_B2C6_7915, 0xC671_78F2_E372_532B,
    0xCA27_3ECE_EA26_619C, 0xD186_B8C7_21C0_C207,
    0xEADA_7DD6_CDE0_EB1E, 0xF57D_4F7F_EE6E_D178,
    0x06F0_67AA_7217_6FBA, 0x0A63_7DC5_A2C8_98A6,
    0x113F_9804_BEF9_0DAE, 0x1B71_0B35_131C_471B,
    0x28DB_77F5_2304_7D84, 0x32CA_AB7B_40C7_2493,
    0x3C9E_BE0A_15C9_BEBC, 0x431D_67C4_9C10_0D4C,
    0x4CC5_D4BE_CB3E_42B6, 0x597F_299C_FC65_7E2A,
    0x5FCB_6FAB_3AD6_FAEC, 0x6C44_198C_4A47_5817,
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::hash::digest;
    use crate::base::hash::tests::hex;

    // RFC 6234 8.5, tests 1 to 4; the digest of the empty message is well known.
    #[test]
    #[cfg_attr(miri, ignore = "takes minutes")]
    fn sha256_passes_the_tests_of_the_rfc() {
        let million = "a".repeat(1_000_000);
        let octets = "01234567".repeat(80);
        for (message, expected) in [
            (
                "",
                "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            ),
            (
                "abc",
                "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
            ),
            (
                "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
                "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
            ),
            (
                &million,
                "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0",
            ),
            (
                &octets,
                "594847328451bdfa85056225462cc1d867d877fb388df0ce35f25ab5562bfbb5",
            ),
        ] {
            assert_eq!(hex(&digest::<Sha256>(message.as_bytes())), expected);
        }
    }

    // RFC 6234 8.5, tests 1 to 4; the digest of the empty message is well known.
    #[test]
    #[cfg_attr(miri, ignore = "takes minutes")]
    fn sha512_passes_the_tests_of_the_rfc() {
        let million = "a".repeat(1_000_000);
        let octets = "01234567".repeat(80);
        let long = "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmn\
                    hijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu";
        for (message, expected) in [
            (
                "",
                "cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce\
                 47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e",
            ),
            (
                "abc",
                "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a\
                 2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
            ),
            (
                long,
                "8e959b75dae313da8cf4f72814fc143f8f7779c6eb9f7fa17299aeadb6889018\
                 501d289e4900f7e4331b99dec4b5433ac7d329eeb6dd26545e96e55b874be909",
            ),
            (
                &million,
                "e718483d0ce769644e2e42c7bc15b4638e1f98b13b2044285632a803afa973eb\
                 de0ff244877ea60a4cb0432ce577c31beb009c5c2c49aa2e4eadb217ad8cc09b",
            ),
            (
                &octets,
                "89d05ba632c699c31231ded4ffc127d5a894dad412c0e024db872d1abd2ba814\
                 1a0f85072a9be1e2aa04cf33c765cb510813a39cd5a84c4acaa64d3f3fb7bae9",
            ),
        ] {
            assert_eq!(hex(&digest::<Sha512>(message.as_bytes())), expected);
        }
    }
}
