//! Hygiene of text files, whatever their language.

use super::{Finding, Rule};

/// Endings of the files that people write and read.
const TEXT: &[&str] = &[
    ".rs",
    ".toml",
    ".md",
    ".sh",
    ".py",
    ".yml",
    ".yaml",
    ".html",
    ".css",
    ".js",
    ".ts",
    ".txt",
    ".gitignore",
    "/run",
];

/// Words that say work was left undone; spelt so that this file does not say them.
const UNDONE: &[&str] = &[concat!("TO", "DO"), concat!("FIX", "ME"), concat!("HA", "CK")];

/// Directories that exist on somebody's machine only.
const MACHINE: &[&str] =
    &[concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/ho", "me/"), concat!("/Us", "ers/")];

/// Faults in one file; files of other kinds have none.
pub(crate) fn check(path: &str, text: &str) -> Vec<Finding> {
    let mut found = Vec::new();
    if !is_text(path) {
        return found;
    }
    let mut push = |rule, line, message: String| {
        found.push(Finding { rule, file: path.to_owned(), line, item: String::new(), measure: 1, message });
    };
    for (index, line) in text.split('\n').enumerate() {
        let number = index + 1;
        for message in line_faults(line) {
            push(Rule::Hygiene, number, message);
        }
        // Prose may name the words it forbids.
        if !path.ends_with(".md")
            && let Some(word) = UNDONE.iter().find(|word| has_word(line, word))
        {
            push(Rule::Unfinished, number, format!("`{word}`: finish it, or write an issue"));
        }
    }
    let last = text.lines().count().max(1);
    if !text.is_empty() && !text.ends_with('\n') {
        push(Rule::Hygiene, last, "no newline at the end of the file".to_owned());
    }
    if text.ends_with("\n\n") {
        push(Rule::Hygiene, last, "blank lines at the end of the file".to_owned());
    }
    found
}

/// Whether a path names a text file these rules are about. Data of tests keeps the bytes it has.
fn is_text(path: &str) -> bool {
    let data = path.split('/').any(|part| matches!(part, "corpus" | "data" | "fixtures"));
    TEXT.iter().any(|ending| path.ends_with(ending)) && (!data || path.ends_with(".rs"))
}

fn line_faults(line: &str) -> Vec<String> {
    let mut faults = Vec::new();
    if line.contains('\t') {
        faults.push("a tab".to_owned());
    }
    if line.contains('\r') {
        faults.push("a carriage return".to_owned());
    }
    if line.trim_end_matches('\r').ends_with([' ', '\t']) {
        faults.push("spaces at the end of the line".to_owned());
    }
    if let Some(path) = MACHINE.iter().find(|path| is_machine_path(line, path)) {
        faults.push(format!("`{path}...` is a path of one machine"));
    }
    faults
}

/// Whether the line holds `prefix` where a path begins, not in the middle of one.
fn is_machine_path(line: &str, prefix: &str) -> bool {
    line.match_indices(prefix).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|before| before.is_alphanumeric() || "_-./}~$*".contains(before))
    })
}

/// Whether the line holds `word` as a whole word.
fn has_word(line: &str, word: &str) -> bool {
    let part = |character: char| character.is_alphanumeric() || character == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        !before.is_some_and(part) && !after.is_some_and(part)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(path: &str, text: &str) -> Vec<String> {
        check(path, text)
            .into_iter()
            .map(|finding| format!("{}: {}", finding.line, finding.message))
            .collect()
    }

    #[test]
    fn white_space_is_held() {
        assert_eq!(messages("a.rs", "a\n\tb\nc \nd\n"), ["2: a tab", "3: spaces at the end of the line"]);
        assert_eq!(messages("a.md", "a\r\n"), ["1: a carriage return"]);
        assert_eq!(messages("a.toml", "a"), ["1: no newline at the end of the file"]);
        assert_eq!(messages("a.toml", "a\n\n"), ["2: blank lines at the end of the file"]);
        assert_eq!(messages("a.torrent", "a \t"), Vec::<String>::new());
    }

    #[test]
    fn machine_paths_are_found_where_a_path_begins() {
        let path = format!("cd {}project\n", MACHINE[0]);
        assert_eq!(messages("a.sh", &path).len(), 1);
        assert!(messages("a.sh", &format!("cd torrents{}project\n", MACHINE[0])).is_empty());
    }

    #[test]
    fn undone_work_is_found_in_code_and_not_in_prose() {
        let line = format!("// {}: later\n", UNDONE[0]);
        assert_eq!(messages("a.rs", &line).len(), 1);
        assert!(messages("a.md", &line).is_empty());
        assert!(messages("a.rs", &format!("// {}NT\n", UNDONE[0])).is_empty());
    }
}
