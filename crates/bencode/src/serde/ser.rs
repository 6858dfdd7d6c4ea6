//! Values into bytes.

use std::ops::Range;

use ::serde::ser::{self, Serialize, Serializer};

use super::byte_strings::RAW;
use super::key::KeyWriter;
use super::{Error, MAX_DEPTH, RawRef};
use crate::encoder::{Encoder, write_bytes, write_int};
use crate::value::Value;

/// Writes a value as canonical bencode.
///
/// # Errors
/// [`Error`], with the path of what cannot be written: floats, `()`, `None` outside of a dictionary, keys that are not
/// strings or appear twice, and what is nested deeper than [`MAX_DEPTH`].
pub fn to_vec<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, Error> {
    let mut out = Vec::new();
    if value.serialize(Writer { out: &mut out, depth: MAX_DEPTH })? {
        Ok(out)
    } else {
        Err(Error::Unsupported("`None`"))
    }
}

/// Appends one value. Its `Ok` is false if nothing was written, for `None`.
struct Writer<'o> {
    out: &'o mut Vec<u8>,
    /// How many containers may still be opened.
    depth: usize,
}

impl<'o> Writer<'o> {
    fn int(self, value: impl std::fmt::Display) -> Result<bool, Error> {
        write_int(self.out, value);
        Ok(true)
    }

    fn string(self, bytes: &[u8]) -> Result<bool, Error> {
        write_bytes(self.out, bytes);
        Ok(true)
    }

    fn list(self, outer: bool) -> Result<ListWriter<'o>, Error> {
        let depth = self.depth.checked_sub(1).ok_or(Error::TooDeep)?;
        self.out.push(b'l');
        Ok(ListWriter { out: self.out, depth, index: 0, outer })
    }

    fn dict(self, outer: bool) -> Result<DictWriter<'o>, Error> {
        let depth = self.depth.checked_sub(1).ok_or(Error::TooDeep)?;
        self.out.push(b'd');
        let begin = self.out.len();
        Ok(DictWriter { out: self.out, depth, begin, entries: Vec::new(), key: None, outer })
    }

    /// The dictionary of one entry around the content of a variant.
    fn variant(self, name: &str) -> Result<Self, Error> {
        let depth = self.depth.checked_sub(1).ok_or(Error::TooDeep)?;
        self.out.push(b'd');
        write_bytes(self.out, name.as_bytes());
        Ok(Self { out: self.out, depth })
    }
}

impl<'o> Serializer for Writer<'o> {
    type Ok = bool;
    type Error = Error;
    type SerializeSeq = ListWriter<'o>;
    type SerializeTuple = ListWriter<'o>;
    type SerializeTupleStruct = ListWriter<'o>;
    type SerializeTupleVariant = ListWriter<'o>;
    type SerializeMap = DictWriter<'o>;
    type SerializeStruct = DictWriter<'o>;
    type SerializeStructVariant = DictWriter<'o>;

    fn serialize_bool(self, value: bool) -> Result<bool, Error> {
        self.int(u8::from(value))
    }

    fn serialize_i8(self, value: i8) -> Result<bool, Error> {
        self.int(value)
    }

    fn serialize_i16(self, value: i16) -> Result<bool, Error> {
        self.int(value)
    }

    fn serialize_i32(self, value: i32) -> Result<bool, Error> {
        self.int(value)
    }

    fn serialize_i64(self, value: i64) -> Result<bool, Error> {
        self.int(value)
    }

    fn serialize_u8(self, value: u8) -> Result<bool, Error> {
        self.int(value)
    }

    fn serialize_u16(self, value: u16) -> Result<bool, Error> {
        self.int(value)
    }

    fn serialize_u32(self, value: u32) -> Result<bool, Error> {
        self.int(value)
    }

    fn serialize_u64(self, value: u64) -> Result<bool, Error> {
        self.int(value)
    }

    fn serialize_f32(self, _: f32) -> Result<bool, Error> {
        Err(Error::Unsupported("a float"))
    }

    fn serialize_f64(self, _: f64) -> Result<bool, Error> {
        Err(Error::Unsupported("a float"))
    }

    fn serialize_char(self, value: char) -> Result<bool, Error> {
        self.string(value.encode_utf8(&mut [0; 4]).as_bytes())
    }

    fn serialize_str(self, value: &str) -> Result<bool, Error> {
        self.string(value.as_bytes())
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<bool, Error> {
        self.string(value)
    }

    fn serialize_none(self) -> Result<bool, Error> {
        Ok(false)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<bool, Error> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<bool, Error> {
        Err(Error::Unsupported("`()`"))
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<bool, Error> {
        Err(Error::Unsupported("a unit struct"))
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<bool, Error> {
        self.string(variant.as_bytes())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<bool, Error> {
        if name != RAW {
            return value.serialize(self);
        }
        let mut encoder = Encoder::new();
        encoder.raw(&value.serialize(KeyWriter)?);
        self.out.extend_from_slice(&encoder.finish().map_err(Error::message)?);
        Ok(true)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<bool, Error> {
        let Writer { out, depth } = self.variant(variant)?;
        if !value.serialize(Writer { out: &mut *out, depth })? {
            return Err(Error::Unsupported("`None` in a variant"));
        }
        out.push(b'e');
        Ok(true)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<ListWriter<'o>, Error> {
        self.list(false)
    }

    fn serialize_tuple(self, _: usize) -> Result<ListWriter<'o>, Error> {
        self.list(false)
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<ListWriter<'o>, Error> {
        self.list(false)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<ListWriter<'o>, Error> {
        self.variant(variant)?.list(true)
    }

    fn serialize_map(self, _: Option<usize>) -> Result<DictWriter<'o>, Error> {
        self.dict(false)
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<DictWriter<'o>, Error> {
        self.dict(false)
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<DictWriter<'o>, Error> {
        self.variant(variant)?.dict(true)
    }
}

struct ListWriter<'o> {
    out: &'o mut Vec<u8>,
    depth: usize,
    index: usize,
    /// The dictionary of a variant ends with the list.
    outer: bool,
}

impl ListWriter<'_> {
    fn item<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        let index = self.index;
        self.index += 1;
        match value.serialize(Writer { out: &mut *self.out, depth: self.depth }) {
            Ok(true) => Ok(()),
            Ok(false) => {
                Err(Error::message("`None` in a list cannot be written as bencode").under_index(index))
            }
            Err(error) => Err(error.under_index(index)),
        }
    }

    fn close(self) -> Result<bool, Error> {
        self.out.extend_from_slice(if self.outer { b"ee" } else { b"e" });
        Ok(true)
    }
}

/// One container trait of serde, in terms of `item` and `close`.
macro_rules! list_trait {
    ($name:ident, $method:ident) => {
        impl ser::$name for ListWriter<'_> {
            type Ok = bool;
            type Error = Error;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
                self.item(value)
            }

            fn end(self) -> Result<bool, Error> {
                self.close()
            }
        }
    };
}

list_trait!(SerializeSeq, serialize_element);
list_trait!(SerializeTuple, serialize_element);
list_trait!(SerializeTupleStruct, serialize_field);
list_trait!(SerializeTupleVariant, serialize_field);

/// An entry in the output: its first byte, its key's contents, its end.
struct Entry {
    begin: usize,
    key: Range<usize>,
    end: usize,
}

struct DictWriter<'o> {
    out: &'o mut Vec<u8>,
    depth: usize,
    /// Where the entries begin.
    begin: usize,
    entries: Vec<Entry>,
    key: Option<Vec<u8>>,
    /// The dictionary of a variant ends with this one.
    outer: bool,
}

impl DictWriter<'_> {
    fn entry<T: Serialize + ?Sized>(&mut self, key: &[u8], value: &T) -> Result<(), Error> {
        let begin = self.out.len();
        write_bytes(self.out, key);
        let key_end = self.out.len();
        let written = value
            .serialize(Writer { out: &mut *self.out, depth: self.depth })
            .map_err(|error| error.under_key(key))?;
        if written {
            let key = key_end - key.len()..key_end;
            self.entries.push(Entry { begin, key, end: self.out.len() });
        } else {
            self.out.truncate(begin);
        }
        Ok(())
    }

    fn close(mut self) -> Result<bool, Error> {
        let out = &*self.out;
        let name = |entry: &Entry| &out[entry.key.clone()];
        if !self.entries.is_sorted_by(|a, b| name(a) < name(b)) {
            self.entries.sort_by(|a, b| name(a).cmp(name(b)));
            if let Some(pair) = self.entries.windows(2).find(|pair| name(&pair[0]) == name(&pair[1])) {
                return Err(Error::message("a dictionary key appears twice").under_key(name(&pair[1])));
            }
            let sorted: Vec<u8> =
                self.entries.iter().flat_map(|entry| &out[entry.begin..entry.end]).copied().collect();
            self.out.truncate(self.begin);
            self.out.extend_from_slice(&sorted);
        }
        self.out.extend_from_slice(if self.outer { b"ee" } else { b"e" });
        Ok(true)
    }
}

impl ser::SerializeMap for DictWriter<'_> {
    type Ok = bool;
    type Error = Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Error> {
        self.key = Some(key.serialize(KeyWriter)?);
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        match self.key.take() {
            Some(key) => self.entry(&key, value),
            None => Err(Error::message("a dictionary value has no key")),
        }
    }

    fn end(self) -> Result<bool, Error> {
        self.close()
    }
}

impl ser::SerializeStruct for DictWriter<'_> {
    type Ok = bool;
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), Error> {
        self.entry(key.as_bytes(), value)
    }

    fn end(self) -> Result<bool, Error> {
        self.close()
    }
}

impl ser::SerializeStructVariant for DictWriter<'_> {
    type Ok = bool;
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), Error> {
        self.entry(key.as_bytes(), value)
    }

    fn end(self) -> Result<bool, Error> {
        self.close()
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Int(value) => serializer.serialize_i64(*value),
            Self::Bytes(bytes) => serializer.serialize_bytes(bytes),
            Self::List(items) => serializer.collect_seq(items),
            Self::Dict(entries) => {
                serializer.collect_map(entries.iter().map(|(key, value)| (ByteKey(key), value)))
            }
            Self::Raw(raw) => RawRef(raw).serialize(serializer),
        }
    }
}

/// A key of bytes.
struct ByteKey<'a>(&'a [u8]);

impl Serialize for ByteKey<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}
