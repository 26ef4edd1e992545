//! What a domain has beside memory and processors: devices, and a console.

use super::work::elsewhere;
use super::{Engine, Failure};
use std::fs::File;
use xenlight::types::{Disk, Nic};
use xenlight::{DomainId, Error};

/// The devices of a domain, each with its name and what it is made of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Devices {
    pub(crate) disks: Vec<(String, String)>,
    pub(crate) nics: Vec<(String, String)>,
}

impl Engine {
    /// The devices that a domain has now.
    pub(crate) async fn devices(&self, domid: u32) -> Result<Devices, Failure> {
        let (ctx, domid) = (self.ctx().clone(), DomainId::new(domid));
        let devices = elsewhere(move || {
            let disks = ctx.devices::<Disk>(domid)?.iter().map(disk).collect();
            let nics = ctx.devices::<Nic>(domid)?.iter().map(nic).collect();
            Ok::<_, Error>(Devices { disks, nics })
        });
        Ok(devices.await?)
    }
}

impl Engine {
    /// The console of a domain. It does not block.
    pub(crate) async fn console(&self, domid: u32) -> Result<File, Failure> {
        let (ctx, domid) = (self.ctx().clone(), DomainId::new(domid));
        Ok(elsewhere(move || ctx.open_console(domid)).await?)
    }
}

fn disk(disk: &Disk) -> (String, String) {
    (disk.vdev.clone().unwrap_or_default(), disk.pdev_path.clone().unwrap_or_default())
}

fn nic(nic: &Nic) -> (String, String) {
    let address = nic.mac.as_ref().map(ToString::to_string).unwrap_or_default();
    (address, nic.bridge.clone().unwrap_or_default())
}
