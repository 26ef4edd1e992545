//! `osevent.h` and `osevent-glib.h`, cut into comments and what they document.

use crate::compiler::PACKAGE;
use libtest_mimic::Failed;
use std::fs;
use std::path::Path;

/// A comment that begins a line, and the lines of code behind it.
pub(crate) struct Entry {
    /// The paragraphs of the comment, without the asterisks.
    pub(crate) paragraphs: Vec<Paragraph>,
    pub(crate) code: Vec<String>,
}

/// Lines between two empty ones.
pub(crate) enum Paragraph {
    Text(String),
    /// It is indented, and its lines remain apart.
    Code(Vec<String>),
}

/// The headers.
pub(crate) const HEADERS: [&str; 2] = ["osevent.h", "osevent-glib.h"];

/// All of a header, in their order. The first is that of the file.
pub(crate) fn entries(header: &str) -> Result<Vec<Entry>, Failed> {
    let header = fs::read_to_string(Path::new(PACKAGE).join("include").join(header))?;
    let mut entries = Vec::new();
    let mut lines = header.lines();
    while let Some(line) = lines.next() {
        let Some(first) = line.strip_prefix("/*") else { continue };
        let mut comment = vec![first];
        while !comment.last().is_some_and(|line| line.ends_with("*/")) {
            comment.push(lines.next().ok_or("a comment without an end")?);
        }
        let comment = comment.iter().map(|line| line.trim_end_matches("*/").trim_end());
        let comment: Vec<_> = comment.map(|line| line.strip_prefix(" *").unwrap_or(line)).collect();
        let code = lines.by_ref().take_while(|line| !line.is_empty()).map(str::to_owned).collect();
        let paragraphs = comment.split(|line| line.is_empty()).filter(|lines| !lines.is_empty()).map(paragraph);
        entries.push(Entry { paragraphs: paragraphs.collect(), code });
    }
    Ok(entries)
}

fn paragraph(lines: &[&str]) -> Paragraph {
    if lines.iter().all(|line| line.starts_with("     ")) {
        Paragraph::Code(lines.iter().map(|line| line[5..].to_owned()).collect())
    } else {
        Paragraph::Text(lines.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" "))
    }
}

impl Entry {
    /// The name of the function that is declared or defined here.
    pub(crate) fn function(&self) -> Option<&str> {
        let (before, _) = self.prototype()?.split_once('(')?;
        before.rsplit([' ', '*']).next()
    }

    /// Its declaration, without the semicolon.
    pub(crate) fn prototype(&self) -> Option<&str> {
        let first = self.code.first()?;
        let declared = first.strip_suffix(';').unwrap_or(first).trim_start_matches("static inline ");
        declared.ends_with(')').then_some(declared)
    }

    /// Whether the header defines it, so that the library does not have it.
    pub(crate) fn is_inline(&self) -> bool {
        self.code.first().is_some_and(|line| line.starts_with("static inline "))
    }
}
