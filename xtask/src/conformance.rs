//! `conformance`: builds the suite and runs it, here or, against a real Xen, in the lab.

use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::ValueEnum;

use crate::debian::Release;
use crate::lab;
use crate::workspace::Workspace;

/// The suite's program and, beside it, the stand-in that it loads libxl over.
const PROGRAM: &str = "osevent-conformance";
const STANDIN: &str = "osevent-standin-xencall";

/// The suite's options that name a file, and where in dom0 it writes that.
const REPORTS: [(&str, &str); 4] = [
    ("--json", "/tmp/report.json"),
    ("--tap", "/tmp/report.tap"),
    ("--junit", "/tmp/report.xml"),
    ("--html", "/tmp/report.html"),
];

/// Runs the suite with `arguments`, which are its own business but for `--guest xen` and the files of [`REPORTS`].
///
/// Returns only from the lab, with what to exit with: elsewhere the suite takes this process's place.
pub(crate) fn run(workspace: &Workspace, arguments: Vec<OsString>) -> Result<u8> {
    let program = workspace.program(PROGRAM).with_context(|| format!("the workspace has no {PROGRAM}"))?;
    if option(&arguments, "--guest").is_some_and(|guest| guest == "xen")
        && !arguments.iter().any(|word| word == "--list")
    {
        return lab::run(workspace, &in_lab(arguments)?);
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

/// The same run in the lab, on the Xen of the release that is asked for, its reports brought back to where they are wanted.
fn in_lab(mut arguments: Vec<OsString>) -> Result<lab::Options> {
    let release = match take(&mut arguments, "--release") {
        Some(name) => {
            let name = name.to_string_lossy();
            let known = Release::ALL.map(Release::codename).join(", ");
            Release::from_str(&name, false)
                .ok()
                .with_context(|| format!("there is no release {name} to boot: {known} are there"))?
        }
        None => Release::DEFAULT,
    };
    let mut fetch = Vec::new();
    for (name, report) in REPORTS {
        let Some(path) = option(&arguments, name).map(PathBuf::from) else { continue };
        fetch.push((report.to_owned(), path));
        let at = position(&arguments, name).expect("just found");
        if arguments[at] == name {
            arguments.remove(at);
        }
        arguments[at] = format!("{name}={report}").into();
    }
    arguments.insert(0, PROGRAM.into());
    if option(&arguments, "--linux").is_none() {
        arguments.push("--linux=/lab/linux".into());
    }
    // The suite bounds each case itself.
    Ok(lab::Options { release, fetch, memory: 3072, timeout: 3600, ..lab::Options::new(arguments) })
}

/// Removes `--name VALUE` or `--name=VALUE`, and returns the value.
fn take(arguments: &mut Vec<OsString>, name: &str) -> Option<OsString> {
    let value = option(arguments, name)?.to_owned();
    let at = position(arguments, name)?;
    let words = if arguments[at] == name { 2 } else { 1 };
    arguments.drain(at..at + words);
    Some(value)
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
    fn reports_are_written_in_dom0_and_fetched() {
        for given in
            ["--guest xen --json out.json --case a --html=b.html", "--guest xen --json=out.json --case a --html b.html"]
        {
            let options = in_lab(words(given)).unwrap();
            let expected = "osevent-conformance --guest xen --json=/tmp/report.json --case a --html=/tmp/report.html \
                            --linux=/lab/linux";
            assert_eq!(options.command, words(expected));
            let fetched = [("/tmp/report.json", "out.json"), ("/tmp/report.html", "b.html")];
            assert_eq!(options.fetch, fetched.map(|(from, to)| (from.to_owned(), to.into())));
        }
    }

    #[test]
    fn release_is_the_labs_and_not_the_suites() {
        let options = in_lab(words("--guest xen --release trixie --case a")).unwrap();
        assert_eq!(options.release, Release::Trixie);
        assert_eq!(options.command, words("osevent-conformance --guest xen --case a --linux=/lab/linux"));
        assert_eq!(in_lab(words("--guest xen")).unwrap().release, Release::DEFAULT);
        let error = in_lab(words("--guest=xen --release=potato")).unwrap_err().to_string();
        assert!(error.contains("potato") && error.contains("bullseye, bookworm, trixie"), "{error}");
    }

    #[test]
    fn guest_is_found_in_both_spellings() {
        assert_eq!(option(&words("--guest xen"), "--guest").unwrap(), "xen");
        assert_eq!(option(&words("a --guest=xen"), "--guest").unwrap(), "xen");
        assert_eq!(option(&words("--guests xen"), "--guest"), None);
    }
}
