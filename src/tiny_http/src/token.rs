//! Names of connections, as the kernel gives them back with an event.

/// Names a connection for good: the slot's index, and how often the slot has been used before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Token(u64);

impl Token {
    pub(crate) fn new(index: usize, generation: u32) -> Token {
        Token(u64::from(generation) << 32 | index as u64)
    }

    pub(crate) fn from_u64(token: u64) -> Token {
        Token(token)
    }

    pub(crate) fn as_u64(self) -> u64 {
        self.0
    }

    pub(crate) fn index(self) -> usize {
        self.0 as u32 as usize
    }

    pub(crate) fn generation(self) -> u32 {
        (self.0 >> 32) as u32
    }
}
