//! `conformance`: builds the suite and runs it, here or, against a real Xen, in the lab.

use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::lab;
use crate::workspace::Workspace;

/// The suite's program and, beside it, the stand-in that it loads libxl over.
const PROGRAM: &str = "osevent-conformance";
const STANDIN: &str = "osevent-standin-xencall";

/// Where the suite writes its report in dom0.
const REPORT: &str = "/tmp/report.json";

/// Runs the suite with `arguments`, which are its own business but for `--guest xen` and `--json`.
///
/// Returns only from the lab, with what to exit with: elsewhere the suite takes this process's place.
pub(crate) fn run(workspace: &Workspace, arguments: Vec<OsString>) -> Result<u8> {
    let program = workspace.program(PROGRAM).with_context(|| format!("the workspace has no {PROGRAM}"))?;
    if option(&arguments, "--guest").is_some_and(|guest| guest == "xen")
        && !arguments.iter().any(|word| word == "--list")
    {
        return lab::run(workspace, &in_lab(arguments));
    }
    let program = workspace.build(program, false)?;
    build_standin(workspace)?;
    let error = Command::new(program).args(arguments).exec();
    Err(error).context("cannot start the suite")
}

fn build_standin(workspace: &Workspace) -> Result<()> {
    let status = workspace.cargo().args(["build", "--quiet", "--package", STANDIN]).status()?;
    if !status.success() {
        bail!("{STANDIN} does not build");
    }
    Ok(())
}

/// The same run in the lab, its report brought back to where it is wanted.
fn in_lab(mut arguments: Vec<OsString>) -> lab::Options {
    let mut fetch = Vec::new();
    if let Some(path) = option(&arguments, "--json").map(PathBuf::from) {
        fetch.push((REPORT.to_owned(), path));
        let at = position(&arguments, "--json").expect("just found");
        if arguments[at] == "--json" {
            arguments.remove(at);
        }
        arguments[at] = format!("--json={REPORT}").into();
    }
    arguments.insert(0, PROGRAM.into());
    // The suite bounds each case itself.
    lab::Options { fetch, memory: 3072, timeout: 3600, ..lab::Options::new(arguments) }
}

/// The value of `--name VALUE` or `--name=VALUE`.
fn option<'a>(arguments: &'a [OsString], name: &str) -> Option<&'a OsStr> {
    let at = position(arguments, name)?;
    if arguments[at] == name {
        return arguments.get(at + 1).map(OsString::as_os_str);
    }
    let (_, value) = arguments[at].to_str()?.split_once('=')?;
    Some(OsStr::new(value))
}

fn position(arguments: &[OsString], name: &str) -> Option<usize> {
    arguments.iter().position(|word| {
        word == name || word.to_str().and_then(|word| word.strip_prefix(name)).is_some_and(|rest| rest.starts_with('='))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<OsString> {
        text.split(' ').map(OsString::from).collect()
    }

    #[test]
    fn report_is_written_in_dom0_and_fetched() {
        for given in ["--guest xen --json out.json --case a", "--guest xen --json=out.json --case a"] {
            let options = in_lab(words(given));
            let expected = "osevent-conformance --guest xen --json=/tmp/report.json --case a";
            assert_eq!(options.command, words(expected));
            assert_eq!(options.fetch, [(REPORT.to_owned(), "out.json".into())]);
        }
    }

    #[test]
    fn guest_is_found_in_both_spellings() {
        assert_eq!(option(&words("--guest xen"), "--guest").unwrap(), "xen");
        assert_eq!(option(&words("a --guest=xen"), "--guest").unwrap(), "xen");
        assert_eq!(option(&words("--guests xen"), "--guest"), None);
    }
}
