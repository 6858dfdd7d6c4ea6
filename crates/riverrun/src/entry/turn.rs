//! Whether it is a torrent's turn, where only so many may be active.

use std::time::Duration;

use types::Time;

/// A torrent of which nothing moved for so long takes nobody's place.
const IDLE: Duration = Duration::from_secs(60);

/// A torrent's place in the line.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Turn {
    waits: bool,
    /// When payload moved last, or it became active.
    moved: Time,
}

impl Turn {
    /// Of a torrent that comes to the line's end.
    pub(crate) fn waiting() -> Turn {
        Turn { waits: true, moved: Time::ZERO }
    }

    pub(crate) fn waits(self) -> bool {
        self.waits
    }

    /// Payload moved.
    pub(crate) fn moved(&mut self, now: Time) {
        self.moved = now;
    }

    /// Whether it is active for nothing.
    pub(crate) fn is_idle(self, now: Time) -> bool {
        !self.waits && now.since(self.moved) >= IDLE
    }

    /// Whether it waits from now on.
    pub(crate) fn set(&mut self, waits: bool, now: Time) {
        *self = Turn { waits, moved: now };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_active_for_nothing_is_idle_after_a_minute() {
        let mut turn = Turn::waiting();
        assert!(turn.waits() && !turn.is_idle(Time::from_secs(100)));
        turn.set(false, Time::from_secs(100));
        assert!(!turn.is_idle(Time::from_secs(159)));
        turn.moved(Time::from_secs(159));
        assert!(!turn.is_idle(Time::from_secs(218)) && turn.is_idle(Time::from_secs(219)));
    }
}
