//! The decoder, case by case.

use riverrun_bencode::{
    EncodeError, Encoder, ErrorKind, IntWidth, Kind, Options, ReadError, Reader, Stream, Value, WarningKind,
    Warnings, parse,
};

fn kind(bytes: &[u8]) -> ErrorKind {
    parse(bytes, &Options::lenient()).expect_err("must be refused").kind
}

#[test]
fn malformed_input_is_refused_in_both_modes() {
    let cases: &[(&[u8], ErrorKind)] = &[
        (b"", ErrorKind::UnexpectedEnd),
        (b"i", ErrorKind::UnexpectedEnd),
        (b"i12", ErrorKind::UnexpectedEnd),
        (b"ie", ErrorKind::InvalidInteger),
        (b"i-e", ErrorKind::InvalidInteger),
        (b"i+1e", ErrorKind::InvalidInteger),
        (b"i--1e", ErrorKind::InvalidInteger),
        (b"i1.5e", ErrorKind::InvalidInteger),
        (b"i 1e", ErrorKind::InvalidInteger),
        (b"i9223372036854775808e", ErrorKind::IntegerTooWide),
        (b"i-9223372036854775809e", ErrorKind::IntegerTooWide),
        (b"5:abc", ErrorKind::StringPastEnd { length: 5 }),
        (b"5", ErrorKind::UnexpectedEnd),
        (b"5x", ErrorKind::InvalidLength),
        (b"18446744073709551615:", ErrorKind::StringPastEnd { length: usize::MAX }),
        (b"99999999999999999999:", ErrorKind::LengthOverflow),
        (b"999999999999999999999999:", ErrorKind::LengthOverflow),
        (b"-1:a", ErrorKind::UnexpectedByte(b'-')),
        (b"e", ErrorKind::UnexpectedByte(b'e')),
        (b"l", ErrorKind::UnexpectedEnd),
        (b"lx", ErrorKind::UnexpectedByte(b'x')),
        (b"di1ei2ee", ErrorKind::KeyNotString),
        (b"dlei2ee", ErrorKind::KeyNotString),
        (b"d1:ae", ErrorKind::MissingValue),
        (b"d1:a", ErrorKind::UnexpectedEnd),
        (b"<html>", ErrorKind::UnexpectedByte(b'<')),
    ];
    for (bytes, expected) in cases {
        assert_eq!(kind(bytes), *expected, "{}", bytes.escape_ascii());
        let strict = parse(bytes, &Options::strict()).expect_err("strict is no laxer");
        assert_eq!(strict.kind, *expected);
    }
}

#[test]
fn deviations_are_errors_or_warnings() {
    use WarningKind::{DuplicateKey, LeadingZero, MinusZero, TrailingData, UnsortedKeys};
    let cases: &[(&[u8], WarningKind, usize)] = &[
        (b"i03e", LeadingZero, 0),
        (b"li-03ee", LeadingZero, 1),
        (b"02:ab", LeadingZero, 0),
        (b"i-0e", MinusZero, 0),
        (b"d1:bi1e1:ai1ee", UnsortedKeys, 7),
        (b"d1:ai1e1:ai2ee", DuplicateKey, 7),
        (b"i1ei2e", TrailingData, 3),
        (b"i1e\n", TrailingData, 3),
    ];
    for (bytes, kind, offset) in cases {
        let error = parse(bytes, &Options::strict()).expect_err("strict");
        assert_eq!((error.kind, error.offset), (ErrorKind::NotCanonical(*kind), *offset));
        let document = parse(bytes, &Options::lenient()).expect("lenient");
        let warnings: Vec<_> = document.warnings().iter().map(|w| (w.kind, w.offset)).collect();
        assert_eq!(warnings, [(*kind, *offset)]);
        assert!(document.warnings().contains(*kind));
    }
}

#[test]
fn warnings_are_bounded() {
    let text = [b"l".as_slice(), &b"i00e".repeat(1000), b"e"].concat();
    let document = parse(&text, &Options::lenient()).unwrap();
    assert_eq!(document.warnings().total(), 1000);
    assert_eq!(document.warnings().iter().len(), Warnings::KEPT);
    assert!(!document.warnings().contains(WarningKind::MinusZero));
}

#[test]
fn raw_spans_and_offsets_are_those_of_the_input() {
    let text = b"d4:infod5:filesl1:a0:e6:lengthi-7ee4:name3:\xff\xfe\xfde";
    let document = parse(text, &Options::strict()).unwrap();
    let info = document.root().get(b"info").unwrap();
    assert_eq!((info.offset(), info.raw()), (7, &text[7..35]));
    assert_eq!(document.root().path(["info", "length"]).unwrap().as_int(), Some(-7));
    assert_eq!(document.root().path(["info", "length"]).unwrap().as_u64(), None);
    let name = document.root().get(b"name").unwrap();
    assert_eq!((name.as_str(), name.len()), (None, Some(3)));
    assert_eq!(name.as_str_lossy().unwrap(), "\u{fffd}\u{fffd}\u{fffd}");
    let files: Vec<_> = info.get(b"files").unwrap().as_list().unwrap().map(|n| n.as_str()).collect();
    assert_eq!(files, [Some("a"), Some("")]);
    assert_eq!(info.kind(), Kind::Dict);
    assert!(info.as_list().is_none() && info.as_int().is_none() && info.get(b"none").is_none());
}

#[test]
fn limits_hold_at_their_edges() {
    let nested = |depth: usize| [b"l".repeat(depth), b"e".repeat(depth)].concat();
    let three = Options::strict().max_depth(3);
    assert!(parse(&nested(3), &three).is_ok());
    let error = parse(&nested(4), &three).unwrap_err();
    assert_eq!((error.kind, error.offset), (ErrorKind::TooDeep { limit: 3 }, 3));
    assert!(parse(b"i1e", &Options::strict().max_depth(0)).is_ok());
    let five = Options::strict().max_len(5);
    assert!(parse(b"3:abc", &five).is_ok());
    assert_eq!(parse(b"4:abcd", &five).unwrap_err().kind, ErrorKind::TooLong { limit: 5 });
    assert_eq!(parse(b"4:abcd", &five.trailing(true)).unwrap_err().kind, ErrorKind::TooLong { limit: 5 });
    assert_eq!(parse(b"llllllll", &five.trailing(true)).unwrap_err().kind, ErrorKind::TooLong { limit: 5 });
    assert_eq!(parse(b"3:abcrest", &five.trailing(true)).unwrap().rest(), b"rest");
    let tokens = Options::strict().max_tokens(3);
    assert!(parse(b"d1:ai1ee", &tokens).is_ok());
    assert_eq!(parse(b"li1ei2ei3ee", &tokens).unwrap_err().kind, ErrorKind::TooManyTokens { limit: 3 });
}

#[test]
fn wide_integers_are_readable_on_request() {
    let wide = Options::strict().int_width(IntWidth::Digits(30));
    let document = parse(b"li18446744073709551615ei-123456789012345678901234567890ee", &wide).unwrap();
    let items: Vec<_> = document.root().as_list().unwrap().collect();
    assert_eq!((items[0].as_int(), items[0].as_u64()), (None, Some(u64::MAX)));
    assert_eq!(items[1].int_text(), Some(&b"-123456789012345678901234567890"[..]));
    assert_eq!(document.root().to_value().encode(), document.root().raw());
    let text = [b"i".as_slice(), &b"1".repeat(31), b"e"].concat();
    assert_eq!(parse(&text, &wide).unwrap_err().kind, ErrorKind::IntegerTooWide);
}

#[test]
fn depth_is_not_the_stacks() {
    const DEEP: usize = 1 << 20;
    let open = b"l".repeat(DEEP);
    assert_eq!(kind(&open), ErrorKind::TooDeep { limit: 64 });
    let deep = Options::strict().max_depth(DEEP);
    assert_eq!(parse(&open, &deep).unwrap_err().kind, ErrorKind::UnexpectedEnd);
    let text = [open, b"e".repeat(DEEP)].concat();
    let document = parse(&text, &deep).unwrap();
    assert_eq!(document.tokens(), DEEP);
    // Copying, cloning, comparing, encoding and dropping the copy stay shallow.
    let value = document.root().to_value();
    assert_eq!(value.clone(), value);
    assert_eq!(value.encode(), text);
    let mut encoder = Encoder::new();
    encoder.begin_list().raw(&text).node(document.root()).end();
    assert_eq!(encoder.finish().unwrap().len(), 2 * text.len() + 2);
    let error = riverrun_bencode::serde::from_node::<Value>(document.root()).unwrap_err();
    assert_eq!(error, riverrun_bencode::serde::Error::TooDeep);
    let mut dicts = b"d0:".repeat(DEEP);
    dicts.extend(b"de");
    dicts.extend(b"e".repeat(DEEP));
    assert!(parse(&dicts, &deep.max_depth(DEEP + 1).max_tokens(3 * DEEP)).is_ok());
}

#[test]
fn large_dictionaries_are_searched_quickly() {
    // Linear search would compare 9 * 10^10 keys here, which takes minutes.
    const KEYS: i64 = 300_000;
    for descending in [false, true] {
        let mut text = b"d".to_vec();
        for i in 0..KEYS {
            let i = if descending { KEYS - 1 - i } else { i };
            text.extend(format!("8:{i:08}i{i}e").into_bytes());
        }
        text.push(b'e');
        let document = parse(&text, &Options::lenient()).unwrap();
        for i in 0..KEYS {
            let key = format!("{i:08}");
            assert_eq!(document.root().get(key.as_bytes()).unwrap().as_int(), Some(i));
        }
    }
}

#[test]
fn the_encoder_refuses_misuse() {
    fn ignore(_: &mut Encoder) {}
    let run = |work: &dyn Fn(&mut Encoder)| {
        let mut encoder = Encoder::new();
        work(&mut encoder);
        encoder.finish()
    };
    type Misuse<'a> = (&'a dyn Fn(&mut Encoder), EncodeError);
    let misuse: &[Misuse<'_>] = &[
        (&|_| {}, EncodeError::Incomplete { offset: 0 }),
        (&|e| ignore(e.begin_list()), EncodeError::Incomplete { offset: 1 }),
        (&|e| ignore(e.int(1).int(2)), EncodeError::SecondValue { offset: 3 }),
        (&|e| ignore(e.begin_dict().int(1)), EncodeError::MissingKey { offset: 1 }),
        (&|e| ignore(e.begin_dict().key("a").key("b")), EncodeError::UnexpectedKey { offset: 4 }),
        (&|e| ignore(e.begin_dict().key("b").int(1).key("a")), EncodeError::KeyOrder { offset: 7 }),
        (&|e| ignore(e.begin_dict().key("a").int(1).key("a").end()), EncodeError::KeyOrder { offset: 7 }),
        (&|e| ignore(e.begin_dict().key("a").end()), EncodeError::UnexpectedEnd { offset: 4 }),
        (&|e| ignore(e.end()), EncodeError::UnexpectedEnd { offset: 0 }),
        (&|e| ignore(e.key("a")), EncodeError::UnexpectedKey { offset: 0 }),
        (&|e| ignore(e.raw(b"i1ei2e")), EncodeError::InvalidRaw { offset: 0 }),
        (&|e| ignore(e.raw(b"")), EncodeError::InvalidRaw { offset: 0 }),
    ];
    for (work, error) in misuse {
        assert_eq!(run(work).unwrap_err(), *error);
    }
    let good = run(&|e| {
        e.begin_dict().key("").begin_list().end().key("a").raw(b"i07e").key("b").uint(u64::MAX).end();
    });
    assert_eq!(good.unwrap(), b"d0:le1:ai07e1:bi18446744073709551615ee");
    let mut value = Value::dict();
    value.insert("b", 1_i64);
    value.insert("a", vec![Value::from("x"), Value::Raw(b"le".to_vec())]);
    assert_eq!(value.encode(), b"d1:al1:xlee1:bi1ee");
}

#[test]
fn streams_have_the_limits_of_one_value() {
    let options = Options::strict().max_len(6);
    let mut stream = Stream::new(&options);
    assert_eq!(stream.feed(b"i1ei2ei3e"), 6, "no more than one longest value waits");
    assert_eq!(stream.next_value().unwrap().unwrap().root().as_int(), Some(1));
    assert_eq!(stream.feed(b"i3e"), 3);
    assert_eq!(stream.next_value().unwrap().unwrap().root().as_int(), Some(2));
    assert_eq!(stream.next_value().unwrap().unwrap().root().as_int(), Some(3));
    assert!(stream.next_value().unwrap().is_none());
    assert_eq!(stream.position(), 9);
    assert_eq!(stream.feed(b"9:"), 2);
    let error = stream.next_value().unwrap_err();
    assert_eq!(
        (error.kind, error.offset),
        (ErrorKind::TooLong { limit: 6 }, 9),
        "refused before it is buffered"
    );
    assert_eq!(stream.next_value().unwrap_err(), error);
    let mut stream = Stream::new(&options);
    stream.feed(b"llllll");
    assert_eq!(stream.next_value().unwrap_err().kind, ErrorKind::TooLong { limit: 6 });
}

#[test]
fn readers_report_a_cut_value() {
    let long = [b"20000:".as_slice(), &[b'x'; 20000], b"i1"].concat();
    let mut reader = Reader::new(&long[..], &Options::strict());
    assert_eq!(reader.next_value().unwrap().unwrap().root().len(), Some(20000));
    match reader.next_value().unwrap_err() {
        ReadError::Bencode(error) => {
            assert_eq!((error.kind, error.offset), (ErrorKind::UnexpectedEnd, 20006));
        }
        other => panic!("{other}"),
    }
}
