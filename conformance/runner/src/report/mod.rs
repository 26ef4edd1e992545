//! What a run shows: a table on the terminal, and files for people and programs. docs/reports.md describes the files.

mod files;
mod json;
mod junit;
mod page;
pub(crate) mod progress;
mod tap;
pub(crate) mod terminal;

pub(crate) use files::{Files, Open};
pub use json::json;
pub use junit::junit;
pub use osevent_conformance::outcome::Verdict;
pub use page::page;
pub use tap::tap;

use osevent_conformance::Violation;
use osevent_conformance::record::Record;
use serde::{Deserialize, Serialize};

/// A whole run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    /// What ran, where and when.
    pub run: Run,
    /// Each case on each adapter, in the order of the cases.
    pub cases: Vec<Row>,
}

/// What ran, where and when.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Run {
    /// The program and its version.
    pub program: String,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// When it began: RFC 3339, UTC.
    pub started: String,
    /// The machine's name.
    pub host: String,
    /// The kernel's release.
    pub kernel: String,
    /// What was below the loop, for people.
    pub tier: String,
}

impl Run {
    /// This process's run, which begins now. `tier` says for people what is below the loop.
    pub fn begin(tier: String) -> Self {
        let kernel = |name: &str| {
            let text = std::fs::read_to_string(format!("/proc/sys/kernel/{name}")).unwrap_or_default();
            text.trim().to_owned()
        };
        Self {
            program: concat!("osevent-conformance ", env!("CARGO_PKG_VERSION")).into(),
            arguments: std::env::args().skip(1).collect(),
            started: humantime::format_rfc3339_seconds(std::time::SystemTime::now()).to_string(),
            host: kernel("hostname"),
            kernel: kernel("osrelease"),
            tier,
        }
    }
}

/// One case on one adapter.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Row {
    /// The case's name.
    pub name: String,
    /// What it shows.
    pub claim: String,
    /// The clauses that it checks.
    pub clauses: Vec<String>,
    /// The loop, with its mode if it has several.
    pub adapter: String,
    /// What was below the loop: `model`, or `libxl` or `xen` and the release of libxl, as in `libxl 4.17`.
    pub tier: String,
    /// Failed if one repetition did.
    pub result: Verdict,
    /// Why, unless it passed: of the first repetition that failed. The first line says it; the end of the case's log may
    /// follow.
    pub reason: String,
    /// The clauses that were seen broken, by the monitor or by the case: [`broken`].
    pub broken: Vec<String>,
    /// What one repetition took, on average.
    pub seconds: f64,
    /// How often it ran.
    pub runs: u32,
    /// How many of those failed.
    pub failures: u32,
    /// The arguments with which the program runs this case on this adapter again.
    pub arguments: Vec<String>,
    /// What happened at the boundary: in the first repetition that failed, else in the last. Not every case has one.
    pub record: Option<Record>,
}

impl Row {
    /// The clauses that were seen broken.
    pub fn violations(&self) -> &[Violation] {
        self.record.as_ref().map(|record| &*record.violations).unwrap_or_default()
    }

    /// The reason's first line.
    fn headline(&self) -> &str {
        self.reason.lines().next().unwrap_or_default()
    }

    /// The reason, and where each clause was seen broken.
    fn explanation(&self) -> String {
        let mut text = match self.runs {
            1 => self.reason.clone(),
            runs => format!("{} of {runs} failed, first: {}", self.failures, self.reason),
        };
        for violation in self.violations() {
            // The reason may say it already.
            if !text.contains(&violation.to_string()) {
                text = format!("{text}\n{violation}");
            }
        }
        text
    }
}

/// The clauses that are broken by a record, or that a line of the reason begins with: `R8: what was seen`. Each once.
pub fn broken(reason: &str, record: Option<&Record>) -> Vec<String> {
    let seen = record.into_iter().flat_map(|record| &record.violations).map(|violation| &*violation.clause);
    let said = reason.lines().filter_map(|line| Some(line.split_once(": ")?.0)).filter(|word| is_clause(word));
    let mut clauses: Vec<String> = Vec::new();
    for clause in seen.chain(said) {
        if !clauses.iter().any(|known| known == clause) {
            clauses.push(clause.into());
        }
    }
    clauses
}

/// Whether it is an id as the contract has them: a letter and a number.
fn is_clause(word: &str) -> bool {
    let digits = word.strip_prefix(|letter: char| letter.is_ascii_uppercase()).unwrap_or_default();
    !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broken_clauses_are_those_of_the_record_and_those_that_the_reason_names() {
        let violation = |clause: &str| Violation::new(clause, "seen").at(0);
        let record =
            Record { violations: vec![violation("O5"), violation("R8"), violation("O5")], ..Record::default() };
        let reason = "R8: step 0: seen\nX11: said by the case\nINFO libxl: a line of the log\nR: no id\n4: none either";
        assert_eq!(broken(reason, Some(&record)), ["O5", "R8", "X11"]);
        assert_eq!(broken("it timed out", None), <[String; 0]>::default());
    }
}
