//! Devices whose backend is QEMU, and PCI devices of the host, on a real Xen.

use crate::case::DomainCase;
use crate::cases::device::no_child_is_left;
use crate::cases::hvm::or_skip;
use crate::cases::plug::{CONNECTED, is_told};
use crate::hosts::{Adapter, Mode};
use crate::stage::Stage;
use crate::tiers::console::Console;
use crate::tiers::devices;
use crate::tiers::pci::TestDevice;
use crate::tiers::xen::{Image, Type};
use anyhow::{Context, ensure};
use futures_lite::future::block_on;
use osevent_conformance::outcome::Skip;
use xenlight::Release;
use xenlight::types::{P9, Pci, Vfb, Vkb, Vnc};

pub(crate) static OF_QEMU: DomainCase = DomainCase {
    name: "xen-qemu-backends",
    claim: "A Linux that is created with a shared directory, a screen and a keyboard has all three: it reads a file of the one, and the others are listed and connected",
    clauses: &["E9", "S2"],
    types: &[Type::Pv],
    adapters: &[Adapter::Glib],
    modes: &[Mode::Loop],
    run: of_qemu,
};

pub(crate) static PCI: DomainCase = DomainCase {
    name: "xen-pci",
    claim: "A PCI device of the host becomes assignable and is listed as such, and goes back to the host; without an IOMMU each step that needs one is refused with the reason",
    clauses: &["E12"],
    types: &[Type::Pv],
    adapters: &[Adapter::Glib],
    modes: &[Mode::Thread],
    run: pci,
};

/// In a file of the shared directory.
const LINE: &str = "a file of osevent's";
/// Its name for the domain, which mounts it at this word.
const TAG: &str = "share";

fn of_qemu(stage: &Stage) -> anyhow::Result<()> {
    // In the lab with 4.20, Linux said nothing of the shared directory within two minutes; with 4.14 this has not been tried.
    const SHOWN: Release = Release::new(4, 17);
    if stage.library.release() != SHOWN {
        return Err(Skip(format!("this has been shown with Xen {SHOWN} only")).into());
    }
    devices::check_shares()?;
    let dom0 = stage.machine.dom0()?;
    let opened = stage.open()?;
    let ctx = &opened.ctx;
    let shared = stage.folder.join("shared");
    std::fs::create_dir(&shared)?;
    std::fs::write(shared.join("file"), format!("{LINE}\n"))?;
    let mut config = dom0.config_with_drivers(&dom0.name("backends"))?;
    let path = shared.to_str().context("the temporary folder's path is no UTF-8")?;
    config.p9s = vec![P9::default().tag(TAG).path(path).security_model("none")];
    let vnc = Vnc::default().enable(true).listen("127.0.0.1").findunused(true);
    config.vfbs = vec![Vfb::default().vnc(vnc)];
    config.vkbs = vec![Vkb::default()];
    let domid = or_skip(block_on(ctx.create(&config)))?;
    block_on(ctx.unpause(domid))?;
    let mut console = Console::of(domid);
    console.expect(devices::READY)?;
    console.tell(TAG)?;
    console.expect(&format!("devices: {TAG} has {LINE}"))?;
    console.tell("screen")?;
    console.expect("devices: fb0 is xen")?;

    if stage.library.release() >= Release::new(4, 12) {
        let keyboards = ctx.devices::<Vkb>(domid)?;
        let [keyboard] = &keyboards[..] else { anyhow::bail!("not one keyboard: {keyboards:?}") };
        let info = ctx.device_info(domid, keyboard)?;
        ensure!(info.state == CONNECTED, "{info:?}");
    }
    let screen = ctx.vnc_server(domid)?;
    println!("the screen of the domain is at {screen:?}");
    block_on(ctx.destroy(domid))?;
    no_child_is_left()?;
    opened.close()
}

fn pci(stage: &Stage) -> anyhow::Result<()> {
    let dom0 = stage.machine.dom0()?;
    let device = TestDevice::find()?;
    let opened = stage.open()?;
    let ctx = &opened.ctx;
    let is_listed = || anyhow::Ok(ctx.assignable_pci()?.iter().any(|listed| device.is(listed)));
    ensure!(!is_listed()?, "it is assignable from the start");
    let made = ctx.make_pci_assignable(&device.pci, true);
    println!("made assignable: {made:?}");
    ensure!(device.is_pcibacks() && is_listed()?, "it is not assignable after {made:?}");
    // From 4.13 on an assignable device is kept from everybody, by an IOMMU.
    let without_iommu = made.is_err();
    if without_iommu {
        is_told(&made, "failed to quarantine")?;
    }

    let domid = block_on(ctx.create(&dom0.config(Image::Idle, &dom0.name("pci"))?))?;
    let attached = block_on(ctx.attach(domid, &device.pci));
    println!("attached: {attached:?}");
    if attached.is_ok() {
        let listed = ctx.devices::<Pci>(domid)?;
        ensure!(listed.len() == 1 && device.is(&listed[0]) && !is_listed()?, "{listed:?}");
        block_on(ctx.destroy_device(domid, &device.pci))?;
    } else {
        ensure!(without_iommu && attached.as_ref().is_err_and(|error| !error.words().is_empty()), "{attached:?}");
    }
    block_on(ctx.destroy(domid))?;

    let taken = ctx.make_pci_unassignable(&device.pci, true);
    println!("made unassignable: {taken:?}");
    if without_iommu {
        is_told(&taken, "failed to de-quarantine")?;
    } else {
        taken?;
        ensure!(!device.is_pcibacks() && !is_listed()?, "it is still assignable");
    }
    drop(device);
    no_child_is_left()?;
    opened.close()
}
