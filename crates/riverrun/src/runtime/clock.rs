//! The engine's time, mapped onto the system's monotonic clock.

use std::time::{Duration, Instant};

use types::Time;

/// One clock for all threads of a client, so that their times compare.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    start: Instant,
}

impl Clock {
    /// A clock that begins at [`Time::ZERO`] now.
    pub(crate) fn new() -> Clock {
        Clock { start: Instant::now() }
    }

    /// The time now.
    pub(crate) fn now(&self) -> Time {
        Time::ZERO + self.start.elapsed()
    }

    /// How long to wait for `deadline`. `None` for ever.
    ///
    /// Rounded up to the next millisecond: pollers count in those, and waking early would spin until the time
    /// has come.
    pub(crate) fn until(&self, deadline: Time) -> Option<Duration> {
        if deadline == Time::NEVER {
            return None;
        }
        let left = deadline.since(self.now());
        Some(Duration::from_millis(left.as_micros().div_ceil(1_000) as u64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_rounded_up_and_never_wake_early() {
        let clock = Clock::new();
        assert_eq!(clock.until(Time::NEVER), None);
        assert_eq!(clock.until(Time::ZERO), Some(Duration::ZERO));
        let wait = clock.until(clock.now() + Duration::from_secs(100)).unwrap();
        assert!(wait <= Duration::from_secs(100) && wait > Duration::from_secs(50), "{wait:?}");
    }
}
