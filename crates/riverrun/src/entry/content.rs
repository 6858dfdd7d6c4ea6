//! What a torrent is made of: its metainfo, known from the beginning or come later.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

use metainfo::{Info, Magnet, Metainfo};
use storage::{Plan, ResumeData};

use crate::add::AddTorrent;

/// A torrent's metainfo: what it was added with, and what a magnet link turned out to be.
#[derive(Debug)]
pub(crate) struct Content {
    /// What it was added with: of a magnet link a torrent of nothing, under the link's name.
    first: Known,
    learned: OnceLock<Box<Known>>,
    /// It was added as a magnet link or a bare hash.
    magnet: bool,
    waiting: Mutex<Option<Box<Waiting>>>,
}

/// Metainfo, and what follows from it.
#[derive(Debug)]
struct Known {
    metainfo: Metainfo,
    info: Arc<Info>,
    plan: Arc<Plan>,
}

/// What waits for the metainfo of a magnet link, or, where nothing else was wanted, for somebody to want
/// more.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) link: Magnet,
    /// How it was added; its peers only as far as its shard does not know them.
    pub(crate) add: AddTorrent,
    pub(crate) saved: Option<Box<ResumeData>>,
    /// Whether the metainfo is known.
    pub(crate) has_come: bool,
}

impl Known {
    fn new(metainfo: Metainfo) -> Known {
        let info = metainfo.shared_info();
        Known { plan: Arc::new(Plan::of(&info)), info, metainfo }
    }
}

impl Content {
    /// Of a magnet link `metainfo` is one of nothing.
    pub(crate) fn new(metainfo: Metainfo, magnet: bool) -> Content {
        let (learned, waiting) = (OnceLock::new(), Mutex::new(None));
        Content { first: Known::new(metainfo), learned, magnet, waiting }
    }

    fn known(&self) -> &Known {
        self.learned.get().map_or(&self.first, |learned| learned)
    }

    /// Names, files, hashes. Of a magnet link whose metainfo has not come a torrent of nothing.
    pub(crate) fn info(&self) -> &Arc<Info> {
        &self.known().info
    }

    /// Where its bytes lie.
    pub(crate) fn plan(&self) -> &Arc<Plan> {
        &self.known().plan
    }

    /// Its metainfo, where it is known.
    pub(crate) fn metainfo(&self) -> Option<&Metainfo> {
        (!self.magnet || self.learned.get().is_some()).then_some(&self.known().metainfo)
    }

    /// The metainfo of a magnet link has come. False where it had come before.
    pub(crate) fn learn(&self, metainfo: Metainfo) -> bool {
        self.magnet && self.learned.set(Box::new(Known::new(metainfo))).is_ok()
    }

    /// What waits for the metainfo of a magnet link, or for somebody to want more.
    pub(crate) fn waiting(&self) -> MutexGuard<'_, Option<Box<Waiting>>> {
        self.waiting.lock().unwrap_or_else(|e| e.into_inner())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use metainfo::Limits;

    fn metainfo(name: &str) -> Metainfo {
        let head = "d4:infod6:lengthi5e4:name";
        let tail = "12:piece lengthi16384e6:pieces20:aaaaaaaaaaaaaaaaaaaaee";
        let bytes = format!("{head}{}:{name}{tail}", name.len());
        Metainfo::from_bytes(bytes.as_bytes(), &Limits::default()).unwrap()
    }

    #[test]
    fn a_magnet_link_is_learned_once_and_a_torrent_never() {
        let link = Content::new(metainfo("link"), true);
        assert!(link.metainfo().is_none());
        assert_eq!(link.info().name(), "link");
        assert!(link.learn(metainfo("whole")) && !link.learn(metainfo("other")));
        assert_eq!((link.info().name(), link.metainfo().is_some()), ("whole", true));
        let torrent = Content::new(metainfo("torrent"), false);
        assert!(torrent.metainfo().is_some() && !torrent.learn(metainfo("other")));
    }
}
