//! Devices of all families: what a domain has, and what is attached to it.

use crate::case::Case;
use crate::cases::device::{no_child_is_left, script};
use crate::eventually::eventually;
use crate::hosts::{Adapter, Mode};
use crate::stage::{Opened, Stage};
use crate::tiers::Tier;
use crate::tiers::libxl::{FIVE, Pretend};
use anyhow::ensure;
use futures_lite::future::block_on;
use xenlight::types::{Channel, Disk, Mac, Nic, NicInfo, UsbDevice, Vdispl, Vkb, Vsnd, Vtpm};
use xenlight::{DomainId, Error, Listed, Release};

pub(crate) static LISTED: Case = Case {
    name: "devices-listed",
    claim: "The devices of a domain are listed with what xenstore has of them; a family that the release does not list is Unsupported",
    clauses: &[],
    tiers: &[Tier::Libxl],
    adapters: &[Adapter::Epoll],
    modes: Mode::ALL,
    run: listed,
};

/// QubesOS/qubes-issues 316 and 6996: devices that could be attached once, and not again after they were detached.
pub(crate) static ATTACHED: Case = Case {
    name: "device-attached",
    claim: "A network interface is attached once its backend has come up and its hotplug script has ended, with its number; and detached again",
    clauses: &["R1", "R11", "O5", "S2", "E1", "E9"],
    tiers: &[Tier::Libxl],
    adapters: Adapter::ALL,
    modes: Mode::ALL,
    run: attached,
};

/// QubesOS/qubes-issues 4446 and 1675: hotplug scripts that fail, and what is left then.
pub(crate) static ATTACH_REFUSED: Case = Case {
    name: "device-attach-refused",
    claim: "What cannot be attached is refused with the reason: a field of a later release, a domain that is not there, a script that fails; what that leaves can be destroyed",
    clauses: &["E9"],
    tiers: &[Tier::Libxl],
    adapters: &[Adapter::Epoll],
    modes: Mode::ALL,
    run: refused,
};

fn listed(stage: &Stage) -> anyhow::Result<()> {
    let pretend = stage.machine.pretend()?;
    let opened = stage.open()?;
    let ctx = &opened.ctx;
    ensure!(ctx.devices::<Nic>(FIVE)?.is_empty() && ctx.devices::<Disk>(FIVE)?.is_empty(), "devices from nowhere");
    let script = script(stage, "exit 0")?;
    for devid in 0..3 {
        pretend.add_nic(FIVE, devid, &script)?;
    }
    let nics = ctx.devices::<Nic>(FIVE)?;
    let numbers: Vec<_> = nics.iter().map(|nic| nic.devid.unwrap_or(0)).collect();
    ensure!(numbers == [0, 1, 2], "{nics:?}");
    let mac = Mac([0, 0x16, 0x3e, 0, 0, 1]);
    ensure!(nics.iter().all(|nic| nic.mac == Some(mac) && nic.script.as_deref() == script.to_str()), "{nics:?}");
    ensure!(ctx.nic(FIVE, 2)? == nics[2], "found by its number, it is another one");
    let NicInfo { backend, frontend, devid, state, .. } = ctx.device_info(FIVE, &nics[2])?;
    ensure!(
        (backend.as_deref(), frontend.as_deref(), devid, state)
            == (Some("/local/domain/0/backend/vif/5/2"), Some("/local/domain/5/device/vif/2"), Some(2), 4),
        "{backend:?} {frontend:?} {devid:?} {state}"
    );
    let release = stage.library.release();
    none_or_unsupported::<Channel>(&opened, release, 5)?;
    none_or_unsupported::<UsbDevice>(&opened, release, 7)?;
    none_or_unsupported::<Vtpm>(&opened, release, 3)?;
    none_or_unsupported::<Vkb>(&opened, release, 12)?;
    none_or_unsupported::<Vdispl>(&opened, release, 10)?;
    none_or_unsupported::<Vsnd>(&opened, release, 12)?;
    let nowhere = ctx.devices::<Nic>(DomainId::new(99));
    ensure!(matches!(nowhere, Err(Error::NoSuchDomain { .. })), "{nowhere:?}");
    opened.close()
}

fn none_or_unsupported<D: Listed + std::fmt::Debug>(
    opened: &Opened,
    release: Release,
    since: u32,
) -> anyhow::Result<()> {
    let listed = opened.ctx.devices::<D>(FIVE);
    match &listed {
        Ok(devices) if devices.is_empty() => {}
        Err(Error::Unsupported { needs, .. }) if *needs > release && needs.minor() == since => {}
        _ => anyhow::bail!("{listed:?}"),
    }
    Ok(())
}

/// The backend driver comes up.
fn bring_up(pretend: &Pretend, devid: u32) -> anyhow::Result<()> {
    let backend = format!("/local/domain/0/backend/vif/5/{devid}");
    eventually("libxl writes the backend", || pretend.store.read(&format!("{backend}/state")).is_some())?;
    pretend.bring_up_backend(FIVE, devid)
}

fn attached(stage: &Stage) -> anyhow::Result<()> {
    let pretend = stage.machine.pretend()?;
    let opened = stage.open()?;
    pretend.keep_configuration(&opened.ctx.info(FIVE)?)?;
    let marker = stage.folder.join("script-ran");
    let script = script(stage, &format!("echo \"$@\" >>{}", marker.display()))?;
    let nic = Nic::default().script(script.display().to_string()).bridge("br0").mtu(1400);
    for devid in 0..2 {
        let attached = opened.ctx.attach(FIVE, &nic);
        bring_up(pretend, devid)?;
        let attached = block_on(attached)?;
        ensure!(attached.devid.unwrap_or(0) == devid, "{attached:?}");
        ensure!(attached.mac.is_some(), "it has no address: {attached:?}");
        let listed = opened.ctx.devices::<Nic>(FIVE)?;
        ensure!(listed.len() == devid as usize + 1 && listed[devid as usize].mac == attached.mac, "{listed:?}");
        ensure!(listed[devid as usize].bridge.as_deref() == Some("br0"), "{listed:?}");
    }
    let ran = std::fs::read_to_string(&marker)?;
    ensure!(ran.lines().filter(|line| line.contains("online")).count() == 2, "the hotplug script was run with {ran:?}");

    let nics = opened.ctx.devices::<Nic>(FIVE)?;
    let detached = opened.ctx.detach(FIVE, &nics[0]);
    crate::cases::device::asked_to_close(stage)?;
    pretend.close_backend(FIVE, 0)?;
    block_on(detached)?;
    let left = opened.ctx.devices::<Nic>(FIVE)?;
    ensure!(left.len() == 1 && left[0].devid == Some(1), "{left:?}");
    let again = opened.ctx.attach(FIVE, &nics[0]);
    bring_up(pretend, 0)?;
    let again = block_on(again)?;
    ensure!(again.devid == Some(0) && again.mac == nics[0].mac, "{again:?}");
    opened.expect_idle()?;
    no_child_is_left()?;
    opened.close()
}

fn refused(stage: &Stage) -> anyhow::Result<()> {
    let pretend = stage.machine.pretend()?;
    let opened = stage.open()?;
    let ctx = &opened.ctx;
    pretend.keep_configuration(&ctx.info(FIVE)?)?;
    let nic = Nic::default().script(script(stage, "exit 3")?.display().to_string());
    let gone = block_on(ctx.attach(DomainId::new(99), &nic));
    ensure!(matches!(gone, Err(Error::NoSuchDomain { .. })), "{gone:?}");
    let vlan_since = Release::new(4, 19);
    if stage.library.release() < vlan_since {
        let newer = block_on(ctx.attach(FIVE, &nic.clone().vlan("10")));
        ensure!(
            matches!(&newer, Err(Error::ConfigNeeds { path, needs, .. }) if path == "vlan" && *needs == vlan_since),
            "{newer:?}"
        );
    }
    let attached = ctx.attach(FIVE, &nic);
    bring_up(pretend, 0)?;
    let attached = block_on(attached);
    ensure!(
        matches!(&attached, Err(Error::Libxl { words, .. }) if words.to_string().contains("error status 3")),
        "a script that fails: {attached:?}"
    );
    // libxl leaves it in xenstore, and says that it is there.
    let left = ctx.devices::<Nic>(FIVE)?;
    ensure!(left.len() == 1, "{left:?}");
    super::device::script(stage, "exit 0")?;
    let destroyed = ctx.destroy_device(FIVE, &left[0]);
    super::device::asked_to_close(stage)?;
    pretend.close_backend(FIVE, 0)?;
    block_on(destroyed)?;
    let left = ctx.devices::<Nic>(FIVE)?;
    ensure!(left.is_empty(), "the device that could not be attached is left: {left:?}");
    opened.expect_idle()?;
    no_child_is_left()?;
    opened.close()
}
