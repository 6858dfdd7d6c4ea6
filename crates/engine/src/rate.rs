//! Rates: how fast bytes flow, and how fast they may.

use std::time::Duration;

use types::Time;

/// How fast something flows: an exponential mean over a few seconds.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Speed {
    mean: f64,
    bytes: u64,
    since: Time,
    total: u64,
}

impl Speed {
    const SPAN: Duration = Duration::from_millis(500);
    /// Weight of the past for one span: old bytes fade to a third in about four seconds.
    const KEEP: f64 = 0.87;

    /// Nothing has flowed until `now`.
    pub const fn new(now: Time) -> Speed {
        Speed { mean: 0.0, bytes: 0, since: now, total: 0 }
    }

    /// Counts bytes that flowed at `now`.
    pub fn add(&mut self, now: Time, bytes: u64) {
        self.roll(now);
        self.bytes += bytes;
        self.total += bytes;
    }

    /// Bytes a second.
    pub fn rate(&mut self, now: Time) -> f64 {
        self.roll(now);
        self.mean
    }

    /// All bytes ever counted.
    pub const fn total(&self) -> u64 {
        self.total
    }

    fn roll(&mut self, now: Time) {
        let passed = now.since(self.since);
        if passed < Self::SPAN {
            return;
        }
        let spans = passed.as_secs_f64() / Self::SPAN.as_secs_f64();
        let keep = Self::KEEP.powf(spans.min(1_000.0));
        let latest = self.bytes as f64 / passed.as_secs_f64();
        // A first measurement counts whole: a new peer should not look slow for seconds.
        self.mean = if self.mean == 0.0 { latest } else { self.mean * keep + latest * (1.0 - keep) };
        (self.bytes, self.since) = (0, now);
    }
}

/// A token bucket in bytes, filled by time. A limit of None lets everything pass at no cost.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Bucket {
    limit: Option<u64>,
    tokens: f64,
    filled: Time,
}

impl Bucket {
    /// How much quiet time may be saved up, in seconds.
    const BURST: f64 = 0.25;
    /// The least burst, in bytes: with less, a slow limit would never let a whole segment pass.
    const MIN_BURST: f64 = 2_048.0;

    /// A bucket for `limit` bytes a second.
    pub const fn new(limit: Option<u64>, now: Time) -> Bucket {
        Bucket { limit, tokens: 0.0, filled: now }
    }

    /// Changes the limit; what was saved up stays within the new burst.
    pub fn set_limit(&mut self, limit: Option<u64>, now: Time) {
        self.fill(now);
        self.limit = limit;
        self.tokens = self.tokens.min(self.burst());
    }

    /// The limit in bytes a second.
    pub const fn limit(&self) -> Option<u64> {
        self.limit
    }

    /// How many bytes may pass now; `usize::MAX` where there is no limit.
    pub fn available(&mut self, now: Time) -> usize {
        if self.limit.is_none() {
            return usize::MAX;
        }
        self.fill(now);
        self.tokens.max(0.0) as usize
    }

    /// Takes bytes that passed. More than were available is a debt that later time pays.
    pub fn take(&mut self, bytes: usize) {
        if self.limit.is_some() {
            self.tokens -= bytes as f64;
        }
    }

    /// When `bytes` (or a whole burst, where that is less) may pass.
    pub fn ready_at(&mut self, now: Time, bytes: usize) -> Time {
        let Some(limit) = self.limit else { return now };
        self.fill(now);
        let need = (bytes as f64).min(self.burst()) - self.tokens;
        match need {
            n if n <= 0.0 => now,
            _ if limit == 0 => Time::NEVER,
            n => now + Duration::from_secs_f64((n / limit as f64).min(86_400.0)) + Duration::from_micros(1),
        }
    }

    fn burst(&self) -> f64 {
        self.limit.map_or(0.0, |limit| (limit as f64 * Self::BURST).max(Self::MIN_BURST))
    }

    fn fill(&mut self, now: Time) {
        let passed = now.since(self.filled).as_secs_f64();
        self.filled = now;
        let limit = self.limit.unwrap_or(0) as f64;
        self.tokens = (self.tokens + limit * passed).min(self.burst());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speed_finds_a_steady_flow_and_forgets_it() {
        let mut speed = Speed::new(Time::ZERO);
        for ms in (0..10_000).step_by(10) {
            speed.add(Time::from_millis(ms), 1_000);
        }
        let rate = speed.rate(Time::from_secs(10));
        assert!((95_000.0..105_000.0).contains(&rate), "{rate}");
        assert!(speed.rate(Time::from_secs(60)) < 100.0);
        assert_eq!(speed.total(), 1_000_000);
    }

    #[test]
    fn row_22_a_bucket_keeps_its_limit_over_any_ten_seconds() {
        for limit in [1_000u64, 64_000, 125_000_000, 1_250_000_000] {
            let mut bucket = Bucket::new(Some(limit), Time::ZERO);
            let mut passed = 0u64;
            for ms in 0..10_000 {
                let now = Time::from_millis(ms);
                let n = bucket.available(now).min(16_384 + limit as usize / 100);
                bucket.take(n);
                passed += n as u64;
            }
            let (low, high) = (limit as f64 * 9.4, limit as f64 * 10.5);
            assert!((low..high).contains(&(passed as f64)), "{limit}: {passed}");
        }
    }

    #[test]
    fn row_22_a_changed_limit_holds_at_once() {
        let mut bucket = Bucket::new(Some(1_000_000), Time::ZERO);
        let mut passed = [0u64; 3];
        for (n, limit) in [(0, 1_000_000), (1, 64_000), (2, 10_000_000)] {
            let from = n as u64 * 10_000;
            bucket.set_limit(Some(limit), Time::from_millis(from));
            for ms in from..from + 10_000 {
                let most = bucket.available(Time::from_millis(ms)).min(65_536);
                bucket.take(most);
                passed[n] += most as u64;
            }
            let (low, high) = (limit as f64 * 9.5, limit as f64 * 10.5);
            assert!((low..high).contains(&(passed[n] as f64)), "{limit}: {passed:?}");
        }
    }

    #[test]
    fn a_closed_bucket_never_opens_and_a_debt_is_waited_for() {
        assert_eq!(Bucket::new(Some(0), Time::ZERO).ready_at(Time::from_secs(5), 1), Time::NEVER);
        let mut bucket = Bucket::new(Some(1_000), Time::ZERO);
        bucket.take(3_000);
        assert_eq!(bucket.available(Time::from_secs(2)), 0);
        let ready = bucket.ready_at(Time::from_secs(2), 1);
        assert!(ready > Time::from_secs(3) && ready < Time::from_millis(3_010), "{ready}");
        bucket.set_limit(None, Time::from_secs(3));
        assert_eq!(bucket.available(Time::from_secs(3)), usize::MAX);
    }
}
