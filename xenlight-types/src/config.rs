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
    struct DomainConfig = "domain_config" since "4.3" {
        create_info = "c_info": [struct CreateInfo];
        build_info = "b_info": [struct BuildInfo];
        disks: [list struct Disk];
        nics: [list struct Nic];
        pcidevs: [list struct Pci];
        vfbs: [list struct Vfb];
        vkbs: [list struct Vkb];
        vtpms: [list struct Vtpm];
        on_poweroff: [enum ShutdownAction];
        on_reboot: [enum ShutdownAction];
        on_watchdog: [enum ShutdownAction];
        on_crash: [enum ShutdownAction];
        channels: [list struct Channel] since "4.5";
        rdms: [list struct Rdm] since "4.6";
        dtdevs: [list struct DtDevice] since "4.6";
        usbctrls: [list struct UsbController] since "4.7";
        usbdevs: [list struct UsbDevice] since "4.7";
        on_soft_reset: [enum ShutdownAction] since "4.7";
        p9s: [list struct P9] since "4.10";
        vdispls: [list struct Vdispl] since "4.10";
        pvcallsifs: [list struct PvCalls] since "4.11";
        vsnds: [list struct Vsnd] since "4.12";
        virtios: [list struct Virtio] since "4.18";
    }

    struct CreateInfo = "domain_create_info" since "4.2" {
        kind = "type": [enum DomainKind];
        hap: [defbool];
        oos: [defbool];
        ssidref: [u32];
        name: [text];
        uuid: [uuid];
        xsdata: [map];
        platformdata: [map];
        poolid: [u32];
        run_hotplug_scripts: [defbool];
        driver_domain: [defbool] since "4.4";
        ssid_label: [text] since "4.5";
        pool_name: [text] since "4.5";
        passthrough: [enum Passthrough] since "4.13";
        domid: [domid] since "4.14";
        xend_suspend_evtchn_compat: [defbool] since "4.14";
    }

    enum DomainKind = "domain_type" since "4.2" {
        Invalid = "invalid" -1;
        Hvm = "hvm" 1;
        Pv = "pv" 2;
        Pvh = "pvh" 3 since "4.10";
    }

    enum ShutdownAction = "action_on_shutdown" since "4.2" {
        Destroy = "destroy" 1;
        Restart = "restart" 2;
        RestartRename = "restart_rename" 3;
        Preserve = "preserve" 4;
        CoredumpDestroy = "coredump_destroy" 5;
        CoredumpRestart = "coredump_restart" 6;
        SoftReset = "soft_reset" 7 since "4.7";
    }

    enum Passthrough = "passthrough" since "4.13" {
        Default = "default" 0;
        Disabled = "disabled" 1;
        Enabled = "enabled" 2;
        SyncPt = "sync_pt" 3;
        SharePt = "share_pt" 4;
    }
}
