//! The steps of `test`, in their order: what is quick to fail comes first, what needs the lab last.

use std::env;
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use super::instructions;
use super::published;
use super::tally::Tally;
use super::window;
use crate::command::{ends_well, shown};
use crate::debian::Release;
use crate::setup::WITH_WINDOWS;
use crate::workspace::Workspace;
use crate::{apt, book, lab, libxl as libxl_of, package, setup};

/// One step.
pub(super) struct Step {
    /// What `--skip` and `--only` call it.
    pub(super) name: &'static str,
    /// What it does, for people.
    pub(super) what: &'static str,
    /// Runs it to its end. An error means that it failed and had nothing to count.
    pub(super) run: fn(&Workspace) -> Result<Tally>,
    /// Where there is the memory, it runs beside the nearest step before it that is not marked so; those that are run one after
    /// another. All boot machines. Most of these keep little more than one processor busy, those of HVM domains more.
    pub(super) is_beside: bool,
}

impl Step {
    pub(super) const fn new(name: &'static str, what: &'static str, run: fn(&Workspace) -> Result<Tally>) -> Self {
        Self { name, what, run, is_beside: false }
    }

    const fn beside(self) -> Self {
        Self { is_beside: true, ..self }
    }
}

/// All steps.
pub(super) const STEPS: [Step; 24] = [
    Step::new("setup", "system packages", |_| setup::run().map(|()| Tally::PASSED)),
    Step::new("fmt", "the format of the sources", fmt),
    Step::new("published", "what is to be published: manifests, licences, READMEs", published::check),
    Step::new("clippy", "lints", clippy),
    Step::new("docs", "the documentation, private items too", docs),
    Step::new("test", "tests of all crates but xtask", test),
    Step::new("doctest", "the programs in the documentation", doctest),
    Step::new("book", "what builds the book: lints, tests; the book, and the links in it", build_book),
    Step::new("packages", "Debian packages of the programs, and clean systems with them", packages),
    Step::new("loom", "the core's races, every interleaving", loom),
    Step::new("no-std", "a program without std that links the core", no_std),
    Step::new("instructions", "what the core takes, against the record", instructions::check),
    Step::new("broken", "loops with a planted fault, which the suite must find", broken),
    Step::new("example-loop", "the suite as the test of a loop outside the workspace", example_loop),
    Step::new("model", "conformance with a model of libxl, all its releases", |w| conformance(w, "model")),
    Step::new("libxl", "conformance against libxl 4.14, 4.17 and 4.20 without a hypervisor", libxl),
    Step::new("xl", "xl's files, as xl 4.14, 4.17 and 4.20 read them", xl),
    Step::new("lab", "tests of xtask, which boot the lab", lab_tests),
    Step::new("xen", "conformance against a real Xen, in the lab", on_xen),
    Step::new("xen-hvm", "the same with HVM domains", on_xen_with_hvm).beside(),
    Step::new("xen-4.14", "what matters most, on Debian 11's Xen", |w| on_xen_of(w, "bullseye")).beside(),
    Step::new("xen-4.20", "what matters most, on Debian 13's Xen", |w| on_xen_of(w, "trixie")).beside(),
    Step::new("pair", "domains that migrate from Xen 4.17 to 4.20 and back", pair).beside(),
    Step::new("window", "the manager's window on a real Xen, in the lab", window_on_xen).beside(),
];

/// Life, save, death and close, devices, and a device model: the cases that run on each release's Xen.
const ON_EACH_XEN: [&str; 8] = [
    "xen-life",
    "xen-saved",
    "xen-destroyed",
    "xen-powers",
    "xen-close",
    "xen-plugged",
    "xen-qemu-share",
    "xen-hvm-vnc",
];

/// Cargo's arguments for what the step `test` builds of each package.
const TESTED: [&str; 3] = ["--all-targets", "--features", "osevent-standin-machine/demo"];

/// The program that links the core without std, outside the workspace.
const NO_STD: &str = "core/no-std-program/Cargo.toml";

/// The loop that is tested as anybody's would be, outside the workspace.
const EXAMPLE_LOOP: &str = "conformance/example-loop/Cargo.toml";

fn fmt(workspace: &Workspace) -> Result<Tally> {
    let mut tally = check(workspace.cargo().args(["fmt", "--all", "--check"]))?;
    for alone in [NO_STD, EXAMPLE_LOOP, book::BUILDER] {
        tally += check(workspace.cargo().args(["fmt", "--check", "--manifest-path", alone]))?;
    }
    Ok(tally)
}

fn clippy(workspace: &Workspace) -> Result<Tally> {
    let (packages, mut tally) = packages_here()?;
    let mut cargo = workspace.cargo();
    cargo.args(["clippy", "--keep-going"]).args(packages).args(TESTED).args(["--", "-D", "warnings"]);
    tally += check(&mut cargo)?;
    let mut cargo = workspace.cargo();
    cargo.env("CARGO_TARGET_DIR", workspace.target.join("no-std"));
    // Not all targets: without std there is no test harness.
    tally += check(cargo.args(["clippy", "--manifest-path", NO_STD, "--", "-D", "warnings"]))?;
    let mut cargo = in_our_target(workspace);
    cargo.args(["clippy", "--all-targets", "--manifest-path", EXAMPLE_LOOP]);
    tally += check(cargo.args(["--", "-D", "warnings"]))?;
    Ok(tally)
}

fn docs(workspace: &Workspace) -> Result<Tally> {
    let (packages, mut tally) = packages_here()?;
    let mut cargo = workspace.cargo();
    cargo.env("RUSTDOCFLAGS", "-D warnings");
    tally += check(cargo.arg("doc").args(packages).args(["--no-deps", "--document-private-items"]))?;
    Ok(tally)
}

/// Cargo's arguments for the packages that can be built here, all at once: each alone would be built with other features of what it
/// depends on, and that anew. And what is skipped by that.
fn packages_here() -> Result<(Vec<&'static str>, Tally)> {
    Ok(match setup::for_windows()? {
        None => (vec!["--workspace"], Tally::default()),
        Some(lacking) => {
            let excluded = WITH_WINDOWS.iter().flat_map(|package| ["--exclude", package]);
            (["--workspace"].into_iter().chain(excluded).collect(), Tally::skipped_for(lacking))
        }
    })
}

fn test(workspace: &Workspace) -> Result<Tally> {
    let (packages, mut tally) = packages_here()?;
    // Tests run examples, which `cargo test --all-targets` builds as tests alone.
    tally += check(&mut of_tested(workspace, "build", &packages))?;
    tally += count(of_tested(workspace, "test", &packages).arg("--no-fail-fast"))?;
    Ok(tally)
}

/// Cargo's `command` for all that the step `test` builds of `packages`: with less, what is there already would be built anew, with fewer
/// features of what it depends on. Without xtask, whose tests are the step `lab`.
pub(super) fn of_tested(workspace: &Workspace, command: &str, packages: &[&str]) -> Command {
    let mut cargo = workspace.cargo();
    cargo.arg(command).args(packages).args(["--exclude", "xtask"]).args(TESTED);
    cargo
}

fn doctest(workspace: &Workspace) -> Result<Tally> {
    let (packages, mut tally) = packages_here()?;
    let mut cargo = workspace.cargo();
    tally += count(cargo.arg("test").args(packages).args(["--doc", "--no-fail-fast"]))?;
    Ok(tally)
}

fn build_book(workspace: &Workspace) -> Result<Tally> {
    let mut cargo = in_our_target(workspace);
    cargo.args(["clippy", "--all-targets", "--manifest-path", book::BUILDER, "--", "-D", "warnings"]);
    let mut tally = check(&mut cargo)?;
    tally += count(in_our_target(workspace).args(["test", "--manifest-path", book::BUILDER]))?;
    tally += check(&mut book::command(workspace))?;
    Ok(tally)
}

fn packages(workspace: &Workspace) -> Result<Tally> {
    if let Some(lacking) = setup::for_packaging()? {
        return Ok(Tally::skipped_for(lacking));
    }
    let mut tally = check(&mut of_tested(workspace, "build", &["--workspace"]))?;
    let well = package::check_built(workspace, &workspace.target.join("debug"))?;
    tally += if well { Tally::PASSED } else { Tally::failed_by(package::FAULT) };
    Ok(tally)
}

fn window_on_xen(workspace: &Workspace) -> Result<Tally> {
    if let Some(lacking) = setup::for_windows()? {
        return Ok(Tally::skipped_for(lacking));
    }
    let tally = count(&mut window::command(workspace)?)?;
    window::unpack_pictures(workspace)?;
    Ok(tally)
}

fn loom(workspace: &Workspace) -> Result<Tally> {
    let mut cargo = workspace.cargo();
    // Other flags would have everything else in the target folder built anew, twice.
    cargo.env("RUSTFLAGS", "--cfg loom").env("CARGO_TARGET_DIR", workspace.target.join("loom"));
    count(cargo.args(["test", "--package", "osevent-core", "--release", "--test", "loom"]))
}

fn no_std(workspace: &Workspace) -> Result<Tally> {
    let mut cargo = workspace.cargo();
    cargo.env("CARGO_TARGET_DIR", workspace.target.join("no-std"));
    check(cargo.args(["run", "--manifest-path", NO_STD]))
}

fn broken(workspace: &Workspace) -> Result<Tally> {
    let mut xtask = Command::new(env::current_exe()?);
    xtask.args(["conformance", "--broken"]).current_dir(&workspace.root);
    count_lines(&mut xtask, |tally, line| *tally += Tally::of_broken(line).unwrap_or_default())
}

fn example_loop(workspace: &Workspace) -> Result<Tally> {
    count(in_our_target(workspace).args(["test", "--manifest-path", EXAMPLE_LOOP]))
}

/// A cargo for a workspace of its own that builds into this one's target folder, where most of what it wants is built already.
fn in_our_target(workspace: &Workspace) -> Command {
    let mut cargo = workspace.cargo();
    cargo.env("CARGO_TARGET_DIR", &workspace.target);
    cargo
}

fn lab_tests(workspace: &Workspace) -> Result<Tally> {
    let mut cargo = workspace.cargo();
    cargo.args(["test", "--package", "xtask", "--all-targets", "--no-fail-fast"]);
    // A machine that boots keeps little more than one processor busy, so two at a time where there is the memory.
    let machines = if lab::has_memory_for(2) { 2 } else { 1 };
    count(cargo.args(["--", "--include-ignored", &format!("--test-threads={machines}")]))
}

fn conformance(workspace: &Workspace, tier: &str) -> Result<Tally> {
    suite(workspace, tier, &["--tier", tier])
}

fn libxl(workspace: &Workspace) -> Result<Tally> {
    suite(workspace, "libxl", &["--libxl", "all"])
}

/// Without apt there is no `xl` but an installed one, and the test says what it skips.
fn xl(workspace: &Workspace) -> Result<Tally> {
    let releases: &[Release] = if apt::available() { &Release::ALL } else { &[] };
    let programs = releases.iter().map(|&release| {
        let xl = libxl_of::xl(workspace, release)?;
        Ok(format!("{}={}", release.xen(), xl.display()))
    });
    let programs = programs.collect::<Result<Vec<_>>>()?.join(":");
    let mut cargo = workspace.cargo();
    count(cargo.args(["test", "--package", "xenlight-types", "--test", "xl"]).env("XL_PROGRAMS", programs))
}

/// The names of cases whose lab [has a thread for each processor](lab::Threads), which is slow beside another one.
const HVM: &str = "xen-hvm-";

fn on_xen(workspace: &Workspace) -> Result<Tally> {
    suite(workspace, "xen", &["--tier", "xen", "--without", HVM])
}

fn on_xen_with_hvm(workspace: &Workspace) -> Result<Tally> {
    suite(workspace, "xen-hvm", &["--tier", "xen", "--case", HVM])
}

fn on_xen_of(workspace: &Workspace, release: &str) -> Result<Tally> {
    let mut arguments = vec!["--tier", "xen", "--release", release, "--adapter", "glib"];
    arguments.extend(ON_EACH_XEN.iter().flat_map(|case| ["--case", case]));
    suite(workspace, release, &arguments)
}

/// The cases that show most of what two releases differ in; all of them, for each pair of releases, take long.
fn pair(workspace: &Workspace) -> Result<Tally> {
    if !lab::has_memory_for(1) {
        return Ok(Tally::skipped_for("there is no memory for two machines"));
    }
    let cases = ["--case", "pair-there", "--case", "pair-back"];
    let place = ["--adapter", "glib", "--mode", "thread", "--type", "pvh"];
    suite(workspace, "pair", &[&["--tier", "pair", "--peer-release", "trixie"], &place[..], &cases[..]].concat())
}

/// Runs the conformance suite with `arguments`, and counts its report, which is called by `name`.
fn suite(workspace: &Workspace, name: &str, arguments: &[&str]) -> Result<Tally> {
    let report = workspace.target.join(format!("conformance-{name}.json"));
    if report.exists() {
        fs::remove_file(&report)?;
    }
    let mut xtask = Command::new(env::current_exe()?);
    // Most of their time, cases wait. On Xen it is one all the same.
    xtask.arg("conformance").args(arguments).args(["--jobs=6", "--json"]).arg(&report);
    // Several can run at a time.
    let well = each_line(xtask.current_dir(&workspace.root), |line| println!("{name}: {line}"))?;
    let report = fs::read_to_string(&report).context("the suite left no report")?;
    Ok(Tally::of_report(&report)?.ended(well, &shown(&xtask)))
}

/// A command that counts as one, by how it ends.
pub(super) fn check(command: &mut Command) -> Result<Tally> {
    Ok(if ends_well(command)? { Tally::PASSED } else { Tally::failed_by(shown(command)) })
}

/// A `cargo test`, whose result lines are counted on their way to our output.
fn count(cargo: &mut Command) -> Result<Tally> {
    let mut is_in_failures = false;
    count_lines(cargo, |tally, line| tally.take_line(line, &mut is_in_failures))
}

fn count_lines(command: &mut Command, mut take: impl FnMut(&mut Tally, &str)) -> Result<Tally> {
    let mut tally = Tally::default();
    let well = each_line(command, |line| {
        println!("{line}");
        take(&mut tally, line);
    })?;
    Ok(tally.ended(well, &shown(command)))
}

/// Runs it with its output piped; whether it ended well.
fn each_line(command: &mut Command, mut line: impl FnMut(&str)) -> Result<bool> {
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
    let mut child = child.with_context(|| format!("cannot run {}", command.get_program().display()))?;
    let output = child.stdout.take().context("its output is piped")?;
    for said in BufReader::new(output).split(b'\n') {
        line(&String::from_utf8_lossy(&said?));
    }
    Ok(child.wait()?.success())
}
