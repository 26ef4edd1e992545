//! The host: what it is, and what its domains use of it.

use super::Failure;
use super::work::elsewhere;
use super::xen::Xen;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use xenlight::Error;

/// What the host is, and has.
#[derive(Clone, Debug)]
pub(crate) struct Host {
    pub(crate) xen: String,
    pub(crate) libxl: String,
    /// What Xen was booted with.
    pub(crate) command_line: String,
    pub(crate) scheduler: String,
    pub(crate) cpus: u32,
    pub(crate) sockets: u32,
    pub(crate) mhz: u32,
    pub(crate) nodes: u32,
    pub(crate) memory_kib: u64,
    pub(crate) free_kib: u64,
    /// Which types of domains can run.
    pub(crate) types: Vec<String>,
    /// Whether devices of the host can be given to domains.
    pub(crate) has_iommu: bool,
}

/// The processor time of each domain until then, by its number.
#[derive(Clone, Debug)]
pub(crate) struct Usage {
    pub(crate) at: Instant,
    pub(crate) of_domains: BTreeMap<u32, Duration>,
}

/// How many sockets have these processors.
pub(super) fn sockets(cpus: u32, cores: u32, threads: u32) -> u32 {
    cores.checked_mul(threads).and_then(|of_socket| cpus.checked_div(of_socket)).unwrap_or_default()
}

const PAGE_KIB: u64 = 4;

impl Xen {
    pub(crate) async fn host(&self) -> Result<Host, Failure> {
        let ctx = self.ctx().clone();
        let libxl = ctx.library().release().to_string();
        let asked = elsewhere(move || {
            let (host, version) = (ctx.phys_info()?, ctx.version_info()?);
            let kinds = [(host.cap_pv, "PV"), (host.cap_hvm, "HVM"), (host.cap_hvm, "PVH")];
            Ok::<_, Error>(Host {
                xen: ctx.xen_version()?.to_string(),
                libxl,
                command_line: version.commandline.unwrap_or_default(),
                scheduler: ctx.scheduler()?.to_string(),
                cpus: host.nr_cpus,
                sockets: sockets(host.nr_cpus, host.cores_per_socket, host.threads_per_core),
                mhz: host.cpu_khz / 1000,
                nodes: host.nr_nodes,
                memory_kib: host.total_pages * PAGE_KIB,
                free_kib: host.free_pages * PAGE_KIB,
                types: kinds.into_iter().filter(|(can, _)| *can).map(|(_, name)| name.to_owned()).collect(),
                has_iommu: host.cap_hvm_directio,
            })
        });
        Ok(asked.await?)
    }

    pub(crate) async fn usage(&self) -> Result<Usage, Failure> {
        let ctx = self.ctx().clone();
        let asked = elsewhere(move || {
            let at = Instant::now();
            let domains = ctx.domains()?.into_iter().map(|domain| (domain.domid.get(), domain.cpu_time));
            Ok::<_, Error>(Usage { at, of_domains: domains.collect() })
        });
        Ok(asked.await?)
    }
}
