//! Every message, byte by byte; and what is left of it when bytes are missing, added or random.

use proptest::prelude::*;
use riverrun_wire::{Error, FrameHeader, FrameLimits, HashRange, Message, MessageId};
use types::{BlockRef, PieceIndex};

const RUN: BlockRef = BlockRef { piece: PieceIndex(0x0102_0304), begin: 0x4000, len: 0x1000 };
const RUN_BYTES: [u8; 12] = [1, 2, 3, 4, 0, 0, 0x40, 0, 0, 0, 0x10, 0];
const RANGE: HashRange =
    HashRange { root: [0xcc; 32], base_layer: 4, index: 512, length: 256, proof_layers: 7 };

fn range_bytes() -> Vec<u8> {
    [&[0xcc; 32][..], &[0, 0, 0, 4, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 0, 7]].concat()
}

/// A message of each type with the bytes that follow its prefix.
fn samples() -> Vec<(Message<'static>, Vec<u8>)> {
    let number = |id: u8| vec![id, 1, 2, 3, 4];
    let run = |id: u8| [&[id][..], &RUN_BYTES].concat();
    let range = |id: u8| [&[id][..], &range_bytes()].concat();
    let index = PieceIndex(0x0102_0304);
    vec![
        (Message::KeepAlive, vec![]),
        (Message::Choke, vec![0]),
        (Message::Unchoke, vec![1]),
        (Message::Interested, vec![2]),
        (Message::NotInterested, vec![3]),
        (Message::Have(index), number(4)),
        (Message::Bitfield(&[0xf0, 0x80]), vec![5, 0xf0, 0x80]),
        (Message::Request(RUN), run(6)),
        (Message::piece(index, 0x4000, b"data"), [&[7][..], &RUN_BYTES[..8], b"data"].concat()),
        (Message::Cancel(RUN), run(8)),
        (Message::Port(6881), vec![9, 0x1a, 0xe1]),
        (Message::Suggest(index), number(13)),
        (Message::HaveAll, vec![14]),
        (Message::HaveNone, vec![15]),
        (Message::Reject(RUN), run(16)),
        (Message::AllowedFast(index), number(17)),
        (Message::Extended { id: 3, payload: b"de" }, vec![20, 3, b'd', b'e']),
        (Message::HashRequest(RANGE), range(21)),
        (Message::Hashes { range: RANGE, hashes: &[9; 64] }, [range(22), vec![9; 64]].concat()),
        (Message::HashReject(RANGE), range(23)),
        (Message::Unknown { id: MessageId(99), payload: b"new" }, b"\x63new".to_vec()),
    ]
}

#[test]
fn each_message_has_the_bytes_of_its_bep() {
    for (message, body) in samples() {
        let bytes = message.to_vec();
        assert_eq!(bytes[..4], (body.len() as u32).to_be_bytes(), "{message:?}");
        assert_eq!(bytes[4..], body, "{message:?}");
        assert_eq!(message.encoded_len(), bytes.len(), "{message:?}");
        assert_eq!(Message::decode(&body), Ok(message));
        assert_eq!(message.id().map(|id| id.0), body.first().copied());
    }
}

#[test]
fn framing_finds_the_end_of_each_message() {
    let limits = FrameLimits { pieces: Some(10), ..FrameLimits::default() };
    let stream: Vec<u8> = samples().iter().flat_map(|(message, _)| message.to_vec()).collect();
    let (mut rest, mut found) = (&stream[..], Vec::new());
    while !rest.is_empty() {
        let len = FrameHeader::peek(rest, &limits).unwrap().total_len().unwrap();
        found.push(Message::decode(&rest[4..len]).unwrap());
        rest = &rest[len..];
    }
    assert_eq!(found, samples().into_iter().map(|(message, _)| message).collect::<Vec<_>>());
}

/// Whether a message of this type and length is legal, by the tables of the BEPs.
fn legal(id: u8, len: usize) -> bool {
    match id {
        0..=3 | 14 | 15 => len == 1,
        4 | 13 | 17 => len == 5,
        6 | 8 | 16 => len == 13,
        7 => len >= 9,
        9 => len == 3,
        20 => len >= 2,
        21 | 23 => len == 49,
        22 => len >= 49 && (len - 49).is_multiple_of(32),
        _ => true,
    }
}

#[test]
fn each_type_is_refused_at_each_wrong_length() {
    for id in 0..=255u8 {
        for len in 1..=200 {
            let frame = [&[id][..], &vec![0; len - 1]].concat();
            match Message::decode(&frame) {
                Ok(message) => {
                    assert!(legal(id, len), "{id} {len}");
                    assert_eq!(message.to_vec()[4..], frame);
                }
                Err(Error::Len { id: named, len: n, allowed }) => {
                    assert!(!legal(id, len), "{id} {len}");
                    assert_eq!((named.0, n as usize), (id, len));
                    assert!(!allowed.contains(n));
                }
                Err(other) => panic!("{other}"),
            }
        }
    }
}

proptest! {
    #[test]
    fn whatever_decodes_encodes_to_the_same_bytes(frame in proptest::collection::vec(any::<u8>(), 0..400)) {
        if let Ok(message) = Message::decode(&frame) {
            prop_assert_eq!(&message.to_vec()[4..], &frame[..]);
        }
    }

    #[test]
    fn known_types_survive_random_bodies(id in 0u8..24, body in proptest::collection::vec(any::<u8>(), 0..150)) {
        let frame = [&[id][..], &body].concat();
        if let Ok(message) = Message::decode(&frame) {
            prop_assert_eq!(&message.to_vec()[4..], &frame[..]);
        }
    }

    #[test]
    fn framing_and_decoding_agree(id: u8, len in 1u32..300, body in proptest::collection::vec(any::<u8>(), 300)) {
        let limits = FrameLimits::default();
        let buf = [&len.to_be_bytes()[..], &[id], &body].concat();
        let framed = FrameHeader::peek(&buf, &limits);
        let decoded = Message::decode(&buf[4..4 + len as usize]);
        prop_assert_eq!(framed.is_ok(), decoded.is_ok());
    }
}
