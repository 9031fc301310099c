//! The tests of the room: the registry here, and those that every library has to
//! pass in [`matrix`].

use super::*;

#[cfg(any(feature = "rustls", feature = "openssl", feature = "mbedtls"))]
pub(in crate::tls) mod matrix;

#[test]
fn a_library_that_is_not_built_in_is_told_by_its_feature() {
    for backend in [Backend::Rustls, Backend::OpenSsl, Backend::MbedTls] {
        let found = provider(Some(backend)).map(Provider::backend);
        if providers().iter().any(|p| p.backend() == backend) {
            assert_eq!(found.unwrap(), backend);
        } else {
            let expected = format!(
                "this program was built without {backend}: build it with the feature {backend}"
            );
            assert_eq!(found.unwrap_err().to_string(), expected);
        }
    }
}

#[test]
fn the_first_library_is_preferred() {
    match (provider(None), providers().first()) {
        (Ok(found), Some(first)) => assert_eq!(found.backend(), first.backend()),
        (Err(error), None) => assert_eq!(
            error.to_string(),
            "this program was built without tls: build it with one of the features \
             rustls, openssl, mbedtls"
        ),
        _ => panic!("the preferred library is not the first"),
    }
}

#[test]
fn libraries_describe_themselves() {
    for provider in providers() {
        let description = provider.description().to_lowercase();
        assert!(description.contains(provider.backend().feature()));
        assert!(provider.versions().start() <= provider.versions().end());
    }
}
