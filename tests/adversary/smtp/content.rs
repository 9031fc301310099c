//! Content: where it ends, what it is without the dots, and what is wrong with it.

use super::model::Model;
use super::syntax::Judgement;
use super::terms::{Chunk, Draft, Expected, Next, Place, Then};

/// docs/attacks.md: of a chunk that is refused so much is swallowed, in octets.
const SWALLOW_MAX: u64 = 64 * 1024 * 1024;

/// RFC 5321 6.3 and docs/rfc.md.
const HOPS_MAX: usize = 100;

impl Model {
    // RFC 5321 4.1.1.4, 4.5.2: CRLF.CRLF ends it, whose first CRLF may be that of
    // the DATA command, and a dot before more than that is taken away.
    pub(super) fn data(&mut self) -> Next {
        let Place::Data(draft) = &self.place else {
            return Next::Nothing;
        };
        let draft = draft.clone();
        let Some((content, length)) = unstuffed(&self.pending) else {
            return Next::Nothing;
        };
        self.pending.drain(..length);
        self.note_activity();
        self.finish(draft, &content)
    }

    // RFC 3030 2: what is counted is no command and has no end of its own.
    pub(super) fn chunk(&mut self) -> Next {
        let Place::Chunk(draft, chunk) = &self.place else {
            return Next::Nothing;
        };
        let (mut draft, chunk) = (draft.clone(), *chunk);
        let Some(octets) = self.take(chunk) else {
            return Next::Nothing;
        };
        if chunk.is_last {
            return self.finish(draft, &octets);
        }
        draft.message.content.extend(octets);
        let judgement = self.judge(&draft, false);
        let then = Then::Go(Place::Chunks(draft));
        content_reply(&judgement, 250, then, true)
    }

    pub(super) fn refused_chunk(&mut self) -> Next {
        let Place::Refused(chunk, code, back) = &self.place else {
            return Next::Nothing;
        };
        let (chunk, code, back) = (*chunk, *code, back.clone());
        let is_endless = chunk.octets > SWALLOW_MAX;
        let is_over = self.take(chunk).is_some();
        let Some(code) = code.filter(|_| is_over || is_endless) else {
            return Next::Nothing;
        };
        let mut expected = Expected::new(&[code], Then::Stay);
        expected.forgives = true;
        expected.otherwise = Some(match is_over {
            true => *back,
            false => Place::Refused(chunk, None, back),
        });
        Next::Reply(expected)
    }

    /// Takes a chunk off what is pending, once it is there.
    fn take(&mut self, chunk: Chunk) -> Option<Vec<u8>> {
        let count = usize::try_from(chunk.octets).ok()?;
        if self.pending.len() < count {
            return None;
        }
        self.note_activity();
        Some(self.pending.drain(..count).collect())
    }

    /// The content is complete.
    fn finish(&mut self, mut draft: Draft, last: &[u8]) -> Next {
        let is_chunk = matches!(self.place, Place::Chunk(..));
        draft.message.content.extend_from_slice(last);
        let judgement = self.judge(&draft, true);
        // RFC 5321 4.2.5
        let code = match self.store_fails {
            true => 452,
            false => 250,
        };
        content_reply(&judgement, code, Then::Stored(draft.message), is_chunk)
    }

    fn judge(&self, draft: &Draft, is_whole: bool) -> Judgement {
        let content = &draft.message.content;
        let mut judgement = Judgement::default();
        // RFC 1870 6.3
        if self
            .rules
            .size
            .is_some_and(|max| content.len() as u64 > max)
        {
            judgement.wrong(&[552]);
        }
        // RFC 5321 2.3.8, and RFC 3030 3 for what has no lines.
        let keeps = self.rules.keeps_stray_line_ends || draft.is_binary;
        if !keeps && has_stray_line_end(content, is_whole) {
            judgement.wrong(&[554]);
        }
        // RFC 5321 4.4, 6.3: whether a field is one of the header section is for
        // others to say where there is anything else before it.
        let lines = content.split_inclusive(|octet| *octet == b'\n');
        let is_hop = |line: &&[u8]| line.to_ascii_lowercase().starts_with(b"received:");
        if lines.clone().take_while(is_hop).count() > HOPS_MAX {
            judgement.wrong(&[554]);
        } else if lines.filter(is_hop).count() > HOPS_MAX {
            judgement.unsure(&[554]);
        }
        judgement
    }
}

/// The reply to content or a chunk; a refusal ends the transaction.
fn content_reply(judgement: &Judgement, code: u16, then: Then, is_chunk: bool) -> Next {
    let mut expected = Expected::new(&judgement.codes(code), then);
    expected.otherwise = Some(Place::Idle);
    // RFC 3030 2: further chunks may be on their way.
    expected.forgives = is_chunk;
    Next::Reply(expected)
}

/// The content at the front, and how many octets it had with its end.
fn unstuffed(octets: &[u8]) -> Option<(Vec<u8>, usize)> {
    let mut content = Vec::new();
    let mut at = 0;
    loop {
        // At the start of a line.
        match &octets[at..] {
            [b'.', b'\r', b'\n', ..] => return Some((content, at + 3)),
            [b'.', ..] => at += 1,
            _ => {}
        }
        let line = octets[at..].windows(2).position(|pair| pair == b"\r\n")? + 2;
        content.extend_from_slice(&octets[at..at + line]);
        at += line;
    }
}

fn has_stray_line_end(content: &[u8], is_whole: bool) -> bool {
    (0..content.len()).any(|at| match content[at] {
        b'\n' => at == 0 || content[at - 1] != b'\r',
        b'\r' => content.get(at + 1).map_or(is_whole, |next| *next != b'\n'),
        _ => false,
    })
}
