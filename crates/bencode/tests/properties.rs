//! Properties over generated values and bytes.

mod invariants;

use std::collections::BTreeMap;

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use riverrun_bencode::{Options, Value, from_bytes, parse, to_vec};

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![any::<i64>().prop_map(Value::Int), vec(any::<u8>(), 0..20).prop_map(Value::Bytes)];
    leaf.prop_recursive(5, 80, 12, |inner| {
        let key = vec(0..4_u8, 0..4);
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Value::List),
            btree_map(key, inner, 0..14).prop_map(Value::Dict)
        ]
    })
}

/// Entries in any order, with duplicates: text that only lenient mode reads.
fn loose_dict() -> impl Strategy<Value = (Vec<(Vec<u8>, i64)>, Vec<u8>)> {
    vec((vec(0..3_u8, 0..3), any::<i64>()), 0..30).prop_map(|entries| {
        let mut text = b"d".to_vec();
        for (key, value) in &entries {
            text.extend_from_slice(format!("{}:", key.len()).as_bytes());
            text.extend_from_slice(key);
            text.extend_from_slice(format!("i{value}e").as_bytes());
        }
        text.push(b'e');
        (entries, text)
    })
}

/// Bytes that look like bencode more often than random ones do.
fn soup() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(b"d".to_vec()),
        Just(b"l".to_vec()),
        Just(b"e".to_vec()),
        Just(b"1:a".to_vec()),
        Just(b"1:b".to_vec()),
        Just(b"01:c".to_vec()),
        Just(b"0:".to_vec()),
        Just(b"i0e".to_vec()),
        Just(b"i-0e".to_vec()),
        Just(b"i007e".to_vec()),
        Just(b"i9223372036854775808e".to_vec()),
        Just(b"9:short".to_vec()),
        vec(any::<u8>(), 0..3),
    ];
    vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn values_survive_encoding(value in value()) {
        let bytes = value.encode();
        let document = parse(&bytes, &Options::strict()).expect("canonical");
        prop_assert_eq!(&document.root().to_value(), &value);
        prop_assert_eq!(&from_bytes::<Value>(&bytes).expect("serde reads it"), &value);
        prop_assert_eq!(&to_vec(&value).expect("serde writes it"), &bytes);
        invariants::check(&bytes);
    }

    #[test]
    fn a_changed_byte_contradicts_nothing(value in value(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = value.encode();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        invariants::check(&bytes);
        invariants::check(&bytes[..at]);
    }

    #[test]
    fn soup_contradicts_nothing(bytes in soup()) {
        invariants::check(&bytes);
    }

    #[test]
    fn random_bytes_contradict_nothing(bytes in vec(any::<u8>(), 0..64)) {
        invariants::check(&bytes);
    }

    #[test]
    fn loose_dictionaries_find_the_first_of_equal_keys((entries, text) in loose_dict()) {
        invariants::check(&text);
        let mut model = BTreeMap::new();
        for (key, value) in &entries {
            model.entry(key.clone()).or_insert(*value);
        }
        let document = parse(&text, &Options::lenient()).expect("lenient mode reads it");
        for (key, value) in &model {
            prop_assert_eq!(document.root().get(key).and_then(|n| n.as_int()), Some(*value));
        }
        let owned = Value::Dict(model.into_iter().map(|(k, v)| (k, Value::Int(v))).collect());
        prop_assert_eq!(document.root().to_value(), owned.clone());
        let through_serde: Value = riverrun_bencode::serde::from_node(document.root()).expect("serde reads it");
        prop_assert_eq!(through_serde, owned);
    }
}
