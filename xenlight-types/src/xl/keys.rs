//! All keys of xl's files: the one table that reader, writer and documentation go by.

use super::device::{self, Device};
use super::item::{self, Item};
use super::scalar::{COUNT, I32, Scalar, U32};
use crate::LibxlType;

/// A key.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) name: &'static str,
    /// Where libxl's JSON has it, with slashes between the keys of objects.
    pub(crate) place: &'static str,
    /// Which types of domains have it.
    pub(crate) of: Machines,
    pub(crate) kind: Kind,
    /// Why one should not use it; empty if one can.
    pub(crate) deprecated: &'static str,
}

/// Types of domains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Machines {
    All,
    Hvm,
    Pv,
    Pvh,
    /// All but PV.
    HvmPvh,
}

/// What the value of a key is.
#[derive(Debug)]
pub(crate) enum Kind {
    /// A single value.
    One(Scalar),
    /// A list of texts.
    Texts,
    /// A list of texts, or one, which then has this place.
    TextsOrText(&'static str),
    /// A list of texts with a form of their own.
    Items(&'static Item),
    /// A list of devices.
    Devices(&'static Device),
    /// A list of devices whose place in the list is their number.
    Numbered(&'static Device),
    /// More than one field, or a form of its own: `apart.rs` reads it, by way of others, and `write.rs` writes it.
    Apart,
    /// xl takes it and does nothing with it.
    Ignored,
}

/// xl's names of what is done when a domain ends.
const ACTION: Scalar = Scalar::Choice(&[
    ("destroy", "destroy"),
    ("restart", "restart"),
    ("rename-restart", "restart_rename"),
    ("preserve", "preserve"),
    ("coredump-destroy", "coredump_destroy"),
    ("coredump-restart", "coredump_restart"),
    ("soft-reset", "soft_reset"),
]);

const DEVICE_MODEL: Scalar =
    Scalar::Choice(&[("qemu-xen", "qemu_xen"), ("qemu-xen-traditional", "qemu_xen_traditional")]);

const fn key(name: &'static str, place: &'static str, of: Machines, kind: Kind) -> Key {
    Key { name, place, of, kind, deprecated: "" }
}

const fn one(name: &'static str, place: &'static str, scalar: Scalar) -> Key {
    key(name, place, Machines::All, Kind::One(scalar))
}

const fn hvm(name: &'static str, place: &'static str, scalar: Scalar) -> Key {
    key(name, place, Machines::Hvm, Kind::One(scalar))
}

const fn apart(name: &'static str, of: Machines) -> Key {
    key(name, "", of, Kind::Apart)
}

const fn deprecated(key: Key, deprecated: &'static str) -> Key {
    Key { deprecated, ..key }
}

use Machines::{All, Hvm, HvmPvh, Pv, Pvh};
use Scalar::{Defbool, Enumeration, Flag, Mib, Number, Numbered, Offset, Text, Uuid};

const INT_MAX: i64 = i32::MAX as i64;
/// The kind of an enumeration.
macro_rules! named {
    ($name:ident) => {
        Enumeration(crate::$name::KIND)
    };
}

/// All of them, in the order in which they are written.
pub(crate) static KEYS: &[Key] = &[
    // The domain.
    one("name", "c_info/name", Text),
    apart("type", All),
    deprecated(apart("builder", All), "use type"),
    one("uuid", "c_info/uuid", Uuid),
    one("pool", "c_info/pool_name", Text),
    apart("seclabel", All),
    apart("init_seclabel", All),
    one("hap", "c_info/hap", Defbool),
    one("oos", "c_info/oos", Defbool),
    one("driver_domain", "c_info/driver_domain", Defbool),
    one("passthrough", "c_info/passthrough", named!(Passthrough)),
    one("xend_suspend_evtchn_compat", "c_info/xend_suspend_evtchn_compat", Defbool),
    one("on_poweroff", "on_poweroff", ACTION),
    one("on_reboot", "on_reboot", ACTION),
    one("on_watchdog", "on_watchdog", ACTION),
    one("on_crash", "on_crash", ACTION),
    one("on_soft_reset", "on_soft_reset", ACTION),
    // CPUs and memory.
    apart("vcpus", All),
    one("maxvcpus", "b_info/max_vcpus", Number(1, INT_MAX)),
    apart("cpus", All),
    apart("cpus_soft", All),
    apart("vnuma", All),
    one("cpu_weight", "b_info/sched_params/weight", I32),
    one("cap", "b_info/sched_params/cap", I32),
    one("period", "b_info/sched_params/period", I32),
    one("slice", "b_info/sched_params/slice", I32),
    one("latency", "b_info/sched_params/latency", I32),
    one("extratime", "b_info/sched_params/extratime", Flag),
    one("memory", "b_info/target_memkb", Mib),
    one("maxmem", "b_info/max_memkb", Mib),
    one("videoram", "b_info/video_memkb", Mib),
    one("shadow_memory", "b_info/shadow_memkb", Mib),
    apart("llc_colors", All),
    // What it boots.
    one("kernel", "b_info/kernel", Text),
    one("ramdisk", "b_info/ramdisk", Text),
    one("cmdline", "b_info/cmdline", Text),
    apart("root", All),
    apart("extra", All),
    one("bootloader", "b_info/bootloader", Text),
    apart("bootloader_args", All),
    one("bootloader_restrict", "b_info/bootloader_restrict", Defbool),
    one("bootloader_user", "b_info/bootloader_user", Text),
    apart("firmware", All),
    hvm("firmware_override", "b_info/type.hvm/firmware", Text),
    hvm("bios", "b_info/type.hvm/bios", named!(Bios)),
    hvm("bios_path_override", "b_info/type.hvm/system_firmware", Text),
    hvm("acpi_firmware", "b_info/type.hvm/acpi_firmware", Text),
    hvm("smbios_firmware", "b_info/type.hvm/smbios_firmware", Text),
    key("smbios", "b_info/type.hvm/smbios", Hvm, Kind::Items(&item::SMBIOS)),
    hvm("boot", "b_info/type.hvm/boot", Text),
    key("pvshim", "b_info/type.pvh/pvshim", Pvh, Kind::One(Defbool)),
    key("pvshim_path", "b_info/type.pvh/pvshim_path", Pvh, Kind::One(Text)),
    key("pvshim_cmdline", "b_info/type.pvh/pvshim_cmdline", Pvh, Kind::One(Text)),
    key("pvshim_extra", "b_info/type.pvh/pvshim_extra", Pvh, Kind::One(Text)),
    // How it sees the machine.
    apart("cpuid", All),
    one("acpi", "b_info/acpi", Defbool),
    hvm("apic", "b_info/apic", Defbool),
    one("nestedhvm", "b_info/nested_hvm", Defbool),
    one("altp2m", "b_info/altp2m", Numbered(crate::Altp2mMode::KIND)),
    one("altp2m_count", "b_info/altp2m_count", Number(0, u16::MAX as i64)),
    deprecated(hvm("altp2mhvm", "b_info/type.hvm/altp2m", Defbool), "use altp2m"),
    one("vmtrace_buf_kb", "b_info/vmtrace_buf_kb", COUNT),
    one("vpmu", "b_info/vpmu", Defbool),
    one("localtime", "b_info/localtime", Defbool),
    one("rtc_timeoffset", "b_info/rtc_timeoffset", Offset),
    one("tsc_mode", "b_info/tsc_mode", Numbered(crate::TscMode::KIND)),
    key("timer_mode", "b_info/timer_mode", HvmPvh, Kind::One(Numbered(crate::TimerMode::KIND))),
    one("nomigrate", "b_info/disable_migrate", Defbool),
    key("e820_host", "b_info/type.pv/e820_host", Pv, Kind::One(Defbool)),
    one("max_event_channels", "b_info/event_channels", U32),
    one("max_grant_frames", "b_info/max_grant_frames", COUNT),
    one("max_maptrack_frames", "b_info/max_maptrack_frames", COUNT),
    one("max_grant_version", "b_info/max_grant_version", COUNT),
    one("xenstore_feature_mask", "b_info/xenstore_feature_mask", U32),
    key("xenstore_quota", "b_info/xenstore_quota/quota", All, Kind::Items(&item::XENSTORE_QUOTA)),
    hvm("pae", "b_info/type.hvm/pae", Defbool),
    hvm("acpi_s3", "b_info/type.hvm/acpi_s3", Defbool),
    hvm("acpi_s4", "b_info/type.hvm/acpi_s4", Defbool),
    hvm("acpi_laptop_slate", "b_info/type.hvm/acpi_laptop_slate", Defbool),
    hvm("nx", "b_info/type.hvm/nx", Defbool),
    hvm("hpet", "b_info/type.hvm/hpet", Defbool),
    hvm("vpt_align", "b_info/type.hvm/vpt_align", Defbool),
    hvm("hvm_pirq", "b_info/type.hvm/pirq", Defbool),
    hvm("mmio_hole", "b_info/type.hvm/mmio_hole_memkb", Mib),
    apart("viridian", Hvm),
    apart("ms_vm_genid", Hvm),
    apart("mca_caps", Hvm),
    hvm("rdm_mem_boundary", "b_info/type.hvm/rdm_mem_boundary_memkb", Mib),
    hvm("xen_platform_pci", "b_info/type.hvm/xen_platform_pci", Defbool),
    hvm("xen_platform_pci_bar_uc", "b_info/type.hvm/xen_platform_pci_bar_uc", Defbool),
    hvm("vendor_device", "b_info/type.hvm/vendor_device", named!(VendorDevice)),
    deprecated(one("msr_relaxed", "b_info/arch_x86/msr_relaxed", Defbool), "Xen will not have it for ever"),
    one("gic_version", "b_info/arch_arm/gic_version", named!(GicVersion)),
    one("vuart", "b_info/arch_arm/vuart", named!(VirtualUart)),
    one("sve", "b_info/arch_arm/sve_vl", named!(SveLength)),
    one("nr_spis", "b_info/arch_arm/nr_spis", U32),
    apart("arm_sci", All),
    one("tee", "b_info/tee", named!(TeeKind)),
    one("device_tree", "b_info/device_tree", Text),
    one("trap_unmapped_accesses", "b_info/trap_unmapped_accesses", Defbool),
    // The device model, and what it emulates.
    one("device_model_version", "b_info/device_model_version", DEVICE_MODEL),
    one("device_model_override", "b_info/device_model", Text),
    one("device_model_user", "b_info/device_model_user", Text),
    one("dm_restrict", "b_info/dm_restrict", Defbool),
    key("device_model_args", "b_info/extra", All, Kind::Texts),
    key("device_model_args_pv", "b_info/extra_pv", All, Kind::Texts),
    key("device_model_args_hvm", "b_info/extra_hvm", All, Kind::Texts),
    one("device_model_stubdomain_override", "b_info/device_model_stubdomain", Defbool),
    one("device_model_stubdomain_seclabel", "b_info/device_model_ssid_label", Text),
    one("stubdomain_memory", "b_info/stubdomain_memkb", Mib),
    one("stubdomain_kernel", "b_info/stubdomain_kernel", Text),
    one("stubdomain_ramdisk", "b_info/stubdomain_ramdisk", Text),
    one("stubdomain_cmdline", "b_info/stubdomain_cmdline", Text),
    hvm("hdtype", "b_info/type.hvm/hdtype", named!(HardDiskKind)),
    apart("vga", Hvm),
    deprecated(apart("stdvga", Hvm), "use vga"),
    hvm("nographic", "b_info/type.hvm/nographic", Defbool),
    // A PV domain has them for its paravirtual display.
    apart("vnc", All),
    apart("vnclisten", All),
    apart("vncpasswd", All),
    apart("vncdisplay", All),
    apart("vncunused", All),
    apart("sdl", All),
    apart("opengl", All),
    apart("display", All),
    apart("xauthority", All),
    apart("keymap", All),
    hvm("spice", "b_info/type.hvm/spice/enable", Defbool),
    hvm("spiceport", "b_info/type.hvm/spice/port", COUNT),
    hvm("spicetls_port", "b_info/type.hvm/spice/tls_port", COUNT),
    hvm("spicehost", "b_info/type.hvm/spice/host", Text),
    hvm("spicedisable_ticketing", "b_info/type.hvm/spice/disable_ticketing", Defbool),
    hvm("spicepasswd", "b_info/type.hvm/spice/passwd", Text),
    hvm("spiceagent_mouse", "b_info/type.hvm/spice/agent_mouse", Defbool),
    hvm("spicevdagent", "b_info/type.hvm/spice/vdagent", Defbool),
    hvm("spice_clipboard_sharing", "b_info/type.hvm/spice/clipboard_sharing", Defbool),
    hvm("spiceusbredirection", "b_info/type.hvm/spice/usbredirection", COUNT),
    hvm("spice_image_compression", "b_info/type.hvm/spice/image_compression", Text),
    hvm("spice_streaming_video", "b_info/type.hvm/spice/streaming_video", Text),
    apart("gfx_passthru", Hvm),
    key("serial", "b_info/type.hvm/serial_list", Hvm, Kind::TextsOrText("b_info/type.hvm/serial")),
    hvm("usb", "b_info/type.hvm/usb", Defbool),
    hvm("usbversion", "b_info/type.hvm/usbversion", Number(0, 3)),
    key("usbdevice", "b_info/type.hvm/usbdevice_list", Hvm, Kind::TextsOrText("b_info/type.hvm/usbdevice")),
    hvm("vkb_device", "b_info/type.hvm/vkb_device", Defbool),
    hvm("soundhw", "b_info/type.hvm/soundhw", Text),
    // Devices.
    apart("disk", All),
    key("vif", "nics", All, Kind::Numbered(&device::VIF)),
    apart("vfb", All),
    apart("vkb", All),
    apart("rdm", Hvm),
    apart("pci", All),
    apart("pci_permissive", All),
    apart("pci_msitranslate", All),
    apart("pci_seize", All),
    apart("pci_power_mgmt", All),
    key("dtdev", "dtdevs", All, Kind::Items(&item::DTDEV)),
    key("ioports", "b_info/ioports", All, Kind::Items(&item::IOPORTS)),
    key("irqs", "b_info/irqs", All, Kind::Items(&item::IRQS)),
    key("iomem", "b_info/iomem", All, Kind::Items(&item::IOMEM)),
    key("usbctrl", "usbctrls", All, Kind::Numbered(&device::USBCTRL)),
    key("usbdev", "usbdevs", All, Kind::Devices(&device::USBDEV)),
    key("vtpm", "vtpms", All, Kind::Numbered(&device::VTPM)),
    key("p9", "p9s", All, Kind::Devices(&device::P9)),
    key("pvcalls", "pvcallsifs", All, Kind::Numbered(&device::PVCALLS)),
    key("channel", "channels", All, Kind::Numbered(&device::CHANNEL)),
    key("vdispl", "vdispls", All, Kind::Numbered(&device::VDISPL)),
    apart("vsnd", All),
    key("virtio", "virtios", All, Kind::Numbered(&device::VIRTIO)),
    // Of no effect.
    deprecated(key("device_model", "", All, Kind::Ignored), "xl ignores it; use device_model_override"),
    deprecated(key("vncviewer", "", All, Kind::Ignored), "xl ignores it; use its option -V"),
    deprecated(key("vif2", "", All, Kind::Ignored), "xl ignores it"),
];

/// The key of this name.
pub(crate) fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn each_key_and_each_place_is_there_once() {
        let names: BTreeSet<_> = KEYS.iter().map(|key| key.name).collect();
        assert_eq!(names.len(), KEYS.len());
        let places: Vec<_> = KEYS.iter().map(|key| key.place).filter(|place| !place.is_empty()).collect();
        assert_eq!(places.iter().collect::<BTreeSet<_>>().len(), places.len());
    }

    #[test]
    fn each_place_is_one_of_libxls() {
        for key in KEYS.iter().filter(|key| !key.place.is_empty()) {
            let mut kind = crate::DomainConfig::KIND;
            for part in key.place.split('/') {
                use crate::describe::Kind;
                let Kind::Struct(of) = kind else { panic!("{}: {part} is in no struct", key.name) };
                let variant = part.split_once('.').filter(|(field, _)| *field == "type");
                kind = match variant {
                    None => of.fields.iter().find(|field| field.name == part).map(|field| field.kind),
                    Some((field, variant)) => {
                        of.fields.iter().find(|of| of.name == field).and_then(|of| match of.kind {
                            Kind::Union(union) => {
                                union.variants.iter().find(|of| of.name == variant)?.content.map(Kind::Struct)
                            }
                            _ => None,
                        })
                    }
                }
                .unwrap_or_else(|| panic!("{}: there is no {part}", key.name));
            }
        }
    }
}
