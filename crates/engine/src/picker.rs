//! Which block to ask for next.

/// The order of pieces among equals.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub enum Order {
    /// What fewest peers have first (BEP 3's advice); the first pieces at random.
    #[default]
    RarestFirst,
    /// Ascending.
    Sequential,
}
