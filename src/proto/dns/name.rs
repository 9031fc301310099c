use std::fmt;

use super::{Error, LABEL_MAX, NAME_MAX};

/// A domain name, as labels with their lengths and the root at the end.
///
/// Names are equal whatever the case of their letters (RFC 1035 2.3.3).
#[derive(Clone)]
pub struct Name {
    wire: Vec<u8>,
}

impl Name {
    /// Reads `bl.example.org`, with or without the dot of the root at the end.
    ///
    /// # Errors
    /// Where a label or the name is too long, a label is empty, or a character is
    /// none that names of services have.
    pub fn parse(text: &str) -> Result<Name, Error> {
        let root = Name { wire: vec![0] };
        let text = text.strip_suffix('.').unwrap_or(text);
        root.prefixed(text.split('.'))
    }

    /// Puts labels, the first one first, before this name.
    ///
    /// # Errors
    /// As [`Name::parse`].
    pub fn prefixed<L: AsRef<[u8]>>(
        &self,
        labels: impl IntoIterator<Item = L>,
    ) -> Result<Name, Error> {
        let mut wire = Vec::with_capacity(NAME_MAX);
        for label in labels {
            push_label(&mut wire, label.as_ref())?;
        }
        wire.extend_from_slice(&self.wire);
        Name::from_wire(wire)
    }

    /// Takes labels that have been checked, but not counted.
    pub(super) fn from_wire(wire: Vec<u8>) -> Result<Name, Error> {
        if wire.len() > NAME_MAX {
            return Err(Error::NameTooLong);
        }
        Ok(Name { wire })
    }

    /// The octets of the name in a message, not compressed.
    pub fn wire(&self) -> &[u8] {
        &self.wire
    }

    fn labels(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = self.wire.as_slice();
        std::iter::from_fn(move || {
            let (&length, after) = rest.split_first().filter(|(length, _)| **length > 0)?;
            let (label, next) = after.split_at_checked(usize::from(length))?;
            rest = next;
            Some(label)
        })
    }
}

fn push_label(wire: &mut Vec<u8>, label: &[u8]) -> Result<(), Error> {
    let is_usual = |octet: &u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_');
    match u8::try_from(label.len()) {
        Ok(0) => return Err(Error::EmptyLabel),
        Ok(length) if label.len() <= LABEL_MAX => wire.push(length),
        _ => return Err(Error::Label),
    }
    if !label.iter().all(is_usual) {
        return Err(Error::Character);
    }
    wire.extend_from_slice(label);
    // Checked here as well, so that no input makes a long buffer first.
    if wire.len() > NAME_MAX {
        return Err(Error::NameTooLong);
    }
    Ok(())
}

impl PartialEq for Name {
    fn eq(&self, other: &Name) -> bool {
        // A length octet is at most 63, which is below every letter.
        self.wire.eq_ignore_ascii_case(&other.wire)
    }
}

impl Eq for Name {}

/// Shows `bl.example.org`, and `.` for the root; octets that are not printable, and
/// dots and backslashes inside a label, as RFC 1035 5.1 has them: `\003`, `\.`.
impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, label) in self.labels().enumerate() {
            if index > 0 {
                f.write_str(".")?;
            }
            for &octet in label {
                match octet {
                    b'.' | b'\\' => write!(f, "\\{}", char::from(octet))?,
                    b'!'..=b'~' => write!(f, "{}", char::from(octet))?,
                    _ => write!(f, "\\{octet:03}")?,
                }
            }
        }
        if self.wire == [0] {
            f.write_str(".")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
