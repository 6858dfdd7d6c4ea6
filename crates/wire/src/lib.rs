//! BitTorrent peer wire messages: views over bytes, legal-only values, framing.
