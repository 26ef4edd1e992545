//! What cargo knows about the workspace: where things are, which programs there are, and how to build one.

use std::env;
use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::setup;

/// The workspace that this program was built from.
pub(crate) struct Workspace {
    /// The folder of the root manifest.
    pub(crate) root: PathBuf,
    /// The target folder in force.
    pub(crate) target: PathBuf,
    /// The names of its packages.
    pub(crate) packages: Vec<String>,
    programs: Vec<Program>,
}

/// A binary, an example or a test of the workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Program {
    pub(crate) package: String,
    name: String,
    kind: &'static str,
}

impl Program {
    /// A test of a package, by the name of its target.
    pub(crate) fn test(package: &str, name: &str) -> Program {
        Program { package: package.to_owned(), name: name.to_owned(), kind: "test" }
    }
}

impl Workspace {
    /// Asks cargo.
    pub(crate) fn load() -> Result<Workspace> {
        let output = cargo()
            .args(["metadata", "--no-deps", "--format-version=1"])
            .arg("--manifest-path")
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))
            .stderr(Stdio::inherit())
            .output()
            .context("cannot run cargo")?;
        if !output.status.success() {
            bail!("cargo metadata failed");
        }
        Workspace::parse(&output.stdout).context("cargo metadata is not as expected")
    }

    fn parse(metadata: &[u8]) -> Result<Workspace> {
        let metadata: Value = serde_json::from_slice(metadata)?;
        let text = |value: &Value| value.as_str().map(str::to_owned).context("no string");
        let list = |value: &Value| value.as_array().cloned().context("no list");
        let mut workspace = Workspace {
            root: text(&metadata["workspace_root"])?.into(),
            target: text(&metadata["target_directory"])?.into(),
            packages: Vec::new(),
            programs: Vec::new(),
        };
        for package in list(&metadata["packages"])? {
            let name = text(&package["name"])?;
            for target in list(&package["targets"])? {
                let kinds = list(&target["kind"])?;
                let kind = ["bin", "example"].into_iter().find(|kind| kinds.iter().any(|has| has == kind));
                if let Some(kind) = kind {
                    workspace.programs.push(Program { package: name.clone(), name: text(&target["name"])?, kind });
                }
            }
            workspace.packages.push(name);
        }
        Ok(workspace)
    }

    /// The binary or example of that name.
    pub(crate) fn program(&self, name: &str) -> Option<&Program> {
        self.programs.iter().find(|program| program.name == name)
    }

    /// Builds `program` in the dev profile, cargo's words going to stderr, and returns where it lies. What it is built
    /// with is installed where that is missing; programs of xtask's own need nothing.
    pub(crate) fn build(&self, program: &Program, quiet: bool) -> Result<PathBuf> {
        if program.package != env!("CARGO_PKG_NAME") {
            setup::for_building()?;
        }
        self.executable(program, "build", |cargo| cargo.args(quiet.then_some("--quiet")))
    }

    /// Has cargo's `command` make `program`, with what `more` adds behind, and returns where cargo says that it lies.
    pub(crate) fn executable(
        &self,
        program: &Program,
        command: &str,
        more: impl FnOnce(&mut Command) -> &mut Command,
    ) -> Result<PathBuf> {
        let mut cargo = self.cargo();
        cargo.args([command, "--message-format=json-render-diagnostics", "--package", &program.package]);
        cargo.arg(format!("--{}", program.kind)).arg(&program.name);
        Self::built(program, more(&mut cargo))
    }

    /// Has `cargo`, which is to print messages in JSON, make `program` among others, and returns where cargo says that it lies.
    pub(crate) fn built(program: &Program, cargo: &mut Command) -> Result<PathBuf> {
        let mut child = cargo.stdout(Stdio::piped()).spawn().context("cannot run cargo")?;
        let mut built = None;
        let messages = child.stdout.take().expect("cargo's output is a pipe");
        for line in BufReader::new(messages).lines() {
            let message: Value = serde_json::from_str(&line?).unwrap_or_default();
            // The tests within a binary have its name, too.
            if message["target"]["name"] == *program.name
                && message["target"]["kind"][0] == program.kind
                && message["profile"]["test"] == (program.kind == "test")
                && let Some(executable) = message["executable"].as_str()
            {
                built = Some(PathBuf::from(executable));
            }
        }
        if !child.wait()?.success() {
            bail!("{} does not build{}", program.name, setup::hint());
        }
        built.with_context(|| format!("cargo does not say where it built {}", program.name))
    }

    /// A cargo command in the root of the workspace, without standard input.
    pub(crate) fn cargo(&self) -> Command {
        let mut command = cargo();
        command.current_dir(&self.root).stdin(Stdio::null());
        // Set by the cargo that runs us; a build script that watches them would be run again for nothing.
        for (name, _) in env::vars_os() {
            if name.to_str().is_some_and(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")) {
                command.env_remove(name);
            }
        }
        command
    }
}

/// The cargo that runs us, or else the one in the path.
fn cargo() -> Command {
    Command::new(env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn binaries_and_examples_are_found_by_name() {
        let metadata = br#"{"workspace_root": "/w", "target_directory": "/t", "packages": [
            {"name": "a", "targets": [{"name": "a", "kind": ["lib"]}, {"name": "show", "kind": ["example"]}]},
            {"name": "b", "targets": [{"name": "run", "kind": ["bin"]}]}]}"#;
        let workspace = Workspace::parse(metadata).unwrap();
        let program = |package: &str, name: &str, kind| Program { package: package.into(), name: name.into(), kind };
        assert_eq!(workspace.packages, ["a", "b"]);
        assert_eq!(workspace.program("show"), Some(&program("a", "show", "example")));
        assert_eq!(workspace.program("run"), Some(&program("b", "run", "bin")));
        assert_eq!(workspace.program("a"), None, "a library cannot be run");
    }
}
