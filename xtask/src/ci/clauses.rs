//! The clauses of `docs/contract.md` in the crates' documentation: there an id is a link, to a page with its text.
//!
//! The pages come from `docs/contract.rs`, which is made of the contract. Each crate has it as a module that exists in its
//! documentation only: nothing can depend on it, and a link leads to the documentation that it is in.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

const MADE: &str = "docs/contract.rs";

/// What is not as it should be with the module itself.
pub(super) fn faults_of_module(root: &Path) -> Result<Vec<String>> {
    let (path, made) = (root.join(MADE), module(&contract(root)?));
    if env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, made)?;
    } else if fs::read_to_string(&path).ok().as_ref() != Some(&made) {
        return Ok(vec![format!("{MADE} is not what the contract says: UPDATE_DOCS=1 ./x test --only published")]);
    }
    Ok(Vec::new())
}

/// The ids in a crate's documentation that are no links.
pub(super) fn faults_of_crate(root: &Path, sources: &Path) -> Result<Vec<String>> {
    let ids = rows(&contract(root)?).map(|row| row.id.to_owned()).collect();
    let mut faults = Vec::new();
    look(sources, &ids, &mut faults)?;
    Ok(faults)
}

fn look(folder: &Path, ids: &BTreeSet<String>, faults: &mut Vec<String>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.is_dir() {
            look(&path, ids, faults)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") && !path.is_symlink() {
            for (number, id) in unlinked(&fs::read_to_string(&path)?, ids) {
                faults.push(format!("{}:{number}: the clause {id} is no link: [{id}]", path.display()));
            }
        }
    }
    Ok(())
}

/// The ids that stand in documentation without brackets, and their lines.
fn unlinked<'a>(source: &'a str, ids: &BTreeSet<String>) -> Vec<(usize, &'a str)> {
    let mut found = Vec::new();
    let mut in_code = false;
    for (number, line) in (1..).zip(source.lines()) {
        let line = line.trim_start();
        let Some(text) = line.strip_prefix("///").or_else(|| line.strip_prefix("//!")) else {
            in_code = false;
            continue;
        };
        if text.trim_start().starts_with("```") {
            in_code = !in_code;
        } else if !in_code {
            // Every second part is code.
            let prose = text.split('`').step_by(2);
            let words =
                prose.flat_map(|part| part.split(|letter: char| !letter.is_alphanumeric() && !"[]_".contains(letter)));
            found.extend(words.filter(|word| ids.contains(*word)).map(|word| (number, word)));
        }
    }
    found
}

fn contract(root: &Path) -> Result<String> {
    Ok(fs::read_to_string(root.join("docs/contract.md"))?)
}

struct Row<'a> {
    id: &'a str,
    text: &'a str,
    source: &'a str,
}

/// The clauses, each a row of a table: id, clause, source.
fn rows(contract: &str) -> impl Iterator<Item = Row<'_>> {
    let is_id = |id: &str| {
        let mut letters = id.chars();
        letters.next().is_some_and(|letter| letter.is_ascii_uppercase())
            && id.len() > 1
            && letters.all(|letter| letter.is_ascii_digit())
    };
    let clauses = contract.split("\n## C. ").next().unwrap_or_default();
    clauses.lines().filter_map(move |line| {
        let cells = line.strip_prefix("| ")?.strip_suffix(" |")?;
        let (id, rest) = cells.split_once(" | ")?;
        let (text, source) = rest.rsplit_once(" | ")?;
        is_id(id).then_some(Row { id, text, source })
    })
}

/// `docs/contract.rs`
fn module(contract: &str) -> String {
    let ids = rows(contract).map(|row| row.id.to_owned()).collect();
    let reading = contract.split("## How to read it\n").nth(1).and_then(|after| after.split("\n## ").next());
    let mut made = String::from(
        "// Made of contract.md by `UPDATE_DOCS=1 ./x test --only published`.\n\n\
         //! The clauses of the contract: what Xen's libxl expects from a program that hosts its events, and what this program may\n\
         //! rely on. This module only exists in the documentation, so that it can link to the clauses.\n//!\n",
    );
    for line in reading.unwrap_or_default().trim().lines() {
        made += format!("//! {}", with_links(line, &ids)).trim_end();
        made += "\n";
    }
    for row in rows(contract) {
        let (text, source) = (with_links(row.text, &ids), with_links(row.source, &ids));
        let (text, source) = (text.replace(r"\|", "|"), source.replace(r"\|", "|"));
        made += &format!("\n/// {text}\n///\n/// Source: {source}\npub const {}: () = ();\n", row.id);
    }
    made
}

fn with_links(text: &str, ids: &BTreeSet<String>) -> String {
    let mut linked = String::new();
    for (number, part) in text.split('`').enumerate() {
        if number > 0 {
            linked += "`";
        }
        if number % 2 == 1 {
            linked += part;
            continue;
        }
        let mut rest = part;
        while !rest.is_empty() {
            let end = rest.find(|letter: char| !letter.is_alphanumeric()).unwrap_or(rest.len());
            let (word, after) = rest.split_at(end);
            linked += &if ids.contains(word) { format!("[{word}]") } else { word.to_owned() };
            let next = after.chars().next().map_or(0, char::len_utf8);
            linked += &after[..next];
            rest = &after[next..];
        }
    }
    linked
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONTRACT: &str = "# The contract\n\n## How to read it\n\n- *Loop*: see R2.\n\n## R. Registration\n\n| id | clause | source |\n\
                            |---|---|---|\n| R1 | It comes `R2` before R2, as A\\|B. | H; R2 |\n| R2 | More. | C |\n\n## C. Cases\n\n| R3 | x | y |\n";

    #[test]
    fn each_clause_is_an_item_with_its_text_and_links_to_others() {
        let made = module(CONTRACT);
        assert!(made.contains("\n//! - *Loop*: see [R2].\n"), "{made}");
        let first = "\n/// It comes `R2` before [R2], as A|B.\n///\n/// Source: H; [R2]\npub const R1: () = ();\n";
        assert!(made.contains(first), "{made}");
        assert!(made.contains("pub const R2") && !made.contains("R3"), "{made}");
    }

    #[test]
    fn an_id_without_brackets_in_documentation_is_told() {
        let ids = BTreeSet::from(["R1".to_owned(), "O12".to_owned()]);
        let source =
            "//! ```\n//! R1\n//! ```\n    /// This (R1, [O12]), `R1`,\n    /// and O12.\n// Not R1.\n/// R12 and xR1_";
        assert_eq!(unlinked(source, &ids), [(4, "R1"), (5, "O12")]);
    }
}
