//! A PCI device that is of no use but to be given away: QEMU's `pci-testdev`, in the lab's machine.

use anyhow::{Context, ensure};
use osevent_conformance::outcome::Skip;
use std::fs;
use std::path::{Path, PathBuf};
use xenlight::types::Pci;

/// Vendor and device.
const TEST_DEVICE: [(&str, &str); 2] = [("vendor", "0x1b36"), ("device", "0x0005")];
const PCIBACK: &str = "/sys/bus/pci/drivers/pciback";

pub(crate) struct TestDevice {
    pub(crate) pci: Pci,
    /// Such as `0000:00:05.0`.
    pub(crate) address: String,
    path: PathBuf,
}

impl TestDevice {
    /// # Errors
    /// A [`Skip`] if this dom0 has no such device, or not the driver that keeps devices for domains.
    pub(crate) fn find() -> anyhow::Result<Self> {
        if !Path::new(PCIBACK).exists() {
            return Err(Skip("the kernel's backend of PCI devices is not there: modprobe xen-pciback".into()).into());
        }
        let is_one = |path: &Path| {
            TEST_DEVICE
                .iter()
                .all(|(file, number)| fs::read_to_string(path.join(file)).is_ok_and(|is| is.trim() == *number))
        };
        let mut devices = fs::read_dir("/sys/bus/pci/devices")?.flatten().map(|entry| entry.path());
        let none = || Skip("this machine has no PCI device that may be given away: one of QEMU's for tests".into());
        let path = devices.find(|path| is_one(path)).ok_or_else(none)?;
        let address = path.file_name().and_then(|name| name.to_str()).context("a device has no name")?.to_owned();
        let numbers: Option<Vec<_>> =
            address.split([':', '.']).map(|part| i32::from_str_radix(part, 16).ok()).collect();
        let Some(&[domain, bus, device, function]) = numbers.as_deref() else {
            anyhow::bail!("{address} is no address of a PCI device");
        };
        let pci = Pci::default().domain(domain).bus(bus as u8).device(device as u8).function(function as u8);
        ensure!(!is_pcibacks(&path), "{address} is assignable already");
        Ok(Self { pci, address, path })
    }

    /// Whether it is kept for domains.
    pub(crate) fn is_pcibacks(&self) -> bool {
        is_pcibacks(&self.path)
    }

    /// Whether it is this one.
    pub(crate) fn is(&self, other: &Pci) -> bool {
        let address = |pci: &Pci| {
            (pci.domain.unwrap_or(0), pci.bus.unwrap_or(0), pci.device.unwrap_or(0), pci.function.unwrap_or(0))
        };
        address(other) == address(&self.pci)
    }
}

impl Drop for TestDevice {
    /// Without libxl, which cannot take it back where there is no IOMMU.
    fn drop(&mut self) {
        if self.is_pcibacks() {
            for file in ["unbind", "remove_slot"] {
                // If it fails, the next case says that it is assignable.
                _ = fs::write(Path::new(PCIBACK).join(file), &self.address);
            }
        }
    }
}

fn is_pcibacks(path: &Path) -> bool {
    fs::read_link(path.join("driver")).is_ok_and(|driver| driver.ends_with("pciback"))
}
