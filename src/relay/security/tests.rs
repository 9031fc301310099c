use super::*;

use std::fs;
use std::path::PathBuf;

use crate::sys::testing::TempDir;

/// A secrets file that goes with its owner.
struct File {
    path: PathBuf,
    _folder: TempDir,
}

impl File {
    fn new(text: &str) -> File {
        let folder = TempDir::new();
        File {
            path: folder.write("secrets", text),
            _folder: folder,
        }
    }
}

fn security(file: &File) -> Security {
    let mut security = Security::default();
    let mut site = Site::default();
    site.use_secrets(SecretsFile::open(&file.path, false).unwrap().0);
    assert_eq!(security.add(site), SiteId(0));
    security
}

fn run(security: &mut Security, jobs: Vec<Job>) {
    jobs.into_iter().for_each(|job| security.learn(&job.run()));
}

fn is_trusted(security: &Security) -> bool {
    let peer = Some("192.0.2.1".parse().unwrap());
    let secrets = security.site(SiteId(0)).secrets();
    secrets.unwrap().trusted(peer).is_some()
}

#[test]
fn looks_for_changes_every_so_often_and_learns_of_them() {
    let file = File::new("server plain a b\n");
    let mut security = security(&file);
    let mut now = Instant::now();
    let jobs = security.look(now);
    assert_eq!(jobs.len(), 1);
    run(&mut security, jobs);
    assert!(security.look(now).is_empty());
    fs::write(&file.path, "server none 192.0.2.1 x\n").unwrap();
    now += LOOK_AFTER / 2;
    assert!(security.look(now).is_empty() && !is_trusted(&security));
    now += LOOK_AFTER / 2;
    let jobs = security.look(now);
    run(&mut security, jobs);
    assert!(is_trusted(&security));
}

#[test]
fn a_bad_file_changes_nothing() {
    let file = File::new("server none 192.0.2.1 x\n");
    let mut security = security(&file);
    let mut now = Instant::now();
    for text in ["server", "server plain a b", ""] {
        fs::write(&file.path, text).unwrap();
        now += LOOK_AFTER;
        let jobs = security.reread(now, Reread::Now);
        run(&mut security, jobs);
        assert_eq!(is_trusted(&security), text == "server", "{text}");
    }
}

#[test]
fn without_files_there_is_nothing_to_do() {
    let mut security = Security::default();
    let id = security.add(Site::default());
    assert!(security.look(Instant::now()).is_empty());
    let site = security.site(id);
    assert!(site.secrets().is_none() && site.acceptor().is_none());
}

#[test]
fn each_server_learns_of_its_own_files() {
    let file = File::new("server plain a b\n");
    let mut security = security(&file);
    let other = File::new("server plain a b\n");
    let mut site = Site::default();
    site.use_secrets(SecretsFile::open(&other.path, false).unwrap().0);
    let second = security.add(site);
    fs::write(&other.path, "server none 192.0.2.1 x\n").unwrap();
    let jobs = security.look(Instant::now());
    assert_eq!(jobs.len(), 2);
    run(&mut security, jobs);
    let peer = Some("192.0.2.1".parse().unwrap());
    assert!(!is_trusted(&security));
    let secrets = security.site(second).secrets().unwrap();
    assert!(secrets.trusted(peer).is_some());
}
