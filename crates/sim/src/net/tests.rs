use super::*;

const A: HostId = HostId(0);
const B: HostId = HostId(1);

struct Bench {
    net: Net,
    queue: Queue,
    now: Time,
}

impl Bench {
    fn new(seed: u64, loss: f64) -> Bench {
        let mut net = Net::new(Rng::from_number(seed));
        for _ in 0..2 {
            net.add_host(Link { loss, ..Link::new(Duration::from_millis(20), 1_000_000) });
        }
        Bench { net, queue: Queue::default(), now: Time::ZERO }
    }

    fn run(&mut self, end: Time) -> Vec<Notice> {
        while let Some((at, event)) = self.queue.pop(end) {
            self.now = at;
            let Event::Net(event) = event else { unreachable!("only the network plans here") };
            self.net.handle(at, &mut self.queue, event);
        }
        self.now = end;
        self.net.notices.drain(..).map(|(_, notice)| notice).collect()
    }

    fn open(&mut self) -> (Sock, Sock) {
        let sock = self.net.dial(self.now, &mut self.queue, A, address(B));
        let notices = self.run(self.now + Duration::from_secs(5));
        assert!(notices.iter().any(|n| matches!(n, Notice::Opened(s) if *s == sock)), "{notices:?}");
        (sock, sock.other())
    }

    fn write(&mut self, sock: Sock, bytes: &[u8]) -> io::Result<usize> {
        self.net.write(self.now, &mut self.queue, sock, &[IoSlice::new(bytes)])
    }

    fn read(&mut self, sock: Sock) -> io::Result<Vec<u8>> {
        let mut buf = vec![0; 8_192];
        let len =
            self.net.read(self.now, &mut self.queue, sock, &mut [IoSliceMut::new(&mut buf)], usize::MAX)?;
        buf.truncate(len);
        Ok(buf)
    }
}

#[test]
fn a_lossy_stream_keeps_every_byte_in_order_and_a_bound_on_memory() {
    let mut bench = Bench::new(4, 0.1);
    let (a, b) = bench.open();
    let sent: Vec<u8> = (0..600_000u32).map(|n| (n ^ (n >> 8)) as u8).collect();
    let (mut at, mut got) = (0, Vec::new());
    while got.len() < sent.len() {
        while at < sent.len() {
            match bench.write(a, &sent[at..]) {
                Ok(len) => at += len,
                Err(_) => break,
            }
        }
        let (held, most) = bench.net.buffered();
        assert!(held <= most, "{held}");
        bench.run(bench.now + Duration::from_millis(50));
        while let Ok(bytes) = bench.read(b) {
            got.extend(bytes);
        }
    }
    assert_eq!(got, sent);
    assert!(bench.now > Time::from_millis(600), "the line has a rate");
}

#[test]
fn an_end_is_read_after_the_last_byte_and_the_other_half_lives_on() {
    let mut bench = Bench::new(5, 0.0);
    let (a, b) = bench.open();
    bench.write(a, b"last words").unwrap();
    bench.net.shut_write(bench.now, &mut bench.queue, a);
    bench.run(Time::from_secs(10));
    assert_eq!(bench.read(b).unwrap(), b"last words");
    assert_eq!(bench.read(b).unwrap(), b"");
    bench.write(b, b"answer").unwrap();
    bench.net.close(bench.now, &mut bench.queue, b);
    bench.run(Time::from_secs(20));
    assert_eq!(bench.read(a).unwrap(), b"answer");
    assert_eq!(bench.read(a).unwrap(), b"");
    bench.net.close(bench.now, &mut bench.queue, a);
    bench.run(Time::from_secs(30));
    assert!(bench.net.conns.is_empty());
}

#[test]
fn writing_to_a_closed_end_is_answered_with_a_reset() {
    let mut bench = Bench::new(6, 0.0);
    let (a, b) = bench.open();
    bench.net.close(bench.now, &mut bench.queue, b);
    bench.write(a, b"hello").unwrap();
    bench.run(Time::from_secs(10));
    assert_eq!(bench.read(a).unwrap_err().kind(), io::ErrorKind::ConnectionReset);
}

#[test]
fn a_cut_path_delivers_after_it_heals_and_gives_up_if_it_does_not() {
    let mut bench = Bench::new(7, 0.0);
    let (a, b) = bench.open();
    bench.net.link(B).group = 1;
    bench.write(a, b"through").unwrap();
    bench.run(Time::from_secs(15));
    assert_eq!(bench.read(b).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    bench.net.heal();
    bench.run(Time::from_secs(60));
    assert_eq!(bench.read(b).unwrap(), b"through");
    bench.net.link(B).group = 1;
    bench.write(a, b"never").unwrap();
    bench.run(Time::from_secs(600));
    assert_eq!(bench.read(a).unwrap_err().kind(), io::ErrorKind::ConnectionReset);
}

#[test]
fn doors_refuse_or_stay_silent() {
    let mut bench = Bench::new(8, 0.0);
    bench.net.link(B).door = Door::Refuses;
    bench.net.dial(bench.now, &mut bench.queue, A, address(B));
    assert!(matches!(bench.run(Time::from_secs(1))[..], [Notice::Failed(_)]));
    bench.net.link(B).door = Door::Silent;
    bench.net.dial(bench.now, &mut bench.queue, A, address(B));
    assert!(bench.run(Time::from_secs(20)).is_empty());
    assert!(matches!(bench.run(Time::from_secs(40))[..], [Notice::Failed(_)]));
}
