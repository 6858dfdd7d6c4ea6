//! Byte strings and raw values as types of serde.

use std::borrow::Cow;
use std::fmt;
use std::ops::{Deref, DerefMut};

use ::serde::de::{self, Deserialize, Deserializer, Visitor};
use ::serde::ser::{Serialize, Serializer};

/// The name by which our (de)serializer knows a raw value.
pub(super) const RAW: &str = "$riverrun_bencode::raw";

/// What can be read from a byte string by [`bytes`](mod@bytes).
pub trait FromBytes<'de>: Sized {
    /// `None` if the bytes have the wrong length, or are not borrowed and have to be.
    fn from_bytes(bytes: Cow<'de, [u8]>) -> Option<Self>;
}

impl<'de> FromBytes<'de> for Vec<u8> {
    fn from_bytes(bytes: Cow<'de, [u8]>) -> Option<Self> {
        Some(bytes.into_owned())
    }
}

impl<'de> FromBytes<'de> for Box<[u8]> {
    fn from_bytes(bytes: Cow<'de, [u8]>) -> Option<Self> {
        Some(bytes.into_owned().into())
    }
}

impl<'de> FromBytes<'de> for Cow<'de, [u8]> {
    fn from_bytes(bytes: Cow<'de, [u8]>) -> Option<Self> {
        Some(bytes)
    }
}

impl<'de> FromBytes<'de> for &'de [u8] {
    fn from_bytes(bytes: Cow<'de, [u8]>) -> Option<Self> {
        if let Cow::Borrowed(bytes) = bytes { Some(bytes) } else { None }
    }
}

impl<'de, const N: usize> FromBytes<'de> for [u8; N] {
    fn from_bytes(bytes: Cow<'de, [u8]>) -> Option<Self> {
        bytes.as_ref().try_into().ok()
    }
}

struct BytesVisitor<T>(std::marker::PhantomData<T>);

impl<'de, T: FromBytes<'de>> BytesVisitor<T> {
    fn make<E: de::Error>(&self, bytes: Cow<'de, [u8]>) -> Result<T, E> {
        let length = bytes.len();
        T::from_bytes(bytes).ok_or_else(|| E::invalid_length(length, self))
    }
}

impl<'de, T: FromBytes<'de>> Visitor<'de> for BytesVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a byte string for {}", std::any::type_name::<T>())
    }

    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<T, E> {
        self.make(Cow::Owned(bytes.to_vec()))
    }

    fn visit_borrowed_bytes<E: de::Error>(self, bytes: &'de [u8]) -> Result<T, E> {
        self.make(Cow::Borrowed(bytes))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        self.make(Cow::Owned(text.as_bytes().to_vec()))
    }

    fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<T, E> {
        self.make(Cow::Borrowed(text.as_bytes()))
    }
}

/// For `#[serde(with = "...")]` on fields of type `Vec<u8>`, `Box<[u8]>`, `&[u8]`, `Cow<[u8]>`, `[u8; N]`. A field
/// that may be missing is an `Option<ByteBuf>` with `#[serde(default)]`.
pub mod bytes {
    use super::{BytesVisitor, FromBytes};

    /// Writes a byte string.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<T, S>(value: &T, serializer: S) -> Result<S::Ok, S::Error>
    where
        T: AsRef<[u8]> + ?Sized,
        S: ::serde::Serializer,
    {
        serializer.serialize_bytes(value.as_ref())
    }

    /// Reads a byte string.
    ///
    /// # Errors
    /// Those of the deserializer, and a wrong length of an array.
    pub fn deserialize<'de, T, D>(deserializer: D) -> Result<T, D::Error>
    where
        T: FromBytes<'de>,
        D: ::serde::Deserializer<'de>,
    {
        deserializer.deserialize_bytes(BytesVisitor(std::marker::PhantomData))
    }
}

/// An owned byte string.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ByteBuf(
    /// The bytes.
    pub Vec<u8>,
);

impl Deref for ByteBuf {
    type Target = Vec<u8>;

    fn deref(&self) -> &Vec<u8> {
        &self.0
    }
}

impl DerefMut for ByteBuf {
    fn deref_mut(&mut self) -> &mut Vec<u8> {
        &mut self.0
    }
}

impl From<Vec<u8>> for ByteBuf {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl From<ByteBuf> for Vec<u8> {
    fn from(bytes: ByteBuf) -> Self {
        bytes.0
    }
}

impl From<&[u8]> for ByteBuf {
    fn from(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }
}

impl Serialize for ByteBuf {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for ByteBuf {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        bytes::deserialize(deserializer).map(Self)
    }
}

/// One encoded value, exactly as read; written back as it is. Works with this crate's serde only.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RawValue(
    /// The encoded value.
    pub Vec<u8>,
);

/// [`RawValue`], borrowed from the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RawRef<'a>(
    /// The encoded value.
    pub &'a [u8],
);

/// `serialize_newtype_struct` wants something that serializes.
struct Plain<'a>(&'a [u8]);

impl Serialize for Plain<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

impl Serialize for RawRef<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_newtype_struct(RAW, &Plain(self.0))
    }
}

impl Serialize for RawValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        RawRef(&self.0).serialize(serializer)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = RawRef<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a bencoded value read straight from its input")
    }

    fn visit_borrowed_bytes<E: de::Error>(self, bytes: &'de [u8]) -> Result<Self::Value, E> {
        Ok(RawRef(bytes))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for RawRef<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(RAW, RawVisitor)
    }
}

impl<'de> Deserialize<'de> for RawValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        RawRef::deserialize(deserializer).map(|raw| Self(raw.0.to_vec()))
    }
}
