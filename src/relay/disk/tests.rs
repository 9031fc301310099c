use std::fs;

use super::*;
use crate::store::Envelope;
use crate::store::faulty::Faulty;
use crate::sys::testing::TempDir;

#[test]
fn a_content_that_becomes_shorter_while_it_is_sent_is_an_error() {
    let folder = TempDir::new();
    let spool = Spool::open(folder.path(), 1).unwrap();
    let commit = Commit {
        writer: spool.create(),
        last: vec![b'x'; CHUNK + 10],
        envelope: Envelope::default(),
    };
    let id = store::commit(vec![commit]).remove(0).unwrap().id;
    let Ok(loaded) = loaded(&id, spool.lock(&id)) else {
        panic!("not loaded");
    };
    assert_eq!((loaded.chunk.len(), loaded.last), (CHUNK, false));
    let content = spool.path_of(&id, Suffix::Content);
    let file = fs::OpenOptions::new().write(true).open(content).unwrap();
    file.set_len(CHUNK as u64 + 9).unwrap();
    let Chunk { mail, read } = read(loaded.mail);
    let error = read.unwrap_err().to_string();
    assert_eq!(
        error,
        format!("cannot read {id}.content: unexpected end of file")
    );
    // It is what it is, and the next attempt sends that.
    settle(*mail.mail, Settlement::Skipped);
    let again = super::loaded(&id, spool.lock(&id)).ok().unwrap();
    let again = super::read(again.mail).read.unwrap();
    assert_eq!((again.0.len(), again.1), (9, true));
}

#[test]
fn only_so_much_is_read_in_advance() {
    let spool = Faulty::new().spool(1);
    let commit = |_| Commit {
        writer: spool.create(),
        last: vec![b'x'; CHUNK],
        envelope: Envelope::default(),
    };
    let count = LOADED_OCTETS_MAX / CHUNK;
    let receipts = store::commit((0..count + 2).map(commit).collect());
    let ids: Vec<_> = receipts.into_iter().map(|one| one.unwrap().id).collect();
    let way = Way {
        routing: Routing::default(),
        filtered: Vec::new(),
    };
    let batch = load_all(&spool, ids.clone(), &way);
    assert_eq!(batch.loaded.len(), count);
    assert_eq!(batch.left, ids[count..]);
}
