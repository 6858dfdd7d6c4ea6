//! SHA-1 and SHA-256, one stream and many independent streams at once.
