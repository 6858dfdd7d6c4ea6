use super::*;
use proptest::prelude::*;
use types::{Rng, Time};

fn announce() -> AnnounceRequest {
    let mut a = AnnounceRequest::new(InfoHash([0xaa; 20]), PeerId([0xbb; 20]), 0x1ae1);
    (a.downloaded, a.left, a.uploaded) = (1, 2, 3);
    a.event = AnnounceEvent::Started;
    a.key = 0xdead_beef;
    a
}

#[test]
fn requests_have_the_bytes_of_bep_15() {
    let connect = Request::Connect { transaction: 0x0102_0304 };
    assert_eq!(connect.encode(), [0, 0, 4, 0x17, 0x27, 0x10, 0x19, 0x80, 0, 0, 0, 0, 1, 2, 3, 4]);
    let request = Request::Announce {
        connection: 7,
        transaction: 9,
        announce: announce(),
        url_data: "/dir?a=b&c=d".into(),
    };
    let mut want = vec![0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 1, 0, 0, 0, 9];
    want.extend([0xaa; 20]);
    want.extend([0xbb; 20]);
    for n in [1u64, 2, 3] {
        want.extend(n.to_be_bytes());
    }
    want.extend([0, 0, 0, 2, 0, 0, 0, 0, 0xde, 0xad, 0xbe, 0xef, 0xff, 0xff, 0xff, 0xff, 0x1a, 0xe1]);
    assert_eq!(want.len(), ANNOUNCE_LEN);
    // The example of BEP 41.
    want.extend(b"\x02\x0c/dir?a=b&c=d");
    assert_eq!(request.encode(), want);
    assert_eq!(Request::decode(&want), Ok(request));
    want.extend([1, 1, 0, 99]);
    assert!(
        matches!(Request::decode(&want), Ok(Request::Announce { url_data, .. }) if url_data == "/dir?a=b&c=d")
    );
    let scrape = Request::Scrape { connection: 1, transaction: 2, hashes: vec![InfoHash([5; 20]); 2] };
    assert_eq!(scrape.encode().len(), 56);
    assert_eq!(Request::decode(&scrape.encode()), Ok(scrape));
}

#[test]
fn long_urls_are_sent_in_chunks() {
    let url_data = format!("/{}", "x".repeat(600));
    let request = Request::Announce { connection: 1, transaction: 1, announce: announce(), url_data };
    let bytes = request.encode();
    assert_eq!(bytes.len(), ANNOUNCE_LEN + 601 + 3 * 2);
    assert_eq!(Request::decode(&bytes), Ok(request));
    assert_eq!(decode_url_data(&[2, 1, b'/', 9, 1, 7, 2, 0, 2, 1, b'a', 2, 5, b'b']), "/a");
}

#[test]
fn requests_that_are_too_short_are_refused() {
    assert_eq!(Request::decode(&[0; 15]), Err(RequestError::Short { got: 15, expected: 16 }));
    let bytes =
        Request::Announce { connection: 1, transaction: 1, announce: announce(), url_data: String::new() }
            .encode();
    assert_eq!(Request::decode(&bytes[..97]), Err(RequestError::Short { got: 97, expected: 98 }));
    // A connect without the magic number is none.
    assert_eq!(Request::decode(&[0; 16]), Err(RequestError::Action(0)));
}

proptest! {
    #[test]
    fn no_datagram_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Response::decode(&bytes);
        if let Ok(request) = Request::decode(&bytes) {
            prop_assert_eq!(Request::decode(&request.encode()), Ok(request));
        }
    }

    #[test]
    fn responses_come_back(transaction: u32, a: u32, b: u32, c: u32, bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
        let counts = vec![SwarmCounts { seeders: a, downloads: b, leechers: c }; bytes.len() / 9];
        for response in [
            Response::Connect { transaction, connection: u64::from(a) << 32 | u64::from(b) },
            Response::Announce { transaction, interval: a, leechers: b, seeders: c, peers: &bytes },
            Response::Scrape { transaction, counts },
            Response::Error { transaction, message: &bytes },
        ] {
            let datagram = response.encode();
            prop_assert_eq!(Response::decode(&datagram), Ok(response));
        }
    }
}

/// A client with a log of what it sends, in seconds.
struct Bench {
    client: Client,
    to: SocketAddr,
    sent: Vec<(u64, Request)>,
    done: Vec<(RequestId, Result<UdpReply, UdpError>)>,
}

impl Bench {
    fn new(to: &str) -> Bench {
        let client = Client::new(ClientConfig::default(), Rng::from_number(5));
        Bench { client, to: to.parse().unwrap(), sent: vec![], done: vec![] }
    }

    fn ask(&mut self, secs: u64, id: u64) {
        let call = Call::Announce { request: Box::new(announce()), url_data: String::new() };
        self.client.handle(Time::from_secs(secs), Input::Ask { id: RequestId(id), to: self.to, call });
        self.drain(secs);
    }

    /// Lets time pass, firing each deadline when it comes.
    fn until(&mut self, secs: u64) {
        while let Output::Wait(at) = self.drain(secs) {
            if at > Time::from_secs(secs) {
                break;
            }
        }
    }

    fn drain(&mut self, secs: u64) -> Output {
        loop {
            match self.client.poll(Time::from_secs(secs)) {
                Output::Transmit { to, datagram } => {
                    assert_eq!(to, self.to);
                    self.sent.push((secs, Request::decode(&datagram).unwrap()));
                }
                Output::Done { id, result } => self.done.push((id, result)),
                wait => return wait,
            }
        }
    }

    fn last(&self) -> &Request {
        &self.sent.last().unwrap().1
    }

    fn answer(&mut self, secs: u64, response: &Response<'_>) {
        self.answer_from(secs, self.to, response);
    }

    fn answer_from(&mut self, secs: u64, from: SocketAddr, response: &Response<'_>) {
        let bytes = response.encode();
        self.client.handle(Time::from_secs(secs), Input::Datagram { from, bytes: &bytes });
        self.drain(secs);
    }

    fn connect(&mut self, secs: u64, connection: u64) {
        let Request::Connect { transaction } = *self.last() else { panic!("{:?}", self.last()) };
        self.answer(secs, &Response::Connect { transaction, connection });
    }

    fn announce_answer<'a>(&self, peers: &'a [u8]) -> Response<'a> {
        let Request::Announce { transaction, .. } = *self.last() else { panic!("{:?}", self.last()) };
        Response::Announce { transaction, interval: 1800, leechers: 1, seeders: 2, peers }
    }
}

#[test]
fn an_announce_connects_first_and_reuses_the_id_for_a_minute() {
    let mut b = Bench::new("10.0.0.1:80");
    b.ask(0, 1);
    b.connect(1, 77);
    assert!(matches!(b.last(), Request::Announce { connection: 77, .. }));
    b.answer(2, &b.announce_answer(&[1, 2, 3, 4, 0, 80, 9]));
    let (RequestId(1), Ok(UdpReply::Announce(reply))) = &b.done[0] else { panic!("{:?}", b.done) };
    assert_eq!((reply.peers.len(), reply.seeders, reply.leechers), (1, Some(2), Some(1)));
    b.ask(60, 2);
    assert!(matches!(b.last(), Request::Announce { connection: 77, .. }));
    b.answer(60, &b.announce_answer(&[]));
    b.ask(61, 3);
    assert!(matches!(b.last(), Request::Connect { .. }));
}

#[test]
fn an_unanswered_connect_is_sent_as_bep_15_shows() {
    let mut b = Bench::new("10.0.0.1:80");
    b.ask(0, 1);
    (1..10_000).for_each(|t| b.until(t));
    let times: Vec<u64> = b.sent.iter().map(|(t, _)| *t).collect();
    assert_eq!(times, [0, 15, 45, 105, 225, 465, 945, 1905, 3825]);
    let to = b.to;
    assert_eq!(b.done, [(RequestId(1), Err(UdpError::TimedOut { to, tries: 9 }))]);
    assert_eq!((b.client.in_flight(), b.client.transactions_len()), (0, 0));
}

#[test]
fn an_unanswered_announce_reconnects_as_bep_15_shows() {
    let mut b = Bench::new("10.0.0.1:80");
    b.ask(0, 1);
    b.connect(1, 5);
    (2..240).for_each(|t| b.until(t));
    let times: Vec<_> = b.sent.iter().map(|(t, r)| (*t, matches!(r, Request::Connect { .. }))).collect();
    // The announce goes out with the connect's answer; then as in the BEP's example, one second earlier.
    assert_eq!(times, [(0, true), (1, false), (16, false), (46, false), (106, true), (226, true)]);
}

#[test]
fn requests_share_one_connect() {
    let mut b = Bench::new("[2001:db8::1]:80");
    b.ask(0, 1);
    b.ask(0, 2);
    b.ask(3, 3);
    assert_eq!(b.sent.len(), 1);
    b.connect(4, 5);
    assert_eq!(b.sent.len(), 4);
    let mut peer = [0x20; 18];
    peer[16..].copy_from_slice(&[0, 80]);
    b.answer(4, &b.announce_answer(&peer));
    let (_, Ok(UdpReply::Announce(reply))) = &b.done[0] else { panic!("{:?}", b.done) };
    assert!(reply.peers[0].addr.is_ipv6());
}

#[test]
fn wrong_ids_senders_and_actions_are_ignored_and_counted() {
    let mut b = Bench::new("10.0.0.1:80");
    b.ask(0, 1);
    let Request::Connect { transaction } = *b.last() else { panic!() };
    b.answer(1, &Response::Connect { transaction: transaction ^ 1, connection: 1 });
    b.answer_from(1, "10.0.0.2:80".parse().unwrap(), &Response::Connect { transaction, connection: 1 });
    b.answer(1, &Response::Scrape { transaction, counts: vec![] });
    b.client.handle(Time::from_secs(1), Input::Datagram { from: b.to, bytes: &[0; 7] });
    assert_eq!((b.client.ignored(), b.sent.len()), (4, 1));
    b.connect(1, 5);
    let Request::Announce { transaction, .. } = *b.last() else { panic!() };
    b.answer(1, &Response::Scrape { transaction, counts: vec![] });
    b.answer(1, &Response::Connect { transaction, connection: 1 });
    assert_eq!((b.client.ignored(), b.done.len()), (6, 0));
    b.answer(2, &b.announce_answer(&[]));
    assert_eq!(b.done.len(), 1);
    // A second copy answers nothing any more.
    b.answer(2, &b.announce_answer(&[]));
    assert_eq!(b.client.ignored(), 7);
}

#[test]
fn a_refusal_is_told_and_a_forgotten_id_is_renewed_once() {
    let mut b = Bench::new("10.0.0.1:80");
    b.ask(0, 1);
    b.connect(1, 5);
    let Request::Announce { transaction, .. } = *b.last() else { panic!() };
    b.answer(2, &Response::Error { transaction, message: b"Connection ID missmatch" });
    assert!(b.done.is_empty() && matches!(b.last(), Request::Connect { .. }));
    b.connect(2, 6);
    assert!(matches!(b.last(), Request::Announce { connection: 6, .. }));
    b.answer(3, &Response::Error { transaction, message: b"Connection ID missmatch" });
    assert_eq!(b.done[0].1.as_ref().unwrap_err().to_string(), "the tracker refused: Connection ID missmatch");
}

#[test]
fn negative_and_huge_intervals_are_no_intervals() {
    let from = "1.2.3.4:5".parse().unwrap();
    assert_eq!(announce_reply(from, 0, 0, 0, &[]).interval, None);
    assert_eq!(announce_reply(from, 1 << 31, 0, 0, &[]).interval, None);
    let said = |interval: i32| announce_reply(from, interval.cast_unsigned(), 0, 0, &[]).bad_times;
    assert_eq!(said(-5), [BadTime { key: "interval", said: "-5".into() }]);
    assert_eq!((said(0).len(), said(1).len()), (1, 0));
    assert_eq!(announce_reply(from, 30, 0, 0, &[]).interval, Some(Duration::from_secs(30)));
}

#[test]
fn cancelling_leaves_nothing_behind() {
    let mut b = Bench::new("10.0.0.1:80");
    b.ask(0, 1);
    b.client.handle(Time::ZERO, Input::Cancel(RequestId(1)));
    assert_eq!(b.client.poll(Time::from_secs(100)), Output::Wait(Time::NEVER));
    assert_eq!((b.client.in_flight(), b.client.transactions_len()), (0, 0));
}
