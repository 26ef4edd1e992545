//! A clause that a host broke: what puppet, model and monitor report alike.

use crate::boundary::Rule;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A clause that was broken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Violation {
    /// Its id in docs/contract.md.
    pub clause: String,
    /// The step of the record in which the monitor detected it, if it did: an index into
    /// [`Record::steps`](crate::record::Record::steps).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<usize>,
    /// A description of what was observed.
    pub text: String,
}

impl Violation {
    /// Creates a violation.
    pub fn new(clause: impl Into<String>, text: impl Into<String>) -> Self {
        Self { clause: clause.into(), step: None, text: text.into() }
    }

    /// Sets the step.
    pub fn at(self, step: usize) -> Self {
        Self { step: Some(step), ..self }
    }

    pub(crate) fn under(mut self, rule: Rule) -> Self {
        if rule == Rule::Serialized {
            self.text.push_str(" (under the rule of 4.2.0)");
        }
        self
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.step {
            Some(step) => write!(f, "{}: step {step}: {}", self.clause, self.text),
            None => write!(f, "{}: {}", self.clause, self.text),
        }
    }
}

impl std::error::Error for Violation {}

/// Creates the error of a failed check from the broken clause and a description of what was observed.
pub fn breaks(clause: &'static str, text: impl Into<String>) -> anyhow::Error {
    Violation::new(clause, text).into()
}
