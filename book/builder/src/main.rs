//! Builds the book into a folder, checks its links and prints its figures: `osevent-book-builder FOLDER`.
//!
//! [`repository`] makes links to files of the repository lead where a reader of the book can follow. [`links`] looks at what was built: each
//! link inside the book has to lead to a page, and to an anchor that is there. It does not look whether other sites are there. The book has no
//! search.

mod links;
mod repository;

use std::env;
use std::fs;
use std::path::{self, Path};
use std::process::ExitCode;

use anyhow::{Context, Result};
use mdbook_driver::MDBook;
use mdbook_driver::config::Config;
use osevent_book::blocks;
use repository::Repository;

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("book: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<ExitCode> {
    let built = path::absolute(env::args_os().nth(1).context("usage: osevent-book-builder FOLDER")?)?;
    if built.exists() {
        fs::remove_dir_all(&built).context("the folder of an earlier book cannot be removed")?;
    }
    let folder = osevent_book::folder();
    let mut config = Config::from_disk(folder.join("book.toml"))?;
    config.build.build_dir = built.clone();
    let pages = folder.join(&config.book.src);
    let mut book = MDBook::load_with_config(&folder, config)?;
    let root = folder.parent().context("the book is in the repository")?.to_owned();
    let below = pages.strip_prefix(&root)?.to_owned();
    book.with_preprocessor(Repository::new(root, below, &book.book));
    book.build()?;

    let found = links::check(&built)?;
    for dead in &found.dead {
        eprintln!("book: dead link in {dead}");
    }
    println!("{}", figures(&pages)?);
    println!("{} links inside, {} to other sites, {} dead", found.inside, found.outside, found.dead.len());
    println!("{}", built.join("index.html").display());
    Ok(if found.dead.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What there is to read, and how much of it a compiler reads, too.
fn figures(pages: &Path) -> Result<String> {
    let pages = blocks::pages(pages)?;
    let all: Vec<_> = pages.iter().flat_map(|page| blocks::blocks(&page.text)).collect();
    let of = |language: &str| all.iter().filter(|block| block.language == language).count();
    let (rust, c) = (of("rust"), of("c"));
    Ok(format!(
        "{} pages; {} blocks of code, {} of them compiled: {rust} Rust, {c} C",
        pages.len(),
        all.len(),
        rust + c
    ))
}
