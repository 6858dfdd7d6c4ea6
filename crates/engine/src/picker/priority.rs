//! How much a piece is wanted.

/// How much a file or piece is wanted, from 0 to 7.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Priority(u8);

impl Priority {
    /// Not wanted at all: it is fetched only as far as a reader demands it.
    pub const NONE: Priority = Priority(0);
    /// Before nothing else.
    pub const LOW: Priority = Priority(1);
    /// The default.
    pub const NORMAL: Priority = Priority(4);
    /// Before what is normal, unless that is twice as rare.
    pub const HIGH: Priority = Priority(6);
    /// Before what is normal, unless that is four times as rare.
    pub const TOP: Priority = Priority(7);

    /// Of a number; more than 7 is 7.
    pub const fn new(number: u8) -> Priority {
        if number > 7 { Priority::TOP } else { Priority(number) }
    }

    /// As a number from 0 to 7.
    pub const fn get(self) -> u8 {
        self.0
    }

    /// Whether it is wanted at all.
    pub const fn is_wanted(self) -> bool {
        self.0 > 0
    }
}

impl Default for Priority {
    fn default() -> Priority {
        Priority::NORMAL
    }
}
