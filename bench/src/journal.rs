//! What was measured already: a run that was cut short goes on where it was.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use crate::Result;

/// How one measurement went.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Outcome {
    /// How long it took, in seconds, with starting and checking.
    pub(crate) seconds: f64,
    /// A number for each column, none where the client has no such work, or why it failed.
    pub(crate) result: std::result::Result<Option<Vec<f64>>, String>,
    /// What was run.
    pub(crate) command: String,
}

/// Every measurement of a run, one line each, in a file where one is named.
#[derive(Default)]
pub(crate) struct Journal {
    known: BTreeMap<String, Outcome>,
    file: Option<File>,
}

impl Journal {
    /// Reads what is there of this run, and goes on behind it. A last line that was cut is measured again.
    pub(crate) fn open(path: &Path, run: &str) -> Result<Journal> {
        let fail = |error: std::io::Error| format!("{}: {error}", path.display());
        let file = File::options().create(true).truncate(false).read(true).write(true).open(path);
        let (mut file, mut text) = (file.map_err(fail)?, String::new());
        file.read_to_string(&mut text).map_err(fail)?;
        if text.lines().next().is_some_and(|first| first != run) {
            return Err(
                format!("{}: it is of another run than `{run}`; name another file", path.display()).into()
            );
        }
        // What follows is written behind the last whole line.
        text.truncate(text.rfind('\n').map_or(0, |end| end + 1));
        file.set_len(text.len() as u64).map_err(fail)?;
        file.seek(SeekFrom::End(0)).map_err(fail)?;
        let mut lines = text.lines();
        if lines.next().is_none() {
            writeln!(file, "{run}").map_err(fail)?;
        }
        let mut known = BTreeMap::new();
        for line in lines {
            let (key, outcome) =
                read(line).ok_or_else(|| format!("{}: not a line of a journal: `{line}`", path.display()))?;
            known.insert(key, outcome);
        }
        Ok(Journal { known, file: Some(file) })
    }

    /// What is known of this measurement, or how it goes now.
    pub(crate) fn outcome(
        &mut self,
        (row, round, peer): (&str, usize, &str),
        measure: impl FnOnce() -> Outcome,
    ) -> Result<Outcome> {
        let key = format!("{row}\t{round}\t{peer}");
        if let Some(known) = self.known.get(&key) {
            return Ok(known.clone());
        }
        let outcome = measure();
        if let Some(file) = &mut self.file {
            writeln!(file, "{key}\t{}", write(&outcome))?;
        }
        Ok(outcome)
    }
}

fn write(outcome: &Outcome) -> String {
    let said = match &outcome.result {
        Ok(None) => "none".into(),
        Ok(Some(values)) => values.iter().map(f64::to_string).collect::<Vec<_>>().join(" "),
        Err(error) => format!("failed: {}", error.lines().next().unwrap_or_default()),
    };
    format!("{}\t{}\t{said}", outcome.seconds, outcome.command.replace(['\t', '\n'], " "))
}

fn read(line: &str) -> Option<(String, Outcome)> {
    let mut parts = line.splitn(6, '\t');
    let key = [parts.next()?, parts.next()?, parts.next()?].join("\t");
    let (seconds, command) = (parts.next()?.parse().ok()?, parts.next()?.to_owned());
    let said = parts.next()?;
    let result = match (said, said.strip_prefix("failed: ")) {
        (_, Some(error)) => Err(error.to_owned()),
        ("none", _) => Ok(None),
        _ => Ok(Some(said.split(' ').map(str::parse).collect::<std::result::Result<_, _>>().ok()?)),
    };
    Some((key, Outcome { seconds, result, command }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_measured_is_not_measured_again() {
        let path = std::env::temp_dir().join(format!("riverrun-bench-journal-{}", std::process::id()));
        let outcomes = [Ok(Some(vec![1.25, f64::INFINITY])), Ok(None), Err("it ended\nearly".to_owned())];
        let mut first = Journal::open(&path, "run").unwrap();
        for (round, result) in outcomes.iter().enumerate() {
            let measured = Outcome { seconds: 0.5, result: result.clone(), command: "a b".into() };
            assert_eq!(first.outcome(("row", round, "peer"), || measured.clone()).unwrap(), measured);
        }
        assert!(Journal::open(&path, "another").is_err());
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, [&whole[..], b"row\t3\tpe"].concat()).unwrap();
        let mut second = Journal::open(&path, "run").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), whole, "what was cut is gone");
        let mut again = |round| second.outcome(("row", round, "peer"), || panic!("measured")).unwrap().result;
        assert_eq!((again(0), again(1)), (outcomes[0].clone(), outcomes[1].clone()));
        assert_eq!(again(2), Err("it ended".into()));
        std::fs::remove_file(path).unwrap();
    }
}
