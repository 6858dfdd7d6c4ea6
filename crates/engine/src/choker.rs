//! Who is served: tit-for-tat slots while downloading, a seed policy afterwards.

/// Which interested peers a seed serves first.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub enum SeedPolicy {
    /// Everyone in turn.
    #[default]
    RoundRobin,
    /// Those that take data fastest.
    FastestUpload,
}
