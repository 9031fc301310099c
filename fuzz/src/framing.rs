//! Where lines and content end.

use emailrelay::proto::content::{DotDecoder, LineEnds};
use emailrelay::proto::line::{Found, Framer};
use emailrelay::proto::stuff::{Framing, Stuffer};

use super::pieces::{at_random, check_wire, same_however_cut, selector, through_queue};

/// What follows DATA; and any content on its way out and in again.
pub(crate) fn content(data: &[u8]) {
    let (content, consumed, ended) = same_however_cut(data, decode);
    let expected = data_end(data);
    assert_eq!(ended, expected.is_some());
    assert_eq!(consumed, expected.unwrap_or(data.len()));
    assert!(content.len() <= data.len());
    let stray = same_however_cut(data, stray_at);
    assert!(stray.is_none_or(|at| at <= data.len() as u64));

    let wire = same_however_cut(data, |pieces| send(pieces, Framing::Dot));
    check_wire(&wire);
    // Each line gets a dot at most, and a lone CR or LF one octet.
    assert!(wire.len() <= 2 * data.len() + 5);
    let normal = normal(data);
    assert_eq!(
        decode(&at_random(&wire)),
        (normal.clone(), wire.len(), true)
    );
    let counted = same_however_cut(data, |pieces| send(pieces, Framing::Counted));
    assert_eq!(counted, normal);
    assert_eq!(stray_at(&[&normal]), None);
    assert_eq!(stray.is_none(), is_clean(data));
}

fn decode(pieces: &[&[u8]]) -> (Vec<u8>, usize, bool) {
    let (mut decoder, mut content) = (DotDecoder::new(), Vec::new());
    let mut consumed = 0;
    for piece in pieces {
        let decoded = decoder.decode(piece, &mut content);
        consumed += decoded.consumed;
        if decoded.ended {
            return (content, consumed, true);
        }
        assert_eq!(decoded.consumed, piece.len());
    }
    (content, consumed, false)
}

/// Where the content ends, found the slow and obvious way.
fn data_end(data: &[u8]) -> Option<usize> {
    // The CRLF of the DATA command counts.
    let all = [b"\r\n", data].concat();
    let end = all.windows(5).position(|five| five == b"\r\n.\r\n");
    end.map(|at| at + 3)
}

fn stray_at(pieces: &[&[u8]]) -> Option<u64> {
    let mut ends = LineEnds::default();
    pieces.iter().for_each(|piece| ends.feed(piece));
    ends.finish();
    ends.stray_at()
}

fn is_clean(data: &[u8]) -> bool {
    let without: Vec<u8> = String::from_utf8_lossy(&latin(data))
        .replace("\r\n", "")
        .into_bytes();
    !without.iter().any(|octet| matches!(octet, b'\r' | b'\n'))
}

fn send(pieces: &[&[u8]], framing: Framing) -> Vec<u8> {
    let (mut stuffer, mut wire) = (Stuffer::new(framing), Vec::new());
    pieces
        .iter()
        .for_each(|piece| stuffer.push(piece, &mut wire));
    stuffer.finish(&mut wire);
    wire
}

/// Octets as characters in UTF-8.
fn latin(data: &[u8]) -> Vec<u8> {
    let text: String = data.iter().map(|octet| char::from(*octet)).collect();
    text.into_bytes()
}

/// The content with its line ends repaired, the slow and obvious way.
fn normal(data: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(&latin(data)).into_owned();
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let mut text = text.replace('\n', "\r\n");
    if !text.is_empty() && !text.ends_with("\r\n") {
        text += "\r\n";
    }
    let octet = |c| u8::try_from(c).expect("made of octets");
    text.chars().map(octet).collect()
}

/// Command lines; the first octet says how long they may be.
pub(crate) fn line(data: &[u8]) {
    let (limit, input) = selector(data);
    let (line_max, swallow_max) = (2 + usize::from(limit), 3 * usize::from(limit));
    let found = same_however_cut(input, |pieces| frame(pieces, line_max, swallow_max));
    let mut octets = 0;
    for one in &found {
        if let Found::Line(line) = one {
            assert!(line.len() + 2 <= line_max);
            assert!(!line.iter().any(|octet| matches!(octet, b'\r' | b'\n')));
            octets += line.len() + 2;
        }
    }
    assert!(octets <= input.len());
    if found.iter().all(|one| matches!(one, Found::Line(_))) {
        let lines = found.iter().filter_map(|one| match one {
            Found::Line(line) => Some([line.as_slice(), b"\r\n"].concat()),
            _ => None,
        });
        let text: Vec<u8> = lines.flatten().collect();
        assert!(input.starts_with(&text));
    }
}

fn frame(pieces: &[&[u8]], line_max: usize, swallow_max: usize) -> Vec<Found> {
    let mut framer = Framer::new(line_max, swallow_max);
    let mut all = Vec::new();
    through_queue(pieces, line_max + 10, |queue| {
        loop {
            match framer.next(queue) {
                Found::NeedMore => return true,
                found @ (Found::Endless | Found::BadEnding) => {
                    all.push(found);
                    return false;
                }
                found => all.push(found),
            }
        }
    });
    all
}
