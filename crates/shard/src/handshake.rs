//! The first 68 bytes of a connection, as states that are consumed (BEP 3).

use engine::{Disconnect, Fault, TorrentId};
use types::{InfoHash, PeerId};
use wire::{Handshake, HandshakePrefix, Reserved};

/// How far a handshake is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum State {
    /// Dialed for this torrent; the connection is not open yet.
    Dialing(TorrentId),
    /// Dialed and open; our 68 bytes are on their way.
    Sent(TorrentId),
    /// Accepted; it is not known yet for which torrent.
    Accepted,
    /// Accepted and answered; the peer's id is missing.
    Answered(TorrentId),
    /// Accepted and answered, and it is we who dialed. The other end closes when it has read our answer: closed
    /// here, it would never learn whom it dialed, and dial again.
    Ourselves(TorrentId),
}

/// What follows from the bytes so far.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Verdict {
    /// More bytes are needed.
    Wait(State),
    /// Answer with our handshake under this name, and look again.
    Answer(State, InfoHash),
    /// The torrent is not here; some other shard may have it.
    Unknown(InfoHash),
    /// Both sides are done.
    Done(TorrentId, Handshake),
    /// It is ourselves: nothing more is to come but the end.
    Ourselves(State),
    /// Close.
    Refuse(Disconnect),
}

impl State {
    /// The torrent it is for, where that is known.
    pub(crate) fn torrent(&self) -> Option<TorrentId> {
        match *self {
            State::Dialing(id) | State::Sent(id) | State::Answered(id) | State::Ourselves(id) => Some(id),
            State::Accepted => None,
        }
    }

    /// Looks at all bytes received so far. `us` is our own id in this torrent, where that is known; `find` knows the
    /// torrents of this shard by each of their names.
    pub(crate) fn handle(
        self,
        bytes: &[u8],
        us: Option<PeerId>,
        find: impl Fn(InfoHash) -> Option<TorrentId>,
    ) -> Verdict {
        if let State::Ourselves(_) = self {
            return Verdict::Refuse(Disconnect::Ourselves);
        }
        let Ok(prefix) = Handshake::decode_prefix(bytes) else {
            return Verdict::Refuse(Disconnect::Fault(Fault::NotBitTorrent));
        };
        match (self, prefix) {
            (State::Accepted, HandshakePrefix::InfoHash { info_hash, .. }) => accept(info_hash, find),
            (State::Accepted, HandshakePrefix::Complete(peer)) => accept(peer.info_hash, find),
            (State::Sent(id), HandshakePrefix::InfoHash { info_hash, .. }) if find(info_hash) != Some(id) => {
                Verdict::Refuse(Disconnect::Fault(Fault::UnknownInfoHash))
            }
            (State::Sent(id) | State::Answered(id), HandshakePrefix::Complete(peer)) => {
                if find(peer.info_hash) != Some(id) {
                    Verdict::Refuse(Disconnect::Fault(Fault::UnknownInfoHash))
                } else if us == Some(peer.peer_id) && self == State::Answered(id) {
                    // Of the two ends that we hold then, the dialed one is left to the brain, which never
                    // dials the address again.
                    Verdict::Ourselves(State::Ourselves(id))
                } else {
                    Verdict::Done(id, peer)
                }
            }
            (state, _) => Verdict::Wait(state),
        }
    }
}

fn accept(name: InfoHash, find: impl Fn(InfoHash) -> Option<TorrentId>) -> Verdict {
    match find(name) {
        Some(id) => Verdict::Answer(State::Answered(id), name),
        None => Verdict::Unknown(name),
    }
}

/// What we say first.
pub(crate) fn ours(us: PeerId, info_hash: InfoHash, reserved: Reserved) -> [u8; Handshake::LEN] {
    Handshake { reserved, info_hash, peer_id: us }.encode()
}

#[cfg(test)]
mod tests {
    use super::*;

    const US: PeerId = PeerId([1; 20]);
    const PEER: PeerId = PeerId([2; 20]);
    const NAME: InfoHash = InfoHash([7; 20]);
    const ID: TorrentId = TorrentId(3);

    fn hello(id: PeerId, name: InfoHash) -> [u8; 68] {
        ours(id, name, Reserved::NONE.with_fast(true))
    }

    fn find(name: InfoHash) -> Option<TorrentId> {
        (name == NAME).then_some(ID)
    }

    #[test]
    fn an_accepted_peer_is_answered_before_its_id_comes() {
        let bytes = hello(PEER, NAME);
        let mut state = State::Accepted;
        for n in 0..68 {
            match state.handle(&bytes[..n], Some(US), find) {
                Verdict::Wait(next) => state = next,
                Verdict::Answer(next, name) => {
                    assert_eq!((n, name), (48, NAME));
                    state = next;
                }
                other => panic!("{n}: {other:?}"),
            }
        }
        let Verdict::Done(ID, peer) = state.handle(&bytes, Some(US), find) else { panic!() };
        assert_eq!(peer.peer_id, PEER);
        assert!(peer.reserved.fast());
    }

    #[test]
    fn a_dialed_peer_must_name_our_torrent_and_be_another() {
        let sent = State::Sent(ID);
        assert!(matches!(sent.handle(&hello(PEER, NAME), Some(US), find), Verdict::Done(ID, _)));
        assert!(matches!(sent.handle(&hello(US, NAME), Some(US), find), Verdict::Done(..)));
        let answered = State::Answered(ID);
        let waits = State::Ourselves(ID);
        assert_eq!(answered.handle(&hello(US, NAME), Some(US), find), Verdict::Ourselves(waits));
        assert_eq!(waits.handle(&[0; 69], Some(US), find), Verdict::Refuse(Disconnect::Ourselves));
        let other = hello(PEER, InfoHash([8; 20]));
        let refused = Verdict::Refuse(Disconnect::Fault(Fault::UnknownInfoHash));
        assert_eq!(sent.handle(&other[..48], Some(US), find), refused);
        assert_eq!(sent.handle(&other, Some(US), find), refused);
    }

    #[test]
    fn unknown_names_and_other_protocols_are_told_apart() {
        let other = hello(PEER, InfoHash([8; 20]));
        assert_eq!(State::Accepted.handle(&other[..48], Some(US), find), Verdict::Unknown(InfoHash([8; 20])));
        let refused = Verdict::Refuse(Disconnect::Fault(Fault::NotBitTorrent));
        assert_eq!(State::Accepted.handle(b"GET /", Some(US), find), refused);
    }
}
