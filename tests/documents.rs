//! What the documents say of the sources and of each other.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// The texts of all files of sources below a folder.
fn sources(folder: &Path, texts: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, texts);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            texts.push(fs::read_to_string(path).unwrap());
        }
    }
}

/// The numbers in a text, as they are written.
fn numbers(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_ascii_digit())
        .filter(|number| !number.is_empty())
}

#[test]
fn each_standard_that_is_cited_is_listed() {
    let mut texts = Vec::new();
    sources(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("src"),
        &mut texts,
    );
    let cited: BTreeSet<&str> = texts
        .iter()
        .flat_map(|text| text.split("RFC ").skip(1))
        .filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
        .filter_map(|rest| numbers(rest).next())
        .collect();
    assert!(cited.len() > 50, "{cited:?}");
    let document = read("docs/rfc.md");
    // Numbers of standards are in the first column.
    let listed: BTreeSet<&str> = document
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.split(" |").next())
        .flat_map(numbers)
        .collect();
    let missing: Vec<_> = cited.difference(&listed).collect();
    assert!(missing.is_empty(), "not in docs/rfc.md: {missing:?}");
}

#[test]
fn the_readme_lists_every_document() {
    let readme = read("README.md");
    assert!(readme.lines().count() <= 150);
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let row = format!("| [docs/{name}](docs/{name}) |");
        assert!(readme.contains(&row), "{name}");
    }
}

#[test]
fn headings_occur_once() {
    for path in ["CHANGELOG.md", "docs/compat.md", "docs/rfc.md"] {
        let text = read(path);
        let headings: Vec<_> = text.lines().filter(|line| line.starts_with('#')).collect();
        let distinct: BTreeSet<_> = headings.iter().collect();
        assert_eq!(headings.len(), distinct.len(), "{path}");
    }
}

#[test]
fn links_between_documents_lead_somewhere() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let in_docs = fs::read_dir(root.join("docs")).unwrap();
    let documents = in_docs.map(|entry| entry.unwrap().path());
    for path in documents.chain([root.join("README.md"), root.join("CHANGELOG.md")]) {
        let text = fs::read_to_string(&path).unwrap();
        for target in text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next())
        {
            let file = target.split('#').next().unwrap_or_default();
            let is_ours = !file.is_empty() && !file.contains("://");
            let there = path.parent().unwrap().join(file).exists();
            assert!(there || !is_ours, "{}: {target}", path.display());
        }
    }
}

/// The files of sources below a folder, by the module that each is: tests in
/// `src/store/name.rs` are those of `store::name`.
fn modules(root: &Path, folder: &Path, found: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            modules(root, &path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let module = path.strip_prefix(root).unwrap().with_extension("");
            let names: Vec<_> = module.iter().map(|name| name.to_str().unwrap()).collect();
            let name = names.join("::");
            let name = name.strip_suffix("::mod").unwrap_or(&name).to_owned();
            found.insert(name, fs::read_to_string(path).unwrap());
        }
    }
}

/// Whether there is what a row says shows it: a transcript, or `module::test`, which is run
/// by those who do not ask for it.
fn is_there(shown_by: &str, modules: &[BTreeMap<String, String>]) -> bool {
    if shown_by.starts_with("tests/transcripts/") {
        return Path::new(env!("CARGO_MANIFEST_DIR"))
            .join(shown_by)
            .is_file();
    }
    let Some((module, test)) = shown_by.rsplit_once("::") else {
        return false;
    };
    let head = format!("fn {test}(");
    let texts = modules.iter().filter_map(|found| found.get(module));
    let mut befores = texts.filter_map(|text| Some(text.split_once(&head)?.0));
    befores.any(|before| {
        let attributes = before.trim_end().rsplit("\n\n").next().unwrap_or_default();
        attributes.ends_with(']') && !attributes.contains("#[ignore")
    })
}

#[test]
fn what_shows_that_attacks_fail_is_there() {
    let modules = ["src", "tests"].map(|folder| {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        let mut found = BTreeMap::new();
        modules(&root, &root, &mut found);
        found
    });
    let document = read("docs/attacks.md");
    let mut count = 0;
    for row in document.lines().filter(|line| line.starts_with("| ")) {
        let cells: Vec<_> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        let [_, _, shown_by] = cells[..] else {
            panic!("three cells are expected: {row}");
        };
        if ["shown by", "not shown by a test"].contains(&shown_by) {
            continue;
        }
        for name in shown_by.split(", ").map(|name| name.trim_matches('`')) {
            assert!(is_there(name, &modules), "{name}: {row}");
            count += 1;
        }
    }
    assert!(count > 300, "{count}");
}
