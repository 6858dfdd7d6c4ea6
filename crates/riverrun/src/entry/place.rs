//! Whether a torrent's shard has it, and what a shard is told that gets it anew.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use engine::TorrentId;
use shard::Command;
use types::PeerSource;

/// Most addresses that are kept of those a user named.
const MANUAL_PEERS: usize = 200;

/// Whether its shard has a torrent. A shard that panicked gets all of its torrents anew, so what was said to
/// it and is nowhere else in the state is kept here.
#[derive(Debug, Default)]
pub(crate) struct Place {
    /// The shard knows it.
    pub(crate) on_shard: bool,
    /// The shard knows its content.
    pub(crate) has_content: bool,
    /// The shard must leave its data alone, since it is being checked.
    pub(crate) held: bool,
    pub(crate) max_peers: Option<u32>,
    pub(crate) super_seeding: bool,
    /// Addresses that the user named: no tracker will bring them again.
    manual: BTreeSet<SocketAddr>,
}

impl Place {
    /// The user named addresses.
    pub(crate) fn named(&mut self, addrs: &[SocketAddr]) {
        let room = MANUAL_PEERS.saturating_sub(self.manual.len());
        self.manual.extend(addrs.iter().take(room));
    }

    /// What a shard is told that has the torrent anew.
    pub(crate) fn commands(&self, id: TorrentId) -> impl Iterator<Item = Command> {
        let most = self.max_peers.map(|most| Command::Torrent(id, engine::Command::MaxPeers(most)));
        let named = self.manual.iter().copied().collect();
        let named = Command::Addresses(id, PeerSource::Manual, named);
        let hides = self.super_seeding.then_some(Command::Torrent(id, engine::Command::SuperSeed(true)));
        most.into_iter().chain(hides).chain((!self.manual.is_empty()).then_some(named))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_users_said_comes_back() {
        let (mut place, id) = (Place::default(), TorrentId(7));
        assert_eq!(place.commands(id).count(), 0);
        let addr = |port| SocketAddr::from(([127, 0, 0, 1], port));
        place.named(&[addr(1), addr(2)]);
        place.named(&(10..10_000).map(addr).collect::<Vec<_>>());
        (place.max_peers, place.super_seeding) = (Some(3), true);
        let commands: Vec<Command> = place.commands(id).collect();
        assert!(matches!(commands[0], Command::Torrent(_, engine::Command::MaxPeers(3))));
        assert!(matches!(commands[1], Command::Torrent(_, engine::Command::SuperSeed(true))));
        let Command::Addresses(_, PeerSource::Manual, addrs) = &commands[2] else { panic!("{commands:?}") };
        assert!(addrs.contains(&addr(1)) && addrs.contains(&addr(2)));
        assert_eq!(addrs.len(), MANUAL_PEERS);
    }
}
