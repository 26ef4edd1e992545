//! What libxl can do with each family of devices, and since when.

use crate::error::Error;
use core::ffi::{c_int, c_void};
use xenlight_sys::domain::AsyncopHow;
use xenlight_sys::{Ctx as RawCtx, Library, Release};
use xenlight_types::{
    Channel, ChannelInfo, Disk, DiskInfo, Invalid, LibxlStruct, Nic, NicInfo, P9, Pci, PvCalls, UsbController,
    UsbControllerInfo, UsbControllerKind, UsbDevice, Vdispl, VdisplInfo, Vfb, Vkb, VkbInfo, Vsnd, VsndInfo, Vtpm,
    VtpmInfo,
};

/// A function of libxl's about one device: `None` where the loaded libxl does not have it, else what it returns.
pub(super) type About = unsafe fn(&Library, *mut RawCtx, u32, *mut c_void, *const AsyncopHow) -> Option<c_int>;
/// Lists the devices of a domain: an array, with its length written to the last parameter.
pub(super) type List = unsafe fn(&Library, *mut RawCtx, u32, *mut c_int) -> Option<*mut c_void>;
/// Fills in the last parameter about the device before it.
pub(super) type Inform = unsafe fn(&Library, *mut RawCtx, u32, *mut c_void, *mut c_void) -> Option<c_int>;

/// A function, and the first release in which it can be called.
#[derive(Clone, Copy, Debug)]
pub struct Since<F> {
    function: F,
    pub(super) since: Release,
}

impl<F> Since<F> {
    pub(super) const fn new(function: F, minor: u32) -> Self
    where
        F: Copy,
    {
        Self { function, since: Release::new(4, minor) }
    }

    /// A libxl can have a function in which an earlier release has a fault: having the symbol does not suffice.
    ///
    /// # Errors
    /// The loaded release is an earlier one.
    pub(super) fn usable(self, what: &'static str, loaded: Release) -> Result<F, Error> {
        let Self { function, since: needs } = self;
        if needs <= loaded { Ok(function) } else { Err(Error::Unsupported { what, needs, loaded }) }
    }
}

/// What libxl can do with a family. Public, since a public trait stands on it; of no use to others.
pub trait Family: LibxlStruct + Send + Sync + 'static {
    /// What is done, as in "cannot …".
    const DOING: Doing;

    /// Whether libxl can be given this at all: what would end the process inside libxl is refused.
    ///
    /// # Errors
    /// What is missing, with its place.
    fn check(&self) -> Result<(), Invalid> {
        Ok(())
    }

    /// Whether libxl can be given this as a device that a domain has: what would end the process inside libxl is refused.
    ///
    /// # Errors
    /// What is missing, with its place.
    fn check_had(&self) -> Result<(), Invalid> {
        Ok(())
    }
}

/// What is done with a device of a family.
#[derive(Clone, Copy, Debug)]
pub struct Doing {
    pub(super) attach: &'static str,
    pub(super) detach: &'static str,
    pub(super) destroy: &'static str,
    pub(super) list: &'static str,
    pub(super) inform: &'static str,
}

/// A device that a domain can have: a type of xenlight-types. What libxl can do with it is in the traits that stand on this one.
pub trait Device: Family {}

/// A device that can be [attached](crate::Ctx::attach) to a running domain.
pub trait Attachable: Removable {
    #[doc(hidden)]
    const ADD: Since<About>;
}

/// A device that can be [detached](crate::Ctx::detach) from a running domain.
pub trait Removable: Device {
    #[doc(hidden)]
    const REMOVE: Since<About>;
}

/// A device that can be [destroyed](crate::Ctx::destroy_device), whatever its domain does.
pub trait Destroyable: Device {
    #[doc(hidden)]
    const DESTROY: Since<About>;
}

/// A device that libxl [lists](crate::Ctx::devices).
pub trait Listed: Device {
    #[doc(hidden)]
    const LIST: Since<List>;
}

/// A device that libxl tells the [state](crate::Ctx::device_info) of.
pub trait Informed: Listed {
    /// What it tells.
    type Info: LibxlStruct;
    #[doc(hidden)]
    const INFORM: Since<Inform>;
}

/// One line for each function: the traits that it makes, and how it is called.
macro_rules! families {
    ($(
        $family:ident, $name:literal {
            $( add $add_group:ident $add:ident $add_since:literal; )?
            $( remove $remove_group:ident $remove:ident $remove_since:literal; )?
            $( destroy $destroy_group:ident $destroy:ident $destroy_since:literal; )?
            $( list $list_group:ident $list:ident $list_since:literal; )?
            $( inform $inform_group:ident $inform:ident $inform_since:literal -> $info:ident; )?
            $( any $check:ident; )?
            $( had $check_had:ident; )?
        }
    )*) => { $(
        impl Family for $family {
            const DOING: Doing = Doing {
                attach: concat!("attach a ", $name),
                detach: concat!("detach a ", $name),
                destroy: concat!("destroy a ", $name),
                list: concat!("list the ", $name, "s"),
                inform: concat!("ask for the state of a ", $name),
            };

            $(
                fn check(&self) -> Result<(), Invalid> {
                    $check(self)
                }
            )?

            $(
                fn check_had(&self) -> Result<(), Invalid> {
                    $check_had(self)
                }
            )?
        }

        impl Device for $family {}
        $( impl Attachable for $family {
            const ADD: Since<About> = Since::<About>::new(about!($add_group $add), $add_since);
        } )?
        $( impl Removable for $family {
            const REMOVE: Since<About> = Since::<About>::new(about!($remove_group $remove), $remove_since);
        } )?
        $( impl Destroyable for $family {
            const DESTROY: Since<About> = Since::<About>::new(about!($destroy_group $destroy), $destroy_since);
        } )?
        $( impl Listed for $family {
            const LIST: Since<List> = Since::<List>::new(list!($list_group $list), $list_since);
        } )?
        $( impl Informed for $family {
            type Info = $info;
            const INFORM: Since<Inform> = Since::<Inform>::new(inform!($inform_group $inform), $inform_since);
        } )?
    )* };
}

/// `always`: every release has it. `later`: the loaded one may not.
macro_rules! about {
    (always $function:ident) => {
        |library, ctx, domid, device, how| {
            // SAFETY: the caller promises what libxl's function asks for.
            Some(unsafe { library.$function(ctx, domid, device.cast(), how) })
        }
    };
    (later $function:ident) => {
        |library, ctx, domid, device, how| {
            let function = library.$function()?;
            // SAFETY: the caller promises what libxl's function asks for.
            Some(unsafe { function(ctx, domid, device.cast(), how) })
        }
    };
}

macro_rules! list {
    (always $function:ident) => {
        |library, ctx, domid, count| {
            // SAFETY: the caller promises what libxl's function asks for.
            Some(unsafe { library.$function(ctx, domid, count) }.cast())
        }
    };
    (later $function:ident) => {
        |library, ctx, domid, count| {
            let function = library.$function()?;
            // SAFETY: the caller promises what libxl's function asks for.
            Some(unsafe { function(ctx, domid, count) }.cast())
        }
    };
}

macro_rules! inform {
    (always $function:ident) => {
        |library, ctx, domid, device, info| {
            // SAFETY: the caller promises what libxl's function asks for.
            Some(unsafe { library.$function(ctx, domid, device.cast(), info.cast()) })
        }
    };
    (later $function:ident) => {
        |library, ctx, domid, device, info| {
            let function = library.$function()?;
            // SAFETY: the caller promises what libxl's function asks for.
            Some(unsafe { function(ctx, domid, device.cast(), info.cast()) })
        }
    };
}

/// libxl reads the name through a null pointer.
fn check_disk(disk: &Disk) -> Result<(), Invalid> {
    match &disk.vdev {
        None => Err(Invalid::new("vdev", "the virtual device, such as \"xvda\"")),
        Some(_) => Ok(()),
    }
}

/// libxl aborts for a controller of no kind ("should not be possible"), which it chooses only when it adds one.
fn check_usb_controller(controller: &UsbController) -> Result<(), Invalid> {
    match &controller.kind {
        None | Some(UsbControllerKind::Auto) => Err(Invalid::new(
            "type",
            "the kind of the controller, as `devices` tells it: \"pv\", \"devicemodel\" or \"qusb\"",
        )),
        Some(_) => Ok(()),
    }
}

families! {
    Disk, "disk" {
        add always device_disk_add 2;
        remove always device_disk_remove 2;
        destroy always device_disk_destroy 2;
        list always device_disk_list 2;
        inform always device_disk_getinfo 2 -> DiskInfo;
        any check_disk;
    }
    Nic, "network interface" {
        add always device_nic_add 2;
        remove always device_nic_remove 2;
        destroy always device_nic_destroy 2;
        list always device_nic_list 2;
        inform always device_nic_getinfo 2 -> NicInfo;
    }
    Vfb, "screen" {
        add always device_vfb_add 2;
        remove always device_vfb_remove 2;
        destroy always device_vfb_destroy 2;
    }
    Vkb, "keyboard" {
        add always device_vkb_add 2;
        remove always device_vkb_remove 2;
        destroy always device_vkb_destroy 2;
        list later device_vkb_list 12;
        inform later device_vkb_getinfo 12 -> VkbInfo;
    }
    Pci, "PCI device" {
        add always device_pci_add 2;
        remove always device_pci_remove 2;
        destroy always device_pci_destroy 2;
        list always device_pci_list 2;
    }
    UsbController, "USB controller" {
        add later device_usbctrl_add 7;
        remove later device_usbctrl_remove 7;
        destroy later device_usbctrl_destroy 7;
        list later device_usbctrl_list 7;
        inform later device_usbctrl_getinfo 7 -> UsbControllerInfo;
        had check_usb_controller;
    }
    UsbDevice, "USB device" {
        add later device_usbdev_add 7;
        remove later device_usbdev_remove 7;
        list later device_usbdev_list 7;
    }
    Vtpm, "virtual TPM" {
        add later device_vtpm_add 3;
        remove later device_vtpm_remove 3;
        destroy later device_vtpm_destroy 3;
        list later device_vtpm_list 3;
        inform later device_vtpm_getinfo 3 -> VtpmInfo;
    }
    P9, "shared folder" {
        add later device_9pfs_add 19;
        remove later device_p9_remove 9;
        destroy later device_p9_destroy 9;
    }
    PvCalls, "PV Calls interface" {
        remove later device_pvcallsif_remove 11;
        destroy later device_pvcallsif_destroy 11;
    }
    // 4.5 and 4.6 have the function, too, but read the path of a terminal that is not there through a null pointer.
    Channel, "channel" {
        list later device_channel_list 5;
        inform later device_channel_getinfo 7 -> ChannelInfo;
    }
    Vdispl, "virtual display" {
        add later device_vdispl_add 10;
        remove later device_vdispl_remove 10;
        destroy later device_vdispl_destroy 10;
        list later device_vdispl_list 10;
        inform later device_vdispl_getinfo 10 -> VdisplInfo;
    }
    Vsnd, "sound card" {
        add later device_vsnd_add 12;
        remove later device_vsnd_remove 12;
        destroy later device_vsnd_destroy 12;
        list later device_vsnd_list 12;
        inform later device_vsnd_getinfo 12 -> VsndInfo;
    }
}

/// Puts a disc into a drive.
pub(super) const INSERT: Since<About> = Since::<About>::new(about!(always cdrom_insert), 2);
/// Asks a domain to release a disk, without forcing it.
pub(super) const REMOVE_SAFELY: Since<About> = Since::<About>::new(about!(later device_disk_safe_remove), 15);

#[cfg(test)]
mod tests {
    use super::*;

    /// 4.5 and 4.6 have the function, and it reads through a null pointer there.
    #[test]
    fn a_function_is_not_usable_before_its_release_even_where_the_library_has_it() {
        let usable = |minor| Channel::INFORM.usable("ask", Release::new(4, minor)).map(|_| ());
        let refused = usable(6).unwrap_err();
        let Error::Unsupported { what: "ask", needs, loaded } = refused else { panic!("{refused:?}") };
        assert_eq!((needs, loaded), (Release::new(4, 7), Release::new(4, 6)));
        assert!(usable(5).is_err());
        assert!(usable(7).is_ok() && usable(20).is_ok());
    }
}
