//! Keys and certificates, as far as Mbed TLS takes them.

use std::collections::HashSet;

use super::ffi::{Code, Config};
use crate::base::OneLine;
use crate::tls::config::CertificateFiles;
use crate::tls::file::{Authorities, Identity, Origin};
use crate::tls::{Backend, Error, FileFault};

/// Has a key and its certificates shown to peers, after a look whether they belong
/// together.
pub(super) fn show(
    config: &mut Config,
    identity: &Identity,
    files: &CertificateFiles,
) -> Result<(), Error> {
    let unusable_key = |code: Code| FileFault::UnusableKey(reason(code)).of(&files.key);
    config.set_key(&identity.key).map_err(unusable_key)?;
    for (index, der) in identity.chain.iter().enumerate() {
        let added = config.add_certificate(der);
        added.map_err(|code| {
            FileFault::UnusableCertificate(index + 1, reason(code)).of(&files.chain)
        })?;
    }
    if !config.is_pair() {
        return Err(Error::Mismatch {
            certificate: files.chain.clone(),
            key: files.key.clone(),
        });
    }
    config.show_identity().map_err(unusable_key)
}

/// Has peers judged by those who may vouch for them, and hands out their certificates.
/// Of a store of the system those that the library cannot read are left out.
pub(super) fn trust(
    config: &mut Config,
    authorities: Authorities,
) -> Result<HashSet<Vec<u8>>, Error> {
    let mut listed = HashSet::new();
    for (index, der) in authorities.certificates.into_iter().enumerate() {
        match (config.add_authority(&der), &authorities.origin) {
            (Ok(()), _) => {
                listed.insert(der);
            }
            (Err(code), Origin::File(path)) => {
                return Err(FileFault::UnusableCertificate(index + 1, reason(code)).of(path));
            }
            (Err(_), Origin::Store(_) | Origin::Library) => {}
        }
    }
    match authorities.origin {
        Origin::Store(path) if listed.is_empty() => Err(FileFault::NoCertificate.of(&path)),
        Origin::Library => Err(Error::Library {
            backend: Backend::MbedTls,
            reason: OneLine::escaped(
                "<default>: this system has no list of authorities in any usual place, \
                 and mbedtls has none of its own: name a file",
            ),
        }),
        _ => Ok(listed),
    }
}

fn reason(code: Code) -> OneLine {
    OneLine::escaped(code.text())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::tests::matrix::{files, pki};

    fn complaint<T>(result: Result<T, Error>) -> String {
        let folder = format!("{}", pki("").display());
        let error = result.err().expect("an error").to_string();
        error.replace(&folder, "")
    }

    fn trusted(origin: Origin, certificates: &[&[u8]]) -> Result<usize, Error> {
        let authorities = Authorities {
            origin,
            certificates: certificates.iter().map(|der| der.to_vec()).collect(),
        };
        let mut config = Config::new(false).unwrap();
        trust(&mut config, authorities).map(|listed| listed.len())
    }

    #[test]
    fn an_authority_that_cannot_be_read_counts_where_it_was_meant() {
        let good = &*Identity::load(&files("server")).unwrap().chain[0];
        let path = || pki("list");
        let refused = complaint(trusted(Origin::File(path()), &[good, b"x"]));
        assert!(
            refused.starts_with("cannot use certificate 2 in list: "),
            "{refused}"
        );
        let found = trusted(Origin::Store(path()), &[b"x", good]);
        assert_eq!(found.unwrap(), 1);
        let refused = complaint(trusted(Origin::Store(path()), &[b"x"]));
        assert_eq!(refused, "no certificate in list");
        let refused = complaint(trusted(Origin::Library, &[]));
        assert!(
            refused.starts_with("mbedtls: <default>: this system has no list"),
            "{refused}"
        );
    }

    #[test]
    fn keys_and_certificates_that_cannot_be_read_are_named() {
        let paths = files("server");
        let shown = |change: fn(&mut Identity)| {
            let mut identity = Identity::load(&paths).unwrap();
            change(&mut identity);
            show(&mut Config::new(true).unwrap(), &identity, &paths)
        };
        assert!(shown(|_| {}).is_ok());
        let refused = complaint(shown(|identity| identity.key.truncate(20)));
        assert!(
            refused.starts_with("cannot use the private key in server.key: "),
            "{refused}"
        );
        let refused = complaint(shown(|identity| identity.chain.push(vec![1])));
        assert!(
            refused.starts_with("cannot use certificate 2 in server.pem: "),
            "{refused}"
        );
    }
}
