//! Bencoding of parts that are encoded already: a dictionary is written anew without reading what stays.

/// A dictionary of values that are already encoded. The keys must ascend.
pub(crate) fn encode_dict<'a>(entries: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> Vec<u8> {
    let mut out = vec![b'd'];
    for (key, value) in entries {
        out.extend(encode_bytes(key));
        out.extend_from_slice(value);
    }
    out.push(b'e');
    out
}

/// A string.
pub(crate) fn encode_bytes(bytes: &[u8]) -> Vec<u8> {
    let mut out = bytes.len().to_string().into_bytes();
    out.push(b':');
    out.extend_from_slice(bytes);
    out
}

/// A list of items that are already encoded.
pub(crate) fn encode_list(items: impl Iterator<Item = Vec<u8>>) -> Vec<u8> {
    let mut out = vec![b'l'];
    items.for_each(|item| out.extend(item));
    out.push(b'e');
    out
}

/// A list of strings.
pub(crate) fn encode_strings(items: &[String]) -> Vec<u8> {
    encode_list(items.iter().map(|item| encode_bytes(item.as_bytes())))
}
