//! The client's view over its shards: which torrent lives where, and who may use how much.

use std::collections::BTreeMap;

use types::InfoHash;

use crate::TorrentId;

/// What one shard may use until the next lease.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Lease {
    /// Payload and protocol bytes a second to be received; None is no limit.
    pub download: Option<u64>,
    /// Bytes a second to be sent; None is no limit.
    pub upload: Option<u64>,
    /// Connections at once. Handshakes of newcomers may be under way beyond them, few and not for long.
    pub connections: u32,
    /// Another shard lacks places, and this one has more than its part: hosts that hold many connections here
    /// give up those beyond `connections`.
    pub yields: bool,
}

/// What one shard used and would have used since the last lease.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Usage {
    /// Bytes a second received.
    pub download: u64,
    /// Bytes a second sent.
    pub upload: u64,
    /// Connections that are open or being dialed.
    pub connections: u32,
    /// Handshakes of newcomers under way, which have no place yet.
    pub handshakes: u32,
    /// Whether the download lease held it back.
    pub wants_download: bool,
    /// Whether the upload lease held it back.
    pub wants_upload: bool,
    /// Whether somebody who wanted in, or was to be dialed, found no place.
    pub wants_connections: bool,
}

/// One row for each torrent, one for each shard; no sockets, no clock.
#[derive(Clone, Debug)]
pub struct Session {
    shards: Vec<Usage>,
    /// How many torrents live on each shard.
    load: Vec<usize>,
    rows: BTreeMap<TorrentId, Row>,
    names: BTreeMap<InfoHash, TorrentId>,
    next: u32,
    total: Lease,
    /// What somebody else grants, at most.
    granted: Granted,
}

/// Rates in bytes a second, received and sent; None is no limit.
type Granted = (Option<u64>, Option<u64>);

#[derive(Clone, Debug)]
struct Row {
    shard: usize,
    names: Vec<InfoHash>,
}

impl Session {
    /// A session over `shards` shards (at least one) with the client's whole budget.
    pub fn new(shards: usize, total: Lease) -> Session {
        Session {
            shards: vec![Usage::default(); shards.max(1)],
            load: vec![0; shards.max(1)],
            rows: BTreeMap::new(),
            names: BTreeMap::new(),
            next: 0,
            total,
            granted: (None, None),
        }
    }

    /// Gives a torrent a number and the shard with the fewest torrents. Err names the torrent that has one of
    /// the names.
    pub fn add(
        &mut self,
        names: impl IntoIterator<Item = InfoHash>,
    ) -> Result<(TorrentId, usize), TorrentId> {
        let names: Vec<InfoHash> = names.into_iter().collect();
        if let Some(known) = names.iter().find_map(|name| self.names.get(name)) {
            return Err(*known);
        }
        let shard = (0..self.load.len()).min_by_key(|&i| self.load[i]).unwrap_or(0);
        self.load[shard] += 1;
        let id = TorrentId(self.next);
        self.next += 1;
        self.names.extend(names.iter().map(|name| (*name, id)));
        self.rows.insert(id, Row { shard, names });
        Ok((id, shard))
    }

    /// Forgets a torrent. Returns the shard it lived on.
    pub fn remove(&mut self, id: TorrentId) -> Option<usize> {
        let row = self.rows.remove(&id)?;
        self.load[row.shard] -= 1;
        row.names.iter().for_each(|name| {
            self.names.remove(name);
        });
        Some(row.shard)
    }

    /// The torrent with this name on the wire, and its shard.
    pub fn find(&self, name: InfoHash) -> Option<(TorrentId, usize)> {
        let id = *self.names.get(&name)?;
        self.rows.get(&id).map(|row| (id, row.shard))
    }

    /// The shard of a torrent.
    pub fn shard_of(&self, id: TorrentId) -> Option<usize> {
        self.rows.get(&id).map(|row| row.shard)
    }

    /// Changes the client's whole budget; it takes effect with the next [`Session::lease`].
    pub fn set_total(&mut self, total: Lease) {
        self.total = total;
    }

    /// What the client may use besides, by grace of a limit that it shares with others, in bytes a second
    /// received and sent; it takes effect with the next [`Session::lease`].
    pub fn set_granted(&mut self, download: Option<u64>, upload: Option<u64>) {
        self.granted = (download, upload);
    }

    /// Takes what each shard used and says what each may use next.
    ///
    /// A shard that was not held back keeps what it used and a little more: enough to find out that it is, and so little
    /// that all of what is kept so stays below a fiftieth of the budget, since what it does not use is lost. What is left
    /// goes in equal parts to those that were held back, so that none is starved.
    pub fn lease(&mut self, usage: &[Usage]) -> Vec<Lease> {
        for (slot, used) in self.shards.iter_mut().zip(usage) {
            *slot = *used;
        }
        let (download, upload) =
            (lower(self.total.download, self.granted.0), lower(self.total.upload, self.granted.1));
        let down = share(download, &self.shards, |u| (u.download, u.wants_download));
        let up = share(upload, &self.shards, |u| (u.upload, u.wants_upload));
        let places = self.places();
        (0..self.shards.len())
            .map(|i| {
                let (connections, yields) = places[i];
                Lease { download: down[i], upload: up[i], connections, yields }
            })
            .collect()
    }

    /// How many connections each shard may have: those that it has, and an equal part of the free places. What can't be
    /// divided goes to the shards that have fewest, so that a place that falls free finds who lacks it. Where none is
    /// free and a shard with less than an equal part of all lacks some, those that have more yield an eighth of it.
    fn places(&self) -> Vec<(u32, bool)> {
        let open: u32 = self.shards.iter().map(|u| u.connections).sum();
        let free = self.total.connections.saturating_sub(open);
        let fair = self.total.connections / self.shards.len() as u32;
        if free == 0 && self.shards.iter().any(|u| u.wants_connections && u.connections < fair) {
            let kept = |held: u32| held - held.saturating_sub(fair).div_ceil(8);
            return self.shards.iter().map(|u| (kept(u.connections), u.connections > fair)).collect();
        }
        let (part, rest) = (free / self.shards.len() as u32, free as usize % self.shards.len());
        let mut places: Vec<u32> = self.shards.iter().map(|u| u.connections + part).collect();
        let mut fewest: Vec<usize> = (0..places.len()).collect();
        fewest.sort_by_key(|i| self.shards[*i].connections);
        fewest.into_iter().take(rest).for_each(|i| places[i] += 1);
        places.into_iter().map(|places| (places, false)).collect()
    }
}

/// The lower of two limits.
fn lower(a: Option<u64>, b: Option<u64>) -> Option<u64> {
    a.into_iter().chain(b).min()
}

/// Divides a rate among shards.
fn share(total: Option<u64>, shards: &[Usage], of: impl Fn(&Usage) -> (u64, bool)) -> Vec<Option<u64>> {
    let Some(total) = total else { return vec![None; shards.len()] };
    // Every part of the budget counts where it is one byte a second.
    let keep = |u: &Usage| of(u).0 + of(u).0 / 100 + total.div_ceil(100 * shards.len() as u64);
    let hungry = shards.iter().filter(|u| of(u).1).count();
    if hungry == 0 {
        return vec![Some(total / shards.len() as u64); shards.len()];
    }
    let kept: u64 = shards.iter().filter(|u| !of(u).1).map(keep).sum::<u64>().min(total / 2);
    let idle = (shards.len() - hungry) as u64;
    let part = |u: &Usage| {
        if of(u).1 { (total - kept) / hungry as u64 } else { keep(u).min(kept / idle.max(1)) }
    };
    shards.iter().map(|u| Some(part(u))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn total(download: u64) -> Lease {
        Lease { download: Some(download), connections: 100, ..Lease::default() }
    }

    #[test]
    fn torrents_spread_over_shards_and_names_are_unique() {
        let mut session = Session::new(2, total(1));
        let (a, first) = session.add([InfoHash([1; 20]), InfoHash([2; 20])]).unwrap();
        let (_, second) = session.add([InfoHash([3; 20])]).unwrap();
        assert_ne!(first, second);
        assert_eq!(session.add([InfoHash([2; 20])]), Err(a));
        assert_eq!(session.find(InfoHash([2; 20])), Some((a, first)));
        assert_eq!(session.remove(a), Some(first));
        assert_eq!(session.find(InfoHash([1; 20])), None);
    }

    #[test]
    fn leases_never_exceed_the_total_and_follow_need() {
        let mut session = Session::new(3, total(900));
        let idle = Usage::default();
        let busy = Usage { download: 300, wants_download: true, ..idle };
        let leases = session.lease(&[busy, idle, idle]);
        let sum: u64 = leases.iter().filter_map(|l| l.download).sum();
        assert!(sum <= 900, "{leases:?}");
        assert!(leases[0].download >= Some(882), "what idle shards keep is lost: {leases:?}");
        assert!(leases[1].download > Some(0) && leases.iter().all(|l| l.upload.is_none()));
    }

    #[test]
    fn a_full_client_has_no_place_to_give() {
        let mut session = Session::new(3, total(900));
        let open = |connections| Usage { connections, ..Usage::default() };
        let places = |session: &mut Session, usage: [u32; 3]| -> Vec<u32> {
            session.lease(&usage.map(open)).iter().map(|l| l.connections).collect()
        };
        assert_eq!(places(&mut session, [60, 40, 0]), [60, 40, 0]);
        // The place that fell free goes where there are fewest.
        assert_eq!(places(&mut session, [59, 40, 0]), [59, 40, 1]);
        // A shard that alone has need comes to have nearly all of them, and the sum is kept at each step.
        let mut used = [0; 3];
        for _ in 0..20 {
            let now = places(&mut session, used);
            assert_eq!(now.iter().sum::<u32>(), 100, "{now:?}");
            used[0] = now[0];
        }
        assert!(used[0] >= 98, "{used:?}");
        // More than there are places for, as after a change of the limit: none is added.
        assert_eq!(places(&mut session, [70, 40, 0]), [70, 40, 0]);
    }
    #[test]
    fn a_shard_that_lacks_places_gets_its_part_of_those_that_are_taken() {
        let mut session = Session::new(2, total(900));
        let mut used = [100, 0];
        for _ in 0..100 {
            let usage = |n: usize| Usage {
                connections: used[n],
                wants_connections: n == 1 || used[1] < 50,
                ..Usage::default()
            };
            let leases = session.lease(&[usage(0), usage(1)]);
            assert!(leases.iter().map(|l| l.connections).sum::<u32>() <= 100, "{leases:?}");
            assert!(!leases[1].yields);
            // The first gives up what it is told to give up, and both take all they are given.
            if leases[0].yields {
                used[0] = leases[0].connections;
            } else {
                used = [leases[0].connections, leases[1].connections];
            }
        }
        assert_eq!(used, [50, 50]);
        // Who has its part already gets nothing by asking for more.
        let asks = Usage { connections: 50, wants_connections: true, ..Usage::default() };
        assert!(session.lease(&[asks, asks]).iter().all(|l| (l.connections, l.yields) == (50, false)));
    }
}
