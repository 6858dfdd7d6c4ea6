//! What must hold for any bytes. The property tests, the corpus test and the fuzz target all run this.

use std::net::SocketAddr;

use riverrun_dht::{
    Body, Config, Dht, Event, Input, Message, NODES, Output, PEERS, READ_LEN, TOKEN_LEN, TRANSACTION_LEN,
};
use types::{Announceable, InfoHash, InfoHashes, Privacy, Rng, Time, may_speak_of};

/// Reads `bytes` as a datagram, and has a machine take it as the answer to what it asked.
pub(crate) fn check(bytes: &[u8]) {
    let Ok(message) = Message::decode(bytes) else { return };
    assert!(bytes.len() <= READ_LEN && message.transaction.len() <= TRANSACTION_LEN);
    if let Body::Reply(reply) = &message.body {
        assert!(reply.nodes.len() <= 2 * NODES && reply.peers.len() <= PEERS);
        assert!(reply.token.as_ref().is_none_or(|token| token.len() <= TOKEN_LEN));
    }
    // What is written again says the same, where it is short enough to be read.
    let again = message.encode();
    if again.len() <= READ_LEN {
        assert_eq!(Message::decode(&again).as_ref(), Ok(&message));
    }
    for from in ["45.0.0.1:6881", "127.0.0.1:1", "[2a00::1]:6881"] {
        drive(&message, from.parse().expect("an address"));
    }
}

fn drive(message: &Message, from: SocketAddr) {
    let mut dht = Dht::new(Config::default(), Rng::from_number(1));
    let token = Announceable::new(InfoHashes::v1(InfoHash([7; 20])), Privacy::Public).expect("it is public");
    for input in [Input::Ports { v4: Some(1), v6: Some(1) }, Input::Add(token), Input::Nodes(&[from])] {
        assert_eq!(dht.handle(Time::ZERO, input), Ok(()));
    }
    let mut now = Time::ZERO;
    for _ in 0..50 {
        match dht.poll(now) {
            Output::Transmit { to, datagram } => {
                assert!(to == from || may_speak_of(from.ip(), to), "{from} led us to {to}");
                let asked = Message::decode(&datagram).expect("we write what can be read");
                let answer = Message { transaction: asked.transaction, ..message.clone() }.encode();
                let taken = dht.handle(now, Input::Datagram { from: to, bytes: &answer });
                let is_query = matches!(message.body, Body::Query(_));
                assert!(taken.is_err() == (is_query || answer.len() > READ_LEN), "{taken:?}");
            }
            Output::Event(Event::Peers { peers, .. }) => assert!(peers.len() <= PEERS),
            Output::Event(_) => {}
            Output::Wait(at) => {
                assert!(at > now);
                now = at;
            }
        }
    }
}
