//! Whether a torrent's shard has it, and what a shard is told that gets it anew.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use engine::{TorrentId, UploadMode, Usage};
use shard::Command;
use types::PeerSource;

use crate::Limiter;
use crate::limiter::Membership;

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
    pub(crate) share_mode: bool,
    pub(crate) upload: UploadMode,
    pub(crate) rates: Rates,
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
        let shares = self.share_mode.then_some(Command::Torrent(id, engine::Command::ShareMode(true)));
        let rates = self.rates.command(id);
        most.into_iter()
            .chain(hides)
            .chain(shares)
            .chain(rates)
            .chain((!self.manual.is_empty()).then_some(named))
    }
}

/// How fast a torrent may be. Most as fast as they can.
#[derive(Debug, Default)]
pub(crate) struct Rates(Option<Box<Limits>>);

/// Limits of a torrent's own, and its part in one that it shares.
#[derive(Debug, Default)]
struct Limits {
    /// In bytes a second, received and sent.
    own: (Option<u64>, Option<u64>),
    shared: Option<Membership>,
    granted: (Option<u64>, Option<u64>),
}

impl Rates {
    pub(crate) fn set_own(&mut self, download: Option<u64>, upload: Option<u64>) {
        if let Some(limits) = self.limits(download.is_some() || upload.is_some()) {
            limits.own = (download, upload);
        }
    }

    /// It takes part in this limit from now on, and in no other.
    pub(crate) fn share(&mut self, limiter: Option<&Limiter>) {
        if let Some(limits) = self.limits(limiter.is_some()) {
            limits.shared = limiter.map(Limiter::join);
            limits.granted = (None, None);
        }
        self.grant(Usage::default());
    }

    /// The limits, made where they are `needed`.
    fn limits(&mut self, needed: bool) -> Option<&mut Limits> {
        if needed { Some(self.0.get_or_insert_default()) } else { self.0.as_deref_mut() }
    }

    /// It used so much of what it was granted. True where it is granted something else now.
    pub(crate) fn grant(&mut self, used: Usage) -> bool {
        let Some(limits) = &mut self.0 else { return false };
        let Some(granted) = limits.shared.as_ref().map(|shared| shared.grant(&[used])) else { return false };
        std::mem::replace(&mut limits.granted, granted) != granted
    }

    /// What holds, for its shard; none where nothing does.
    pub(crate) fn command(&self, id: TorrentId) -> Option<Command> {
        let lower = |a: Option<u64>, b: Option<u64>| a.into_iter().chain(b).min();
        let Limits { own, granted, .. } = self.0.as_deref()?;
        let (download, upload) = (lower(own.0, granted.0), lower(own.1, granted.1));
        (download.is_some() || upload.is_some()).then_some(Command::Rates { id, download, upload })
    }

    /// As [`Rates::command`], for a shard that may know an older one.
    pub(crate) fn change(&self, id: TorrentId) -> Command {
        self.command(id).unwrap_or(Command::Rates { id, download: None, upload: None })
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
        (place.max_peers, place.super_seeding, place.share_mode) = (Some(3), true, true);
        place.rates.set_own(Some(5), None);
        let commands: Vec<Command> = place.commands(id).collect();
        assert!(matches!(commands[0], Command::Torrent(_, engine::Command::MaxPeers(3))));
        assert!(matches!(commands[1], Command::Torrent(_, engine::Command::SuperSeed(true))));
        assert!(matches!(commands[2], Command::Torrent(_, engine::Command::ShareMode(true))));
        assert_eq!(commands.len(), 5);
        let Command::Rates { download: Some(5), upload: None, .. } = commands[3] else {
            panic!("{commands:?}")
        };
        let Command::Addresses(_, PeerSource::Manual, addrs) = &commands[4] else { panic!("{commands:?}") };
        assert!(addrs.contains(&addr(1)) && addrs.contains(&addr(2)));
        assert_eq!(addrs.len(), MANUAL_PEERS);
    }

    #[test]
    fn the_lower_limit_holds_of_its_own_and_a_shared_one() {
        let (mut rates, id) = (Rates::default(), TorrentId(7));
        assert!(rates.command(id).is_none() && !rates.grant(Usage::default()));
        rates.set_own(Some(10), None);
        let limiter = Limiter::new(Some(30), Some(8));
        rates.share(Some(&limiter));
        let Some(Command::Rates { download: Some(10), upload: Some(8), .. }) = rates.command(id) else {
            panic!("{:?}", rates.command(id))
        };
        limiter.set_rates(None, Some(6));
        assert!(rates.grant(Usage::default()) && !rates.grant(Usage::default()));
        assert!(matches!(rates.change(id), Command::Rates { download: Some(10), upload: Some(6), .. }));
        rates.share(None);
        rates.set_own(None, None);
        assert!(matches!(rates.change(id), Command::Rates { download: None, upload: None, .. }));
    }
}
