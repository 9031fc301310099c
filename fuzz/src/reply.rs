//! Replies of SMTP servers.

use emailrelay::proto::smtp::reply_reader::{
    LINE_KEPT_MAX, LINES_MAX, ReplyFault, ReplyLines, ReplyReader,
};

use super::pieces::{check_shown, same_however_cut, through_queue};

/// Replies one after the other.
pub(crate) fn reply(data: &[u8]) {
    let (replies, fault) = same_however_cut(data, read_all);
    replies.iter().for_each(check);
    if let Some(fault) = fault {
        check_shown(&fault.to_string(), 1000);
    }
    let again: Vec<u8> = replies.iter().flat_map(render).collect();
    assert_eq!(read_all(&[&again]), (replies, None));
}

fn read_all(pieces: &[&[u8]]) -> (Vec<ReplyLines>, Option<ReplyFault>) {
    let mut reader = ReplyReader::new();
    let (mut replies, mut fault) = (Vec::new(), None);
    through_queue(pieces, 1000, |queue| {
        loop {
            match reader.read(queue) {
                Ok(Some(reply)) => {
                    assert!(!reader.is_midway());
                    replies.push(reply);
                }
                Ok(None) => {
                    assert!(queue.is_empty(), "leaves input");
                    return true;
                }
                Err(why) => {
                    fault = Some(why);
                    return false;
                }
            }
        }
    });
    (replies, fault)
}

fn check(reply: &ReplyLines) {
    assert!((200..=599).contains(&reply.code));
    assert!((1..=LINES_MAX).contains(&reply.lines.len()));
    for line in &reply.lines {
        assert!(line.len() <= LINE_KEPT_MAX);
        assert!(!line.iter().any(|octet| matches!(octet, b'\n' | 0)));
    }
}

fn render(reply: &ReplyLines) -> Vec<u8> {
    let mut text = Vec::new();
    for (number, line) in (1..).zip(&reply.lines) {
        let separator = if number == reply.lines.len() {
            ' '
        } else {
            '-'
        };
        text.extend(format!("{}{separator}", reply.code).into_bytes());
        text.extend_from_slice(line);
        text.extend_from_slice(b"\r\n");
    }
    text
}
