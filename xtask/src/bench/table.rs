//! The table of what was measured.

use anyhow::{Result, ensure};

use crate::narration::Ink;

/// One number, beside its limit.
#[derive(Debug)]
pub(super) struct Row {
    what: String,
    measured: f64,
    limit: Option<f64>,
    unit: &'static str,
}

impl Row {
    /// A number that should not be above its limit.
    pub(super) fn limited(what: &str, measured: f64, limit: f64, unit: &'static str) -> Self {
        Self {
            what: what.to_owned(),
            measured,
            limit: Some(limit),
            unit,
        }
    }

    /// A number that is good to know.
    pub(super) fn noted(what: &str, measured: f64, unit: &'static str) -> Self {
        Self {
            what: what.to_owned(),
            measured,
            limit: None,
            unit,
        }
    }

    /// A number that may have a limit.
    pub(super) fn new(what: &str, measured: f64, limit: Option<f64>, unit: &'static str) -> Self {
        Self {
            limit,
            ..Self::noted(what, measured, unit)
        }
    }

    fn verdict(&self) -> Verdict {
        match self.limit {
            None => Verdict::None,
            Some(limit) if self.measured <= limit => Verdict::Ok,
            Some(_) => Verdict::Over,
        }
    }

    fn line(&self, ink: Ink) -> String {
        let measured = format!("{} {}", number(self.measured), self.unit);
        let limit = self
            .limit
            .map_or_else(String::new, |limit| format!("≤ {}", number(limit)));
        let verdict = match self.verdict() {
            Verdict::None => String::new(),
            Verdict::Ok => ink.good("ok"),
            Verdict::Over => ink.warning("over"),
        };
        format!("  {:<62} {measured:>14} {limit:>10}  {verdict}", self.what)
    }
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Verdict {
    None,
    Ok,
    Over,
}

/// Prints all rows, and how many are over their limit.
pub(super) fn print(rows: &[Row], ink: Ink) {
    println!(
        "\n{}",
        ink.bold(&format!(
            "  {:<62} {:>14} {:>10}",
            "what", "measured", "limit"
        ))
    );
    for row in rows {
        println!("{}", row.line(ink).trim_end());
    }
    let over = rows
        .iter()
        .filter(|row| row.verdict() == Verdict::Over)
        .count();
    let limited = rows.iter().filter(|row| row.limit.is_some()).count();
    println!("\n  {} of {limited} limits are held", limited - over);
}

/// Fails with what is over its limit.
pub(super) fn judge(rows: &[Row]) -> Result<()> {
    let over = rows.iter().filter(|row| row.verdict() == Verdict::Over);
    let over: Vec<_> = over.map(|row| row.what.trim().to_owned()).collect();
    ensure!(over.is_empty(), "over the limit: {}", over.join("; "));
    Ok(())
}

/// As few digits as tell it: 3, 0.012, 3.05, 18.4.
pub(super) fn number(value: f64) -> String {
    let digits = match value.abs() {
        small if small < 1.0 => 3,
        small if small < 10.0 => 2,
        _ => 1,
    };
    let text = format!("{value:.digits$}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        let shown = [3.0, 0.012, 3.05, 18.44, 100.0, 0.0].map(number);
        assert_eq!(shown, ["3", "0.012", "3.05", "18.4", "100", "0"]);
    }

    #[test]
    fn a_number_over_its_limit_fails_the_bench() {
        let rows = [
            Row::limited("one", 3.0, 3.0, ""),
            Row::noted("two", 3.0, ""),
        ];
        assert!(judge(&rows).is_ok());
        let rows = [Row::limited("  three", 3.1, 3.0, "")];
        let said = judge(&rows).unwrap_err().to_string();
        assert_eq!(said, "over the limit: three");
    }

    #[test]
    fn a_number_at_its_limit_is_ok() {
        assert!(Row::limited("", 3.0, 3.0, "").verdict() == Verdict::Ok);
        assert!(Row::limited("", 3.1, 3.0, "").verdict() == Verdict::Over);
    }
}
