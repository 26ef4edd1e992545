//! What is to be published: each such crate has what its page on crates.io shows, its README is cut from its documentation,
//! in which clauses of the contract are links, and its package holds the licences.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;

use super::clauses;
use super::tally::Tally;
use crate::workspace::Workspace;

/// A package of the workspace that is not `publish = false`.
pub(super) struct Published {
    pub(super) name: String,
    /// What its library is called in code.
    pub(super) crate_name: String,
    pub(super) rust_version: String,
    pub(super) features: Vec<String>,
    /// The crates beside std whose types its interface may show: `package.metadata.external-types` in its manifest.
    pub(super) external_types: BTreeSet<String>,
    folder: PathBuf,
    /// The source file of its library.
    library: PathBuf,
    manifest: Value,
}

impl Published {
    /// All of them, as cargo sees them.
    pub(super) fn all(workspace: &Workspace) -> Result<Vec<Published>> {
        let output = workspace.cargo().args(["metadata", "--no-deps", "--format-version=1"]).output()?;
        let metadata: Value = serde_json::from_slice(&output.stdout).context("cargo metadata is not as expected")?;
        let packages = metadata["packages"].as_array().context("the workspace has no packages")?;
        packages.iter().filter(|package| package["publish"].is_null()).map(Published::of).collect()
    }

    fn of(package: &Value) -> Result<Published> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let targets = package["targets"].as_array().context("a package without targets")?;
        let library =
            targets.iter().find(|target| target["doc"] == true && target["kind"] != serde_json::json!(["bin"]));
        let library = library.context("a published package without a library")?;
        let external = package["metadata"]["external-types"].as_array();
        Ok(Published {
            name: text(&package["name"]),
            crate_name: text(&library["name"]).replace('-', "_"),
            rust_version: text(&package["rust_version"]),
            features: package["features"].as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect(),
            external_types: external.into_iter().flatten().map(text).collect(),
            folder: PathBuf::from(text(&package["manifest_path"]))
                .parent()
                .context("a manifest lies in a folder")?
                .into(),
            library: text(&library["src_path"]).into(),
            manifest: package.clone(),
        })
    }

    /// Its folder, as the members of the workspace are named.
    pub(super) fn folder_in(&self, root: &Path) -> String {
        self.folder.strip_prefix(root).unwrap_or(&self.folder).display().to_string()
    }

    /// What is missing, or not as it should be.
    fn faults(&self) -> Result<Vec<String>> {
        let mut faults = Vec::new();
        for field in ["description", "license", "repository", "documentation", "readme", "rust_version"] {
            if self.manifest[field].as_str().is_none_or(str::is_empty) {
                faults.push(format!("its manifest has no {field}"));
            }
        }
        for (field, most) in [("keywords", 5), ("categories", 5)] {
            if !(1..=most).contains(&self.manifest[field].as_array().map_or(0, Vec::len)) {
                faults.push(format!("its manifest has no {field}, or more than {most}"));
            }
        }
        for licence in ["LICENSE-MIT", "LICENSE-APACHE"] {
            if !self.folder.join(licence).is_file() {
                faults.push(format!("its package would lack {licence}"));
            }
        }
        let readme = self.folder.join("README.md");
        let cut = readme_of(&self.name, &fs::read_to_string(&self.library)?);
        if env::var_os("UPDATE_DOCS").is_some() {
            fs::write(&readme, cut)?;
        } else if fs::read_to_string(&readme).ok().as_deref() != Some(&cut) {
            faults.push(
                "its README.md is not what its documentation says: UPDATE_DOCS=1 ./x test --only published".into(),
            );
        }
        Ok(faults)
    }
}

/// The step: one check for each crate, and one for the contract in their documentation.
pub(super) fn check(workspace: &Workspace) -> Result<Tally> {
    let mut tally = Tally::of_faults(clauses::faults_of_module(&workspace.root)?);
    for published in Published::all(workspace)? {
        let mut faults = published.faults().with_context(|| published.name.clone())?;
        faults.extend(clauses::faults_of_crate(&workspace.root, &published.folder.join("src"))?);
        tally += Tally::of_faults(faults.into_iter().map(|fault| format!("{}: {fault}", published.name)));
    }
    Ok(tally)
}

/// The section of a crate's documentation that its README has beside what comes before the first heading.
const SHORTEST: &str = "# The shortest program";

/// The README of a crate, cut from the documentation in its `lib.rs`.
fn readme_of(name: &str, source: &str) -> String {
    let lines = source.lines().take_while(|line| line.starts_with("//!")).map(|line| {
        let line = &line[3..];
        line.strip_prefix(' ').unwrap_or(line)
    });
    let mut readme = format!("# {name}\n\n");
    let (mut wanted, mut in_code) = (true, false);
    for line in lines {
        if let Some(words) = line.strip_prefix("```") {
            in_code = !in_code;
            if wanted {
                let rust = in_code && !words.starts_with("text");
                readme += if rust {
                    "```rust"
                } else if in_code {
                    "```text"
                } else {
                    "```"
                };
                readme += "\n";
            }
            continue;
        }
        if in_code {
            // Lines that rustdoc hides.
            if wanted && line != "#" && !line.starts_with("# ") {
                readme += line;
                readme += "\n";
            }
            continue;
        }
        if line.starts_with("# ") {
            wanted = line == SHORTEST;
        }
        if wanted {
            if line.starts_with('#') {
                readme += "#";
            }
            readme += &without_links(line);
            readme += "\n";
        }
    }
    let readme = readme.trim_end();
    format!(
        "{readme}\n\n[The documentation](https://docs.rs/{name}) has more. This crate is part of \
         [osevent](https://github.com/osevent/osevent).\nIts repository has the contract (`docs/contract.md`) and the \
         design (`docs/design.md`).\n\n## Licence\n\nMIT or Apache 2.0, at your choice.\n"
    )
}

/// Links into the documentation become their text: only rustdoc can follow them.
fn without_links(line: &str) -> String {
    let mut plain = String::new();
    let mut rest = line;
    while let Some((before, after)) = rest.split_once('[') {
        plain += before;
        let Some((text, behind)) = after.split_once(']') else {
            plain += "[";
            rest = after;
            continue;
        };
        let target = behind.strip_prefix('(').and_then(|behind| behind.split_once(')'));
        match target {
            Some((url, _)) if url.starts_with("http") => plain += &format!("[{text}]({url})"),
            _ => plain += text,
        }
        rest = target.map_or(behind, |(_, behind)| behind);
    }
    plain + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readme_has_the_beginning_and_the_shortest_program_without_links_and_hidden_lines() {
        let source = "//! A crate: see [`Thing`], [this](Thing#more) and [Xen](https://xenproject.org).\n//!\n//! # Map\n//! Not this.\n//!\n\
                      //! # The shortest program\n//! ```\n//! # hidden();\n//! shown();\n//! ```\n//! # After\n//! nor this\n\nmod a;\n";
        let readme = readme_of("a-crate", source);
        let expected = "# a-crate\n\nA crate: see `Thing`, this and [Xen](https://xenproject.org).\n\n## The shortest program\n\
                        ```rust\nshown();\n```\n\n[The documentation](https://docs.rs/a-crate)";
        assert!(readme.starts_with(expected), "{readme}");
        assert!(!readme.contains("this.") && !readme.contains("nor"), "{readme}");
    }

    #[test]
    fn manifest_without_its_fields_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let library = folder.path().join("lib.rs");
        fs::write(&library, "//! Nothing.\n").unwrap();
        let package = serde_json::json!({"name": "a", "manifest_path": folder.path().join("Cargo.toml"),
            "targets": [{"kind": ["lib"], "doc": true, "src_path": library}], "keywords": ["1", "2", "3", "4", "5", "6"]});
        let faults = Published::of(&package).unwrap().faults().unwrap().join("\n");
        for missing in ["repository", "readme", "keywords", "categories", "LICENSE-MIT", "README.md"] {
            assert!(faults.contains(missing), "{missing}: {faults}");
        }
    }
}
