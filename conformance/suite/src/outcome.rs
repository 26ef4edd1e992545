//! How a case ends.

use serde::{Deserialize, Serialize};

/// How a case ended, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// What it claims was seen.
    Passed,
    /// Something else was.
    Failed,
    /// It cannot be run here, for the reason that is given.
    Skipped,
}

/// How a case ended.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Outcome {
    /// In a word.
    pub result: Verdict,
    /// Why, unless it passed.
    pub reason: String,
}

/// An error that says: this cannot be run here.
#[derive(Debug)]
pub struct Skip(pub String);

impl std::fmt::Display for Skip {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Skip {}

impl Outcome {
    /// What a case's result comes to.
    pub fn of(result: anyhow::Result<()>) -> Self {
        match result {
            Ok(()) => Self { result: Verdict::Passed, reason: String::new() },
            Err(error) => match error.downcast::<Skip>() {
                Ok(skip) => Self { result: Verdict::Skipped, reason: skip.0 },
                Err(error) => Self::failed(format!("{error:#}")),
            },
        }
    }

    /// It failed, for this reason.
    pub fn failed(reason: String) -> Self {
        Self { result: Verdict::Failed, reason }
    }
}
