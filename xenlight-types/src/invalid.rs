//! What is wrong with a value.

use serde_json::Value;
use std::fmt;

/// An invalid value for a type of libxl: its place, the value, and what was expected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub struct Invalid {
    /// The place: keys and indices from the outermost object on, such as `disks[1].vdev`. Empty for the whole value.
    pub path: String,
    /// The value as JSON, truncated if it is long. `None` if it is missing.
    pub found: Option<String>,
    /// A description of what was expected: the type, its range, or the names of an enumeration.
    pub expected: String,
}

/// The characters of a value that an error shows.
const SHOWN: usize = 60;

impl Invalid {
    /// Nothing is at `path`, where there should be what `expected` says.
    pub fn new(path: impl Into<String>, expected: impl Into<String>) -> Self {
        Self { path: path.into(), found: None, expected: expected.into() }
    }

    pub(crate) fn value(found: &Value, expected: impl Into<String>) -> Self {
        let mut text = found.to_string();
        if let Some((end, _)) = text.char_indices().nth(SHOWN) {
            text.truncate(end);
            text.push('…');
        }
        Self { path: String::new(), found: Some(text), expected: expected.into() }
    }

    pub(crate) fn missing(expected: impl Into<String>) -> Self {
        Self { path: String::new(), found: None, expected: expected.into() }
    }

    /// The same, seen from the object that has it under `key`.
    pub(crate) fn under(mut self, key: &str) -> Self {
        if !self.path.is_empty() && !self.path.starts_with('[') {
            self.path.insert(0, '.');
        }
        self.path.insert_str(0, key);
        self
    }

    /// The same, seen from the array that has it at `index`.
    pub(crate) fn at(self, index: usize) -> Self {
        self.under(&format!("[{index}]"))
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        match &self.found {
            Some(found) => write!(f, "{found} is not {}", self.expected),
            None => write!(f, "missing: {}", self.expected),
        }
    }
}
