//! What a step counted.

use std::fmt;
use std::ops::AddAssign;

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// How many checks, tests or cases ended how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) passed: u64,
    pub(super) failed: u64,
    pub(super) skipped: u64,
}

impl Tally {
    pub(super) const PASSED: Tally = Tally { passed: 1, failed: 0, skipped: 0 };
    pub(super) const FAILED: Tally = Tally { passed: 0, failed: 1, skipped: 0 };
    pub(super) const SKIPPED: Tally = Tally { passed: 0, failed: 0, skipped: 1 };

    /// What a line of `cargo test` counts: `test result: ok. 5 passed; 0 failed; 1 ignored; …`.
    pub(super) fn of_line(line: &str) -> Option<Tally> {
        let (_, counts) = line.strip_prefix("test result: ")?.split_once(". ")?;
        let mut tally = Tally::default();
        for count in counts.split("; ") {
            let (number, what) = count.split_once(' ')?;
            let field = match what {
                "passed" => &mut tally.passed,
                "failed" => &mut tally.failed,
                "ignored" => &mut tally.skipped,
                _ => continue,
            };
            *field = number.parse().ok()?;
        }
        Some(tally)
    }

    /// What a line of `conformance --broken` counts: `caught 54/54`, and the cases that the host without a fault has passed.
    pub(super) fn of_broken(line: &str) -> Option<Tally> {
        let counts = line
            .strip_prefix("caught ")
            .or_else(|| line.strip_prefix("the host without a fault passed ")?.strip_suffix(" cases"))?;
        let (passed, all) = counts.split_once('/')?;
        let (passed, all): (u64, u64) = (passed.parse().ok()?, all.parse().ok()?);
        Some(Tally { passed, failed: all.checked_sub(passed)?, skipped: 0 })
    }

    /// What a report of the conformance suite counts.
    pub(super) fn of_report(report: &str) -> Result<Tally> {
        let report: Value = serde_json::from_str(report).context("the report is no JSON")?;
        let mut tally = Tally::default();
        for case in report["cases"].as_array().context("the report has no list of cases")? {
            tally += match case["result"].as_str() {
                Some("passed") => Tally::PASSED,
                Some("failed") => Tally::FAILED,
                Some("skipped") => Tally::SKIPPED,
                _ => bail!("a case without a result: {case}"),
            };
        }
        Ok(tally)
    }

    /// The count of a program that counted this and then ended well or not. One that ended badly, or well without
    /// running anything, has failed whatever it counted.
    pub(super) fn ended(mut self, well: bool) -> Tally {
        if self.failed == 0 && (!well || self.passed == 0) {
            self.failed = 1;
        }
        self
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Tally) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tally { passed, failed, skipped } = self;
        write!(f, "{passed} passed, {failed} failed, {skipped} skipped")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn result_lines_of_cargo_test_are_counted() {
        let line = "test result: FAILED. 5 passed; 2 failed; 1 ignored; 0 measured; 3 filtered out; finished in 0.00s";
        let expected = Tally { passed: 5, failed: 2, skipped: 1 };
        assert_eq!(Tally::of_line(line), Some(expected));
        assert_eq!(Tally::of_line("test tests::a ... ok"), None);
    }

    #[test]
    fn broken_loops_and_the_control_are_counted() {
        assert_eq!(Tally::of_broken("caught 52/54"), Some(Tally { passed: 52, failed: 2, skipped: 0 }));
        let control = "the host without a fault passed 60/61 cases";
        assert_eq!(Tally::of_broken(control), Some(Tally { passed: 60, failed: 1, skipped: 0 }));
        assert_eq!(Tally::of_broken("caught in the act"), None);
    }

    #[test]
    fn each_case_of_a_report_is_counted() {
        let report = r#"{"cases": [
            {"result": "passed"}, {"result": "skipped"}, {"result": "failed"}, {"result": "passed"}]}"#;
        let expected = Tally { passed: 2, failed: 1, skipped: 1 };
        assert_eq!(Tally::of_report(report).unwrap(), expected);
        assert!(Tally::of_report(r#"{"cases": [{"name": "a"}]}"#).is_err());
        assert!(Tally::of_report("").is_err());
    }

    #[test]
    fn nothing_run_is_a_failure() {
        assert_eq!(Tally::SKIPPED.ended(true).failed, 1);
        assert_eq!(Tally::PASSED.ended(false).failed, 1);
        assert_eq!(Tally::PASSED.ended(true), Tally::PASSED);
        assert_eq!(Tally::FAILED.ended(false), Tally::FAILED);
    }
}
