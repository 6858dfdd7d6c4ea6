use std::io::{self, IoSlice, IoSliceMut};
use std::net::SocketAddr;
use std::time::Duration;

use mio::{Events, Poll, Token};

use super::*;

fn addr(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// Polls until `done` says so; the guard is only against hanging for ever.
fn until(poll: &mut Poll, mut done: impl FnMut() -> bool) {
    let mut events = Events::with_capacity(8);
    for _ in 0..600 {
        if done() {
            return;
        }
        poll.poll(&mut events, Some(Duration::from_millis(100))).unwrap();
    }
    panic!("nothing came");
}

#[test]
fn both_families_share_one_random_port() {
    let listening = listen(&[addr("127.0.0.1:0"), addr("[::1]:0")]).unwrap();
    let ports: Vec<u16> = listening.listeners.iter().map(|l| l.local_addr().port()).collect();
    assert!(ports[0] != 0 && ports.windows(2).all(|p| p[0] == p[1]), "{ports:?}");
    assert_eq!(listening.port(), Some(ports[0]));
}

#[test]
fn an_address_in_use_is_named() {
    let first = listen(&[addr("127.0.0.1:0")]).unwrap();
    let taken = first.listeners[0].local_addr();
    let error = listen(&[taken]).unwrap_err();
    assert_eq!(error.code(), "address_in_use");
    assert!(error.to_string().starts_with(&taken.to_string()), "{error}");
}

#[test]
fn an_address_of_another_machine_is_not_available() {
    assert_eq!(listen(&[addr("192.0.2.1:0")]).unwrap_err().code(), "address_not_available");
}

#[test]
fn mapped_addresses_become_ipv4_and_families_can_be_switched_off() {
    assert_eq!(canonical(addr("[::ffff:10.0.0.1]:7")), addr("10.0.0.1:7"));
    assert_eq!(canonical(addr("[2001:db8::1]:7")), addr("[2001:db8::1]:7"));
    let only_v4 = DialOptions { ipv4_only: true, ..DialOptions::default() };
    assert_eq!(dial(addr("[::1]:9"), &only_v4).unwrap_err().kind(), io::ErrorKind::Unsupported);
    assert!(only_v4.allow(addr("[::ffff:127.0.0.1]:9")));
}

#[test]
fn bytes_pass_both_ways_in_both_families() {
    for family in ["127.0.0.1:0", "[::1]:0"] {
        let mut poll = Poll::new().unwrap();
        let mut listening = listen(&[addr(family)]).unwrap();
        let listener = &mut listening.listeners[0];
        listener.register(poll.registry(), Token(0)).unwrap();
        let options = DialOptions {
            bind_v4: Some("127.0.0.1".parse().unwrap()),
            bind_v6: Some("::1".parse().unwrap()),
            ..DialOptions::default()
        };
        let mut ours = dial(listener.local_addr(), &options).unwrap();
        ours.register(poll.registry(), Token(1)).unwrap();
        until(&mut poll, || ours.is_connected().unwrap());
        let mut accepted = None;
        until(&mut poll, || {
            accepted = listener.accept().ok();
            accepted.is_some()
        });
        let mut theirs = accepted.unwrap();
        theirs.register(poll.registry(), Token(2)).unwrap();
        assert_eq!(theirs.peer_addr(), ours.local_addr().unwrap());
        assert_eq!(ours.write_vectored(&[IoSlice::new(b"ab"), IoSlice::new(b"c")]).unwrap(), 3);
        let (mut a, mut b) = ([0; 1], [0; 8]);
        until(&mut poll, || {
            theirs
                .read_vectored(&mut [IoSliceMut::new(&mut a), IoSliceMut::new(&mut b)])
                .is_ok_and(|n| n == 3)
        });
        assert_eq!((&a, &b[..2]), (b"a", &b"bc"[..]));
        ours.shutdown();
        until(&mut poll, || theirs.read_vectored(&mut [IoSliceMut::new(&mut b)]).is_ok_and(|n| n == 0));
    }
}

#[test]
fn a_refused_connection_is_an_error_and_not_open() {
    let mut poll = Poll::new().unwrap();
    let free = listen(&[addr("127.0.0.1:0")]).unwrap().listeners[0].local_addr();
    let mut stream = match dial(free, &DialOptions::default()) {
        Ok(stream) => stream,
        Err(_) => return,
    };
    stream.register(poll.registry(), Token(0)).unwrap();
    let mut failed = false;
    until(&mut poll, || {
        failed = stream.is_connected().is_err();
        failed
    });
    assert!(failed);
}
