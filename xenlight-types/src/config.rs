//! The configuration of a domain.

use crate::build::BuildInfo;
use crate::channel::Channel;
use crate::disk::Disk;
use crate::display::Vdispl;
use crate::graphics::{Vfb, Vkb};
use crate::nic::Nic;
use crate::pci::{DtDevice, Pci, Rdm};
use crate::share::{P9, PvCalls};
use crate::sound::Vsnd;
use crate::usb::{UsbController, UsbDevice};
use crate::virtio::Virtio;
use crate::vtpm::Vtpm;

table! {
    /// All that describes a domain: what it is created as, what it is built from, and its devices. libxl creates a
    /// domain from it, keeps it while the domain lives, and tells it again, with its defaults filled in.
    struct DomainConfig = "domain_config" since "4.3" {
        /// Type, name, UUID, and what else must be known before the domain exists.
        create_info = "c_info": [struct CreateInfo];
        /// CPUs, memory, what to boot, and what else the domain is built from.
        build_info = "b_info": [struct BuildInfo];
        /// Block devices, disks and CD-ROM drives. [`field@BuildInfo::bootloader`] reads the first. xl: `disk`.
        disks: [list struct Disk];
        /// Network interfaces. xl: `vif`.
        nics: [list struct Nic];
        /// PCI devices of the host that the domain gets. They need an IOMMU, and on x86 a PV or HVM domain. See
        /// [`field@CreateInfo::passthrough`]. xl: `pci`.
        pcidevs: [list struct Pci];
        /// Paravirtual framebuffers. They need a device model. The graphics card of an HVM domain is
        /// [`Hvm::vga`](field@crate::Hvm::vga) instead. xl: `vfb`.
        vfbs: [list struct Vfb];
        /// Paravirtual keyboards and pointers. An HVM domain without any gets one unless
        /// [`Hvm::vkb_device`](field@crate::Hvm::vkb_device) is no. xl: `vkb`.
        vkbs: [list struct Vkb];
        /// Virtual trusted platform modules. xl: `vtpm`.
        vtpms: [list struct Vtpm];
        /// Channels: lines of bytes between the domain and its host. xl: `channel`.
        channels: [list struct Channel] since "4.5";
        /// Controllers of USB. xl: `usbctrl`.
        usbctrls: [list struct UsbController] since "4.7";
        /// USB devices of the host that the domain gets. xl: `usbdev`.
        usbdevs: [list struct UsbDevice] since "4.7";
        /// Directories that are shared with the domain by 9pfs. xl: `p9`.
        p9s: [list struct P9] since "4.10";
        /// Paravirtual displays. xl: `vdispl`.
        vdispls: [list struct Vdispl] since "4.10";
        /// Paravirtual sound cards. xl: `vsnd`.
        vsnds: [list struct Vsnd] since "4.12";
        /// PV Calls, by which the domain's sockets are those of another domain. xl: `pvcalls`.
        pvcallsifs: [list struct PvCalls] since "4.11";
        /// Virtio devices, on Arm. Disks by virtio are in [`field@DomainConfig::disks`]. xl: `virtio`.
        virtios: [list struct Virtio] since "4.18";
        /// Devices of the host's device tree that the domain gets, on Arm. xl: `dtdev`.
        dtdevs: [list struct DtDevice] since "4.6";
        /// Memory that PCI devices reserve. Leave it empty: libxl finds it, by [`Hvm::rdm`](field@crate::Hvm::rdm) and
        /// [`field@DomainConfig::pcidevs`], unless it is given here.
        rdms: [list struct Rdm] since "4.6";
        /// The action when the domain powers off. Not set: [`ShutdownAction::Destroy`].
        ///
        /// libxl only keeps this and the other actions; the program that watches the domain has to do them, as xl does.
        on_poweroff: [enum ShutdownAction];
        /// The action when the domain reboots. Not set: [`ShutdownAction::Destroy`]; xl takes
        /// [`ShutdownAction::Restart`].
        on_reboot: [enum ShutdownAction];
        /// The action when the domain's watchdog has expired. Not set: [`ShutdownAction::Destroy`].
        on_watchdog: [enum ShutdownAction];
        /// The action when the domain has crashed. Not set: [`ShutdownAction::Destroy`].
        on_crash: [enum ShutdownAction];
        /// The action when the domain asks for a soft reset, as it does to run another kernel by kexec. Not
        /// set: [`ShutdownAction::Destroy`]; xl uses [`ShutdownAction::SoftReset`].
        on_soft_reset: [enum ShutdownAction] since "4.7";
    }

    /// What must be known of a domain before it exists.
    struct CreateInfo = "domain_create_info" since "4.2" {
        /// The type of the domain. It must be set, and [`field@BuildInfo::machine`] must be of the same type.
        kind = "type": [enum DomainKind];
        /// The name, unique on the host unless it is empty. It must be set.
        name: [text];
        /// The UUID. Set one, a new one for each domain: libxl makes none, and without it the UUID is all zeros.
        uuid: [uuid];
        /// The number for the domain, 1 to 32751. It must be free, and not have been in use a short time
        /// ago. Not set: Xen takes the next free one. 4294967294: libxl takes one at random.
        domid: [domid] since "4.14";
        /// The name, or the number as text, of the cpupool for the domain. It takes precedence over
        /// [`field@CreateInfo::poolid`]. xl: `pool`.
        pool_name: [text] since "4.5";
        /// The number of the cpupool for the domain. Not set: 0, the cpupool `Pool-0`.
        poolid: [u32];
        /// Whether the CPU's nested page tables (EPT, NPT) translate the domain's addresses; if not, Xen keeps shadow
        /// page tables. HVM and PVH. Default: yes where the host can, shadow page tables otherwise.
        hap: [defbool];
        /// Whether shadow page tables may be out of sync with the domain's own for a while, which is faster. x86, HVM
        /// and PVH without [`field@CreateInfo::hap`]. Default: yes.
        oos: [defbool];
        /// How the IOMMU is used for devices that are passed through. Not set: [`Passthrough::Default`].
        passthrough: [enum Passthrough] since "4.13";
        /// Whether it is a driver domain, the backend of other domains' devices. It may then write to parts of xenstore
        /// that libxl in the domain needs. Default: no.
        driver_domain: [defbool] since "4.4";
        /// Whether libxl runs the hotplug scripts of devices; if not, that is left to rules of udev. Default: yes. xl
        /// has it in `xl.conf`.
        run_hotplug_scripts: [defbool];
        /// The label that XSM knows the domain by, such as `system_u:system_r:domU_t`. It takes precedence over
        /// [`field@CreateInfo::ssidref`]; where XSM is off, it is ignored with a warning. With
        /// [`field@BuildInfo::exec_ssid_label`], it counts only while the domain is built. xl: `seclabel`, or
        /// `init_seclabel` if both are given.
        ssid_label: [text] since "4.5";
        /// The number of the label that XSM knows the domain by. Not set: that of an ordinary domain. Better give
        /// [`field@CreateInfo::ssid_label`].
        ssidref: [u32];
        /// What is written into the domain's directory of xenstore, `/local/domain/` and its number: values by path
        /// below it.
        xsdata: [map];
        /// What is written into the directory `platform` in the domain's directory of xenstore: values by path below
        /// it. The firmware of HVM domains reads some of them.
        platformdata: [map];
        /// Whether the domain may write `device` in xenstore, as with xend, and there is no path for its suspend
        /// event channel. Some old PV drivers for Windows need it. Default: no.
        xend_suspend_evtchn_compat: [defbool] since "4.14";
    }

    /// How Xen runs a domain.
    enum DomainKind = "domain_type" since "4.2" {
        /// None. libxl refuses to create it.
        Invalid = "invalid" -1;
        /// A full machine, with firmware and emulated devices, which a device model provides. Any operating system runs
        /// in it.
        Hvm = "hvm" 1;
        /// Paravirtual: a kernel made for it, without help by the CPU. x86 only; on Arm, libxl makes it
        /// [`DomainKind::Pvh`].
        Pv = "pv" 2;
        /// A kernel made for it, in memory and CPUs that hardware virtualises, without firmware and emulated devices.
        /// All domains on Arm are of this type.
        Pvh = "pvh" 3 since "4.10";
    }

    /// What is to be done with a domain that has shut down.
    enum ShutdownAction = "action_on_shutdown" since "4.2" {
        /// Destroy it.
        Destroy = "destroy" 1;
        /// Destroy it, and create it again from the same configuration.
        Restart = "restart" 2;
        /// Keep it under another name, and create a new one from the same configuration. xl: `rename-restart`.
        RestartRename = "restart_rename" 3;
        /// Keep it for inspection until it is destroyed.
        Preserve = "preserve" 4;
        /// Write a dump of its memory, then destroy it. xl: `coredump-destroy`.
        CoredumpDestroy = "coredump_destroy" 5;
        /// Write a dump of its memory, then destroy it and create it again. xl: `coredump-restart`.
        CoredumpRestart = "coredump_restart" 6;
        /// Reset what it has of Xen's (event channels, grants, its page of shared information) and let it go on. For
        /// HVM domains only. xl: `soft-reset`.
        SoftReset = "soft_reset" 7 since "4.7";
    }

    /// How the IOMMU translates for the devices that a domain is given.
    enum Passthrough = "passthrough" since "4.13" {
        /// [`Passthrough::Enabled`] if the domain has [`field@DomainConfig::pcidevs`] or
        /// [`field@DomainConfig::dtdevs`], otherwise [`Passthrough::Disabled`].
        Default = "default" 0;
        /// It does not: the domain cannot be given devices, now or later.
        Disabled = "disabled" 1;
        /// It does. libxl uses [`Passthrough::SharePt`] where that is possible, otherwise [`Passthrough::SyncPt`].
        /// Devices can be given later. Not for PVH on x86.
        Enabled = "enabled" 2;
        /// By page tables of its own, which Xen keeps the same as the domain's. They cost memory: see
        /// [`field@BuildInfo::iommu_memory_kib`]. x86 only.
        SyncPt = "sync_pt" 3;
        /// By the domain's nested page tables, which it shares. Arm; on x86 for HVM with [`field@CreateInfo::hap`],
        /// where the host can.
        SharePt = "share_pt" 4;
    }
}
