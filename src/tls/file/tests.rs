use super::*;
use crate::sys::testing::TempDir;

fn certificate(content: u8) -> Vec<u8> {
    pem::certificate(&[content]).into_bytes()
}

fn authorities(path: &Path) -> Result<Authorities, String> {
    let loaded = Authorities::load(&VerifySource::Path(path.to_owned()));
    loaded
        .map(|loaded| loaded.unwrap())
        .map_err(|error| error.to_string())
}

#[test]
fn a_file_is_read_in_its_order() {
    let folder = TempDir::new();
    let list = [certificate(3), certificate(1), certificate(3)].concat();
    let path = folder.write("list", &list);
    let found = authorities(&path).unwrap();
    assert_eq!(found.certificates, [[3], [1], [3]]);
    assert_eq!(found.origin, Origin::File(path));
}

#[test]
fn a_directory_is_read_once_for_each_certificate() {
    let folder = TempDir::new();
    folder.write("a", [certificate(3), certificate(1)].concat());
    folder.write("b.0", certificate(3));
    folder.write("README", b"no certificate");
    fs::create_dir(folder.join("directory")).unwrap();
    let found = authorities(folder.path()).unwrap();
    assert_eq!(found.certificates, [[1], [3]]);
    assert_eq!(found.origin, Origin::Store(folder.path().to_owned()));
    folder.write(
        "broken",
        b"-----BEGIN CERTIFICATE-----\n*\n-----END CERTIFICATE-----\n",
    );
    let complaint = authorities(folder.path()).unwrap_err();
    assert!(
        complaint.ends_with("broken is not a valid pem file: a section is not base64"),
        "{complaint}"
    );
}

#[test]
fn an_empty_list_is_none() {
    let folder = TempDir::new();
    assert!(
        authorities(folder.path())
            .unwrap_err()
            .starts_with("no certificate in ")
    );
    let path = folder.write("empty", b"");
    assert!(
        authorities(&path)
            .unwrap_err()
            .starts_with("no certificate in ")
    );
    assert!(
        authorities(&folder.join("x"))
            .unwrap_err()
            .starts_with("cannot read ")
    );
}

#[test]
fn files_have_a_limit() {
    let folder = TempDir::new();
    let limit = usize::try_from(FILE_OCTETS_MAX).unwrap();
    let mut content = certificate(1);
    content.resize(limit, b'\n');
    assert!(authorities(&folder.write("full", &content)).is_ok());
    content.push(b'\n');
    let complaint = authorities(&folder.write("over", &content)).unwrap_err();
    assert!(complaint.ends_with("over is too long for a file of certificates"));
}

#[test]
fn the_first_store_of_the_system_counts() {
    let folder = TempDir::new();
    let store = folder.write("store", certificate(7));
    let other = folder.write("other", certificate(8));
    let missing = folder.join("missing");
    let paths = [&missing, &store, &other].map(|path| path.to_str().unwrap());
    let found = Authorities::of_system(&paths).unwrap();
    assert_eq!(found.certificates, [[7]]);
    assert_eq!(found.origin, Origin::Store(store.clone()));
    // A path that depends on where the program was started is no store.
    let found = Authorities::of_system(&paths[..1]).unwrap();
    assert_eq!(found.origin, Origin::Library);
    let found = Authorities::of_system(&["Cargo.toml"]).unwrap();
    assert_eq!(found.origin, Origin::Library);
}

#[test]
fn nothing_is_read_where_nobody_is_verified() {
    for source in [VerifySource::Absent, VerifySource::None] {
        assert!(Authorities::load(&source).unwrap().is_none());
    }
}
