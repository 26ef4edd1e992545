//! Structs of libxl for domains, devices, operations and the host.
//!
//! Only small structs with the same layout in all releases are defined with their fields. The others have no fields and are
//! created in an [`Opaque`] buffer.

#[cfg(doc)]
use crate::contract::*;
use core::alloc::Layout;
use core::ffi::{c_int, c_uint, c_void};
use core::fmt;
use core::marker::PhantomData;
use core::ptr::NonNull;
use std::alloc::{alloc_zeroed, dealloc, handle_alloc_error};

use crate::Ctx;
use crate::event::Event;

/// `libxl_vminfo`: an entry of the array of [`Library::list_vm`](crate::Library::list_vm); 20 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vminfo {
    /// The domain's uuid, as its 16 bytes.
    pub uuid: [u8; 16],
    /// The domain's id.
    pub domid: u32,
}

/// `libxl_asyncop_how`: how an operation reports its completion. libxl copies it ([X1]).
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct AsyncopHow {
    /// `(ctx, rc, for_callback)`: called once, with the ctx unlocked, on any thread that is inside libxl. It may be called before
    /// the call that began the operation has returned ([E1], [E9]). With `None`, the completion is an event of type
    /// `OPERATION_COMPLETE` instead.
    pub callback: Option<unsafe extern "C" fn(*mut Ctx, c_int, *mut c_void)>,
    /// Identifies the operation. Together with `callback` it must be unique while an abort may be in progress ([E6]).
    pub u: AsyncopFor,
}

/// The union of an [`AsyncopHow`].
#[repr(C)]
#[derive(Clone, Copy)]
pub union AsyncopFor {
    /// Without a callback: becomes the event's `for_user`.
    pub for_event: u64,
    /// With a callback: its third parameter.
    pub for_callback: *mut c_void,
}

/// Which field counts is not known here.
impl fmt::Debug for AsyncopFor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsyncopFor").finish_non_exhaustive()
    }
}

/// `libxl_asyncprogress_how`: how an operation reports its progress. libxl copies it.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct AsyncprogressHow {
    /// `(ctx, event, for_callback)`: the application has to free the event, as with `event_occurs`. With `None`, the event goes
    /// to the event hooks or `libxl_event_check`.
    pub callback: Option<unsafe extern "C" fn(*mut Ctx, *mut Event, *mut c_void)>,
    /// Becomes the event's `for_user`.
    pub for_event: u64,
    /// The callback's third parameter.
    pub for_callback: *mut c_void,
}

/// Structs without fields: only pointers to them are used.
macro_rules! opaque {
    ($( $(#[$doc:meta])* $name:ident; )*) => { $(
        $(#[$doc])*
        #[repr(C)]
        #[derive(Debug)]
        pub struct $name {
            _opaque: [u8; 0],
        }
    )* };
}

opaque! {
    /// A `libxl_domain_config`: the configuration of a domain. Its layout varies by release.
    DomainConfig;
    /// A `libxl_dominfo`: the state of a domain. Its layout varies by release.
    Dominfo;
    /// A `libxl_domain_restore_params` (4.4 and later): describes the stream for a restore.
    ///
    /// A stream of format 2, which 4.6 and later write, needs `{"stream_version": 2}`. `_init` sets 1.
    RestoreParams;
    /// A `libxl_domain_create_info`: the general part of a configuration, such as the name and the UUID.
    DomainCreateInfo;
    /// A `libxl_domain_build_info`: the part of a configuration from which the domain is built.
    DomainBuildInfo;
    /// A `libxl_domain_remus_info`: how a domain is replicated.
    DomainRemusInfo;
    /// A `libxl_domain_sched_params`: the scheduling of a domain.
    DomainSchedParams;
    /// A `libxl_vcpu_sched_params` (4.7 and later): the scheduling of a domain's virtual CPUs.
    VcpuSchedParams;
    /// A `libxl_vcpuinfo`: the state of a virtual CPU.
    Vcpuinfo;

    /// A `libxl_device_disk`. Its layout varies by release.
    DeviceDisk;
    /// A `libxl_diskinfo`: the run-time state of a disk.
    Diskinfo;
    /// A `libxl_device_nic`: a network interface. Its layout varies by release.
    DeviceNic;
    /// A `libxl_nicinfo`: the run-time state of a network interface.
    Nicinfo;
    /// A `libxl_device_vfb`: a virtual framebuffer.
    DeviceVfb;
    /// A `libxl_device_vkb`: a virtual keyboard.
    DeviceVkb;
    /// A `libxl_vkbinfo` (4.12 and later): the run-time state of a virtual keyboard.
    Vkbinfo;
    /// A `libxl_device_pci`: a PCI device of the host.
    DevicePci;
    /// A `libxl_device_vtpm` (4.3 and later): a virtual TPM.
    DeviceVtpm;
    /// A `libxl_vtpminfo` (4.3 and later): the run-time state of a virtual TPM.
    Vtpminfo;
    /// A `libxl_device_channel` (4.5 and later): a channel, which is a console with a name.
    DeviceChannel;
    /// A `libxl_channelinfo` (4.5 and later): the run-time state of a channel.
    Channelinfo;
    /// A `libxl_device_usbctrl` (4.7 and later): a USB controller.
    DeviceUsbctrl;
    /// A `libxl_usbctrlinfo` (4.7 and later): the run-time state of a USB controller.
    Usbctrlinfo;
    /// A `libxl_device_usbdev` (4.7 and later): a USB device of the host.
    DeviceUsbdev;
    /// A `libxl_device_p9` (4.9 and later): a folder that is shared by 9pfs.
    DeviceP9;
    /// A `libxl_device_vdispl` (4.10 and later): a virtual display.
    DeviceVdispl;
    /// A `libxl_vdisplinfo` (4.10 and later): the run-time state of a virtual display.
    Vdisplinfo;
    /// A `libxl_device_pvcallsif` (4.11 and later): an interface for PV calls.
    DevicePvcallsif;
    /// A `libxl_device_vsnd` (4.12 and later): a virtual sound card.
    DeviceVsnd;
    /// A `libxl_vsndinfo` (4.12 and later): the run-time state of a virtual sound card.
    Vsndinfo;

    /// A `libxl_version_info`: the version of the running hypervisor, not of the library. Its layout varies by release.
    VersionInfo;
    /// A `libxl_physinfo`: the CPUs and the memory of the host.
    Physinfo;
    /// A `libxl_cputopology`: the place of a CPU.
    Cputopology;
    /// A `libxl_pcitopology` (4.6 and later): the place of a PCI device.
    Pcitopology;
    /// A `libxl_numainfo`: a NUMA node.
    Numainfo;
    /// A `libxl_cpupoolinfo`: a pool of CPUs.
    Cpupoolinfo;
    /// A `libxl_sched_credit_params`: the settings of the credit scheduler of a pool.
    SchedCreditParams;
    /// A `libxl_sched_credit2_params` (4.8 and later): the settings of the credit2 scheduler of a pool.
    SchedCredit2Params;
    /// A `libxl_psr_cat_info` (4.6 and later): the cache of a socket that can be allocated.
    PsrCatInfo;
    /// A `libxl_xs_quota_list` (4.22 and later): limits of xenstored.
    XsQuotaList;
    /// A `libxl_xen_console_reader`: a position in the hypervisor's log.
    XenConsoleReader;
    /// A `libxl_cpuid_policy_list`: changes of the CPU features that a domain sees. It is a pointer, which is NULL if empty.
    CpuidPolicyList;
}

/// `libxl_bitmap`: a set of CPUs or NUMA nodes; 16 bytes. Zeroed memory is an empty one.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Bitmap {
    /// The number of bytes at `map`.
    pub size: u32,
    /// Eight elements in each byte, the first in the lowest bit. Allocated with malloc(3); NULL if empty.
    pub map: *mut u8,
}

/// `libxl_psr_hw_info` (4.11 and later): what a socket can allocate, of a cache or of the memory bandwidth; 20 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct PsrHwInfo {
    /// The number of the socket.
    pub id: u32,
    /// The variant of the union. [`Library::psr_get_hw_info`](crate::Library::psr_get_hw_info) does not set it, in any release.
    pub kind: c_uint,
    /// The union, of structs of three numbers.
    pub u: [u32; 3],
}

/// `libxl_uuid`; 16 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Uuid {
    /// Its bytes, in the order of the text.
    pub uuid: [u8; 16],
}

/// Zeroed memory for a `T` whose size varies by release. It is much larger than any release needs.
///
/// The largest struct, `libxl_domain_config`, has 1,232 to 1,400 bytes in the releases 4.13 to 4.22. This has [`OPAQUE_SIZE`]
/// bytes. Its address never changes.
///
/// How to use it: call libxl's `_init` function on it, because some defaults are not zero. Fill it in with a `_from_json`
/// function or another function of libxl. Use it. Call `_dispose` before it is dropped; otherwise the memory that it points to
/// leaks. An asynchronous operation may use its address until completion ([E9]).
///
/// Note on JSON: `_from_json` ignores unknown keys and values of the wrong type, and `_to_json` omits values that are false,
/// zero or nil.
#[derive(Debug)]
pub struct Opaque<T> {
    address: NonNull<u8>,
    of: PhantomData<T>,
}

/// The size of an [`Opaque`], in bytes.
pub const OPAQUE_SIZE: usize = 64 * 1024;

const OPAQUE_LAYOUT: Layout = match Layout::from_size_align(OPAQUE_SIZE, 16) {
    Ok(layout) => layout,
    Err(_) => panic!("16 is a power of two, and the size is a multiple of it"),
};

impl<T> Opaque<T> {
    /// Allocates a buffer of zero bytes.
    pub fn zeroed() -> Self {
        // SAFETY: the layout's size is not 0.
        let address = unsafe { alloc_zeroed(OPAQUE_LAYOUT) };
        match NonNull::new(address) {
            Some(address) => Self { address, of: PhantomData },
            None => handle_alloc_error(OPAQUE_LAYOUT),
        }
    }

    /// The address for libxl. It does not change until the drop.
    pub fn as_ptr(&self) -> *mut T {
        self.address.as_ptr().cast()
    }
}

impl<T> Drop for Opaque<T> {
    fn drop(&mut self) {
        // SAFETY: allocated in `zeroed` with this layout, and freed nowhere else.
        unsafe { dealloc(self.address.as_ptr(), OPAQUE_LAYOUT) }
    }
}

// SAFETY: it owns plain bytes, which libxl ties to no thread; what is done with the address is in the
// hands of whoever calls libxl, and those calls are unsafe.
unsafe impl<T> Send for Opaque<T> {}
// SAFETY: as above; a shared reference gives away the address and nothing else.
unsafe impl<T> Sync for Opaque<T> {}
