//! How much may go out, and how much is listened to.

use std::collections::VecDeque;
use std::time::Duration;

use types::Time;

/// At most so many in any stretch of one length.
#[derive(Clone, Debug)]
pub(crate) struct Budget {
    most: usize,
    stretch: Duration,
    /// When the last ones were, at most `most`, oldest first.
    spent: VecDeque<Time>,
}

impl Budget {
    /// `most` in every `stretch`; at least 1.
    pub(crate) fn new(most: usize, stretch: Duration) -> Budget {
        Budget { most: most.max(1), stretch, spent: VecDeque::new() }
    }

    /// When the next one may be.
    pub(crate) fn next(&self) -> Time {
        match self.spent.front() {
            Some(oldest) if self.spent.len() >= self.most => *oldest + self.stretch,
            _ => Time::ZERO,
        }
    }

    /// Spends one, if that is allowed now.
    pub(crate) fn spend(&mut self, now: Time) -> bool {
        if !self.next().is_due(now) {
            return false;
        }
        if self.spent.len() >= self.most {
            self.spent.pop_front();
        }
        self.spent.push_back(now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_stretch_holds_more_than_its_budget() {
        let mut budget = Budget::new(3, Duration::from_secs(60));
        let mut spent = Vec::new();
        for second in 0..600 {
            let now = Time::from_secs(second);
            if budget.spend(now) {
                spent.push(now);
            } else {
                assert!(budget.next() > now);
            }
        }
        assert_eq!(spent.len(), 30);
        assert!(spent.windows(4).all(|w| w[3].since(w[0]) >= Duration::from_secs(60)));
    }

    #[test]
    fn a_budget_of_nothing_is_one() {
        assert!(Budget::new(0, Duration::from_secs(1)).spend(Time::ZERO));
    }
}
