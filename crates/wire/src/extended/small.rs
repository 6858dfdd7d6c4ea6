//! Extensions whose message is a single number: `lt_donthave` (BEP 54), `upload_only` (BEP 21).

use types::PieceIndex;

use super::Error;
use crate::Allowed;

/// A message of `lt_donthave`: the sender no longer has a piece that it said it had (BEP 54).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DontHave(pub PieceIndex);

impl DontHave {
    /// Reads the payload of a message.
    ///
    /// # Errors
    /// It is not four bytes long.
    pub fn decode(payload: &[u8]) -> Result<DontHave, Error> {
        let allowed = Allowed::Exactly(4);
        let error = Error::Len { what: "lt_donthave", len: payload.len(), allowed };
        payload.try_into().map(|bytes| DontHave(PieceIndex(u32::from_be_bytes(bytes)))).map_err(|_| error)
    }

    /// The payload of the message.
    pub const fn encode(self) -> [u8; 4] {
        self.0.0.to_be_bytes()
    }
}

/// A message of `upload_only`: the sender begins, or stops, to download nothing. The same as the key of the handshake,
/// said later (BEP 21).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UploadOnly(pub bool);

impl UploadOnly {
    /// Reads the payload of a message: any byte but 0 is yes.
    ///
    /// # Errors
    /// It is not one byte long.
    pub fn decode(payload: &[u8]) -> Result<UploadOnly, Error> {
        match *payload {
            [byte] => Ok(UploadOnly(byte != 0)),
            _ => {
                let allowed = Allowed::Exactly(1);
                Err(Error::Len { what: "upload_only", len: payload.len(), allowed })
            }
        }
    }

    /// The payload of the message.
    pub const fn encode(self) -> [u8; 1] {
        [self.0 as u8]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_survive_and_other_lengths_do_not() {
        assert_eq!(DontHave(PieceIndex(258)).encode(), [0, 0, 1, 2]);
        assert_eq!(DontHave::decode(&[0, 0, 1, 2]), Ok(DontHave(PieceIndex(258))));
        let error = DontHave::decode(&[1; 5]).unwrap_err();
        assert_eq!(error.to_string(), "lt_donthave of 5 bytes, allowed: 4");
        assert!(DontHave::decode(&[]).is_err());
        for on in [true, false] {
            assert_eq!(UploadOnly::decode(&UploadOnly(on).encode()), Ok(UploadOnly(on)));
        }
        assert_eq!(UploadOnly::decode(&[7]), Ok(UploadOnly(true)));
        assert!(UploadOnly::decode(&[]).is_err() && UploadOnly::decode(&[0, 0]).is_err());
    }
}
