//! What a step counted.

use std::fmt;
use std::ops::AddAssign;

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// How many checks, tests or cases ended how.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) passed: u64,
    pub(super) failed: u64,
    pub(super) skipped: u64,
    /// What is known of the failures, in lines: said again at the end of all, as what a step prints is far above then.
    pub(super) failures: Vec<String>,
}

impl Tally {
    pub(super) const PASSED: Tally = Tally::of(1, 0, 0);
    const FAILED: Tally = Tally::of(0, 1, 0);
    pub(super) const SKIPPED: Tally = Tally::of(0, 0, 1);

    const fn of(passed: u64, failed: u64, skipped: u64) -> Tally {
        Tally { passed, failed, skipped, failures: Vec::new() }
    }

    /// One that failed, and how.
    pub(super) fn failed_by(how: impl Into<String>) -> Tally {
        Tally { failures: vec![how.into()], ..Tally::FAILED }
    }

    /// One that is skipped, which is said, and why.
    pub(super) fn skipped_for(why: impl fmt::Display) -> Tally {
        println!("SKIPPED: {why}");
        Tally::SKIPPED
    }

    /// One that failed if there is a fault. All of them are said.
    pub(super) fn of_faults(faults: impl IntoIterator<Item = String>) -> Tally {
        let failures: Vec<_> = faults.into_iter().inspect(|fault| println!("{fault}")).collect();
        if failures.is_empty() { Tally::PASSED } else { Tally { failures, ..Tally::FAILED } }
    }

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
        let failed = all.checked_sub(passed)?;
        let failures = if failed > 0 { vec![line.to_owned()] } else { Vec::new() };
        Some(Tally { failures, ..Tally::of(passed, failed, 0) })
    }

    /// What a report of the conformance suite counts.
    pub(super) fn of_report(report: &str) -> Result<Tally> {
        let report: Value = serde_json::from_str(report).context("the report is no JSON")?;
        let mut tally = Tally::default();
        for case in report["cases"].as_array().context("the report has no list of cases")? {
            tally += match case["result"].as_str() {
                Some("passed") => Tally::PASSED,
                Some("failed") => Tally::failed_by(failure_of_case(case)),
                Some("skipped") => Tally::SKIPPED,
                _ => bail!("a case without a result: {case}"),
            };
        }
        Ok(tally)
    }

    /// Takes in what a `cargo test` prints, line by line; `is_in_failures` is of the lines before.
    pub(super) fn take_line(&mut self, line: &str, is_in_failures: &mut bool) {
        let counted = Tally::of_line(line);
        // From here, the words of each failed test, and their names, until the result.
        *is_in_failures = counted.is_none() && (*is_in_failures || line == "failures:");
        if *is_in_failures && !line.is_empty() {
            self.failures.push(line.to_owned());
        }
        *self += counted.unwrap_or_default();
    }

    /// The count of a program, `what`, that counted this and then ended well or not. One that ended badly, or well without
    /// running anything, has failed whatever it counted.
    pub(super) fn ended(mut self, well: bool, what: &str) -> Tally {
        if self.failed == 0 && (!well || self.passed == 0) {
            self += Tally::failed_by(if well { format!("{what}: nothing was run") } else { what.to_owned() });
        }
        self
    }
}

/// Which case of a report has failed, and why.
fn failure_of_case(case: &Value) -> String {
    let [name, adapter, reason] = ["name", "adapter", "reason"].map(|field| case[field].as_str().unwrap_or("?"));
    format!("{name} on {adapter}: {reason}")
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Tally) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
        self.failures.extend(other.failures);
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tally { passed, failed, skipped, .. } = self;
        write!(f, "{passed} passed, {failed} failed, {skipped} skipped")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn result_lines_of_cargo_test_are_counted() {
        let line = "test result: FAILED. 5 passed; 2 failed; 1 ignored; 0 measured; 3 filtered out; finished in 0.00s";
        assert_eq!(Tally::of_line(line), Some(Tally::of(5, 2, 1)));
        assert_eq!(Tally::of_line("test tests::a ... ok"), None);
    }

    #[test]
    fn broken_loops_and_the_control_are_counted() {
        for (line, passed, failed) in [("caught 52/54", 52, 2), ("the host without a fault passed 60/61 cases", 60, 1)]
        {
            let expected = Tally { failures: vec![line.to_owned()], ..Tally::of(passed, failed, 0) };
            assert_eq!(Tally::of_broken(line), Some(expected));
        }
        assert_eq!(Tally::of_broken("caught 54/54"), Some(Tally::of(54, 0, 0)));
        assert_eq!(Tally::of_broken("caught in the act"), None);
    }

    #[test]
    fn each_case_of_a_report_is_counted() {
        let report = r#"{"cases": [
            {"result": "passed"}, {"result": "skipped"}, {"result": "failed"}, {"result": "passed"}]}"#;
        let tally = Tally::of_report(report).unwrap();
        assert_eq!((tally.passed, tally.failed, tally.skipped), (2, 1, 1));
        assert!(Tally::of_report(r#"{"cases": [{"name": "a"}]}"#).is_err());
        assert!(Tally::of_report("").is_err());
    }

    #[test]
    fn what_is_said_of_failures_is_kept() {
        let report = r#"{"cases": [
            {"result": "passed"}, {"result": "failed", "name": "a", "adapter": "glib", "reason": "it hangs"}]}"#;
        assert_eq!(Tally::of_report(report).unwrap().failures, ["a on glib: it hangs"]);
        let printed = "test a ... ok\ntest b ... FAILED\n\nfailures:\n\n---- b stdout ----\nit hangs\n\nfailures:\n    b\n\n\
            test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out\n\ntest c ... ok\n\
            test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out";
        let (mut tally, mut is_in_failures) = (Tally::default(), false);
        printed.lines().for_each(|line| tally.take_line(line, &mut is_in_failures));
        assert_eq!(tally.failures, ["failures:", "---- b stdout ----", "it hangs", "failures:", "    b"]);
        assert_eq!((tally.passed, tally.failed), (2, 1));
    }

    #[test]
    fn nothing_run_is_a_failure() {
        for (tally, well) in [(Tally::SKIPPED, true), (Tally::PASSED, false)] {
            let ended = tally.ended(well, "cargo test");
            assert_eq!(ended.failed, 1);
            assert!(matches!(&ended.failures[..], [line] if line.starts_with("cargo test")), "{ended:?}");
        }
        assert_eq!(Tally::PASSED.ended(true, "cargo test"), Tally::PASSED);
        assert_eq!(Tally::FAILED.ended(false, "cargo test"), Tally::FAILED);
    }
}
