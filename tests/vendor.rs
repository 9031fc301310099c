//! The third-party crates are those that are listed, and the program itself needs
//! none but `libc`.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

fn read(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// One crate of `Cargo.lock`.
#[derive(Default)]
struct Locked {
    name: String,
    version: String,
    checksum: Option<String>,
    source: Option<String>,
    dependencies: Vec<String>,
}

fn locked() -> Vec<Locked> {
    let lock = read("Cargo.lock");
    let packages = lock.split("[[package]]").skip(1);
    packages.map(locked_package).collect()
}

fn locked_package(text: &str) -> Locked {
    let mut package = Locked::default();
    for line in text.lines().map(str::trim) {
        let quoted = line.split('"').nth(1).unwrap_or_default().to_owned();
        match line.split(' ').next() {
            Some("name") => package.name = quoted,
            Some("version") => package.version = quoted,
            Some("checksum") => package.checksum = Some(quoted),
            Some("source") => package.source = Some(quoted),
            Some(word) if word.starts_with('"') => package.dependencies.push(quoted),
            _ => {}
        }
    }
    package
}

/// The rows of the list: name, version, licence, checksum, part, lines that say unsafe,
/// lines of C and assembly, reason.
fn listed() -> Vec<Vec<String>> {
    let list = read("vendor/crates.tsv");
    let row = |line: &str| line.split('\t').map(str::to_owned).collect();
    list.lines().map(row).collect()
}

#[test]
fn every_crate_is_listed() {
    let third_party = locked().into_iter().filter(|p| p.source.is_some());
    let expected: Vec<[String; 3]> = third_party
        .map(|p| [p.name, p.version, p.checksum.expect("a checksum")])
        .collect();
    let found: Vec<[String; 3]> = listed()
        .iter()
        .map(|row| [row[0].clone(), row[1].clone(), row[3].clone()])
        .collect();
    assert_eq!(found, expected, "see vendor/README.md");
}

/// Whether a licence, or one that can be chosen, is one of those in `deny.toml`.
fn is_usable(licence: &str) -> bool {
    const LICENCES: [&str; 6] = [
        "MIT",
        "Apache-2.0",
        "ISC",
        "BSD-3-Clause",
        "CDLA-Permissive-2.0",
        "Unicode-3.0",
    ];
    let group = licence.strip_prefix('(');
    if let Some((group, rest)) = group.and_then(|group| group.split_once(") AND ")) {
        return is_usable(group) && is_usable(rest);
    }
    let is_known = |licence: &str| LICENCES.contains(&licence);
    let mut choices = licence.split(" OR ");
    choices.any(|choice| choice.split(" AND ").all(is_known))
}

#[test]
fn every_listed_crate_has_its_licence_and_reason() {
    for row in listed() {
        assert_eq!(row.len(), 8, "{row:?}");
        assert!(row.iter().all(|field| !field.trim().is_empty()), "{row:?}");
        assert!(
            ["yes", "build", "feature", "no"].contains(&&*row[4]),
            "{row:?}"
        );
        assert_eq!(row[3].len(), 64, "{row:?}");
        let is_number = |field: &String| field.parse::<u32>().is_ok();
        assert!(row[5..7].iter().all(is_number), "{row:?}");
        assert!(!is_number(&row[7]), "no reason: {row:?}");
        assert!(is_usable(&row[2]), "{row:?}");
    }
}

#[test]
fn every_crate_is_from_the_registry_and_there_once() {
    let mut names = Vec::new();
    for package in locked() {
        if let Some(source) = package.source {
            assert_eq!(
                source,
                "registry+https://github.com/rust-lang/crates.io-index"
            );
        }
        assert!(
            !names.contains(&package.name),
            "two versions of {}",
            package.name
        );
        names.push(package.name);
    }
}

/// The lines of one table of `Cargo.toml`.
fn table(manifest: &str, header: &str) -> Vec<String> {
    let lines = manifest
        .lines()
        .skip_while(|line| line.trim() != header)
        .skip(1);
    let lines = lines.take_while(|line| !line.starts_with('['));
    let lines = lines
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(str::to_owned).collect()
}

#[test]
fn the_program_itself_needs_libc_only() {
    let manifest = read("Cargo.toml");
    let headers: Vec<&str> = manifest
        .lines()
        .filter(|line| line.starts_with('[') && line.contains("dependencies"))
        .collect();
    for header in &headers {
        for line in table(&manifest, header) {
            let needed = !line.contains("optional = true");
            assert!(!needed || line.starts_with("libc = "), "{header} {line}");
        }
    }
    assert!(
        headers.contains(&"[target.'cfg(unix)'.dependencies]"),
        "{headers:?}"
    );
    let libc = locked().into_iter().find(|package| package.name == "libc");
    assert!(libc.expect("libc is locked").dependencies.is_empty());
}

/// What is in the programs on Linux with these features, besides the program itself.
fn built_with(features: &str) -> Vec<String> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["tree", "--offline", "--locked", "--edges=normal"]);
    cargo.args(["--no-default-features", "--features", features]);
    cargo.args(["--prefix=none", "--format={p}", "--no-dedupe"]);
    cargo.args(["--target", "x86_64-unknown-linux-gnu"]);
    let output = cargo.current_dir(env!("CARGO_MANIFEST_DIR")).output();
    let output = output.unwrap();
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{log}");
    let text = String::from_utf8(output.stdout).unwrap();
    let names = text.lines().filter_map(|line| line.split(' ').next());
    let others: BTreeSet<_> = names.filter(|name| *name != "emailrelay").collect();
    others.into_iter().map(str::to_owned).collect()
}

#[test]
fn builds_have_these_crates_and_no_others() {
    assert_eq!(built_with(""), ["libc"]);
    let with_tls = [
        "cfg-if",
        "getrandom",
        "libc",
        "once_cell",
        "ring",
        "rustls",
        "rustls-pki-types",
        "rustls-webpki",
        "subtle",
        "untrusted",
        "webpki-roots",
        "zeroize",
    ];
    assert_eq!(built_with("rustls"), with_tls);
}

#[test]
fn features_are_documented() {
    let features = table(&read("Cargo.toml"), "[features]");
    let documents = [read("docs/tls.md"), read("docs/platforms.md")].concat();
    for feature in features.iter().filter_map(|line| line.split(" = ").next()) {
        assert!(
            feature == "default" || documents.contains(&format!("`{feature}`")),
            "{feature}"
        );
    }
}

#[test]
fn sources_of_crates_are_not_committed() {
    assert!(read(".gitignore").lines().any(|line| line == "/vendor/*/"));
    assert!(read(".cargo/vendored.toml").contains("directory = \"vendor\""));
    let settings = Path::new(env!("CARGO_MANIFEST_DIR")).join(".cargo/config.toml");
    assert!(
        !settings.exists(),
        "a tree without vendored sources would not build"
    );
}
