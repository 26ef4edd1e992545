//! The host as a machine: what it has, and which Xen manages it.

use std::collections::HashMap;

use xenlight::{Ctx, Error};
use zbus::Variant;

const PAGE_KIB: u64 = 4;

/// What it is told to be, by name. Nothing of it is a secret: whoever can use the bus may know it.
pub(crate) type Description = HashMap<&'static str, Variant<'static>>;

/// Asks Xen, which may wait for libxl's lock.
///
/// # Errors
/// Those of libxl.
pub(crate) fn describe(ctx: &Ctx) -> Result<Description, Error> {
    let (host, version) = (ctx.phys_info()?, ctx.version_info()?);
    let kinds = [(host.cap_pv, "pv"), (host.cap_hvm, "hvm"), (host.cap_hvm, "pvh")];
    let kinds: Vec<_> = kinds.into_iter().filter_map(|(can, kind)| can.then_some(kind)).collect();
    Ok(HashMap::from([
        ("XenVersion", ctx.xen_version()?.to_string().into()),
        ("LibxlVersion", ctx.library().release().to_string().into()),
        ("CommandLine", version.commandline.unwrap_or_default().into()),
        ("Scheduler", ctx.scheduler()?.to_string().into()),
        ("Cpus", host.nr_cpus.into()),
        ("CpuKhz", host.cpu_khz.into()),
        ("CoresPerSocket", host.cores_per_socket.into()),
        ("ThreadsPerCore", host.threads_per_core.into()),
        ("Nodes", host.nr_nodes.into()),
        ("MemoryKib", (host.total_pages * PAGE_KIB).into()),
        ("FreeMemoryKib", (host.free_pages * PAGE_KIB).into()),
        ("Kinds", kinds.into()),
        ("HasIommu", host.cap_hvm_directio.into()),
    ]))
}
