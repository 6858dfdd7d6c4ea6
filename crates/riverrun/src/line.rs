//! The line of torrents that want to be active, where only so many may.

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

    /// Who may be active, of those in line in its order. The urgent and the idle take nobody's place.
    pub(crate) fn choose(self, line: impl IntoIterator<Item = InLine>) -> Vec<bool> {
        let mut left = self;
        let mut may = |torrent: InLine| {
            if torrent.urgent || torrent.idle {
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
    }
}
