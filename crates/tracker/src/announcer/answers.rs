//! What trackers answered, and what follows from it.

use std::time::Duration;

use types::Time;

use super::{Announcer, AnnouncerEvent, AnnouncerOutput, InFlight};
use crate::message::{AnnounceEvent, AnnounceReply, Failure, FailureKind, Retry, ScrapeReply};

/// Longest time that a tracker's `retry in` (BEP 31) keeps us away.
const RETRY_CEILING: Duration = Duration::from_secs(24 * 3600);
/// How long a tracker without an address of the wanted family is left alone.
const NO_ADDRESS_RETRY: Duration = Duration::from_secs(3600);

impl Announcer {
    fn take_job(&mut self, ticket: u64) -> Option<InFlight> {
        let at = self.in_flight.iter().position(|f| f.ticket == ticket)?;
        Some(self.in_flight.swap_remove(at))
    }

    pub(super) fn announced(&mut self, now: Time, ticket: u64, outcome: Result<AnnounceReply, Failure>) {
        let Some(job) = self.take_job(ticket) else { return };
        let event = job.event.unwrap_or_default();
        match (job.walk, outcome) {
            (Some(walk), Ok(reply)) => self.succeeded(now, &job, walk, reply),
            (Some(walk), Err(failure)) => self.failed(now, &job, walk, failure),
            (None, outcome) => {
                if let Err(failure) = outcome {
                    let tracker = self.trackers[job.tracker].url.clone();
                    let failed = AnnouncerEvent::Failed { tracker, event, failure, retry: None };
                    self.out.push_back(AnnouncerOutput::Event(failed));
                }
            }
        }
        self.finish_stopping();
    }

    fn succeeded(&mut self, now: Time, job: &InFlight, walk: usize, reply: AnnounceReply) {
        let event = job.event.unwrap_or_default();
        let tracker = &mut self.trackers[job.tracker];
        let told = &mut tracker.told[job.lane];
        (told.started, told.acknowledged) = (true, true);
        (told.failures, told.retry_at, told.no_address) = (0, now, false);
        if event == AnnounceEvent::Completed {
            told.owes_completed = false;
        }
        if reply.tracker_id.is_some() {
            told.tracker_id.clone_from(&reply.tracker_id);
        }
        tracker.last_failure = None;
        tracker.seeders = reply.seeders.or(tracker.seeders);
        tracker.leechers = reply.leechers.or(tracker.leechers);
        let url = tracker.url.clone();
        let bad_times = Vec::clone(&reply.bad_times);
        let before = std::mem::replace(&mut tracker.bad_times, bad_times);

        let limits = self.config.intervals;
        let clamp = |d: Duration| d.clamp(limits.floor, limits.ceiling.max(limits.floor));
        let interval = clamp(reply.interval.unwrap_or(limits.default));
        let least = reply.min_interval.map_or(interval, clamp);
        let next = interval.max(least);
        self.walks[walk].succeeded(now, job.lane, job.tracker, next, least);
        self.hurry_owed(now);

        if self.config.private
            && let Some(from) = self.peers_from.replace(job.tracker).filter(|t| *t != job.tracker)
        {
            let from = self.trackers[from].url.clone();
            self.out.push_back(AnnouncerOutput::Event(AnnouncerEvent::Switched { from, to: url.clone() }));
        }
        self.out.push_back(AnnouncerOutput::Event(AnnouncerEvent::Announced {
            tracker: url.clone(),
            event,
            info_hash: self.lanes[job.lane].info_hash,
            next,
            seeders: reply.seeders,
            leechers: reply.leechers,
            peers: reply.peers,
            external_ip: reply.external_ip,
            warning: reply.warning,
        }));
        let news = reply.bad_times.into_iter().filter(|bad| !before.contains(bad));
        let told = news.map(|bad| AnnouncerEvent::BadTime { tracker: url.clone(), bad, next });
        self.out.extend(told.map(AnnouncerOutput::Event));
    }

    fn failed(&mut self, now: Time, job: &InFlight, walk: usize, failure: Failure) {
        let wait = self.retry_wait(job, failure.kind);
        let tracker = &mut self.trackers[job.tracker];
        let told = &mut tracker.told[job.lane];
        told.failures = told.failures.saturating_add(1);
        told.retry_at = wait.map_or(Time::NEVER, |wait| now + wait);
        told.no_address = failure.kind == FailureKind::NoAddress;
        if matches!(failure.kind, FailureKind::NoAddress | FailureKind::Unusable) {
            // It was never reached, so it need not be told `stopped`.
            told.started = told.acknowledged;
        }
        if failure.kind != FailureKind::NoAddress || !self.may_have_another_address(job) {
            let tracker = &mut self.trackers[job.tracker];
            tracker.last_failure = Some(failure.clone());
            let event = AnnouncerEvent::Failed {
                tracker: tracker.url.clone(),
                event: job.event.unwrap_or_default(),
                failure,
                retry: wait,
            };
            self.out.push_back(AnnouncerOutput::Event(event));
        }
        self.walks[walk].failed(now, job.lane);
    }

    /// Whether the tracker has, or may have, an address of another kind than that of this job. Most hosts have one kind
    /// only: that the other is missing is no failure then.
    fn may_have_another_address(&self, job: &InFlight) -> bool {
        let lane = &self.lanes[job.lane];
        let told = &self.trackers[job.tracker].told;
        self.lanes.iter().zip(told).any(|(other, told)| {
            other.info_hash == lane.info_hash && other.family != lane.family && !told.no_address
        })
    }

    /// How long to stay away from a tracker that failed; `None` for ever.
    fn retry_wait(&mut self, job: &InFlight, kind: FailureKind) -> Option<Duration> {
        let limits = self.config.intervals;
        match kind {
            FailureKind::Unusable | FailureKind::Refused(Retry::Never) => return None,
            FailureKind::NoAddress => return Some(NO_ADDRESS_RETRY),
            FailureKind::Refused(Retry::After(wait)) => {
                return Some(wait.clamp(limits.floor, RETRY_CEILING.max(limits.floor)));
            }
            FailureKind::Refused(Retry::Unspecified) | FailureKind::Unreachable => {}
        }
        let doublings = self.trackers[job.tracker].told[job.lane].failures.min(6);
        let wait = limits.first_retry * (1 << doublings);
        // A tenth more at random, so that those who failed together do not come back together.
        Some(wait + wait.mul_f64(self.rng.fraction() / 10.0))
    }

    pub(super) fn scraped(&mut self, ticket: u64, outcome: Result<ScrapeReply, Failure>) {
        let Some(job) = self.take_job(ticket) else { return };
        let tracker = &mut self.trackers[job.tracker];
        let url = tracker.url.clone();
        let event = match outcome {
            Ok(reply) => {
                if let Some((_, counts)) = reply.swarms.first() {
                    (tracker.seeders, tracker.leechers) = (Some(counts.seeders), Some(counts.leechers));
                }
                AnnouncerEvent::Scraped { tracker: url, swarms: reply.swarms }
            }
            Err(failure) => AnnouncerEvent::ScrapeFailed { tracker: url, failure },
        };
        self.out.push_back(AnnouncerOutput::Event(event));
        self.finish_stopping();
    }
}
