//! The home of all sessions.

use super::Token;

/// Values addressed by [`Token`].
///
/// A value can be taken out while it is worked on and put back afterwards: its
/// token stays valid meanwhile and is not given to another.
#[derive(Debug)]
pub struct Slab<T> {
    slots: Vec<Slot<T>>,
    free: Vec<u32>,
    len: usize,
}

#[derive(Debug)]
struct Slot<T> {
    generation: u32,
    value: Option<T>,
}

impl<T> Default for Slab<T> {
    fn default() -> Slab<T> {
        Slab {
            slots: Vec::new(),
            free: Vec::new(),
            len: 0,
        }
    }
}

impl<T> Slab<T> {
    /// Reserves a token, for a value that wants to know it before it exists.
    pub fn reserve(&mut self) -> Token {
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot {
                generation: 0,
                value: None,
            });
            u32::try_from(self.slots.len() - 1).expect("invariant: fewer sessions than descriptors")
        });
        self.len += 1;
        Token {
            index,
            generation: self.slots[index as usize].generation,
        }
    }

    /// Stores a new value.
    pub fn insert(&mut self, value: T) -> Token {
        let token = self.reserve();
        self.put(token, value);
        token
    }

    /// How many tokens are in use.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether no token is in use.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The value, unless it is gone or taken out.
    pub fn get(&self, token: Token) -> Option<&T> {
        let slot = self.slots.get(token.index as usize)?;
        slot.value
            .as_ref()
            .filter(|_| slot.generation == token.generation)
    }

    /// The value, to be changed in place.
    pub fn get_mut(&mut self, token: Token) -> Option<&mut T> {
        self.slot(token)?.value.as_mut()
    }

    /// Takes the value out; its token stays reserved.
    pub fn take(&mut self, token: Token) -> Option<T> {
        self.slot(token)?.value.take()
    }

    /// Puts a value in the place reserved for it; without effect where the token
    /// has been released meanwhile.
    pub fn put(&mut self, token: Token, value: T) {
        if let Some(slot) = self.slot(token) {
            slot.value = Some(value);
        }
    }

    /// Releases the token together with its value.
    pub fn release(&mut self, token: Token) {
        let Some(slot) = self.slot(token) else { return };
        slot.value = None;
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push(token.index);
        self.len -= 1;
    }

    /// All values that are at home, with their tokens.
    pub fn iter(&self) -> impl Iterator<Item = (Token, &T)> {
        let with_token = |(index, slot): (usize, &'_ Slot<T>)| Token {
            index: u32::try_from(index).unwrap_or(u32::MAX),
            generation: slot.generation,
        };
        let entries = self.slots.iter().enumerate();
        entries.filter_map(move |(index, slot)| {
            Some((with_token((index, slot)), slot.value.as_ref()?))
        })
    }

    fn slot(&mut self, token: Token) -> Option<&mut Slot<T>> {
        let slot = self.slots.get_mut(token.index as usize)?;
        (slot.generation == token.generation).then_some(slot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_outlives_its_value_harmlessly() {
        let mut slab = Slab::default();
        let first = slab.insert("first");
        slab.release(first);
        let second = slab.insert("second");
        assert_eq!(first.index, second.index);
        assert_eq!(slab.get(first), None);
        assert_eq!(slab.take(first), None);
        slab.release(first);
        slab.put(first, "ghost");
        assert_eq!(slab.get(second), Some(&"second"));
        assert_eq!(slab.len(), 1);
    }

    #[test]
    fn a_value_taken_out_keeps_its_token() {
        let mut slab = Slab::default();
        let token = slab.insert(1);
        assert_eq!(slab.take(token), Some(1));
        assert_eq!(slab.get(token), None);
        assert_ne!(slab.insert(2), token);
        slab.put(token, 3);
        assert_eq!(slab.get(token), Some(&3));
        assert_eq!(
            slab.iter().map(|(_, value)| *value).collect::<Vec<_>>(),
            [3, 2]
        );
    }

    #[test]
    fn nobody_matches_nothing() {
        let mut slab = Slab::default();
        slab.insert(1);
        assert_eq!(slab.get(Token::NOBODY), None);
        slab.put(Token::NOBODY, 2);
        assert!(!slab.is_empty());
    }
}
