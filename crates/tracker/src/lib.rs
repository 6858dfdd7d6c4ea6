//! BitTorrent tracker messages over HTTP and UDP, announce tiers and schedule, a small server.
