use std::time::Duration;

use super::*;
use crate::message::{AnnounceReply, Retry, ScrapeReply, SwarmCounts};
use proptest::prelude::*;
use types::{InfoHashV2, InfoHashes, PeerId, Rng};

const V1: InfoHash = InfoHash([1; 20]);

fn url(text: &str) -> TrackerUrl {
    TrackerUrl::parse(text).unwrap()
}

fn tiers(tiers: &[&[&str]]) -> Vec<Vec<TrackerUrl>> {
    tiers.iter().map(|t| t.iter().map(|name| url(&format!("http://{name}/announce"))).collect()).collect()
}

fn config(names: &[&[&str]]) -> AnnouncerConfig {
    AnnouncerConfig::new(InfoHashes::v1(V1), PeerId([7; 20]), tiers(names))
}

/// An announcer driven by hand; seconds are absolute.
struct Bench {
    a: Announcer,
    now: u64,
    events: Vec<AnnouncerEvent>,
}

impl Bench {
    fn new(config: AnnouncerConfig) -> Bench {
        Bench { a: Announcer::new(config, Rng::from_number(1)), now: 0, events: vec![] }
    }

    fn started(config: AnnouncerConfig) -> Bench {
        let mut b = Bench::new(config);
        b.tell(AnnouncerInput::Start);
        b
    }

    fn tell(&mut self, input: AnnouncerInput) {
        self.a.handle(Time::from_secs(self.now), input);
    }

    /// The next job, letting no time pass; events are kept, aborts skipped.
    fn job(&mut self) -> Option<Job> {
        loop {
            match self.a.poll(Time::from_secs(self.now)) {
                AnnouncerOutput::Job(job) => {
                    self.tell(AnnouncerInput::Sent(job.ticket));
                    return Some(job);
                }
                AnnouncerOutput::Event(event) => self.events.push(event),
                AnnouncerOutput::Abort(_) => {}
                AnnouncerOutput::Wait(_) => return None,
            }
        }
    }

    /// Lets time pass until the next job.
    fn wait(&mut self) -> Job {
        for _ in 0..100 {
            if let Some(job) = self.job() {
                return job;
            }
            let AnnouncerOutput::Wait(at) = self.a.poll(Time::from_secs(self.now)) else { continue };
            assert_ne!(at, Time::NEVER, "nothing will ever happen");
            self.now = at.as_micros().div_ceil(1_000_000);
        }
        panic!("no job in sight")
    }

    fn ok(&mut self, job: &Job) {
        self.ok_with(job, AnnounceReply { interval: Some(Duration::from_secs(1800)), ..Default::default() });
    }

    fn ok_with(&mut self, job: &Job, reply: AnnounceReply) {
        self.tell(AnnouncerInput::Announced { ticket: job.ticket, outcome: Ok(reply) });
    }

    fn fail(&mut self, job: &Job) {
        self.fail_with(job, FailureKind::Unreachable);
    }

    fn fail_with(&mut self, job: &Job, kind: FailureKind) {
        let failure = Failure::new(kind, "no");
        self.tell(AnnouncerInput::Announced { ticket: job.ticket, outcome: Err(failure) });
    }
}

fn host(job: &Job) -> &str {
    job.tracker.host()
}

fn request(job: &Job) -> &AnnounceRequest {
    match &job.kind {
        JobKind::Announce(request) => request,
        JobKind::Scrape(_) => panic!("a scrape"),
    }
}

#[test]
fn events_come_once_and_in_order() {
    let mut b = Bench::started(config(&[&["a"]]));
    let first = b.wait();
    assert_eq!(request(&first).event, AnnounceEvent::Started);
    b.ok(&first);
    let second = b.wait();
    assert_eq!((b.now, request(&second).event), (1800, AnnounceEvent::None));
    b.ok(&second);
    b.tell(AnnouncerInput::Completed);
    let third = b.wait();
    assert_eq!((b.now, request(&third).event), (1800, AnnounceEvent::Completed));
    assert_eq!(request(&third).key, request(&first).key);
    // Not heard: said again. Heard: never again.
    b.fail(&third);
    let again = b.wait();
    assert_eq!(request(&again).event, AnnounceEvent::Completed);
    b.ok(&again);
    let regular = b.wait();
    assert_eq!(request(&regular).event, AnnounceEvent::None);
    b.tell(AnnouncerInput::Stop);
    let stopped = b.wait();
    assert_eq!((request(&stopped).event, request(&stopped).num_want), (AnnounceEvent::Stopped, Some(0)));
    b.ok(&stopped);
    assert_eq!((b.job(), b.events.last()), (None, Some(&AnnouncerEvent::Stopped)));
    assert!(b.a.is_idle());
}

#[test]
fn completed_goes_only_to_trackers_that_knew_us_before() {
    let mut b = Bench::new(config(&[&["a"], &["b"]]));
    b.tell(AnnouncerInput::Start);
    let job = b.wait();
    // Complete while the first `started` is under way: both are said, in order.
    b.tell(AnnouncerInput::Completed);
    b.ok(&job);
    let completed = b.wait();
    assert_eq!((host(&completed), request(&completed).event), ("a", AnnounceEvent::Completed));
    b.ok(&completed);
    let job = b.wait();
    b.fail(&job);
    let backup = b.wait();
    assert_eq!((host(&backup), request(&backup).event), ("b", AnnounceEvent::Started));
    b.ok(&backup);
    let job = b.wait();
    assert_eq!((host(&job), request(&job).event), ("a", AnnounceEvent::None));
}

#[test]
fn tiers_fail_over_and_promote_as_in_bep_12() {
    let mut b = Bench::started(config(&[&["a", "b", "c"], &["d"]]));
    let order: Vec<String> = b.a.trackers().iter().map(|t| t.url.host().to_owned()).collect();
    assert_eq!(order[3], "d");
    let first = b.wait();
    assert_eq!(host(&first), order[0]);
    b.fail(&first);
    let second = b.wait();
    assert_eq!((host(&second), b.now), (order[1].as_str(), 0));
    b.fail(&second);
    let third = b.wait();
    assert_eq!(host(&third), order[2]);
    b.ok(&third);
    let now: Vec<String> = b.a.trackers().iter().map(|t| t.url.host().to_owned()).collect();
    assert_eq!(now, [&order[2], &order[0], &order[1], &order[3]].map(Clone::clone));
    // When all of the first tier fail, the next tier is asked.
    for n in [2, 0, 1, 3] {
        let job = b.wait();
        assert_eq!((b.now, host(&job)), (1800, order[n].as_str()));
        if n != 3 { b.fail(&job) } else { b.ok(&job) }
    }
    // The next announce begins at the top again, with trackers that are not in their back-off.
    assert_eq!(host(&b.wait()), order[2]);
}

#[test]
fn every_tier_can_be_asked_at_once() {
    let mut c = config(&[&["a"], &["b"], &["c"]]);
    c.mode = TierMode::EveryTier;
    let mut b = Bench::started(c.clone());
    let hosts: Vec<_> = std::iter::from_fn(|| b.job()).map(|j| host(&j).to_owned()).collect();
    assert_eq!(hosts, ["a", "b", "c"]);
    // A private torrent is asked for one at a time all the same.
    c.private = true;
    let mut b = Bench::started(c);
    assert_eq!(std::iter::from_fn(|| b.job()).count(), 1);
}

#[test]
fn retries_back_off_and_start_anew_after_success() {
    let mut b = Bench::started(config(&[&["a"]]));
    let mut waits = vec![];
    for _ in 0..9 {
        let job = b.wait();
        let before = b.now;
        b.fail(&job);
        let Some(AnnouncerEvent::Failed { retry: Some(retry), .. }) = ({
            b.job();
            b.events.last().cloned()
        }) else {
            panic!()
        };
        waits.push(retry.as_secs());
        assert!(b.a.poll(Time::from_secs(before)) != AnnouncerOutput::Wait(Time::NEVER));
    }
    for (n, wait) in waits.iter().enumerate() {
        let base = 60 << n.min(6);
        assert!((base..=base + base / 10).contains(wait), "{n}: {wait}");
    }
    let job = b.wait();
    b.ok(&job);
    assert_eq!(b.a.trackers()[0].failures, 0);
}

#[test]
fn intervals_are_clamped() {
    let secs = |n: u64| Some(Duration::from_secs(n));
    for (interval, min, want) in [
        (None, None, 1800),
        (secs(1), None, 60),
        (secs(u64::from(u32::MAX)), None, 6 * 3600),
        (secs(100), secs(900), 900),
        (secs(100), secs(1), 100),
    ] {
        let mut b = Bench::started(config(&[&["a"]]));
        let job = b.wait();
        b.ok_with(&job, AnnounceReply { interval, min_interval: min, ..Default::default() });
        b.wait();
        assert_eq!(b.now, want, "{interval:?} {min:?}");
    }
}

#[test]
fn a_time_that_can_not_be_meant_is_told_once_and_ours_is_taken() {
    let mut b = Bench::started(config(&[&["a"]]));
    let bad = |said: &str| BadTime { key: "interval", said: said.into() };
    let mut told = Vec::new();
    for said in [vec![bad("-5")], vec![bad("-5")], vec![], vec![bad("-5")], vec![bad("-6")]] {
        let job = b.wait();
        let interval = said.is_empty().then_some(Duration::from_secs(1800));
        b.events.clear();
        b.ok_with(&job, AnnounceReply { interval, bad_times: said, ..Default::default() });
        let before = b.now;
        b.job();
        told.push(b.events.iter().find_map(|event| match event {
            AnnouncerEvent::BadTime { bad, next, .. } => Some((bad.said.clone(), next.as_secs())),
            _ => None,
        }));
        assert_eq!(before, b.now);
    }
    let five = Some(("-5".to_owned(), 1800));
    assert_eq!(told, [five.clone(), None, None, five, Some(("-6".to_owned(), 1800))]);
}

#[test]
fn wanting_peers_waits_for_the_minimum_and_force_does_not() {
    let mut b = Bench::started(config(&[&["a"]]));
    let job = b.wait();
    let reply = AnnounceReply {
        interval: Some(Duration::from_secs(1800)),
        min_interval: Some(Duration::from_secs(300)),
        ..Default::default()
    };
    b.ok_with(&job, reply);
    b.now = 10;
    b.tell(AnnouncerInput::WantPeers);
    let job = b.wait();
    assert_eq!(b.now, 300);
    b.ok(&job);
    b.now = 310;
    b.tell(AnnouncerInput::WantPeers);
    assert_eq!(b.job(), None);
    b.tell(AnnouncerInput::Force);
    assert!(b.job().is_some());
}

#[test]
fn a_tracker_may_say_never() {
    let mut b = Bench::started(config(&[&["a"], &["b"]]));
    let job = b.wait();
    b.fail_with(&job, FailureKind::Refused(Retry::Never));
    for _ in 0..5 {
        let job = b.wait();
        assert_eq!(host(&job), "b");
        b.fail(&job);
    }
    b.tell(AnnouncerInput::Force);
    assert_eq!(host(&b.job().unwrap()), "a");
    let mut b = Bench::started(config(&[&["a"]]));
    let job = b.wait();
    b.fail_with(&job, FailureKind::Refused(Retry::After(Duration::from_secs(600))));
    b.wait();
    assert_eq!(b.now, 600);
}

#[test]
fn unsupported_trackers_are_shown_and_never_asked() {
    let mut c = config(&[&["a"]]);
    c.tiers.insert(0, vec![url("wss://w.example/")]);
    let mut b = Bench::started(c);
    assert_eq!(host(&b.wait()), "a");
    let shown = b.a.trackers();
    assert_eq!(shown[0].last_failure.as_ref().unwrap().message, "wss trackers are not supported");
    let mut b = Bench::started(AnnouncerConfig::new(
        InfoHashes::v1(V1),
        PeerId([7; 20]),
        vec![vec![url("wss://w.example/")]],
    ));
    assert_eq!((b.job(), b.a.poll(Time::ZERO)), (None, AnnouncerOutput::Wait(Time::NEVER)));
    b.tell(AnnouncerInput::Stop);
    assert_eq!(b.job(), None);
    assert_eq!(b.events, [AnnouncerEvent::Stopped]);
}

#[test]
fn a_hybrid_announces_both_names_over_both_families() {
    let mut c = config(&[&["a"]]);
    let v2 = InfoHashV2([2; 32]);
    c.info_hashes = InfoHashes::hybrid(V1, v2);
    c.families = vec![Family::V4, Family::V6];
    let mut b = Bench::started(c);
    let jobs: Vec<Job> = std::iter::from_fn(|| b.job()).collect();
    let lanes: Vec<_> = jobs.iter().map(|j| (request(j).info_hash, request(j).family)).collect();
    let t = v2.truncated();
    assert_eq!(lanes, [(V1, Family::V4), (V1, Family::V6), (t, Family::V4), (t, Family::V6)]);
    // No IPv6 there: that lane waits long and owes no `stopped`; the others are not disturbed.
    for job in &jobs {
        if request(job).family == Family::V6 { b.fail_with(job, FailureKind::NoAddress) } else { b.ok(job) }
    }
    b.tell(AnnouncerInput::Stop);
    let stops: Vec<Job> = std::iter::from_fn(|| b.job()).collect();
    assert!(
        stops.iter().all(|j| request(j).event == AnnounceEvent::Stopped && request(j).family == Family::V4)
    );
    assert_eq!(stops.len(), 2);
}

#[test]
fn an_address_of_one_kind_is_enough() {
    let no_address = |b: &Bench| {
        let is = |e: &&AnnouncerEvent| matches!(e, AnnouncerEvent::Failed { failure, .. } if failure.kind == FailureKind::NoAddress);
        b.events.iter().filter(is).count()
    };
    for v6_first in [true, false] {
        let mut c = config(&[&["a"]]);
        c.families = vec![Family::V4, Family::V6];
        let mut b = Bench::started(c.clone());
        let (v4, v6) = (b.job().unwrap(), b.job().unwrap());
        if v6_first {
            b.fail_with(&v6, FailureKind::NoAddress);
            b.ok(&v4);
        } else {
            b.ok(&v4);
            b.fail_with(&v6, FailureKind::NoAddress);
        }
        assert_eq!(b.job(), None);
        assert_eq!(no_address(&b), 0);
        // Where there is neither, it is said.
        let mut b = Bench::started(c);
        let (v4, v6) = (b.job().unwrap(), b.job().unwrap());
        let (first, second) = if v6_first { (v6, v4) } else { (v4, v6) };
        b.fail_with(&first, FailureKind::NoAddress);
        b.fail_with(&second, FailureKind::NoAddress);
        assert_eq!(b.job(), None);
        assert_eq!(no_address(&b), 1);
    }
}

#[test]
fn a_private_torrent_uses_one_tracker_at_a_time() {
    let mut c = config(&[&["a"], &["b"]]);
    c.private = true;
    c.families = vec![Family::V4, Family::V6];
    let mut b = Bench::started(c);
    let (v4, v6) = (b.job().unwrap(), b.job().unwrap());
    assert_eq!((host(&v4), host(&v6)), ("a", "a"));
    // While one lane may still find that it works, the other does not go elsewhere.
    b.fail(&v4);
    assert_eq!(b.job(), None);
    b.ok(&v6);
    assert_eq!(b.job(), None);
    let retry = b.wait();
    assert_eq!((host(&retry), request(&retry).family), ("a", Family::V4));
    b.ok(&retry);
    // Both fail: the switch, with the peers to be dropped when the new one answers.
    let (x, y) = (b.wait(), b.wait());
    b.fail(&x);
    b.fail(&y);
    let (x, y) = (b.wait(), b.wait());
    assert_eq!((host(&x), host(&y)), ("b", "b"));
    b.events.clear();
    b.ok(&x);
    b.ok(&y);
    b.job();
    let switched = AnnouncerEvent::Switched { from: url("http://a/announce"), to: url("http://b/announce") };
    assert_eq!(b.events[0], switched);
    assert_eq!(b.events.iter().filter(|e| **e == switched).count(), 1);
    // It stays, although the first tier would work again.
    let next = b.wait();
    assert_eq!((host(&next), request(&next).event), ("b", AnnounceEvent::None));
}

#[test]
fn stopping_aborts_what_is_under_way_and_tells_all_who_may_know() {
    let mut b = Bench::started(config(&[&["a"], &["b"]]));
    let job = b.wait();
    b.fail(&job);
    let under_way = b.wait();
    b.tell(AnnouncerInput::Stop);
    assert_eq!(b.a.poll(Time::ZERO), AnnouncerOutput::Abort(under_way.ticket));
    // "a" may have got what we had no answer to.
    let stops: Vec<Job> = std::iter::from_fn(|| b.job()).collect();
    assert_eq!(stops.iter().map(host).collect::<Vec<_>>(), ["a", "b"]);
    b.ok(&under_way);
    b.fail(&stops[0]);
    assert!(!b.a.is_idle());
    b.ok(&stops[1]);
    assert_eq!(b.job(), None);
    assert_eq!(b.events.last(), Some(&AnnouncerEvent::Stopped));
    // And it can begin again.
    b.tell(AnnouncerInput::Start);
    assert_eq!(request(&b.wait()).event, AnnounceEvent::Started);
}

#[test]
fn who_was_never_asked_is_not_told_stopped() {
    let mut a = Announcer::new(config(&[&["a"]]), Rng::from_number(1));
    a.handle(Time::ZERO, AnnouncerInput::Start);
    let AnnouncerOutput::Job(job) = a.poll(Time::ZERO) else { panic!() };
    a.handle(Time::ZERO, AnnouncerInput::Stop);
    assert_eq!(a.poll(Time::ZERO), AnnouncerOutput::Abort(job.ticket));
    assert_eq!(a.poll(Time::ZERO), AnnouncerOutput::Event(AnnouncerEvent::Stopped));
}

#[test]
fn trackers_can_be_replaced() {
    let mut b = Bench::started(config(&[&["a"]]));
    let job = b.wait();
    b.ok_with(&job, AnnounceReply { tracker_id: Some(b"id".to_vec()), ..Default::default() });
    b.tell(AnnouncerInput::Trackers(tiers(&[&["a"], &["b"]])));
    assert_eq!(b.job(), None);
    let job = b.wait();
    assert_eq!((b.now, host(&job), request(&job).tracker_id.as_deref()), (1800, "a", Some(&b"id"[..])));
    b.tell(AnnouncerInput::Trackers(tiers(&[&["b"]])));
    let (one, two) = (b.wait(), b.wait());
    assert_eq!((host(&one), request(&one).event), ("a", AnnounceEvent::Stopped));
    assert_eq!((host(&two), request(&two).event), ("b", AnnounceEvent::Started));
}

#[test]
fn trackers_beside_the_tiers_are_asked_whatever_the_tiers_answer() {
    let mut settings = config(&[&["a"], &["b"]]);
    // Asked once, though it stands in a tier too.
    settings.beside = vec![url("http://x/announce"), url("http://b/announce"), url("http://x/announce")];
    let mut b = Bench::started(settings.clone());
    let jobs: Vec<Job> = std::iter::from_fn(|| b.job()).collect();
    assert_eq!(jobs.iter().map(host).collect::<Vec<_>>(), ["a", "x", "b"]);
    jobs.iter().for_each(|job| b.ok(job));
    let shown: Vec<_> = b.a.trackers().into_iter().map(|t| (t.tier, t.announced)).collect();
    assert_eq!(shown, [(0, true), (1, true), (2, true)]);
    // Another list: who left it is told, who stays is not asked anew.
    b.tell(AnnouncerInput::Beside(vec![url("http://b/announce")]));
    let job = b.wait();
    assert_eq!((b.now, host(&job), request(&job).event), (0, "x", AnnounceEvent::Stopped));
    assert_eq!(b.job(), None);

    settings.private = true;
    let mut b = Bench::started(settings);
    let job = b.wait();
    b.ok(&job);
    assert_eq!((host(&job), b.job()), ("a", None), "one tracker at a time");
}

#[test]
fn scrapes_go_to_the_tracker_in_use() {
    let mut b = Bench::started(config(&[&["a"], &["b"]]));
    let job = b.wait();
    b.fail(&job);
    let job = b.wait();
    b.ok(&job);
    b.tell(AnnouncerInput::Scrape);
    let job = b.job().unwrap();
    assert_eq!((host(&job), &job.kind), ("b", &JobKind::Scrape(vec![V1])));
    let counts = SwarmCounts { seeders: 3, downloads: 2, leechers: 1 };
    let outcome = Ok(ScrapeReply { swarms: vec![(V1, counts)] });
    b.tell(AnnouncerInput::Scraped { ticket: job.ticket, outcome });
    b.job();
    assert!(matches!(b.events.last(), Some(AnnouncerEvent::Scraped { .. })));
    assert_eq!(b.a.trackers()[1].seeders, Some(3));
}

proptest! {
    /// Whatever trackers answer: no lane has two jobs at once, a private torrent has one tracker at a time, `completed`
    /// is acknowledged at most once, and stopping ends.
    #[test]
    fn rules_hold_under_any_answers(seed: u64, private: bool, every: bool, steps in proptest::collection::vec((0u8..8, any::<u8>()), 1..120)) {
        let mut c = config(&[&["a", "b"], &["c"]]);
        (c.private, c.families) = (private, vec![Family::V4, Family::V6]);
        c.mode = if every { TierMode::EveryTier } else { TierMode::First };
        let mut a = Announcer::new(c, Rng::from_number(seed));
        let mut now = Time::ZERO;
        let mut open: Vec<Job> = vec![];
        let mut completed = std::collections::BTreeMap::new();
        a.handle(now, AnnouncerInput::Start);
        let mut told_completed = false;
        for (action, pick) in steps {
            loop {
                match a.poll(now) {
                    AnnouncerOutput::Job(job) => {
                        if let JobKind::Announce(r) = &job.kind {
                            let twin = |j: &Job| matches!(&j.kind, JobKind::Announce(o) if o.family == r.family && j.tracker == job.tracker);
                            prop_assert!(!open.iter().any(twin));
                        }
                        a.handle(now, AnnouncerInput::Sent(job.ticket));
                        open.push(job);
                    }
                    AnnouncerOutput::Abort(ticket) => open.retain(|j| j.ticket != ticket),
                    AnnouncerOutput::Event(_) => {}
                    AnnouncerOutput::Wait(at) => {
                        prop_assert!(at > now);
                        if action == 0 && at != Time::NEVER { now = at; }
                        break;
                    }
                }
            }
            if private {
                let hosts: std::collections::BTreeSet<_> = open.iter().map(|j| j.tracker.clone()).collect();
                prop_assert!(hosts.len() <= 1);
            }
            match action {
                1..=4 if !open.is_empty() => {
                    let job = open.swap_remove(usize::from(pick) % open.len());
                    let outcome = if action < 3 { Ok(AnnounceReply::default()) } else { Err(Failure::new(FailureKind::Unreachable, "x")) };
                    if outcome.is_ok() && request(&job).event == AnnounceEvent::Completed {
                        let n = completed.entry((job.tracker.clone(), request(&job).family)).or_insert(0);
                        *n += 1;
                        prop_assert_eq!(*n, 1);
                    }
                    a.handle(now, AnnouncerInput::Announced { ticket: job.ticket, outcome });
                }
                5 if !told_completed => { told_completed = true; a.handle(now, AnnouncerInput::Completed); }
                6 => a.handle(now, AnnouncerInput::WantPeers),
                7 if pick < 40 => a.handle(now, AnnouncerInput::Force),
                _ => now += Duration::from_secs(u64::from(pick)),
            }
        }
        a.handle(now, AnnouncerInput::Stop);
        for _ in 0..50 {
            match a.poll(now) {
                AnnouncerOutput::Job(job) => a.handle(now, AnnouncerInput::Announced { ticket: job.ticket, outcome: Ok(AnnounceReply::default()) }),
                AnnouncerOutput::Wait(at) => { prop_assert_eq!(at, Time::NEVER); break }
                _ => {}
            }
        }
        prop_assert!(a.is_idle());
    }
}
