//! What is wrong with a file of xl's, or worth knowing about it.

use std::fmt;

/// A file that cannot be read: where, what is there, and what was expected there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub struct XlError {
    /// The line, from 1.
    pub line: u32,
    /// The column, from 1, in characters. That of the part that is wrong, if the value is a text that has it once and without
    /// escapes; otherwise that of the value.
    pub column: u32,
    /// The key whose value it is; `None` where the file is no list of keys and values.
    pub key: Option<String>,
    /// What is there, cut short if it is long. `None` if nothing is there.
    pub found: Option<String>,
    /// What was expected, in words.
    pub expected: String,
}

/// Something that is no error: a key that is not known, deprecated, or without effect.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct XlWarning {
    /// The line, from 1.
    pub line: u32,
    /// The column, from 1, in characters.
    pub column: u32,
    /// The key.
    pub key: String,
    /// What is to be known about it.
    pub what: String,
}

/// A configuration that xl's syntax has no words for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a file of xl's cannot say {}", paths.join(", "))]
#[non_exhaustive]
pub struct XlUnsayable {
    /// Where these values are, such as `b_info.blkdev_start`. Where a whole key cannot have its value, the key of the file.
    pub paths: Vec<String>,
    /// The file without them. It may mean something else, or be none that can be read.
    pub text: String,
}

/// A place in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) line: u32,
    pub(crate) column: u32,
}

/// A value that cannot be; its place is known to whoever asked for it.
#[derive(Debug)]
pub(crate) struct Wrong {
    found: Option<String>,
    expected: String,
    /// What to look for in the text that it is a part of: the value, and `name=` before it if it has a name.
    part: Option<(String, String)>,
}

/// The characters of a value that an error shows.
const SHOWN: usize = 60;

impl Wrong {
    /// A text that is there.
    pub(crate) fn text(found: &str, expected: impl Into<String>) -> Self {
        Self { part: Some((String::new(), found.to_owned())), ..Self::thing(&format!("{found:?}"), expected) }
    }

    /// Something that is there, in words.
    pub(crate) fn thing(found: &str, expected: impl Into<String>) -> Self {
        let mut found = found.to_owned();
        if let Some((end, _)) = found.char_indices().nth(SHOWN) {
            found.truncate(end);
            found.push('…');
        }
        Self { found: Some(found), expected: expected.into(), part: None }
    }

    /// Something that is not there.
    pub(crate) fn missing(expected: impl Into<String>) -> Self {
        Self { found: None, expected: expected.into(), part: None }
    }

    /// The same, of a part `name=value` of a text.
    pub(crate) fn of(mut self, name: &str) -> Self {
        self.expected = format!("{} for {name}", self.expected);
        if let Some((before, _)) = &mut self.part {
            *before = format!("{name}=");
        }
        self
    }

    /// How many characters of `text` come before it; 0 if it is the whole, or cannot be told from other parts.
    pub(crate) fn within(&self, text: &str) -> usize {
        let Some((before, value)) = self.part.as_ref().filter(|(_, value)| value != text) else { return 0 };
        // With its name, or without in the older forms that have none.
        let found = [before, ""].into_iter().find_map(|before| {
            let part = format!("{before}{value}");
            let mut places = text.match_indices(part.as_str()).filter(|_| !part.is_empty());
            places.next().filter(|_| places.next().is_none()).map(|(place, _)| place + before.len())
        });
        found.map_or(0, |place| text[..place].chars().count())
    }

    /// The same, with its place.
    pub(crate) fn at(self, position: Position, key: Option<&str>) -> XlError {
        XlError {
            line: position.line,
            column: position.column,
            key: key.map(str::to_owned),
            found: self.found,
            expected: self.expected,
        }
    }
}

impl fmt::Display for XlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: ", self.line, self.column)?;
        if let Some(key) = &self.key {
            write!(f, "{key}: ")?;
        }
        match &self.found {
            Some(found) => write!(f, "{found} is not {}", self.expected),
            None => write!(f, "missing: {}", self.expected),
        }
    }
}

impl fmt::Display for XlWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: {}: {}", self.line, self.column, self.key, self.what)
    }
}
