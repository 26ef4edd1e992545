//! The host, as the service describes it.

use super::bus::Properties;
use crate::engine::Host;
use crate::engine::host::sockets;
use gtk::glib::Variant;
use gtk::glib::variant::FromVariant;

/// The host; nothing if something is lacking, or of another type.
pub(super) fn read(described: &Properties) -> Option<Host> {
    let cpus = told(described, "Cpus")?;
    let types: Vec<String> = told(described, "Kinds")?;
    Some(Host {
        xen: told(described, "XenVersion")?,
        libxl: told(described, "LibxlVersion")?,
        command_line: told(described, "CommandLine")?,
        scheduler: told(described, "Scheduler")?,
        cpus,
        sockets: sockets(cpus, told(described, "CoresPerSocket")?, told(described, "ThreadsPerCore")?),
        mhz: told::<u32>(described, "CpuKhz")? / 1000,
        nodes: told(described, "Nodes")?,
        memory_kib: told(described, "MemoryKib")?,
        free_kib: told(described, "FreeMemoryKib")?,
        types: types.iter().map(|kind| kind.to_uppercase()).collect(),
        has_iommu: told(described, "HasIommu")?,
    })
}

fn told<T: FromVariant>(described: &Properties, name: &str) -> Option<T> {
    described.get(name).and_then(Variant::get)
}
