use super::{Error, HEADER_LEN, NAME_MAX, Name, POINTERS_MAX};

/// A place in a message, from which fields are read that may not be there.
pub(super) struct Reader<'a> {
    message: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(message: &'a [u8]) -> Reader<'a> {
        Reader { message, at: 0 }
    }

    /// How many octets have been read.
    pub(super) fn position(&self) -> usize {
        self.at
    }

    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8], Error> {
        let rest = self.message.get(self.at..).ok_or(Error::Short)?;
        let taken = rest.get(..count).ok_or(Error::Short)?;
        self.at += count;
        Ok(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        self.take(N)?.try_into().map_err(|_| Error::Short)
    }

    pub(super) fn u8(&mut self) -> Result<u8, Error> {
        self.array().map(u8::from_be_bytes)
    }

    pub(super) fn u16(&mut self) -> Result<u16, Error> {
        self.array().map(u16::from_be_bytes)
    }

    /// Reads a name; what comes next is what follows it, or follows its first pointer.
    pub(super) fn name(&mut self) -> Result<Name, Error> {
        let mut wire = Vec::new();
        let mut run = self.at;
        let mut after = None;
        for _ in 0..=POINTERS_MAX {
            let Some(target) = self.labels(&mut wire)? else {
                self.at = after.unwrap_or(self.at);
                return Name::from_wire(wire);
            };
            after.get_or_insert(self.at);
            // RFC 1035 4.1.4: a pointer leads to a prior occurrence. Each one has to
            // lead to before the labels it ends, so none is met twice.
            if !(HEADER_LEN..run).contains(&target) {
                return Err(Error::Pointer);
            }
            (run, self.at) = (target, target);
        }
        Err(Error::Pointer)
    }

    /// Reads labels up to the root, or to a pointer, whose target it returns.
    fn labels(&mut self, wire: &mut Vec<u8>) -> Result<Option<usize>, Error> {
        loop {
            let first = self.u8()?;
            match first >> 6 {
                0b00 => {
                    wire.push(first);
                    wire.extend_from_slice(self.take(usize::from(first))?);
                }
                0b11 => {
                    let high = usize::from(first & 0b0011_1111);
                    return Ok(Some(high << 8 | usize::from(self.u8()?)));
                }
                _ => return Err(Error::Label),
            }
            if wire.len() > NAME_MAX {
                return Err(Error::NameTooLong);
            }
            if first == 0 {
                return Ok(None);
            }
        }
    }
}
