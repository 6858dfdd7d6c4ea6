//! What a row is to reach, and whether it does.

use crate::report::Series;
use crate::rows::{Column, Curve};

/// A bound on the median of one of our columns.
pub(crate) struct Target {
    /// The name of the column.
    pub(crate) column: &'static str,
    /// What it is compared with.
    pub(crate) with: With,
    /// At most or at least so many times that.
    pub(crate) bound: Bound,
    /// It counts only where our median of this column is below this number.
    pub(crate) given: Option<(&'static str, f64)>,
}

/// What a median is compared with.
#[derive(Clone, Copy)]
pub(crate) enum With {
    /// The best of the other clients.
    Best,
    /// One client, the floor among them.
    Peer(&'static str),
    /// The number itself.
    Number,
}

/// How far it may be from that.
#[derive(Clone, Copy)]
pub(crate) enum Bound {
    /// Less is better.
    AtMost(f64),
    /// More is better.
    AtLeast(f64),
}

/// At most so many times the best of the others.
pub(crate) const fn below_best(column: &'static str, times: f64) -> Target {
    Target { column, with: With::Best, bound: Bound::AtMost(times), given: None }
}

/// At least so many times the best of the others.
pub(crate) const fn above_best(column: &'static str, times: f64) -> Target {
    Target { column, with: With::Best, bound: Bound::AtLeast(times), given: None }
}

/// At most so many times the floor.
pub(crate) const fn below_floor(column: &'static str, times: f64) -> Target {
    Target { column, with: With::Peer("floor"), bound: Bound::AtMost(times), given: None }
}

/// At least so many times this client.
pub(crate) const fn above(peer: &'static str, column: &'static str, times: f64) -> Target {
    Target { column, with: With::Peer(peer), bound: Bound::AtLeast(times), given: None }
}

/// At most this number.
pub(crate) const fn at_most(column: &'static str, number: f64) -> Target {
    Target { column, with: With::Number, bound: Bound::AtMost(number), given: None }
}

impl Target {
    /// The same, if our median of a column is below a number.
    pub(crate) const fn given_below(self, column: &'static str, number: f64) -> Target {
        Target { given: Some((column, number)), ..self }
    }

    /// A line that says whether it is met, or why nobody can say.
    pub(crate) fn verdict(&self, columns: &[Column], series: &[Series]) -> String {
        self.judge(columns, series).unwrap_or_else(|| {
            format!("- not judged: {}, as one of those that are compared has no number", self.column)
        })
    }

    fn judge(&self, columns: &[Column], series: &[Series]) -> Option<String> {
        let column = columns.iter().position(|column| column.name == self.column)?;
        if let Some((given, limit)) = self.given {
            let column = columns.iter().position(|column| column.name == given)?;
            let ours = series.iter().find(|s| s.peer == "riverrun")?.median(column)?;
            if ours >= limit {
                return Some(format!(
                    "- not judged: {}, as {given} is {ours:.3}, not below {limit}",
                    self.column
                ));
            }
        }
        let median = |s: &Series| if s.error.is_none() { s.median(column) } else { None };
        let of = |name: &str| series.iter().find(|s| s.peer == name).and_then(median);
        let ours = of("riverrun")?;
        let others = series.iter().filter(|s| !["riverrun", "floor"].contains(&s.peer));
        let others = others.filter_map(|s| Some((s.peer, median(s)?)));
        let by_number = |a: &(&str, f64), b: &(&str, f64)| a.1.total_cmp(&b.1);
        let (name, base) = match (self.with, self.bound) {
            (With::Number, _) => (String::new(), 1.0),
            (With::Peer(name), _) => (format!(" times {name}'s"), of(name)?),
            (With::Best, bound) => {
                let (name, base) = match bound {
                    Bound::AtMost(_) => others.min_by(by_number)?,
                    Bound::AtLeast(_) => others.max_by(by_number)?,
                };
                (format!(" times {name}'s, the best of the others"), base)
            }
        };
        let (is_met, words, limit) = match self.bound {
            Bound::AtMost(limit) => (ours <= limit * base, "at most", limit),
            Bound::AtLeast(limit) => (ours >= limit * base, "at least", limit),
        };
        let met = if is_met { "met" } else { "**missed**" };
        Some(format!("- {met}: {} {words} {limit}{name}; it is {:.2}", self.column, ours / base))
    }
}

/// The last tenfold may cost so many times what the tenfold before it did, for each. Flat is 1 and linear 10; a logarithm grows by
/// half from 100 to 1,000, and by less after that.
const LAST_TENFOLD: f64 = 1.5;

/// A line that says whether our cost grows no faster than the logarithm of what grows.
pub(crate) fn growth(curve: &Curve, series: &[Series]) -> String {
    let not_judged = || format!("- not judged: growth with {}, as points are missing", curve.grows);
    let of = |name: &str| tenfold(curve, series.iter().find(|series| series.peer == name)?);
    let Some(ours) = of("riverrun") else { return not_judged() };
    let met = if ours <= LAST_TENFOLD { "met" } else { "**missed**" };
    let floor = of("floor").map_or(String::new(), |floor| format!(", the floor's {floor:.2}"));
    let grows = curve.grows;
    format!(
        "- {met}: the last tenfold of {grows} costs at most {LAST_TENFOLD} times what the one before it did, for each; it is {ours:.2}{floor}"
    )
}

/// What one costs at the end of the curve, by what it cost a tenfold before.
fn tenfold(curve: &Curve, series: &Series) -> Option<f64> {
    let last = curve.of.len().checked_sub(3)?;
    let cost = [series.median(last)?, series.median(last + 1)?, series.median(last + 2)?];
    if !curve.together {
        return Some(cost[2] / cost[1]);
    }
    let of = [curve.of[last] as f64, curve.of[last + 1] as f64, curve.of[last + 2] as f64];
    Some((cost[2] - cost[1]) / (of[2] - of[1]) / ((cost[1] - cost[0]) / (of[1] - of[0])))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(peer: &'static str, value: f64) -> Series {
        Series { rounds: vec![vec![value]], ..Series::new(peer) }
    }

    #[test]
    fn a_target_is_met_or_missed_by_the_medians() {
        let columns = [Column { name: "MB/s", digits: 0 }];
        let all = [series("riverrun", 90.0), series("a", 60.0), series("b", 80.0), series("floor", 100.0)];
        let said = |target: Target| target.verdict(&columns, &all);
        assert_eq!(
            said(above_best("MB/s", 1.2)),
            "- **missed**: MB/s at least 1.2 times b's, the best of the others; it is 1.12"
        );
        assert_eq!(
            said(below_best("MB/s", 1.5)),
            "- met: MB/s at most 1.5 times a's, the best of the others; it is 1.50"
        );
        assert_eq!(said(below_floor("MB/s", 0.9)), "- met: MB/s at most 0.9 times floor's; it is 0.90");
        assert_eq!(said(at_most("MB/s", 80.0)), "- **missed**: MB/s at most 80; it is 90.00");
        assert!(said(above("c", "MB/s", 1.0)).starts_with("- not judged: MB/s"));
        assert!(said(at_most("MB/s", 95.0).given_below("MB/s", 91.0)).starts_with("- met"));
        let not_given = said(at_most("MB/s", 95.0).given_below("MB/s", 90.0));
        assert_eq!(not_given, "- not judged: MB/s, as MB/s is 90.000, not below 90");
        let failed = Series { error: Some("no".into()), ..series("b", 80.0) };
        let others = [series("riverrun", 90.0), series("a", 60.0), failed];
        assert!(above_best("MB/s", 1.2).verdict(&columns, &others).contains("times a's"));
    }

    #[test]
    fn a_curve_is_flat_logarithmic_or_worse() {
        let said = |together: bool, points: &[f64]| {
            let curve = Curve { of: &[10, 100, 1_000], grows: "peers", cost: "s", together };
            let series = Series { rounds: vec![points.to_vec()], ..Series::new("riverrun") };
            growth(&curve, &[series])
        };
        let words = ["- met", "- **missed**", "- not judged"];
        for (word, together, points) in [
            (0, false, &[1.0, 1.0, 1.1][..]),
            (1, false, &[1.0, 1.0, 10.0]),
            (0, true, &[5.0, 6.0, 16.0]),
            (1, true, &[5.0, 6.0, 105.0]),
            (2, true, &[5.0, 6.0, f64::NAN]),
        ] {
            assert!(said(together, points).starts_with(words[word]), "{}", said(together, points));
        }
    }
}
