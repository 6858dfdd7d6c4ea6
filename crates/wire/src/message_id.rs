//! The number that says what a message is.

use std::fmt;

/// The type of a message: the byte after its length. Unknown numbers survive and print.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId(pub u8);

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $text:literal;)*) => {
        impl MessageId {
            $($(#[$doc])* pub const $name: MessageId = MessageId($number);)*

            /// The name of the message in the BEPs, where the number is known.
            pub const fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($number => Some($text),)*
                    _ => None,
                }
            }
        }
    };
}

ids! {
    /// BEP 3.
    CHOKE = 0, "choke";
    /// BEP 3.
    UNCHOKE = 1, "unchoke";
    /// BEP 3.
    INTERESTED = 2, "interested";
    /// BEP 3.
    NOT_INTERESTED = 3, "not interested";
    /// BEP 3.
    HAVE = 4, "have";
    /// BEP 3.
    BITFIELD = 5, "bitfield";
    /// BEP 3.
    REQUEST = 6, "request";
    /// BEP 3.
    PIECE = 7, "piece";
    /// BEP 3.
    CANCEL = 8, "cancel";
    /// BEP 5.
    PORT = 9, "port";
    /// BEP 6.
    SUGGEST = 13, "suggest piece";
    /// BEP 6.
    HAVE_ALL = 14, "have all";
    /// BEP 6.
    HAVE_NONE = 15, "have none";
    /// BEP 6.
    REJECT = 16, "reject request";
    /// BEP 6.
    ALLOWED_FAST = 17, "allowed fast";
    /// BEP 10.
    EXTENDED = 20, "extended";
    /// BEP 52.
    HASH_REQUEST = 21, "hash request";
    /// BEP 52.
    HASHES = 22, "hashes";
    /// BEP 52.
    HASH_REJECT = 23, "hash reject";
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "unknown ({})", self.0),
        }
    }
}

impl fmt::Debug for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_print_whether_known_or_not() {
        assert_eq!(MessageId::HAVE_ALL.to_string(), "have all");
        assert_eq!(MessageId(77).to_string(), "unknown (77)");
        assert_eq!((0..=255).filter(|&n| MessageId(n).name().is_some()).count(), 19);
    }
}
