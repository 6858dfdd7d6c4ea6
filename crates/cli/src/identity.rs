//! What we call ourselves.

use types::PeerId;

use crate::exit::{Code, Failure};

/// How our peer ids begin (BEP 20).
pub(crate) const PEER_ID_PREFIX: &str = types::PEER_ID_PREFIX;

/// A peer id of ours, different each time.
pub(crate) fn peer_id() -> Result<PeerId, Failure> {
    const LETTERS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let tail: [u8; 12] = random()?;
    let mut id = [0; 20];
    id[..8].copy_from_slice(PEER_ID_PREFIX.as_bytes());
    id.iter_mut().skip(8).zip(tail).for_each(|(to, byte)| *to = LETTERS[usize::from(byte % 32)]);
    Ok(PeerId(id))
}

/// Random bytes of the system.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], Failure> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)
        .map_err(|error| Failure::new(Code::Other, format!("the system gives no random numbers: {error}")))?;
    Ok(bytes)
}

/// Reads what requests call us: the value of an HTTP header.
pub(crate) fn user_agent(text: &str) -> Result<String, String> {
    if text.chars().all(|c| c.is_ascii_graphic() || c == ' ') && !text.trim().is_empty() {
        return Ok(text.to_owned());
    }
    Err("a name for requests is printable ASCII, such as riverrun/0.1".to_owned())
}
