//! What one peer may fetch of the info dictionary that is here (BEP 9).

use std::collections::VecDeque;

use wire::extended::{METADATA_PIECE_LEN, Metadata, metadata_pieces};

/// Pieces that are on their way to one peer at once: what waits for a peer that does not read stays small.
const AHEAD: usize = 8;
/// How often one peer may fetch the whole; some clients ask anew when they lose patience.
const COPIES: u32 = 4;
/// Pieces that are given beyond that.
const EXTRA: u32 = 64;

/// The requests of one peer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Requests {
    waiting: VecDeque<u32>,
    /// Some are on their way: the rest waits until the socket has taken them.
    leaving: bool,
    given: u32,
}

/// What becomes of a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Asked {
    /// It waits for its turn.
    Queued,
    /// There is no such piece, or the peer has had it too often.
    Refused,
    /// It waits already.
    Again,
}

impl Requests {
    /// A peer asks for a piece of the `size` bytes that are here.
    pub(crate) fn ask(&mut self, piece: u32, size: u32) -> Asked {
        let pieces = metadata_pieces(size);
        if piece >= pieces || self.given >= pieces * COPIES + EXTRA {
            return Asked::Refused;
        }
        if self.waiting.contains(&piece) {
            return Asked::Again;
        }
        self.given += 1;
        self.waiting.push_back(piece);
        Asked::Queued
    }

    /// The pieces to send now, if it is time; when they have left [`Requests::left`] is to be called.
    pub(crate) fn next(&mut self) -> Vec<u32> {
        if self.leaving {
            return Vec::new();
        }
        let now = self.waiting.len().min(AHEAD);
        self.leaving = now > 0;
        self.waiting.drain(..now).collect()
    }

    /// The socket has taken everything.
    pub(crate) fn left(&mut self) {
        self.leaving = false;
    }
}

/// The message with this piece; a refusal where there is none.
pub(crate) fn message(info: &[u8], piece: u32) -> Vec<u8> {
    let data = info.chunks(METADATA_PIECE_LEN as usize).nth(piece as usize);
    let reply = match data {
        Some(data) => Metadata::Data { piece, total_size: Some(info.len() as u32), data },
        None => Metadata::Reject { piece },
    };
    reply.encode()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floods_end_and_few_pieces_are_on_their_way() {
        let mut requests = Requests::default();
        let size = 100 * METADATA_PIECE_LEN;
        let asked: Vec<Asked> = (0..100_000).map(|n| requests.ask(n % 100, size)).collect();
        assert_eq!(asked.iter().filter(|a| **a == Asked::Queued).count(), 100);
        assert_eq!(requests.next().len(), AHEAD);
        assert!(requests.next().is_empty());
        requests.left();
        assert_eq!(requests.next().len(), AHEAD);
        let mut given = 0;
        for n in 0..100_000 {
            given += u32::from(requests.ask(n % 100, size) == Asked::Queued);
            requests.left();
            requests.next();
        }
        assert_eq!(given + 100, 464);
        assert_eq!(requests.ask(100, size), Asked::Refused);
    }

    #[test]
    fn pieces_say_the_size_and_others_are_refused() {
        let info = vec![7; 20_000];
        let (first, last, none) = (message(&info, 0), message(&info, 1), message(&info, 2));
        assert!(matches!(
            Metadata::decode(&first),
            Ok(Metadata::Data { piece: 0, total_size: Some(20_000), data }) if data.len() == 16_384
        ));
        assert!(matches!(Metadata::decode(&last), Ok(Metadata::Data { data, .. }) if data.len() == 3_616));
        assert_eq!(Metadata::decode(&none), Ok(Metadata::Reject { piece: 2 }));
    }
}
