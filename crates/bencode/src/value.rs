//! Owned values.

use std::collections::BTreeMap;

use crate::document::{Dict, List, Node};
use crate::encoder::{write_bytes, write_int};
use crate::parser::Kind;

/// An owned value.
///
/// Values made from input ([`Node::to_value`]) are never nested deeper than [`Value::MAX_DEPTH`], so that cloning,
/// comparing, printing and dropping them, which recurse, use little stack. Encoding does not recurse at all.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Value {
    /// An integer.
    Int(i64),
    /// A byte string.
    Bytes(Vec<u8>),
    /// A list.
    List(Vec<Value>),
    /// A dictionary, sorted as its encoding is.
    Dict(BTreeMap<Vec<u8>, Value>),
    /// One value already encoded, written as it is. Whoever makes it answers for its being bencode.
    Raw(Vec<u8>),
}

impl Value {
    /// Containers inside each other in a value made from input; below that they are [`Value::Raw`].
    pub const MAX_DEPTH: usize = 128;

    /// An empty dictionary.
    #[must_use]
    pub const fn dict() -> Self {
        Self::Dict(BTreeMap::new())
    }

    /// A byte string.
    #[must_use]
    pub fn bytes(bytes: impl AsRef<[u8]>) -> Self {
        Self::Bytes(bytes.as_ref().to_vec())
    }

    /// The value of an integer.
    #[must_use]
    pub fn as_int(&self) -> Option<i64> {
        if let Self::Int(value) = self { Some(*value) } else { None }
    }

    /// The contents of a string.
    #[must_use]
    pub fn as_bytes(&self) -> Option<&[u8]> {
        if let Self::Bytes(bytes) = self { Some(bytes) } else { None }
    }

    /// The contents of a string that is valid UTF-8.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        std::str::from_utf8(self.as_bytes()?).ok()
    }

    /// The items of a list.
    #[must_use]
    pub fn as_list(&self) -> Option<&[Value]> {
        if let Self::List(items) = self { Some(items) } else { None }
    }

    /// The entries of a dictionary.
    #[must_use]
    pub fn as_dict(&self) -> Option<&BTreeMap<Vec<u8>, Value>> {
        if let Self::Dict(entries) = self { Some(entries) } else { None }
    }

    /// The entries of a dictionary, to change them.
    #[must_use]
    pub fn as_dict_mut(&mut self) -> Option<&mut BTreeMap<Vec<u8>, Value>> {
        if let Self::Dict(entries) = self { Some(entries) } else { None }
    }

    /// The value of a key, if this is a dictionary that has it.
    #[must_use]
    pub fn get(&self, key: impl AsRef<[u8]>) -> Option<&Value> {
        self.as_dict()?.get(key.as_ref())
    }

    /// Sets a key of a dictionary and gives back the old value. Anything else becomes a dictionary first.
    pub fn insert(&mut self, key: impl Into<Vec<u8>>, value: impl Into<Value>) -> Option<Value> {
        if !matches!(self, Self::Dict(_)) {
            *self = Self::dict();
        }
        self.as_dict_mut()?.insert(key.into(), value.into())
    }

    /// Removes a key of a dictionary and gives back its value.
    pub fn remove(&mut self, key: impl AsRef<[u8]>) -> Option<Value> {
        self.as_dict_mut()?.remove(key.as_ref())
    }

    /// The canonical encoding (apart from what [`Value::Raw`] holds).
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.encode_into(&mut out);
        out
    }

    /// Appends the encoding to `out`.
    pub fn encode_into(&self, out: &mut Vec<u8>) {
        enum Open<'v> {
            List(std::slice::Iter<'v, Value>),
            Dict(std::collections::btree_map::Iter<'v, Vec<u8>, Value>),
        }
        let mut stack: Vec<Open<'_>> = Vec::new();
        let mut current = Some(self);
        loop {
            match current {
                Some(Self::Int(value)) => write_int(out, *value),
                Some(Self::Bytes(bytes)) => write_bytes(out, bytes),
                Some(Self::Raw(raw)) => out.extend_from_slice(raw),
                Some(Self::List(items)) => {
                    out.push(b'l');
                    stack.push(Open::List(items.iter()));
                }
                Some(Self::Dict(entries)) => {
                    out.push(b'd');
                    stack.push(Open::Dict(entries.iter()));
                }
                None => {
                    out.push(b'e');
                    stack.pop();
                }
            }
            current = match stack.last_mut() {
                None => return,
                Some(Open::List(items)) => items.next(),
                Some(Open::Dict(entries)) => entries.next().map(|(key, value)| {
                    write_bytes(out, key);
                    value
                }),
            };
        }
    }
}

impl Node<'_, '_> {
    /// An owned copy. What is nested deeper than [`Value::MAX_DEPTH`], and integers that do not fit an `i64`, become
    /// [`Value::Raw`]. Of duplicate keys the first is kept.
    #[must_use]
    pub fn to_value(&self) -> Value {
        from_node(*self)
    }
}

/// Copies a node, with a stack of its own.
fn from_node(node: Node<'_, '_>) -> Value {
    enum Open<'a, 'd> {
        List(List<'a, 'd>, Vec<Value>),
        Dict(Dict<'a, 'd>, BTreeMap<Vec<u8>, Value>, Vec<u8>),
    }
    let mut stack: Vec<Open<'_, '_>> = Vec::new();
    let mut next = node;
    loop {
        let deep = stack.len() >= Value::MAX_DEPTH;
        let mut done = match next.kind() {
            Kind::List if !deep => {
                // Only a list passes the guard, so there is an iterator.
                stack.extend(next.as_list().map(|items| Open::List(items, Vec::new())));
                None
            }
            Kind::Dict if !deep => {
                stack.extend(next.as_dict().map(|d| Open::Dict(d, BTreeMap::new(), Vec::new())));
                None
            }
            _ => Some(scalar(next)),
        };
        // Hand the finished value to its container; close the containers that it completes.
        loop {
            match stack.last_mut() {
                None => return done.unwrap_or_else(|| scalar(node)),
                Some(Open::List(items, made)) => {
                    made.extend(done.take());
                    if let Some(item) = items.next() {
                        next = item;
                        break;
                    }
                    done = Some(Value::List(std::mem::take(made)));
                }
                Some(Open::Dict(entries, made, key)) => {
                    if let Some(value) = done.take() {
                        made.entry(std::mem::take(key)).or_insert(value);
                    }
                    if let Some((name, value)) = entries.next() {
                        *key = name.to_vec();
                        next = value;
                        break;
                    }
                    done = Some(Value::Dict(std::mem::take(made)));
                }
            }
            stack.pop();
        }
    }
}

/// A value without children; anything else as raw bytes.
fn scalar(node: Node<'_, '_>) -> Value {
    match (node.as_int(), node.as_bytes()) {
        (Some(value), _) => Value::Int(value),
        (None, Some(bytes)) => Value::Bytes(bytes.to_vec()),
        (None, None) => Value::Raw(node.raw().to_vec()),
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<u32> for Value {
    fn from(value: u32) -> Self {
        Self::Int(value.into())
    }
}

impl From<&[u8]> for Value {
    fn from(bytes: &[u8]) -> Self {
        Self::Bytes(bytes.to_vec())
    }
}

impl<const N: usize> From<&[u8; N]> for Value {
    fn from(bytes: &[u8; N]) -> Self {
        Self::Bytes(bytes.to_vec())
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Bytes(text.as_bytes().to_vec())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Bytes(text.into_bytes())
    }
}

impl From<Vec<u8>> for Value {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes)
    }
}

impl From<Vec<Value>> for Value {
    fn from(items: Vec<Value>) -> Self {
        Self::List(items)
    }
}

impl From<BTreeMap<Vec<u8>, Value>> for Value {
    fn from(entries: BTreeMap<Vec<u8>, Value>) -> Self {
        Self::Dict(entries)
    }
}

impl From<Node<'_, '_>> for Value {
    fn from(node: Node<'_, '_>) -> Self {
        node.to_value()
    }
}
