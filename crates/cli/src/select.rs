//! Which files of a torrent: numbers, ranges and globs.

use globset::{GlobBuilder, GlobMatcher};
use metainfo::Info;

/// A list of selectors, as `--select` takes it: `0`, `2-5`, `7-`, `*.mkv`, `docs/**`. Each is given by itself; numbers and
/// ranges may also stand in one, separated by commas. Anything else is one pattern whole, since names and patterns
/// (`*.{mkv,srt}`) may have commas. A file is selected when one of them fits.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Selection {
    parts: Vec<String>,
}

impl Selection {
    /// The selectors that were given; none select every file.
    ///
    /// # Errors
    /// Some were given and all of them are empty: that is a mistake, and must not select everything. Or one is no pattern.
    pub(crate) fn new(given: &[String]) -> Result<Selection, String> {
        let parts: Vec<String> = given.iter().flat_map(|text| split(text)).map(str::to_owned).collect();
        if parts.is_empty() && !given.is_empty() {
            return Err("nothing is selected; write numbers as 3, ranges as 2-5 or 7-, or patterns as *.mkv"
                .to_owned());
        }
        parts.iter().try_for_each(|part| matcher(part).map(drop))?;
        Ok(Selection { parts })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// One flag for each file of the torrent. A selector that fits nothing, or that names a number beyond the last file, is
    /// an error that lists the names.
    pub(crate) fn of(&self, info: &Info) -> Result<Vec<bool>, String> {
        let names: Vec<&str> = info.files().iter().map(|file| file.path()).collect();
        let mut chosen = vec![false; names.len()];
        for part in &self.parts {
            let mut fits = fitting(part, &names)?;
            // Padding is nobody's choice: it has no bytes on the disk.
            for (file, fit) in info.files().iter().zip(&mut fits) {
                *fit &= !file.is_padding();
            }
            if !fits.contains(&true) {
                let problem = match range(part, names.len()) {
                    Some((first, last)) if first.max(last) >= names.len() => "goes beyond the last file",
                    Some((first, last)) if first > last => "runs backwards; the lower number comes first",
                    _ => "fits no file",
                };
                return Err(format!("`{part}` {problem}; the files are:\n{}", listing(info)));
            }
            chosen.iter_mut().zip(fits).for_each(|(chosen, fit)| *chosen |= fit);
        }
        Ok(chosen)
    }
}

/// The files with their numbers, one a line.
pub(crate) fn listing(info: &Info) -> String {
    const MOST: usize = 200;
    let files = info.files().iter().enumerate().filter(|(_, file)| !file.is_padding());
    let total = files.clone().count();
    let mut lines: Vec<String> =
        files.take(MOST).map(|(i, file)| format!("  {i:>4}  {}", file.path())).collect();
    if total > MOST {
        lines.push(format!("  ... and {} more", total - MOST));
    }
    lines.join("\n")
}

/// The selectors in one text: at its commas where every part is a number or a range, else the text as it is.
fn split(text: &str) -> Vec<&str> {
    let parts: Vec<&str> = text.split(',').map(str::trim).filter(|part| !part.is_empty()).collect();
    // How many files there are plays no part in whether it is a range.
    if parts.iter().all(|part| range(part, 0).is_some()) { parts } else { vec![text.trim()] }
}

fn fitting(part: &str, names: &[&str]) -> Result<Vec<bool>, String> {
    // A number that no file has may still be a file's name.
    if let Some((first, last)) = range(part, names.len()).filter(|(_, last)| *last < names.len()) {
        return Ok((0..names.len()).map(|i| (first..=last).contains(&i)).collect());
    }
    let glob = matcher(part)?;
    let fits = |name: &str| name == part || glob.is_match(name);
    // The whole path, that below the torrent's directory, and the name alone.
    let below = |name: &str| name.split_once('/').is_some_and(|(_, rest)| fits(rest));
    let base = |name: &str| name.rsplit_once('/').is_some_and(|(_, base)| fits(base));
    Ok(names.iter().map(|name| fits(name) || below(name) || base(name)).collect())
}

fn matcher(part: &str) -> Result<GlobMatcher, String> {
    let glob = GlobBuilder::new(part).case_insensitive(true).literal_separator(false).build();
    let wrong = |error: globset::Error| format!("`{part}` is no number, range or pattern: {}", error.kind());
    glob.map(|glob| glob.compile_matcher()).map_err(wrong)
}

/// `3`, `2-5` or `7-`, both ends included.
fn range(part: &str, files: usize) -> Option<(usize, usize)> {
    if let Ok(one) = part.parse() {
        return Some((one, one));
    }
    let (first, last) = part.split_once('-')?;
    let first = first.parse().ok()?;
    let last = if last.is_empty() { files.saturating_sub(1) } else { last.parse().ok()? };
    Some((first, last))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 4] = ["show/a.mkv", "show/b.MKV", "show/notes.txt", "show/2-5"];

    fn fits(part: &str) -> Vec<bool> {
        fitting(part, &NAMES).unwrap()
    }

    #[test]
    fn numbers_ranges_and_patterns() {
        assert_eq!(fits("1"), [false, true, false, false]);
        assert_eq!(fits("1-2"), [false, true, true, false]);
        assert_eq!(fits("2-"), [false, false, true, true]);
        assert_eq!(fits("*.mkv"), [true, true, false, false]);
        assert_eq!(fits("show/notes.txt"), [false, false, true, false]);
        assert_eq!(fits("notes.txt"), [false, false, true, false]);
        assert_eq!(fits("9"), [false; 4]);
        assert_eq!(fits("0-3"), [true; 4]);
        // Beyond the last file nothing is cut off in silence; but it may be a name.
        assert_eq!((fits("0-4"), fits("4-"), fits("3-1")), (vec![false; 4], vec![false; 4], vec![false; 4]));
        assert_eq!(fits("2-5"), [false, false, false, true]);
        assert!(fitting("[", &NAMES).is_err());
    }

    #[test]
    fn commas_separate_numbers_and_stay_in_patterns() {
        let selection = Selection::new(&["1, 2-3,7-".into(), "".into(), "*.txt".into()]).unwrap();
        assert_eq!(selection.parts, ["1", "2-3", "7-", "*.txt"]);
        let whole = ["*.{mkv,txt}", "one, two.mkv", "1,*.txt"];
        assert_eq!(Selection::new(&whole.map(str::to_owned)).unwrap().parts, whole);
        assert_eq!(fits("*.{mkv,txt}"), [true, true, true, false]);
        assert!(Selection::new(&[]).unwrap().is_empty());
        assert!(Selection::new(&["".into(), " ,".into()]).is_err());
        assert!(Selection::new(&["1".into(), "[".into()]).is_err());
    }

    /// Two files with padding between them.
    fn padded() -> Info {
        let files =
            "d6:lengthi5e4:pathl1:aeed4:attr1:p6:lengthi11e4:pathl4:.pad2:11eed6:lengthi5e4:pathl1:bee";
        let bytes =
            format!("d4:infod5:filesl{files}e4:name1:n12:piece lengthi16384e6:pieces20:{}ee", "a".repeat(20));
        let limits = metainfo::Limits::default();
        metainfo::Metainfo::from_bytes(bytes.as_bytes(), &limits).unwrap().info().clone()
    }

    #[test]
    fn padding_alone_is_no_selection() {
        let of = |part: &str| Selection::new(&[part.to_owned()]).unwrap().of(&padded());
        assert_eq!(of("0-2"), Ok(vec![true, false, true]));
        for part in ["1", "*.pad/*"] {
            assert!(of(part).unwrap_err().starts_with(&format!("`{part}` fits no file")), "{part}");
        }
    }
}
