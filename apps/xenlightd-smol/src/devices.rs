//! The devices of domains, as callers and this service write them: as the parts `disks`, `nics`, `pcidevs` and `usbdevs` of libxl's JSON of a
//! domain's configuration.

use std::sync::Arc;

use xenlight::types::{Disk, DomainConfig, Nic, Pci, UsbDevice};
use xenlight::{Ctx, DomainId, Error, Release};

use crate::failure::Failure;
use crate::job::Job;

/// A device that a domain has, or shall have.
#[derive(Debug)]
pub(crate) enum Device {
    Disk(Box<Disk>),
    Nic(Box<Nic>),
    Pci(Pci),
    Usb(UsbDevice),
}

/// All that a domain has.
///
/// # Errors
/// Those of libxl.
pub(crate) fn of_domain(ctx: &Ctx, domid: DomainId) -> Result<String, Error> {
    let mut devices = DomainConfig::default();
    devices.disks = ctx.devices(domid)?;
    devices.nics = ctx.devices(domid)?;
    devices.pcidevs = ctx.devices(domid)?;
    devices.usbdevs = usb(ctx, domid)?;
    Ok(devices.to_json())
}

/// The PCI devices of the host that can be given to a domain.
///
/// # Errors
/// Those of libxl.
pub(crate) fn assignable_pci(ctx: &Ctx) -> Result<String, Error> {
    let mut devices = DomainConfig::default();
    devices.pcidevs = ctx.assignable_pci()?;
    Ok(devices.to_json())
}

fn usb(ctx: &Ctx, domid: DomainId) -> Result<Vec<UsbDevice>, Error> {
    match ctx.devices(domid) {
        // Not every libxl can.
        Err(Error::Unsupported { .. }) => Ok(Vec::new()),
        devices => devices,
    }
}

impl Device {
    /// The one device of a text.
    ///
    /// # Errors
    /// [`Failure::InvalidConfiguration`]; [`Failure::InvalidArgument`] if there is another number of devices, or something else.
    pub(crate) fn read(json: &str) -> Result<Self, Failure> {
        let invalid = |error: xenlight::types::Invalid| Failure::InvalidConfiguration(error.to_string());
        let mut rest = DomainConfig::from_json(json).map_err(invalid)?;
        let disks = std::mem::take(&mut rest.disks).into_iter().map(|disk| Self::Disk(Box::new(disk)));
        let nics = std::mem::take(&mut rest.nics).into_iter().map(|nic| Self::Nic(Box::new(nic)));
        let pci = std::mem::take(&mut rest.pcidevs).into_iter().map(Self::Pci);
        let usb = std::mem::take(&mut rest.usbdevs).into_iter().map(Self::Usb);
        let mut devices = disks.chain(nics).chain(pci).chain(usb);
        match (devices.next(), devices.next()) {
            (Some(device), None) if rest == DomainConfig::default() => Ok(device),
            _ => {
                let expected = "one device is expected, in disks, nics, pcidevs or usbdevs, and nothing else";
                Err(Failure::InvalidArgument(expected.to_owned()))
            }
        }
    }

    /// The disc of a text.
    ///
    /// # Errors
    /// Those of [`read`](Self::read).
    pub(crate) fn read_disc(json: &str) -> Result<Box<Disk>, Failure> {
        match Self::read(json)? {
            Self::Disk(disc) => Ok(disc),
            _ => Err(Failure::InvalidArgument("a disc is expected, in disks".to_owned())),
        }
    }

    /// Whether the domain has just this one. What libxl takes away is named by libxl itself, whatever a caller would write.
    ///
    /// # Errors
    /// Those of libxl.
    pub(crate) fn is_of(&self, ctx: &Ctx, domid: DomainId) -> Result<bool, Error> {
        Ok(match self {
            Self::Disk(disk) => ctx.devices::<Disk>(domid)?.contains(disk),
            Self::Nic(nic) => ctx.devices::<Nic>(domid)?.contains(nic),
            Self::Pci(pci) => ctx.devices::<Pci>(domid)?.contains(pci),
            Self::Usb(device) => usb(ctx, domid)?.contains(device),
        })
    }

    /// Gives it to a domain.
    ///
    /// # Errors
    /// Those of libxl.
    pub(crate) async fn attach(self, job: Arc<Job>, ctx: Arc<Ctx>, domid: DomainId) -> Result<(), Error> {
        match self {
            Self::Disk(disk) => job.wait(ctx.attach(domid, &*disk)).await.map(drop),
            Self::Nic(nic) => job.wait(ctx.attach(domid, &*nic)).await.map(drop),
            Self::Pci(pci) => job.wait(ctx.attach(domid, &pci)).await.map(drop),
            Self::Usb(device) => job.wait(ctx.attach(domid, &device)).await.map(drop),
        }
    }

    /// Takes it from a domain. A disk is not taken by force where libxl can do without.
    ///
    /// # Errors
    /// Those of libxl.
    pub(crate) async fn detach(self, job: Arc<Job>, ctx: Arc<Ctx>, domid: DomainId) -> Result<(), Error> {
        let is_safe = ctx.library().release() >= Release::new(4, 15);
        let detaching = match &self {
            Self::Disk(disk) if is_safe => ctx.detach_disk_safely(domid, disk),
            Self::Disk(disk) => ctx.detach(domid, &**disk),
            Self::Nic(nic) => ctx.detach(domid, &**nic),
            Self::Pci(pci) => ctx.detach(domid, pci),
            Self::Usb(device) => ctx.detach(domid, device),
        };
        job.wait(detaching).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_has_one_device_and_nothing_else() {
        let read = |json: &str| Device::read(json).map_err(|failure| failure.named().0);
        assert!(matches!(read(r#"{"disks": [{"vdev": "xvdb", "pdev_path": "/a"}]}"#), Ok(Device::Disk(_))));
        assert!(matches!(read(r#"{"nics": [{"bridge": "xenbr0"}]}"#), Ok(Device::Nic(_))));
        assert!(matches!(read(r#"{"pcidevs": [{"bus": 1}], "usbdevs": []}"#), Ok(Device::Pci(_))));
        for json in ["{}", r#"{"nics": [{}, {}]}"#, r#"{"nics": [{}], "c_info": {"name": "x"}}"#, r#"{"vfbs": [{}]}"#] {
            assert_eq!(read(json).unwrap_err(), "org.osevent.Xen1.Error.InvalidArgument", "{json}");
        }
        for json in ["", "[]", r#"{"disks": [{"vdev": 1}]}"#] {
            assert_eq!(read(json).unwrap_err(), "org.osevent.Xen1.Error.InvalidConfiguration", "{json}");
        }
        assert!(Device::read_disc(r#"{"nics": [{}]}"#).is_err());
    }
}
