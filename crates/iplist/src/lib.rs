//! IP blocklists: P2P, eMule DAT and CIDR text, and a packed form searched in place.
