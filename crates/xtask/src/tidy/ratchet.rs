//! `tidy.toml`: exceptions, each with its reason, that can only shrink.
//!
//! ```toml
//! [[exception]]
//! rule = "fn-lines"
//! file = "crates/wire/src/message.rs"
//! item = "decode"      # the function; left out for rules about the file
//! limit = 92           # lines, or how many findings of the rule the file may have
//! reason = "one arm for each message id"
//! ```
//!
//! The limit is what the tree has now. More is a failure, and so is less: then the limit comes down with it.

use super::{Finding, Rule};
use crate::Result;
use crate::repo::Repo;

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    exception: Vec<Exception>,
}

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Exception {
    rule: String,
    file: String,
    item: Option<String>,
    limit: usize,
    reason: String,
}

/// Findings as sentences, less those that an exception allows, plus the exceptions that no longer fit.
pub(crate) fn hold(repo: &Repo, findings: Vec<Finding>) -> Result<Vec<String>> {
    match std::fs::read_to_string(repo.path("tidy.toml")) {
        Ok(text) => apply(&text, findings),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => apply("", findings),
        Err(error) => Err(format!("tidy.toml: {error}").into()),
    }
}

fn apply(text: &str, mut findings: Vec<Finding>) -> Result<Vec<String>> {
    let file: File = toml::from_str(text).map_err(|error| format!("tidy.toml: {error}"))?;
    findings.sort_by(|a, b| (&a.file, a.line, a.rule).cmp(&(&b.file, b.line, b.rule)));
    let mut sentences = Vec::new();
    for exception in &file.exception {
        let (covered, rest): (Vec<_>, Vec<_>) =
            findings.into_iter().partition(|finding| exception.covers(finding));
        findings = rest;
        sentences.extend(exception.judge(&covered));
    }
    sentences.extend(findings.iter().map(ToString::to_string));
    Ok(sentences)
}

impl Exception {
    fn covers(&self, finding: &Finding) -> bool {
        let item = self.item.as_ref().is_none_or(|item| *item == finding.item);
        self.rule == finding.rule.name() && self.file == finding.file && item
    }

    /// What to say about this exception, given the findings it covers.
    fn judge(&self, covered: &[Finding]) -> Vec<String> {
        let place = format!("tidy.toml: {} in {}", self.rule, self.file);
        if self.reason.split_whitespace().count() < 2 {
            return vec![format!("{place}: an exception needs a reason")];
        }
        let measured = covered.iter().any(|finding| matches!(finding.rule, Rule::FileLines | Rule::FnLines));
        let now = match measured {
            true => covered.iter().map(|finding| finding.measure).max().unwrap_or(0),
            false => covered.len(),
        };
        match now {
            0 => vec![format!("{place}: nothing needs this exception any more; remove it")],
            _ if now < self.limit => {
                vec![format!("{place}: down to {now}; lower the limit from {} to it", self.limit)]
            }
            _ if now > self.limit => {
                covered.iter().map(|finding| format!("{finding} (allowed: {})", self.limit)).collect()
            }
            _ => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(measure: usize) -> Finding {
        let message = format!("fn f has {measure} lines");
        Finding { rule: Rule::FnLines, file: "a.rs".into(), line: 3, item: "f".into(), measure, message }
    }

    fn exception(limit: usize, reason: &str) -> String {
        format!(
            "[[exception]]\nrule = 'fn-lines'\nfile = 'a.rs'\nitem = 'f'\nlimit = {limit}\nreason = '{reason}'\n"
        )
    }

    #[test]
    fn an_exception_allows_exactly_what_it_says() {
        assert_eq!(apply(&exception(80, "a long table"), vec![finding(80)]).unwrap(), Vec::<String>::new());
        let more = apply(&exception(80, "a long table"), vec![finding(81)]).unwrap();
        assert!(more[0].contains("allowed: 80"), "{more:?}");
        let less = apply(&exception(80, "a long table"), vec![finding(75)]).unwrap();
        assert!(less[0].contains("lower the limit from 80"), "{less:?}");
    }

    #[test]
    fn an_exception_needs_a_reason_and_a_use() {
        assert!(apply(&exception(80, ""), vec![finding(80)]).unwrap()[0].contains("needs a reason"));
        assert!(apply(&exception(80, "a long table"), Vec::new()).unwrap()[0].contains("remove it"));
    }

    #[test]
    fn findings_without_an_exception_stand() {
        assert_eq!(apply("", vec![finding(71)]).unwrap(), ["a.rs:3: fn f has 71 lines [fn-lines]"]);
        assert!(apply("[[exemption]]", Vec::new()).is_err());
    }
}
