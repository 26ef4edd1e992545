//! Devices of domains, as the service writes them: as parts of a configuration in libxl's JSON.

use super::Service;
use super::bus::{DOMAIN, HOST, MANAGER, unexpected};
use crate::engine::devices::disc;
use crate::engine::{Asking, Attached, Devices, Failure, NewDevice, OfHost, Work};
use gtk::glib::prelude::*;
use std::path::Path;
use xenlight::DomainConfig;

impl Service {
    pub(in crate::engine) async fn devices(&self, domid: u32, asking: Asking) -> Result<Devices, Failure> {
        let path = self.path(domid)?;
        let (told,): (String,) = match asking {
            Asking::Allowed => self.bus.call(&path, DOMAIN, "GetDevices", None).await?,
            Asking::Never => self.bus.read(&path, DOMAIN, "GetDevices", None).await?,
        };
        Ok(Devices::of(read(&told)?))
    }

    pub(in crate::engine) fn attach(&self, domid: u32, device: NewDevice) -> Work {
        let service = self.clone();
        Work::steps(move |steps| async move {
            let there = match device.has_neighbours() {
                true => service.devices(domid, Asking::Allowed).await?,
                false => Devices::default(),
            };
            steps.go_on()?;
            let parameters = (device.alone(&there).to_json(),).to_variant();
            let (job,) = service.bus.call(&service.path(domid)?, DOMAIN, "AttachDevice", Some(&parameters)).await?;
            service.wait_for(job, &steps).await
        })
    }

    pub(in crate::engine) fn detach(&self, domid: u32, attached: &Attached) -> Work {
        self.job(domid, "DetachDevice", Some((attached.alone().to_json(),).to_variant()))
    }

    pub(in crate::engine) fn change_disc(&self, domid: u32, drive: &Attached, image: Option<&Path>) -> Work {
        let Some(image) = image else { return self.job(domid, "EjectDisc", Some((&drive.name,).to_variant())) };
        let mut config = DomainConfig::default();
        config.disks.push(disc(&drive.name, image));
        self.job(domid, "InsertDisc", Some((config.to_json(),).to_variant()))
    }

    pub(in crate::engine) async fn host_pci(&self) -> Result<Vec<OfHost>, Failure> {
        let (told,): (String,) = self.bus.read(HOST, MANAGER, "ReadAssignablePci", None).await?;
        Ok(read(&told)?.pcidevs.into_iter().map(OfHost::pci).collect())
    }
}

fn read(told: &str) -> Result<DomainConfig, Failure> {
    DomainConfig::from_json(told).map_err(|invalid| unexpected(&invalid.to_string()))
}
