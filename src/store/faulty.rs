//! A directory in memory that fails where it is told to, and loses what was not
//! synced when its power is cut.
//!
//! The model of a power cut: content that was not synced is lost, kept, cut short
//! or partly zero. Changes of names since the last sync of their directory are each
//! lost or kept; a rename happens whole or not at all, but one into another directory
//! is two changes, one of each; what is in a directory that is lost is lost, too. A
//! change of a name is lost along with the earlier change of that name that it builds
//! on. A sync that fails drops what it could not write, and a later sync of the same
//! file then succeeds without it.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};

use super::below::Mailboxes;
use super::fs::{File, Fs, Kind, Metadata};
use super::spool::Spool;

/// What goes wrong, and at which operation, counted from one.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    None,
    /// That operation fails, the later ones do not.
    Fail(usize, io::ErrorKind),
    /// That operation and the next one fail.
    FailTwice(usize, io::ErrorKind),
    /// From that operation on nothing works any more.
    Crash(usize),
}

/// What a power cut takes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Loss {
    All,
    Nothing,
    /// What the seed decides.
    Some(u64),
}

/// The directory; clones share it, as processes do. Names in sub-directories have
/// a slash in them.
#[derive(Clone)]
pub(crate) struct Faulty {
    disk: Arc<Mutex<Disk>>,
    /// What the names in this directory start with.
    prefix: Vec<u8>,
}

/// What happens before the next operation of that name.
type Hook = (&'static str, fn(&Faulty));

struct Disk {
    inodes: Vec<Inode>,
    names: BTreeMap<Vec<u8>, usize>,
    durable_names: BTreeMap<Vec<u8>, usize>,
    changes: Vec<Change>,
    trace: Vec<&'static str>,
    fault: Fault,
    can_tell_opens: bool,
    /// Whether open files cannot be replaced.
    is_jealous: bool,
    can_lock: bool,
    /// Directories that may not be entered.
    shut: BTreeSet<Vec<u8>>,
    hook: Option<Hook>,
}

#[derive(Clone)]
struct Inode {
    content: Vec<u8>,
    durable: Vec<u8>,
    /// Whether a sync has failed, so that no later one makes a difference.
    poisoned: bool,
    kind: Kind,
    owner: u32,
    modified: i64,
    changed: i64,
    opens: usize,
    exclusive: bool,
    shared: usize,
}

/// A change of names that is not yet durable.
#[derive(Clone)]
enum Change {
    Create(Vec<u8>, usize),
    /// From, to, what is renamed, and what had the new name before.
    Rename(Vec<u8>, Vec<u8>, usize, Option<usize>),
    Remove(Vec<u8>, usize),
}

impl Faulty {
    pub(crate) fn new() -> Faulty {
        Faulty::with(Disk {
            inodes: Vec::new(),
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            changes: Vec::new(),
            trace: Vec::new(),
            fault: Fault::None,
            can_tell_opens: true,
            is_jealous: false,
            can_lock: true,
            shut: BTreeSet::new(),
            hook: None,
        })
    }

    fn with(disk: Disk) -> Faulty {
        Faulty {
            disk: Arc::new(Mutex::new(disk)),
            prefix: Vec::new(),
        }
    }

    /// A process that uses the directory as its spool.
    pub(crate) fn spool(&self, seed: u64) -> Spool {
        Spool::with_fs(Box::new(self.clone()), "/spool".into(), seed)
    }

    /// The mailboxes in a sub-directory.
    pub(crate) fn mailboxes(&self, name: &str) -> Mailboxes {
        let directory = self.open_subdirectory(name.as_bytes()).unwrap();
        Mailboxes::elsewhere(directory.into(), Path::new(name))
    }

    fn full(&self, name: &[u8]) -> Vec<u8> {
        [&self.prefix, name].concat()
    }

    /// Sets what goes wrong from now on, and counts operations from here.
    pub(crate) fn set_fault(&self, fault: Fault) {
        let mut disk = self.disk();
        disk.trace.clear();
        disk.fault = fault;
    }

    /// How many operations there were since the fault was set.
    pub(crate) fn operations(&self) -> usize {
        self.disk().trace.len()
    }

    /// How many files and directories are open, with this one.
    pub(super) fn handles(&self) -> usize {
        Arc::strong_count(&self.disk)
    }

    /// Which operations there were since the fault was set.
    pub(super) fn trace(&self) -> Vec<&'static str> {
        self.disk().trace.clone()
    }

    /// The directory as it is after a power cut.
    pub(crate) fn after_power_cut(&self, loss: Loss) -> Faulty {
        let disk = self.disk();
        let mut chance = Chance::new(loss);
        let mut names = disk.durable_names.clone();
        for change in &disk.changes {
            if chance.keeps() {
                change.apply(&mut names);
            }
        }
        remove_unreachable(&mut names);
        let inodes = disk.inodes.iter().map(|inode| {
            let content = chance.content(inode);
            Inode::new(content.clone(), content, inode.kind)
        });
        Faulty::with(Disk {
            inodes: inodes.collect(),
            durable_names: names.clone(),
            names,
            changes: Vec::new(),
            trace: Vec::new(),
            fault: Fault::None,
            can_tell_opens: disk.can_tell_opens,
            is_jealous: disk.is_jealous,
            can_lock: disk.can_lock,
            shut: disk.shut.clone(),
            hook: None,
        })
    }

    /// Puts something durable there.
    pub(super) fn plant(&self, name: &str, kind: Kind, content: &[u8]) {
        let mut disk = self.disk();
        let inode = disk.inodes.len();
        let content = content.to_vec();
        disk.inodes.push(Inode::new(content.clone(), content, kind));
        disk.names.insert(name.into(), inode);
        disk.durable_names.insert(name.into(), inode);
    }

    /// Gives a file another name.
    pub(super) fn plant_link(&self, from: &str, to: &str) {
        let mut disk = self.disk();
        let inode = disk.names[from.as_bytes()];
        disk.names.insert(to.into(), inode);
        disk.durable_names.insert(to.into(), inode);
    }

    /// Puts a sub-directory with these names there.
    pub(crate) fn plant_directory(&self, name: &str, names: &[String]) {
        self.remove_directory(name);
        self.plant(name, Kind::Directory, b"");
        for child in names {
            self.plant(&format!("{name}/{child}"), Kind::File, b"");
        }
    }

    /// Takes a sub-directory away, with all that is in it.
    fn remove_directory(&self, name: &str) {
        let mut disk = self.disk();
        let below = format!("{name}/").into_bytes();
        let is_left = |other: &[u8]| other != name.as_bytes() && !other.starts_with(&below);
        disk.names.retain(|other, _| is_left(other));
        disk.durable_names.retain(|other, _| is_left(other));
    }

    /// Takes the permission to enter a directory away.
    pub(super) fn shut(&self, name: &str) {
        self.disk().shut.insert(name.into());
    }

    /// Makes a file look as if it had last been changed in 1970.
    pub(super) fn make_old(&self, name: &str) {
        let mut disk = self.disk();
        let inode = disk.names[name.as_bytes()];
        disk.inodes[inode].modified = 0;
        disk.inodes[inode].changed = 0;
    }

    /// Cuts a file short.
    pub(super) fn truncate(&self, name: &str, octets: usize) {
        let mut disk = self.disk();
        let inode = disk.names[name.as_bytes()];
        disk.inodes[inode].content.truncate(octets);
    }

    /// Gives a file to another user.
    pub(super) fn set_owner(&self, name: &str, owner: u32) {
        let mut disk = self.disk();
        let inode = disk.names[name.as_bytes()];
        disk.inodes[inode].owner = owner;
    }

    /// Makes it a system where nobody can replace a file that somebody has open.
    pub(super) fn set_jealous(&self) {
        self.disk().is_jealous = true;
    }

    /// Whether it can be told who has a file open.
    pub(super) fn set_can_tell_opens(&self, can: bool) {
        self.disk().can_tell_opens = can;
    }

    /// Whether files can be locked.
    pub(super) fn set_can_lock(&self, can: bool) {
        self.disk().can_lock = can;
    }

    /// Sets what happens just before the next such operation.
    pub(super) fn set_hook(&self, operation: &'static str, action: fn(&Faulty)) {
        self.disk().hook = Some((operation, action));
    }

    fn run_hook(&self, operation: &'static str) {
        let hook = self.disk().hook.take_if(|(wanted, _)| *wanted == operation);
        if let Some((_, action)) = hook {
            action(&Faulty {
                disk: Arc::clone(&self.disk),
                prefix: Vec::new(),
            });
        }
    }

    /// All names and contents.
    pub(crate) fn listing(&self) -> BTreeMap<String, Vec<u8>> {
        let disk = self.disk();
        let show = |(name, inode): (&Vec<u8>, &usize)| {
            let name = String::from_utf8_lossy(name).into_owned();
            (name, disk.inodes[*inode].content.clone())
        };
        disk.names.iter().map(show).collect()
    }

    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.disk.lock().unwrap()
    }

    fn open(&self, name: &[u8]) -> io::Result<Box<dyn File>> {
        let name = &self.full(name);
        let mut disk = self.disk();
        disk.step("open")?;
        let inode = *disk.names.get(name).ok_or(io::ErrorKind::NotFound)?;
        if disk.inodes[inode].kind != Kind::File {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        disk.inodes[inode].opens += 1;
        Ok(Box::new(Handle::new(&self.disk, inode)))
    }
}

impl Disk {
    /// Counts an operation, and fails it if it is its turn.
    fn step(&mut self, operation: &'static str) -> io::Result<()> {
        self.trace.push(operation);
        let count = self.trace.len();
        match self.fault {
            Fault::Fail(at, kind) if count == at => Err(kind.into()),
            Fault::FailTwice(at, kind) if count == at || count == at + 1 => Err(kind.into()),
            Fault::Crash(at) if count >= at => Err(io::Error::other("no power")),
            _ => Ok(()),
        }
    }

    fn metadata(&self, inode: usize) -> Metadata {
        let Inode {
            kind,
            owner,
            modified,
            changed,
            ..
        } = self.inodes[inode];
        Metadata {
            kind,
            identity: (0, inode as u64),
            links: self.names.values().filter(|other| **other == inode).count() as u64,
            octets: self.inodes[inode].content.len() as u64,
            modified,
            changed,
            owner,
            group: 1,
            mode: 0o660,
        }
    }

    fn create(&mut self, name: &[u8], kind: Kind) -> io::Result<usize> {
        let inode = self.inodes.len();
        self.link(name, inode)?;
        self.inodes.push(Inode::new(Vec::new(), Vec::new(), kind));
        Ok(inode)
    }

    fn link(&mut self, name: &[u8], inode: usize) -> io::Result<()> {
        if self.names.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        self.change(Change::Create(name.to_vec(), inode));
        Ok(())
    }

    fn change(&mut self, change: Change) {
        change.apply(&mut self.names);
        self.changes.push(change);
    }
}

impl Inode {
    fn new(content: Vec<u8>, durable: Vec<u8>, kind: Kind) -> Inode {
        let now = super::spool::unix_seconds() as i64;
        Inode {
            content,
            durable,
            poisoned: false,
            kind,
            owner: 1,
            modified: now,
            changed: now,
            opens: 0,
            exclusive: false,
            shared: 0,
        }
    }
}

impl Change {
    /// Whether it is a change of that directory itself.
    fn is_in(&self, prefix: &[u8]) -> bool {
        let (Change::Create(name, _) | Change::Remove(name, _) | Change::Rename(name, ..)) = self;
        name.strip_prefix(prefix)
            .is_some_and(|name| !name.contains(&b'/'))
    }

    /// Makes the change, unless what it builds on is not there.
    fn apply(&self, names: &mut BTreeMap<Vec<u8>, usize>) {
        match self {
            Change::Create(name, inode) if !names.contains_key(name) => {
                names.insert(name.clone(), *inode);
            }
            Change::Rename(from, to, inode, replaced)
                if names.get(from) == Some(inode) && names.get(to) == replaced.as_ref() =>
            {
                names.remove(from);
                names.insert(to.clone(), *inode);
            }
            Change::Remove(name, inode) if names.get(name) == Some(inode) => {
                names.remove(name);
            }
            Change::Create(..) | Change::Rename(..) | Change::Remove(..) => {}
        }
    }
}

impl Fs for Faulty {
    fn open_files_are_in_the_way(&self) -> bool {
        self.disk().is_jealous
    }

    /// Operations are counted, so they come one after the other.
    fn sync_width(&self) -> usize {
        1
    }

    fn create_new(&self, name: &[u8]) -> io::Result<Box<dyn File>> {
        let name = &self.full(name);
        let mut disk = self.disk();
        disk.step("create")?;
        let inode = disk.create(name, Kind::File)?;
        disk.inodes[inode].opens = 1;
        Ok(Box::new(Handle::new(&self.disk, inode)))
    }

    fn open_read(&self, name: &[u8]) -> io::Result<Box<dyn File>> {
        self.open(name)
    }

    fn open_append(&self, name: &[u8]) -> io::Result<Box<dyn File>> {
        self.open(name)
    }

    fn rename(&self, from: &[u8], to: &[u8]) -> io::Result<()> {
        self.run_hook("rename");
        let (from, to) = (&self.full(from), &self.full(to));
        let mut disk = self.disk();
        disk.step("rename")?;
        let inode = *disk.names.get(from).ok_or(io::ErrorKind::NotFound)?;
        let replaced = disk.names.get(to).copied();
        if disk.is_jealous && replaced.is_some_and(|old| disk.inodes[old].opens > 0) {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        disk.change(Change::Rename(from.to_vec(), to.to_vec(), inode, replaced));
        disk.inodes[inode].changed = super::spool::unix_seconds() as i64;
        Ok(())
    }

    fn rename_to_new(&self, from: &[u8], to: &[u8]) -> io::Result<()> {
        if self.disk().names.contains_key(&self.full(to)) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        self.rename(from, to)
    }

    fn link(&self, from: &[u8], to: &[u8]) -> io::Result<()> {
        self.link_into(from, self, to)
    }

    fn link_into(&self, from: &[u8], other: &dyn Fs, to: &[u8]) -> io::Result<()> {
        let (from, to) = (&self.full(from), &faulty(other).full(to));
        let mut disk = self.disk();
        disk.step("link")?;
        let inode = *disk.names.get(from).ok_or(io::ErrorKind::NotFound)?;
        disk.link(to, inode)
    }

    /// Nothing is ever replaced that way.
    fn move_into(&self, from: &[u8], other: &dyn Fs, to: &[u8]) -> io::Result<()> {
        let (from, to) = (self.full(from), &faulty(other).full(to));
        let mut disk = self.disk();
        disk.step("move")?;
        let inode = *disk.names.get(&from).ok_or(io::ErrorKind::NotFound)?;
        disk.link(to, inode)?;
        disk.change(Change::Remove(from, inode));
        Ok(())
    }

    fn remove(&self, name: &[u8]) -> io::Result<()> {
        self.run_hook("remove");
        let name = &self.full(name);
        let mut disk = self.disk();
        disk.step("remove")?;
        let inode = *disk.names.get(name).ok_or(io::ErrorKind::NotFound)?;
        disk.change(Change::Remove(name.to_vec(), inode));
        Ok(())
    }

    fn names(&self, visit: &mut dyn FnMut(&[u8])) -> io::Result<()> {
        let mut disk = self.disk();
        disk.step("names")?;
        for name in disk.names.keys() {
            let name = name.strip_prefix(self.prefix.as_slice());
            if let Some(name) = name.filter(|name| !name.contains(&b'/')) {
                visit(name);
            }
        }
        Ok(())
    }

    fn metadata(&self, name: &[u8]) -> io::Result<Metadata> {
        let name = &self.full(name);
        let mut disk = self.disk();
        disk.step("examine name")?;
        let inode = *disk.names.get(name).ok_or(io::ErrorKind::NotFound)?;
        Ok(disk.metadata(inode))
    }

    fn open_subdirectory(&self, name: &[u8]) -> io::Result<Box<dyn Fs>> {
        let name = self.full(name);
        let mut disk = self.disk();
        disk.step("open directory")?;
        let inode = *disk.names.get(&name).ok_or(io::ErrorKind::NotFound)?;
        if disk.inodes[inode].kind != Kind::Directory {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        if disk.shut.contains(&name) {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        Ok(Box::new(Faulty {
            disk: Arc::clone(&self.disk),
            prefix: [&name, b"/".as_slice()].concat(),
        }))
    }

    fn create_subdirectory(&self, name: &[u8]) -> io::Result<()> {
        let mut disk = self.disk();
        disk.step("create directory")?;
        disk.create(&self.full(name), Kind::Directory).map(|_| ())
    }

    /// Locks of directories are tried on real ones.
    fn try_lock(&self) -> io::Result<Option<Box<dyn Send + Sync>>> {
        self.disk().step("lock directory")?;
        Ok(Some(Box::new(())))
    }

    fn sync(&self) -> io::Result<()> {
        self.run_hook("sync names");
        let mut disk = self.disk();
        disk.step("sync names")?;
        let (synced, others): (Vec<_>, Vec<_>) = std::mem::take(&mut disk.changes)
            .into_iter()
            .partition(|change| change.is_in(&self.prefix));
        synced
            .iter()
            .for_each(|change| change.apply(&mut disk.durable_names));
        disk.changes = others;
        Ok(())
    }
}

fn faulty(other: &dyn Fs) -> &Faulty {
    let other = (other as &dyn Any).downcast_ref();
    other.expect("invariant: all directories are in memory")
}

/// Takes away what is in directories that are not there.
fn remove_unreachable(names: &mut BTreeMap<Vec<u8>, usize>) {
    let all: BTreeSet<Vec<u8>> = names.keys().cloned().collect();
    let is_there = |name: &[u8]| {
        let mut slashes = (0..name.len()).filter(|at| name[*at] == b'/');
        slashes.all(|at| all.contains(&name[..at]))
    };
    names.retain(|name, _| is_there(name));
}

struct Handle {
    disk: Arc<Mutex<Disk>>,
    inode: usize,
    position: usize,
    lock: Mutex<Option<Lock>>,
}

#[derive(Clone, Copy, PartialEq)]
enum Lock {
    Exclusive,
    Shared,
}

impl Handle {
    fn new(disk: &Arc<Mutex<Disk>>, inode: usize) -> Handle {
        Handle {
            disk: Arc::clone(disk),
            inode,
            position: 0,
            lock: Mutex::new(None),
        }
    }

    fn take(&self, wanted: Lock) -> io::Result<bool> {
        let disk = Arc::clone(&self.disk);
        Faulty {
            disk,
            prefix: Vec::new(),
        }
        .run_hook("lock");
        let mut disk = self.disk.lock().unwrap();
        disk.step("lock")?;
        if !disk.can_lock {
            return Err(io::ErrorKind::Unsupported.into());
        }
        let inode = &mut disk.inodes[self.inode];
        let free = !inode.exclusive && (wanted == Lock::Shared || inode.shared == 0);
        if free {
            match wanted {
                Lock::Exclusive => inode.exclusive = true,
                Lock::Shared => inode.shared += 1,
            }
            *self.lock.lock().unwrap() = Some(wanted);
        }
        Ok(free)
    }
}

impl File for Handle {
    fn write_all(&mut self, octets: &[u8]) -> io::Result<()> {
        let mut disk = self.disk.lock().unwrap();
        let result = disk.step("write");
        // A write that fails may have written something.
        let written = match &result {
            Ok(()) => octets,
            Err(_) => &octets[..octets.len() / 2],
        };
        disk.inodes[self.inode].content.extend_from_slice(written);
        result
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut disk = self.disk.lock().unwrap();
        disk.step("read")?;
        let rest = &disk.inodes[self.inode].content[self.position..];
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        self.position += count;
        Ok(count)
    }

    fn metadata(&self) -> io::Result<Metadata> {
        let mut disk = self.disk.lock().unwrap();
        disk.step("examine")?;
        Ok(disk.metadata(self.inode))
    }

    fn sync(&self) -> io::Result<()> {
        let mut disk = self.disk.lock().unwrap();
        let result = disk.step("sync");
        let inode = &mut disk.inodes[self.inode];
        inode.poisoned |= result.is_err();
        if !inode.poisoned {
            inode.durable = inode.content.clone();
        }
        result
    }

    fn share(&self, _like: &Metadata) -> io::Result<()> {
        Ok(())
    }

    fn start_writeback(&self) {}

    fn try_lock(&self) -> io::Result<bool> {
        self.take(Lock::Exclusive)
    }

    fn try_lock_shared(&self) -> io::Result<bool> {
        self.take(Lock::Shared)
    }

    fn is_open_elsewhere(&self) -> Option<bool> {
        let disk = self.disk.lock().unwrap();
        disk.can_tell_opens
            .then(|| disk.inodes[self.inode].opens > 1)
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        let mut disk = self.disk.lock().unwrap();
        let inode = &mut disk.inodes[self.inode];
        inode.opens -= 1;
        match *self.lock.lock().unwrap() {
            Some(Lock::Exclusive) => inode.exclusive = false,
            Some(Lock::Shared) => inode.shared -= 1,
            None => {}
        }
    }
}

/// What is lost and what is kept.
struct Chance {
    loss: Loss,
    random: u64,
}

impl Chance {
    fn new(loss: Loss) -> Chance {
        let random = match loss {
            Loss::Some(seed) => (seed + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15),
            Loss::All | Loss::Nothing => 1,
        };
        Chance { loss, random }
    }

    fn next(&mut self, limit: usize) -> usize {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random % limit as u64) as usize
    }

    fn keeps(&mut self) -> bool {
        match self.loss {
            Loss::All => false,
            Loss::Nothing => true,
            Loss::Some(_) => self.next(2) == 0,
        }
    }

    /// What is left of a file's content.
    fn content(&mut self, inode: &Inode) -> Vec<u8> {
        if inode.content == inode.durable {
            return inode.durable.clone();
        }
        match self.loss {
            Loss::All => inode.durable.clone(),
            Loss::Nothing => inode.content.clone(),
            Loss::Some(_) => {
                let place = self.next(inode.content.len() + 1);
                let mut content = inode.content.clone();
                match self.next(4) {
                    0 => content = inode.durable.clone(),
                    1 => content.truncate(place),
                    2 => content[place..].fill(0),
                    _ => {}
                }
                content
            }
        }
    }
}
