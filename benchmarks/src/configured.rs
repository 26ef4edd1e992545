//! Domains on a simulated machine that have configurations, as those that libxl has created.

use anyhow::Context;
use osevent_standin_machine::Machine;
use std::fs;
use std::path::Path;
use xenlight::types::{Machine as Kind, Pv};
use xenlight::{Ctx, DomainConfig};

/// Adds so many.
pub(crate) fn add(machine: &Machine, domains: u32) -> anyhow::Result<()> {
    for domid in 1..=domains {
        machine.add_domain(domid).map_err(|error| anyhow::anyhow!("no domain {domid}: {error}"))?;
        // In KiB.
        for (node, kib) in [("target", "4096"), ("static-max", "4096"), ("videoram", "0")] {
            machine.store().write(&format!("/local/domain/{domid}/memory/{node}"), kib.as_bytes())?;
        }
    }
    Ok(())
}

/// Writes libxl's file about each of them, in a process on the machine.
pub(crate) fn write_files(ctx: &Ctx) -> anyhow::Result<()> {
    let folder = std::env::var_os("OSEVENT_XENCALL_STATE_DIR").context("this is no simulated machine")?;
    for domain in ctx.domains()? {
        let file = format!("userdata-d.{}.{}.libxl-json", domain.domid, domain.uuid);
        let config = DomainConfig::new(format!("pretend-{}", domain.domid), Kind::Pv(Pv::default()));
        fs::write(Path::new(&folder).join(file), config.to_json() + "\0")?;
    }
    Ok(())
}
