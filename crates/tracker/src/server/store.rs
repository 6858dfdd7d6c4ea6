//! The swarms.

use std::net::SocketAddr;
use std::time::Duration;

use types::{InfoHash, KeyedMap, KeyedState, PeerId, Rng, Time};

use super::ServerConfig;
use crate::message::SwarmCounts;

/// A peer as the tracker knows it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Peer {
    pub(super) addr: SocketAddr,
    pub(super) id: PeerId,
    pub(super) seeder: bool,
    pub(super) seen: Time,
}

/// How many peers a swarm has.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Counts {
    /// Peers that have everything.
    pub(super) seeders: usize,
    /// Peers that have not.
    pub(super) leechers: usize,
    /// How often a peer said `completed`.
    pub(super) downloads: u32,
}

impl Counts {
    /// As it goes out.
    pub(super) fn public(self) -> SwarmCounts {
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        SwarmCounts {
            seeders: count(self.seeders),
            downloads: self.downloads,
            leechers: count(self.leechers),
        }
    }
}

/// No room.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum StoreError {
    SwarmFull,
    TrackerFull,
}

/// Peers in a list, for picking at random, with their places, for finding.
#[derive(Debug)]
struct Swarm {
    peers: Vec<Peer>,
    places: KeyedMap<SocketAddr, u32>,
    seeders: usize,
    downloads: u32,
}

impl Swarm {
    fn counts(&self) -> Counts {
        Counts { seeders: self.seeders, leechers: self.peers.len() - self.seeders, downloads: self.downloads }
    }

    fn remove_at(&mut self, at: usize) {
        let gone = self.peers.swap_remove(at);
        self.seeders -= usize::from(gone.seeder);
        self.places.remove(&gone.addr);
        if let Some(moved) = self.peers.get(at) {
            self.places.insert(moved.addr, at as u32);
        }
    }
}

/// All swarms. An empty one is forgotten, with its count of downloads.
#[derive(Debug)]
pub(super) struct Store {
    swarms: KeyedMap<InfoHash, Swarm>,
    state: KeyedState,
    total: usize,
    max_torrents: usize,
    max_peers: usize,
    max_total: usize,
    expiry: Duration,
}

impl Store {
    pub(super) fn new(config: &ServerConfig, rng: &mut Rng) -> Store {
        let state = KeyedState::new(rng);
        Store {
            swarms: KeyedMap::with_hasher(state.clone()),
            state,
            total: 0,
            max_torrents: config.max_torrents,
            max_peers: config.max_peers,
            max_total: config.max_total_peers,
            expiry: config.expiry,
        }
    }

    pub(super) fn torrents(&self) -> usize {
        self.swarms.len()
    }

    pub(super) fn peers(&self) -> usize {
        self.total
    }

    pub(super) fn counts(&self, info_hash: InfoHash) -> Option<Counts> {
        self.swarms.get(&info_hash).map(Swarm::counts)
    }

    /// Enters a peer, or renews what is known of it.
    pub(super) fn update(
        &mut self,
        info_hash: InfoHash,
        peer: Peer,
        completed: bool,
    ) -> Result<Counts, StoreError> {
        let known = self.swarms.get(&info_hash);
        let known_peer = known.is_some_and(|s| s.places.contains_key(&peer.addr));
        if !known_peer {
            if self.total >= self.max_total || (known.is_none() && self.swarms.len() >= self.max_torrents) {
                return Err(StoreError::TrackerFull);
            }
            if known.map_or(0, |s| s.peers.len()) >= self.max_peers {
                return Err(StoreError::SwarmFull);
            }
        }
        let swarm = self.swarms.entry(info_hash).or_insert_with(|| Swarm {
            peers: Vec::new(),
            places: KeyedMap::with_hasher(self.state.clone()),
            seeders: 0,
            downloads: 0,
        });
        let place = swarm.places.get(&peer.addr).map(|at| *at as usize);
        // One peer counts once, however often it says so.
        let was_seeder = match place {
            Some(at) => std::mem::replace(&mut swarm.peers[at], peer).seeder,
            None => {
                swarm.places.insert(peer.addr, swarm.peers.len() as u32);
                swarm.peers.push(peer);
                self.total += 1;
                false
            }
        };
        if completed && peer.seeder && !was_seeder {
            swarm.downloads = swarm.downloads.saturating_add(1);
        }
        swarm.seeders = swarm.seeders - usize::from(was_seeder) + usize::from(peer.seeder);
        Ok(swarm.counts())
    }

    /// Takes a peer out.
    pub(super) fn remove(&mut self, info_hash: InfoHash, addr: SocketAddr) -> Counts {
        let Some(swarm) = self.swarms.get_mut(&info_hash) else { return Counts::default() };
        if let Some(at) = swarm.places.get(&addr).map(|at| *at as usize) {
            swarm.remove_at(at);
            self.total -= 1;
        }
        let counts = swarm.counts();
        if swarm.peers.is_empty() {
            self.swarms.remove(&info_hash);
        }
        counts
    }

    /// Up to `n` peers for `asker`, from a random place on: never itself, no seeders for a seeder.
    pub(super) fn pick(
        &self,
        info_hash: InfoHash,
        asker: &Peer,
        n: usize,
        one_family: bool,
        rng: &mut Rng,
    ) -> Vec<Peer> {
        let Some(swarm) = self.swarms.get(&info_hash) else { return Vec::new() };
        let (before, after) = swarm.peers.split_at(rng.below(swarm.peers.len()));
        let useful = |p: &&Peer| {
            p.addr != asker.addr
                && !(asker.seeder && p.seeder)
                && !(one_family && p.addr.is_ipv4() != asker.addr.is_ipv4())
        };
        after.iter().chain(before).filter(useful).take(n).copied().collect()
    }

    /// Forgets peers that were silent for too long.
    pub(super) fn expire(&mut self, now: Time) {
        let expiry = self.expiry;
        for swarm in self.swarms.values_mut() {
            let mut at = 0;
            while let Some(peer) = swarm.peers.get(at) {
                if now.since(peer.seen) > expiry {
                    swarm.remove_at(at);
                    self.total -= 1;
                } else {
                    at += 1;
                }
            }
        }
        self.swarms.retain(|_, swarm| !swarm.peers.is_empty());
    }
}
