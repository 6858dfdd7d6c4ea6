//! How much may go out.

use std::time::Duration;

use types::Time;

/// So many in a second, and so many at once after a pause.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    interval: Duration,
    /// How far what is spent may run ahead of the clock.
    ahead: Duration,
    /// When all that was spent is made good.
    even: Time,
}

impl Pace {
    /// At least 1 of each.
    pub(crate) fn new(per_second: u32, at_once: u32) -> Pace {
        let interval = Duration::from_secs(1) / per_second.max(1);
        Pace { interval, ahead: interval * (at_once.max(1) - 1), even: Time::ZERO }
    }

    /// When the next one may be.
    pub(crate) fn next(&self) -> Time {
        Time::ZERO + self.even.since(Time::ZERO).saturating_sub(self.ahead)
    }

    /// Spends one.
    pub(crate) fn spend(&mut self, now: Time) {
        self.even = self.even.max(now) + self.interval;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_second_holds_more_than_the_rate_and_a_burst() {
        let mut pace = Pace::new(50, 25);
        let mut sent = Vec::new();
        for millis in 0..10_000 {
            let now = Time::from_millis(millis);
            while pace.next().is_due(now) {
                pace.spend(now);
                sent.push(now);
            }
        }
        assert!((500..=525).contains(&sent.len()), "{}", sent.len());
        assert!(sent[25].since(sent[0]) > Duration::ZERO && sent[24] == sent[0]);
        assert!(sent.windows(76).all(|w| w[75].since(w[0]) >= Duration::from_secs(1)));
        // A pause is worth a burst and no more.
        let later = Time::from_secs(100);
        let burst = (0..100)
            .take_while(|_| {
                pace.next().is_due(later) && {
                    pace.spend(later);
                    true
                }
            })
            .count();
        assert_eq!(burst, 25);
    }
}
