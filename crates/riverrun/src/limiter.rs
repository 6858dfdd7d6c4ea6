//! A rate limit that clients and torrents share.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use engine::Usage;

/// A limit on how fast bytes flow, owned by the caller and shared by every client
/// ([`ClientBuilder::limiter`](crate::ClientBuilder::limiter)) and every torrent
/// ([`AddTorrent::limiter`](crate::AddTorrent::limiter), [`Torrent::set_limiter`](crate::Torrent::set_limiter)) that was
/// given it: together they stay within it. Torrents that share one are a class, also across clients. A torrent and
/// its client are not to be given the same one: the bytes would count twice. Clones are the same limiter.
///
/// Members ask for their share four times a second: one that has use for more gets what the others leave.
/// What a member is granted is taken from the others first, so that the sum is never more than the limit.
/// All bytes that sockets move count, protocol included, unless the client says otherwise
/// ([`ClientBuilder::limit_payload_only`](crate::ClientBuilder::limit_payload_only)). Other limits hold besides.
#[derive(Clone, Debug)]
pub struct Limiter {
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    download: Direction,
    upload: Direction,
    /// Clients there were.
    clients: u64,
}

/// One direction.
#[derive(Debug)]
struct Direction {
    limit: Option<u64>,
    clients: BTreeMap<u64, Share>,
}

/// What one client used last, and what it may use now.
#[derive(Clone, Copy, Debug, Default)]
struct Share {
    used: u64,
    wants: bool,
    granted: u64,
}

impl Limiter {
    /// A limit in bytes a second, received and sent; none lets everything pass.
    pub fn new(download: Option<u64>, upload: Option<u64>) -> Limiter {
        let direction = |limit| Direction { limit, clients: BTreeMap::new() };
        let state = State { download: direction(download), upload: direction(upload), clients: 0 };
        Limiter { state: Arc::new(Mutex::new(state)) }
    }

    /// Changes the limit. It takes effect within half a second.
    pub fn set_rates(&self, download: Option<u64>, upload: Option<u64>) {
        let mut state = self.state();
        (state.download.limit, state.upload.limit) = (download, upload);
    }

    /// The limit in bytes a second, received and sent.
    pub fn rates(&self) -> (Option<u64>, Option<u64>) {
        let state = self.state();
        (state.download.limit, state.upload.limit)
    }

    /// How many clients and torrents share it now.
    pub fn members(&self) -> usize {
        self.state().download.clients.len()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics half-way.
        self.state.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// One more client.
    pub(crate) fn join(&self) -> Membership {
        let mut state = self.state();
        state.clients += 1;
        let id = state.clients;
        state.download.clients.insert(id, Share::default());
        state.upload.clients.insert(id, Share::default());
        drop(state);
        Membership { limiter: self.clone(), id }
    }
}

/// A client's part in a limiter, until it is dropped.
#[derive(Debug)]
pub(crate) struct Membership {
    limiter: Limiter,
    id: u64,
}

impl Membership {
    /// What the client may use from now on, received and sent, after it used so much.
    pub(crate) fn grant(&self, usage: &[Usage]) -> (Option<u64>, Option<u64>) {
        let sum = |of: fn(&Usage) -> (u64, bool)| {
            usage.iter().map(of).fold((0, false), |a, b| (a.0 + b.0, a.1 || b.1))
        };
        let mut state = self.limiter.state();
        let download = state.download.grant(self.id, sum(|u| (u.download, u.wants_download)));
        (download, state.upload.grant(self.id, sum(|u| (u.upload, u.wants_upload))))
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        let mut state = self.limiter.state();
        state.download.clients.remove(&self.id);
        state.upload.clients.remove(&self.id);
    }
}

impl Direction {
    /// A client that is not held back keeps what it used and a little more; the hungry share the rest.
    fn grant(&mut self, id: u64, (used, wants): (u64, bool)) -> Option<u64> {
        let share = self.clients.get_mut(&id)?;
        (share.used, share.wants) = (used, wants);
        let limit = self.limit?;
        let fair = limit / self.clients.len() as u64;
        let room = limit / (50 * self.clients.len() as u64);
        let keeps = |share: &Share| (share.used + share.used / 16 + room).min(fair);
        let hungry = self.clients.values().filter(|share| share.wants).count() as u64;
        let kept: u64 = self.clients.values().filter(|share| !share.wants).map(keeps).sum();
        let due = match (hungry, wants) {
            (0, _) => fair,
            (_, true) => limit.saturating_sub(kept) / hungry,
            (_, false) => keeps(&Share { used, wants, granted: 0 }),
        };
        let others: u64 =
            self.clients.iter().filter(|(other, _)| **other != id).map(|(_, s)| s.granted).sum();
        let granted = due.min(limit.saturating_sub(others));
        self.clients.get_mut(&id)?.granted = granted;
        Some(granted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A client that would use so much of what it is granted.
    struct Greedy {
        part: Membership,
        wish: u64,
        granted: u64,
    }

    impl Greedy {
        fn new(limiter: &Limiter, wish: u64) -> Greedy {
            let part = limiter.join();
            let granted = part.grant(&[]).0.unwrap_or(u64::MAX);
            Greedy { part, wish, granted }
        }

        /// A quarter of a second; what was used of it, in bytes.
        fn tick(&mut self) -> u64 {
            let used = self.wish.min(self.granted);
            let wants_download = self.wish > self.granted;
            let usage = Usage { download: used, wants_download, ..Usage::default() };
            self.granted = self.part.grant(&[usage]).0.unwrap_or(u64::MAX);
            used / 4
        }
    }

    fn run(clients: &mut [Greedy], seconds: u64, limit: u64) -> u64 {
        let mut moved = 0;
        for _ in 0..seconds * 4 {
            moved += clients.iter_mut().map(Greedy::tick).sum::<u64>();
            let granted: u64 = clients.iter().map(|client| client.granted).sum();
            assert!(granted <= limit, "{granted} of {limit}");
        }
        moved
    }

    #[test]
    fn row_22_members_share_a_limit_within_5_percent_whatever_they_want() {
        for limit in [1_000, 64_000, 10_000_000, 1_250_000_000] {
            let limiter = Limiter::new(Some(limit), None);
            let mut clients: Vec<Greedy> =
                [u64::MAX, u64::MAX, limit / 10, 0].map(|wish| Greedy::new(&limiter, wish)).into();
            run(&mut clients, 2, limit);
            let moved = run(&mut clients, 10, limit);
            assert!(moved * 20 >= limit * 10 * 19, "{limit}: {moved}");
            assert_eq!(clients[2].granted.min(limit / 10), limit / 10, "who wants little has it");
            // Others become hungry, and one leaves.
            (clients[1].wish, clients[3].wish) = (0, u64::MAX);
            clients.remove(0);
            run(&mut clients, 2, limit);
            let moved = run(&mut clients, 10, limit);
            assert!(moved * 20 >= limit * 10 * 19, "{limit}: {moved}");
            // Less for all from the next round on.
            limiter.set_rates(Some(limit / 2), None);
            clients.iter_mut().for_each(|client| _ = client.tick());
            run(&mut clients, 2, limit / 2);
        }
    }

    #[test]
    fn without_a_limit_everything_passes() {
        let limiter = Limiter::new(None, Some(7));
        let part = limiter.join();
        assert_eq!(part.grant(&[]), (None, Some(7)));
        assert_eq!(limiter.clone().rates(), (None, Some(7)));
    }
}
