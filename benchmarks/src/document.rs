//! The document that shows what was measured: parts of it are written by this program.

use anyhow::Context;
use std::fs;
use std::path::Path;

/// Puts `text` between the marks of `part`: `<!-- PART: written by ... -->` and `<!-- PART: end -->`.
///
/// # Errors
/// The file cannot be read or written, or lacks one of the marks.
pub(crate) fn replace(path: &Path, part: &str, text: &str) -> anyhow::Result<()> {
    let document = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let replaced = replaced(&document, part, text)
        .with_context(|| format!("{} has no place for it: no line with <!-- {part}: ... -->", path.display()))?;
    fs::write(path, replaced).with_context(|| format!("cannot write {}", path.display()))
}

fn replaced(document: &str, part: &str, text: &str) -> Option<String> {
    let (before, rest) = document.split_once(&format!("<!-- {part}: written by "))?;
    let (by, rest) = rest.split_once("-->\n")?;
    let end = format!("<!-- {part}: end -->");
    let (_, after) = rest.split_once(&end)?;
    Some(format!("{before}<!-- {part}: written by {by}-->\n\n{}\n\n{end}{after}", text.trim_end()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_between_the_marks_of_a_part_is_replaced() {
        let document =
            "a\n<!-- x: written by me -->\nold\n<!-- x: end -->\nb\n<!-- y: written by me -->\n<!-- y: end -->\n";
        let expected = document.replace("\nold\n", "\n\nnew\n\n");
        let once = replaced(document, "x", "new\n").unwrap();
        assert_eq!(once, expected);
        assert_eq!(replaced(&once, "x", "new").unwrap(), expected);
        assert_eq!(replaced(document, "z", "new"), None);
    }
}
