//! The types of this crate as data: what `libxl_types.idl` says of them, and since when.

use crate::LibxlType;
use xenlight_sys::Release;

/// A struct of libxl's.
#[derive(Debug)]
#[non_exhaustive]
pub struct Struct {
    /// libxl's name without `libxl_`, such as `device_disk`. Structs without a name of their own are called by their place:
    /// `domain_build_info.type.pv`.
    pub name: &'static str,
    /// The first release that has it.
    pub since: Release,
    /// What it consists of.
    pub fields: &'static [Field],
}

/// A field of a struct.
#[derive(Debug)]
#[non_exhaustive]
pub struct Field {
    /// The key in libxl's JSON, which is the name in C; for a union, the name of the field that says which variant it is.
    pub name: &'static str,
    /// The first release that has it.
    pub since: Release,
    /// What it can be.
    pub kind: Kind,
}

/// What a value can be.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Kind {
    /// `true` or `false`.
    Boolean,
    /// A `libxl_defbool`: `"True"`, `"False"` or `"<default>"`.
    Defbool,
    /// A number within these limits, both included.
    Integer {
        /// The least.
        min: i128,
        /// The greatest.
        max: i128,
    },
    /// Text.
    Text,
    /// A uuid, as text.
    Uuid,
    /// An Ethernet address, as text.
    Mac,
    /// The numbers of the bits that are set, ascending.
    Bitmap,
    /// As many values of one kind as there are.
    List(&'static Kind),
    /// Texts by name.
    Map,
    /// The rules for a CPU's features.
    CpuPolicy,
    /// 16 bytes, as numbers.
    GenerationId,
    /// Four words of 32 bits, as numbers.
    HardwareCapabilities,
    /// A name out of a list.
    Enumeration(&'static Enumeration),
    /// An object.
    Struct(&'static Struct),
    /// One of several objects, under the key `field.variant`.
    Union(&'static Union),
}

/// An enumeration of libxl's.
#[derive(Debug)]
#[non_exhaustive]
pub struct Enumeration {
    /// libxl's name without `libxl_`, such as `disk_format`.
    pub name: &'static str,
    /// The first release that has it.
    pub since: Release,
    /// Its values.
    pub values: &'static [Enumerator],
}

/// A value of an enumeration.
#[derive(Debug)]
#[non_exhaustive]
pub struct Enumerator {
    /// Its name in libxl's JSON.
    pub name: &'static str,
    /// Its number in C.
    pub number: i32,
    /// The first release that has it.
    pub since: Release,
}

/// A union of libxl's, of which one variant is in use.
#[derive(Debug)]
#[non_exhaustive]
pub struct Union {
    /// What a key of libxl's JSON begins with, before the point.
    pub name: &'static str,
    /// Its variants.
    pub variants: &'static [Variant],
}

/// A variant of a union.
#[derive(Debug)]
#[non_exhaustive]
pub struct Variant {
    /// What a key of libxl's JSON ends with, after the point.
    pub name: &'static str,
    /// The first release that has it.
    pub since: Release,
    /// What it consists of; `None` if of nothing.
    pub content: Option<&'static Struct>,
}

/// A release as the tables write it, such as `4.10`.
pub(crate) const fn release(text: &str) -> Release {
    let bytes = text.as_bytes();
    assert!(bytes[0] == b'4' && bytes[1] == b'.', "a release of Xen 4");
    let mut minor = 0;
    let mut at = 2;
    while at < bytes.len() {
        assert!(bytes[at].is_ascii_digit(), "digits");
        minor = minor * 10 + (bytes[at] - b'0') as u32;
        at += 1;
    }
    Release::new(4, minor)
}

/// Every struct that libxl has a name for and this crate a type.
pub const STRUCTS: &[Kind] = &[
    crate::ArmSci::KIND,
    crate::BuildInfo::KIND,
    crate::CatInfo::KIND,
    crate::Channel::KIND,
    crate::ChannelInfo::KIND,
    crate::Connector::KIND,
    crate::ConnectorInfo::KIND,
    crate::CpuTopology::KIND,
    crate::CpupoolInfo::KIND,
    crate::CreateInfo::KIND,
    crate::Credit2Params::KIND,
    crate::CreditParams::KIND,
    crate::Disk::KIND,
    crate::DiskInfo::KIND,
    crate::DomainConfig::KIND,
    crate::DtDevice::KIND,
    crate::IoMemory::KIND,
    crate::IoPorts::KIND,
    crate::Nic::KIND,
    crate::NicInfo::KIND,
    crate::NumaInfo::KIND,
    crate::P9::KIND,
    crate::Pci::KIND,
    crate::PciTopology::KIND,
    crate::PhysInfo::KIND,
    crate::PsrInfo::KIND,
    crate::PvCalls::KIND,
    crate::Rdm::KIND,
    crate::RdmReserve::KIND,
    crate::RemusInfo::KIND,
    crate::RestoreParams::KIND,
    crate::SchedulerParams::KIND,
    crate::Sdl::KIND,
    crate::Smbios::KIND,
    crate::SoundParams::KIND,
    crate::SoundPcm::KIND,
    crate::SoundPcmInfo::KIND,
    crate::SoundStream::KIND,
    crate::SoundStreamInfo::KIND,
    crate::Spice::KIND,
    crate::UsbController::KIND,
    crate::UsbControllerInfo::KIND,
    crate::UsbDevice::KIND,
    crate::VcpuInfo::KIND,
    crate::VcpuParams::KIND,
    crate::VcpuSchedulerParams::KIND,
    crate::Vdispl::KIND,
    crate::VdisplInfo::KIND,
    crate::VersionInfo::KIND,
    crate::Vfb::KIND,
    crate::Vga::KIND,
    crate::Virtio::KIND,
    crate::VirtualNode::KIND,
    crate::Vkb::KIND,
    crate::VkbInfo::KIND,
    crate::Vnc::KIND,
    crate::Vsnd::KIND,
    crate::VsndInfo::KIND,
    crate::Vtpm::KIND,
    crate::VtpmInfo::KIND,
    crate::XenstoreQuota::KIND,
    crate::XenstoreQuotas::KIND,
];

/// Every enumeration that this crate has a type for.
pub const ENUMERATIONS: &[Kind] = &[
    crate::Altp2mMode::KIND,
    crate::ArmSciKind::KIND,
    crate::Bios::KIND,
    crate::CbmKind::KIND,
    crate::CheckpointedStream::KIND,
    crate::CmtKind::KIND,
    crate::ConsoleKind::KIND,
    crate::DeviceModelVersion::KIND,
    crate::DiskBackend::KIND,
    crate::DiskFormat::KIND,
    crate::DiskSpecification::KIND,
    crate::DiskTransport::KIND,
    crate::DomainKind::KIND,
    crate::GfxPassthruKind::KIND,
    crate::GicVersion::KIND,
    crate::HardDiskKind::KIND,
    crate::NicKind::KIND,
    crate::P9Kind::KIND,
    crate::Passthrough::KIND,
    crate::RdmPolicy::KIND,
    crate::RdmStrategy::KIND,
    crate::Scheduler::KIND,
    crate::ShutdownAction::KIND,
    crate::SmbiosKey::KIND,
    crate::SoundDirection::KIND,
    crate::SoundFormat::KIND,
    crate::SveLength::KIND,
    crate::TeeKind::KIND,
    crate::TimerMode::KIND,
    crate::Trigger::KIND,
    crate::TscMode::KIND,
    crate::UsbControllerKind::KIND,
    crate::VendorDevice::KIND,
    crate::VgaKind::KIND,
    crate::Viridian::KIND,
    crate::VirtioTransport::KIND,
    crate::VirtualUart::KIND,
    crate::VkbBackend::KIND,
];
