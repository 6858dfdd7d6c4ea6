use super::*;
use proptest::prelude::*;

fn url(text: &str) -> TrackerUrl {
    TrackerUrl::parse(text).unwrap()
}

fn request() -> AnnounceRequest {
    let mut hash = [b'a'; 20];
    hash[..4].copy_from_slice(&[0, 0xff, b' ', b'+']);
    AnnounceRequest::new(InfoHash(hash), PeerId(*b"-RR0100-abcdefghijkl"), 6881)
}

#[test]
fn an_announce_is_built_byte_for_byte() {
    let mut r = request();
    r.uploaded = 1;
    r.downloaded = 2;
    r.left = 3;
    r.key = 0xbeef;
    assert_eq!(
        announce_url(&url("http://t.example/announce"), &r),
        "http://t.example/announce?info_hash=%00%FF%20%2Baaaaaaaaaaaaaaaa&peer_id=-RR0100-abcdefghijkl\
         &port=6881&uploaded=1&downloaded=2&left=3&compact=1&key=0000BEEF"
    );
    r.event = AnnounceEvent::Started;
    r.num_want = Some(0);
    r.tracker_id = Some(b"a&b".to_vec());
    r.ip = Some("2001:db8::1".parse().unwrap());
    let text = announce_url(&url("https://t.example:8443/a.php?pass=1"), &r);
    assert!(text.starts_with("https://t.example:8443/a.php?pass=1&info_hash=%00"), "{text}");
    assert!(text.ends_with("&numwant=0&event=started&ip=2001%3Adb8%3A%3A1&trackerid=a%26b"), "{text}");
}

#[test]
fn scrape_urls_follow_bep_48() {
    let scrape = |text: &str| scrape_url(&url(text), &[InfoHash([b'x'; 20])]);
    let hash = "info_hash=xxxxxxxxxxxxxxxxxxxx";
    assert_eq!(scrape("http://t.example/announce"), Some(format!("http://t.example/scrape?{hash}")));
    assert_eq!(scrape("http://t.example/x/announce"), Some(format!("http://t.example/x/scrape?{hash}")));
    assert_eq!(scrape("http://t.example/announce.php"), Some(format!("http://t.example/scrape.php?{hash}")));
    assert_eq!(scrape("http://t.example/announce?p=1"), Some(format!("http://t.example/scrape?p=1&{hash}")));
    assert_eq!(scrape("http://t.example/announce/key"), Some(format!("http://t.example/scrape/key?{hash}")));
    assert_eq!(scrape("http://announce.x/announce"), Some(format!("http://announce.x/scrape?{hash}")));
    assert_eq!(scrape("http://t.example/a"), None);
    assert_eq!(scrape("http://t.example/?x=/announce"), None);
    assert_eq!(scrape("http://announce.example/x%064announce"), None);
    let two = scrape_url(&url("http://t.example/announce"), &[InfoHash([1; 20]); 2]).unwrap();
    assert_eq!(two.matches("info_hash=").count(), 2);
}

#[test]
fn a_full_reply_is_read() {
    let body =
        b"d8:completei5e10:downloadedi7e11:external ip4:\x01\x02\x03\x0410:incompletei6e8:intervali1800e\
        12:min intervali60e5:peers12:\x01\x02\x03\x04\x00\x50\x05\x06\x07\x08\x00\x006:peers618:\
        \x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x1a\xe110:tracker id2:xy15:warning message4:hey\x07e";
    let r = parse_announce(body).unwrap();
    assert_eq!((r.seeders, r.leechers, r.downloads), (Some(5), Some(6), Some(7)));
    assert_eq!(r.interval, Some(Duration::from_secs(1800)));
    assert_eq!(r.min_interval, Some(Duration::from_secs(60)));
    assert_eq!(r.external_ip, Some("1.2.3.4".parse().unwrap()));
    assert_eq!((r.tracker_id.as_deref(), r.warning.as_deref()), (Some(&b"xy"[..]), Some("hey")));
    let addrs: Vec<_> = r.peers.iter().map(|p| p.addr.to_string()).collect();
    assert_eq!((addrs, r.skipped_peers), (vec!["1.2.3.4:80".into(), "[2001:db8::1]:6881".into()], 1));
}

#[test]
fn peers_in_the_long_form_are_read() {
    let body = b"d5:peersld2:ip7:1.2.3.47:peer id20:aaaaaaaaaaaaaaaaaaaa4:porti80eed2:ip3:::14:porti81ee\
        d2:ip11:example.org4:porti80eed2:ip7:1.2.3.44:porti99999eei5eee";
    let r = parse_announce(body).unwrap();
    assert_eq!(r.peers[0].id, Some(PeerId([b'a'; 20])));
    assert_eq!(r.peers[1].addr, "[::1]:81".parse().unwrap());
    assert_eq!((r.peers.len(), r.skipped_peers), (2, 3));
}

#[test]
fn refusals_say_when_to_come_back() {
    let refused = |body: &[u8]| match parse_announce(body) {
        Err(ReplyError::Refused { reason, retry }) => (reason, retry),
        other => panic!("{other:?}"),
    };
    assert_eq!(refused(b"d14:failure reason4:gonee"), ("gone".into(), Retry::Unspecified));
    assert_eq!(refused(b"d14:failure reason1:x8:retry ini5ee").1, Retry::After(Duration::from_secs(300)));
    assert_eq!(refused(b"d14:failure reason1:x8:retry in1:2e").1, Retry::After(Duration::from_secs(120)));
    assert_eq!(refused(b"d14:failure reason1:x8:retry in5:nevere").1, Retry::Never);
    assert_eq!(refused(b"d14:failure reason1:x8:retry ini-1ee").1, Retry::Unspecified);
    assert_eq!(refused(b"d14:failure reasoni1ee").0, "(it gave no reason)");
    assert!(parse_scrape(b"d14:failure reason1:xe", &[]).is_err());
}

#[test]
fn what_is_no_bencode_is_named() {
    let what = |body: &[u8]| parse_announce(body).unwrap_err().to_string();
    assert_eq!(
        what(b"<!DOCTYPE html><html><head><TITLE> 404 Not\nFound </title>"),
        "not a tracker's answer: an HTML page titled \"404 Not Found\""
    );
    assert_eq!(what(b"<html>x"), "not a tracker's answer: an HTML page that begins \"<html>x\"");
    assert_eq!(what(b""), "not a tracker's answer: the body is empty");
    assert_eq!(what(b"Not here"), "not a tracker's answer: text that begins \"Not here\"");
    assert_eq!(what(b"\x1f\x8b\x08\x00"), "not a tracker's answer: 4 bytes that begin \\x1f\\x8b\\x08\\x00");
    assert!(what(b"d5:peers5:aaaaae").contains("key `peers` at byte 8"));
    assert!(what(b"d5:peersi3ee").contains("neither a string nor a list"));
    assert!(what(b"d6:peers62:aae").contains("18-byte"));
    assert!(what(b"d5:peers").contains("damaged answer"));
    assert!(what("d5:peersl".repeat(100).as_bytes()).contains("deeper"));
}

#[test]
fn intervals_that_lie_are_no_intervals() {
    let interval = |text: &str| parse_announce(format!("d8:interval{text}e").as_bytes()).unwrap().interval;
    assert_eq!(interval("i0e"), None);
    assert_eq!(interval("i-5e"), None);
    assert_eq!(interval("le"), None);
    assert_eq!(interval("2:90"), Some(Duration::from_secs(90)));
    assert_eq!(interval("i9223372036854775807e"), Some(Duration::from_secs(u32::MAX.into())));
    let said = |body: &[u8]| {
        let reply = parse_announce(body).unwrap();
        reply.bad_times.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(said(b"d8:intervali-5ee"), ["`interval` is -5, which is no time to wait"]);
    assert_eq!(said(b"d8:intervali0ee"), ["`interval` is 0, which is no time to wait"]);
    assert_eq!(said(b"d8:intervallee"), ["`interval` is no number, which is no time to wait"]);
    assert_eq!(said(b"d8:interval4:soone"), ["`interval` is soon, which is no time to wait"]);
    assert_eq!(
        said(b"d8:intervali-9223372036854775808ee"),
        ["`interval` is -9223372036854775808, which is no time to wait"]
    );
    assert_eq!(
        said(b"d8:intervali60e12:min intervali-1ee"),
        ["`min interval` is -1, which is no time to wait"]
    );
    assert_eq!(said(b"d8:intervali60e12:min intervali0ee"), [""; 0]);
    assert_eq!(said(b"de"), [""; 0]);
}

#[test]
fn peers_over_the_limit_are_counted_only() {
    let n = limits::TRACKER_PEERS + 3;
    let mut body = format!("d5:peers{}:", 6 * n).into_bytes();
    body.extend([1, 2, 3, 4, 5, 6].repeat(n));
    body.push(b'e');
    let r = parse_announce(&body).unwrap();
    assert_eq!((r.peers.len(), r.skipped_peers), (limits::TRACKER_PEERS, 3));
}

#[test]
fn a_scrape_is_read() {
    let body = b"d5:filesd20:xxxxxxxxxxxxxxxxxxxxd8:completei11e10:downloadedi13772e10:incompletei19ee\
        20:yyyyyyyyyyyyyyyyyyyyd8:completei21e10:downloadedi206e10:incompletei-20eeee";
    let hashes = [InfoHash([b'y'; 20]), InfoHash([b'z'; 20]), InfoHash([b'x'; 20])];
    let r = parse_scrape(body, &hashes).unwrap();
    let x = SwarmCounts { seeders: 11, downloads: 13772, leechers: 19 };
    let y = SwarmCounts { seeders: 21, downloads: 206, leechers: 0 };
    assert_eq!(r.swarms, [(hashes[0], y), (hashes[2], x)]);
    assert!(parse_scrape(b"de", &hashes).unwrap_err().to_string().contains("`files`"));
    assert!(parse_scrape(b"d5:filesi1ee", &hashes).is_err());
}

proptest! {
    #[test]
    fn no_body_panics(body in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse_announce(&body);
        let _ = parse_scrape(&body, &[InfoHash([0; 20])]);
    }

    #[test]
    fn compact_peers_come_back(peers in proptest::collection::vec(any::<([u8; 4], u16)>(), 0..40)) {
        let mut body = format!("d5:peers{}:", 6 * peers.len()).into_bytes();
        for (ip, port) in &peers {
            body.extend(ip);
            body.extend(port.to_be_bytes());
        }
        body.push(b'e');
        let r = parse_announce(&body).unwrap();
        let want: Vec<_> = peers.iter().map(|p| SocketAddr::from(*p)).filter(crate::message::is_peer_addr).collect();
        prop_assert_eq!(r.peers.iter().map(|p| p.addr).collect::<Vec<_>>(), want);
        prop_assert_eq!(r.peers.len() + r.skipped_peers, peers.len());
    }
}
