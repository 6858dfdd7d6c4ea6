//! Torrents with one defect or oddity each, made in code, and what is to become of them.

mod base;
mod bencoding;
mod outer;
mod paths;
mod v1;
mod v2;

use riverrun_metainfo::{Limits, Metainfo};

/// What the reader must do.
pub(crate) enum Verdict {
    /// Refuse, with a sentence that begins with this key.
    Refused(&'static str),
    /// Accept; what the function shows of the torrent must be this.
    Accepted(fn(&Metainfo) -> String, &'static str),
}

/// One file of the table.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) bytes: Vec<u8>,
    pub(crate) verdict: Verdict,
}

impl Case {
    /// Reads the file and says how the outcome differs from the verdict, if it does.
    pub(crate) fn check(&self) -> Result<(), String> {
        let result = Metainfo::from_bytes(&self.bytes, &limits());
        let wrong = |what: String| Err(format!("{}: {what}", self.name));
        match (&self.verdict, result) {
            (Verdict::Refused(key), Err(error)) => {
                let text = error.to_string();
                let located = text.ends_with(&format!(", at byte {}", error.offset))
                    && error.offset <= self.bytes.len();
                if text.starts_with(key) && located {
                    Ok(())
                } else {
                    wrong(format!("expected {key}, got {text}"))
                }
            }
            (Verdict::Accepted(show, expected), Ok(torrent)) => {
                let shown = show(&torrent);
                if shown != *expected {
                    return wrong(format!("expected {expected}, got {shown}"));
                }
                // What was accepted can be written and is then the same torrent.
                match Metainfo::from_bytes(&torrent.to_bytes(), &limits()) {
                    Ok(again) if again.info().raw() == torrent.info().raw() && show(&again) == shown => {
                        Ok(())
                    }
                    Ok(_) => wrong("is another torrent once written".into()),
                    Err(error) => wrong(format!("cannot be read back: {error}")),
                }
            }
            (Verdict::Refused(_), Ok(_)) => wrong("was accepted".into()),
            (Verdict::Accepted(..), Err(error)) => wrong(format!("was refused: {error}")),
        }
    }

    fn refused(name: &'static str, bytes: Vec<u8>, key: &'static str) -> Case {
        Case { name, bytes, verdict: Verdict::Refused(key) }
    }

    fn accepted(
        name: &'static str,
        bytes: Vec<u8>,
        show: fn(&Metainfo) -> String,
        value: &'static str,
    ) -> Case {
        Case { name, bytes, verdict: Verdict::Accepted(show, value) }
    }
}

/// Every case, in the order of the table.
pub(crate) fn all() -> Vec<Case> {
    [bencoding::cases(), v1::cases(), paths::cases(), v2::cases(), outer::cases()]
        .into_iter()
        .flatten()
        .collect()
}

/// The same limits on every system.
pub(crate) fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.windows_names = false;
    limits
}

/// The table as Markdown: file, verdict, message.
pub(crate) fn markdown() -> String {
    let cases = all();
    let mut out = format!(
        "# Malformed and odd torrents\n\nWhat the reader does with each of {} files that `crates/metainfo/tests/defects` \
         makes. Refusals name the key and the\nbyte; of what is accepted, the sanitised value is shown, and the first \
         warning. Written by\n`cargo run -p riverrun-metainfo --example defects > docs/defects.md`; a test keeps it \
         current.\n\n| File | Verdict | Message |\n| --- | --- | --- |\n",
        cases.len()
    );
    for case in cases {
        let (verdict, message) = match Metainfo::from_bytes(&case.bytes, &limits()) {
            Err(error) => ("refused", error.to_string()),
            Ok(torrent) => ("accepted", accepted(&torrent, &case.verdict)),
        };
        out.push_str(&format!("| {} | {verdict} | {} |\n", case.name, cell(&message)));
    }
    out
}

fn accepted(torrent: &Metainfo, verdict: &Verdict) -> String {
    let mut message = match verdict {
        Verdict::Accepted(show, _) => show(torrent),
        Verdict::Refused(_) => String::new(),
    };
    if message.is_empty() {
        message.push_str("(none)");
    }
    if let Some(warning) = torrent.info().warnings().iter().chain(torrent.warnings().iter()).next() {
        message.push_str(&format!(" (warning: {warning})"));
    }
    message
}

/// Text that does not break a table, and shows what cannot be seen.
fn cell(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '|' => out.push_str("\\|"),
            '<' => out.push_str("&lt;"),
            '`' => out.push('\''),
            '\\' => out.push_str("\\\\"),
            '_' | '*' => out.extend(['\\', c]),
            c if c.is_control() || matches!(c, '\u{300}'..='\u{36f}' | '\u{200b}'..='\u{206f}') => {
                out.extend(c.escape_unicode());
            }
            c => out.push(c),
        }
    }
    if out.chars().count() > 300 { out.chars().take(300).collect::<String>() + "..." } else { out }
}
