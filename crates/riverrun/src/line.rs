//! The line of torrents that want to be active, where only so many may.

/// So many torrents may be active for nothing beside those that count: each has its connections and announces.
pub(crate) const MOST_IDLE: usize = 500;

/// How many torrents may be active at a time.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Active {
    pub(crate) downloads: Option<u32>,
    pub(crate) seeds: Option<u32>,
}

/// What a torrent would do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Wish {
    Download,
    Seed,
}

/// A torrent in line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct InLine {
    pub(crate) wish: Wish,
    /// A reader waits for it.
    pub(crate) urgent: bool,
    /// It is active, and nothing moved for a while.
    pub(crate) idle: bool,
}

impl Active {
    /// Whether there is a line at all.
    pub(crate) fn is_limited(self) -> bool {
        self.downloads.is_some() || self.seeds.is_some()
    }

    /// Who may be active, of those in line in its order. The urgent take nobody's place, and neither do the first
    /// [`MOST_IDLE`] of the idle.
    pub(crate) fn choose(self, line: impl IntoIterator<Item = InLine>) -> Vec<bool> {
        let (mut left, mut idle) = (self, 0);
        let mut may = |torrent: InLine| {
            if torrent.idle && !torrent.urgent {
                idle += 1;
            }
            if torrent.urgent || torrent.idle && idle <= MOST_IDLE {
                return true;
            }
            let places = match torrent.wish {
                Wish::Download => &mut left.downloads,
                Wish::Seed => &mut left.seeds,
            };
            match places {
                None => true,
                Some(0) => false,
                Some(places) => {
                    *places -= 1;
                    true
                }
            }
        };
        line.into_iter().map(&mut may).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_in_line_are_active_and_the_idle_take_no_place() {
        let line = |wish| InLine { wish, urgent: false, idle: false };
        let (down, seed) = (line(Wish::Download), line(Wish::Seed));
        let (urgent, idle) = (InLine { urgent: true, ..down }, InLine { idle: true, ..down });
        let active = Active { downloads: Some(2), seeds: Some(1) };
        assert_eq!(active.choose([down, seed, down, down, seed]), [true, true, true, false, false]);
        assert_eq!(active.choose([idle, down, urgent, down, down]), [true, true, true, true, false]);
        let none = Active { downloads: Some(0), seeds: None };
        assert_eq!(none.choose([down, seed, seed, urgent]), [false, true, true, true]);
        assert!(none.is_limited() && !Active::default().is_limited());
        assert_eq!(Active::default().choose([down; 9]), [true; 9]);
        let may = active.choose(vec![idle; MOST_IDLE + 5]);
        assert_eq!(may.iter().filter(|may| **may).count(), MOST_IDLE + 2);
    }
}
