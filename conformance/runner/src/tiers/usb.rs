//! A USB device that is of no use but to be given away: QEMU's tablet, in the lab's machine.

use anyhow::Context;
use osevent_conformance::outcome::Skip;
use std::fs;
use std::path::Path;
use xenlight::types::{HostUsbDevice, UsbDevice, UsbDeviceKind};

const TABLET: &str = "QEMU USB Tablet";

/// # Errors
/// A [`Skip`] if this dom0 has none.
pub(crate) fn tablet() -> anyhow::Result<UsbDevice> {
    let none = || Skip(format!("this machine has no USB device that may be given away: a {TABLET}"));
    let told = |device: &Path, file| fs::read_to_string(device.join(file)).map(|text| text.trim().to_owned());
    let entries = fs::read_dir("/sys/bus/usb/devices").map_err(|_| none())?;
    let mut devices = entries.flatten().map(|entry| entry.path());
    let device = devices.find(|device| told(device, "product").is_ok_and(|is| is == TABLET)).ok_or_else(none)?;
    let number = |file| told(&device, file)?.parse::<u8>().with_context(|| format!("{}, {file}", device.display()));
    let host = HostUsbDevice::default().hostbus(number("busnum")?).hostaddr(number("devnum")?);
    Ok(UsbDevice::default().kind(UsbDeviceKind::Host(host)))
}
