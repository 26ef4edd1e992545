//! The blocks of code in the pages: each is compiled, or held against the commands that it calls.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use osevent_book::blocks::{Block, Page, blocks, pages};

fn root() -> PathBuf {
    osevent_book::folder().join("..")
}

fn all() -> Vec<Page> {
    pages(&osevent_book::folder().join("pages")).unwrap()
}

/// Panics with all faults of all blocks.
fn each_block(mut fault: impl FnMut(&Page, &Block) -> Option<String>) {
    let mut faults = Vec::new();
    for page in all() {
        for block in blocks(&page.text) {
            if let Some(fault) = fault(&page, &block) {
                faults.push(format!("{}:{}: {fault}", page.path.display(), block.line));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn each_block_has_a_language_that_is_checked_and_none_is_ignored() {
    each_block(|_, block| match &*block.language {
        "rust" => {
            let unknown = block.attributes.iter().find(|attribute| *attribute != "no_run");
            unknown.map(|attribute| format!("{attribute} would keep it from being compiled"))
        }
        "c" | "sh" | "toml" | "text" => None,
        other => Some(format!("nothing checks {other:?}")),
    });
}

#[test]
fn the_documents_that_are_included_ignore_no_block_either() {
    for page in all() {
        let Some(file) = included(&page.text, ".md") else { continue };
        let text =
            fs::read_to_string(osevent_book::folder().join("pages").join(page.path.parent().unwrap()).join(file));
        for block in blocks(&text.unwrap()) {
            assert!(!block.attributes.iter().any(|word| word == "ignore"), "{}:{}", page.path.display(), block.line);
        }
    }
}

#[test]
fn each_page_with_rust_is_a_doctest() {
    let has = |page: &&Page| {
        blocks(&page.text).iter().any(|block| block.language == "rust" && !block.text.starts_with("{{#"))
    };
    let with: Vec<_> = all().iter().filter(has).map(|page| page.path.display().to_string()).collect();
    assert_eq!(with, osevent_book::COMPILED);
}

#[test]
fn each_page_is_in_the_table_of_contents_and_says_something() {
    let contents = fs::read_to_string(osevent_book::folder().join("pages/SUMMARY.md")).unwrap();
    for page in all() {
        assert!(contents.contains(&format!("({})", page.path.display())), "{} is not in it", page.path.display());
        let is_whole = included(&page.text, ".md").is_some() || page.text.lines().count() > 10;
        assert!(is_whole, "{} is no more than a heading", page.path.display());
    }
}

/// The path of the first file that a page includes whose name ends so.
fn included<'a>(text: &'a str, end: &str) -> Option<&'a str> {
    let paths = text.lines().filter_map(|line| line.strip_prefix("{{#include ")?.strip_suffix("}}"));
    paths.into_iter().find(|path| path.ends_with(end))
}

#[test]
fn each_dependency_has_the_version_that_the_pages_are_compiled_with() {
    let workspace = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let used: BTreeMap<_, _> = workspace.lines().filter_map(dependency).collect();
    each_block(|_, block| {
        let lines = block.text.lines().filter(|_| block.language == "toml");
        lines.filter_map(dependency).find_map(|(name, version)| match used.get(name) {
            Some(used) if *used == version || used.starts_with(&format!("{version}.")) => None,
            Some(used) => Some(format!("{name} is {used} here, not {version}")),
            None => Some(format!("{name} is not used here")),
        })
    });
}

/// Name and version of a dependency in a manifest.
fn dependency(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.split_once(" = ")?;
    let (_, value) = value.split_once("version = ").unwrap_or(("", value));
    Some((name, value.strip_prefix('"')?.split('"').next()?))
}

/// Programs of the system that blocks may call.
///
/// The commands of xenlight-fleet are held against its command line by a test of its crate.
const KNOWN: [&str; 8] = ["cc", "cd", "export", "git", "make", "sudo", "ldconfig", "xenlight-fleet"];

#[test]
fn each_command_of_a_shell_block_is_there_with_its_options() {
    let mut project = Project::default();
    each_block(|_, block| {
        if block.language != "sh" {
            return None;
        }
        let text = block.text.replace("\\\n", " ");
        text.lines().find_map(|line| project.fault_of_line(line))
    });
}

/// What the project's own commands have.
#[derive(Default)]
struct Project {
    /// The answers to `./x COMMAND --help`.
    help: BTreeMap<String, Option<String>>,
    targets: BTreeSet<String>,
}

impl Project {
    fn fault_of_line(&mut self, line: &str) -> Option<String> {
        let line = line.split(" # ").next().unwrap_or_default();
        line.split("&&").filter(|command| !command.trim().is_empty()).find_map(|command| {
            let words: Vec<_> = command.split_whitespace().collect();
            // A variable of the environment before it.
            let words = &words[words
                .iter()
                .take_while(|word| word.split('/').next().is_some_and(|word| word.contains('=')))
                .count()..];
            match words {
                ["#", ..] | [] => None,
                ["./x", name, arguments @ ..] => self.fault_of_x(name, arguments),
                ["cargo", _, arguments @ ..] => self.fault_of_cargo(arguments),
                [name, ..] if KNOWN.contains(name) => None,
                // What an earlier line has made.
                [path, ..] if path.starts_with("./") || path.starts_with("target/") => None,
                [name, ..] => Some(format!("{name} is not known here")),
            }
        })
    }

    fn fault_of_x(&mut self, name: &str, arguments: &[&str]) -> Option<String> {
        let help = self.help.entry(name.to_owned()).or_insert_with(|| {
            let output =
                Command::new(env!("CARGO")).args(["xtask", name, "--help"]).current_dir(root()).output().unwrap();
            output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
        });
        let Some(help) = help.clone() else { return Some(format!("there is no ./x {name}")) };
        let own = arguments.iter().take_while(|word| **word != "--");
        let unknown = own.filter(|word| word.starts_with("--")).find(|word| !help.contains(**word));
        let program = arguments.iter().skip_while(|word| **word != "--").nth(1).filter(|word| !word.contains('/'));
        unknown.map(|option| format!("./x {name} has no {option}")).or_else(|| self.fault_of_target(program?))
    }

    fn fault_of_cargo(&mut self, arguments: &[&str]) -> Option<String> {
        let named =
            arguments.windows(2).filter(|pair| ["-p", "--package", "--example", "--bin", "--test"].contains(&pair[0]));
        named.map(|pair| pair[1]).find_map(|name| self.fault_of_target(name))
    }

    /// A package, program, example or test of the workspace.
    fn fault_of_target(&mut self, name: &str) -> Option<String> {
        if self.targets.is_empty() {
            let output = Command::new(env!("CARGO"))
                .args(["metadata", "--no-deps", "--format-version=1"])
                .current_dir(root())
                .output()
                .unwrap();
            let metadata = String::from_utf8(output.stdout).unwrap();
            self.targets = metadata
                .split("\"name\":\"")
                .skip(1)
                .filter_map(|rest| rest.split('"').next())
                .map(str::to_owned)
                .collect();
        }
        (!self.targets.contains(name)).then(|| format!("the workspace has no {name}"))
    }
}

#[test]
fn commands_and_options_that_are_not_there_are_found() {
    let fault = |line| Project::default().fault_of_line(line);
    assert_eq!(fault("./x nothing").unwrap(), "there is no ./x nothing");
    assert_eq!(fault("./x lab --hvmm -- watch-glib").unwrap(), "./x lab has no --hvmm");
    assert_eq!(fault("cargo run -p osevent-nothing").unwrap(), "the workspace has no osevent-nothing");
    assert_eq!(fault("frobnicate").unwrap(), "frobnicate is not known here");
    assert_eq!(fault("./x lab --hvm -- watch-glib sh -c 'true'"), None);
    assert!(Path::new(&root()).join("x").exists());
}
