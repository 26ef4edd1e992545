//! What a domain has beside memory and processors: devices, and a console.

use super::draft::vdev;
use super::work::elsewhere;
use super::xen::Xen;
use super::{DraftDisk, Failure, Work};
use crate::i18n::{gettext, with};
use std::fs::{self, File};
use std::path::Path;
use xenlight::types::{Disk, DiskFormat, HostUsbDevice, Mac, Nic, Pci, UsbDevice, UsbDeviceKind};
use xenlight::{Ctx, DomainConfig, DomainId, Error, Release};

/// The devices of a domain.
#[derive(Clone, Debug, Default)]
pub(crate) struct Devices {
    pub(crate) disks: Vec<Attached>,
    pub(crate) nics: Vec<Attached>,
    pub(crate) pci: Vec<Attached>,
    pub(crate) usb: Vec<Attached>,
}

/// A device that a domain has.
#[derive(Clone, Debug)]
pub(crate) struct Attached {
    device: Device,
    /// What it is called.
    pub(crate) name: String,
    /// What it is made of.
    pub(crate) made_of: String,
}

#[derive(Clone, Debug)]
enum Device {
    Disk(Box<Disk>),
    Nic(Box<Nic>),
    Pci(Pci),
    Usb(UsbDevice),
}

/// A device that a domain shall have.
#[derive(Clone, Debug)]
pub(crate) enum NewDevice {
    Disk(DraftDisk),
    /// With the bridge and the address; empty for Xen's own choice.
    Nic {
        bridge: String,
        mac: String,
    },
    OfHost(OfHost),
}

/// A device of the host that can be given to a domain.
#[derive(Clone, Debug)]
pub(crate) struct OfHost {
    device: Device,
    pub(crate) name: String,
}

impl Devices {
    /// Those of a configuration.
    pub(super) fn of(config: DomainConfig) -> Self {
        Self {
            disks: config.disks.into_iter().map(disk).collect(),
            nics: config.nics.into_iter().map(nic).collect(),
            pci: config.pcidevs.into_iter().map(pci).collect(),
            usb: config.usbdevs.into_iter().map(usb).collect(),
        }
    }
}

impl Device {
    /// A configuration that has nothing else.
    fn alone(self) -> DomainConfig {
        let mut config = DomainConfig::default();
        match self {
            Self::Disk(disk) => config.disks.push(*disk),
            Self::Nic(nic) => config.nics.push(*nic),
            Self::Pci(pci) => config.pcidevs.push(pci),
            Self::Usb(usb) => config.usbdevs.push(usb),
        }
        config
    }
}

impl Attached {
    /// A configuration that has nothing else.
    pub(super) fn alone(&self) -> DomainConfig {
        self.device.clone().alone()
    }

    /// Whether it is a drive, into which discs are put.
    pub(crate) fn is_drive(&self) -> bool {
        matches!(&self.device, Device::Disk(disk) if disk.is_cdrom == Some(true))
    }

    /// Whether it is a drive without a disc.
    pub(crate) fn is_empty(&self) -> bool {
        self.is_drive() && self.made_of.is_empty()
    }
}

impl OfHost {
    pub(super) fn pci(device: Pci) -> Self {
        Self { name: address(&device), device: Device::Pci(device) }
    }
}

impl NewDevice {
    /// Whether it depends on the devices that are there.
    pub(super) fn has_neighbours(&self) -> bool {
        matches!(self, Self::Disk(_))
    }

    /// A configuration that has nothing else, for a domain that has these.
    pub(super) fn alone(self, there: &Devices) -> DomainConfig {
        self.device(there).alone()
    }

    fn device(self, there: &Devices) -> Device {
        match self {
            Self::Disk(disk) => Device::Disk(Box::new(disk.disk(&free_vdev(&there.disks)))),
            Self::Nic { bridge, mac } => {
                let mut nic = Nic::default();
                nic.bridge = Some(bridge).filter(|bridge| !bridge.is_empty());
                nic.mac = mac.parse().ok();
                Device::Nic(Box::new(nic))
            }
            Self::OfHost(of_host) => of_host.device,
        }
    }

    /// What is missing or wrong.
    pub(crate) fn check(&self) -> Result<(), String> {
        match self {
            Self::Disk(disk) => disk.check(),
            Self::Nic { mac, .. } if !mac.is_empty() && mac.parse::<Mac>().is_err() => {
                Err(gettext("An address is six bytes such as 00:16:3e:12:34:56"))
            }
            _ => Ok(()),
        }
    }
}

impl Xen {
    /// The devices that a domain has now.
    pub(crate) async fn devices(&self, domid: u32) -> Result<Devices, Failure> {
        let (ctx, domid) = (self.ctx().clone(), DomainId::new(domid));
        let devices = elsewhere(move || {
            let mut config = DomainConfig::default();
            config.disks = ctx.devices(domid)?;
            config.nics = ctx.devices(domid)?;
            config.pcidevs = ctx.devices(domid)?;
            config.usbdevs = match ctx.devices(domid) {
                // Not every libxl can.
                Err(Error::Unsupported { .. }) => Vec::new(),
                devices => devices?,
            };
            Ok::<_, Error>(Devices::of(config))
        });
        Ok(devices.await?)
    }

    /// Gives a domain a device.
    pub(crate) fn attach(&self, domid: u32, device: NewDevice) -> Work {
        let xen = self.clone();
        Work::steps(move |steps| async move {
            let there = if device.has_neighbours() { xen.devices(domid).await? } else { Devices::default() };
            let (ctx, domid) = (xen.ctx(), DomainId::new(domid));
            match device.device(&there) {
                Device::Disk(disk) => steps.run(ctx, move |ctx| ctx.attach(domid, &*disk)).await.map(drop)?,
                Device::Nic(nic) => steps.run(ctx, move |ctx| ctx.attach(domid, &*nic)).await.map(drop)?,
                Device::Pci(pci) => steps.run(ctx, move |ctx| ctx.attach(domid, &pci)).await.map(drop)?,
                Device::Usb(usb) => steps.run(ctx, move |ctx| ctx.attach(domid, &usb)).await.map(drop)?,
            }
            Ok(())
        })
    }

    /// Takes a device from a domain. A disk is not taken by force where libxl can do without.
    pub(crate) fn detach(&self, domid: u32, attached: &Attached) -> Work {
        let (domid, device) = (DomainId::new(domid), attached.device.clone());
        let is_safe = self.ctx().library().release() >= Release::new(4, 15);
        Work::of(self.ctx(), move |ctx| match &device {
            Device::Disk(disk) if is_safe => ctx.detach_disk_safely(domid, disk),
            Device::Disk(disk) => ctx.detach(domid, &**disk),
            Device::Nic(nic) => ctx.detach(domid, &**nic),
            Device::Pci(pci) => ctx.detach(domid, pci),
            Device::Usb(usb) => ctx.detach(domid, usb),
        })
    }

    /// Puts the image of a disc into a drive; without one, takes out the disc that is there.
    pub(crate) fn change_disc(&self, domid: u32, drive: &Attached, image: Option<&Path>) -> Work {
        let (domid, drive) = (DomainId::new(domid), drive.name.clone());
        let disc = image.map(|image| disc(&drive, image));
        Work::of(self.ctx(), move |ctx| match disc {
            Some(disc) => ctx.insert_disc(domid, &disc),
            None => ctx.eject_disc(domid, &drive),
        })
    }

    /// The PCI devices of the host that can be given away.
    pub(crate) async fn host_pci(&self) -> Result<Vec<OfHost>, Failure> {
        let ctx = self.ctx().clone();
        let listed = elsewhere(move || ctx.assignable_pci()).await?;
        Ok(listed.into_iter().map(OfHost::pci).collect())
    }

    /// The console of a domain. It does not block.
    pub(crate) async fn console(&self, domid: u32) -> Result<File, Failure> {
        let (ctx, domid): (std::sync::Arc<Ctx>, _) = (self.ctx().clone(), DomainId::new(domid));
        Ok(elsewhere(move || ctx.open_console(domid)).await?)
    }
}

/// The USB devices of the host, which everybody can see.
pub(crate) async fn host_usb() -> Vec<OfHost> {
    elsewhere(|| usb_devices(Path::new("/sys/bus/usb/devices"))).await
}

/// The image of a disc, in that drive.
pub(super) fn disc(drive: &str, image: &Path) -> Disk {
    Disk::default().vdev(drive).format(DiskFormat::Raw).pdev_path(image.to_string_lossy())
}

fn disk(disk: Disk) -> Attached {
    let (name, made_of) = (disk.vdev.clone().unwrap_or_default(), disk.pdev_path.clone().unwrap_or_default());
    Attached { device: Device::Disk(Box::new(disk)), name, made_of }
}

fn nic(nic: Nic) -> Attached {
    let name = nic.mac.as_ref().map(ToString::to_string).unwrap_or_default();
    let made_of = nic.bridge.clone().unwrap_or_default();
    Attached { device: Device::Nic(Box::new(nic)), name, made_of }
}

fn pci(device: Pci) -> Attached {
    Attached { name: address(&device), made_of: String::new(), device: Device::Pci(device) }
}

fn usb(device: UsbDevice) -> Attached {
    let name = match &device.kind {
        Some(UsbDeviceKind::Host(host)) => {
            bus_and_address(host.hostbus.unwrap_or_default(), host.hostaddr.unwrap_or_default())
        }
        _ => String::new(),
    };
    Attached { device: Device::Usb(device), name, made_of: String::new() }
}

fn address(pci: &Pci) -> String {
    let part = Option::unwrap_or_default;
    let segment = pci.domain.unwrap_or_default();
    format!("{segment:04x}:{:02x}:{:02x}.{:x}", part(pci.bus), part(pci.device), part(pci.function))
}

fn bus_and_address(bus: u8, address: u8) -> String {
    let [bus, address] = [bus, address].map(|number| number.to_string());
    with(gettext("Bus {bus}, address {address}"), &[("bus", &bus), ("address", &address)])
}

/// The first paravirtual disk that is none of those that are there; hda is the same as xvda.
fn free_vdev(there: &[Attached]) -> String {
    let is_taken = |name: &str| {
        let letter = name.trim_start_matches("xvd");
        let taken = there.iter().map(|disk| disk.name.as_str());
        taken.map(|vdev| vdev.trim_start_matches("xv").trim_start_matches('h')).any(|vdev| {
            vdev.strip_prefix('d').is_some_and(|vdev| vdev.trim_end_matches(|c: char| c.is_ascii_digit()) == letter)
        })
    };
    (0..).map(vdev).find(|name| !is_taken(name)).expect("there is always another")
}

/// The USB devices below a folder of sysfs, without hubs.
fn usb_devices(folder: &Path) -> Vec<OfHost> {
    let device = |entry: fs::DirEntry| {
        let read = |name: &str| fs::read_to_string(entry.path().join(name)).ok().map(|text| text.trim().to_owned());
        let (bus, address): (u8, u8) = (read("busnum")?.parse().ok()?, read("devnum")?.parse().ok()?);
        // The class of hubs.
        if read("bDeviceClass")? == "09" {
            return None;
        }
        let host = HostUsbDevice::default().hostbus(bus).hostaddr(address);
        let place = bus_and_address(bus, address);
        let name = read("product").map_or_else(|| place.clone(), |product| format!("{product} ({place})"));
        Some(OfHost { device: Device::Usb(UsbDevice::default().kind(UsbDeviceKind::Host(host))), name })
    };
    let mut devices: Vec<_> = fs::read_dir(folder).into_iter().flatten().flatten().filter_map(device).collect();
    devices.sort_by(|one, other| one.name.cmp(&other.name));
    devices
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_disk_is_the_first_that_is_free_whatever_the_others_are_called() {
        let there = |names: &[&str]| names.iter().map(|name| disk(Disk::default().vdev(*name))).collect::<Vec<_>>();
        assert_eq!(free_vdev(&[]), "xvda");
        assert_eq!(free_vdev(&there(&["xvda", "hdb", "xvdc1", "sdd"])), "xvdd");
    }

    #[test]
    fn usb_devices_are_read_as_the_kernel_lists_them_and_hubs_are_none() {
        let folder = tempfile::tempdir().unwrap();
        for (name, class, product) in [("usb1", "09", "Hub"), ("1-4", "00", "Mouse"), ("1-4:1.0", "", "")] {
            let device = folder.path().join(name);
            fs::create_dir(&device).unwrap();
            if !class.is_empty() {
                let files = [("busnum", "1\n"), ("devnum", "7\n"), ("bDeviceClass", class), ("product", product)];
                files.iter().for_each(|(name, text)| fs::write(device.join(name), text).unwrap());
            }
        }
        let names: Vec<_> = usb_devices(folder.path()).into_iter().map(|device| device.name).collect();
        assert_eq!(names, ["Mouse (Bus 1, address 7)"]);
    }

    #[test]
    fn a_device_that_is_not_filled_in_is_told_of() {
        let disk = |path: &str| NewDevice::Disk(DraftDisk { path: path.into(), ..DraftDisk::default() });
        assert!(disk("").check().is_err() && disk("a").check().is_err() && disk("/a").check().is_ok());
        let nic = |mac: &str| NewDevice::Nic { bridge: String::new(), mac: mac.into() };
        assert!(nic("00:16").check().is_err() && nic("").check().is_ok() && nic("00:16:3e:00:00:01").check().is_ok());
    }
}
