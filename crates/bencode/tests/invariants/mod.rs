//! What must hold for any bytes. The property tests, the corpus test and the fuzz target all run this.

use riverrun_bencode::{Document, Error, IntWidth, Kind, Node, Options, Stream, Value, WarningKind, parse};
use riverrun_bencode::{from_bytes, to_vec};

/// Panics if the decoder contradicts itself on `bytes`.
pub(crate) fn check(bytes: &[u8]) {
    let strict = Options::strict().max_depth(200).max_len(1 << 20).max_tokens(100_000);
    let lenient = Options::lenient().max_depth(200).max_len(1 << 20).max_tokens(100_000);
    let (in_strict, in_lenient) = (parse(bytes, &strict), parse(bytes, &lenient));
    if let Ok(document) = &in_strict {
        check_strict(bytes, document);
        assert!(
            in_lenient.as_ref().is_ok_and(|d| d.warnings().is_empty()),
            "lenient must accept what strict does"
        );
    }
    if let Ok(document) = &in_lenient {
        assert_eq!(
            document.warnings().is_empty(),
            in_strict.is_ok(),
            "a warning for each deviation, and no other"
        );
        check_tree(document);
        let once = document.root().to_value().encode();
        let again = parse(&once, &lenient).expect("our encoding decodes");
        assert_eq!(again.root().to_value().encode(), once, "encoding is stable");
    }
    for result in [&in_strict, &in_lenient] {
        if let Err(error) = result {
            assert!(error.offset <= bytes.len(), "{error}");
        }
    }
    let _ = parse(bytes, &lenient.int_width(IntWidth::Digits(64)).trailing(true));
    check_stream(bytes, &lenient);
    check_stream(bytes, &strict);
}

fn check_strict(bytes: &[u8], document: &Document<'_>) {
    assert_eq!(document.consumed(), bytes.len());
    assert_eq!(document.root().raw(), bytes);
    assert!(document.warnings().is_empty());
    let value = document.root().to_value();
    assert_eq!(value.encode(), bytes, "strict decoding and encoding are inverse");
    match from_bytes::<Value>(bytes) {
        Ok(through_serde) => {
            assert_eq!(through_serde, value);
            assert_eq!(to_vec(&through_serde).expect("a decoded value can be written"), bytes);
        }
        Err(error) => assert!(error.to_string().contains("nested deeper"), "{error}"),
    }
}

/// Walks the document without recursion and looks everything up again.
fn check_tree(document: &Document<'_>) {
    let duplicates = document.warnings().contains(WarningKind::DuplicateKey);
    let mut left = vec![document.root()];
    let mut tokens = 0;
    while let Some(node) = left.pop() {
        tokens += 1;
        check_node(node);
        if let Some(items) = node.as_list() {
            assert_eq!(Some(items.len()), node.len());
            left.extend(items);
        }
        for (key, value) in node.as_dict().into_iter().flatten() {
            tokens += 1;
            let found = node.get(key).expect("a key that is listed is found");
            if duplicates {
                assert!(found.offset() <= value.offset(), "the first of equal keys is found");
            } else {
                assert_eq!(found.offset(), value.offset());
            }
            left.push(value);
        }
        assert!(node.get(b"\xff no such key").is_none());
    }
    assert_eq!(tokens, document.tokens(), "every token is reached");
}

fn check_node(node: Node<'_, '_>) {
    let first = node.raw()[0];
    match node.kind() {
        Kind::Int => assert!(first == b'i' && node.as_int().is_some() && node.as_bytes().is_none()),
        Kind::Bytes => assert!(first.is_ascii_digit() && node.raw().ends_with(node.as_bytes().unwrap())),
        Kind::List => assert!(first == b'l' && node.raw().ends_with(b"e")),
        Kind::Dict => assert!(first == b'd' && node.raw().ends_with(b"e")),
    }
}

/// Any cut into chunks gives the values that decoding one after the other gives.
fn check_stream(bytes: &[u8], options: &Options) {
    let expected = one_by_one(bytes, options);
    for size in [1, 7, 4096] {
        assert_eq!(chunked(bytes, options, size), expected, "in chunks of {size}");
    }
}

type Outcome = (Vec<Vec<u8>>, Result<(), Error>);

fn one_by_one(bytes: &[u8], options: &Options) -> Outcome {
    let (mut values, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        match parse(&bytes[at..], &options.trailing(true)) {
            Ok(document) => {
                values.push(document.root().raw().to_vec());
                at += document.consumed();
            }
            Err(error) => {
                let mut error = error;
                error.offset += at;
                return (values, Err(error));
            }
        }
    }
    (values, Ok(()))
}

fn chunked(bytes: &[u8], options: &Options, size: usize) -> Outcome {
    let mut stream = Stream::new(options);
    let mut values = Vec::new();
    for mut chunk in bytes.chunks(size) {
        while !chunk.is_empty() {
            chunk = &chunk[stream.feed(chunk)..];
            loop {
                match stream.next_value() {
                    Ok(Some(document)) => values.push(document.root().raw().to_vec()),
                    Ok(None) => break,
                    Err(error) => return (values, Err(error)),
                }
            }
        }
    }
    (values, stream.finish())
}
