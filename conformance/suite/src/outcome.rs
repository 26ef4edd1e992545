//! How a case ends.

use serde::{Deserialize, Serialize};

/// The result of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Its claim is true.
    Passed,
    /// Its claim is false, or it could not test its claim.
    Failed,
    /// It cannot run here.
    Skipped,
}

/// The result of a case, with the reason.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Outcome {
    /// The result.
    pub result: Verdict,
    /// The reason, unless it passed.
    pub reason: String,
}

/// An error for a case that cannot run here, with the reason.
#[derive(Debug)]
pub struct Skip(pub String);

impl std::fmt::Display for Skip {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Skip {}

impl Outcome {
    /// Converts the result of a case.
    pub fn of(result: anyhow::Result<()>) -> Self {
        match result {
            Ok(()) => Self { result: Verdict::Passed, reason: String::new() },
            Err(error) => match error.downcast::<Skip>() {
                Ok(skip) => Self { result: Verdict::Skipped, reason: skip.0 },
                Err(error) => Self::failed(format!("{error:#}")),
            },
        }
    }

    /// Creates a failure with this reason.
    pub fn failed(reason: String) -> Self {
        Self { result: Verdict::Failed, reason }
    }
}
