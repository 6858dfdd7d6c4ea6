//! Defects of the encoding.

use super::Case;
use super::base::*;

/// The sound torrent with `from` replaced by `to`.
fn swap(from: &str, to: &str) -> Vec<u8> {
    let sound = outer(|_| ());
    let at = sound.windows(from.len()).position(|w| w == from.as_bytes()).expect("it is there");
    [&sound[..at], to.as_bytes(), &sound[at + from.len()..]].concat()
}

pub(crate) fn cases() -> Vec<Case> {
    let sound = outer(|_| ());
    let mut cases = broken(&sound);
    cases.extend(odd(&sound));
    cases
}

fn broken(sound: &[u8]) -> Vec<Case> {
    let refused = |name, bytes: &[u8]| Case::refused(name, bytes.to_vec(), "torrent: ");
    let nested = |depth: usize| [b"d1:x".to_vec(), vec![b'l'; depth], vec![b'e'; depth + 1]].concat();
    vec![
        refused("empty_file", b""),
        refused("plain_text", b"hello"),
        refused("html_page", b"<!DOCTYPE html><html></html>"),
        refused("gzip", &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0]),
        refused("zeros", &[0; 64]),
        refused("utf8_byte_order_mark", &[b"\xef\xbb\xbf", sound].concat()),
        refused("cut_in_the_middle", &sound[..sound.len() / 2]),
        refused("cut_before_the_last_byte", &sound[..sound.len() - 1]),
        refused("string_past_the_end", b"d4:infod4:name99:a"),
        refused("string_length_of_40_digits", &[vec![b'1'; 40], b":a".to_vec()].concat()),
        refused("string_length_negative", b"d4:name-1:ae"),
        refused("string_length_without_colon", b"d4:name3abce"),
        refused("key_is_an_integer", b"di1e1:ae"),
        refused("key_is_a_list", b"dle1:ae"),
        refused("key_without_value", b"d4:infoe"),
        refused("integer_empty", b"d1:aiee"),
        refused("integer_of_letters", b"d1:aiabcee"),
        refused("integer_with_plus", b"d1:ai+1ee"),
        refused("integer_with_two_signs", b"d1:ai--1ee"),
        refused("integer_with_fraction", b"d1:ai1.5ee"),
        refused("integer_of_60_digits", &swap("i5e", &format!("i{}e", "9".repeat(60)))),
        refused("integer_without_end", b"d1:ai12"),
        refused("nested_100_deep", &nested(100)),
        refused("nested_a_million_deep", &vec![b'l'; 1_000_000]),
        refused("root_is_a_string", b"4:info"),
        refused("root_is_a_list", b"l4:infoe"),
        refused("root_is_an_integer", b"i1e"),
        refused("over_the_limit", &vec![b'0'; types::limits::METAINFO_LEN + 1]),
        refused("over_3_million_values", &[vec![b'l'], b"le".repeat(3_000_001), vec![b'e']].concat()),
    ]
}

fn odd(sound: &[u8]) -> Vec<Case> {
    let with = |tail: &[u8]| [sound, tail].concat();
    // Out of order: `zz` before `info`, and inside it `name` before `length`.
    let unsorted = [b"d2:zzi1e4:info", &sound[b"d4:info".len()..]].concat();
    let info_unsorted = swap("6:lengthi5e4:name1:a", "4:name1:a6:lengthi5e");
    vec![
        Case::accepted("newline_at_the_end", with(b"\n"), show_name, "a"),
        Case::accepted("data_after_the_end", with(b"garbage"), show_name, "a"),
        Case::accepted("outer_keys_unsorted", unsorted, show_keys, "zz=i1e"),
        Case::accepted(
            "info_keys_unsorted",
            info_unsorted,
            show_hash,
            "info hash c141d25a36025b7fe6f65eefcde917e5928066db",
        ),
        Case::accepted("info_key_twice", swap("4:name1:a", "4:name1:a4:name1:b"), show_name, "a"),
        Case::accepted("integer_with_leading_zero", swap("i5e", "i005e"), show_lens, "a (5)"),
        Case::accepted("string_length_with_leading_zero", swap("1:a", "01:a"), show_name, "a"),
        Case::refused("integer_minus_zero", swap("i16384e", "i-0e"), "info.piece length: "),
        Case::refused("integer_of_30_digits", swap("i5e", &format!("i{}e", "9".repeat(30))), "info.length: "),
    ]
}
