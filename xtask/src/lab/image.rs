//! What the machine boots: Xen, Linux and dom0's first file system, made once for a set of packages.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use flate2::read::GzDecoder;
use osevent_domains::{Archive, linux};

use super::modules::Modules;
use super::{kernel, libraries};
use crate::debian::{Debian, PackageSet, Release};

/// A folder with all that the machine boots.
pub(crate) struct Image {
    folder: PathBuf,
    /// The paths in dom0's file system, without a leading slash.
    pub(crate) contents: BTreeSet<String>,
    /// The version of its C library.
    pub(crate) c_version: (u32, u32),
}

impl Image {
    /// The image of `release`, made if there is none. `lab` is where the lab keeps things, below `target`.
    pub(crate) fn ready(target: &Path, lab: &Path, release: Release) -> Result<Image> {
        let debian = Debian::open(target, release)?;
        let packages = debian.packages("lab", &PACKAGES, &FOLLOWED)?;
        let folder = folder(lab, release, &packages);
        if !folder.exists() {
            make(lab, release, &debian, &packages, &folder)
                .with_context(|| format!("cannot make the lab's image of {release}"))?;
        }
        let contents = fs::read_to_string(folder.join("contents"))?;
        let contents = contents.lines().map(str::to_owned).collect();
        let c_library = fs::read(folder.join("libc.so.6"))?;
        let c_version = libraries::c_version(&c_library).context("dom0's C library does not tell its version")?;
        Ok(Image { folder, contents, c_version })
    }

    /// The hypervisor, an ELF file that QEMU loads.
    pub(crate) fn xen(&self) -> PathBuf {
        self.folder.join("xen")
    }

    /// dom0's kernel, an ELF file that Xen loads.
    pub(crate) fn linux(&self) -> PathBuf {
        self.folder.join("linux")
    }

    /// dom0's first file system, to which more archives can be appended.
    pub(crate) fn dom0(&self) -> PathBuf {
        self.folder.join("dom0.cpio")
    }

    /// Whether dom0 has a command of that name.
    pub(crate) fn has_command(&self, name: &str) -> bool {
        self.contents.contains(&format!("bin/{name}"))
    }
}

/// What the image is made of. The first two only point at packages whose names carry a version; xen-utils-common holds xl's
/// configuration, which xl does not start without, and the hotplug scripts; these need bash, and flock of util-linux, which not
/// each release's busybox has.
const PACKAGES: [&str; 7] = [
    "xen-system-amd64",
    "linux-image-amd64",
    "xen-utils-common",
    "xenstore-utils",
    "busybox-static",
    "bash",
    "util-linux",
];
/// What is taken of all that those depend on: libraries, and the packages that the first two point at.
const FOLLOWED: [&str; 5] = ["lib", "zlib", "linux-image-", "xen-hypervisor-4", "xen-utils-4"];

/// Programs of Xen that dom0 gets, and libraries that programs load by themselves.
const TOOLS: [&str; 6] = ["xl", "libxl-save-helper", "xenstored", "xenconsoled", "xenconsole", "xen-init-dom0"];
const LOADED: [&str; 1] = ["libgcc_s.so.1"];
/// Where the hotplug scripts are.
const SCRIPTS: &str = "etc/xen/scripts";
/// The commands that the one program `xenstore` answers to.
const XENSTORE: [&str; 8] = ["read", "write", "list", "ls", "rm", "exists", "chmod", "watch"];
/// What the hotplug scripts need beside those and busybox.
const OF_SCRIPTS: [&str; 2] = ["bash", "flock"];
/// Kernel modules: of Xen's tools; of the backends of disks and network interfaces, which are on loop devices and bridges; of
/// that of PCI devices; of the machine's USB; of the interface to the other machine of a pair; and of the frontends, for domains.
const MODULES: [&str; 17] = [
    "xen-evtchn",
    "xen-privcmd",
    "xen-gntdev",
    "xen-gntalloc",
    "xenfs",
    "loop",
    "xen-blkback",
    "xen-netback",
    "bridge",
    "xen-pciback",
    "xhci-pci",
    "e1000",
    "xen-blkfront",
    "xen-netfront",
    "xen-pcifront",
    "9p",
    "9pnet_xen",
];

/// Where the image of `packages` belongs: the name has a hash of all that goes into it, the packages and the sources
/// that make it of them.
fn folder(lab: &Path, release: Release, packages: &PackageSet) -> PathBuf {
    const RECIPE: [&str; 10] = [
        include_str!("image.rs"),
        include_str!("../../../conformance/domains/src/answering.rs"),
        include_str!("../../../conformance/domains/src/archive.rs"),
        include_str!("../../../conformance/domains/src/elf.rs"),
        include_str!("../../../conformance/domains/src/kernel.rs"),
        include_str!("../../../conformance/domains/src/linux.rs"),
        include_str!("kernel.rs"),
        include_str!("libraries.rs"),
        include_str!("modules.rs"),
        INIT,
    ];
    let mut hasher = DefaultHasher::new();
    packages.hash().hash(&mut hasher);
    RECIPE.hash(&mut hasher);
    lab.join(format!("image-{}-{:016x}", release.codename(), hasher.finish()))
}

const INIT: &str = include_str!("dom0/init");

/// Makes an image in `folder` of `packages`, and removes those that it replaces.
fn make(lab: &Path, release: Release, debian: &Debian, packages: &PackageSet, folder: &Path) -> Result<()> {
    let start = Instant::now();
    eprintln!("lab: making the image of {release}, once");
    let work = lab.join(format!("work-{}", release.codename()));
    if work.exists() {
        fs::remove_dir_all(&work)?;
    }
    let unpacked = work.join("unpacked");
    debian.unpack(packages, &unpacked)?;

    let image = work.join("image");
    fs::create_dir(&image)?;
    let mut xen = Vec::new();
    let boot = unpacked.join("boot");
    let packed = only(&boot, |name| name.ends_with(".gz"))?;
    GzDecoder::new(File::open(packed)?).read_to_end(&mut xen)?;
    fs::write(image.join("xen"), xen)?;
    let packed = only(&boot, |name| name.starts_with("vmlinuz-"))?;
    let linux = kernel::unpack(&fs::read(packed)?)?;
    fs::write(image.join("linux"), &linux)?;

    let dom0 = BufWriter::new(File::create(image.join("dom0.cpio"))?);
    let mut dom0 = Dom0 { archive: Archive::new(dom0), contents: BTreeSet::new() };
    dom0.fill(&unpacked, &linux)?;
    let mut contents = dom0.contents.into_iter().collect::<Vec<_>>().join("\n");
    contents.push('\n');
    dom0.archive.finish()?.flush()?;
    fs::write(image.join("contents"), contents)?;
    let c_library = libraries::find(&unpacked, "libc.so.6").context("the packages hold no libc.so.6")?;
    fs::copy(c_library, image.join("libc.so.6"))?;

    for entry in lab.read_dir()?.flatten() {
        if entry.file_name().to_string_lossy().starts_with(&format!("image-{}-", release.codename())) {
            fs::remove_dir_all(entry.path())?;
        }
    }
    fs::rename(image, folder)?;
    fs::remove_dir_all(&work)?;
    eprintln!("lab: image made in {:.1} s", start.elapsed().as_secs_f64());
    Ok(())
}

/// dom0's first file system while it is written.
struct Dom0<W: Write> {
    archive: Archive<W>,
    contents: BTreeSet<String>,
}

impl<W: Write> Dom0<W> {
    fn fill(&mut self, unpacked: &Path, linux: &[u8]) -> Result<()> {
        let tools = only(&unpacked.join("usr/lib"), |name| name.starts_with("xen-") && name != "xen-common")?;
        let version = tools.file_name().unwrap_or_default().to_string_lossy();
        let libexec = format!("usr/lib/{version}");
        for folder in [
            "bin",
            "dev",
            "etc",
            "etc/xen",
            SCRIPTS,
            "lab",
            "lab/program",
            "lib",
            "lib/modules",
            "proc",
            "root",
            "run",
            "sys",
            "tmp",
            "usr",
            "usr/lib",
            &libexec,
            "var",
            "var/lib",
            "var/lib/xen",
            "var/lib/xenstored",
            "var/log",
            "var/log/xen",
            "var/log/xen/console",
        ] {
            self.archive.folder(folder)?;
        }
        let commands = format!("{libexec}/bin");
        for (link, to) in [
            ("lib64", "lib"),
            ("sbin", "bin"),
            ("usr/bin", "/bin"),
            ("usr/sbin", "/bin"),
            (&*commands, "/bin"),
            ("var/run", "/run"),
            ("var/lock", "/run/lock"),
        ] {
            self.archive.link(link, to)?;
        }
        self.file("init", true, INIT.as_bytes())?;
        self.copy("etc/xen/xl.conf", &unpacked.join("etc/xen/xl.conf"))?;
        self.busybox(unpacked)?;
        self.tools(unpacked, &tools.join("bin"))?;
        self.scripts(&unpacked.join(SCRIPTS))?;
        let modules = only(&merged(unpacked, "lib/modules"), |_| true)?;
        let folder = format!("lib/modules/{}", modules.file_name().unwrap_or_default().to_string_lossy());
        self.archive.folder(&folder)?;
        for (name, content) in Modules::of(&modules, &MODULES)?.files() {
            self.file(&format!("{folder}/{name}"), false, &content)?;
        }
        self.domains(linux)
    }

    /// The hotplug scripts, which libxl runs for devices.
    fn scripts(&mut self, scripts: &Path) -> Result<()> {
        for entry in scripts.read_dir().with_context(|| format!("the packages hold no {SCRIPTS}"))? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if path.is_file() {
                self.copy(&format!("{SCRIPTS}/{name}"), &path)?;
            }
        }
        Ok(())
    }

    fn busybox(&mut self, unpacked: &Path) -> Result<()> {
        let busybox = merged(unpacked, "bin/busybox");
        self.copy("bin/busybox", &busybox)?;
        let list = Command::new(&busybox).arg("--list").output()?.stdout;
        for applet in String::from_utf8_lossy(&list).lines() {
            if applet != "busybox" {
                self.link(&format!("bin/{applet}"), "busybox")?;
            }
        }
        Ok(())
    }

    /// Xen's programs and the libraries of all of them.
    fn tools(&mut self, unpacked: &Path, tools: &Path) -> Result<()> {
        let mut programs = vec![("xenstore", unpacked.join("usr/bin/xenstore"))];
        programs.extend(TOOLS.map(|name| (name, tools.join(name))));
        for name in OF_SCRIPTS {
            let path = ["bin", "usr/bin"].map(|folder| unpacked.join(folder).join(name));
            let path = path.into_iter().find(|path| path.exists());
            programs.push((name, path.with_context(|| format!("the packages hold no {name}"))?));
        }
        let mut needed = BTreeSet::new();
        for (name, path) in &programs {
            self.copy(&format!("bin/{name}"), path)?;
            for (name, path) in libraries::of_unpacked(unpacked, path)? {
                let path = path.with_context(|| format!("the packages hold no {name}"))?;
                needed.insert((name, path));
            }
        }
        // All of the C library: programs of other machines need other parts than Xen's, and parts of two do not go together.
        for name in LOADED.into_iter().chain(libraries::C_LIBRARY) {
            let path = libraries::find(unpacked, name);
            let path = path.with_context(|| format!("the packages hold no {name}"))?;
            needed.insert((name.to_owned(), path));
        }
        for (name, path) in needed {
            let to = format!("lib/{name}");
            if !self.contents.contains(&to) {
                self.copy(&to, &path)?;
            }
        }
        for command in XENSTORE {
            self.link(&format!("bin/xenstore-{command}"), "xenstore")?;
        }
        Ok(())
    }

    /// Domains to create, each with a file for `xl create`.
    fn domains(&mut self, linux: &[u8]) -> Result<()> {
        self.file("lab/idle", false, &osevent_domains::kernel::idle())?;
        self.file("lab/poweroff", false, &osevent_domains::kernel::poweroff())?;
        self.file("lab/linux", false, linux)?;
        self.file("lab/linux.cpio", false, &linux::ramdisk()?)?;
        self.file("lab/answering", false, &osevent_domains::kernel::answering())?;
        for (name, kind) in [("idle", "pv"), ("poweroff", "pv"), ("answering", "pvh")] {
            let config =
                format!("name = \"{name}\"\ntype = \"{kind}\"\nkernel = \"/lab/{name}\"\nmemory = 4\nvcpus = 1\n");
            self.file(&format!("lab/{name}.cfg"), false, config.as_bytes())?;
        }
        let config = format!(
            "name = \"linux\"\ntype = \"pv\"\nkernel = \"/lab/linux\"\nramdisk = \"/lab/linux.cpio\"\n\
             cmdline = \"{}\"\nmemory = 128\nvcpus = 1\n",
            linux::COMMAND_LINE
        );
        self.file("lab/linux.cfg", false, config.as_bytes())
    }

    fn copy(&mut self, to: &str, from: &Path) -> Result<()> {
        let content = fs::read(from).with_context(|| format!("cannot read {}", from.display()))?;
        self.file(to, true, &content)
    }

    fn file(&mut self, path: &str, executable: bool, content: &[u8]) -> Result<()> {
        self.contents.insert(path.trim_start_matches('/').to_owned());
        Ok(self.archive.file(path, executable, content)?)
    }

    fn link(&mut self, path: &str, to: &str) -> Result<()> {
        self.contents.insert(path.to_owned());
        Ok(self.archive.link(path, to)?)
    }
}

/// A path below `unpacked` that newer packages have below its `usr`.
fn merged(unpacked: &Path, path: &str) -> PathBuf {
    let newer = unpacked.join("usr").join(path);
    if newer.exists() { newer } else { unpacked.join(path) }
}

/// The one entry of `folder` whose name is as `wanted`.
fn only(folder: &Path, wanted: impl Fn(&str) -> bool) -> Result<PathBuf> {
    let entries = folder.read_dir().with_context(|| format!("the packages hold no {}", folder.display()))?;
    let paths = entries.flatten().map(|entry| entry.path());
    let found: Vec<PathBuf> =
        paths.filter(|path| wanted(&path.file_name().unwrap_or_default().to_string_lossy())).collect();
    match &found[..] {
        [path] => Ok(path.clone()),
        _ => bail!("of all in {}, not one fits but {found:?}", folder.display()),
    }
}
