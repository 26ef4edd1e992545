//! What is noted of a domain beside its flags.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What there is of a domain beside its flags. The words of one that does not exist are all 0.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) uuid: [AtomicU64; 2],
    pub(crate) pages: AtomicU64,
    pub(crate) max_pages: AtomicU64,
    pub(crate) vcpus: AtomicU64,
    pub(crate) ssidref: AtomicU64,
    /// Its processor time up to when it was last stopped, in ns.
    pub(crate) cpu_time: AtomicU64,
    /// Since when it runs, by CLOCK_MONOTONIC in ns; 0 while it does not.
    pub(crate) running_since: AtomicU64,
    /// The last event channel port that it got.
    pub(crate) last_port: AtomicU64,
    /// Whether the system in it has got to where it answers.
    pub(crate) booted: AtomicU64,
    /// Its share of the processors as the scheduler credit2 has it: weight and cap.
    pub(crate) weight: AtomicU64,
    pub(crate) cap: AtomicU64,
}

/// A domain to be created.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct NewDomain {
    /// Its id; `None` for any.
    pub domid: Option<u32>,
    /// As Xen's `xen_domain_handle_t`.
    pub uuid: [u8; 16],
    /// FLASK's label.
    pub ssidref: u32,
    /// How many virtual processors it can have.
    pub max_vcpus: u32,
    /// `XEN_DOMINF_hvm_guest` and its like; it is paused.
    pub flags: u32,
}

impl NewDomain {
    /// A PV domain with one processor and any id.
    pub fn new(uuid: [u8; 16]) -> Self {
        Self { domid: None, uuid, ssidref: 0, max_vcpus: 1, flags: 0 }
    }
}

/// What a domain has whose flags were set without it being created: 4 MiB.
const PLAIN_PAGES: u64 = 1024;
/// Credit2's weight of a new domain.
const WEIGHT: u64 = 256;

impl Record {
    /// Becomes a plain domain.
    pub(crate) fn plain(&self, domid: u32, used: &AtomicU64) {
        let mut uuid = [0; 16];
        uuid[12..].copy_from_slice(&domid.to_be_bytes());
        self.create(&NewDomain::new(uuid));
        self.max_pages.store(PLAIN_PAGES, Relaxed);
        self.pages.store(PLAIN_PAGES, Relaxed);
        used.fetch_add(PLAIN_PAGES, Relaxed);
    }

    /// Forgets the domain.
    pub(crate) fn clear(&self, used: &AtomicU64) {
        used.fetch_sub(self.pages.swap(0, Relaxed), Relaxed);
        self.create(&NewDomain { max_vcpus: 0, ..NewDomain::new([0; 16]) });
    }

    /// It begins to run.
    pub(crate) fn runs(&self) {
        self.running_since.store(now(), Relaxed);
    }

    /// It does not run any more.
    pub(crate) fn stops(&self, domid: u32) {
        let since = self.running_since.swap(0, Relaxed);
        self.cpu_time.fetch_add(self.busy(domid, since), Relaxed);
    }

    pub(crate) fn create(&self, new: &NewDomain) {
        let (first, last) = new.uuid.split_at(8);
        for (word, bytes) in self.uuid.iter().zip([first, last]) {
            word.store(u64::from_ne_bytes(bytes.try_into().expect("8 bytes")), Relaxed);
        }
        self.max_pages.store(0, Relaxed);
        self.vcpus.store(new.max_vcpus.into(), Relaxed);
        self.ssidref.store(new.ssidref.into(), Relaxed);
        self.weight.store(WEIGHT, Relaxed);
        for word in [&self.cpu_time, &self.running_since, &self.last_port, &self.booted, &self.cap] {
            word.store(0, Relaxed);
        }
    }

    /// How long its processors were busy since then, in ns.
    pub(crate) fn busy(&self, domid: u32, since: u64) -> u64 {
        if since == 0 {
            return 0;
        }
        let percent = u64::from(domid) * 37 % 60 + 1;
        now().saturating_sub(since) / 100 * percent * self.vcpus.load(Relaxed)
    }
}

/// CLOCK_MONOTONIC in ns, never 0. It is the same in all processes.
pub(crate) fn now() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` outlives the call. This clock cannot fail.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut time) };
    (time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64).max(1)
}
