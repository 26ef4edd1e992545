//! The machine: QEMU without KVM, which runs Xen, which runs dom0.

use std::fs::{self, File};
use std::io::{self, BufReader, Read, Write};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use lab_frame::{Frame, PORT};

use super::Threads;
use super::device_model::DeviceModel;
use super::image::Image;
use super::libvirt::Libvirt;
use super::monitor;
use super::pair::Cable;
use super::payload::Payload;
use super::qemu::Qemu;
use super::verdict::Verdict;

/// The size of the machine and its time limit.
pub(crate) struct Machine {
    /// MiB of memory, 1024 of them dom0's.
    pub(crate) memory: u64,
    /// Processors, all of them dom0's.
    pub(crate) cpus: u32,
    /// How they are played.
    pub(crate) threads: Threads,
    /// From the start of QEMU to the end of the program.
    pub(crate) timeout: Duration,
    /// From the start of QEMU to that of the program: a machine that takes longer stands still.
    pub(crate) start_timeout: Duration,
    /// More words for Xen's command line.
    pub(crate) xen_args: String,
    /// What joins it with another one.
    pub(crate) cable: Option<Cable>,
}

/// What a run took and how it ended.
pub(crate) struct Report {
    /// How it ended.
    pub(crate) verdict: Verdict,
    /// From the start of QEMU to that of the program.
    pub(crate) started_after: Option<Duration>,
}

/// What QEMU needs beside the machine's memory, MiB.
const OVERHEAD: u64 = 256;

/// How often the console is looked at for a panic, while nothing comes from dom0.
const LOOK: Duration = Duration::from_secs(2);

/// What a panic gets to reset the machine, which ends QEMU. Xen waits for five seconds of its own time before, and can fail to.
const RESET: Duration = Duration::from_secs(30);

/// Refuses a machine with that much memory, MiB, where it does not fit into this one.
pub(crate) fn check_memory(memory: u64) -> Result<()> {
    let text = fs::read_to_string("/proc/meminfo").context("cannot read /proc/meminfo")?;
    let available = available(&text).context("/proc/meminfo has no MemAvailable")?;
    let needed = memory + OVERHEAD;
    if available < needed {
        bail!(
            "the lab needs {needed} MiB of free memory and this machine has {available}: close something, or give \
             the lab less with --memory (1280 do for small programs)"
        );
    }
    Ok(())
}

/// MiB available, from the text of /proc/meminfo.
fn available(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find(|l| l.starts_with("MemAvailable:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? / 1024)
}

/// Puts into `folder` what the machine boots.
pub(crate) fn prepare(
    image: &Image,
    device_model: Option<&DeviceModel>,
    libvirt: Option<&Libvirt>,
    payload: &Payload,
    folder: &Path,
) -> Result<()> {
    // QEMU takes names apart at commas and spaces, so it gets short ones, in a folder of its own.
    symlink(image.xen(), folder.join("xen"))?;
    symlink(image.linux(), folder.join("linux"))?;
    let mut initrd = File::create(folder.join("initrd"))?;
    io::copy(&mut File::open(image.dom0())?, &mut initrd)?;
    if let Some(device_model) = device_model {
        device_model.write_to(io::BufWriter::new(&mut initrd))?;
    }
    if let Some(libvirt) = libvirt {
        libvirt.write_to(image, io::BufWriter::new(&mut initrd))?;
    }
    payload.write_to(image, io::BufWriter::new(initrd))
}

/// Boots the machine in `folder`, runs the payload in it and relays what it writes to our own outputs.
///
/// The console log is `console.log` in `folder`. `fetch` says where each file that is brought back goes. Once `is_over`, the run
/// is given up.
pub(crate) fn run(
    qemu: &Qemu,
    machine: &Machine,
    fetch: &[PathBuf],
    folder: &Path,
    is_over: &AtomicBool,
) -> Result<Report> {
    let start = Instant::now();
    let child = command(qemu, machine, folder)?.spawn();
    let mut qemu = Running(child.context("cannot run setpriv (util-linux), which runs QEMU")?);
    let mut errors = qemu.0.stderr.take().context("QEMU's errors are piped")?;
    let errors = thread::spawn(move || {
        let mut words = String::new();
        errors.read_to_string(&mut words).map(|_| words)
    });
    let output = qemu.0.stdout.take().context("QEMU's output is piped")?;
    let (sender, frames) = mpsc::channel();
    thread::spawn(move || {
        let mut output = BufReader::new(output);
        while let Ok(Some(frame)) = Frame::read_from(&mut output) {
            if sender.send(frame).is_err() {
                break;
            }
        }
    });

    let mut fetched: Vec<Option<File>> = fetch.iter().map(|_| None).collect();
    let mut started_after = None;
    let mut panicked = None;
    let verdict = loop {
        let limit = if started_after.is_some() { machine.timeout } else { machine.timeout.min(machine.start_timeout) };
        let left = limit.saturating_sub(start.elapsed());
        match frames.recv_timeout(left.min(LOOK)) {
            Ok(Frame::Starting) => started_after = Some(start.elapsed()),
            Ok(Frame::Stdout(bytes)) => relay(io::stdout(), &bytes)?,
            Ok(Frame::Stderr(bytes)) => relay(io::stderr(), &bytes)?,
            Ok(Frame::FileBytes(place, bytes)) => {
                open(&mut fetched, fetch, place)?.write_all(&bytes)?;
            }
            Ok(Frame::FileEnd(place)) => drop(open(&mut fetched, fetch, place)?),
            Ok(Frame::FileMissing(place, why)) => {
                let to = fetch.get(usize::from(place)).context("file not asked for")?;
                eprintln!("lab: nothing to bring back to {}: {why}", to.display());
            }
            Ok(Frame::Exited(code)) => break Verdict::Exited(code),
            Ok(Frame::Signalled(signal)) => break Verdict::Signalled(signal),
            Ok(Frame::NotStarted(why)) => break Verdict::NotStarted(why),
            // Relaxed: nothing else is published with it.
            Err(RecvTimeoutError::Timeout) if is_over.load(Ordering::Relaxed) => break Verdict::Over,
            Err(RecvTimeoutError::Timeout) if start.elapsed() < limit => {
                let Some(verdict) = console(folder) else { continue };
                if panicked.get_or_insert_with(Instant::now).elapsed() >= RESET {
                    break verdict;
                }
            }
            Err(RecvTimeoutError::Timeout) if started_after.is_none() && limit < machine.timeout => {
                let stuck = || Verdict::Stuck { seconds: limit.as_secs(), processors: monitor::processors(folder) };
                break console(folder).unwrap_or_else(stuck);
            }
            Err(RecvTimeoutError::Timeout) => {
                let timed_out =
                    Verdict::TimedOut { seconds: machine.timeout.as_secs(), started: started_after.is_some() };
                break console(folder).unwrap_or(timed_out);
            }
            Err(RecvTimeoutError::Disconnected) => {
                let status = qemu.0.wait()?;
                let words = errors.join().unwrap_or(Ok(String::new()))?;
                if !status.success() && log(folder).is_empty() {
                    bail!("QEMU cannot start the machine: {}", words.trim());
                }
                break if status.success() {
                    console(folder).unwrap_or(Verdict::MachineEnded)
                } else {
                    Verdict::QemuFailed(format!("{status}: {}", words.trim()))
                };
            }
        }
    };
    Ok(Report { verdict, started_after })
}

/// QEMU, which ends when this is dropped: dom0 holds nothing that would have to be saved.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // Fails where it has already ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn command(qemu: &Qemu, machine: &Machine, folder: &Path) -> Result<Command> {
    // Scrubbing would touch all the memory and keep a processor busy while dom0 boots; nothing is in it yet.
    // dom0 itself needs nothing of the IOMMU.
    let xen = format!(
        "console=com1 com1=115200 bootscrub=0 dom0_mem=1024M,max:1024M dom0-iommu=passthrough {}",
        machine.xen_args
    );
    let (stdin, interface, word) = match &machine.cable {
        Some(cable) => (cable.stdin()?, cable.options().to_vec(), cable.word()),
        None => (Stdio::null(), Vec::new(), String::new()),
    };
    let accelerator = match machine.threads {
        Threads::Single => "tcg,thread=single",
        Threads::Multi => "tcg,thread=multi",
    };
    // setpriv ends QEMU should we be killed.
    let mut command = qemu.command("setpriv", &["--pdeathsig", "KILL", "--"]);
    command
        // A panic of Xen or dom0 ends in a reset, which ends QEMU: no "noreboot" anywhere.
        .args(["-nodefaults", "-no-user-config", "-no-reboot"])
        // Without an IOMMU no domain gets a PCI device.
        .args(["-display", "none", "-machine", "q35", "-device", "intel-iommu"])
        .args(["-accel", accelerator])
        // Without rdrand each domain takes 3 s longer to create. With nested paging Xen can have PVH domains.
        .args(["-cpu", "qemu64,+rdrand,+npt,+nrip-save"])
        .args(["-smp", &machine.cpus.to_string()])
        .args(["-m", &machine.memory.to_string()])
        .args(["-kernel", "xen", "-append", &xen])
        // Modules of Xen, with their command lines: dom0's kernel, and its first file system.
        .args(["-initrd", &format!("linux console=hvc0 panic=-1{word},initrd")])
        // To be given to domains.
        .args(["-device", "pci-testdev", "-device", "qemu-xhci", "-device", "usb-tablet"])
        .args(interface)
        .args(["-serial", "file:console.log"])
        .args(["-monitor", &format!("unix:{},server=on,wait=off", monitor::SOCKET)])
        // Not "stdio": the standard input can be a cable.
        .args(["-chardev", "file,id=agent,path=/dev/stdout"])
        .args(["-device", &format!("isa-debugcon,iobase={PORT:#x},chardev=agent")])
        .current_dir(folder)
        .stdin(stdin)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    Ok(command)
}

/// Whoever reads only the beginning, as `head` does, does not end the program: files may have to be brought back.
fn relay(mut to: impl Write, bytes: &[u8]) -> io::Result<()> {
    match to.write_all(bytes).and_then(|()| to.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

/// The file on this machine for the bytes of the file with that place in the list, created with the first of them.
fn open<'a>(files: &'a mut [Option<File>], paths: &[PathBuf], place: u8) -> Result<&'a mut File> {
    let place = usize::from(place);
    let (file, path) = files.get_mut(place).zip(paths.get(place)).context("file not asked for")?;
    if file.is_none() {
        let new = File::create(path);
        *file = Some(new.with_context(|| format!("cannot write {}", path.display()))?);
    }
    file.as_mut().context("just opened")
}

fn console(folder: &Path) -> Option<Verdict> {
    Verdict::from_console(&String::from_utf8_lossy(&log(folder)))
}

fn log(folder: &Path) -> Vec<u8> {
    fs::read(folder.join("console.log")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn output_that_nobody_reads_any_more_is_no_failure_and_one_that_does_not_fit_is() {
        let (output, reader) = UnixStream::pair().unwrap();
        drop(reader);
        relay(output, b"more").unwrap();
        relay(File::options().write(true).open("/dev/full").unwrap(), b"more").unwrap_err();
    }

    #[test]
    fn machine_that_does_not_fit_is_refused_with_what_to_do() {
        let error = check_memory(1 << 40).unwrap_err().to_string();
        assert!(error.contains("--memory"), "{error}");
    }

    #[test]
    fn available_memory_is_read_in_mebibytes() {
        let text = "MemTotal:  4096 kB\nMemAvailable:    2097152 kB\n";
        assert_eq!(available(text), Some(2048));
        assert_eq!(available("MemTotal: 1 kB\n"), None);
    }
}
