//! Links to files of the repository.
//!
//! A page may link any file of the repository by its relative path, as on GitHub, and so may a document of the repository that a page
//! includes. In the book such a link leads to the page that includes the file, or else to the file on GitHub. Clauses of the contract have
//! anchors, such as `contract.md#x4`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use anyhow::{Result, bail};
use mdbook_markdown::pulldown_cmark::{Event, Options, Parser, Tag};
use mdbook_preprocessor::book::{Book, BookItem, Chapter};
use mdbook_preprocessor::{Preprocessor, PreprocessorContext};

/// Where files of the repository are shown.
const GITHUB: &str = "https://github.com/osevent/osevent";

/// The preprocessor that changes such links. It runs when everything is included.
#[derive(Debug)]
pub(crate) struct Repository {
    root: PathBuf,
    /// Where the pages are, below the root.
    pages: PathBuf,
    /// The file of the repository that a page consists of, by the path of the page.
    included: BTreeMap<PathBuf, PathBuf>,
}

impl Repository {
    /// For a book whose files are not included yet. `pages` is its folder below the repository, which is at `root`.
    pub(crate) fn new(root: PathBuf, pages: PathBuf, book: &Book) -> Self {
        let mut included = BTreeMap::new();
        for chapter in book.chapters() {
            let file = chapter.content.lines().find_map(|line| line.strip_prefix("{{#include ")?.strip_suffix(".md}}"));
            if let (Some(file), Some(path)) = (file, &chapter.path) {
                included.insert(path.clone(), normal(&beside(&pages.join(path), &format!("{file}.md"))));
            }
        }
        Self { root, pages, included }
    }

    /// The text of a page with its links changed.
    fn change(&self, path: &Path, text: &str) -> Result<String> {
        // A document has links relative to its own folder, and the pages include nothing but whole documents.
        let origin = self.included.get(path).cloned().unwrap_or_else(|| self.pages.join(path));
        let mut changed = String::new();
        let mut done = 0;
        for (event, range) in Parser::new_ext(text, Options::ENABLE_TABLES).into_offset_iter() {
            let Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) = event else { continue };
            let Some(target) = self.target(path, &origin, &dest_url)? else { continue };
            let Some(at) = text[range.clone()].rfind(&*dest_url) else { continue };
            let at = range.start + at;
            changed += &text[done..at];
            changed += &target;
            done = at + dest_url.len();
        }
        changed += &text[done..];
        Ok(changed)
    }

    /// Where a link of the page leads, if that is not what it says.
    fn target(&self, page: &Path, origin: &Path, link: &str) -> Result<Option<String>> {
        if link.starts_with('#') || link.contains("://") || link.starts_with("mailto:") {
            return Ok(None);
        }
        let (file, anchor) = link.split_at(link.find('#').unwrap_or(link.len()));
        let file = normal(&beside(origin, file));
        if let Some((chapter, _)) = self.included.iter().find(|(_, included)| **included == file) {
            let up = "../".repeat(page.components().count() - 1);
            return Ok(Some(format!("{up}{}{anchor}", chapter.display())));
        }
        // Held against what was built.
        if file.starts_with(&self.pages) {
            return Ok(None);
        }
        let there = self.root.join(&file);
        if !there.exists() {
            bail!("{}: dead link {link}: the repository has no {}", page.display(), file.display());
        }
        let kind = if there.is_dir() { "tree" } else { "blob" };
        Ok(Some(format!("{GITHUB}/{kind}/main/{}{anchor}", file.display())))
    }
}

impl Preprocessor for Repository {
    fn name(&self) -> &str {
        "repository"
    }

    fn run(&self, _: &PreprocessorContext, mut book: Book) -> Result<Book> {
        let mut result = Ok(());
        book.for_each_mut(|item| {
            if let BookItem::Chapter(Chapter { path: Some(path), content, .. }) = item
                && result.is_ok()
            {
                if content.contains("{{#") {
                    result = Err(anyhow::anyhow!("{}: an include that leads nowhere", path.display()));
                    return;
                }
                result = self.change(path, content).map(|changed| *content = with_anchors(&changed));
            }
        });
        result.map(|()| book)
    }
}

/// With an anchor for the first row of each clause: a letter and a number in the first cell.
fn with_anchors(text: &str) -> String {
    let mut known = BTreeSet::new();
    let mut changed = String::new();
    for line in text.split_inclusive('\n') {
        let clause = line.strip_prefix("| ").and_then(|rest| rest.split(" |").next());
        let is_clause = |cell: &&str| {
            let number = cell.strip_prefix(|letter: char| letter.is_ascii_uppercase());
            number.is_some_and(|number| !number.is_empty() && number.bytes().all(|digit| digit.is_ascii_digit()))
        };
        match clause.filter(is_clause).filter(|clause| known.insert(*clause)) {
            Some(clause) => {
                changed += &format!("| <a id=\"{}\"></a>{}", clause.to_ascii_lowercase(), &line[2..]);
            }
            None => changed += line,
        }
    }
    changed
}

/// A path relative to a file.
fn beside(file: &Path, path: &str) -> PathBuf {
    file.parent().unwrap_or(Path::new("")).join(path)
}

/// Without `..` and `.`.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                normal.pop();
            }
            Component::CurDir => {}
            part => normal.push(part),
        }
    }
    normal
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repository() -> Repository {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let page = |path: &str, content: &str| Chapter::new(path, content.into(), path, Vec::new());
        let pages = [page("more/contract.md", "{{#include ../../../docs/contract.md}}"), page("faq.md", "text")];
        let book = Book::new_with_items(pages.into_iter().map(BookItem::Chapter).collect());
        Repository::new(root, "book/pages".into(), &book)
    }

    #[test]
    fn a_link_leads_to_the_page_that_includes_the_file_or_to_github() {
        let changed = |page: &str, text: &str| repository().change(Path::new(page), text).unwrap();
        assert_eq!(changed("faq.md", "[a](../../docs/contract.md#x)"), "[a](more/contract.md#x)");
        assert_eq!(changed("faq.md", "[a](../../docs) b"), format!("[a]({GITHUB}/tree/main/docs) b"));
        assert_eq!(changed("faq.md", "[a](faq.md#x) [b](#y) [c](https://d)"), "[a](faq.md#x) [b](#y) [c](https://d)");
        // As the document has it.
        assert_eq!(changed("more/contract.md", "[a](design.md)"), format!("[a]({GITHUB}/blob/main/docs/design.md)"));
    }

    #[test]
    fn the_first_row_of_a_clause_has_an_anchor() {
        let text = "| id | clause |\n|---|---|\n| X4 | free |\n| X4 | case |\n";
        let expected = "| id | clause |\n|---|---|\n| <a id=\"x4\"></a>X4 | free |\n| X4 | case |\n";
        assert_eq!(with_anchors(text), expected);
    }

    #[test]
    fn a_file_that_is_not_there_is_an_error_with_the_page() {
        let error = repository().change(Path::new("faq.md"), "[a](../../docs/none.md)").unwrap_err().to_string();
        assert_eq!(error, "faq.md: dead link ../../docs/none.md: the repository has no docs/none.md");
    }
}
