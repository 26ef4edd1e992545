//! `list`: the domains, for people.

use std::io::{self, Write};

use zbus::Connection;

use crate::Failed;
use crate::client::domains;

/// Prints a table.
///
/// # Errors
/// Those of the bus and of standard output.
pub(crate) async fn run(bus: &Connection) -> Result<(), Failed> {
    let domains = domains(bus).await?;
    let mut out = io::stdout().lock();
    writeln!(out, "{:>5}  {:<9}  {:>8}  {:>5}  NAME", "ID", "STATE", "MEM/MIB", "VCPUS")?;
    for domain in &domains {
        let (id, vcpus, mib) = (domain.number("Id"), domain.number("VcpusOnline"), domain.number("MemoryKib") / 1024);
        writeln!(out, "{id:>5}  {:<9}  {mib:>8}  {vcpus:>5}  {}", domain.text("State"), domain.text("Name"))?;
    }
    Ok(out.flush()?)
}
