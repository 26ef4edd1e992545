//! Everything that can be asked and set, on the real libxl without a hypervisor: most of it fails there, and has to say so.

use crate::case::Case;
use crate::hosts::{Adapter, Mode};
use crate::stage::Stage;
use crate::tiers::Tier;
use crate::tiers::libxl::FIVE;
use anyhow::{Context, bail, ensure};
use futures_lite::future::block_on;
use std::collections::BTreeSet;
use xenlight::types::{
    CbmKind, Channel, CmtKind, ConsoleKind, CreateInfo, Credit2Params, CreditParams, Disk, DiskFormat, HostUsbDevice,
    Machine, Nic, P9, Pci, Pv, PvCalls, RemusInfo, Scheduler, SchedulerParams, Trigger, UsbController,
    UsbControllerKind, UsbDevice, UsbDeviceKind, VcpuSchedulerParams, Vdispl, Vfb, Vkb, Vsnd, Vtpm, XenstoreQuotas,
};
use xenlight::{Ctx, DomainConfig, DomainId, Error, Release};

pub(crate) static ANSWERED: Case = Case {
    name: "questions-answered",
    claim: "Each question, each setting and each change of a device ends with an answer or a typed error, also for a domain that is not there or goes meanwhile, and on a libxl that is too old for it",
    clauses: &[],
    tiers: &[Tier::Libxl],
    adapters: &[Adapter::Epoll],
    modes: Mode::ALL,
    run: answered,
};

type Ask = fn(&Ctx, DomainId) -> Result<(), Error>;

/// What is asked of a domain, with the first release that can answer.
const OF_A_DOMAIN: &[(&str, u32, Ask)] = &[
    ("info", 2, |ctx, domid| ctx.info(domid).map(drop)),
    ("name", 2, |ctx, domid| ctx.name(domid).map(drop)),
    ("config", 5, |ctx, domid| block_on(ctx.config(domid)).map(drop)),
    ("pause", 2, |ctx, domid| block_on(ctx.pause(domid))),
    ("unpause", 2, |ctx, domid| block_on(ctx.unpause(domid))),
    ("shutdown", 2, |ctx, domid| block_on(ctx.shutdown(domid))),
    ("reboot", 2, |ctx, domid| block_on(ctx.reboot(domid))),
    ("resume", 2, |ctx, domid| block_on(ctx.resume(domid))),
    ("suspend", 11, |ctx, domid| block_on(ctx.suspend(domid))),
    ("dump_core", 2, |ctx, domid| block_on(ctx.dump_core(domid, "/dev/full"))),
    ("rename", 2, |ctx, domid| ctx.rename(domid, "renamed")),
    ("preserve", 2, |ctx, domid| ctx.preserve(domid, &CreateInfo::default().name("x"), "-1").map(drop)),
    ("start_time", 2, |ctx, domid| ctx.start_time(domid).map(drop)),
    ("stub_domain", 2, |ctx, domid| ctx.stub_domain(domid).map(drop)),
    ("note", 2, |ctx, domid| ctx.note(domid, "osevent", b"x")),
    ("noted", 2, |ctx, domid| ctx.noted(domid, "osevent").map(drop)),
    ("memory_target_kib", 2, |ctx, domid| ctx.memory_target_kib(domid).map(drop)),
    ("set_memory_target_kib", 2, |ctx, domid| ctx.set_memory_target_kib(domid, 4096, true)),
    ("set_max_memory_kib", 2, |ctx, domid| ctx.set_max_memory_kib(domid, 8192)),
    ("wait_for_memory_target", 2, |ctx, domid| block_on(ctx.wait_for_memory_target(domid, 1))),
    ("vcpus", 2, |ctx, domid| ctx.vcpus(domid).map(drop)),
    ("set_vcpu_affinity", 2, |ctx, domid| ctx.set_vcpu_affinity(domid, 0, Some(&set()), None)),
    ("force_vcpu_affinity", 7, |ctx, domid| ctx.force_vcpu_affinity(domid, 0, Some(&set()), None)),
    ("replicate", 2, |ctx, domid| {
        let (to, back) =
            std::os::unix::net::UnixStream::pair().map_err(|reason| Error::Io { doing: "test", reason })?;
        block_on(ctx.replicate(domid, &RemusInfo::default().colo(false).netbuf(false).diskbuf(false), to, back))
    }),
    ("set_online_vcpus", 2, |ctx, domid| block_on(ctx.set_online_vcpus(domid, &set()))),
    ("scheduling", 2, |ctx, domid| ctx.scheduling(domid).map(drop)),
    ("set_scheduling", 2, |ctx, domid| ctx.set_scheduling(domid, &SchedulerParams::default().weight(1))),
    ("vcpu_scheduling", 7, |ctx, domid| ctx.vcpu_scheduling(domid).map(drop)),
    ("set_vcpu_scheduling", 7, |ctx, domid| ctx.set_vcpu_scheduling(domid, &VcpuSchedulerParams::default())),
    ("move_to_cpupool", 2, |ctx, domid| ctx.move_to_cpupool(domid, 0)),
    ("primary_console_path", 2, |ctx, domid| ctx.primary_console_path(domid).map(drop)),
    ("console_path", 2, |ctx, domid| ctx.console_path(domid, &ConsoleKind::Pv, 0).map(drop)),
    ("open_console", 2, |ctx, domid| ctx.open_console(domid).map(drop)),
    ("vnc_server", 2, |ctx, domid| ctx.vnc_server(domid).map(drop)),
    ("press", 2, |ctx, domid| block_on(ctx.press(domid, &Trigger::Power, 0))),
    ("send_sysrq", 2, |ctx, domid| ctx.send_sysrq(domid, 'h')),
    ("qemu_command", 8, |ctx, domid| block_on(ctx.qemu_command(domid, "info version")).map(drop)),
    ("insert_disc", 2, |ctx, domid| block_on(ctx.insert_disc(domid, &Disk::default().vdev("hdc").pdev_path("/x")))),
    ("eject_disc", 2, |ctx, domid| block_on(ctx.eject_disc(domid, "hdc"))),
    ("detach_disk_safely", 15, |ctx, domid| block_on(ctx.detach_disk_safely(domid, &Disk::default().vdev("xvdz")))),
    ("disk", 2, |ctx, domid| ctx.disk(domid, "xvdz").map(drop)),
    ("nic", 2, |ctx, domid| ctx.nic(domid, 99).map(drop)),
    ("monitor_cache", 5, |ctx, domid| ctx.monitor_cache(domid)),
    ("stop_monitoring_cache", 5, |ctx, domid| ctx.stop_monitoring_cache(domid)),
    ("is_cache_monitored", 5, |ctx, domid| ctx.is_cache_monitored(domid).map(drop)),
    ("cache_sample", 6, |ctx, domid| ctx.cache_sample(domid, &CmtKind::CacheOccupancy, 0).map(drop)),
    ("cache_share", 11, |ctx, domid| ctx.cache_share(domid, &CbmKind::L3Cbm, 0).map(drop)),
    ("set_cache_share", 11, |ctx, domid| ctx.set_cache_share(domid, &CbmKind::L3Cbm, &set(), 1)),
    ("domain_quotas", 22, |ctx, domid| ctx.domain_quotas(domid).map(drop)),
    ("set_domain_quotas", 22, |ctx, domid| ctx.set_domain_quotas(domid, &XenstoreQuotas::default())),
];

/// What is done with a device of each family, which the domain does not have.
const OF_A_DEVICE: &[(&str, u32, Ask)] = &[
    ("attach Disk", 2, |ctx, domid| block_on(ctx.attach(domid, &disk())).map(drop)),
    ("detach Disk", 2, |ctx, domid| block_on(ctx.detach(domid, &disk()))),
    ("destroy_device Disk", 2, |ctx, domid| block_on(ctx.destroy_device(domid, &disk()))),
    ("device_info Disk", 2, |ctx, domid| ctx.device_info(domid, &disk()).map(drop)),
    ("attach Nic", 2, |ctx, domid| block_on(ctx.attach(domid, &nic())).map(drop)),
    ("detach Nic", 2, |ctx, domid| block_on(ctx.detach(domid, &nic()))),
    ("destroy_device Nic", 2, |ctx, domid| block_on(ctx.destroy_device(domid, &nic()))),
    ("device_info Nic", 2, |ctx, domid| ctx.device_info(domid, &nic()).map(drop)),
    ("attach Vfb", 2, |ctx, domid| block_on(ctx.attach(domid, &vfb())).map(drop)),
    ("detach Vfb", 2, |ctx, domid| block_on(ctx.detach(domid, &vfb()))),
    ("destroy_device Vfb", 2, |ctx, domid| block_on(ctx.destroy_device(domid, &vfb()))),
    ("attach Vkb", 2, |ctx, domid| block_on(ctx.attach(domid, &vkb())).map(drop)),
    ("detach Vkb", 2, |ctx, domid| block_on(ctx.detach(domid, &vkb()))),
    ("destroy_device Vkb", 2, |ctx, domid| block_on(ctx.destroy_device(domid, &vkb()))),
    ("device_info Vkb", 12, |ctx, domid| ctx.device_info(domid, &vkb()).map(drop)),
    ("attach Pci", 2, |ctx, domid| block_on(ctx.attach(domid, &pci())).map(drop)),
    ("detach Pci", 2, |ctx, domid| block_on(ctx.detach(domid, &pci()))),
    ("destroy_device Pci", 2, |ctx, domid| block_on(ctx.destroy_device(domid, &pci()))),
    ("attach UsbController", 7, |ctx, domid| block_on(ctx.attach(domid, &usbcontroller())).map(drop)),
    ("detach UsbController", 7, |ctx, domid| block_on(ctx.detach(domid, &usbcontroller()))),
    ("destroy_device UsbController", 7, |ctx, domid| block_on(ctx.destroy_device(domid, &usbcontroller()))),
    ("device_info UsbController", 7, |ctx, domid| ctx.device_info(domid, &usbcontroller()).map(drop)),
    ("attach UsbDevice", 7, |ctx, domid| block_on(ctx.attach(domid, &usbdevice())).map(drop)),
    ("detach UsbDevice", 7, |ctx, domid| block_on(ctx.detach(domid, &usbdevice()))),
    ("attach Vtpm", 3, |ctx, domid| block_on(ctx.attach(domid, &vtpm())).map(drop)),
    ("detach Vtpm", 3, |ctx, domid| block_on(ctx.detach(domid, &vtpm()))),
    ("destroy_device Vtpm", 3, |ctx, domid| block_on(ctx.destroy_device(domid, &vtpm()))),
    ("device_info Vtpm", 3, |ctx, domid| ctx.device_info(domid, &vtpm()).map(drop)),
    ("attach P9", 19, |ctx, domid| block_on(ctx.attach(domid, &p9())).map(drop)),
    ("detach P9", 9, |ctx, domid| block_on(ctx.detach(domid, &p9()))),
    ("destroy_device P9", 9, |ctx, domid| block_on(ctx.destroy_device(domid, &p9()))),
    ("detach PvCalls", 11, |ctx, domid| block_on(ctx.detach(domid, &pvcalls()))),
    ("destroy_device PvCalls", 11, |ctx, domid| block_on(ctx.destroy_device(domid, &pvcalls()))),
    ("attach Vdispl", 10, |ctx, domid| block_on(ctx.attach(domid, &vdispl())).map(drop)),
    ("detach Vdispl", 10, |ctx, domid| block_on(ctx.detach(domid, &vdispl()))),
    ("destroy_device Vdispl", 10, |ctx, domid| block_on(ctx.destroy_device(domid, &vdispl()))),
    ("device_info Vdispl", 10, |ctx, domid| ctx.device_info(domid, &vdispl()).map(drop)),
    ("attach Vsnd", 12, |ctx, domid| block_on(ctx.attach(domid, &vsnd())).map(drop)),
    ("detach Vsnd", 12, |ctx, domid| block_on(ctx.detach(domid, &vsnd()))),
    ("destroy_device Vsnd", 12, |ctx, domid| block_on(ctx.destroy_device(domid, &vsnd()))),
    ("device_info Vsnd", 12, |ctx, domid| ctx.device_info(domid, &vsnd()).map(drop)),
    ("device_info Channel", 5, |ctx, domid| ctx.device_info(domid, &channel()).map(drop)),
];

/// What is asked of the host.
const OF_THE_HOST: &[(&str, u32, Ask)] = &[
    ("domains", 2, |ctx, _| ctx.domains().map(drop)),
    ("find", 2, |ctx, _| ctx.find("nobody").map(drop)),
    ("free_memory_kib", 2, |ctx, _| ctx.free_memory_kib().map(drop)),
    ("needed_memory_kib", 5, |ctx, _| ctx.needed_memory_kib(&config()).map(drop)),
    ("wait_for_free_memory", 2, |ctx, _| block_on(ctx.wait_for_free_memory(1, 1))),
    ("xen_version", 2, |ctx, _| ctx.xen_version().map(drop)),
    ("version_info", 2, |ctx, _| ctx.version_info().map(drop)),
    ("phys_info", 2, |ctx, _| ctx.phys_info().map(drop)),
    ("numa_nodes", 2, |ctx, _| ctx.numa_nodes().map(drop)),
    ("cpu_topology", 2, |ctx, _| ctx.cpu_topology().map(drop)),
    ("pci_topology", 6, |ctx, _| ctx.pci_topology().map(drop)),
    ("online_cpus", 4, |ctx, _| ctx.online_cpus().map(drop)),
    ("scheduler", 2, |ctx, _| ctx.scheduler().map(drop)),
    ("set_xen_parameters", 10, |ctx, _| ctx.set_xen_parameters("x=1")),
    ("send_debug_keys", 2, |ctx, _| ctx.send_debug_keys("h")),
    ("xen_log", 2, |ctx, _| ctx.xen_log(false).map(drop)),
    ("follow_xen_log", 2, |ctx, _| ctx.follow_xen_log().read(ctx).map(drop)),
    ("cpupools", 2, |ctx, _| ctx.cpupools().map(drop)),
    ("free_cpus", 2, |ctx, _| ctx.free_cpus().map(drop)),
    ("create_cpupool", 2, |ctx, _| ctx.create_cpupool("x", &Scheduler::Credit, &set()).map(drop)),
    ("destroy_cpupool", 2, |ctx, _| ctx.destroy_cpupool(7)),
    ("rename_cpupool", 2, |ctx, _| ctx.rename_cpupool(7, "x")),
    ("add_cpus", 6, |ctx, _| ctx.add_cpus(7, &set())),
    ("remove_cpus", 6, |ctx, _| ctx.remove_cpus(7, &set())),
    ("credit_params", 2, |ctx, _| ctx.credit_params(0).map(drop)),
    ("set_credit_params", 2, |ctx, _| ctx.set_credit_params(0, &CreditParams::default())),
    ("credit2_params", 8, |ctx, _| ctx.credit2_params(0).map(drop)),
    ("set_credit2_params", 8, |ctx, _| ctx.set_credit2_params(0, &Credit2Params::default())),
    ("assignable_pci", 2, |ctx, _| ctx.assignable_pci().map(drop)),
    ("make_pci_assignable", 2, |ctx, _| ctx.make_pci_assignable(&Pci::default().bus(0xff), true)),
    ("make_pci_unassignable", 2, |ctx, _| ctx.make_pci_unassignable(&Pci::default().bus(0xff), true)),
    ("cache_sharing", 10, |ctx, _| ctx.cache_sharing(3).map(drop)),
    ("bandwidth_sharing", 11, |ctx, _| ctx.bandwidth_sharing().map(drop)),
    ("cache_monitors", 5, |ctx, _| ctx.cache_monitors().map(drop)),
    ("l3_cache_kib", 5, |ctx, _| ctx.l3_cache_kib(99).map(drop)),
    ("is_policy_enforced", 2, |ctx, _| ctx.is_policy_enforced().map(drop)),
    ("enforce_policy", 2, |ctx, _| ctx.enforce_policy(true)),
    ("load_policy", 2, |ctx, _| ctx.load_policy(b"no policy")),
    ("label_number", 2, |ctx, _| ctx.label_number("system_u:system_r:domU_t").map(drop)),
    ("label", 2, |ctx, _| ctx.label(1).map(drop)),
    ("xenstore_quotas", 22, |ctx, _| ctx.xenstore_quotas().map(drop)),
    ("set_xenstore_quotas", 22, |ctx, _| ctx.set_xenstore_quotas(&XenstoreQuotas::default())),
];

fn disk() -> Disk {
    Disk::default().vdev("xvdz").pdev_path("/dev/null").format(DiskFormat::Raw)
}

fn nic() -> Nic {
    Nic::default().devid(9)
}

fn vfb() -> Vfb {
    Vfb::default().devid(9)
}

fn vkb() -> Vkb {
    Vkb::default().devid(9)
}

fn pci() -> Pci {
    Pci::default().bus(0xff)
}

fn usbcontroller() -> UsbController {
    UsbController::default().devid(9).kind(UsbControllerKind::Pv)
}

fn usbdevice() -> UsbDevice {
    UsbDevice::default().ctrl(9).port(1).kind(UsbDeviceKind::Host(HostUsbDevice::default().hostbus(9).hostaddr(9)))
}

fn vtpm() -> Vtpm {
    Vtpm::default().devid(9)
}

fn p9() -> P9 {
    P9::default().devid(9).tag("t").path("/nowhere").security_model("none")
}

fn pvcalls() -> PvCalls {
    PvCalls::default().devid(9)
}

fn vdispl() -> Vdispl {
    Vdispl::default().devid(9)
}

fn vsnd() -> Vsnd {
    Vsnd::default().devid(9)
}

fn channel() -> Channel {
    Channel::default().devid(9)
}

fn set() -> BTreeSet<u32> {
    [0].into()
}

fn config() -> DomainConfig {
    DomainConfig::new("x", Machine::Pv(Pv::default()))
}

fn answered(stage: &Stage) -> anyhow::Result<()> {
    let pretend = stage.machine.pretend()?;
    let opened = stage.open()?;
    let release = stage.library.release();
    let nobody = DomainId::new(99);
    // A domain that does not answer is waited for, for a minute: 0.1 s of it are left.
    pretend.clock().set_lag_ms(59_900);
    pretend.keep_configuration(&opened.ctx.info(FIVE)?)?;
    for (name, minor, ask) in OF_A_DOMAIN.iter().chain(OF_A_DEVICE) {
        let since = Release::new(4, *minor);
        let answer = ask(&opened.ctx, nobody);
        match &answer {
            Err(Error::NoSuchDomain { domid, .. }) if *domid == nobody => {}
            Err(Error::Unsupported { needs, .. }) if *needs == since && since > release => {}
            _ => bail!("{name} of a domain that is not there: {answer:?}"),
        }
        typed(name, since, release, &ask(&opened.ctx, FIVE))?;
    }
    ensure!(opened.ctx.vnc_server(FIVE)?.is_none(), "a screen from nowhere");
    for (node, value) in [("vnc-port", "5907"), ("vnc-listen", "::1"), ("vnc-pass", "secret")] {
        pretend.store.write(&format!("/local/domain/{FIVE}/console/{node}"), value.as_bytes())?;
    }
    let screen = opened.ctx.vnc_server(FIVE)?;
    let address = screen.as_ref().map(|screen| (screen.to_string(), screen.password.as_deref()));
    ensure!(address == Some(("[::1]:5907".to_owned(), Some("secret"))), "{screen:?}");
    // What libxl reads through a null pointer, aborts for, or writes outside of.
    let nameless = Disk::default().pdev_path("/dev/null").format(DiskFormat::Raw);
    for refused in [
        block_on(opened.ctx.attach(FIVE, &nameless)).map(drop),
        block_on(opened.ctx.detach(FIVE, &nameless)),
        block_on(opened.ctx.destroy_device(FIVE, &nameless)),
        block_on(opened.ctx.insert_disc(FIVE, &nameless)),
    ] {
        ensure!(matches!(&refused, Err(Error::Config { path, .. }) if path == "vdev"), "{refused:?}");
    }
    for level in [0, 1, 4, u32::MAX] {
        let refused = opened.ctx.cache_sharing(level);
        ensure!(matches!(&refused, Err(Error::Config { .. })), "{refused:?}");
    }
    overlays_are_refused(&opened.ctx)?;
    for number in [3_000_000_000, u32::MAX] {
        let set = BTreeSet::from([number]);
        for refused in [
            block_on(opened.ctx.set_online_vcpus(FIVE, &set)),
            opened.ctx.create_cpupool("x", &Scheduler::Credit2, &set).map(drop),
            opened.ctx.set_vcpu_affinity(FIVE, 0, Some(&set), None),
        ] {
            ensure!(matches!(&refused, Err(Error::OutOfRange { .. })), "{refused:?}");
        }
    }
    let own = opened.ctx.note(FIVE, "libxl-json", b"");
    ensure!(matches!(&own, Err(Error::Config { .. })), "{own:?}");
    opened.ctx.note(FIVE, "nothing", b"").context("nothing is noted, so there is nothing to be deleted")?;
    // Affinities that libxl would make in memory that it frees, and our dispose, too.
    let mut with_cpus = config();
    with_cpus.build_info = with_cpus.build_info.max_vcpus(2).cpumap([0]);
    let needed = opened.ctx.needed_memory_kib(&with_cpus);
    ensure!(matches!(&needed, Ok(_) | Err(Error::Libxl { .. })), "{needed:?}");
    let created = block_on(opened.ctx.create(&with_cpus));
    ensure!(matches!(&created, Err(Error::Libxl { .. })), "{created:?}");
    if release >= Release::V4_7 {
        let of_no_kind = block_on(opened.ctx.detach(FIVE, &UsbController::default()));
        ensure!(matches!(&of_no_kind, Err(Error::Config { path, .. }) if path == "type"), "{of_no_kind:?}");
    }
    for (name, minor, ask) in OF_THE_HOST {
        typed(name, Release::new(4, *minor), release, &ask(&opened.ctx, nobody))?;
    }
    // A domain that is there when it is asked for, and gone soon.
    std::thread::scope(|scope| -> anyhow::Result<()> {
        let asking = scope.spawn(|| {
            let mut answers = Vec::new();
            while !answers.last().is_some_and(|answer| matches!(answer, Err(Error::NoSuchDomain { .. }))) {
                answers.push(opened.ctx.start_time(FIVE).map(drop));
            }
            answers
        });
        pretend.destroy(FIVE)?;
        for answer in asking.join().expect("it does not panic") {
            typed("start_time", Release::V4_2, release, &answer)?;
        }
        Ok(())
    })?;
    opened.expect_idle()?;
    opened.close()
}

/// What is no device tree, and everything on another architecture than Arm.
fn overlays_are_refused(ctx: &Ctx) -> anyhow::Result<()> {
    for overlay in [&[0; 39][..], &[0; 40][..]] {
        let answers = [ctx.add_overlay(overlay), ctx.remove_overlay(overlay), ctx.attach_overlay(FIVE, overlay)];
        for answer in answers {
            let error = answer.expect_err("it is nothing but zeros");
            let expected = match &error {
                // libxl's own test of it would read 40 bytes.
                Error::Config { path, .. } => overlay.len() < 40 && path == "overlay",
                Error::OtherArchitecture { needs, .. } => overlay.len() == 40 && *needs != std::env::consts::ARCH,
                Error::Libxl { .. } | Error::Unsupported { .. } => cfg!(target_arch = "aarch64"),
                _ => false,
            };
            ensure!(expected, "{} bytes: {error:?}", overlay.len());
        }
    }
    Ok(())
}

/// An answer, or an error that says who can do what about it.
fn typed(name: &str, since: Release, release: Release, answer: &Result<(), Error>) -> anyhow::Result<()> {
    if since > release {
        ensure!(matches!(answer, Err(Error::Unsupported { needs, .. }) if *needs == since), "{name}: {answer:?}");
        return Ok(());
    }
    match answer {
        Ok(())
        | Err(Error::Libxl { .. } | Error::NoSuchDomain { .. } | Error::Config { .. } | Error::TimedOut { .. }) => {
            Ok(())
        }
        // The console has no terminal, the set of scheduling parameters is empty.
        Err(Error::Format { .. }) => Ok(()),
        Err(other) => bail!("{name}: {other:?}"),
    }
}
