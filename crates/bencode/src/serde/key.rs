//! Keys of dictionaries into bytes.

use ::serde::ser::{Impossible, Serialize, Serializer};

use super::Error;

/// Takes what can be a key: text and bytes.
pub(super) struct KeyWriter;

const NO_KEY: Error = Error::Unsupported("a dictionary key that is not a string");

/// Methods of a serializer that refuse what they are given.
macro_rules! no_key {
    ($($method:ident: $type:ty),*) => {
        $(fn $method(self, _: $type) -> Result<Vec<u8>, Error> {
            Err(NO_KEY)
        })*
    };
}

impl Serializer for KeyWriter {
    type Ok = Vec<u8>;
    type Error = Error;
    type SerializeSeq = Impossible<Vec<u8>, Error>;
    type SerializeTuple = Impossible<Vec<u8>, Error>;
    type SerializeTupleStruct = Impossible<Vec<u8>, Error>;
    type SerializeTupleVariant = Impossible<Vec<u8>, Error>;
    type SerializeMap = Impossible<Vec<u8>, Error>;
    type SerializeStruct = Impossible<Vec<u8>, Error>;
    type SerializeStructVariant = Impossible<Vec<u8>, Error>;

    fn serialize_str(self, value: &str) -> Result<Vec<u8>, Error> {
        Ok(value.as_bytes().to_vec())
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<Vec<u8>, Error> {
        Ok(value.to_vec())
    }

    fn serialize_char(self, value: char) -> Result<Vec<u8>, Error> {
        Ok(value.to_string().into_bytes())
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, name: &'static str) -> Result<Vec<u8>, Error> {
        Ok(name.as_bytes().to_vec())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<Vec<u8>, Error> {
        value.serialize(self)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Vec<u8>, Error> {
        value.serialize(self)
    }

    no_key! {
        serialize_bool: bool, serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64,
        serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64, serialize_f32: f32,
        serialize_f64: f64, serialize_unit_struct: &'static str
    }

    fn serialize_none(self) -> Result<Vec<u8>, Error> {
        Err(NO_KEY)
    }

    fn serialize_unit(self) -> Result<Vec<u8>, Error> {
        Err(NO_KEY)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<Vec<u8>, Error> {
        Err(NO_KEY)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Self::SerializeSeq, Error> {
        Err(NO_KEY)
    }

    fn serialize_tuple(self, _: usize) -> Result<Self::SerializeTuple, Error> {
        Err(NO_KEY)
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self::SerializeTupleStruct, Error> {
        Err(NO_KEY)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, Error> {
        Err(NO_KEY)
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Self::SerializeMap, Error> {
        Err(NO_KEY)
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self::SerializeStruct, Error> {
        Err(NO_KEY)
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, Error> {
        Err(NO_KEY)
    }
}
