//! Serde both ways.

use std::collections::BTreeMap;

use riverrun_bencode::serde::{ByteBuf, Error, RawRef, RawValue, bytes, from_bytes_with};
use riverrun_bencode::{Options, Value, from_bytes, to_vec};
use serde::{Deserialize, Serialize};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct File {
    path: Vec<String>,
    length: u64,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Info {
    #[serde(rename = "piece length")]
    piece_length: u32,
    #[serde(with = "bytes")]
    pieces: Vec<u8>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    files: Vec<File>,
    private: Option<bool>,
    #[serde(flatten)]
    rest: BTreeMap<String, Value>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Shape {
    Unit,
    New(u8),
    Pair(i8, i8),
    Named { z: i32, a: char },
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Either {
    One(String),
    Many(Vec<String>),
}

fn round_trip<T>(value: &T, text: &[u8])
where
    T: Serialize + serde::de::DeserializeOwned + PartialEq + std::fmt::Debug,
{
    let written = to_vec(value).expect("it can be written");
    assert_eq!(written.escape_ascii().to_string(), text.escape_ascii().to_string());
    assert_eq!(&from_bytes::<T>(text).expect("it can be read"), value);
}

#[test]
fn structs_are_sorted_dictionaries() {
    let info = Info {
        piece_length: 16384,
        pieces: vec![0xff, 0],
        files: vec![File { path: vec!["a".into(), "b".into()], length: u64::MAX }],
        private: Some(true),
        rest: BTreeMap::from([("name".into(), Value::from("n")), ("x".into(), Value::List(vec![]))]),
    };
    round_trip(
        &info,
        b"d5:filesld6:lengthi18446744073709551615e4:pathl1:a1:beee4:name1:n12:piece lengthi16384e\
          6:pieces2:\xff\x007:privatei1e1:xlee",
    );
    let small = Info { piece_length: 1, pieces: vec![], files: vec![], private: None, rest: BTreeMap::new() };
    round_trip(&small, b"d12:piece lengthi1e6:pieces0:e");
}

#[test]
fn enums_are_names_or_dictionaries_of_one() {
    round_trip(
        &vec![Shape::Unit, Shape::New(3), Shape::Pair(-1, 1), Shape::Named { z: 0, a: 'é' }],
        "l4:Unitd3:Newi3eed4:Pairli-1ei1eeed5:Namedd1:a2:é1:zi0eeee".as_bytes(),
    );
    round_trip(&Either::One("x".into()), b"1:x");
    round_trip(&Either::Many(vec!["x".into(), "y".into()]), b"l1:x1:ye");
}

#[test]
fn raw_values_are_kept_as_read() {
    #[derive(Deserialize, Serialize)]
    struct Outer<'a> {
        #[serde(borrow)]
        info: RawRef<'a>,
        other: RawValue,
    }
    let text = b"d4:infod1:bi1e1:ai2ee5:otheri007ee";
    let outer: Outer<'_> = from_bytes_with(text, &Options::lenient()).unwrap();
    assert_eq!((outer.info.0, &outer.other.0[..]), (&b"d1:bi1e1:ai2ee"[..], &b"i007e"[..]));
    assert_eq!(to_vec(&outer).unwrap(), text);
    assert!(to_vec(&RawRef(b"i1")).is_err(), "not one value");
}

#[test]
fn byte_strings_take_many_shapes() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Shapes<'a> {
        #[serde(with = "bytes")]
        array: [u8; 3],
        #[serde(with = "bytes", borrow)]
        borrowed: &'a [u8],
        keys: BTreeMap<ByteBuf, ByteBuf>,
        text: &'a str,
    }
    let text = b"d5:array3:abc8:borrowed1:\xff4:keysd1:\xfe1:\xfde4:text2:hie";
    let shapes: Shapes<'_> = from_bytes(text).unwrap();
    assert_eq!((shapes.borrowed, shapes.text), (&b"\xff"[..], "hi"));
    assert_eq!(to_vec(&shapes).unwrap(), text);
    let error = from_bytes::<Shapes<'_>>(b"d5:array2:abe").unwrap_err();
    assert!(error.to_string().starts_with("array: invalid length 2"), "{error}");
}

#[test]
fn errors_name_the_path_and_the_offset() {
    let text = b"d5:filesld6:lengthi1e4:pathl1:aeed6:length1:x4:pathleee12:piece lengthi1e6:pieces0:e";
    let error = from_bytes::<Torrent>(text).unwrap_err();
    assert_eq!(
        error.to_string(),
        "files[1].length: invalid type: byte array, expected u64, at byte 42",
        "{error:?}"
    );
    #[derive(Debug, Deserialize)]
    struct Torrent {
        #[expect(dead_code, reason = "never read")]
        files: Vec<File>,
    }
    let error = from_bytes::<u8>(b"i300e").unwrap_err();
    assert!(error.to_string().ends_with("at byte 0"), "{error}");
    assert!(from_bytes::<String>(b"2:\xff\xfe").is_err());
    assert!(from_bytes::<u8>(b"i1ei2e").is_err());
    assert!(from_bytes::<f64>(b"i1e").is_ok(), "an integer may be read as a float");
}

#[test]
fn what_has_no_bencode_is_refused() {
    assert_eq!(to_vec(&1.5).unwrap_err(), Error::Unsupported("a float"));
    assert_eq!(to_vec(&()).unwrap_err(), Error::Unsupported("`()`"));
    assert_eq!(to_vec(&None::<u8>).unwrap_err(), Error::Unsupported("`None`"));
    assert!(to_vec(&[Some(1), None]).unwrap_err().to_string().starts_with("[1]: "));
    assert!(to_vec(&BTreeMap::from([(1, 2)])).is_err());
    #[derive(Serialize)]
    struct Twice {
        a: u8,
        #[serde(rename = "a")]
        b: u8,
    }
    assert!(to_vec(&Twice { a: 1, b: 2 }).unwrap_err().to_string().contains("appears twice"));
}

#[test]
fn recursion_is_bounded_both_ways() {
    let nested = |depth: usize| [b"l".repeat(depth), b"e".repeat(depth)].concat();
    let deep = Options::strict().max_depth(1 << 20);
    let value: Value = from_bytes_with(&nested(128), &deep).unwrap();
    assert_eq!(to_vec(&value).unwrap(), nested(128));
    assert!(from_bytes_with::<Value>(&nested(129), &deep).is_err());
    assert_eq!(to_vec(&Value::List(vec![value])).unwrap_err(), Error::TooDeep);
}
