//! Certificates and keys read from files, as DER: what a library is given is the
//! same for all libraries, and so are the complaints.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::certificate::Certificate;
use super::config::{CertificateFiles, VerifySource};
use super::pem::{self, Kind, Section};
use super::{Error, FileFault};
use crate::sys::reopen;

/// The longest file that is read, in octets.
pub const FILE_OCTETS_MAX: u64 = 1024 * 1024;
/// The most names in a directory of authorities.
pub const DIRECTORY_FILES_MAX: usize = 4096;

/// Where systems keep the authorities that they trust, the likeliest first.
const SYSTEM_STORES: [&str; 8] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
    "/usr/local/etc/ssl/cert.pem",
    "/usr/local/share/certs/ca-root-nss.crt",
    "/etc/ssl/certs",
];

/// A private key with the certificates to show for it.
pub struct Identity {
    /// The certificate and those that lead from it to an authority.
    pub chain: Vec<Vec<u8>>,
    /// The private key: PKCS#8, PKCS#1 or SEC1.
    pub key: Vec<u8>,
}

impl Identity {
    /// When the first of the certificates ends to be valid, in seconds since 1970.
    pub fn expires(&self) -> Option<i64> {
        let parsed = self.chain.iter().filter_map(|der| Certificate::parse(der));
        parsed.map(|certificate| certificate.not_after).min()
    }

    /// Reads the files. Whether key and certificate belong together is for the
    /// library to say, which understands keys.
    pub fn load(files: &CertificateFiles) -> Result<Identity, Error> {
        let key = key(&files.key)?;
        let chain = certificates(&files.chain)?;
        if chain.is_empty() {
            return Err(FileFault::NoCertificate.of(&files.chain));
        }
        Ok(Identity { chain, key })
    }
}

fn key(path: &Path) -> Result<Vec<u8>, Error> {
    let is_key = |section: &Section| section.kind != Kind::Certificate;
    match sections(reopen::open, path)?.into_iter().find(is_key) {
        None => Err(FileFault::NoKey.of(path)),
        Some(section) if section.kind == Kind::EncryptedKey => {
            Err(FileFault::EncryptedKey.of(path))
        }
        Some(section) => Ok(section.der),
    }
}

/// The certificates of those who may vouch for peers.
#[derive(Debug)]
pub struct Authorities {
    /// Where they are from.
    pub origin: Origin,
    /// The certificates, those of a file in its order.
    pub certificates: Vec<Vec<u8>>,
}

/// Where authorities are from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A file; each certificate in it was meant to be used.
    File(PathBuf),
    /// A directory or a store of the system, which may hold some that the library
    /// cannot use.
    Store(PathBuf),
    /// `<default>` on a system that has no store: the library's own list.
    Library,
}

impl Authorities {
    /// Reads those that an option names; nothing where peers are not verified.
    pub fn load(source: &VerifySource) -> Result<Option<Authorities>, Error> {
        match source {
            VerifySource::Absent | VerifySource::None => Ok(None),
            VerifySource::Default => Authorities::of_system(&SYSTEM_STORES).map(Some),
            VerifySource::Path(path) => Authorities::of_path(path).map(Some),
        }
    }

    fn of_system(stores: &[&str]) -> Result<Authorities, Error> {
        // On Windows these paths are not absolute and depend on the current
        // drive, where anyone may have put such a file.
        let mut paths = stores.iter().map(Path::new).filter(|p| p.is_absolute());
        let Some(path) = paths.find(|path| path.exists()) else {
            return Ok(Authorities {
                origin: Origin::Library,
                certificates: Vec::new(),
            });
        };
        let Authorities { certificates, .. } = Authorities::of_path(path)?;
        let origin = Origin::Store(path.to_owned());
        Ok(Authorities {
            origin,
            certificates,
        })
    }

    fn of_path(path: &Path) -> Result<Authorities, Error> {
        let (origin, certificates) = match metadata(path)?.is_dir() {
            true => (
                Origin::Store(path.to_owned()),
                certificates_in_directory(path)?,
            ),
            false => (Origin::File(path.to_owned()), certificates(path)?),
        };
        if certificates.is_empty() {
            return Err(FileFault::NoCertificate.of(path));
        }
        Ok(Authorities {
            origin,
            certificates,
        })
    }
}

fn certificates_in_directory(directory: &Path) -> Result<Vec<Vec<u8>>, Error> {
    let cannot_read = |error| FileFault::Read(error).of(directory);
    // Stores have each certificate under several names.
    let mut found = BTreeSet::new();
    let entries = fs::read_dir(directory).map_err(cannot_read)?;
    for (index, entry) in entries.enumerate() {
        if index >= DIRECTORY_FILES_MAX {
            return Err(FileFault::TooMany.of(directory));
        }
        let path = entry.map_err(cannot_read)?.path();
        // A store is full of links, some of which lead nowhere after an update.
        let is_file = fs::metadata(&path).is_ok_and(|metadata| metadata.is_file());
        if is_file {
            // There are too many to be remembered one by one.
            found.extend(certificates_by(reopen::open_unlisted, &path)?);
        }
    }
    Ok(found.into_iter().collect())
}

fn certificates(path: &Path) -> Result<Vec<Vec<u8>>, Error> {
    certificates_by(reopen::open, path)
}

fn certificates_by(
    open: fn(&Path) -> io::Result<File>,
    path: &Path,
) -> Result<Vec<Vec<u8>>, Error> {
    let sections = sections(open, path)?.into_iter();
    let certificates = sections.filter(|section| section.kind == Kind::Certificate);
    Ok(certificates.map(|section| section.der).collect())
}

fn sections(open: fn(&Path) -> io::Result<File>, path: &Path) -> Result<Vec<Section>, Error> {
    let cannot_read = |error| FileFault::Read(error).of(path);
    let file = open(path).map_err(cannot_read)?;
    let mut text = Vec::new();
    let mut bounded = file.take(FILE_OCTETS_MAX + 1);
    bounded.read_to_end(&mut text).map_err(cannot_read)?;
    if bounded.limit() == 0 {
        return Err(FileFault::TooLong.of(path));
    }
    pem::sections(&text).map_err(|what| FileFault::Malformed(what).of(path))
}

fn metadata(path: &Path) -> Result<fs::Metadata, Error> {
    reopen::metadata(path).map_err(|error| FileFault::Read(error).of(path))
}

#[cfg(test)]
mod tests;
