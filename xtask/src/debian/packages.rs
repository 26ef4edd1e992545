//! A set of packages: which they are, and how they get here.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

use super::Debian;

/// Packages of one release, sorted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct PackageSet {
    packages: Vec<Package>,
}

/// The file of a package, `NAME_VERSION_ARCHITECTURE.deb`, and its SHA-256 as the signed lists have it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Package {
    file: String,
    sha256: String,
}

impl PackageSet {
    pub(super) fn resolve(debian: &Debian, roots: &[&str], follow: &[&str]) -> Result<PackageSet> {
        let no =
            ["recommends", "suggests", "conflicts", "breaks", "replaces", "enhances"].map(|no| format!("--no-{no}"));
        let graph = output(debian.command("apt-cache").args(["depends", "--recurse"]).args(no).args(roots))?;
        let names = select(&graph, roots, follow)?;
        let uris = output(debian.command("apt-get").args(["download", "--print-uris"]).args(&names))?;
        let packages = packages(&uris);
        if packages.len() != names.len() {
            bail!("{} has only {} of {names:?}", debian.release, packages.len());
        }
        Ok(PackageSet { packages })
    }

    pub(super) fn to_cache(&self, question: &str) -> String {
        let packages: String =
            self.packages.iter().map(|Package { file, sha256 }| format!("{file} {sha256}\n")).collect();
        format!("{question}\n{packages}")
    }

    /// What [`to_cache`](Self::to_cache) wrote, if it is the answer to this question.
    pub(super) fn from_cache(text: &str, question: &str) -> Option<PackageSet> {
        let mut lines = text.lines();
        if lines.next()? != question {
            return None;
        }
        let package = |line: &str| {
            let (file, sha256) = line.split_once(' ')?;
            Some(Package { file: file.to_owned(), sha256: sha256.to_owned() })
        };
        Some(PackageSet { packages: lines.map(package).collect::<Option<_>>()? })
    }

    /// What is made of the set is kept under this: it differs for each set and version.
    pub(crate) fn hash(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        Hash::hash(self, &mut hasher);
        hasher.finish()
    }

    /// Downloads into `folder` what is not there whole.
    pub(super) fn download(&self, debian: &Debian, folder: &Path) -> Result<()> {
        fs::create_dir_all(folder)?;
        let mut wanted = Vec::new();
        for package in &self.packages {
            if !package.is_whole(folder)? {
                // apt takes a file that is there for what it is to be.
                let _ = fs::remove_file(folder.join(&package.file));
                wanted.push(package);
            }
        }
        if wanted.is_empty() {
            return Ok(());
        }
        eprintln!("debian: downloading {} packages of {}", wanted.len(), debian.release);
        let names = wanted.iter().map(|package| package.name());
        let downloaded = debian.command("apt-get").args(["-q", "download"]).args(names).current_dir(folder).output()?;
        for package in wanted {
            if !package.is_whole(folder)? {
                let words = String::from_utf8_lossy(&downloaded.stderr);
                bail!("cannot download {}: {}", package.file, words.trim());
            }
        }
        Ok(())
    }

    /// Unpacks all, over one another, into `target`.
    pub(super) fn unpack(&self, folder: &Path, target: &Path) -> Result<()> {
        for package in &self.packages {
            let output = Command::new("dpkg-deb").arg("-x").args([&folder.join(&package.file), target]).output()?;
            if !output.status.success() {
                let words = String::from_utf8_lossy(&output.stderr);
                bail!("cannot unpack {}: {}", package.file, words.trim());
            }
        }
        Ok(())
    }
}

impl Package {
    fn name(&self) -> &str {
        self.file.split('_').next().unwrap_or_default()
    }

    /// Whether its file is in `folder` and is what was signed.
    fn is_whole(&self, folder: &Path) -> Result<bool> {
        let path = folder.join(&self.file);
        if !path.exists() {
            return Ok(false);
        }
        let content = fs::read(path).with_context(|| format!("cannot read {}", self.file))?;
        let found: String = Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(found == self.sha256)
    }
}

fn output(command: &mut Command) -> Result<String> {
    let program = command.get_program().display().to_string();
    let output = command.output().with_context(|| format!("cannot run {program}"))?;
    if !output.status.success() {
        let words = String::from_utf8_lossy(&output.stderr);
        bail!("{program} does not know all packages: {}", words.trim());
    }
    String::from_utf8(output.stdout).with_context(|| format!("{program} speaks no UTF-8"))
}

/// `roots`, and of all that they depend on what begins with one of `follow`, from what `apt-cache depends --recurse` says.
fn select(graph: &str, roots: &[&str], follow: &[&str]) -> Result<Vec<String>> {
    let mut depends = BTreeMap::<&str, Vec<&str>>::new();
    let mut package = "";
    for line in graph.lines() {
        if let Some(on) = line.trim_start_matches([' ', '|']).strip_prefix("Depends: ") {
            depends.entry(package).or_default().push(on);
        } else if !line.starts_with(' ') {
            package = line;
            depends.entry(package).or_default();
        }
    }
    if let Some(missing) = roots.iter().find(|root| !depends.contains_key(*root)) {
        bail!("there is no package {missing}");
    }
    let mut queue: VecDeque<&str> = roots.iter().copied().collect();
    let mut names = BTreeSet::new();
    while let Some(name) = queue.pop_front() {
        if names.insert(name.to_owned()) {
            queue.extend(
                depends.get(name).into_iter().flatten().filter(|on| follow.iter().any(|begin| on.starts_with(begin))),
            );
        }
    }
    Ok(names.into_iter().collect())
}

/// The packages in what `apt-get download --print-uris` says: `'URI' FILE SIZE SHA256:HASH`.
fn packages(uris: &str) -> Vec<Package> {
    let lines = uris.lines().filter(|line| line.starts_with('\''));
    let mut packages: Vec<Package> = lines
        .filter_map(|line| {
            let mut words = line.split(' ').skip(1);
            let (file, sha256) = (words.next()?, words.nth(1)?.strip_prefix("SHA256:")?);
            Some(Package { file: file.to_owned(), sha256: sha256.to_owned() })
        })
        .collect();
    packages.sort();
    packages
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
zlib1g
  Depends: libc6
libc6
";

    #[test]
    fn only_what_is_wanted_is_followed() {
        assert_eq!(
            select(GRAPH, &["xen-system-amd64"], &["lib", "zlib", "xen-utils-"]).unwrap(),
            ["libc6", "libxenmisc4.17", "xen-system-amd64", "xen-utils-4.17", "zlib1g"]
        );
    }

    #[test]
    fn missing_package_is_named() {
        let error = select("linux-image-amd64\n", &["xen-system-amd64"], &["lib"]).unwrap_err();
        assert!(error.to_string().contains("xen-system-amd64"), "{error}");
    }

    #[test]
    fn file_names_hold_the_version_and_the_signed_hash_comes_along() {
        let uris = "Get:1 something\n'http://mirror/x/a_1%3a2_amd64.deb' a_1%3a2_amd64.deb 10 SHA256:0f\n";
        assert_eq!(packages(uris), [Package { file: "a_1%3a2_amd64.deb".into(), sha256: "0f".into() }]);
    }

    #[test]
    fn half_a_download_is_not_taken_and_told_where_the_rest_cannot_be_had() {
        let folder = tempfile::tempdir().unwrap();
        let debian = Debian {
            release: crate::debian::Release::Bookworm,
            folder: folder.path().to_owned(),
            _lock: fs::File::create(folder.path().join("lock")).unwrap(),
        };
        let (file, downloads) = ("half_1_amd64.deb", debian.downloads());
        let set = |content: &[u8]| {
            let sha256 = Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect();
            PackageSet { packages: vec![Package { file: file.into(), sha256 }] }
        };
        fs::create_dir_all(&downloads).unwrap();
        fs::write(downloads.join(file), b"half").unwrap();
        set(b"half").download(&debian, &downloads).expect("it is what was signed");
        // This apt knows no packages, as one without a network would get none.
        let error = set(b"half and half").download(&debian, &downloads).unwrap_err().to_string();
        assert!(error.contains("cannot download half_1_amd64.deb: "), "{error}");
        assert!(!downloads.join(file).exists(), "it would be unpacked");
    }

    #[test]
    fn answer_is_kept_for_the_same_question_only() {
        let set = PackageSet { packages: packages("'http://m/a' a_1_amd64.deb 10 SHA256:0f\n") };
        let cache = set.to_cache("a > lib");
        assert_eq!(PackageSet::from_cache(&cache, "a > lib"), Some(set));
        assert_eq!(PackageSet::from_cache(&cache, "a > lib zlib"), None);
        assert_eq!(PackageSet::from_cache("", "a > lib"), None);
    }

    #[test]
    fn torn_file_is_not_taken_for_a_package() {
        let folder = std::env::temp_dir().join(format!("osevent-torn-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        // SHA-256 of "abc".
        let sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad".to_owned();
        let package = Package { file: "a_1_amd64.deb".into(), sha256 };
        assert!(!package.is_whole(&folder).unwrap(), "it is not there");
        fs::write(folder.join(&package.file), "ab").unwrap();
        assert!(!package.is_whole(&folder).unwrap(), "its end is missing");
        fs::write(folder.join(&package.file), "abc").unwrap();
        assert!(package.is_whole(&folder).unwrap());
        fs::remove_dir_all(&folder).unwrap();
    }
}
