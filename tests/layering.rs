//! The rules of the house that can be read off the sources.

use std::fs;
use std::path::{Path, PathBuf};

/// Each room with the rooms it may use.
const LAYERS: &[(&str, &[&str])] = &[
    ("base", &[]),
    ("sys", &["base"]),
    ("proto", &["base"]),
    ("config", &["base"]),
    ("tls", &["sys", "base"]),
    ("event", &["sys", "base"]),
    ("net", &["event", "sys", "base"]),
    ("store", &["sys", "base"]),
    ("auth", &["proto", "sys", "base"]),
    ("filter", &["store", "net", "event", "proto", "sys", "base"]),
    (
        "relay",
        &[
            "filter", "auth", "tls", "store", "net", "event", "proto", "config", "sys", "base",
        ],
    ),
    (
        "cli",
        &[
            "relay", "filter", "auth", "tls", "store", "net", "event", "proto", "config", "sys",
            "base",
        ],
    ),
];

/// The files outside of `sys` that may be unsafe: calls into a TLS library in C.
const UNSAFE_FILES: &[&str] = &["tls/mbedtls/ffi.rs"];

/// The files that are not Rust, and unsafe all through.
const C_FILES: &[&str] = &["tls/mbedtls/shim.c"];

const BANNED_NAMES: &[&str] = &["utils", "common", "helpers", "types", "manager"];
const FILE_LINES_MAX: usize = 800;
const LINE_WIDTH_MAX: usize = 100;

/// Macros of the crate, which live at its root.
const MACROS: &[&str] = &["info", "warning", "error", "verbose", "debug"];

fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false => found.push(path),
        }
    }
    found
}

fn sources(directory: &Path) -> Vec<PathBuf> {
    let mut found = files(directory);
    found.retain(|path| path.extension().is_some_and(|extension| extension == "rs"));
    found
}

/// The integration tests.
fn test_sources() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let with_text = |path: PathBuf| {
        let text = fs::read_to_string(&path).unwrap();
        (path, text)
    };
    sources(&root).into_iter().map(with_text).collect()
}

fn crate_sources() -> Vec<(String, PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let with_room = |path: PathBuf| {
        let relative = path.strip_prefix(&root).unwrap();
        let room = relative.iter().next().unwrap().to_str().unwrap().to_owned();
        let text = fs::read_to_string(&path).unwrap();
        (room, path, text)
    };
    sources(&root).into_iter().map(with_room).collect()
}

/// Whether the file holds nothing but tests.
fn is_test(path: &Path) -> bool {
    let is_tests = |part: &std::ffi::OsStr| part == "tests" || part == "tests.rs";
    path.iter().any(is_tests) || path.ends_with("store/faulty.rs")
}

/// What of the text is not tests, with lines where they were: without each item behind
/// `#[cfg(test)]`, whose last line is indented as that is.
fn product(path: &Path, text: &str) -> String {
    let mut product = String::new();
    let mut item: Option<usize> = None;
    for line in text.lines().filter(|_| !is_test(path)) {
        let indent = line.len() - line.trim_start().len();
        match item {
            Some(start) => {
                let is_last = line.ends_with([';', '}', ',']) && indent == start;
                item = item.filter(|_| !is_last);
            }
            None if line.trim() == "#[cfg(test)]" => item = Some(indent),
            None => product.push_str(line),
        }
        product.push('\n');
    }
    product
}

#[test]
fn product_code_goes_on_behind_tests() {
    let text = "a;\n#[cfg(test)]\nmod b {\n    c();\n}\nd {\n    #[cfg(test)]\n    \
                e(\n        f,\n    );\n    g();\n}\n";
    let expected = "a;\n\n\n\n\nd {\n\n\n\n\n    g();\n}\n";
    assert_eq!(product(Path::new("x.rs"), text), expected);
    assert!(product(Path::new("x/tests.rs"), text).is_empty());
}

/// Whether code depends on the system: `cfg(not(unix))`, `cfg!(any(windows, ...))`.
fn asks_for_the_system(code: &str) -> bool {
    let conditions = code.split("cfg").skip(1);
    let systems = ["unix", "windows", "target_os", "target_family"];
    let mut words =
        conditions.flat_map(|text| text.split(|c: char| !c.is_alphanumeric() && c != '_'));
    words.any(|word| systems.contains(&word))
}

#[test]
fn conditions_on_the_system_are_found() {
    let found = [
        "cfg(unix)",
        "cfg(not(unix))",
        "cfg(any(test, windows))",
        "cfg!(target_os = 1)",
    ];
    assert!(found.iter().all(|code| asks_for_the_system(code)));
    assert!(!asks_for_the_system(
        "#[cfg(feature = \"openssl\")] mod unixes"
    ));
}

/// The code of a file without its comments; good enough for what is looked for.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let strip = |line: &'_ str| line.find("//").unwrap_or(line.len());
    text.lines()
        .enumerate()
        .map(move |(index, line)| (index + 1, &line[..strip(line)]))
}

/// The rooms named by `crate::room` and by `crate::{room::..., other::...}`.
fn used_rooms(text: &str) -> Vec<(usize, String)> {
    let mut used = Vec::new();
    for (number, line) in code(text) {
        for part in line.split("crate::").skip(1) {
            let grouped = part.starts_with('{');
            let names = part
                .trim_start_matches('{')
                .split(|c: char| grouped && c == ',');
            for name in names {
                let name = name
                    .trim()
                    .split(|c: char| !c.is_alphanumeric() && c != '_')
                    .next();
                let name = name.unwrap_or_default().to_owned();
                if !name.is_empty() && !MACROS.contains(&name.as_str()) {
                    used.push((number, name));
                }
            }
        }
    }
    used
}

#[test]
fn rooms_use_only_rooms_above_them() {
    for (room, path, text) in crate_sources() {
        let is_root = |name: &std::ffi::OsStr| name == "lib.rs" || name == "main.rs";
        if room == "bin" || path.file_name().is_some_and(is_root) {
            continue;
        }
        let Some((_, allowed)) = LAYERS.iter().find(|(name, _)| *name == room) else {
            panic!(
                "{}: the room {room} is not in the layer table",
                path.display()
            );
        };
        for (line, used) in used_rooms(&text) {
            let fine = used == room || allowed.contains(&used.as_str());
            assert!(fine, "{}:{line}: {room} may not use {used}", path.display());
        }
    }
}

#[test]
fn unsafe_code_and_platforms_stay_in_sys() {
    let words = ["unsafe ", "std::os::"];
    for (room, path, text) in crate_sources() {
        if room == "sys" {
            continue;
        }
        let may_be_unsafe = UNSAFE_FILES.iter().any(|file| path.ends_with(file));
        for (line, code) in code(&product(&path, &text)) {
            for word in words.iter().skip(usize::from(may_be_unsafe)) {
                assert!(!code.contains(word), "{}:{line}: {word}", path.display());
            }
            assert!(!asks_for_the_system(code), "{}:{line}", path.display());
        }
    }
}

#[test]
fn other_languages_are_named() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut others = files(&root);
    others.retain(|path| path.extension().is_none_or(|extension| extension != "rs"));
    let expected: Vec<PathBuf> = C_FILES.iter().map(|file| root.join(file)).collect();
    assert_eq!(others, expected);
}

#[test]
fn protocols_touch_nothing_outside() {
    let words = [
        "Instant::now",
        "SystemTime",
        "std::net::Tcp",
        "std::fs",
        "std::thread",
        "std::env",
    ];
    for (room, path, text) in crate_sources() {
        if !matches!(room.as_str(), "proto" | "config") {
            continue;
        }
        for (line, code) in code(&product(&path, &text)) {
            for word in words {
                assert!(!code.contains(word), "{}:{line}: {word}", path.display());
            }
        }
    }
}

#[test]
fn only_the_loop_asks_for_the_time() {
    for (room, path, text) in crate_sources() {
        if matches!(room.as_str(), "sys" | "cli") || path.ends_with("relay/run.rs") {
            continue;
        }
        let product = product(&path, &text);
        assert!(!product.contains("Instant::now()"), "{}", path.display());
    }
}

#[test]
fn files_are_small_and_well_named() {
    let products = crate_sources().into_iter();
    let products = products.map(|(_, path, text)| (path, text));
    for (path, text) in products.chain(test_sources()) {
        let lines = text.lines().count();
        assert!(lines <= FILE_LINES_MAX, "{}: {lines} lines", path.display());
        for (line, text) in text.lines().enumerate() {
            let width = text.chars().count();
            let fine = width <= LINE_WIDTH_MAX || text.contains('"') || text.contains("http");
            assert!(fine, "{}:{}: {width} columns", path.display(), line + 1);
        }
        let name = path.file_stem().unwrap().to_str().unwrap();
        assert!(!BANNED_NAMES.contains(&name), "{}", path.display());
    }
}

#[test]
fn every_room_but_sys_forbids_unsafe_code() {
    for (room, _) in LAYERS.iter().filter(|(room, _)| *room != "sys") {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("src")
            .join(room)
            .join("mod.rs");
        let text = fs::read_to_string(path).unwrap();
        // What is forbidden cannot be allowed to one file of the room.
        let has_exceptions = UNSAFE_FILES.iter().any(|file| file.starts_with(room));
        let lint = match has_exceptions {
            true => "#![deny(unsafe_code)]",
            false => "#![forbid(unsafe_code)]",
        };
        assert!(text.contains(lint), "{room}");
    }
}
