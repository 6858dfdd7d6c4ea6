//! Whom we have heard of lately, so that nobody is told twice and nobody can make us hold much.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use types::{InfoHash, Time};

/// Most neighbours of one torrent that are remembered.
const PER_TORRENT: usize = 64;
/// Most neighbours that are remembered.
const IN_ALL: usize = 4_096;

/// What is new about a neighbour.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum News {
    /// It was not heard of within the interval of announces: it may not know us.
    New,
    /// It was heard of, but not lately.
    Again,
    /// It was heard of a moment ago, or there are too many.
    Nothing,
}

/// When each neighbour of each torrent was heard of last.
#[derive(Clone, Debug)]
pub(crate) struct Neighbours {
    heard: BTreeMap<(InfoHash, SocketAddr), Time>,
    /// For how long one is not told again.
    quiet: Duration,
    /// After how long one counts as new.
    forget: Duration,
    swept: Time,
}

const FIRST: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), 0);

impl Neighbours {
    pub(crate) fn new(quiet: Duration, forget: Duration) -> Neighbours {
        Neighbours { heard: BTreeMap::new(), quiet, forget, swept: Time::ZERO }
    }

    /// Notes that `addr` takes part in `torrent`.
    pub(crate) fn heard(&mut self, now: Time, torrent: InfoHash, addr: SocketAddr) -> News {
        let key = (torrent, addr);
        if let Some(last) = self.heard.get_mut(&key) {
            let silence = now.since(*last);
            if silence < self.quiet {
                return News::Nothing;
            }
            *last = now;
            return if silence >= self.forget { News::New } else { News::Again };
        }
        if !self.make_room(now, torrent) {
            return News::Nothing;
        }
        self.heard.insert(key, now);
        News::New
    }

    /// Forgets a torrent.
    pub(crate) fn remove(&mut self, torrent: InfoHash) {
        let theirs: Vec<_> = self.of(torrent).map(|(key, _)| *key).collect();
        for key in theirs {
            self.heard.remove(&key);
        }
    }

    fn of(&self, torrent: InfoHash) -> impl Iterator<Item = (&(InfoHash, SocketAddr), &Time)> {
        // `FIRST` sorts before every address.
        self.heard.range((torrent, FIRST)..).take_while(move |((of, _), _)| *of == torrent)
    }

    /// Whether one more fits, once the oldest that is not news any more has made room.
    fn make_room(&mut self, now: Time, torrent: InfoHash) -> bool {
        if self.heard.len() >= IN_ALL {
            // A sweep looks at all of them: not for every datagram.
            if now.since(self.swept) < self.quiet {
                return false;
            }
            self.swept = now;
            let quiet = self.quiet;
            self.heard.retain(|_, last| now.since(*last) < quiet);
        }
        if self.of(torrent).count() >= PER_TORRENT {
            let oldest = self.of(torrent).min_by_key(|(_, last)| **last).map(|(key, last)| (*key, *last));
            let Some((key, _)) = oldest.filter(|(_, last)| now.since(*last) >= self.quiet) else {
                return false;
            };
            self.heard.remove(&key);
        }
        self.heard.len() < IN_ALL
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn addr(n: u32) -> SocketAddr {
        (std::net::Ipv4Addr::from(0x0a00_0000 + n), 6881).into()
    }

    fn hash(n: u32) -> InfoHash {
        let mut out = [0; 20];
        out[..4].copy_from_slice(&n.to_be_bytes());
        InfoHash(out)
    }

    #[test]
    fn a_neighbour_is_new_then_quiet_then_heard_again_then_new() {
        let mut all = Neighbours::new(MINUTE, 5 * MINUTE);
        let mut at = |secs| all.heard(Time::from_secs(secs), hash(1), addr(1));
        assert_eq!([at(0), at(59), at(60), at(120), at(420)], {
            [News::New, News::Nothing, News::Again, News::Again, News::New]
        });
    }

    #[test]
    fn a_torrent_remembers_so_many_and_the_oldest_makes_room() {
        let mut all = Neighbours::new(MINUTE, 5 * MINUTE);
        for n in 0..200 {
            let news = all.heard(Time::from_secs(1), hash(1), addr(n));
            assert_eq!(news == News::New, n < PER_TORRENT as u32);
        }
        assert_eq!(all.heard(Time::from_secs(61), hash(1), addr(500)), News::New);
        assert_eq!(all.of(hash(1)).count(), PER_TORRENT);
        all.remove(hash(1));
        assert_eq!(all.of(hash(1)).count(), 0);
    }

    #[test]
    fn all_torrents_together_remember_so_many() {
        let mut all = Neighbours::new(MINUTE, 5 * MINUTE);
        for torrent in 0..200 {
            for n in 0..50 {
                all.heard(Time::from_secs(1), hash(torrent), addr(n));
            }
        }
        assert_eq!(all.heard.len(), IN_ALL);
        assert_eq!(all.heard(Time::from_secs(100), hash(999), addr(1)), News::New);
        assert_eq!(all.heard.len(), 1);
    }
}
