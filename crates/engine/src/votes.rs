//! Our own address, as peers see it (BEP 10, `yourip`): the one that most of those who spoke lately name.

use std::collections::VecDeque;
use std::net::IpAddr;

/// Voters of one address family whose word is kept; the oldest makes room.
const VOTERS: usize = 32;
/// One peer alone decides nothing.
const QUORUM: usize = 2;

/// What peers say about our address.
#[derive(Clone, Debug, Default)]
pub(crate) struct Votes {
    v4: VecDeque<(IpAddr, IpAddr)>,
    v6: VecDeque<(IpAddr, IpAddr)>,
}

impl Votes {
    /// The peer at `voter` sees us at `ours`. Each host has one vote, its latest.
    pub(crate) fn cast(&mut self, voter: IpAddr, ours: IpAddr) {
        let (voter, ours) = (voter.to_canonical(), ours.to_canonical());
        if ours.is_unspecified() || ours.is_multicast() || voter.is_ipv4() != ours.is_ipv4() {
            return;
        }
        let votes = self.family(voter);
        votes.retain(|(known, _)| *known != voter);
        if votes.len() == VOTERS {
            votes.pop_front();
        }
        votes.push_back((voter, ours));
    }

    /// Our address for a peer of this family, where enough agree.
    pub(crate) fn winner(&self, v4: bool) -> Option<IpAddr> {
        let votes = if v4 { &self.v4 } else { &self.v6 };
        let count = |ours: IpAddr| votes.iter().filter(|(_, vote)| *vote == ours).count();
        let best = votes.iter().map(|(_, vote)| (count(*vote), *vote)).max()?;
        (best.0 >= QUORUM).then_some(best.1)
    }

    fn family(&mut self, voter: IpAddr) -> &mut VecDeque<(IpAddr, IpAddr)> {
        if voter.is_ipv4() { &mut self.v4 } else { &mut self.v6 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn the_majority_decides_and_nobody_votes_twice() {
        let mut votes = Votes::default();
        (0..50).for_each(|_| votes.cast(ip("10.0.0.9"), ip("6.6.6.6")));
        assert_eq!(votes.winner(true), None, "one voice is none");
        votes.cast(ip("10.0.0.1"), ip("::ffff:5.5.5.5"));
        votes.cast(ip("::ffff:10.0.0.2"), ip("5.5.5.5"));
        votes.cast(ip("10.0.0.3"), ip("2001:db8::1"));
        votes.cast(ip("10.0.0.4"), ip("0.0.0.0"));
        assert_eq!((votes.winner(true), votes.winner(false)), (Some(ip("5.5.5.5")), None));
        (1..4).for_each(|n| votes.cast(ip(&format!("2001:db8::{n}")), ip("2001:db8::77")));
        assert_eq!(votes.winner(false), Some(ip("2001:db8::77")));
    }

    #[test]
    fn old_votes_make_room() {
        let mut votes = Votes::default();
        let cast = |votes: &mut Votes, from: u8, ours: &str| {
            (from..from + 40).for_each(|n| votes.cast(IpAddr::from([10, 0, 0, n]), ip(ours)));
        };
        cast(&mut votes, 0, "5.5.5.5");
        cast(&mut votes, 100, "7.7.7.7");
        assert_eq!((votes.v4.len(), votes.winner(true)), (VOTERS, Some(ip("7.7.7.7"))));
    }
}
