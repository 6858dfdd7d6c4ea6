//! Who named addresses to us through peers (BEP 11, 55), so that none of them has the book or the dials to himself.

use std::net::SocketAddr;

/// No teller: the address came some other way.
pub(crate) const NOBODY: u8 = u8::MAX;
/// Failures beyond it make no teller worse: nobody's turn is put off for ever.
const WORST: u16 = 4;

/// How many of something each teller has.
pub(crate) type PerTeller = [u16; u8::MAX as usize + 1];

/// Those who named addresses that are known. There is nothing of it where nobody did.
#[derive(Debug, Default)]
pub(crate) struct Tellers {
    all: Vec<Teller>,
    turns: u32,
}

#[derive(Debug)]
struct Teller {
    addr: SocketAddr,
    /// Of his addresses that were dialed: those that failed, of late.
    failed: u16,
    /// When one of them was dialed last.
    turn: u32,
}

impl Tellers {
    /// The number of the teller at `addr`. Where there are too many, whoever has fewest addresses in the book, of
    /// which each has `held`, gives his number up or, if he has any, shares it.
    pub(crate) fn number(&mut self, addr: SocketAddr, held: impl FnOnce() -> PerTeller) -> u8 {
        if let Some(at) = self.all.iter().position(|teller| teller.addr == addr) {
            return at as u8;
        }
        if self.all.len() < usize::from(NOBODY) {
            self.all.push(Teller { addr, failed: 0, turn: 0 });
            return (self.all.len() - 1) as u8;
        }
        let held = held();
        let (number, has) =
            (0..NOBODY).map(|n| (n, held[usize::from(n)])).min_by_key(|(_, has)| *has).unwrap_or((0, 1));
        if let Some(teller) = self.all.get_mut(usize::from(number)).filter(|_| has == 0) {
            *teller = Teller { addr, failed: 0, turn: 0 };
        }
        number
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Whose address is dialed first, the least first: whose have failed, or are being dialed, less; then in turn.
    pub(crate) fn rank(&self, teller: u8, dialing: &PerTeller) -> (u16, u32) {
        let Some(known) = self.all.get(usize::from(teller)) else { return (0, 0) };
        (known.failed.saturating_add(dialing[usize::from(teller)]).min(WORST), known.turn)
    }

    /// An address of his is dialed.
    pub(crate) fn dialed(&mut self, teller: u8) {
        if let Some(known) = self.all.get_mut(usize::from(teller)) {
            self.turns = self.turns.saturating_add(1);
            known.turn = self.turns;
        }
    }

    /// It led to nobody.
    pub(crate) fn failed(&mut self, teller: u8) {
        if let Some(known) = self.all.get_mut(usize::from(teller)) {
            known.failed = (known.failed + 1).min(WORST);
        }
    }

    /// It led to a peer.
    pub(crate) fn answered(&mut self, teller: u8) {
        if let Some(known) = self.all.get_mut(usize::from(teller)) {
            known.failed /= 2;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_bounded_and_those_of_no_use_are_given_anew() {
        let addr = |n: u16| SocketAddr::from(([8, 8, (n >> 8) as u8, n as u8], 1));
        let mut tellers = Tellers::default();
        for n in 0..255 {
            assert_eq!(u16::from(tellers.number(addr(n), || unreachable!())), n);
        }
        let mut held = [1; 256];
        held[7] = 0;
        (0..9).for_each(|_| tellers.failed(7));
        assert_eq!(tellers.rank(7, &[0; 256]).0, WORST);
        assert_eq!(tellers.number(addr(300), || held), 7);
        assert_eq!((tellers.number(addr(300), || held), tellers.rank(7, &[0; 256])), (7, (0, 0)));
        assert_eq!(tellers.number(addr(301), || [1; 256]), 0, "shared");
        assert_eq!(tellers.number(addr(0), || [1; 256]), 0);
        assert_eq!(tellers.all.len(), 255);
    }
}
