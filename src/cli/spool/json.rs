//! JSON objects on one line each.
// RFC 8259: what is written is ASCII, so that nothing in it can act on a terminal.

use std::fmt::Write;

/// An object while it is being written.
pub(super) struct Object(String);

impl Object {
    pub(super) fn new() -> Object {
        Object("{".to_owned())
    }

    /// Adds a text; octets that are not UTF-8 become U+FFFD.
    pub(super) fn text(&mut self, name: &str, value: &[u8]) {
        self.name(name);
        push_text(&mut self.0, value);
    }

    /// Adds a number.
    pub(super) fn number(&mut self, name: &str, value: impl Into<i128>) {
        self.name(name);
        // Writing to a String cannot fail.
        let _ = write!(self.0, "{}", value.into());
    }

    /// Adds a list of texts.
    pub(super) fn texts<'a>(&mut self, name: &str, values: impl Iterator<Item = &'a [u8]>) {
        self.name(name);
        self.0.push('[');
        for (number, value) in values.enumerate() {
            if number > 0 {
                self.0.push(',');
            }
            push_text(&mut self.0, value);
        }
        self.0.push(']');
    }

    /// Adds another object.
    pub(super) fn object(&mut self, name: &str, value: Object) {
        self.name(name);
        self.0 += &value.0;
        self.0.push('}');
    }

    /// The whole line with its end.
    pub(super) fn into_line(self) -> String {
        self.0 + "}\n"
    }

    fn name(&mut self, name: &str) {
        if self.0.len() > 1 {
            self.0.push(',');
        }
        push_text(&mut self.0, name.as_bytes());
        self.0.push(':');
    }
}

fn push_text(line: &mut String, text: &[u8]) {
    line.push('"');
    for c in String::from_utf8_lossy(text).chars() {
        match c {
            '"' | '\\' => line.extend(['\\', c]),
            ' '..='~' => line.push(c),
            _ => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    // Writing to a String cannot fail.
                    let _ = write!(line, "\\u{unit:04x}");
                }
            }
        }
    }
    line.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_one_line_of_ascii() {
        let mut inner = Object::new();
        inner.number("n", -5i64);
        let mut object = Object::new();
        object.text("a", b"\"\\\r\n\0\x1b\x7f\xff");
        object.text("b", "é\u{202e}\u{1f600}".as_bytes());
        object.texts("c", [&b"x"[..], b""].into_iter());
        object.texts("d", std::iter::empty());
        object.number("e", u64::MAX);
        object.object("f", inner);
        assert_eq!(
            object.into_line(),
            "{\"a\":\"\\\"\\\\\\u000d\\u000a\\u0000\\u001b\\u007f\\ufffd\",\
             \"b\":\"\\u00e9\\u202e\\ud83d\\ude00\",\"c\":[\"x\",\"\"],\"d\":[],\
             \"e\":18446744073709551615,\"f\":{\"n\":-5}}\n"
        );
        assert_eq!(Object::new().into_line(), "{}\n");
    }
}
