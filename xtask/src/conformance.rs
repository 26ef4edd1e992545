//! `conformance`: builds the suite and runs it, here or, against a real Xen, in the lab.

use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use clap::ValueEnum;

use crate::debian::Release;
use crate::lab::Threads;
use crate::libxl::{self, Linked};
use crate::workspace::Workspace;
use crate::{lab, setup};

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

/// Runs the suite with `arguments`, which are its own business but for `--tier xen`, `--tier pair` and the files of [`REPORTS`].
///
/// Returns only from the lab, with what to exit with: elsewhere the suite takes this process's place.
pub(crate) fn run(workspace: &Workspace, mut arguments: Vec<OsString>) -> Result<u8> {
    let program = workspace.program(PROGRAM).with_context(|| format!("the workspace has no {PROGRAM}"))?;
    let is_run = |of: &str| {
        option(&arguments, "--tier").is_some_and(|tier| tier == of) && !arguments.iter().any(|word| word == "--list")
    };
    if is_run("xen") {
        return lab::run(workspace, &in_lab(arguments)?);
    }
    if is_run("pair") && option(&arguments, "--peer").is_none() {
        let [here, there] = in_two_labs(arguments)?;
        return lab::pair::run(workspace, [&here, &there]);
    }
    let releases = match take(&mut arguments, "--libxl") {
        None => Vec::new(),
        Some(wanted) => match releases(&wanted)? {
            Some(releases) => releases,
            None => {
                arguments.push("--libxl".into());
                arguments.push(wanted);
                Vec::new()
            }
        },
    };
    setup::for_building()?;
    let standin = build_standin(workspace)?;
    if let [_, ..] = &releases[..] {
        return on_releases(workspace, &releases, &standin, arguments);
    }
    let error = Command::new(workspace.build(program, false)?).args(arguments).exec();
    Err(error).context("cannot start the suite")
}

/// The releases whose libxl `wanted` names; `None` if it is the path of one.
fn releases(wanted: &OsStr) -> Result<Option<Vec<Release>>> {
    if wanted == "all" {
        return Ok(Some(Release::ALL.to_vec()));
    }
    if let Some(release) = Release::ALL.into_iter().find(|release| wanted == release.xen()) {
        return Ok(Some(vec![release]));
    }
    if !Path::new(wanted).is_file() {
        let known = Release::ALL.map(Release::xen).join(", ");
        bail!("there is no libxl {}: --libxl takes {known}, all, or the path of a libxenlight.so", wanted.display());
    }
    Ok(None)
}

/// Runs the suite on the libxl of each release, and shows the results of several side by side.
fn on_releases(
    workspace: &Workspace,
    releases: &[Release],
    standin: &Path,
    mut arguments: Vec<OsString>,
) -> Result<u8> {
    let program = workspace.program(PROGRAM).with_context(|| format!("the workspace has no {PROGRAM}"))?;
    let linked = releases.iter().map(|&release| libxl::link(workspace, release, program, &[standin.to_owned()]));
    let linked: Vec<Linked> = linked.collect::<Result<_>>()?;
    let suite = |linked: &Linked| {
        let mut suite = Command::new(&linked.program);
        suite.args(["--tier", "libxl", "--libxl"]).arg(&linked.libxl);
        suite
    };
    if let [linked] = &linked[..] {
        let error = suite(linked).args(without_tier(arguments)?).exec();
        return Err(error).context("cannot start the suite");
    }
    let reports: Vec<(&str, OsString)> =
        REPORTS.iter().filter_map(|(name, _)| Some((*name, take(&mut arguments, name)?))).collect();
    let arguments = without_tier(arguments)?;
    let mut merged = Vec::new();
    let mut worst = 0;
    for (linked, release) in linked.iter().zip(releases) {
        let report = workspace.target.join(format!("libxl/{}.json", release.xen()));
        // What it says of its own is said again, with the others'.
        let status = suite(linked).args(&arguments).arg("--json").arg(&report).stdout(Stdio::null()).status()?;
        match status.code() {
            Some(code @ (0 | 1)) => worst = worst.max(code as u8),
            _ => return Ok(2),
        }
        merged.push(report);
    }
    let mut merge = Command::new(&linked[0].program);
    merge.arg("--merge").args(merged);
    for (name, path) in reports {
        merge.arg(name).arg(path);
    }
    merge.args(arguments.iter().filter(|word| *word == "--times"));
    let status = merge.status().context("cannot start the suite")?;
    Ok(if status.success() { worst } else { status.code().map_or(2, |code| code as u8) })
}

/// The arguments without `--tier`, which `--libxl` implies.
fn without_tier(mut arguments: Vec<OsString>) -> Result<Vec<OsString>> {
    match take(&mut arguments, "--tier") {
        Some(tier) if tier != "libxl" => bail!("--libxl is for --tier libxl, not for {}", tier.display()),
        _ => Ok(arguments),
    }
}

/// Returns where it lies.
fn build_standin(workspace: &Workspace) -> Result<PathBuf> {
    let status = workspace.cargo().args(["build", "--quiet", "--package", STANDIN]).status()?;
    let file = workspace.target.join("debug/libxencall.so");
    if !status.success() || !file.exists() {
        bail!("{STANDIN} does not build{}", setup::hint());
    }
    Ok(file)
}

/// The same run in the lab, on the Xen of the release that is asked for, its reports brought back to where they are wanted.
fn in_lab(mut arguments: Vec<OsString>) -> Result<lab::Options> {
    let release = release(&mut arguments, "--release")?;
    let hvm = DEVICE_MODEL.iter().any(|&cases| may_run(&arguments, cases));
    let threads = if SYSTEM.iter().any(|&cases| may_run(&arguments, cases)) { Threads::Multi } else { Threads::Single };
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
    Ok(lab::Options {
        release,
        fetch,
        memory: lab::LARGEST,
        timeout: 3600,
        hvm,
        threads,
        ..lab::Options::new(arguments)
    })
}

/// The run in two labs: the cases in the first one, and what serves them in the second one, of the release that `--peer-release` names.
fn in_two_labs(mut arguments: Vec<OsString>) -> Result<[lab::Options; 2]> {
    const PORT: u16 = 8002;
    /// MiB that each machine has: none of the domains is large.
    const MEMORY: u64 = 1536;
    let [_, there] = lab::pair::ADDRESSES;
    let release = release(&mut arguments, "--peer-release")?;
    arguments.push(format!("--peer={there}:{PORT}").into());
    let here = lab::Options { memory: MEMORY, hvm: false, threads: Threads::Single, ..in_lab(arguments)? };
    let serve = [PROGRAM, &format!("--serve={there}:{PORT}"), "--linux=/lab/linux"].map(OsString::from);
    let there = lab::Options { release, memory: MEMORY, timeout: 3600, ..lab::Options::new(serve.to_vec()) };
    Ok([here, there])
}

/// The release that the option names, which is taken away.
fn release(arguments: &mut Vec<OsString>, option: &str) -> Result<Release> {
    let Some(name) = take(arguments, option) else { return Ok(Release::DEFAULT) };
    let name = name.to_string_lossy();
    let known = Release::ALL.map(Release::codename).join(", ");
    let release = Release::from_str(&name, false).ok();
    release.with_context(|| format!("there is no release {name} to boot: {known} are there"))
}

/// How the names of some cases begin, and the type of their domains.
type Cases = (&'static str, &'static str);

/// Those with a device model.
const DEVICE_MODEL: [Cases; 2] = [("xen-hvm-", "hvm"), ("xen-qemu-", "pv")];

/// Those of an HVM domain whose system has to run.
const SYSTEM: [Cases; 2] = [("xen-hvm-saved", "hvm"), ("xen-hvm-migrated", "hvm")];

/// Whether such cases may be among those that the arguments choose.
fn may_run(arguments: &[OsString], (name, kind): Cases) -> bool {
    let is_of_type = option(arguments, "--type").is_none_or(|wanted| wanted == kind || wanted == "all");
    let (cases, without) = (values(arguments, "--case"), values(arguments, "--without"));
    let is_chosen = cases.is_empty() || cases.iter().any(|case| case.starts_with(name) || name.starts_with(&**case));
    is_of_type && is_chosen && !without.iter().any(|case| name.starts_with(&**case))
}

/// The values of an option that can be repeated.
fn values<'a>(arguments: &'a [OsString], name: &str) -> Vec<Cow<'a, str>> {
    let mut values = Vec::new();
    let mut rest = arguments;
    while let Some(at) = position(rest, name) {
        values.extend(option(&rest[at..], name).map(OsStr::to_string_lossy));
        rest = &rest[at + 1..];
    }
    values
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
            ["--tier xen --json out.json --case a --html=b.html", "--tier xen --json=out.json --case a --html b.html"]
        {
            let options = in_lab(words(given)).unwrap();
            let expected = "osevent-conformance --tier xen --json=/tmp/report.json --case a --html=/tmp/report.html \
                            --linux=/lab/linux";
            assert_eq!(options.command, words(expected));
            let fetched = [("/tmp/report.json", "out.json"), ("/tmp/report.html", "b.html")];
            assert_eq!(options.fetch, fetched.map(|(from, to)| (from.to_owned(), to.into())));
        }
    }

    #[test]
    fn release_is_the_labs_and_not_the_suites() {
        let options = in_lab(words("--tier xen --release trixie --case a")).unwrap();
        assert_eq!(options.release, Release::Trixie);
        assert_eq!(options.command, words("osevent-conformance --tier xen --case a --linux=/lab/linux"));
        assert_eq!(in_lab(words("--tier xen")).unwrap().release, Release::DEFAULT);
        let error = in_lab(words("--tier=xen --release=potato")).unwrap_err().to_string();
        assert!(error.contains("potato") && error.contains("bullseye, bookworm, trixie"), "{error}");
    }

    #[test]
    fn two_labs_have_a_release_each_and_the_cases_find_the_other_one() {
        let [here, there] = in_two_labs(words("--tier pair --peer-release trixie --case a")).unwrap();
        assert_eq!((here.release, there.release), (Release::DEFAULT, Release::Trixie));
        let expected = "osevent-conformance --tier pair --case a --peer=10.0.0.2:8002 --linux=/lab/linux";
        assert_eq!(here.command, words(expected));
        assert_eq!(there.command, words("osevent-conformance --serve=10.0.0.2:8002 --linux=/lab/linux"));
        let [here, there] = in_two_labs(words("--tier pair --release trixie")).unwrap();
        assert_eq!((here.release, there.release), (Release::Trixie, Release::DEFAULT));
        for lab in in_two_labs(words("--tier pair")).unwrap() {
            assert_eq!((lab.hvm, lab.threads), (false, Threads::Single));
        }
    }

    #[test]
    fn device_model_is_there_for_the_cases_that_want_it() {
        for (given, wanted) in [
            ("--tier xen", true),
            ("--case xen-life --case=xen-hvm-eject", true),
            ("--case xen", true),
            ("--case xen-life --case xen-saved", false),
            ("--type pvh", false),
            ("--type pv --case xen-qemu-backends", true),
            ("--type pv --case xen-hvm-eject", false),
            ("--type=hvm --case xen-hvm", true),
            ("--type all --case close-idle", false),
            ("--without xen-hvm", true),
            ("--without xen-hvm --without=xen-qemu-", false),
        ] {
            assert_eq!(in_lab(words(given)).unwrap().hvm, wanted, "{given}");
        }
    }

    #[test]
    fn processors_have_a_thread_each_where_the_system_of_an_hvm_domain_runs() {
        for (given, wanted) in [
            ("--tier xen", Threads::Multi),
            ("--case xen-hvm-", Threads::Multi),
            ("--case xen-hvm-eject --case xen-life", Threads::Single),
            ("--type pv", Threads::Single),
            ("--without xen-hvm", Threads::Single),
        ] {
            assert_eq!(in_lab(words(given)).unwrap().threads, wanted, "{given}");
        }
    }

    #[test]
    fn libxl_is_a_release_all_or_a_file() {
        let of = |wanted: &str| releases(OsStr::new(wanted));
        assert_eq!(of("4.14").unwrap(), Some(vec![Release::Bullseye]));
        assert_eq!(of("all").unwrap(), Some(Release::ALL.to_vec()));
        assert_eq!(of("/proc/self/exe").unwrap(), None);
        let error = of("4.99").unwrap_err().to_string();
        assert!(error.contains("4.99") && error.contains("4.14, 4.17, 4.20, all"), "{error}");
        assert!(without_tier(words("--tier=xen --case a")).is_err());
        assert_eq!(without_tier(words("--case a --tier libxl")).unwrap(), words("--case a"));
    }

    #[test]
    fn tier_is_found_in_both_spellings() {
        assert_eq!(option(&words("--tier xen"), "--tier").unwrap(), "xen");
        assert_eq!(option(&words("a --tier=xen"), "--tier").unwrap(), "xen");
        assert_eq!(option(&words("--tiers xen"), "--tier"), None);
    }
}
