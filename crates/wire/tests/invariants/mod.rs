//! What must hold for any bytes. The property tests, the corpus test and the fuzz targets all run this.
#![allow(dead_code, reason = "each fuzz target includes this file and uses one of its checks")]

use riverrun_wire::extended::{DontHave, ExtendedHandshake, Holepunch, Metadata, Pex, UploadOnly};
use riverrun_wire::{
    Error, FrameHeader, FrameLimits, Handshake, HandshakePrefix, Message, PREFIX_LEN, client_name,
};

/// Frames and decodes `bytes` as a stream of messages.
pub(crate) fn check_messages(bytes: &[u8]) {
    let limits = FrameLimits { pieces: Some(77), block_len: 1 << 15, message_len: 1 << 16 };
    let mut rest = bytes;
    // Four bytes at least are taken each time.
    while let Some(len) = check_header(rest, &limits).filter(|len| *len <= rest.len()) {
        let (frame, tail) = rest.split_at(len);
        let message = Message::decode(&frame[PREFIX_LEN..]).expect("what framing accepts decodes");
        assert_eq!(message.to_vec(), frame);
        assert_eq!(message.encoded_len(), frame.len());
        if let Message::HashRequest(range) = message {
            let _ = (range.check(u64::MAX), range.expected_hashes());
        }
        rest = tail;
    }
    if let Ok(message) = Message::decode(bytes) {
        assert_eq!(message.to_vec()[PREFIX_LEN..], *bytes);
    }
}

/// A header grows from "need more" to one verdict, which more bytes do not change.
fn check_header(bytes: &[u8], limits: &FrameLimits) -> Option<usize> {
    let last = FrameHeader::peek(bytes, limits);
    for n in 0..bytes.len().min(16) {
        match FrameHeader::peek(&bytes[..n], limits) {
            Ok(FrameHeader::NeedMore { len }) => assert!(len > n),
            verdict => assert_eq!(verdict, last),
        }
    }
    last.ok()?.total_len()
}

/// Reads `bytes` as the beginning of a connection.
pub(crate) fn check_handshake(bytes: &[u8]) {
    let mut refused: Option<Error> = None;
    for n in 0..=bytes.len().min(Handshake::LEN) {
        match (Handshake::decode_prefix(&bytes[..n]), refused) {
            (Err(error), None) => refused = Some(error),
            (result, Some(error)) => assert_eq!(result, Err(error), "a refusal is final"),
            (Ok(HandshakePrefix::Complete(handshake)), None) => {
                assert_eq!(handshake.encode(), bytes[..Handshake::LEN]);
                assert!(!client_name(&handshake.peer_id).chars().any(char::is_control));
            }
            (Ok(HandshakePrefix::InfoHash { info_hash, .. }), None) => {
                assert_eq!(info_hash.as_bytes()[..], bytes[28..48]);
            }
            (Ok(_), None) => assert!(n < Handshake::INFO_HASH_END),
        }
    }
}

/// Reads `bytes` as a payload of each extension: what decodes encodes to what decodes to the same.
pub(crate) fn check_extended(bytes: &[u8]) {
    if let Ok(handshake) = ExtendedHandshake::decode(bytes) {
        let encoded = handshake.encode();
        // Encoding may be longer than its input only by what lenient decoding let pass.
        if encoded.len() <= ExtendedHandshake::MAX_LEN {
            assert_eq!(ExtendedHandshake::decode(&encoded).as_ref(), Ok(&handshake));
        }
    }
    if let Ok(message) = Metadata::decode(bytes) {
        assert_eq!(Metadata::decode(&message.encode()), Ok(message));
    }
    if let Ok(pex) = Pex::decode(bytes) {
        assert!(pex.added.len() <= 2 * Pex::MAX_READ && pex.dropped.len() <= 2 * Pex::MAX_READ);
        let _ = pex.encode();
    }
    if let Ok(message) = Holepunch::decode(bytes) {
        let again = Holepunch::decode(&message.encode()).expect("our encoding decodes");
        assert_eq!(again.encode(), message.encode());
    }
    if let Ok(message) = DontHave::decode(bytes) {
        assert_eq!(message.encode()[..], *bytes);
    }
    let _ = UploadOnly::decode(bytes);
}
