use std::time::Duration;

use types::{InfoHashes, PeerId, Rng};

use super::*;
use crate::announcer::{AnnouncerConfig, Status};
use crate::message::{FailureKind, SwarmCounts};

fn announcer(n: u64, trackers: &[&str]) -> Box<Announcer> {
    let mut hash = [0; 20];
    hash[..8].copy_from_slice(&n.to_be_bytes());
    let tiers = trackers.iter().map(|t| vec![TrackerUrl::parse(t).unwrap()]).collect();
    let config = AnnouncerConfig::new(InfoHashes::v1(InfoHash(hash)), PeerId([1; 20]), tiers);
    Box::new(Announcer::new(config, Rng::from_number(n)))
}

fn add(s: &mut Schedule, now: Time, n: u64, trackers: &[&str]) {
    s.handle(now, ScheduleInput::Add(TorrentKey(n), announcer(n, trackers)));
    s.handle(now, ScheduleInput::Torrent(TorrentKey(n), AnnouncerInput::Start));
}

fn reply() -> AnnounceReply {
    AnnounceReply { interval: Some(Duration::from_secs(1800)), ..AnnounceReply::default() }
}

/// All requests that start now, and when to come back.
fn drain(s: &mut Schedule, now: Time) -> (Vec<ScheduleOutput>, Time) {
    let mut out = vec![];
    loop {
        match s.poll(now) {
            ScheduleOutput::Wait(at) => return (out, at),
            other => out.push(other),
        }
    }
}

/// Runs 10 000 torrents on 20 hosts for two rounds; every request takes a tenth of a second. Returns a digest of all
/// that happened.
fn ten_thousand(config: ScheduleConfig) -> (u64, usize) {
    let mut s = Schedule::new(config);
    let mut now = Time::ZERO;
    for n in 0..10_000 {
        add(&mut s, now, n, &[&format!("http://host{}.example/announce", n % 20)]);
    }
    let mut answers: BTreeMap<(Time, Ticket), ()> = BTreeMap::new();
    let mut announced: BTreeMap<InfoHash, u32> = BTreeMap::new();
    let (mut digest, mut most) = (0u64, 0);
    while announced.len() < 10_000 || announced.values().any(|n| *n < 2) {
        let (out, wait) = drain(&mut s, now);
        for o in out {
            let ScheduleOutput::Announce { ticket, request, .. } = o else { continue };
            *announced.entry(request.info_hash).or_default() += 1;
            digest = digest.wrapping_mul(31).wrapping_add(ticket.0 ^ now.as_micros());
            answers.insert((now + Duration::from_millis(100), ticket), ());
        }
        most = most.max(s.in_flight());
        let first = answers.first_key_value().map_or(Time::NEVER, |((at, _), ())| *at);
        now = first.min(wait);
        assert_ne!(now, Time::NEVER);
        while let Some(entry) = answers.first_entry().filter(|e| e.key().0.is_due(now)) {
            let ((_, ticket), ()) = entry.remove_entry();
            s.handle(now, ScheduleInput::Announced(ticket, Ok(reply())));
        }
    }
    assert!(announced.values().all(|n| *n <= 3));
    (digest, most)
}

#[test]
fn ten_thousand_torrents_share_few_slots_and_none_is_lost() {
    let config = ScheduleConfig::default();
    let (digest, most) = ten_thousand(config);
    assert_eq!(most, config.total);
    assert_eq!(ten_thousand(config).0, digest);
}

#[test]
fn a_host_has_its_limit_and_does_not_hold_up_others() {
    let mut s = Schedule::new(ScheduleConfig { per_host: 4, total: 64 });
    for n in 0..100 {
        add(&mut s, Time::ZERO, n, &["http://slow.example/announce"]);
    }
    add(&mut s, Time::ZERO, 100, &["http://other.example/announce"]);
    let (out, _) = drain(&mut s, Time::ZERO);
    let hosts: Vec<_> = out
        .iter()
        .filter_map(|o| match o {
            ScheduleOutput::Announce { tracker, .. } => Some(tracker.host().to_owned()),
            _ => None,
        })
        .collect();
    assert_eq!(hosts, ["slow.example", "slow.example", "slow.example", "slow.example", "other.example"]);
    assert_eq!((s.in_flight(), s.queued()), (5, 96));
}

#[test]
fn the_most_overdue_goes_first_with_fresh_figures() {
    let mut s = Schedule::new(ScheduleConfig { per_host: 1, total: 10 });
    let at = Time::from_secs;
    add(&mut s, at(0), 1, &["http://t.example/announce"]);
    let (out, _) = drain(&mut s, at(0));
    let [ScheduleOutput::Announce { ticket, .. }] = out[..] else { panic!("{out:?}") };
    add(&mut s, at(5), 9, &["http://t.example/announce"]);
    drain(&mut s, at(5));
    add(&mut s, at(7), 2, &["http://t.example/announce"]);
    drain(&mut s, at(7));
    let status = Status { uploaded: 77, ..Status::default() };
    s.handle(at(8), ScheduleInput::Torrent(TorrentKey(9), AnnouncerInput::Status(status)));
    s.handle(at(9), ScheduleInput::Announced(ticket, Ok(reply())));
    let (out, _) = drain(&mut s, at(9));
    let Some(ScheduleOutput::Announce { request, .. }) = out.last() else { panic!("{out:?}") };
    assert_eq!((request.info_hash.0[7], request.uploaded), (9, 77));
}

#[test]
fn shutdown_says_stopped_first_and_ends() {
    let mut s = Schedule::new(ScheduleConfig { per_host: 2, total: 10 });
    for n in 0..10 {
        add(&mut s, Time::ZERO, n, &["http://t.example/announce"]);
    }
    // Two are under way, eight wait: nobody knows of them, so nobody is told.
    drain(&mut s, Time::ZERO);
    s.handle(Time::ZERO, ScheduleInput::Shutdown);
    let (mut aborts, mut stops, mut removed, mut drained) = (0, 0, 0, 0);
    while drained == 0 {
        match s.poll(Time::ZERO) {
            ScheduleOutput::Abort(_) => aborts += 1,
            ScheduleOutput::Removed(_) => removed += 1,
            ScheduleOutput::Announce { ticket, request, .. } => {
                assert_eq!(request.event, AnnounceEvent::Stopped);
                stops += 1;
                let outcome = if stops == 1 {
                    Ok(reply())
                } else {
                    Err(Failure::new(FailureKind::Unreachable, "gone"))
                };
                s.handle(Time::ZERO, ScheduleInput::Announced(ticket, outcome));
            }
            ScheduleOutput::Drained => drained += 1,
            ScheduleOutput::Event(..) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((aborts, removed), (2, 10));
    assert_eq!(stops, 2);
    assert_eq!((s.queued(), s.in_flight(), s.places.len(), s.hosts.len(), s.ready.len()), (0, 0, 0, 0, 0));
    assert_eq!(s.poll(Time::ZERO), ScheduleOutput::Wait(Time::NEVER));
}

#[test]
fn scrapes_of_one_tracker_travel_together() {
    let mut s = Schedule::new(ScheduleConfig { per_host: 1, total: 10 });
    for n in 0..3 {
        add(&mut s, Time::ZERO, n, &["http://t.example/announce"]);
        s.handle(Time::ZERO, ScheduleInput::Torrent(TorrentKey(n), AnnouncerInput::Scrape));
    }
    let mut scraped = 0;
    for _ in 0..20 {
        match s.poll(Time::ZERO) {
            ScheduleOutput::Announce { ticket, .. } => {
                s.handle(Time::ZERO, ScheduleInput::Announced(ticket, Ok(reply())));
            }
            ScheduleOutput::Scrape { ticket, hashes, .. } => {
                assert_eq!(hashes.len(), 3);
                let swarms = hashes.iter().map(|h| (*h, SwarmCounts::default())).collect();
                s.handle(Time::ZERO, ScheduleInput::Scraped(ticket, Ok(ScrapeReply { swarms })));
            }
            ScheduleOutput::Event(_, AnnouncerEvent::Scraped { swarms, .. }) => {
                assert_eq!(swarms.len(), 1);
                scraped += 1;
            }
            _ => {}
        }
    }
    assert_eq!(scraped, 3);
}

#[test]
fn a_replaced_torrent_leaves_nothing_behind() {
    let mut s = Schedule::new(ScheduleConfig::default());
    add(&mut s, Time::ZERO, 1, &["http://t.example/announce"]);
    drain(&mut s, Time::ZERO);
    s.handle(Time::ZERO, ScheduleInput::Add(TorrentKey(1), announcer(2, &[])));
    let (out, wait) = drain(&mut s, Time::ZERO);
    assert!(matches!(out[..], [ScheduleOutput::Abort(_)]), "{out:?}");
    assert_eq!((wait, s.in_flight()), (Time::NEVER, 0));
}
