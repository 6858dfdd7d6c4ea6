//! Names that are safe on any disk.
//!
//! A torrent's names are a stranger's bytes. [`safe_component`] turns one into a name that cannot leave its directory,
//! reach a device, hide its extension or be too long. It is the same on every system, but for the rules of
//! [`Limits::windows_names`].

use std::borrow::Cow;

use unicode_normalization::UnicodeNormalization as _;

use crate::limits::Limits;

/// The longest part after the last dot that counts as an extension, in bytes, dot included.
const EXTENSION_LEN: usize = 20;

/// A name that is safe to use as one component of a path, or `None` if nothing of `raw` is left: it is empty, `.` or
/// `..`, or made of forbidden characters alone.
///
/// - invalid UTF-8 becomes U+FFFD, one for each broken sequence;
/// - `/`, `\`, control characters, and characters that turn the direction of text or cannot be seen become `_`
///   (the joiners U+200C and U+200D stay, as scripts and emoji need them);
/// - names of DOS devices (`CON`, `com1.txt`) get a `_` in front;
/// - with [`Limits::windows_names`], `<>:"|?*` become `_`, and dots and spaces at the end go;
/// - what is over [`Limits::path_component_len`] bytes is cut before the extension.
///
/// ```
/// use riverrun_metainfo::{Limits, path::safe_component};
/// let limits = Limits::default();
/// assert_eq!(safe_component(b"../../etc/passwd", &limits).as_deref(), Some(".._.._etc_passwd"));
/// assert_eq!(safe_component(b"aux.txt", &limits).as_deref(), Some("_aux.txt"));
/// assert_eq!(safe_component(b"..", &limits), None);
/// ```
pub fn safe_component<'a>(raw: &'a [u8], limits: &Limits) -> Option<Cow<'a, str>> {
    let mut name = String::from_utf8_lossy(raw);
    if matches!(&*name, "" | "." | "..") {
        return None;
    }
    let forbidden = |c: char| is_forbidden(c) || (limits.windows_names && is_forbidden_on_windows(c));
    if name.contains(forbidden) {
        if name.chars().all(|c| forbidden(c) || c == '.' || c == ' ') {
            return None;
        }
        name = Cow::Owned(name.replace(forbidden, "_"));
    }
    if limits.windows_names {
        name = without_end(name);
    }
    if is_device(&name) {
        name = Cow::Owned(format!("_{name}"));
    }
    if name.len() > limits.path_component_len {
        name = Cow::Owned(with_suffix(&name, "", limits.path_component_len));
        if limits.windows_names {
            name = without_end(name);
        }
    }
    (!name.is_empty()).then_some(name)
}

/// A path below a directory, components separated by `/`, each made safe as [`safe_component`] does; what is nothing then
/// is left out. `None` where nothing is left, or the path is longer or deeper than the limits allow.
///
/// ```
/// use riverrun_metainfo::{Limits, path::safe_path};
/// let limits = Limits::default();
/// assert_eq!(safe_path("films/new.mkv", &limits).as_deref(), Some("films/new.mkv"));
/// assert_eq!(safe_path("/../etc//passwd", &limits).as_deref(), Some("etc/passwd"));
/// assert_eq!(safe_path("../..", &limits), None);
/// ```
pub fn safe_path(raw: &str, limits: &Limits) -> Option<String> {
    let parts: Vec<_> = raw.split('/').filter_map(|part| safe_component(part.as_bytes(), limits)).collect();
    let path = parts.join("/");
    (!parts.is_empty() && parts.len() <= limits.path_depth && path.len() <= limits.path_len).then_some(path)
}

/// Whether two files can't have these paths at once, on some file system: they are one path, up to case and form, or one
/// is a directory of the other.
///
/// ```
/// use riverrun_metainfo::path::collide;
/// assert!(collide("a/B.txt", "a/b.txt") && collide("a", "a/b") && !collide("a/b", "a/bc"));
/// ```
pub fn collide(one: &str, other: &str) -> bool {
    one.split('/').zip(other.split('/')).all(|(one, other)| clash_key(one) == clash_key(other))
}

/// `name` without the dots and spaces at its end.
fn without_end(name: Cow<'_, str>) -> Cow<'_, str> {
    let kept = name.trim_end_matches(['.', ' ']).len();
    if kept == name.len() { name } else { Cow::Owned(name[..kept].to_owned()) }
}

/// `name` with `suffix` put before its extension, cut so that the whole has at most `max` bytes.
pub(crate) fn with_suffix(name: &str, suffix: &str, max: usize) -> String {
    let dot =
        name.rfind('.').filter(|dot| *dot > 0 && name.len() - dot <= EXTENSION_LEN).unwrap_or(name.len());
    let (stem, extension) = name.split_at(dot);
    let room = max.saturating_sub(suffix.len() + extension.len());
    if room == 0 {
        // Nothing sensible fits; the suffix alone keeps names apart.
        return cut(&format!("_{suffix}"), max).to_owned();
    }
    format!("{}{suffix}{extension}", cut(stem, room))
}

/// The longest start of `text` of at most `max` bytes that ends between characters.
fn cut(text: &str, max: usize) -> &str {
    let mut end = text.len().min(max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// What names that fall together on some file system have in common: normalised, folded to one case, without what
/// cannot be seen.
pub(crate) fn clash_key(name: &str) -> String {
    if name.is_ascii() {
        return name.to_ascii_lowercase();
    }
    // Upper and then lower case folds more than either alone: sharp s, long s, final sigma.
    let visible =
        name.nfd().filter(|c| !matches!(c, '\u{200c}' | '\u{200d}' | '\u{fe0e}' | '\u{fe0f}' | '\u{ad}'));
    visible.flat_map(char::to_uppercase).flat_map(char::to_lowercase).nfc().collect()
}

fn is_forbidden(c: char) -> bool {
    matches!(c, '/' | '\\') || c.is_control() || is_invisible(c)
}

/// Turns the direction of text (which hides extensions), breaks lines, or takes no room.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0001}')
}

fn is_forbidden_on_windows(c: char) -> bool {
    matches!(c, '<' | '>' | ':' | '"' | '|' | '?' | '*')
}

/// Whether Windows takes `name` for a device, whatever its extension.
fn is_device(name: &str) -> bool {
    let stem = name.split(['.', ':']).next().unwrap_or(name).trim_end_matches(' ');
    let upper = stem.to_uppercase();
    let numbered = |prefix| {
        let number: Option<&str> = upper.strip_prefix(prefix);
        number.is_some_and(|n| {
            matches!(n.chars().next(), Some('0'..='9' | '¹' | '²' | '³')) && n.chars().count() == 1
        })
    };
    matches!(&*upper, "CON" | "PRN" | "AUX" | "NUL" | "CONIN$" | "CONOUT$" | "CLOCK$")
        || numbered("COM")
        || numbered("LPT")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn safe(raw: impl AsRef<[u8]>) -> Option<String> {
        let limits = Limits { windows_names: false, ..Limits::default() };
        safe_component(raw.as_ref(), &limits).map(Cow::into_owned)
    }

    fn safe_windows(raw: &str) -> Option<String> {
        let limits = Limits { windows_names: true, ..Limits::default() };
        safe_component(raw.as_bytes(), &limits).map(Cow::into_owned)
    }

    #[test]
    fn what_would_escape_or_deceive_is_replaced() {
        let cases: [(&[u8], Option<&str>); 17] = [
            (b"plain.txt", Some("plain.txt")),
            (b"", None),
            (b".", None),
            (b"..", None),
            (b"...", Some("...")),
            (b"/", None),
            (b"\\\\", None),
            (b"/etc", Some("_etc")),
            (b"C:\\x", Some("C:_x")),
            (b"a\0b\nc", Some("a_b_c")),
            (b"con", Some("_con")),
            (b"LPT1.tar.gz", Some("_LPT1.tar.gz")),
            ("com².x".as_bytes(), Some("_com².x")),
            (b"com10", Some("com10")),
            ("photo\u{202e}gpj.exe".as_bytes(), Some("photo_gpj.exe")),
            (b"caf\xe9.txt", Some("caf\u{fffd}.txt")),
            ("\u{feff}a\u{200b}".as_bytes(), Some("_a_")),
        ];
        for (raw, expected) in cases {
            assert_eq!(safe(raw).as_deref(), expected, "{}", raw.escape_ascii());
        }
        assert_eq!(safe("trailing. ").as_deref(), Some("trailing. "));
    }

    #[test]
    fn windows_is_stricter() {
        assert_eq!(safe_windows("what?: a \"b\". ").as_deref(), Some("what__ a _b_"));
        assert_eq!(safe_windows(". ."), None);
        assert_eq!(safe_windows("???"), None);
        assert_eq!(safe_windows("con .txt").as_deref(), Some("_con .txt"));
    }

    #[test]
    fn long_names_keep_their_extension_and_their_characters() {
        let long = safe("é".repeat(200) + ".mkv").unwrap();
        assert!(long.len() <= 255 && long.len() > 250 && long.ends_with("é.mkv"));
        assert_eq!(safe("x".repeat(256)).unwrap().len(), 255);
        assert_eq!(safe("x.".to_owned() + &"y".repeat(300)).unwrap().len(), 255);
        assert_eq!(with_suffix("name.txt", " (1)", 255), "name (1).txt");
        assert_eq!(with_suffix(".hidden", " (1)", 255), ".hidden (1)");
        assert_eq!(with_suffix("abc.txt", " (1)", 6), "_ (1)");
    }

    #[test]
    fn names_that_fall_together_have_one_key() {
        for (a, b) in
            [("A.TXT", "a.txt"), ("é", "e\u{301}"), ("Straße", "STRASSE"), ("ΣΑΣ", "σας"), ("a\u{200d}", "a")]
        {
            assert_eq!(clash_key(a), clash_key(b), "{a} {b}");
        }
        assert_ne!(clash_key("a"), clash_key("b"));
    }

    proptest! {
        #[test]
        fn every_result_is_safe(raw in proptest::collection::vec(any::<u8>(), 0..400), windows: bool) {
            let limits = Limits { windows_names: windows, ..Limits::default() };
            if let Some(name) = safe_component(&raw, &limits) {
                prop_assert!(!name.is_empty() && name != "." && name != ".." && name.len() <= 255);
                prop_assert!(!name.contains(is_forbidden) && !is_device(&name));
                // A safe name is left alone.
                let again = safe_component(name.as_bytes(), &limits);
                prop_assert_eq!(again.as_deref(), Some(&*name));
            }
        }
    }
}
