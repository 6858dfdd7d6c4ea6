//! Bencode: a borrowing decoder with limits, a canonical encoder, serde both ways.
