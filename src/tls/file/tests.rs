use super::*;

/// A directory that is removed with its contents at the end of a test.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Scratch {
        let unique = format!("tls-file-{name}-{}", std::process::id());
        let path = std::env::temp_dir().join(unique);
        fs::create_dir_all(&path).unwrap();
        Scratch(path)
    }

    fn file(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, content).unwrap();
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What is left is in the directory for temporary files.
        let _ = fs::remove_dir_all(&self.0);
    }
}

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
    let scratch = Scratch::new("order");
    let list = [certificate(3), certificate(1), certificate(3)].concat();
    let path = scratch.file("list", &list);
    let found = authorities(&path).unwrap();
    assert_eq!(found.certificates, [[3], [1], [3]]);
    assert_eq!(found.origin, Origin::File(path));
}

#[test]
fn a_directory_is_read_once_for_each_certificate() {
    let scratch = Scratch::new("directory");
    scratch.file("a", &[certificate(3), certificate(1)].concat());
    scratch.file("b.0", &certificate(3));
    scratch.file("README", b"no certificate");
    fs::create_dir(scratch.0.join("directory")).unwrap();
    let found = authorities(&scratch.0).unwrap();
    assert_eq!(found.certificates, [[1], [3]]);
    assert_eq!(found.origin, Origin::Store(scratch.0.clone()));
    scratch.file(
        "broken",
        b"-----BEGIN CERTIFICATE-----\n*\n-----END CERTIFICATE-----\n",
    );
    let complaint = authorities(&scratch.0).unwrap_err();
    assert!(
        complaint.ends_with("broken is not a valid pem file: a section is not base64"),
        "{complaint}"
    );
}

#[test]
fn an_empty_list_is_none() {
    let scratch = Scratch::new("empty");
    assert!(
        authorities(&scratch.0)
            .unwrap_err()
            .starts_with("no certificate in ")
    );
    let path = scratch.file("empty", b"");
    assert!(
        authorities(&path)
            .unwrap_err()
            .starts_with("no certificate in ")
    );
    assert!(
        authorities(&scratch.0.join("x"))
            .unwrap_err()
            .starts_with("cannot read ")
    );
}

#[test]
fn files_have_a_limit() {
    let scratch = Scratch::new("limit");
    let limit = usize::try_from(FILE_OCTETS_MAX).unwrap();
    let mut content = certificate(1);
    content.resize(limit, b'\n');
    assert!(authorities(&scratch.file("full", &content)).is_ok());
    content.push(b'\n');
    let complaint = authorities(&scratch.file("over", &content)).unwrap_err();
    assert!(complaint.ends_with("over is too long for a file of certificates"));
}

#[test]
fn the_first_store_of_the_system_counts() {
    let scratch = Scratch::new("system");
    let store = scratch.file("store", &certificate(7));
    let other = scratch.file("other", &certificate(8));
    let missing = scratch.0.join("missing");
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
