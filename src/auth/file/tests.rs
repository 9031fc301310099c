use std::fs;

use super::*;
use crate::proto::sasl::Mechanism;
use crate::sys::testing::TempDir;

fn has_user(file: &SecretsFile, id: &str) -> bool {
    file.secrets()
        .server_credential(Mechanism::Plain, id.as_bytes())
        .is_some()
}

fn is_changed(file: &mut SecretsFile) -> bool {
    matches!(file.refresh().unwrap(), Refreshed::Changed { .. })
}

/// A path as a field of a secrets file, where spaces part the fields.
fn field(path: &Path) -> String {
    path.to_str().unwrap().replace(' ', "+20")
}

/// A path as it is in messages.
fn shown(path: &Path) -> String {
    ascii::escape(path.as_os_str().as_encoded_bytes())
}

#[test]
fn reads_a_file_again_when_it_changes() {
    let directory = TempDir::new();
    let path = directory.write("s", "server plain alice pw\n");
    let (mut file, _) = SecretsFile::open(&path, false).unwrap();
    assert!(has_user(&file, "alice"));
    for _ in 0..3 {
        assert!(!is_changed(&mut file));
    }
    directory.write("s", "server plain alice pw\nserver plain bob pw\n");
    assert!(is_changed(&mut file));
    assert!(has_user(&file, "bob"));
    assert!(!is_changed(&mut file));
    directory.write("s", "server plain carol pw\n");
    assert!(is_changed(&mut file));
    assert!(!has_user(&file, "alice"));
}

#[test]
fn sees_a_change_of_the_same_length_at_the_same_time() {
    let directory = TempDir::new();
    let path = directory.write("s", "server plain alice pw1");
    let (mut file, _) = SecretsFile::open(&path, false).unwrap();
    // As if the clock had not moved on since the file was read.
    directory.write("s", "server plain carol pw2");
    file.seen.stamps = vec![(path.clone(), stamp_of(&path))];
    assert!(is_changed(&mut file));
    assert!(has_user(&file, "carol"));
}

#[test]
fn a_change_of_nothing_but_the_time_is_none() {
    let directory = TempDir::new();
    let path = directory.write("s", "server plain alice pw");
    let (mut file, _) = SecretsFile::open(&path, false).unwrap();
    let secrets = file.secrets();
    directory.write("s", "server plain alice pw");
    assert!(!is_changed(&mut file));
    assert!(Arc::ptr_eq(&secrets, &file.secrets()));
}

#[test]
fn keeps_the_secrets_when_the_file_gets_worse() {
    let directory = TempDir::new();
    let path = directory.write("s", "server plain alice pw");
    let (mut file, _) = SecretsFile::open(&path, false).unwrap();
    directory.write("s", "server plain alice");
    let error = file.refresh().unwrap_err().to_string();
    let expected = format!(
        "problems reading secrets file [{}]: s(1): too few fields",
        shown(&path)
    );
    assert_eq!(error, expected);
    assert!(has_user(&file, "alice"));
    // It is told once.
    assert_eq!(file.refresh().unwrap(), Refreshed::Unchanged);
    fs::remove_file(&path).unwrap();
    let error = file.refresh().unwrap_err();
    assert!(
        error.to_string().starts_with("cannot read secrets file "),
        "{error}"
    );
    assert!(std::error::Error::source(&error).is_some());
    assert_eq!(file.refresh().unwrap(), Refreshed::Unchanged);
    assert_eq!(file.refresh().unwrap(), Refreshed::Unchanged);
    assert!(has_user(&file, "alice"));
    directory.write("s", "server plain bob pw");
    assert!(is_changed(&mut file));
    assert!(has_user(&file, "bob") && !has_user(&file, "alice"));
}

#[test]
fn a_file_that_is_repaired_to_what_it_was_is_no_change() {
    let directory = TempDir::new();
    let path = directory.write("s", "server plain alice pw");
    let (mut file, _) = SecretsFile::open(&path, false).unwrap();
    directory.write("s", "nonsense");
    assert!(file.refresh().is_err());
    directory.write("s", "server plain alice pw");
    assert!(!is_changed(&mut file));
    directory.write("s", "nonsense");
    assert!(
        file.refresh().is_err(),
        "the same mistake again is told again"
    );
}

#[test]
fn follows_files_that_the_secrets_file_names() {
    let directory = TempDir::new();
    let token = directory.write("token", "one\n");
    let line = format!("client oauth:file me {}", field(&token));
    let path = directory.write("s", &line);
    let (mut file, _) = SecretsFile::open(&path, false).unwrap();
    let secrets = file.secrets();
    assert!(!is_changed(&mut file));
    directory.write("token", "two\n");
    assert!(is_changed(&mut file));
    assert!(!Arc::ptr_eq(&secrets, &file.secrets()));
    fs::remove_file(&token).unwrap();
    let error = file.refresh().unwrap_err().to_string();
    assert!(error.contains("s(1): cannot use "), "{error}");
    assert!(file.secrets().client_account(b"").is_some());
    directory.write("token", "x".repeat(SECRET_LINE_MAX + 1));
    let error = file.refresh().unwrap_err().to_string();
    assert!(
        error.ends_with("the file has more than 4096 octets"),
        "{error}"
    );
    directory.write("token", "three");
    assert!(is_changed(&mut file));
}

#[test]
fn refuses_what_is_no_file_or_too_long() {
    let directory = TempDir::new();
    let error = SecretsFile::open(directory.path(), false).unwrap_err();
    assert!(
        error.to_string().ends_with(": not a regular file"),
        "{error}"
    );
    let error = SecretsFile::open(directory.join("none"), false).unwrap_err();
    let expected = format!(
        "cannot read secrets file {}: ",
        shown(&directory.join("none"))
    );
    assert!(error.to_string().starts_with(&expected), "{error}");
    let path = directory.write("s", "#".repeat(FILE_MAX + 1));
    let error = SecretsFile::open(path, false).unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("s: the file has more than 1048576 octets"),
        "{error}"
    );
}

#[test]
fn gives_the_warnings_of_the_text() {
    let directory = TempDir::new();
    let path = directory.write("s", "server foo alice pw");
    let (mut file, warnings) = SecretsFile::open(&path, false).unwrap();
    assert!(
        warnings
            .iter()
            .any(|warning| warning.starts_with("s(1): unknown type"))
    );
    directory.write("s", "server plain alice pw extra");
    let Refreshed::Changed { warnings } = file.refresh().unwrap() else {
        panic!("no change")
    };
    assert!(
        warnings
            .iter()
            .any(|warning| warning == "s(1): too many fields")
    );
}

#[test]
fn a8_files_that_others_may_read_are_told_of_or_refused() {
    let directory = TempDir::new();
    let token = directory.write("token", "one");
    let path = directory.write("s", format!("client oauth:file me {}", field(&token)));
    for (file, permissions) in [(&path, 0o640), (&token, 0o604)] {
        if !set_mode(file, permissions) {
            // No modes here, so nothing to be told of.
            return;
        }
    }
    let (_, warnings) = SecretsFile::open(&path, false).unwrap();
    assert_eq!(
        warnings,
        [
            format!(
                "others than its owner may read or write the secrets in {}: its mode is 0640",
                path.display()
            ),
            format!(
                "others than its owner may read or write the secrets in {}: its mode is 0604",
                token.display()
            ),
        ]
    );
    assert!(matches!(
        SecretsFile::open(&path, true),
        Err(Error::Exposed { mode: 0o640, .. })
    ));
    set_mode(&path, 0o600);
    assert!(matches!(
        SecretsFile::open(&path, true),
        Err(Error::Exposed { mode: 0o604, .. })
    ));
    set_mode(&token, 0o600);
    let (mut file, warnings) = SecretsFile::open(&path, true).unwrap();
    assert!(warnings.is_empty());

    // What was written while others could read it counts once they cannot.
    directory.write("token", "two");
    set_mode(&token, 0o644);
    assert!(matches!(file.refresh(), Err(Error::Exposed { .. })));
    set_mode(&token, 0o600);
    assert!(is_changed(&mut file));
}

/// Sets the mode by the program for it, since only `sys` may ask which system it
/// is. Whether it did.
fn set_mode(path: &Path, mode: u32) -> bool {
    let mode = format!("{mode:o}");
    std::process::Command::new("chmod")
        .arg(mode)
        .arg(path)
        .status()
        .is_ok_and(|s| s.success())
        && file_mode::exposed_mode(&fs::metadata(std::env::temp_dir()).unwrap()).is_some()
}

#[test]
fn looks_once_a_second() {
    let directory = TempDir::new();
    let path = directory.write("s", "");
    let (mut file, _) = SecretsFile::open(path, false).unwrap();
    let start = Instant::now();
    assert!(file.is_due(start));
    assert!(!file.is_due(start + Duration::from_millis(999)));
    assert!(file.is_due(start + LOOK_AFTER));
    assert!(!file.is_due(start + LOOK_AFTER));
    assert!(!file.is_due(start), "a clock that goes back does no harm");
}
