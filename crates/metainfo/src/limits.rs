//! What a reader accepts.

use types::limits;

/// Bounds on a torrent, each checked before memory is taken for what it bounds. The defaults are those of
/// [`types::limits`].
///
/// ```
/// use riverrun_metainfo::Limits;
/// let mut limits = Limits::default();
/// limits.trackers = 20;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Longest `.torrent` file, in bytes.
    pub metainfo_len: usize,
    /// Longest info dictionary that comes alone, from peers (BEP 9), in bytes.
    pub info_len: usize,
    /// Most bencoded values.
    pub tokens: usize,
    /// Deepest nesting of bencoded containers.
    pub depth: usize,
    /// Most pieces.
    pub pieces: u32,
    /// Longest piece, in bytes.
    pub piece_len: u32,
    /// Longest file and longest payload, in bytes.
    pub file_len: u64,
    /// Most components of a path.
    pub path_depth: usize,
    /// Longest component of a path on disk, in bytes; longer ones are cut.
    pub path_component_len: usize,
    /// Longest path on disk, in bytes.
    pub path_len: usize,
    /// Most bytes of all paths together. A file tree that is small as bencode can spell one long directory for each of
    /// very many files.
    pub paths_len: usize,
    /// Most entries of one directory that fall on the same name.
    pub duplicates: u32,
    /// Most trackers kept; the rest are dropped with a warning.
    pub trackers: usize,
    /// Most web seeds kept; the rest are dropped with a warning.
    pub web_seeds: usize,
    /// Most DHT nodes kept; the rest are dropped with a warning.
    pub nodes: usize,
    /// Longest URL kept, in bytes; longer ones are dropped with a warning.
    pub url_len: usize,
    /// Whether names must also suit Windows: none of `<>:"|?*`, no dot or space at the end. By default so on Windows
    /// alone, since such names are common and harmless elsewhere, and a file must keep the name its seeders know.
    pub windows_names: bool,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            metainfo_len: limits::METAINFO_LEN,
            info_len: limits::METADATA_LEN,
            tokens: limits::BENCODE_TOKENS,
            depth: limits::BENCODE_DEPTH,
            pieces: limits::PIECES,
            piece_len: limits::PIECE_LEN,
            file_len: limits::FILE_LEN,
            path_depth: limits::PATH_DEPTH,
            path_component_len: limits::PATH_COMPONENT_LEN,
            path_len: limits::PATH_LEN,
            paths_len: 64 << 20,
            duplicates: 500,
            trackers: 1_000,
            web_seeds: 1_000,
            nodes: 1_000,
            url_len: 4_096,
            windows_names: cfg!(windows),
        }
    }
}

impl Limits {
    /// The decoder's part of the limits, for an input of at most `len` bytes.
    pub(crate) fn bencode(&self, len: usize) -> bencode::Options {
        // Wide integers are read as text and refused where they stand, with the name of their key.
        bencode::Options::lenient()
            .max_len(len)
            .max_depth(self.depth)
            .max_tokens(self.tokens)
            .int_width(bencode::IntWidth::Digits(40))
    }
}
