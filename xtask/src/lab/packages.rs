//! Which of Debian's packages the lab is made of, and how they get here: downloaded, never installed.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::apt;

/// What the set is worked out from. The first two only point at packages whose names carry a version.
const ROOTS: [&str; 4] = ["xen-system-amd64", "linux-image-amd64", "xenstore-utils", "busybox-static"];

/// The packages of the lab, as the names of their files, sorted: `NAME_VERSION_ARCHITECTURE.deb`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PackageSet {
    files: Vec<String>,
}

impl PackageSet {
    /// Asks apt, or `cache`, a file with apt's last answer, while apt's lists are what they were then.
    pub(crate) fn resolve(cache: &Path) -> Result<PackageSet> {
        if !apt::available() {
            bail!("the lab is made of Debian's packages, so it needs apt-get and dpkg-deb");
        }
        if !apt::has_lists() {
            eprintln!("lab: this machine has no lists of packages yet: apt-get update");
            apt::update().context("the lab needs apt's lists of packages")?;
        }
        let stamp = stamp()?;
        let cached = fs::read_to_string(cache).unwrap_or_default();
        if let Some(set) = PackageSet::from_cache(&cached, &stamp) {
            return Ok(set);
        }
        let set = PackageSet::ask()?;
        fs::write(cache, set.to_cache(&stamp))?;
        Ok(set)
    }

    fn ask() -> Result<PackageSet> {
        let no = ["recommends", "suggests", "conflicts", "breaks", "replaces"];
        let graph = output(
            Command::new("apt-cache")
                .args(["depends", "--recurse", "--no-enhances"])
                .args(no.map(|relation| format!("--no-{relation}")))
                .args(ROOTS),
        )?;
        let names = select(&graph)?;
        let uris = output(Command::new("apt-get").args(["download", "--print-uris"]).args(&names))?;
        let files = files(&uris);
        if files.len() != names.len() {
            bail!("apt-get knows only {} of {names:?}", files.len());
        }
        Ok(PackageSet { files })
    }

    fn to_cache(&self, stamp: &str) -> String {
        format!("{stamp}\n{}\n", self.files.join("\n"))
    }

    fn from_cache(text: &str, stamp: &str) -> Option<PackageSet> {
        let mut lines = text.lines();
        if lines.next()? != stamp {
            return None;
        }
        let files = lines.map(str::to_owned).collect();
        Some(PackageSet { files })
    }

    /// The files' names: what an image made of them is kept under.
    pub(crate) fn files(&self) -> &[String] {
        &self.files
    }

    /// Downloads into `folder` what is not there, and removes from it what is not of this set.
    pub(crate) fn download(&self, folder: &Path) -> Result<()> {
        fs::create_dir_all(folder)?;
        for entry in folder.read_dir()?.flatten() {
            let name = entry.file_name();
            if entry.path().is_file() && !self.files.iter().any(|file| name == file.as_str()) {
                fs::remove_file(entry.path())?;
            }
        }
        let missing = || -> Vec<&str> {
            let missing = self.files.iter().filter(|file| !folder.join(file).is_file());
            missing.filter_map(|file| file.split('_').next()).collect()
        };
        let wanted = missing();
        if wanted.is_empty() {
            return Ok(());
        }
        eprintln!("lab: downloading {} packages of Debian", wanted.len());
        // As root, apt complains when its own user may not write here; it downloads all the same.
        let result = Command::new("apt-get")
            .args(["download", "-q", "-o", "APT::Sandbox::User=root"])
            .args(wanted)
            .current_dir(folder)
            .stdin(Stdio::null())
            .output()?;
        if !result.status.success() || !missing().is_empty() {
            let words = String::from_utf8_lossy(&result.stderr);
            bail!("apt-get download failed: {}", words.trim());
        }
        Ok(())
    }

    /// Unpacks all, over one another, into `target`.
    pub(crate) fn unpack(&self, folder: &Path, target: &Path) -> Result<()> {
        for file in &self.files {
            let status = Command::new("dpkg-deb").arg("-x").args([&folder.join(file), target]).status()?;
            if !status.success() {
                bail!("cannot unpack {file}: is the disk full?");
            }
        }
        Ok(())
    }
}

/// Changes whenever apt's lists or sources do.
fn stamp() -> Result<String> {
    let mut hasher = DefaultHasher::new();
    for folder in ["/var/lib/apt/lists", "/etc/apt/sources.list.d", "/etc/apt/preferences.d"] {
        let mut entries = Vec::new();
        for entry in Path::new(folder).read_dir().into_iter().flatten() {
            let entry = entry?;
            let data = entry.metadata()?;
            if data.is_file() {
                entries.push((entry.file_name(), data.len(), data.modified()?));
            }
        }
        entries.sort();
        entries.hash(&mut hasher);
    }
    Ok(format!("{:016x}", hasher.finish()))
}

fn output(command: &mut Command) -> Result<String> {
    let program = command.get_program().display().to_string();
    // "Depends:" is translated elsewhere.
    let output = command.env("LC_ALL", "C").stdin(Stdio::null()).output()?;
    if !output.status.success() {
        let words = String::from_utf8_lossy(&output.stderr);
        bail!("{program} does not know all of the lab's packages: {words}");
    }
    String::from_utf8(output.stdout).with_context(|| format!("{program} speaks no UTF-8"))
}

/// The set, from what `apt-cache depends --recurse` says of the [`ROOTS`]: the versioned packages behind the two
/// that only point, and from there on every library, but no program that a package merely comes with.
fn select(graph: &str) -> Result<Vec<String>> {
    let mut depends: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut package = "";
    for line in graph.lines() {
        if let Some((_, on)) = line.split_once("Depends: ") {
            depends.entry(package).or_default().push(on);
        } else if !line.starts_with([' ', '|']) {
            package = line;
        }
    }
    let depends = |package: &str| depends.get(package).cloned().unwrap_or_default();
    let behind = |pointer: &str, prefix: &str| {
        let mut found = depends(pointer).into_iter();
        // "xen-hypervisor-common" points, too, but at nothing that runs.
        found
            .find(|name| name.starts_with(prefix) && name.contains(|c: char| c.is_ascii_digit()))
            .with_context(|| format!("apt knows no {prefix}… behind {pointer}"))
    };
    let mut queue = VecDeque::from([
        behind(ROOTS[0], "xen-hypervisor-")?,
        behind(ROOTS[0], "xen-utils-")?,
        behind(ROOTS[1], "linux-image-")?,
        ROOTS[2],
        ROOTS[3],
    ]);
    let mut names = BTreeSet::new();
    while let Some(name) = queue.pop_front() {
        if names.insert(name.to_owned()) {
            let libraries = depends(name).into_iter();
            queue.extend(libraries.filter(|on| on.starts_with("lib") || on.starts_with("zlib")));
        }
    }
    // Holds xl's configuration, which xl does not start without.
    names.insert("xen-utils-common".into());
    Ok(names.into_iter().collect())
}

/// The names of the files in what `apt-get download --print-uris` says: `'URI' FILE SIZE HASH`.
fn files(uris: &str) -> Vec<String> {
    let lines = uris.lines().filter(|line| line.starts_with('\''));
    let mut files: Vec<String> = lines.filter_map(|line| line.split(' ').nth(1).map(str::to_owned)).collect();
    files.sort();
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRAPH: &str = "\
xen-system-amd64
  Depends: xen-hypervisor-4.17-amd64
  Depends: xen-hypervisor-common
  Depends: xen-utils-4.17
xen-hypervisor-4.17-amd64
linux-image-amd64
  Depends: linux-image-6.1.0-9-amd64
linux-image-6.1.0-9-amd64
  Depends: kmod
 |Depends: initramfs-tools
  Depends: <linux-initramfs-tool>
    dracut
kmod
  Depends: libkmod2
xen-utils-4.17
  Depends: libxenmisc4.17
  Depends: python3
python3
  Depends: libpython3
libxenmisc4.17
  Depends: zlib1g
  Depends: libc6
xenstore-utils
  Depends: libc6
libc6
busybox-static
";

    #[test]
    fn libraries_are_followed_and_other_programs_are_not() {
        let expected = [
            "busybox-static",
            "libc6",
            "libxenmisc4.17",
            "linux-image-6.1.0-9-amd64",
            "xen-hypervisor-4.17-amd64",
            "xen-utils-4.17",
            "xen-utils-common",
            "xenstore-utils",
            "zlib1g",
        ];
        assert_eq!(select(GRAPH).unwrap(), expected);
    }

    #[test]
    fn missing_hypervisor_is_named() {
        let error = select("linux-image-amd64\n").unwrap_err();
        assert!(error.to_string().contains("xen-hypervisor-"), "{error}");
    }

    #[test]
    fn file_names_hold_the_version() {
        let uris = "Get:1 something\n'http://mirror/x/a_1%3a2_amd64.deb' a_1%3a2_amd64.deb 10 SHA256:0\n";
        assert_eq!(files(uris), ["a_1%3a2_amd64.deb"]);
    }

    #[test]
    fn apts_answer_is_kept_while_its_lists_are_the_same() {
        let set = PackageSet { files: vec!["a_1.deb".into(), "b_2.deb".into()] };
        let cache = set.to_cache("stamp");
        assert_eq!(PackageSet::from_cache(&cache, "stamp"), Some(set));
        assert_eq!(PackageSet::from_cache(&cache, "other"), None);
        assert_eq!(PackageSet::from_cache("", "stamp"), None);
    }
}
