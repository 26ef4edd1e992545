//! Packages of any Debian release, whichever runs here: verified, downloaded and unpacked below `target`, never installed.
//!
//! Each [`Release`] has an apt of its own there, with its own lists of packages; [`sources`] says where they come from.
//! The host's apt is asked nothing and changed in nothing, so root is not needed.

mod packages;
mod release;
mod sources;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::apt;
pub(crate) use packages::PackageSet;
pub(crate) use release::Release;

/// The signatures of all that is taken from Debian are held against these.
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// The lines of a file `sources.list` for `release`, with this machine's mirror.
///
/// # Errors
/// There is no mirror to be found.
pub(crate) fn sources_of(release: Release) -> Result<String> {
    Ok(sources::of_host()?.lines(release, KEYRING))
}

/// One release's apt, and what has been downloaded with it.
pub(crate) struct Debian {
    release: Release,
    folder: PathBuf,
    /// Held for as long as this lives: nobody else downloads or unpacks at the same time.
    _lock: File,
}

impl Debian {
    /// Opens the archive of `release` below `target`; fetches its lists of packages if there are none.
    ///
    /// # Errors
    /// There is no apt here, no keyring, no mirror to be found, no network, or the mirror does not have the release.
    pub(crate) fn open(target: &Path, release: Release) -> Result<Debian> {
        if !apt::available() {
            bail!("packages of Debian are fetched with apt-get and unpacked with dpkg-deb, which are not here");
        }
        let folder = target.join("debian").join(release.codename());
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let lock = File::create(folder.join("lock"))?;
        lock.lock()?;
        let debian = Debian { release, folder, _lock: lock };
        debian.configure()?;
        if debian.lists_missing() {
            debian.update()?;
        }
        Ok(debian)
    }

    /// The packages `roots` and, of all that they depend on, those whose names begin with one of `follow`; downloaded.
    ///
    /// The answer is kept under `label`, so that nothing is asked and no network is needed next time.
    pub(crate) fn packages(&self, label: &str, roots: &[&str], follow: &[&str]) -> Result<PackageSet> {
        let set = self.set(label, roots, follow)?;
        let Err(error) = set.download(self, &self.downloads()) else { return Ok(set) };
        // Lists that are not fresh name files that the mirror no longer has.
        eprintln!("debian: {error:#}\ndebian: trying again with new lists");
        self.update()?;
        let set = self.set(label, roots, follow)?;
        set.download(self, &self.downloads())?;
        Ok(set)
    }

    fn set(&self, label: &str, roots: &[&str], follow: &[&str]) -> Result<PackageSet> {
        let file = self.folder.join(format!("{label}.set"));
        let question = format!("{} > {}", roots.join(" "), follow.join(" "));
        if let Ok(text) = fs::read_to_string(&file)
            && let Some(set) = PackageSet::from_cache(&text, &question)
        {
            return Ok(set);
        }
        let set = PackageSet::resolve(self, roots, follow)?;
        fs::write(&file, set.to_cache(&question))?;
        Ok(set)
    }

    /// The same, unpacked: the folder, which is kept and is replaced when there are newer packages.
    pub(crate) fn unpacked(&self, label: &str, roots: &[&str], follow: &[&str]) -> Result<PathBuf> {
        let set = self.packages(label, roots, follow)?;
        let name = format!("{label}-{:016x}", set.hash());
        let folder = self.folder.join(&name);
        if !folder.exists() {
            let work = self.folder.join("unpacking");
            self.unpack(&set, &work)?;
            let older = format!("{label}-");
            for entry in self.folder.read_dir()?.flatten() {
                if entry.file_name().to_string_lossy().starts_with(&older) {
                    fs::remove_dir_all(entry.path())?;
                }
            }
            fs::rename(&work, &folder)?;
        }
        Ok(folder)
    }

    /// Unpacks `set` into `folder`, which is made anew.
    pub(crate) fn unpack(&self, set: &PackageSet, folder: &Path) -> Result<()> {
        if folder.exists() {
            fs::remove_dir_all(folder)?;
        }
        fs::create_dir_all(folder)?;
        set.unpack(&self.downloads(), folder)
    }

    fn downloads(&self) -> PathBuf {
        self.folder.join("packages")
    }

    /// Fetches the lists of packages.
    fn update(&self) -> Result<()> {
        let release = self.release;
        self.forget()?;
        eprintln!("debian: fetching the lists of packages of {release}");
        // An error for each list that cannot be had, which apt would take for a warning.
        let arguments = ["-q", "-o", "APT::Update::Error-Mode=any", "update"];
        let output = self.command("apt-get").args(arguments).output().context("cannot run apt-get")?;
        if output.status.success() && !self.lists_missing() {
            return Ok(());
        }
        let words = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        if words.contains("404") || words.contains("does not have a Release file") {
            bail!(
                "the mirror does not have {release} (any more): name one that has it, an archive of old releases perhaps, \
                 in {}: {words}",
                sources::MIRROR
            );
        }
        bail!("cannot fetch the lists of packages of {release}; is there a network? {words}");
    }

    /// Forgets what was worked out from the lists.
    fn forget(&self) -> Result<()> {
        for entry in self.folder.read_dir()?.flatten() {
            if entry.path().extension().is_some_and(|ending| ending == "set") {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }

    fn lists_missing(&self) -> bool {
        !apt::has_lists(&self.folder.join("lists"))
    }

    /// Writes apt's configuration.
    fn configure(&self) -> Result<()> {
        if !Path::new(KEYRING).exists() {
            bail!("there is no {KEYRING}, which Debian's packages are verified with: install debian-archive-keyring");
        }
        let folder = self.folder.display();
        let sources = sources_of(self.release)?;
        let written = fs::read_to_string(self.sources()).unwrap_or_default();
        if written != sources {
            // Lists of another mirror would not fit.
            let lists = self.folder.join("lists");
            if lists.exists() {
                fs::remove_dir_all(lists)?;
            }
            self.forget()?;
            fs::write(self.sources(), sources)?;
        }
        for inside in ["lists/partial", "cache/archives/partial"] {
            fs::create_dir_all(self.folder.join(inside))?;
        }
        fs::write(self.folder.join("status"), "")?;
        let configuration = format!(
            "Dir::State \"{folder}\";\nDir::State::status \"{folder}/status\";\nDir::Cache \"{folder}/cache\";\n\
             Dir::Etc::sourcelist \"{folder}/sources.list\";\nDir::Etc::sourceparts \"/dev/null\";\n\
             Dir::Etc::preferences \"/dev/null\";\nDir::Etc::preferencesparts \"/dev/null\";\n\
             APT::Architecture \"amd64\";\nAPT::Architectures {{ \"amd64\"; }};\nAcquire::Languages \"none\";\n\
             Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled \"false\";\n\
             Acquire::Retries \"3\";\nAPT::Sandbox::User \"root\";\n"
        );
        Ok(fs::write(self.configuration(), configuration)?)
    }

    fn sources(&self) -> PathBuf {
        self.folder.join("sources.list")
    }

    fn configuration(&self) -> PathBuf {
        self.folder.join("apt.conf")
    }

    /// A program of this apt, without standard input and in English, since its words are read.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("APT_CONFIG", self.configuration()).env("LC_ALL", "C").stdin(Stdio::null());
        command
    }
}
