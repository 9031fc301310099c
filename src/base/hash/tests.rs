use super::md5::Md5;
use super::sha1::Sha1;
use super::sha2::{Sha256, Sha512};
use super::*;

pub(super) fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

/// Messages of the length at which padding needs one more block, and around it.
fn messages() -> impl Iterator<Item = Vec<u8>> {
    let lengths = (0..=3).chain(54..=66).chain(110..=130).chain(238..=258);
    lengths.map(|length| (0..length).map(|index| index as u8).collect())
}

#[test]
#[cfg_attr(miri, ignore = "takes minutes")]
fn any_cut_of_the_message_gives_the_same_digest() {
    fn check<C: Compression>() {
        for message in messages() {
            let whole = digest::<C>(&message);
            for cut in 0..=message.len() {
                let mut hasher = Hasher::<C>::new();
                hasher.update(&message[..cut]);
                hasher.update(&message[cut..]);
                assert_eq!(hasher.finish(), whole, "{} cut at {cut}", message.len());
            }
        }
    }
    check::<Md5>();
    check::<Sha1>();
    check::<Sha256>();
    check::<Sha512>();
}

#[test]
#[cfg_attr(miri, ignore = "takes minutes")]
fn goes_on_from_an_exported_state() {
    fn check<C: Compression>() {
        let block = Hasher::<C>::BLOCK;
        for message in messages() {
            let Some((start, end)) = message.split_at_checked(block) else {
                continue;
            };
            let mut hasher = Hasher::<C>::new();
            hasher.update(start);
            let state = hasher.export().unwrap();
            let mut resumed = Hasher::<C>::import(&state, 1).unwrap();
            resumed.update(end);
            assert_eq!(resumed.finish(), digest::<C>(&message));
        }
    }
    check::<Md5>();
    check::<Sha1>();
    check::<Sha256>();
    check::<Sha512>();
}

#[test]
fn exports_only_between_blocks() {
    let mut hasher = Hasher::<Md5>::new();
    assert_eq!(hasher.export().map(|state| state.len()), Some(16));
    hasher.update(b"x");
    assert_eq!(hasher.export(), None);
    hasher.update(&[0; 63]);
    assert!(hasher.export().is_some());
}

#[test]
fn imports_only_states_of_the_right_length() {
    assert!(Hasher::<Sha1>::import(&[0; 20], 1).is_some());
    for length in [0, 16, 19, 21, 32] {
        assert!(
            Hasher::<Sha1>::import(&vec![0; length], 1).is_none(),
            "{length}"
        );
    }
}

#[test]
fn finds_algorithms_by_name() {
    for algorithm in Algorithm::ALL {
        assert_eq!(
            Algorithm::parse(algorithm.name().as_bytes()),
            Some(algorithm)
        );
        let upper = algorithm.name().to_uppercase();
        assert_eq!(Algorithm::parse(upper.as_bytes()), Some(algorithm));
    }
    for bad in ["", "md4", "sha", "sha-1", "sha384", "md5 "] {
        assert_eq!(Algorithm::parse(bad.as_bytes()), None, "{bad}");
    }
}

#[test]
fn digests_of_the_algorithms_differ() {
    let digest = |algorithm: Algorithm| hex(&algorithm.digest(b"abc"));
    assert!(digest(Algorithm::Md5).starts_with("90015098"));
    assert!(digest(Algorithm::Sha1).starts_with("a9993e36"));
    assert!(digest(Algorithm::Sha256).starts_with("ba7816bf"));
    assert!(digest(Algorithm::Sha512).starts_with("ddaf35a1"));
}
