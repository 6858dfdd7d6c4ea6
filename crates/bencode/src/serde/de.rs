//! Values out of a document.

use std::fmt;

use ::serde::de::{
    self, DeserializeSeed, Deserializer, EnumAccess, Error as _, MapAccess, SeqAccess, Unexpected,
    VariantAccess, Visitor, value::BorrowedBytesDeserializer,
};
use ::serde::{Deserialize, forward_to_deserialize_any};

use super::byte_strings::RAW;
use super::{Error, MAX_DEPTH};
use crate::document::{Dict, List, Node, parse};
use crate::error::WarningKind;
use crate::options::{IntWidth, Options};
use crate::parser::int_value;
use crate::value::Value;

/// Reads a `T` from canonical bencode, with the limits of [`Options::strict`] and integers as wide as `u64`.
///
/// # Errors
/// [`Error`], with the path and the offset of what does not fit.
pub fn from_bytes<'de, T: Deserialize<'de>>(input: &'de [u8]) -> Result<T, Error> {
    from_bytes_with(input, &Options::strict().int_width(IntWidth::Digits(20)))
}

/// Reads a `T` with the given options, the depth being at most [`MAX_DEPTH`].
///
/// # Errors
/// [`Error`], with the path and the offset of what does not fit.
pub fn from_bytes_with<'de, T: Deserialize<'de>>(input: &'de [u8], options: &Options) -> Result<T, Error> {
    let document = parse(input, &options.max_depth(options.max_depth.min(MAX_DEPTH)))?;
    from_node(document.root())
}

/// Reads a `T` from a part of a document.
///
/// # Errors
/// [`Error`]; [`Error::TooDeep`] if containers that `T` asks for are nested deeper than [`MAX_DEPTH`].
pub fn from_node<'de, T: Deserialize<'de>>(node: Node<'de, '_>) -> Result<T, Error> {
    T::deserialize(NodeDeserializer { node, depth: MAX_DEPTH })
}

#[derive(Clone, Copy)]
struct NodeDeserializer<'de, 'd> {
    node: Node<'de, 'd>,
    /// How many containers may still be entered.
    depth: usize,
}

impl<'de, 'd> NodeDeserializer<'de, 'd> {
    fn enter(self) -> Result<usize, Error> {
        self.depth.checked_sub(1).ok_or(Error::TooDeep)
    }

    fn any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let node = self.node;
        if let Some(bytes) = node.as_bytes() {
            visitor.visit_borrowed_bytes(bytes)
        } else if let Some(text) = node.int_text() {
            integer(text, visitor)
        } else if let Some(items) = node.as_list() {
            visitor.visit_seq(Items { items, depth: self.enter()?, index: 0 })
        } else if let Some(entries) = node.as_dict() {
            let duplicates = node.document().warnings().contains(WarningKind::DuplicateKey);
            visitor.visit_map(Entries { dict: node, entries, value: None, depth: self.enter()?, duplicates })
        } else {
            Err(Error::message("a value of no kind"))
        }
    }

    fn text<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match (self.node.as_str(), self.node.as_bytes()) {
            (Some(text), _) => visitor.visit_borrowed_str(text),
            (None, Some(bytes)) => Err(Error::invalid_value(Unexpected::Bytes(bytes), &visitor)),
            (None, None) => self.any(visitor),
        }
    }

    fn bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.node.as_int() {
            Some(value @ (0 | 1)) => visitor.visit_bool(value == 1),
            _ => self.any(visitor),
        }
    }

    fn enumeration<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if let Some(name) = self.node.as_bytes() {
            return visitor.visit_enum(Variant { name, content: None });
        }
        let mut entries = self.node.as_dict().into_iter().flatten();
        match (entries.next(), entries.next()) {
            (Some((name, node)), None) => {
                let content = Some(NodeDeserializer { node, depth: self.enter()? });
                visitor.visit_enum(Variant { name, content }).map_err(|error| error.under_key(name))
            }
            _ => Err(Error::message("expected the name of a variant, or a dictionary of one variant")),
        }
    }
}

fn integer<'de, V: Visitor<'de>>(text: &[u8], visitor: V) -> Result<V::Value, Error> {
    if let Some(value) = int_value(text) {
        visitor.visit_i64(value)
    } else if let Some(value) = int_value(text) {
        visitor.visit_u64(value)
    } else if let Some(value) = int_value(text) {
        visitor.visit_i128(value)
    } else {
        Err(Error::message("an integer is wider than 128 bits"))
    }
}

impl<'de> Deserializer<'de> for NodeDeserializer<'de, '_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.any(visitor).map_err(|error| error.at(self.node.offset()))
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.bool(visitor).map_err(|error| error.at(self.node.offset()))
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.text(visitor).map_err(|error| error.at(self.node.offset()))
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        if name == RAW {
            visitor.visit_borrowed_bytes(self.node.raw())
        } else {
            visitor.visit_newtype_struct(self)
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.enumeration(visitor).map_err(|error| error.at(self.node.offset()))
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        // Skipped whole, however deep it is.
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 bytes byte_buf unit unit_struct seq tuple tuple_struct map
        struct identifier
    }
}

struct Items<'de, 'd> {
    items: List<'de, 'd>,
    depth: usize,
    index: usize,
}

impl<'de> SeqAccess<'de> for Items<'de, '_> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        let Some(node) = self.items.next() else { return Ok(None) };
        let index = self.index;
        self.index += 1;
        let item = NodeDeserializer { node, depth: self.depth };
        seed.deserialize(item).map(Some).map_err(|error| error.at(node.offset()).under_index(index))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.items.len())
    }
}

struct Entries<'de, 'd> {
    dict: Node<'de, 'd>,
    entries: Dict<'de, 'd>,
    value: Option<(&'de [u8], Node<'de, 'd>)>,
    depth: usize,
    /// Some key of the document is there twice.
    duplicates: bool,
}

impl<'de> MapAccess<'de> for Entries<'de, '_> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        for (key, node) in self.entries.by_ref() {
            // Of equal keys the first counts, as it does for `Node::get`.
            if self.duplicates && self.dict.get(key).is_some_and(|first| first.offset() != node.offset()) {
                continue;
            }
            self.value = Some((key, node));
            return seed.deserialize(Key(key)).map(Some).map_err(|error| error.at(node.offset()));
        }
        Ok(None)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Error> {
        let Some((key, node)) = self.value.take() else {
            return Err(Error::message("a value was asked for before its key"));
        };
        seed.deserialize(NodeDeserializer { node, depth: self.depth })
            .map_err(|error| error.at(node.offset()).under_key(key))
    }
}

/// A key: bytes, or text for those who ask for text.
struct Key<'de>(&'de [u8]);

impl<'de> Key<'de> {
    fn text<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match std::str::from_utf8(self.0) {
            Ok(text) => visitor.visit_borrowed_str(text),
            Err(_) => Err(Error::invalid_value(Unexpected::Bytes(self.0), &visitor)),
        }
    }
}

impl<'de> Deserializer<'de> for Key<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_borrowed_bytes(self.0)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.text(visitor)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.text(visitor)
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.text(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_enum(Variant { name: self.0, content: None })
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 bytes byte_buf unit unit_struct seq tuple tuple_struct
        map struct identifier ignored_any
    }
}

struct Variant<'de, 'd> {
    name: &'de [u8],
    content: Option<NodeDeserializer<'de, 'd>>,
}

impl<'de, 'd> EnumAccess<'de> for Variant<'de, 'd> {
    type Error = Error;
    type Variant = Content<'de, 'd>;

    fn variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<(T::Value, Self::Variant), Error> {
        let name: BorrowedBytesDeserializer<'de, Error> = BorrowedBytesDeserializer::new(self.name);
        Ok((seed.deserialize(name)?, Content(self.content)))
    }
}

struct Content<'de, 'd>(Option<NodeDeserializer<'de, 'd>>);

impl<'de, 'd> Content<'de, 'd> {
    fn get(self) -> Result<NodeDeserializer<'de, 'd>, Error> {
        self.0.ok_or_else(|| Error::message("the variant has no content"))
    }
}

impl<'de> VariantAccess<'de> for Content<'de, '_> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        if self.0.is_none() { Ok(()) } else { Err(Error::message("the variant takes no content")) }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Error> {
        seed.deserialize(self.get()?)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _len: usize, visitor: V) -> Result<V::Value, Error> {
        self.get()?.deserialize_seq(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.get()?.deserialize_map(visitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an integer, a string, a list or a dictionary")
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Int(value.into()))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Int(value))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Value, E> {
        i64::try_from(value).map(Value::Int).map_err(|_| E::invalid_value(Unexpected::Unsigned(value), &self))
    }

    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Value, E> {
        Ok(Value::bytes(bytes))
    }

    fn visit_byte_buf<E: de::Error>(self, bytes: Vec<u8>) -> Result<Value, E> {
        Ok(Value::Bytes(bytes))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Value, E> {
        Ok(Value::bytes(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut dict = std::collections::BTreeMap::new();
        while let Some((super::ByteBuf(key), value)) = entries.next_entry()? {
            dict.insert(key, value);
        }
        Ok(Value::Dict(dict))
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}
