//! The filters on a real directory.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use super::*;
use crate::filter::chain::{Side, Subject};
use crate::filter::verdict::Verdict;
use crate::store::{Envelope, Spool, StoredId, Suffix};
use crate::sys::testing::TempDir;

const STEM: &str = "emailrelay.7.1795360975.10000000005";
const CONTENT: &str = "Received: x\r\nSubject: y\r\n\r\ntext\r\n";

/// A directory with a message in the hands of filters.
struct Bed {
    folder: TempDir,
    subject: Subject,
}

fn line(text: &str) -> OneLine {
    OneLine::new(text).unwrap()
}

fn lines(texts: &[&str]) -> Vec<OneLine> {
    texts.iter().copied().map(line).collect()
}

impl Bed {
    fn new(side: Side, local: &[&str], remote: &[&str]) -> Bed {
        let folder = TempDir::new();
        let subject = Subject {
            side,
            spool: Spool::open(folder.path(), 1).unwrap(),
            id: StoredId::parse(STEM.as_bytes()).unwrap(),
            cancelled: Arc::new(AtomicBool::new(false)),
            suffix: match side {
                Side::Server => Suffix::EnvelopeNew,
                Side::Client => Suffix::EnvelopeBusy,
            },
        };
        let bed = Bed { folder, subject };
        bed.write(".content", CONTENT);
        bed.set_envelope(&Envelope {
            reverse_path: line("me@src.test"),
            local_recipients: lines(local),
            remote_recipients: lines(remote),
            ..Envelope::default()
        });
        bed
    }

    fn server(local: &[&str], remote: &[&str]) -> Bed {
        Bed::new(Side::Server, local, remote)
    }

    fn write(&self, suffix: &str, text: &str) {
        self.folder.write(format!("{STEM}{suffix}"), text);
    }

    fn set_envelope(&self, envelope: &Envelope) {
        fs::write(self.subject.envelope(), envelope.print().unwrap()).unwrap();
    }

    fn make(&self, directory: &str) {
        fs::create_dir_all(self.folder.join(directory)).unwrap();
    }

    fn surroundings(&self) -> Surroundings {
        Surroundings {
            timeout: None,
            domain: line("relay.test"),
            delivery_dir: None,
            name_servers: Vec::new,
        }
    }

    fn run(&self, name: &str, parameters: &str) -> Verdict {
        let filter = make(name, parameters, &self.surroundings()).unwrap();
        filter.run(&self.subject).verdict
    }

    /// All files, by their paths, with `ID` for the message's id.
    fn files(&self) -> Vec<String> {
        let mut found = Vec::new();
        walk(self.folder.path(), &mut found);
        let start = self.folder.path().to_str().unwrap().len() + 1;
        let mut names: Vec<String> = found
            .iter()
            .map(|path| path.to_str().unwrap()[start..].replace(STEM, "ID"))
            .map(|name| name.replace('\\', "/"))
            .collect();
        names.sort();
        names
    }

    fn text(&self, name: &str) -> String {
        let path = self.folder.join(name.replace("ID", STEM));
        String::from_utf8(fs::read(path).unwrap()).unwrap()
    }

    fn envelope(&self, name: &str) -> Envelope {
        Envelope::parse(self.text(name).as_bytes()).unwrap()
    }

    fn own_envelope(&self) -> Envelope {
        let suffix = self.subject.suffix.as_str();
        self.envelope(&format!("ID{suffix}"))
    }
}

fn walk(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => walk(&path, found),
            false => found.push(path),
        }
    }
}

#[test]
fn copies_go_into_all_sub_directories() {
    let bed = Bed::server(&[], &["a@x.test"]);
    for directory in ["alice", "bob", "postmaster", ".hidden", "box/sub"] {
        bed.make(directory);
    }
    assert_eq!(bed.run("copy", ""), Verdict::Abandon);
    let mut expected = Vec::new();
    for name in ["alice", "bob", "box"] {
        expected.push(format!("{name}/ID.content"));
        expected.push(format!("{name}/ID.envelope"));
        assert_eq!(bed.text(&format!("{name}/ID.content")), CONTENT);
        let envelope = bed.envelope(&format!("{name}/ID.envelope"));
        assert_eq!(envelope.remote_recipients, [line("a@x.test")]);
    }
    assert_eq!(bed.files(), expected);
}

#[test]
fn copies_may_share_one_content() {
    for parameters in ["p", "pop", "pop;hardlink", "h;p"] {
        let bed = Bed::server(&[], &["a@x.test"]);
        bed.make("alice");
        assert_eq!(bed.run("copy", parameters), Verdict::Abandon);
        assert_eq!(bed.files(), ["ID.content", "alice/ID.envelope"]);
        // The content is needed, and not what a dead process has left.
        assert!(!bed.subject.spool.recover().unwrap().has_changes());
    }
}

#[cfg(unix)]
#[test]
fn copies_may_be_links_and_leave_the_message() {
    use std::os::unix::fs::MetadataExt;
    let bed = Bed::server(&[], &["a@x.test"]);
    bed.make("alice");
    bed.make("bob");
    assert_eq!(bed.run("copy", "hardlink;nodelete"), Verdict::Accept);
    let about = fs::metadata(bed.subject.content()).unwrap();
    assert_eq!(about.nlink(), 3);
    assert_eq!(bed.text("bob/ID.content"), CONTENT);
    let files = bed.files();
    assert_eq!(files.len(), 6, "{files:?}");
    // A second run, as after a failed attempt, changes nothing.
    assert_eq!(bed.run("copy", "h;n"), Verdict::Accept);
    assert_eq!(bed.files(), files);
}

#[test]
fn without_sub_directories_the_message_goes_on() {
    let bed = Bed::server(&[], &["a@x.test"]);
    bed.make("postmaster");
    assert_eq!(bed.run("copy", ""), Verdict::Accept);
    assert_eq!(bed.files(), ["ID.content", "ID.envelope.new"]);
}

#[test]
fn a_maildir_gets_the_content_alone() {
    let bed = Bed::server(&[], &["a@x.test"]);
    for directory in ["alice/tmp", "alice/new", "alice/cur"] {
        bed.make(directory);
    }
    assert_eq!(bed.run("copy", "pop"), Verdict::Abandon);
    let files = bed.files();
    assert_eq!(files.len(), 2, "{files:?}");
    let name = files.last().unwrap();
    assert!(name.starts_with("alice/new/"), "{name}");
    assert_eq!(bed.text(name), CONTENT);
    assert!(!name.contains(':'));
}

#[cfg(unix)]
#[test]
fn no_copy_is_made_where_one_of_them_fails() {
    use std::os::unix::fs::symlink;
    // A sub-directory in which a directory has the name of the copy's file.
    let bed = Bed::server(&[], &["a@x.test"]);
    bed.make("alice");
    bed.make(&format!("bob/{STEM}.content.new/full"));
    let verdict = bed.run("copy", "");
    assert!(matches!(verdict, Verdict::Fail(_)), "{verdict:?}");
    assert_eq!(bed.files(), ["ID.content", "ID.envelope.new"]);
    // Links are not followed.
    let outside = Bed::server(&[], &["a@x.test"]);
    let bed = Bed::server(&["mallory"], &[]);
    symlink(outside.folder.path(), bed.folder.join("mallory")).unwrap();
    let before = outside.files();
    assert!(matches!(bed.run("deliver", ""), Verdict::Fail(_)));
    assert_eq!(outside.files(), before);
    fs::remove_file(bed.folder.join("mallory")).unwrap();
}

#[test]
fn local_recipients_get_their_mail() {
    let bed = Bed::server(&["bob", "alice", "bob"], &[]);
    bed.make("bob");
    assert_eq!(bed.run("deliver", ""), Verdict::Abandon);
    let expected = [
        "alice/ID.content",
        "alice/ID.envelope",
        "bob/ID.content",
        "bob/ID.envelope",
    ];
    assert_eq!(bed.files(), expected);
    let envelope = bed.envelope("bob/ID.envelope");
    assert_eq!(envelope.local_recipients.len(), 3);
    assert_eq!(bed.text("alice/ID.content"), CONTENT);
}

#[cfg(unix)]
#[test]
fn mailboxes_are_for_owner_and_group() {
    use std::os::unix::fs::PermissionsExt;
    let bed = Bed::server(&["alice"], &[]);
    assert_eq!(bed.run("deliver", ""), Verdict::Abandon);
    for name in ["alice", "alice/ID.content", "alice/ID.envelope"] {
        let path = bed.folder.join(name.replace("ID", STEM));
        let mode = fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode & 0o007, 0, "{name} {mode:o}");
    }
}

#[test]
fn with_remote_recipients_the_message_goes_on_to_them() {
    let bed = Bed::server(&["alice"], &["a@x.test"]);
    assert_eq!(bed.run("deliver", "hardlink"), Verdict::Accept);
    let expected = [
        "ID.content",
        "ID.envelope.new",
        "alice/ID.content",
        "alice/ID.envelope",
    ];
    assert_eq!(bed.files(), expected);
    let envelope = bed.own_envelope();
    assert!(envelope.local_recipients.is_empty());
    assert_eq!(envelope.remote_recipients, [line("a@x.test")]);
    let copy = bed.envelope("alice/ID.envelope");
    assert_eq!(copy.local_recipients, [line("alice")]);
}

#[test]
fn nobody_is_struck_off_whose_copy_is_not_there() {
    let bed = Bed::new(Side::Client, &["alice"], &["b@x.test"]);
    // Nothing can be renamed to the name of a directory.
    bed.make(&format!("alice/{STEM}.envelope"));
    let verdict = bed.run("deliver", "");
    assert!(matches!(verdict, Verdict::Fail(_)), "{verdict:?}");
    assert_eq!(bed.own_envelope().local_recipients, lines(&["alice"]));
}

#[test]
fn a_message_may_stay_as_it_is() {
    for remote in [&["a@x.test"][..], &[]] {
        let bed = Bed::server(&["alice"], remote);
        let before = bed.own_envelope();
        assert_eq!(bed.run("deliver", "nodelete"), Verdict::Accept);
        assert_eq!(bed.own_envelope(), before);
        assert_eq!(bed.files().len(), 4);
    }
    let bed = Bed::server(&[], &["a@x.test"]);
    assert_eq!(bed.run("deliver", ""), Verdict::Accept);
    assert_eq!(bed.files(), ["ID.content", "ID.envelope.new"]);
}

#[test]
fn mailbox_names_lead_nowhere_else() {
    for name in ["../evil", "..", ".", ".x", "a/b", "/etc", ""] {
        let bed = Bed::server(&["alice", name], &["a@x.test"]);
        let verdict = bed.run("deliver", "");
        assert!(matches!(verdict, Verdict::Fail(_)), "{name}: {verdict:?}");
        assert_eq!(bed.files(), ["ID.content", "ID.envelope.new"], "{name}");
    }
}

#[test]
fn mailboxes_may_be_elsewhere() {
    let bed = Bed::server(&["alice"], &[]);
    bed.make("elsewhere/alice/new");
    bed.make("elsewhere/alice/cur");
    bed.make("elsewhere/alice/tmp");
    let surroundings = Surroundings {
        delivery_dir: Some(bed.folder.join("elsewhere")),
        ..bed.surroundings()
    };
    let filter = make("deliver", "h", &surroundings).unwrap();
    assert_eq!(filter.run(&bed.subject).verdict, Verdict::Abandon);
    let files = bed.files();
    assert_eq!(files.len(), 1, "{files:?}");
    assert!(files[0].starts_with("elsewhere/alice/new/"), "{files:?}");
    assert_eq!(bed.text(&files[0]), CONTENT);
    let surroundings = Surroundings {
        delivery_dir: Some(bed.folder.join("missing")),
        ..bed.surroundings()
    };
    let error = make("deliver", "", &surroundings).unwrap_err();
    assert!(
        error.starts_with("deliver: cannot open directory "),
        "{error}"
    );
}

/// The envelopes of all messages in the spool directory but the first, by
/// `ForwardTo`.
fn siblings(bed: &Bed, suffix: &str) -> Vec<(String, Envelope, String)> {
    let is_other = |name: &&String| name.ends_with(suffix) && !name.starts_with("ID.");
    let files = bed.files();
    let mut found: Vec<_> = files
        .iter()
        .filter(is_other)
        .map(|name| {
            let envelope = bed.envelope(name);
            (envelope.forward_to.to_string(), envelope, name.clone())
        })
        .collect();
    found.sort_by(|left, right| left.0.cmp(&right.0));
    found
}

#[test]
fn one_message_becomes_one_for_each_domain() {
    for side in [Side::Server, Side::Client] {
        let remote = [
            "1@b.test", "2@A.test", "3@B.TEST", "4@a.test", "nowhere", "5@c.test",
        ];
        let bed = Bed::new(side, &["alice"], &remote);
        assert_eq!(bed.run("split", "2525"), Verdict::Accept);
        let first = bed.own_envelope();
        assert_eq!(first.forward_to, OneLine::default());
        assert_eq!(first.remote_recipients, [line("nowhere")]);
        assert_eq!(first.local_recipients, [line("alice")]);
        let others = siblings(&bed, ".envelope");
        let expected = [
            ("a.test:2525", ["2@A.test", "4@a.test"].as_slice()),
            ("b.test:2525", &["1@b.test", "3@B.TEST"]),
            ("c.test:2525", &["5@c.test"]),
        ];
        assert_eq!(others.len(), expected.len());
        for ((forward_to, envelope, name), (domain, recipients)) in others.iter().zip(expected) {
            assert_eq!(forward_to, domain);
            assert_eq!(envelope.remote_recipients, lines(recipients));
            assert!(envelope.local_recipients.is_empty());
            assert_eq!(envelope.trailer, first.trailer);
            let content = name.replace(".envelope", ".content");
            assert_eq!(bed.text(&content), CONTENT);
        }
        let trailer: Vec<String> = first.trailer.iter().map(OneLine::to_string).collect();
        assert_eq!(trailer[0], "X-MailRelay-SplitGroupCount: 4");
        assert_eq!(trailer[1], format!("X-MailRelay-SplitGroup: {STEM}"));
        assert_eq!(trailer.len(), 5);
        let report = bed.subject.spool.scan().unwrap();
        assert!(report.ready.len() >= 3);
    }
}

#[test]
fn a_message_is_split_for_only_so_many_domains() {
    let all: Vec<String> = (0..=split::GROUPS_MAX)
        .map(|number| format!("a@{number}.test"))
        .collect();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    let bed = Bed::server(&[], &all);
    let verdict = bed.run("split", "");
    assert!(
        matches!(&verdict, Verdict::Fail(why) if why.ends_with("too many domains")),
        "{verdict:?}"
    );
    assert_eq!(bed.files(), ["ID.content", "ID.envelope.new"]);
}

#[test]
fn one_domain_stays_one_message() {
    let bed = Bed::server(&[], &["1@b.test", "2@B.test"]);
    assert_eq!(bed.run("split", ""), Verdict::Accept);
    let envelope = bed.own_envelope();
    assert_eq!(envelope.forward_to, line("b.test"));
    assert!(envelope.trailer.is_empty());
    assert_eq!(bed.files(), ["ID.content", "ID.envelope.new"]);
    // Unless case matters.
    assert_eq!(bed.run("split", "raw"), Verdict::Accept);
    assert_eq!(bed.own_envelope().forward_to, line("B.test"));
    assert_eq!(siblings(&bed, ".envelope").len(), 1);
    let bed = Bed::server(&["alice"], &[]);
    let before = bed.own_envelope();
    assert_eq!(bed.run("split", ""), Verdict::Accept);
    assert_eq!(bed.own_envelope(), before);
}

#[test]
fn a_message_id_is_added_where_there_is_none() {
    for (content, is_added) in [
        (CONTENT, true),
        ("", true),
        ("\r\nMessage-ID: <in@body>\r\n", true),
        ("Subject: x\r\n\r\nMessage-ID: <in@body>\r\n", true),
        ("Subject: header only\r\n", true),
        ("X-Message-ID: <a@b>\r\n\r\n", true),
        ("Subject: x\r\n Message-ID: <folded@x>\r\n\r\n", true),
        ("Subject: x\r\nMessage-ID: <a@b>\r\n\r\n", false),
        ("message-id:<a@b>\r\n\r\n", false),
        ("Subject: x\nMESSAGE-ID: <a@b>\n\nLF only\n", false),
        ("Message-ID:\r\n\r\n", false),
    ] {
        let bed = Bed::server(&[], &["a@x.test"]);
        bed.write(".content", content);
        assert_eq!(bed.run("msgid", ""), Verdict::Accept);
        let edited = bed.text("ID.content");
        if !is_added {
            assert_eq!(edited, content);
            continue;
        }
        let (field, rest) = edited.split_once("\r\n").unwrap();
        assert_eq!(rest, content);
        let id = field.strip_prefix("Message-ID: <").unwrap();
        let (random, end) = id.split_at(32);
        assert!(random.bytes().all(|octet| octet.is_ascii_hexdigit()));
        assert_eq!(end, "@relay.test>");
        // Once is enough.
        assert_eq!(bed.run("msgid", ""), Verdict::Accept);
        assert_eq!(bed.text("ID.content"), edited);
        assert_eq!(bed.files(), ["ID.content", "ID.envelope.new"]);
    }
}

#[test]
fn a_message_id_is_looked_for_in_so_much_of_a_header_section() {
    let field = "X-Filler: 0123456789\r\n";
    let fields = usize::try_from(msgid::HEADER_OCTETS_MAX).unwrap() / field.len();
    for (count, is_added) in [(fields - 1, false), (2 * fields, true)] {
        let bed = Bed::server(&[], &["a@x.test"]);
        let content = field.repeat(count) + "Message-ID: <a@b>\r\n\r\n";
        bed.write(".content", &content);
        assert_eq!(bed.run("msgid", ""), Verdict::Accept);
        assert_eq!(bed.text("ID.content") != content, is_added);
    }
}

#[test]
fn a_long_content_is_edited_whole() {
    let bed = Bed::server(&[], &["a@x.test"]);
    let content = format!(
        "Subject: x\r\n\r\n{}",
        "0123456789abcdef\r\n".repeat(200_000)
    );
    bed.write(".content", &content);
    assert_eq!(bed.run("msgid", ""), Verdict::Accept);
    assert!(bed.text("ID.content").ends_with(&content));
}

#[test]
fn a_missing_content_is_trouble_and_nothing_else() {
    for name in ["msgid", "split", "deliver", "copy"] {
        let bed = Bed::server(&["alice"], &["a@x.test", "b@y.test"]);
        bed.make("bob");
        fs::remove_file(bed.subject.content()).unwrap();
        let verdict = bed.run(name, "");
        assert!(matches!(verdict, Verdict::Fail(_)), "{name}: {verdict:?}");
        assert_eq!(bed.files(), ["ID.envelope.new"], "{name}");
    }
}

#[test]
fn routes_are_written_to_the_envelope() {
    let bed = Bed::new(Side::Client, &[], &["a@x.test"]);
    let mut envelope = bed.own_envelope();
    assert_eq!(bed.run("mx", ""), Verdict::Accept);
    assert_eq!(bed.own_envelope(), envelope);
    envelope.forward_to = line("[192.0.2.1]:26");
    bed.set_envelope(&envelope);
    assert_eq!(bed.run("mx", "127.0.0.1:9"), Verdict::Accept);
    assert_eq!(bed.own_envelope().forward_to_address, line("192.0.2.1:26"));
    assert_eq!(bed.files(), ["ID.content", "ID.envelope.busy"]);
    envelope.forward_to = line("not+20a+20name");
    bed.set_envelope(&envelope);
    let verdict = bed.run("mx", "127.0.0.1:9");
    let Verdict::Reject(rejection) = verdict else {
        panic!("{verdict:?}")
    };
    assert_eq!(rejection.code, Some(550));
}

#[test]
fn parameters_that_are_not_known_are_errors() {
    let bed = Bed::server(&[], &[]);
    for (name, parameters) in [
        ("copy", "x"),
        ("copy", "pop,nodelete"),
        ("deliver", "pop"),
        ("split", "0"),
        ("split", "65536"),
        ("split", "25;26"),
        ("split", "RAW"),
        ("msgid", "x"),
        ("mx", "x"),
        ("other", ""),
    ] {
        assert!(
            make(name, parameters, &bed.surroundings()).is_err(),
            "{name}:{parameters}"
        );
    }
}

#[test]
fn filters_are_shown_as_they_are_written() {
    let bed = Bed::server(&[], &[]);
    for text in [
        "copy:",
        "copy:pop;nodelete",
        "copy:hardlink",
        "deliver:",
        "deliver:hardlink;nodelete",
        "split:",
        "split:raw;25",
        "msgid:",
        "mx:",
        "mx:127.0.0.1:54;[::1]:53",
    ] {
        let (name, parameters) = text.split_once(':').unwrap();
        let filter = make(name, parameters, &bed.surroundings()).unwrap();
        assert_eq!(filter.name(), text);
    }
    for (edits, name) in [
        (false, "spam:127.0.0.1:783"),
        (true, "spam-edit:127.0.0.1:783"),
    ] {
        let target = Target::parse("127.0.0.1:spamd").unwrap();
        assert_eq!(spam(target, edits, &bed.surroundings()).name(), name);
    }
    assert_eq!(Suffix::EnvelopeNew, bed.subject.suffix);
}
