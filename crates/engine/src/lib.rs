//! The brain of a BitTorrent engine: peers, picker, choker, peer book, budgets.
