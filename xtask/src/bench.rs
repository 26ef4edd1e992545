//! `bench`: builds the benchmarks in release and runs them: all, or those that are named. On a Xen they run by way of `lab`.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use clap::Parser;

use crate::command::ends_well;
use crate::debian::Release;
use crate::workspace::Workspace;
use crate::{apt, lab, libxl, setup};

/// What `bench all` measures, which is also what `bench` does.
#[derive(Parser)]
#[command(
    bin_name = "cargo xtask bench all",
    about = "All benchmarks: 15 minutes, and 30 more for those on a real Xen"
)]
struct All {
    /// How often each of the goals is measured, by turns
    #[arg(long, default_value_t = 31, value_name = "N")]
    rounds: u32,
    /// How many domains are listed and die on Xen
    #[arg(long, default_value_t = 200, value_name = "N")]
    domains: u32,
    /// Leave out those on a real Xen
    #[arg(long)]
    without_xen: bool,
    /// Also add the results to the history in this folder, and show them and the plots in its `benchmarks.md`
    #[arg(long, value_name = "DOCS")]
    record: Option<PathBuf>,
}

/// Runs them with `arguments`, what is named in this process's place.
pub(crate) fn run(workspace: &Workspace, arguments: Vec<OsString>) -> Result<u8> {
    let is_all = arguments.first().is_none_or(|first| first == "all");
    // Before anything is built: wrong words are told at once.
    let all =
        is_all.then(|| All::parse_from([&[OsString::from("all")], arguments.get(1..).unwrap_or_default()].concat()));
    setup::for_building()?;
    let of_package = ["--quiet", "--release", "--package", "osevent-benchmarks"];
    // All of its programs, as one starts others.
    ensure!(ends_well(workspace.cargo().arg("build").args(of_package).arg("--bins"))?, "the benchmarks do not build");
    if let Some(all) = all {
        return run_all(workspace, &all);
    }
    let mut cargo = workspace.cargo();
    cargo.arg("run").args(of_package).args(["--bin", "osevent-benchmarks", "--"]).args(arguments);
    Err(cargo.exec()).context("cannot run cargo")
}

fn run_all(workspace: &Workspace, all: &All) -> Result<u8> {
    let program = workspace.target.join("release/osevent-benchmarks");
    let folder = workspace.target.join("bench");
    fs::create_dir_all(&folder)?;
    let mut goals = Command::new(&program);
    goals.args(["goals", &format!("--rounds={}", all.rounds), "--json"]).arg(folder.join("goals.json"));
    goals.arg("--plot").arg(folder.join("goals.svg"));
    if apt::available() {
        goals.arg("--xl").arg(libxl::xl(workspace, Release::DEFAULT)?);
    }
    let lacking = if all.without_xen {
        Some("not wanted".to_owned())
    } else if !apt::available() {
        Some("the lab needs apt".to_owned())
    } else {
        lab::check_memory(MEMORY).err().map(|error| format!("{error:#}"))
    };
    match lacking {
        Some(lacking) => println!("skipped: what is measured on a real Xen: {lacking}"),
        None => {
            let on_xen = folder.join("on-xen.json");
            ensure!(
                ends_well(&mut on_a_xen(&program, all.domains, &on_xen)?)?,
                "the benchmarks on Xen did not end well"
            );
            goals.arg("--on-xen").arg(on_xen);
        }
    }
    let mut growth = Command::new(&program);
    growth.args(["growth", "--plots"]).arg(&folder);
    for recorded in [&mut goals, &mut growth] {
        recorded.current_dir(&workspace.root);
        if let Some(docs) = &all.record {
            recorded.arg("--record").arg(docs);
        }
    }
    let rest = ["dispatch", "share", "idle", "list", "follow"].map(|what| {
        let mut command = Command::new(&program);
        command.arg(what);
        command
    });
    let mut well = true;
    for mut command in [goals, growth].into_iter().chain(rest) {
        well &= ends_well(&mut command)?;
    }
    println!("goals.json, growth.json and the plots are in {}", folder.display());
    Ok(u8::from(!well))
}

/// MiB of a machine with 200 domains and libvirtd.
const MEMORY: u64 = 5120;

/// The lab with the benchmarks that need one, whose results are brought back to `results`.
fn on_a_xen(program: &Path, domains: u32, results: &Path) -> Result<Command> {
    const THERE: &str = "/tmp/on-xen.json";
    if results.exists() {
        fs::remove_file(results)?;
    }
    let mut lab = Command::new(env::current_exe()?);
    lab.args(["lab", "--libvirt", "--timeout=7200", &format!("--memory={MEMORY}"), "--fetch"]);
    lab.arg(format!("{THERE}={}", results.display()));
    // For the goal P16.
    for host in ["host", "host-without-osevent"] {
        lab.arg("--with").arg(program.with_file_name(host));
    }
    lab.arg("--").arg(program);
    lab.args(["on-xen", "--json", THERE, &format!("--domains={domains}")]);
    Ok(lab)
}
