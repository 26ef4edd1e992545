//! The configurations of domains that are followed, kept until something that they are made of has changed.
//!
//! # What one is made of
//! `libxl_retrieve_domain_configuration` was read in Xen 4.14 to 4.22; docs/design.md has the table. A change shows in one of these
//! ways, or the configuration is not kept ([`shows_changes`]):
//! - Xenstored tells of it ([`Told`]): of the name, the memory, the processors of PV and PVH domains, and of the devices below `/libxl`.
//! - libxl's file about the domain differs. It is read each time.
//! - The scheduler's parameters, and the limits of xenstore, are asked for each time, unless the caller takes them as they are kept.
//!
//! # None that is given is stale
//! Xenstored tells a connection of a change before it answers what is asked on it after that. So whoever looks for a configuration asks
//! something first ([`Kept::catch_up`]), and then takes all that was told: what any program had changed before is known. To take it and to forget
//! what is kept are one step, under the lock. Else another thread could find, between them, what is to be forgotten.
//!
//! What libxl tells is kept only if, since before it was asked, nothing was told of the domain, and its file is the same. That one is
//! open meanwhile, so no other file can have its inode.

use crate::error::Error;
use crate::lock;
use crate::store::Store;
use crate::told::{NOTED, Told};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use uuid::Uuid;
use xenlight_sys::Release;
use xenlight_types::{DomainConfig, DomainId, Machine};

/// The releases whose libxl was read: another one may make a configuration of other things.
pub(crate) fn knows(release: Release) -> bool {
    (Release::V4_14..=Release::new(4, 22)).contains(&release)
}

/// Oxenstored keeps a limit of its own for what it tells, 1,024 unless it is configured: where as many wait, an answer can come before those that
/// are above it. So after so many, it is asked again.
const MANY: usize = 64;

/// Of one connection to xenstored, which tells of the changes.
#[derive(Default)]
pub(crate) struct Kept(Mutex<State>);

#[derive(Default)]
struct State {
    /// Whether what libxl notes is watched: once somebody wants a configuration.
    is_noted_watched: bool,
    /// How many changes there were, of any domain: no two have the same number.
    changes: u64,
    /// Those whose nodes are watched.
    domains: BTreeMap<DomainId, Watched>,
}

struct Watched {
    /// The number of the last change.
    since: u64,
    held: Option<Held>,
}

struct Held {
    /// What libxl's file had in it.
    file: Vec<u8>,
    config: DomainConfig,
}

/// What is kept of a domain.
pub(crate) enum Found {
    Config(Box<DomainConfig>),
    /// Nothing, since this change.
    Nothing(u64),
}

impl Kept {
    /// The nodes of the domain are watched from now on.
    pub(crate) fn begin(&self, domid: DomainId) {
        let State { changes, domains, .. } = &mut *lock(&self.0);
        *changes += 1;
        domains.entry(domid).or_insert(Watched { since: *changes, held: None });
    }

    /// The nodes of the domain are about to be watched no more.
    pub(crate) fn end(&self, domid: DomainId) {
        // Dropped outside the lock.
        let _forgotten = lock(&self.0).domains.remove(&domid);
    }

    /// What was told, up to a limit: the fd stays readable while there is more. None is nothing, because another thread has taken it.
    ///
    /// # Errors
    /// The connection is broken.
    pub(crate) fn take(&self, store: &Store) -> Result<BTreeSet<Told>, Error> {
        let mut told = BTreeSet::new();
        lock(&self.0).take(store, &mut told).map(|_| told)
    }

    /// All that was told of what had changed before this call. Waits for xenstored. An error is that it does not answer; then some may be
    /// missing, but what was told until then has been taken.
    pub(crate) fn catch_up(&self, store: &Store) -> (BTreeSet<Told>, Result<(), Error>) {
        let mut told = BTreeSet::new();
        let result = lock(&self.0).catch_up(store, &mut told);
        (told, result)
    }

    /// For whoever has [caught up](Self::catch_up). Nothing at all if its nodes are not watched.
    pub(crate) fn find(&self, domid: DomainId, uuid: Uuid, file: &[u8]) -> Option<Found> {
        let state = lock(&self.0);
        let Watched { since, held } = state.domains.get(&domid)?;
        let held = held.as_ref().filter(|held| held.config.create_info.uuid == Some(uuid) && held.file == file);
        Some(held.map_or(Found::Nothing(*since), |held| Found::Config(Box::new(held.config.clone()))))
    }

    fn keep(&self, domid: DomainId, since: u64, held: Held) {
        let mut state = lock(&self.0);
        let watched = state.domains.get_mut(&domid).filter(|watched| watched.since == since);
        // Dropped outside the lock.
        let _before = watched.and_then(|watched| watched.held.replace(held));
    }
}

impl State {
    fn catch_up(&mut self, store: &Store, all: &mut BTreeSet<Told>) -> Result<(), Error> {
        if !self.is_noted_watched {
            store.watch(NOTED.0, NOTED.1)?;
            self.is_noted_watched = true;
        }
        loop {
            // It has a value. Of a broken connection, libxenstore can say that there is no such node.
            store.read("/")?.ok_or(Error::XenstoredLost)?;
            let mut count = 0;
            loop {
                let more = self.take(store, all)?;
                count += more;
                if more == 0 {
                    break;
                }
            }
            if count < MANY {
                return Ok(());
            }
        }
    }

    /// Adds what was told, and returns how many times something was.
    fn take(&mut self, store: &Store, all: &mut BTreeSet<Told>) -> Result<usize, Error> {
        const LIMIT: usize = 256;
        let mut count = 0;
        while count < LIMIT
            && let Some((path, token)) = store.told()?
        {
            let told = Told::of(&path, &token);
            self.forget(told);
            all.insert(told);
            count += 1;
        }
        Ok(count)
    }

    fn forget(&mut self, told: Told) {
        self.changes += 1;
        let Self { changes, domains, .. } = self;
        let forget = |watched: &mut Watched| *watched = Watched { since: *changes, held: None };
        match told {
            Told::Domains => {}
            Told::Name(domid) | Told::Memory(domid) | Told::Cpus(domid) | Told::Noted(Some(domid)) => {
                domains.get_mut(&domid).map(forget);
            }
            Told::Noted(None) => domains.values_mut().for_each(forget),
        }
    }
}

/// Libxl's file about a domain, with the configuration that it was created from and its devices. It is replaced by another one whenever it
/// changes.
pub(crate) struct OwnFile {
    path: PathBuf,
    file: File,
    bytes: Vec<u8>,
}

impl OwnFile {
    pub(crate) fn path(domid: DomainId, uuid: Uuid) -> PathBuf {
        format!("/var/lib/xen/userdata-d.{domid}.{uuid}.libxl-json").into()
    }

    /// # Errors
    /// There is none; or this libxl keeps its files elsewhere.
    pub(crate) fn read(path: PathBuf) -> io::Result<Self> {
        let mut file = File::open(&path)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(Self { path, file, bytes })
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether nobody has replaced it since.
    fn is_current(&self) -> bool {
        let identity = |file: &File| file.metadata().map(|file| (file.dev(), file.ino()));
        File::open(&self.path).and_then(|now| Ok(identity(&now)? == identity(&self.file)?)).unwrap_or(false)
    }
}

/// Keeps a configuration that libxl is asked for, if nothing changes meanwhile. Made before it is asked.
pub(crate) struct Keeping {
    pub(crate) kept: Arc<Kept>,
    pub(crate) domid: DomainId,
    pub(crate) uuid: Uuid,
    /// The last change that was known.
    pub(crate) since: u64,
    pub(crate) file: OwnFile,
}

impl Keeping {
    pub(crate) fn keep(self, config: &DomainConfig) {
        // The number may have become another domain's.
        if config.create_info.uuid == Some(self.uuid) && shows_changes(config) && self.file.is_current() {
            self.kept.keep(self.domid, self.since, Held { file: self.file.bytes, config: config.clone() });
        }
    }
}

/// Whether changes of all that it is made of show.
fn shows_changes(config: &DomainConfig) -> bool {
    // Of the device lists that libxl compares with xenstore, all but disks and network devices; some of these are the backends'.
    let has_others = [
        config.pcidevs.len(),
        config.vtpms.len(),
        config.usbctrls.len(),
        config.usbdevs.len(),
        config.vdispls.len(),
        config.vsnds.len(),
        config.p9s.len(),
        config.virtios.len(),
        config.dtdevs.len(),
    ]
    .iter()
    .any(|count| *count > 0);
    let build = &config.build_info;
    let shows_cpus = match build.machine {
        Some(Machine::Pv(_) | Machine::Pvh(_)) => true,
        // QEMU is asked which it has, and nothing tells of it. It has one at least.
        _ => build.max_vcpus == Some(1),
    };
    !has_others && shows_cpus
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use xenlight_types::{Disk, Hvm, Pci, Pv};

    const FIVE: DomainId = DomainId::new(5);
    const ONE: Uuid = Uuid::from_u128(1);
    const TWO: Uuid = Uuid::from_u128(2);

    fn config() -> DomainConfig {
        let mut config = DomainConfig::new("five", Machine::Pv(Pv::default()));
        config.create_info.uuid = Some(ONE);
        config
    }

    /// The last change; what is kept is none.
    fn nothing(kept: &Kept) -> u64 {
        match kept.find(FIVE, ONE, b"file") {
            Some(Found::Nothing(since)) => since,
            Some(Found::Config(_)) => panic!("something is kept"),
            None => panic!("it is not watched"),
        }
    }

    fn keep(kept: &Kept, since: u64) {
        kept.keep(FIVE, since, Held { file: b"file".to_vec(), config: config() });
    }

    fn is_kept(kept: &Kept, uuid: Uuid, file: &[u8]) -> bool {
        matches!(kept.find(FIVE, uuid, file), Some(Found::Config(_)))
    }

    #[test]
    fn a_configuration_is_kept_for_its_domain_and_its_file_until_something_is_told() {
        for told in [Told::Name(FIVE), Told::Memory(FIVE), Told::Cpus(FIVE), Told::Noted(Some(FIVE)), Told::Noted(None)]
        {
            let kept = Kept::default();
            kept.begin(FIVE);
            keep(&kept, nothing(&kept));
            assert!(is_kept(&kept, ONE, b"file"));
            assert!(!is_kept(&kept, TWO, b"file") && !is_kept(&kept, ONE, b"another"));
            lock(&kept.0).forget(Told::Domains);
            lock(&kept.0).forget(Told::Name(DomainId::new(6)));
            assert!(is_kept(&kept, ONE, b"file"));
            lock(&kept.0).forget(told);
            nothing(&kept);
        }
    }

    #[test]
    fn what_changed_between_the_question_and_the_answer_is_not_kept() {
        let kept = Kept::default();
        kept.begin(FIVE);
        let since = nothing(&kept);
        lock(&kept.0).forget(Told::Name(FIVE));
        keep(&kept, since);
        nothing(&kept);
    }

    #[test]
    fn what_is_not_watched_is_not_kept_and_nothing_is_kept_across() {
        let kept = Kept::default();
        assert!(kept.find(FIVE, ONE, b"file").is_none());
        kept.begin(FIVE);
        let since = nothing(&kept);
        // Another domain gets the number, while libxl is asked about this one.
        kept.end(FIVE);
        keep(&kept, since);
        assert!(kept.find(FIVE, ONE, b"file").is_none());
        kept.begin(FIVE);
        keep(&kept, since);
        nothing(&kept);
    }

    #[test]
    fn a_file_that_was_replaced_is_another_one_though_it_says_the_same() -> io::Result<()> {
        let folder = std::env::temp_dir().join(format!("xenlight-kept-{}", std::process::id()));
        fs::create_dir(&folder)?;
        let (path, new) = (folder.join("file"), folder.join("new"));
        fs::write(&path, "one")?;
        let file = OwnFile::read(path.clone())?;
        let was_current = file.is_current();
        for text in ["two", "one"] {
            fs::write(&new, text)?;
            fs::rename(&new, &path)?;
        }
        let is_current = file.is_current();
        fs::remove_file(&path)?;
        let is_without = file.is_current();
        fs::remove_dir(&folder)?;
        assert_eq!((file.bytes(), was_current, is_current, is_without), (&b"one"[..], true, false, false));
        Ok(())
    }

    #[test]
    fn only_what_shows_its_changes_is_kept() {
        assert!(shows_changes(&config()));
        let with = |change: &dyn Fn(&mut DomainConfig)| {
            let mut config = config();
            change(&mut config);
            shows_changes(&config)
        };
        assert!(with(&|config| config.disks = vec![Disk::default()]));
        assert!(!with(&|config| config.pcidevs = vec![Pci::default()]));
        let hvm = |max: i32| {
            with(&|config| {
                let build = config.build_info.clone().machine(Machine::Hvm(Hvm::default()));
                config.build_info = build.max_vcpus(max).avail_vcpus(0..max as u32);
            })
        };
        assert!(hvm(1) && !hvm(2));
    }

    #[test]
    fn releases_that_were_not_read_are_not_known() {
        assert!([(4, 13), (4, 23)].iter().all(|(major, minor)| !knows(Release::new(*major, *minor))));
        assert!([(4, 14), (4, 17), (4, 20), (4, 22)].iter().all(|(major, minor)| knows(Release::new(*major, *minor))));
    }
}
