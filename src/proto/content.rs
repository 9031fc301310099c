//! Message content as it comes over the wire: where it ends, and whether its
//! lines end as they should.

/// Finds the end of the content that follows DATA and takes the dot stuffing
/// out. Nothing but CRLF, dot, CRLF ends it; a CR, LF or NUL anywhere else is
/// an octet like any other.
// RFC 5321 4.1.1.4: a bare LF must not be taken as the end of a line here.
#[derive(Debug)]
pub struct DotDecoder {
    at: At,
}

/// What a call of [`DotDecoder::decode`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decoded {
    /// How many octets of the input it used.
    pub consumed: usize,
    /// Whether the end of the content was among them, as the last.
    pub ended: bool,
}

/// Where in a line the decoder stands.
#[derive(Clone, Copy, Debug)]
enum At {
    /// After a CRLF, or at the very start.
    LineStart,
    /// After a dot that began the line: withheld, for it is stuffing or the end.
    Dot,
    /// After such a dot and a CR: the CR is withheld too.
    DotCr,
    Middle {
        after_cr: bool,
    },
}

impl DotDecoder {
    /// Makes a decoder for the content of one message.
    pub fn new() -> DotDecoder {
        // The CRLF of the DATA command itself counts: a lone dot may come first.
        DotDecoder { at: At::LineStart }
    }

    /// Appends the content found in `input` to `content`, and stops after the
    /// end of the content. How the input is cut makes no difference.
    // RFC 5321 4.5.2: the first dot of a line goes, unless nothing follows it.
    pub fn decode(&mut self, input: &[u8], content: &mut Vec<u8>) -> Decoded {
        let mut consumed = 0;
        while let Some(&octet) = input.get(consumed) {
            match self.at {
                At::LineStart if octet == b'.' => {
                    self.at = At::Dot;
                    consumed += 1;
                }
                At::Dot if octet == b'\r' => {
                    self.at = At::DotCr;
                    consumed += 1;
                }
                At::DotCr if octet == b'\n' => {
                    self.at = At::LineStart;
                    consumed += 1;
                    return Decoded {
                        consumed,
                        ended: true,
                    };
                }
                At::LineStart | At::Dot => self.at = At::Middle { after_cr: false },
                At::DotCr => {
                    content.push(b'\r');
                    self.at = At::Middle { after_cr: true };
                }
                At::Middle { after_cr } => {
                    consumed += self.copy_line(after_cr, &input[consumed..], content);
                }
            }
        }
        Decoded {
            consumed,
            ended: false,
        }
    }

    /// Copies up to the next LF, or all where there is none.
    fn copy_line(&mut self, after_cr: bool, input: &[u8], content: &mut Vec<u8>) -> usize {
        let end = input.iter().position(|octet| *octet == b'\n');
        let (before, count) = match end {
            Some(at) => (&input[..at], at + 1),
            None => (input, input.len()),
        };
        let after_cr = before.last().map_or(after_cr, |octet| *octet == b'\r');
        self.at = match end {
            Some(_) if after_cr => At::LineStart,
            Some(_) => At::Middle { after_cr: false },
            None => At::Middle { after_cr },
        };
        content.extend_from_slice(&input[..count]);
        count
    }
}

impl Default for DotDecoder {
    fn default() -> DotDecoder {
        DotDecoder::new()
    }
}

/// Looks for CR and LF octets that do not belong to a CRLF: the raw material of
/// messages smuggled past a program that takes them for line ends.
#[derive(Debug, Default)]
pub struct LineEnds {
    octets: u64,
    after_cr: bool,
    stray_at: Option<u64>,
}

impl LineEnds {
    /// Looks at the next octets of the content.
    pub fn feed(&mut self, content: &[u8]) {
        if self.stray_at.is_none() {
            self.stray_at = self.find(content).map(|at| self.octets + at as u64);
        }
        self.octets += content.len() as u64;
        if let Some(last) = content.last() {
            self.after_cr = *last == b'\r';
        }
    }

    /// Says that nothing follows: a CR at the very end stands alone.
    pub fn finish(&mut self) {
        if self.after_cr {
            self.stray_at.get_or_insert(self.octets);
        }
    }

    /// At which octet of the content the first stray one was found out: itself
    /// for an LF, the one after it for a CR.
    pub fn stray_at(&self) -> Option<u64> {
        self.stray_at
    }

    fn find(&self, content: &[u8]) -> Option<usize> {
        let mut after_cr = self.after_cr;
        for (at, &octet) in content.iter().enumerate() {
            if after_cr != (octet == b'\n') {
                return Some(at);
            }
            after_cr = octet == b'\r';
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Decodes the input in pieces of that size: the content, the octets used
    /// when the end was found, and where the first stray line end was.
    fn decode(input: &[u8], piece: usize) -> (Vec<u8>, Option<usize>, Option<u64>) {
        let (mut decoder, mut line_ends) = (DotDecoder::new(), LineEnds::default());
        let (mut content, mut used) = (Vec::new(), 0);
        for bytes in input.chunks(piece) {
            let before = content.len();
            let decoded = decoder.decode(bytes, &mut content);
            line_ends.feed(&content[before..]);
            used += decoded.consumed;
            if decoded.ended {
                line_ends.finish();
                return (content, Some(used), line_ends.stray_at());
            }
        }
        (content, None, line_ends.stray_at())
    }

    #[test]
    fn ends_content_at_crlf_dot_crlf_only() {
        let table: [(&[u8], &[u8], Option<u64>); 22] = [
            (b"", b"", None),
            (b"x\r\n", b"x\r\n", None),
            (b"..\r\n", b".\r\n", None),
            (b"..x\r\n.y\r\n...\r\n", b".x\r\ny\r\n..\r\n", None),
            (b"a.\r\n", b"a.\r\n", None),
            (b"\r\n", b"\r\n", None),
            (b". \r\n", b" \r\n", None),
            (b"a\n.\nb\r\n", b"a\n.\nb\r\n", Some(1)),
            (b"a\n.\r\nb\r\n", b"a\n.\r\nb\r\n", Some(1)),
            (b"a\r\n.\nb\r\n", b"a\r\n\nb\r\n", Some(3)),
            (b"a\r.\rb\r\n", b"a\r.\rb\r\n", Some(2)),
            (b"a\r.\r\nb\r\n", b"a\r.\r\nb\r\n", Some(2)),
            (b"a\r\n.\rb\r\n", b"a\r\n\rb\r\n", Some(4)),
            (b"a\r\n.\r\r\nb\r\n", b"a\r\n\r\r\nb\r\n", Some(4)),
            (b"a\n.\r\r\nb\r\n", b"a\n.\r\r\nb\r\n", Some(1)),
            (b"a\r\n\0.\r\nb\r\n", b"a\r\n\0.\r\nb\r\n", None),
            (b"a\r\n.\0\r\nb\r\n", b"a\r\n\0\r\nb\r\n", None),
            (b"a\r\r\n", b"a\r\r\n", Some(2)),
            (b"\n\r\n", b"\n\r\n", Some(0)),
            (b"\n\n\r\n", b"\n\n\r\n", Some(0)),
            (b".\n.\r\r\n", b"\n.\r\r\n", Some(0)),
            (b"\xff\x80\r\n", b"\xff\x80\r\n", None),
        ];
        for (wire, content, stray_at) in table {
            let input = [wire, b".\r\nQUIT\r\n"].concat();
            let expected = (content.to_vec(), Some(wire.len() + 3), stray_at);
            for piece in 1..=input.len() {
                assert_eq!(decode(&input, piece), expected, "{wire:?} by {piece}");
            }
        }
    }

    #[test]
    fn does_not_end_what_has_no_end() {
        for wire in [
            "x\r\n.",
            "x\r\n.\r",
            "x\n.\n",
            "x\r.\r\n",
            "\r\n.\r\r\n",
            ".\n",
            ".\r",
        ] {
            for piece in 1..=wire.len() {
                assert_eq!(
                    decode(wire.as_bytes(), piece).1,
                    None,
                    "{wire:?} by {piece}"
                );
            }
        }
    }

    #[test]
    fn a_cr_at_the_very_end_is_stray() {
        let mut line_ends = LineEnds::default();
        line_ends.feed(b"x\r");
        assert_eq!(line_ends.stray_at(), None);
        line_ends.finish();
        assert_eq!(line_ends.stray_at(), Some(2));
    }
}
