//! A host's way to the network.

use std::time::Duration;

use types::Time;

/// What becomes of a dial to a host.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Door {
    /// It is accepted.
    Open,
    /// It is refused at once.
    Refuses,
    /// It is never answered.
    Silent,
}

/// A host's line: half of the way to every other host.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    /// Its half of each path's latency.
    pub(crate) latency: Duration,
    /// Its half of the most that chance adds to it.
    pub(crate) jitter: Duration,
    /// The part of all segments that is lost; of two ends the worse counts.
    pub(crate) loss: f64,
    /// Bytes a second it can send; 0 is no limit.
    pub(crate) up: u64,
    /// Bytes a second it can receive; 0 is no limit.
    pub(crate) down_rate: u64,
    pub(crate) door: Door,
    /// Behind a NAT: who dials it gets through only where it has sent to him from its own port before.
    pub(crate) nat: bool,
    /// Hosts of different groups can't reach each other.
    pub(crate) group: u8,
    /// Without power.
    pub(crate) down: bool,
    pub(super) sends_until: Time,
    pub(super) receives_until: Time,
}

impl Link {
    /// A line of this latency and of these bytes a second each way.
    pub(crate) fn new(latency: Duration, rate: u64) -> Link {
        Link {
            latency,
            jitter: latency / 4,
            loss: 0.0,
            up: rate,
            down_rate: rate,
            door: Door::Open,
            nat: false,
            group: 0,
            down: false,
            sends_until: Time::ZERO,
            receives_until: Time::ZERO,
        }
    }

    /// Sends so many bytes behind all that was sent before. Returns when the last has left.
    pub(crate) fn send(&mut self, now: Time, len: usize) -> Time {
        self.sends_until = self.sends_until.max(now) + span(len, self.up);
        self.sends_until
    }

    /// Receives so many bytes behind all that came before. Returns when the last is in.
    pub(crate) fn receive(&mut self, now: Time, len: usize) -> Time {
        self.receives_until = self.receives_until.max(now) + span(len, self.down_rate);
        self.receives_until
    }
}

fn span(len: usize, rate: u64) -> Duration {
    match rate {
        0 => Duration::ZERO,
        rate => Duration::from_micros(len as u64 * 1_000_000 / rate),
    }
}
