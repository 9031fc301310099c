//! The fuzz targets without a fuzzer: the committed corpora and a bounded number of
//! mutations of them, the same each time.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::in_memory::Random;

// In a crate of its own they are public.
#[allow(unreachable_pub)]
#[path = "../fuzz/src/lib.rs"]
mod targets;

use targets::{TARGETS, Target};

/// Mutations for each target.
const MUTATIONS: usize = 150;

/// The longest input that is made here.
const OCTETS_MAX: usize = 4096;

/// A corpus file is no larger, and a corpus has no more files.
const FILE_OCTETS_MAX: usize = 2048;
const FILES_MAX: usize = 700;

/// What is worth to be put in anywhere.
const FRAGMENTS: &[&[u8]] = &[
    b"\r\n",
    b"\n",
    b"\r",
    b"\0",
    b" ",
    b"\t",
    b".",
    b"\r\n.\r\n",
    b":",
    b";",
    b",",
    b"<",
    b">",
    b"@",
    b"=",
    b"-",
    b"\"",
    b"\\",
    b"\xFF",
    b"\xC3\xA9",
    b"\xE2\x80\xAE",
    b"0",
    b"4294967296",
    b"18446744073709551615",
    b"-1",
    b"\xC0\x0C",
    b"\xFF\xFF\xFF\xFF",
];

fn folder(target: &Target) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    root.join("fuzz/corpus").join(target.name)
}

/// The corpus of a target, in an order that does not depend on the file system.
fn corpus(target: &Target) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = folder(target);
    let files = fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut files: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
    files.sort();
    files
        .into_iter()
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect()
}

/// Runs one input; says which it was where a property does not hold.
fn try_out(target: &Target, what: &str, data: &[u8]) -> Result<(), String> {
    let result = std::panic::catch_unwind(|| targets::run(target.name, data));
    result.map_err(|_| format!("{}: {what}: {}", target.name, data.escape_ascii()))
}

/// Tries the targets one after the other, and fails with what is wrong with each.
fn try_all(each: impl Fn(&Target) -> Result<(), String>) {
    let problems: Vec<String> = TARGETS.iter().filter_map(|t| each(t).err()).collect();
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

fn mutate(data: &mut Vec<u8>, other: &[u8], random: &mut Random) {
    for _ in 0..=random.below(4) {
        let at = random.below(data.len() + 1);
        match random.below(7) {
            0 if at < data.len() => data[at] ^= 1 << random.below(8),
            1 if at < data.len() => data[at] = u8::try_from(random.below(256)).unwrap(),
            2 => {
                let end = at + random.below(data.len() - at + 1);
                data.drain(at..end);
            }
            3 => {
                let end = at + random.below(data.len() - at + 1);
                let part = data[at..end].to_vec();
                data.splice(at..at, part);
            }
            4 => {
                let start = random.below(other.len() + 1);
                data.truncate(at);
                data.extend_from_slice(&other[start..]);
            }
            _ => {
                let fragment = FRAGMENTS[random.below(FRAGMENTS.len())];
                data.splice(at..at, fragment.iter().copied());
            }
        }
        data.truncate(OCTETS_MAX);
    }
}

#[test]
fn corpora_hold_what_is_said_of_them() {
    try_all(|target| {
        let corpus = corpus(target);
        assert!((1..=FILES_MAX).contains(&corpus.len()), "{}", target.name);
        for (path, data) in corpus {
            assert!(data.len() <= FILE_OCTETS_MAX, "{}", path.display());
            try_out(target, &path.display().to_string(), &data)?;
        }
        Ok(())
    });
}

#[test]
fn mutations_of_the_corpora_hold_what_is_said_of_them() {
    try_all(|target| {
        let corpus = corpus(target);
        let mut random = Random::new(1);
        for number in 0..MUTATIONS {
            let (_, data) = &corpus[random.below(corpus.len())];
            let (_, other) = &corpus[random.below(corpus.len())];
            let mut data = data.clone();
            mutate(&mut data, other, &mut random);
            try_out(target, &format!("mutation {number}"), &data)?;
        }
        Ok(())
    });
}

/// Each target is one of `cargo fuzz`, with a corpus and nothing else beside it.
#[test]
fn each_target_has_its_files() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let manifest = fs::read_to_string(root.join("Cargo.toml")).unwrap();
    let names = |folder: &str| {
        let files = fs::read_dir(root.join(folder)).unwrap();
        let stems = files.map(|file| file.unwrap().path().file_stem().unwrap().to_owned());
        let mut stems: Vec<String> = stems.map(|stem| stem.into_string().unwrap()).collect();
        stems.sort();
        stems
    };
    let expected: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
    assert_eq!(names("fuzz_targets"), expected);
    assert_eq!(names("corpus"), expected);
    for name in expected {
        assert!(
            manifest.contains(&format!("\nname = \"{name}\"\n")),
            "{name}"
        );
        let program = fs::read_to_string(root.join(format!("fuzz_targets/{name}.rs"))).unwrap();
        assert!(
            program.contains(&format!("run(\"{name}\", data)")),
            "{name}"
        );
    }
}
