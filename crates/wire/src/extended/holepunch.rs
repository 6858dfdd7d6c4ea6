//! `ut_holepunch`: two peers behind NATs meet through a third (BEP 55).

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use super::{Error, check_len, pex};
use crate::Allowed;

const WHAT: &str = "ut_holepunch";

/// Why a relay can't help (BEP 55). Unknown codes survive and print.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct HolepunchError(pub u32);

impl HolepunchError {
    /// The target endpoint is invalid.
    pub const NO_SUCH_PEER: HolepunchError = HolepunchError(1);
    /// The relay is not connected to the target.
    pub const NOT_CONNECTED: HolepunchError = HolepunchError(2);
    /// The target does not understand the extension.
    pub const NO_SUPPORT: HolepunchError = HolepunchError(3);
    /// The target is the relay itself.
    pub const NO_SELF: HolepunchError = HolepunchError(4);
}

impl fmt::Display for HolepunchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            1 => f.write_str("no such peer"),
            2 => f.write_str("not connected"),
            3 => f.write_str("no support"),
            4 => f.write_str("no self"),
            code => write!(f, "unknown ({code})"),
        }
    }
}

impl fmt::Debug for HolepunchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A message of `ut_holepunch` (BEP 55).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Holepunch {
    /// To a relay: bring me together with this peer.
    Rendezvous(SocketAddr),
    /// From a relay: connect to this peer by uTP, now.
    Connect(SocketAddr),
    /// From a relay: that rendezvous can't be.
    Error {
        /// The peer of the rendezvous.
        target: SocketAddr,
        /// Why.
        code: HolepunchError,
    },
    /// A message of another kind; to be ignored.
    Unknown {
        /// Its kind.
        kind: u8,
    },
}

impl Holepunch {
    /// Reads the payload of a message. The error code may be missing where it means nothing, as some clients leave it
    /// out.
    ///
    /// # Errors
    /// The length or the kind of address can't be.
    pub fn decode(payload: &[u8]) -> Result<Holepunch, Error> {
        let Some((&[kind, family], rest)) = payload.split_first_chunk::<2>() else {
            let allowed = Allowed::Between { min: 2, max: 24 };
            return Err(Error::Len { what: WHAT, len: payload.len(), allowed });
        };
        if kind > 2 {
            return Ok(Holepunch::Unknown { kind });
        }
        let (v4, v6) = (rest.split_first_chunk(), rest.split_first_chunk());
        let (min, read) = match family {
            0 => (8, v4.map(|(bytes, code)| (pex::compact_v4(bytes), code))),
            1 => (20, v6.map(|(bytes, code)| (pex::compact_v6(bytes), code))),
            kind => return Err(Error::AddressKind { what: WHAT, kind }),
        };
        let with_code = if kind == 2 { min + 4 } else { min };
        check_len(WHAT, payload.len(), Allowed::Steps { min: with_code, step: 4, max: min + 4 })?;
        // The length is right, so the address is there; the fallback is never taken.
        let Some((target, code)) = read else {
            return Err(Error::Len { what: WHAT, len: payload.len(), allowed: Allowed::Exactly(min) });
        };
        Ok(match kind {
            0 => Holepunch::Rendezvous(target),
            1 => Holepunch::Connect(target),
            _ => {
                let code = code.try_into().map(u32::from_be_bytes).unwrap_or_default();
                Holepunch::Error { target, code: HolepunchError(code) }
            }
        })
    }

    /// The payload of the message. IPv6 forms of IPv4 addresses are written as IPv4.
    pub fn encode(&self) -> Vec<u8> {
        let (kind, addr, code) = match *self {
            Holepunch::Rendezvous(addr) => (0, addr, 0),
            Holepunch::Connect(addr) => (1, addr, 0),
            Holepunch::Error { target, code } => (2, target, code.0),
            Holepunch::Unknown { kind } => return vec![kind, 0],
        };
        let mut out = vec![kind];
        match addr.ip().to_canonical() {
            IpAddr::V4(ip) => {
                out.push(0);
                out.extend(ip.octets());
            }
            IpAddr::V6(ip) => {
                out.push(1);
                out.extend(ip.octets());
            }
        }
        out.extend(addr.port().to_be_bytes());
        out.extend(code.to_be_bytes());
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn bytes_are_those_of_bep_55() {
        let v4: SocketAddr = "1.2.3.4:6881".parse().unwrap();
        let bytes = Holepunch::Rendezvous(v4).encode();
        assert_eq!(bytes, [0, 0, 1, 2, 3, 4, 0x1a, 0xe1, 0, 0, 0, 0]);
        let v6: SocketAddr = "[2001::1]:1".parse().unwrap();
        let bytes = Holepunch::Error { target: v6, code: HolepunchError::NO_SELF }.encode();
        assert_eq!(bytes, [2, 1, 0x20, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 4]);
        for message in [
            Holepunch::Connect(v4),
            Holepunch::Connect(v6),
            Holepunch::Rendezvous(v6),
            Holepunch::Error { target: v4, code: HolepunchError(77) },
            Holepunch::Unknown { kind: 9 },
        ] {
            assert_eq!(Holepunch::decode(&message.encode()), Ok(message));
        }
        assert_eq!(HolepunchError(77).to_string(), "unknown (77)");
    }

    #[test]
    fn lengths_are_checked() {
        for (kind, family, good) in
            [(0, 0, vec![8, 12]), (1, 1, vec![20, 24]), (2, 0, vec![12]), (2, 1, vec![24])]
        {
            for len in 0..40usize {
                let bytes: Vec<u8> = [kind, family].into_iter().chain([0; 40]).take(len).collect();
                assert_eq!(Holepunch::decode(&bytes).is_ok(), good.contains(&len), "{kind} {family} {len}");
            }
        }
        let error = Holepunch::decode(&[0, 2, 0, 0, 0, 0, 0, 0]);
        assert_eq!(error, Err(Error::AddressKind { what: WHAT, kind: 2 }));
    }

    proptest! {
        #[test]
        fn any_bytes_are_harmless(bytes in proptest::collection::vec(any::<u8>(), 0..30)) {
            if let Ok(message) = Holepunch::decode(&bytes) {
                prop_assert_eq!(Holepunch::decode(&message.encode()), Ok(message));
            }
        }
    }
}
