//! A message's header section in the hands of a program that submits it: taken in
//! line by line, looked into and added to.
//!
//! The section ends at the first empty line, or before the first line that can be
//! neither a field nor the continuation of one, as [`super::message`] has it.
// RFC 5322 2.2: field name of printable octets without colon, colon, body.

use crate::base::ascii;

/// A field: its lines with CRLF, as they are to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    text: Vec<u8>,
    name_length: usize,
    is_clean: bool,
}

impl Field {
    /// Makes a field of one line.
    ///
    /// # Panics
    /// If the name is not one or the body has a control character: both come from
    /// the program.
    pub fn new(name: &str, body: &[u8]) -> Field {
        let is_clean = body.iter().all(|octet| !octet.is_ascii_control());
        assert!(is_clean && name_length(name.as_bytes()).is_none());
        let line = [name.as_bytes(), b": ", body].concat();
        Field::from_line(&line).expect("invariant: it has a name and a colon")
    }

    /// Makes a field of lines, all but the first of which start with a blank; nothing
    /// if they are none.
    pub fn from_lines(lines: &[Vec<u8>]) -> Option<Field> {
        let (first, rest) = lines.split_first()?;
        let mut field = Field::from_line(first)?;
        for line in rest {
            let continued = matches!(line.first(), Some(b' ' | b'\t'));
            continued.then(|| field.push(line))?;
        }
        Some(field)
    }

    /// Takes the first line of a field; nothing if it is none.
    fn from_line(line: &[u8]) -> Option<Field> {
        let name_length = name_length(line)?;
        let mut field = Field {
            text: Vec::new(),
            name_length,
            is_clean: true,
        };
        field.push(line);
        Some(field)
    }

    /// Adds a line. What could be taken for its end becomes a blank.
    // RFC 5321 2.3.8: CR and LF only as CRLF; RFC 5322 4: NUL is obsolete.
    fn push(&mut self, line: &[u8]) {
        let clean = |octet: &u8| match octet {
            b'\r' | 0 => b' ',
            _ => *octet,
        };
        self.is_clean &= !line.iter().any(|octet| matches!(octet, b'\r' | 0));
        self.text.extend(line.iter().map(clean));
        self.text.extend_from_slice(b"\r\n");
    }

    /// Whether it has that name, in any case.
    pub fn is(&self, name: &str) -> bool {
        let own = self.text.get(..self.name_length).unwrap_or_default();
        ascii::eq(own, name.as_bytes())
    }

    /// Whether its lines are as they came, without anything that could be taken for
    /// their end.
    pub fn is_clean(&self) -> bool {
        self.is_clean
    }

    /// Its lines.
    pub fn as_bytes(&self) -> &[u8] {
        &self.text
    }

    /// Its body, unfolded.
    pub fn body(&self) -> Vec<u8> {
        let colon = self.text.iter().position(|octet| *octet == b':');
        let body = self
            .text
            .get(colon.map_or(0, |at| at + 1)..)
            .unwrap_or_default();
        // RFC 5322 2.2.3: a CRLF before a blank goes away; and so does the last one.
        let is_end = |octet: &&u8| !matches!(octet, b'\r' | b'\n');
        let unfolded: Vec<u8> = body.iter().filter(is_end).copied().collect();
        ascii::trim(&unfolded).to_vec()
    }
}

/// How long the name of the field is that a line begins, if it begins one.
fn name_length(line: &[u8]) -> Option<usize> {
    let colon = line.iter().position(|octet| *octet == b':')?;
    // RFC 5322 4.5: blanks before the colon, which are obsolete.
    let name = line.get(..colon)?;
    let length = name
        .iter()
        .rposition(|octet| !matches!(octet, b' ' | b'\t'))?
        + 1;
    let name = name.get(..length)?;
    name.iter().all(u8::is_ascii_graphic).then_some(length)
}

/// What came of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It is part of the header section.
    Field,
    /// It was the empty line after the section.
    End,
    /// It is the first line of the body, without an empty one before it.
    Body,
}

/// The header section so far.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct HeaderSection {
    fields: Vec<Field>,
    octets: usize,
    has_begun: bool,
}

impl HeaderSection {
    /// Takes the next line, without its line end.
    pub fn take(&mut self, line: &[u8]) -> Taken {
        let is_first = !self.has_begun;
        self.has_begun = true;
        let continued = matches!(line.first(), Some(b' ' | b'\t'));
        if line.is_empty() {
            return Taken::End;
        }
        // What mbox files have before each message, and pipes from them.
        if is_first && (line.starts_with(b"From ") || line.starts_with(b">From ")) {
            return Taken::Field;
        }
        self.octets += line.len() + 2;
        match (continued, self.fields.last_mut(), Field::from_line(line)) {
            (true, Some(field), _) => field.push(line),
            (false, _, Some(field)) => self.fields.push(field),
            _ => return Taken::Body,
        }
        Taken::Field
    }

    /// How many octets it has.
    pub fn octets(&self) -> usize {
        self.octets
    }

    /// Whether there is a field of that name.
    pub fn has(&self, name: &str) -> bool {
        self.all(name).next().is_some()
    }

    /// All fields of that name.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Field> {
        self.fields.iter().filter(move |field| field.is(name))
    }

    /// Removes all fields of that name.
    pub fn remove(&mut self, name: &str) {
        self.fields.retain(|field| !field.is(name));
    }

    /// Puts fields before all others.
    pub fn prepend(&mut self, fields: Vec<Field>) {
        self.fields.splice(0..0, fields);
    }

    /// Adds a field after all others.
    pub fn append(&mut self, field: Field) {
        self.fields.push(field);
    }

    /// The section, and the empty line after it.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut text = Vec::with_capacity(self.octets + 2);
        for field in &self.fields {
            text.extend_from_slice(field.as_bytes());
        }
        text.extend_from_slice(b"\r\n");
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The section that these lines make, and what came of the last of them.
    fn section(lines: &[&str]) -> (HeaderSection, Taken) {
        let mut section = HeaderSection::default();
        let mut taken = Taken::Field;
        for line in lines {
            assert_eq!(taken, Taken::Field);
            taken = section.take(line.as_bytes());
        }
        (section, taken)
    }

    #[test]
    fn fields_are_found_and_unfolded() {
        let lines = ["To : a,", "\tb", "SUBJECT:x", "to: c\r", ""];
        let (section, taken) = section(&lines);
        assert_eq!(taken, Taken::End);
        let bodies: Vec<_> = section.all("To").map(Field::body).collect();
        assert_eq!(bodies, [b"a,\tb".to_vec(), b"c".to_vec()]);
        assert!(section.has("subject") && !section.has("t"));
        let expected = b"To : a,\r\n\tb\r\nSUBJECT:x\r\nto: c \r\n\r\n";
        assert_eq!(section.to_bytes(), expected);
        assert_eq!(section.octets(), 32);
    }

    #[test]
    fn the_section_ends_before_what_is_no_field() {
        for line in ["no field", ": x", " continued", "a b: c", "\u{e4}: x"] {
            let (section, taken) = section(&[line]);
            assert_eq!(taken, Taken::Body, "{line}");
            assert_eq!(section.to_bytes(), b"\r\n");
        }
        assert_eq!(section(&["From me Mon", "A: b", "From me"]).1, Taken::Body);
        let (section, _) = section(&[">From me Mon", "A: b", ""]);
        assert_eq!(section.to_bytes(), b"A: b\r\n\r\n");
    }

    #[test]
    fn nothing_in_a_line_begins_another() {
        let (section, _) = section(&["Subject: x\rBcc: y\0z", " c\r\r"]);
        assert_eq!(section.to_bytes(), b"Subject: x Bcc: y z\r\n c  \r\n\r\n");
        assert!(!section.has("bcc"));
        assert!(section.all("subject").all(|field| !field.is_clean()));
    }

    #[test]
    fn fields_are_added_and_removed() {
        let (mut section, _) = section(&["A: 1", "Bcc: x", "b: 2", "BCC: y", " z"]);
        section.remove("bcc");
        section.prepend(vec![Field::new("X", b"1"), Field::new("Y", b"2")]);
        section.append(Field::new("Z", b""));
        let text = b"X: 1\r\nY: 2\r\nA: 1\r\nb: 2\r\nZ: \r\n\r\n";
        assert_eq!(section.to_bytes(), text);
    }
}
