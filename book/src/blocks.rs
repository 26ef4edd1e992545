//! The blocks of code in the pages.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use pulldown_cmark::{CodeBlockKind, CowStr, Event, Parser, Tag, TagEnd};

/// A page as it is in the repository: what it includes is not in it yet.
#[derive(Debug)]
pub struct Page {
    /// Below the folder of the pages.
    pub path: PathBuf,
    /// Markdown.
    pub text: String,
}

/// A fenced block of code.
#[derive(Debug)]
pub struct Block {
    /// The first word behind the fence, `rust` for instance. Empty if there is none.
    pub language: String,
    /// The other words, which commas separate.
    pub attributes: Vec<String>,
    /// The line of the page with the fence, from 1 on.
    pub line: usize,
    /// What is between the fences.
    pub text: String,
}

/// All pages below the folder, sorted, without the table of contents.
///
/// # Errors
/// The folder cannot be read.
pub fn pages(folder: &Path) -> io::Result<Vec<Page>> {
    let mut pages = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(open) = folders.pop() {
        for entry in fs::read_dir(open)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") && !path.ends_with("SUMMARY.md") {
                let text = fs::read_to_string(&path)?;
                let path = path.strip_prefix(folder).expect("it was found there").to_owned();
                pages.push(Page { path, text });
            }
        }
    }
    pages.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(pages)
}

/// The fenced blocks of a page.
pub fn blocks(markdown: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut is_open = false;
    for (event, range) in Parser::new(markdown).into_offset_iter() {
        match event {
            Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(info))) => {
                let (language, attributes) = words(&info);
                let line = markdown[..range.start].matches('\n').count() + 1;
                blocks.push(Block { language, attributes, line, text: String::new() });
                is_open = true;
            }
            Event::Text(text) if is_open => blocks.last_mut().expect("it is open").text.push_str(&text),
            Event::End(TagEnd::CodeBlock) => is_open = false,
            _ => {}
        }
    }
    blocks
}

fn words(info: &CowStr<'_>) -> (String, Vec<String>) {
    let mut words = info.split([',', ' ']).filter(|word| !word.is_empty()).map(str::to_owned);
    (words.next().unwrap_or_default(), words.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_has_its_language_its_attributes_its_line_and_its_text() {
        let found =
            blocks("# A\n\ntext\n\n```rust,no_run\nfn a() {}\n# hidden\n```\n\n- item\n\n  ```sh\n  ./x\n  ```\n");
        let seen: Vec<_> = found.iter().map(|block| (&*block.language, block.line, &*block.text)).collect();
        assert_eq!(seen, [("rust", 5, "fn a() {}\n# hidden\n"), ("sh", 12, "./x\n")]);
        assert_eq!(found[0].attributes, ["no_run"]);
    }
}
