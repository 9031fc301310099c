//! Outgoing content: line ends repaired and dots doubled.
//!
//! Content may come from files that a filter or a person has edited, so nothing
//! is taken for granted. What goes out has no CR or LF outside a CRLF, whatever
//! came in: a next hop that takes a lone LF or CR for a line end must never find
//! the end of the content inside it (SMTP smuggling).

/// What marks the end of the content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// A line with nothing but a dot, and leading dots doubled (DATA).
    Dot,
    /// A count given elsewhere, so dots need nothing (BDAT).
    Counted,
}

/// Turns content, cut anywhere, into what follows DATA or BDAT on the wire.
#[derive(Debug)]
pub struct Stuffer {
    framing: Framing,
    at_line_start: bool,
    after_cr: bool,
}

impl Stuffer {
    /// Makes one for the content of one message.
    pub fn new(framing: Framing) -> Stuffer {
        Stuffer {
            framing,
            at_line_start: true,
            after_cr: false,
        }
    }

    /// Appends the wire form of the next piece of content to `out`: at most twice
    /// as many octets, in linear time. CRLF stays, a lone CR or LF becomes CRLF.
    // RFC 5321 2.3.8: CR and LF must not be sent other than as CRLF.
    pub fn push(&mut self, chunk: &[u8], out: &mut Vec<u8>) {
        out.reserve(chunk.len() + chunk.len() / 16);
        let mut rest = chunk;
        while !rest.is_empty() {
            let is_end = |byte: &u8| matches!(byte, b'\r' | b'\n');
            let length = rest.iter().position(is_end).unwrap_or(rest.len());
            let (text, after) = rest.split_at(length);
            self.push_text(text, out);
            rest = match after.split_first() {
                Some((&end, after)) => {
                    self.push_line_end(end, out);
                    after
                }
                None => after,
            };
        }
    }

    /// Appends what ends the content: a CRLF where the last line lacks one, then,
    /// with dot framing, the final dot.
    pub fn finish(self, out: &mut Vec<u8>) {
        if !self.at_line_start {
            out.extend_from_slice(b"\r\n");
        }
        if self.framing == Framing::Dot {
            out.extend_from_slice(b".\r\n");
        }
    }

    fn push_text(&mut self, text: &[u8], out: &mut Vec<u8>) {
        let Some(first) = text.first() else {
            return;
        };
        // RFC 5321 4.5.2: a dot at the start of a line gets another before it.
        if self.at_line_start && *first == b'.' && self.framing == Framing::Dot {
            out.push(b'.');
        }
        out.extend_from_slice(text);
        self.at_line_start = false;
        self.after_cr = false;
    }

    /// A CR ends the line at once; the LF that may follow then adds nothing, so
    /// that the next piece is never waited for.
    fn push_line_end(&mut self, end: u8, out: &mut Vec<u8>) {
        let completes_crlf = end == b'\n' && self.after_cr;
        if !completes_crlf {
            out.extend_from_slice(b"\r\n");
        }
        self.at_line_start = true;
        self.after_cr = end == b'\r';
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire(framing: Framing, chunks: &[&[u8]]) -> Vec<u8> {
        let mut out = Vec::new();
        let mut stuffer = Stuffer::new(framing);
        chunks.iter().for_each(|c| stuffer.push(c, &mut out));
        stuffer.finish(&mut out);
        out
    }

    const TABLE: [(&str, &str); 20] = [
        ("", ".\r\n"),
        ("a\r\n", "a\r\n.\r\n"),
        ("a", "a\r\n.\r\n"),
        ("a\nb\n", "a\r\nb\r\n.\r\n"),
        ("a\rb", "a\r\nb\r\n.\r\n"),
        ("a\r", "a\r\n.\r\n"),
        ("a\rb\nc", "a\r\nb\r\nc\r\n.\r\n"),
        ("a\r\r\nb\r\n", "a\r\n\r\nb\r\n.\r\n"),
        ("a\n\r\nb", "a\r\n\r\nb\r\n.\r\n"),
        ("a\n\rb", "a\r\n\r\nb\r\n.\r\n"),
        (".", "..\r\n.\r\n"),
        ("..\r\n", "...\r\n.\r\n"),
        ("a.\r\n.b.\r\n", "a.\r\n..b.\r\n.\r\n"),
        ("a\n.\nb", "a\r\n..\r\nb\r\n.\r\n"),
        ("a\r.\rb", "a\r\n..\r\nb\r\n.\r\n"),
        ("a\n.\r\nb", "a\r\n..\r\nb\r\n.\r\n"),
        ("a\r\n.\nb", "a\r\n..\r\nb\r\n.\r\n"),
        ("a\r\n.\r\r\nb", "a\r\n..\r\n\r\nb\r\n.\r\n"),
        ("a\r\r\n.\r\nb", "a\r\n\r\n..\r\nb\r\n.\r\n"),
        ("\0.\r\n\r\n\0", "\0.\r\n\r\n\0\r\n.\r\n"),
    ];

    #[test]
    fn stuffs_the_same_at_every_cut_point() {
        for (content, expected) in TABLE {
            let content = content.as_bytes();
            for cut in 0..=content.len() {
                let (head, tail) = content.split_at(cut);
                let written = wire(Framing::Dot, &[head, b"", tail]);
                assert_eq!(written, expected.as_bytes(), "{content:?} cut at {cut}");
            }
            let single: Vec<&[u8]> = content.chunks(1).collect();
            assert_eq!(wire(Framing::Dot, &single), expected.as_bytes());
        }
    }

    #[test]
    fn counted_content_is_repaired_but_not_stuffed() {
        assert_eq!(wire(Framing::Counted, &[b""]), b"");
        assert_eq!(wire(Framing::Counted, &[b".\na"]), b".\r\na\r\n");
        assert_eq!(wire(Framing::Counted, &[b"a\r", b"\n"]), b"a\r\n");
    }

    /// What a strict receiver makes of the wire: the content up to the first
    /// CRLF.CRLF with dots undoubled, and how many octets that took. Fails on a
    /// CR or LF outside a CRLF.
    fn unstuff(wire: &[u8]) -> (Vec<u8>, usize) {
        let (mut content, mut used) = (Vec::new(), 0);
        loop {
            let rest = &wire[used..];
            let end = rest.windows(2).position(|pair| pair == b"\r\n").unwrap();
            let line = &rest[..end];
            assert!(!line.contains(&b'\r') && !line.contains(&b'\n'));
            used += end + 2;
            if line == b"." {
                return (content, used);
            }
            content.extend_from_slice(line.strip_prefix(b".").unwrap_or(line));
            content.extend_from_slice(b"\r\n");
        }
    }

    /// The content as it should arrive, written the slow and obvious way.
    fn normal(content: &[u8]) -> Vec<u8> {
        let text: Vec<char> = content.iter().map(|b| char::from(*b)).collect();
        let text: String = text.into_iter().collect();
        let text = text.replace("\r\n", "\n").replace('\r', "\n");
        let mut text = text.replace('\n', "\r\n");
        if !text.is_empty() && !text.ends_with("\r\n") {
            text += "\r\n";
        }
        text.chars().map(|c| u8::try_from(c).unwrap()).collect()
    }

    #[test]
    #[cfg_attr(miri, ignore = "takes minutes")]
    fn a_strict_receiver_gets_all_of_it_back() {
        let mut seed = 0x1234_5678_9ABC_DEF1_u64;
        let mut random = |below: usize| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            usize::try_from(seed >> 33).unwrap() % below
        };
        for _ in 0..3000 {
            let length = random(40);
            let content: Vec<u8> = (0..length)
                .map(|_| b"\r\n\r\n.. a\0\xFF"[random(10)])
                .collect();
            let mut chunks = Vec::new();
            let mut rest = content.as_slice();
            while !rest.is_empty() {
                let (chunk, after) = rest.split_at(1 + random(rest.len()));
                chunks.push(chunk);
                rest = after;
            }
            let written = wire(Framing::Dot, &chunks);
            let (received, used) = unstuff(&written);
            assert_eq!(received, normal(&content), "{content:?}");
            assert_eq!(used, written.len(), "ended early: {content:?}");
            assert_eq!(wire(Framing::Counted, &chunks), normal(&content));
        }
    }
}
