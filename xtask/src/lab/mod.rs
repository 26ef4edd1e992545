//! `lab`: runs a program as root in the dom0 of a real Xen, in QEMU, on a machine without Xen or KVM.
//!
//! [`image`] makes Xen, Linux and dom0's file system of Debian's packages once, [`qemu`] unpacks those of QEMU, [`device_model`] adds QEMU once more, for HVM domains, [`libvirt`] libvirtd, [`payload`] the program, [`desktop`] a desktop for its windows, [`boot`] runs the machine, [`verdict`] says how it ended. [`pair`] runs two of them with a cable. Domains to create
//! wait in dom0. Two programs run there for the lab: the script `dom0/init` and the agent.

mod boot;
mod desktop;
mod device_model;
mod image;
mod kernel;
pub(crate) mod libraries;
mod libvirt;
mod modules;
mod monitor;
pub(crate) mod pair;
mod payload;
mod qemu;
mod verdict;

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant, UNIX_EPOCH};

use anyhow::Result;
use clap::{Args, ValueEnum};

use crate::debian::Release;
use crate::workspace::Workspace;
use boot::Machine;
pub(crate) use boot::check_memory;
use device_model::DeviceModel;
use image::Image;
use libvirt::Libvirt;
use pair::Cable;
use payload::Payload;
use qemu::Qemu;
use verdict::Verdict;

/// What to run and in how large a machine.
#[derive(Args, Clone, Debug)]
pub(crate) struct Options {
    /// The release of Debian whose Xen and Linux are booted
    #[arg(long, value_enum, default_value_t = Release::DEFAULT)]
    pub(crate) release: Release,
    /// Another file to put beside the program, which is started in the same folder; repeat for more
    #[arg(long, value_name = "FILE")]
    pub(crate) with: Vec<PathBuf>,
    /// A file to bring back from dom0 when the program has ended; repeat for more
    #[arg(long, value_name = "DOM0_PATH=HOST_PATH", value_parser = fetch)]
    pub(crate) fetch: Vec<(String, PathBuf)>,
    /// The machine's memory in MiB; dom0 has 1024 of them
    #[arg(long, default_value_t = 2048)]
    pub(crate) memory: u64,
    /// The machine's processors
    #[arg(long, default_value_t = 2)]
    pub(crate) cpus: u32,
    /// How this machine plays those processors
    #[arg(long, value_enum, default_value_t = Threads::Single)]
    pub(crate) threads: Threads,
    /// Seconds from the start of the machine to the end of the program
    #[arg(long, default_value_t = 300)]
    pub(crate) timeout: u64,
    /// Seconds from the start of the machine to that of the program, which takes 10 to 40; a boot that takes longer stands
    /// still, and is tried once more
    #[arg(long, default_value_t = 180)]
    pub(crate) start_timeout: u64,
    /// Where to keep the console log, instead of in the target folder
    #[arg(long, value_name = "FILE")]
    pub(crate) log: Option<PathBuf>,
    /// Give dom0 what HVM domains need, QEMU and their firmware, which are downloaded as well
    #[arg(long)]
    pub(crate) hvm: bool,
    /// Give dom0 a desktop in memory, made of what this machine has installed for the tests of programs with windows
    #[arg(long)]
    pub(crate) desktop: bool,
    /// Give dom0 libvirtd with its driver for libxl, which are downloaded as well; `libvirtd --daemon` starts it
    #[arg(long)]
    pub(crate) libvirt: bool,
    /// More words for Xen's command line
    #[arg(long, value_name = "WORDS", default_value = "", allow_hyphen_values = true)]
    pub(crate) xen_args: String,
    /// A path on this machine (with a slash in it), a binary or example of the workspace, or a command of dom0;
    /// and its arguments
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true, value_name = "PROGRAM")]
    pub(crate) command: Vec<OsString>,
}

impl Options {
    /// The options of a command line with nothing but `command`.
    pub(crate) fn new(command: Vec<OsString>) -> Options {
        #[derive(clap::Parser)]
        struct Line {
            #[command(flatten)]
            options: Options,
        }
        let words = [OsString::from("lab"), OsString::from("--")];
        <Line as clap::Parser>::parse_from(words.into_iter().chain(command)).options
    }
}

/// How QEMU plays the processors of a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Threads {
    /// By turns. With a thread each, one that has a lock of Xen's may have to wait for a processor here, which those that want the lock use
    /// up meanwhile: beside another lab, all took three times as long.
    Single,
    /// With a thread each. By turns, the system of an HVM domain loses its way before it begins.
    Multi,
}

fn fetch(text: &str) -> Result<(String, PathBuf), String> {
    let (from, to) = text.split_once('=').ok_or("has no '=' between the path in dom0 and the one here")?;
    Ok((from.to_owned(), to.into()))
}

/// Whether as many machines fit beside each other, each with the memory that the largest in the tests has.
pub(crate) fn has_memory_for(machines: u64) -> bool {
    check_memory(LARGEST * machines).is_ok()
}

/// MiB that a machine has in which the suite runs.
pub(crate) const LARGEST: u64 = 3072;

/// Runs the program; returns what to exit with, as [`verdict::Verdict::exit_code`] says.
///
/// # Errors
/// When the lab cannot be started: no QEMU, no memory, no packages, no such program.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<u8> {
    check_memory(options.memory)?;
    Ok(Lab::prepare(workspace, options, None)?.run(&AtomicBool::new(false))?.exit_code())
}

/// A machine that is ready to be booted.
struct Lab {
    begun: Instant,
    qemu: Qemu,
    machine: Machine,
    /// Where the files go that are brought back.
    to: Vec<PathBuf>,
    folder: PathBuf,
    log: PathBuf,
}

impl Lab {
    fn prepare(workspace: &Workspace, options: &Options, cable: Option<Cable>) -> Result<Lab> {
        let begun = Instant::now();
        let qemu = Qemu::ready(&workspace.target)?;
        let lab = workspace.target.join("lab");
        let image = Image::ready(&workspace.target, &lab, options.release)?;
        let device_model = options.hvm.then(|| DeviceModel::ready(&workspace.target, options.release)).transpose()?;
        let libvirt = options.libvirt.then(|| Libvirt::ready(&workspace.target, options.release)).transpose()?;
        let (from, to): (Vec<String>, Vec<PathBuf>) = options.fetch.iter().cloned().unzip();
        let payload = Payload::prepare(workspace, &image, &options.command, &options.with, options.desktop, from)?;

        let folder = run_folder(&lab)?;
        let mut log = folder.join("console.log");
        if let Some(path) = &options.log {
            let path = std::path::absolute(path)?;
            symlink(&path, &log)?;
            log = path;
        }
        boot::prepare(&image, device_model.as_ref(), libvirt.as_ref(), &payload, &folder)?;
        let machine = Machine {
            memory: options.memory,
            cpus: options.cpus,
            threads: options.threads,
            timeout: Duration::from_secs(options.timeout),
            start_timeout: Duration::from_secs(options.start_timeout),
            xen_args: options.xen_args.clone(),
            cable,
        };
        Ok(Lab { begun, qemu, machine, to, folder, log })
    }

    /// Boots it and runs the program, which is given up once `is_over`.
    fn run(&self, is_over: &AtomicBool) -> Result<Verdict> {
        let Lab { begun, qemu, machine, to, folder, log } = self;
        let mut prepared = begun.elapsed();
        let mut report = boot::run(qemu, machine, to, folder, is_over)?;
        let mut again = "";
        if let Verdict::Stuck { .. } = report.verdict {
            // Nothing of the program's has come yet, so nothing comes twice.
            let kept = folder.join("console-of-the-first-boot.log");
            if log.exists() {
                fs::copy(log, &kept)?;
            }
            eprintln!("lab: {}; trying once more (console: {})", report.verdict, kept.display());
            prepared = begun.elapsed();
            report = boot::run(qemu, machine, to, folder, is_over)?;
            again = "the second boot, ";
        }
        for file in ["xen", "linux", "initrd"] {
            fs::remove_file(folder.join(file))?;
        }

        let started = match report.started_after {
            Some(after) => format!("started after {:.1} s", (prepared + after).as_secs_f64()),
            None => "never started".to_owned(),
        };
        eprintln!(
            "lab: {} ({again}{started}, {:.1} s in all; console: {})",
            report.verdict,
            begun.elapsed().as_secs_f64(),
            log.display()
        );
        Ok(report.verdict)
    }
}

/// A new folder for this run; only the newest ones are kept.
fn run_folder(lab: &Path) -> Result<PathBuf> {
    const KEPT: usize = 20;
    /// Of the machines of this process.
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    let runs = lab.join("runs");
    fs::create_dir_all(&runs)?;
    let mut old: Vec<PathBuf> = runs.read_dir()?.flatten().map(|e| e.path()).collect();
    old.sort();
    for folder in old.iter().rev().skip(KEPT) {
        // Another lab may be at the same.
        let _ = fs::remove_dir_all(folder);
    }
    let seconds = UNIX_EPOCH.elapsed()?.as_secs();
    // Relaxed: each number is handed out once, that is all.
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let folder = runs.join(format!("{seconds}-{}-{number}", process::id()));
    fs::create_dir(&folder)?;
    Ok(folder)
}
