//! Meeting through a third peer (BEP 55): who may ask for what, and how often.
//!
//! The initiator asks a relay, which is connected to both; the relay tells both to connect, at once; what
//! each sends opens its own NAT for the other.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use types::{Time, may_speak_of};
use wire::extended::HolepunchError;

/// An address that could not be reached is asked for again after so long.
const AGAIN: Duration = Duration::from_secs(600);
/// Most meetings that are remembered as asked for.
const MAX_ASKED: usize = 100;
/// Messages that one peer may send, and be sent on behalf of others, at once; one more is earned every
/// [`EARNED`].
const BURST: u32 = 8;
const EARNED: Duration = Duration::from_secs(10);

/// What we asked relays for.
#[derive(Debug, Default)]
pub(crate) struct Meetings {
    asked: BTreeMap<SocketAddr, Time>,
}

impl Meetings {
    /// Whether a relay may be asked for this address; it then counts as asked for.
    pub(crate) fn ask(&mut self, now: Time, target: SocketAddr) -> bool {
        self.asked.retain(|_, at| now.since(*at) < AGAIN);
        let may = self.asked.len() < MAX_ASKED && !self.asked.contains_key(&target);
        if may {
            self.asked.insert(target, now);
        }
        may
    }
}

/// How many messages may pass, one way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ration {
    left: u32,
    since: Time,
}

impl Ration {
    pub(crate) fn new(now: Time) -> Ration {
        Ration { left: BURST, since: now }
    }

    /// Whether one more may pass; it then counts.
    pub(crate) fn take(&mut self, now: Time) -> bool {
        let earned = (now.since(self.since).as_millis() / EARNED.as_millis()) as u32;
        self.left = self.left.saturating_add(earned).min(BURST);
        self.since += EARNED * earned;
        let rest = self.left.checked_sub(1);
        self.left = rest.unwrap_or(0);
        rest.is_some()
    }
}

/// What a relay knows of the target of a rendezvous.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Target {
    /// The relay itself.
    Ourselves,
    /// No connection to it.
    Unknown,
    /// Connected; whether it understands the extension.
    Connected { understands: bool },
}

/// Whether a relay brings the peer at `from` together with `target`.
///
/// # Errors
/// What the initiator is told (BEP 55).
pub(crate) fn relay(from: SocketAddr, target: SocketAddr, what: Target) -> Result<(), HolepunchError> {
    if !may_speak_of(target.ip(), target) || from == target {
        return Err(HolepunchError::NO_SUCH_PEER);
    }
    match what {
        Target::Ourselves => Err(HolepunchError::NO_SELF),
        // One end far away, one in our network: neither is to learn of the other.
        _ if !may_speak_of(from.ip(), target) || !may_speak_of(target.ip(), from) => {
            Err(HolepunchError::NOT_CONNECTED)
        }
        Target::Unknown => Err(HolepunchError::NOT_CONNECTED),
        Target::Connected { understands: false } => Err(HolepunchError::NO_SUPPORT),
        Target::Connected { understands: true } => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addr(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn the_relay_says_why_it_cannot_help() {
        let (from, target) = (addr("8.8.8.8:1"), addr("9.9.9.9:2"));
        let connected = Target::Connected { understands: true };
        assert_eq!(relay(from, target, connected), Ok(()));
        assert_eq!(relay(from, addr("9.9.9.9:0"), connected), Err(HolepunchError::NO_SUCH_PEER));
        assert_eq!(relay(from, addr("224.0.0.1:2"), connected), Err(HolepunchError::NO_SUCH_PEER));
        assert_eq!(relay(from, from, connected), Err(HolepunchError::NO_SUCH_PEER));
        assert_eq!(relay(from, target, Target::Unknown), Err(HolepunchError::NOT_CONNECTED));
        let deaf = Target::Connected { understands: false };
        assert_eq!(relay(from, target, deaf), Err(HolepunchError::NO_SUPPORT));
        assert_eq!(relay(from, target, Target::Ourselves), Err(HolepunchError::NO_SELF));
        assert_eq!(relay(from, addr("10.0.0.1:2"), connected), Err(HolepunchError::NOT_CONNECTED));
        assert_eq!(relay(addr("10.0.0.1:2"), target, connected), Err(HolepunchError::NOT_CONNECTED));
        assert_eq!(relay(addr("10.0.0.1:2"), addr("10.0.0.2:2"), connected), Ok(()));
    }

    #[test]
    fn an_address_is_asked_for_once_in_a_while_and_few_at_a_time() {
        let mut meetings = Meetings::default();
        assert!(meetings.ask(Time::ZERO, addr("9.9.9.9:1")));
        assert!(!meetings.ask(Time::from_secs(599), addr("9.9.9.9:1")));
        assert!(meetings.ask(Time::from_secs(600), addr("9.9.9.9:1")));
        let asked =
            (1..1_000u16).filter(|port| meetings.ask(Time::from_secs(700), addr(&format!("9.9.9.8:{port}"))));
        assert_eq!(asked.count(), MAX_ASKED - 1);
    }

    #[test]
    fn messages_are_rationed() {
        let mut ration = Ration::new(Time::ZERO);
        assert_eq!((0..100).filter(|_| ration.take(Time::ZERO)).count(), BURST as usize);
        let passed = (0..1_000).filter(|tenth| ration.take(Time::from_millis(tenth * 100))).count();
        assert!((9..=10).contains(&passed), "{passed} in 100 s");
    }
}
