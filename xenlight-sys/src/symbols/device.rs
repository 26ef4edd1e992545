//! Devices of domains.

use super::table::symbol_table;
use crate::Ctx;
use crate::domain::{
    AsyncopHow, Channelinfo, DeviceChannel, DeviceDisk, DeviceNic, DeviceP9, DevicePci, DevicePvcallsif, DeviceUsbctrl,
    DeviceUsbdev, DeviceVdispl, DeviceVfb, DeviceVkb, DeviceVsnd, DeviceVtpm, Diskinfo, Nicinfo, Usbctrlinfo, Uuid,
    Vdisplinfo, Vkbinfo, Vsndinfo, Vtpminfo,
};
#[cfg(doc)]
use crate::{Library, contract::*};
use core::ffi::{c_char, c_int, c_uint, c_void};

symbol_table! {
    /// # Devices of domains
    ///
    /// - `_add` creates the device and its backend. It does not wait for the domain to connect, so the domain may be paused or
    ///   running. It fills in the fields that are unset, such as the number.
    /// - `_remove` asks the domain to release the device. After 10 s it removes it by force, except for PCI devices. `_safe_remove`
    ///   fails then.
    /// - `_destroy` does not ask the domain.
    /// - `_list` returns an array, and its length in `count`. It returns NULL if there is none, and also on failure. The array is
    ///   for `_list_free`. In releases that do not have that function, dispose of each element and free the array with free(3).
    /// - `_getinfo` fills in what xenstore says about a device that is connected: backend, state, event channel. The struct is
    ///   initialized before the call and disposed of after it, also on failure.
    /// - Functions from a number, address or name to a device write over the struct without a look at it.
    ///
    /// With a `how`, the device must remain valid until completion ([E9]): these operations write to it.
    Table in device;
    always {
        /// Fills in the domain's disk with this virtual device, such as `xvda`. It calls `_init` itself.
        fn vdev_to_device_disk(
            ctx: *mut Ctx, domid: u32, vdev: *const c_char, disk: *mut DeviceDisk,
        ) -> c_int;

        /// Adds a disk to a domain, and fills in the fields that are unset.
        fn device_disk_add(ctx: *mut Ctx, domid: u32, disk: *mut DeviceDisk, how: *const AsyncopHow) -> c_int;
        /// Removes a disk with the cooperation of the domain; by force after 10 s.
        fn device_disk_remove(ctx: *mut Ctx, domid: u32, disk: *mut DeviceDisk, how: *const AsyncopHow) -> c_int;
        /// Removes a disk without the cooperation of the domain.
        fn device_disk_destroy(ctx: *mut Ctx, domid: u32, disk: *mut DeviceDisk, how: *const AsyncopHow) -> c_int;
        /// Returns a domain's disks.
        fn device_disk_list(ctx: *mut Ctx, domid: u32, count: *mut c_int) -> *mut DeviceDisk;
        /// Fills in the run-time state of a disk.
        fn device_disk_getinfo(ctx: *mut Ctx, domid: u32, disk: *const DeviceDisk, info: *mut Diskinfo) -> c_int;
        /// Changes the medium of a virtual CD-ROM drive, which is the disk with the same `vdev`; without a path it is ejected. For
        /// HVM domains; in most releases without a stub domain.
        fn cdrom_insert(ctx: *mut Ctx, domid: u32, disk: *mut DeviceDisk, how: *const AsyncopHow) -> c_int;
        /// Finds the backend (`libxl_disk_backend`) with this name, as xl knows it: `phy`, `file`, `qdisk`. For an unknown name it
        /// returns 0 and writes nothing.
        fn string_to_backend(ctx: *mut Ctx, name: *mut c_char, backend: *mut c_uint) -> c_int;

        /// Adds a network interface to a domain, and fills in the fields that are unset.
        fn device_nic_add(ctx: *mut Ctx, domid: u32, nic: *mut DeviceNic, how: *const AsyncopHow) -> c_int;
        /// Removes a network interface with the cooperation of the domain; by force after 10 s.
        fn device_nic_remove(ctx: *mut Ctx, domid: u32, nic: *mut DeviceNic, how: *const AsyncopHow) -> c_int;
        /// Removes a network interface without the cooperation of the domain.
        fn device_nic_destroy(ctx: *mut Ctx, domid: u32, nic: *mut DeviceNic, how: *const AsyncopHow) -> c_int;
        /// Returns a domain's network interfaces.
        fn device_nic_list(ctx: *mut Ctx, domid: u32, count: *mut c_int) -> *mut DeviceNic;
        /// Fills in the run-time state of a network interface.
        fn device_nic_getinfo(ctx: *mut Ctx, domid: u32, nic: *const DeviceNic, info: *mut Nicinfo) -> c_int;
        /// Fills in a domain's network interface with this number.
        fn devid_to_device_nic(ctx: *mut Ctx, domid: u32, devid: c_int, nic: *mut DeviceNic) -> c_int;
        /// Fills in a domain's network interface with this address, such as `00:16:3e:01:02:03`. `ERROR_INVAL` if there is none.
        fn mac_to_device_nic(ctx: *mut Ctx, domid: u32, mac: *const c_char, nic: *mut DeviceNic) -> c_int;

        /// Adds a virtual keyboard to a domain, and fills in the fields that are unset.
        fn device_vkb_add(ctx: *mut Ctx, domid: u32, vkb: *mut DeviceVkb, how: *const AsyncopHow) -> c_int;
        /// Removes a virtual keyboard with the cooperation of the domain; by force after 10 s.
        fn device_vkb_remove(ctx: *mut Ctx, domid: u32, vkb: *mut DeviceVkb, how: *const AsyncopHow) -> c_int;
        /// Removes a virtual keyboard without the cooperation of the domain.
        fn device_vkb_destroy(ctx: *mut Ctx, domid: u32, vkb: *mut DeviceVkb, how: *const AsyncopHow) -> c_int;

        /// Adds a virtual framebuffer to a domain, and fills in the fields that are unset.
        fn device_vfb_add(ctx: *mut Ctx, domid: u32, vfb: *mut DeviceVfb, how: *const AsyncopHow) -> c_int;
        /// Removes a virtual framebuffer with the cooperation of the domain; by force after 10 s.
        fn device_vfb_remove(ctx: *mut Ctx, domid: u32, vfb: *mut DeviceVfb, how: *const AsyncopHow) -> c_int;
        /// Removes a virtual framebuffer without the cooperation of the domain.
        fn device_vfb_destroy(ctx: *mut Ctx, domid: u32, vfb: *mut DeviceVfb, how: *const AsyncopHow) -> c_int;

        /// Adds a PCI device of the host to a domain. It has to be assignable, except if its `seize` is set.
        fn device_pci_add(ctx: *mut Ctx, domid: u32, pci: *mut DevicePci, how: *const AsyncopHow) -> c_int;
        /// Removes a PCI device with the cooperation of the domain. It fails if an HVM domain does not release the device in time.
        fn device_pci_remove(ctx: *mut Ctx, domid: u32, pci: *mut DevicePci, how: *const AsyncopHow) -> c_int;
        /// Removes a PCI device, also from an HVM domain that does not release it.
        fn device_pci_destroy(ctx: *mut Ctx, domid: u32, pci: *mut DevicePci, how: *const AsyncopHow) -> c_int;
        /// Returns a domain's PCI devices.
        fn device_pci_list(ctx: *mut Ctx, domid: u32, count: *mut c_int) -> *mut DevicePci;
        /// Detaches a PCI device of the host from its driver and binds it to pciback, so that it can be added to a domain. If
        /// `rebind` is not 0, the driver is stored for the way back. 0 also if it is bound to pciback already.
        fn device_pci_assignable_add(ctx: *mut Ctx, pci: *mut DevicePci, rebind: c_int) -> c_int;
        /// Detaches a PCI device of the host from pciback. If `rebind` is not 0, it is returned to the driver that was stored.
        fn device_pci_assignable_remove(ctx: *mut Ctx, pci: *mut DevicePci, rebind: c_int) -> c_int;
        /// Returns the PCI devices of the host that can be added to a domain: those that pciback has and no domain.
        fn device_pci_assignable_list(ctx: *mut Ctx, count: *mut c_int) -> *mut DevicePci;
    }
    later {

        /// Removes a disk with the cooperation of the domain; fails after 10 s.
        (4, 15) fn device_disk_safe_remove(
            ctx: *mut Ctx, domid: u32, disk: *mut DeviceDisk, how: *const AsyncopHow,
        ) -> c_int;
        /// Frees the array of [`Library::device_disk_list`].
        (4, 10) fn device_disk_list_free(list: *mut DeviceDisk, count: c_int);

        /// Frees the array of [`Library::device_nic_list`].
        (4, 10) fn device_nic_list_free(list: *mut DeviceNic, count: c_int);

        /// Returns a domain's virtual keyboards.
        (4, 12) fn device_vkb_list(ctx: *mut Ctx, domid: u32, count: *mut c_int) -> *mut DeviceVkb;
        /// Frees the array of [`Library::device_vkb_list`].
        (4, 12) fn device_vkb_list_free(list: *mut DeviceVkb, count: c_int);
        /// Fills in the run-time state of a virtual keyboard.
        (4, 12) fn device_vkb_getinfo(ctx: *mut Ctx, domid: u32, vkb: *const DeviceVkb, info: *mut Vkbinfo) -> c_int;
        /// Fills in a domain's virtual keyboard with this number.
        (4, 12) fn devid_to_device_vkb(ctx: *mut Ctx, domid: u32, devid: c_int, vkb: *mut DeviceVkb) -> c_int;

        /// Frees the array of [`Library::device_pci_list`].
        (4, 15) fn device_pci_list_free(list: *mut DevicePci, count: c_int);
        /// Frees the array of [`Library::device_pci_assignable_list`].
        (4, 15) fn device_pci_assignable_list_free(list: *mut DevicePci, count: c_int);

        /// Adds a virtual TPM to a domain, and fills in the fields that are unset.
        (4, 3) fn device_vtpm_add(ctx: *mut Ctx, domid: u32, vtpm: *mut DeviceVtpm, how: *const AsyncopHow) -> c_int;
        /// Removes a virtual TPM with the cooperation of the domain; by force after 10 s.
        (4, 3) fn device_vtpm_remove(ctx: *mut Ctx, domid: u32, vtpm: *mut DeviceVtpm, how: *const AsyncopHow) -> c_int;
        /// Removes a virtual TPM without the cooperation of the domain.
        (4, 3) fn device_vtpm_destroy(
            ctx: *mut Ctx, domid: u32, vtpm: *mut DeviceVtpm, how: *const AsyncopHow,
        ) -> c_int;
        /// Returns a domain's virtual TPMs.
        (4, 3) fn device_vtpm_list(ctx: *mut Ctx, domid: u32, count: *mut c_int) -> *mut DeviceVtpm;
        /// Frees the array of [`Library::device_vtpm_list`].
        (4, 3) fn device_vtpm_list_free(list: *mut DeviceVtpm, count: c_int);
        /// Fills in the run-time state of a virtual TPM.
        (4, 3) fn device_vtpm_getinfo(ctx: *mut Ctx, domid: u32, vtpm: *const DeviceVtpm, info: *mut Vtpminfo) -> c_int;
        /// Fills in a domain's virtual TPM with this number.
        (4, 3) fn devid_to_device_vtpm(ctx: *mut Ctx, domid: u32, devid: c_int, vtpm: *mut DeviceVtpm) -> c_int;
        /// Fills in a domain's virtual TPM with this UUID. 1 if there is none.
        (4, 3) fn uuid_to_device_vtpm(ctx: *mut Ctx, domid: u32, uuid: *mut Uuid, vtpm: *mut DeviceVtpm) -> c_int;

        /// Returns a domain's channels.
        (4, 5) fn device_channel_list(ctx: *mut Ctx, domid: u32, count: *mut c_int) -> *mut DeviceChannel;
        /// Fills in the run-time state of a channel.
        (4, 5) fn device_channel_getinfo(
            ctx: *mut Ctx, domid: u32, channel: *const DeviceChannel, info: *mut Channelinfo,
        ) -> c_int;

        /// Adds a USB controller to a domain, and fills in the fields that are unset.
        (4, 7) fn device_usbctrl_add(
            ctx: *mut Ctx, domid: u32, ctrl: *mut DeviceUsbctrl, how: *const AsyncopHow,
        ) -> c_int;
        /// Removes a USB controller and its devices with the cooperation of the domain; by force after 10 s.
        (4, 7) fn device_usbctrl_remove(
            ctx: *mut Ctx, domid: u32, ctrl: *mut DeviceUsbctrl, how: *const AsyncopHow,
        ) -> c_int;
        /// Removes a USB controller and its devices without the cooperation of the domain.
        (4, 7) fn device_usbctrl_destroy(
            ctx: *mut Ctx, domid: u32, ctrl: *mut DeviceUsbctrl, how: *const AsyncopHow,
        ) -> c_int;
        /// Returns a domain's USB controllers.
        (4, 7) fn device_usbctrl_list(ctx: *mut Ctx, domid: u32, count: *mut c_int) -> *mut DeviceUsbctrl;
        /// Frees the array of [`Library::device_usbctrl_list`].
        (4, 7) fn device_usbctrl_list_free(list: *mut DeviceUsbctrl, count: c_int);
        /// Fills in the run-time state of a USB controller.
        (4, 7) fn device_usbctrl_getinfo(
            ctx: *mut Ctx, domid: u32, ctrl: *const DeviceUsbctrl, info: *mut Usbctrlinfo,
        ) -> c_int;
        /// Fills in a domain's USB controller with this number.
        (4, 7) fn devid_to_device_usbctrl(ctx: *mut Ctx, domid: u32, devid: c_int, ctrl: *mut DeviceUsbctrl) -> c_int;

        /// Adds a USB device of the host to a domain. Without a controller it takes a free port, and adds a controller if there is
        /// none.
        (4, 7) fn device_usbdev_add(ctx: *mut Ctx, domid: u32, dev: *mut DeviceUsbdev, how: *const AsyncopHow) -> c_int;
        /// Removes a USB device from a domain, and returns it to the driver that it had.
        (4, 7) fn device_usbdev_remove(
            ctx: *mut Ctx, domid: u32, dev: *mut DeviceUsbdev, how: *const AsyncopHow,
        ) -> c_int;
        /// Returns the USB devices of all controllers of a domain.
        (4, 7) fn device_usbdev_list(ctx: *mut Ctx, domid: u32, count: *mut c_int) -> *mut DeviceUsbdev;
        /// Frees the array of [`Library::device_usbdev_list`].
        (4, 7) fn device_usbdev_list_free(list: *mut DeviceUsbdev, count: c_int);
        /// Fills in the USB device of a domain at this port of this controller.
        (4, 7) fn ctrlport_to_device_usbdev(
            ctx: *mut Ctx, domid: u32, ctrl: c_int, port: c_int, usbdev: *mut DeviceUsbdev,
        ) -> c_int;

        /// Adds a 9pfs share to a domain, and fills in the fields that are unset.
        (4, 19) fn device_9pfs_add(ctx: *mut Ctx, domid: u32, p9: *mut DeviceP9, how: *const AsyncopHow) -> c_int;
        /// Removes a 9pfs share with the cooperation of the domain; by force after 10 s.
        (4, 9) fn device_p9_remove(ctx: *mut Ctx, domid: u32, p9: *mut DeviceP9, how: *const AsyncopHow) -> c_int;
        /// Removes a 9pfs share without the cooperation of the domain.
        (4, 9) fn device_p9_destroy(ctx: *mut Ctx, domid: u32, p9: *mut DeviceP9, how: *const AsyncopHow) -> c_int;

        /// Adds a virtual display to a domain, and fills in the fields that are unset.
        (4, 10) fn device_vdispl_add(
            ctx: *mut Ctx, domid: u32, vdispl: *mut DeviceVdispl, how: *const AsyncopHow,
        ) -> c_int;
        /// Removes a virtual display with the cooperation of the domain; by force after 10 s.
        (4, 10) fn device_vdispl_remove(
            ctx: *mut Ctx, domid: u32, vdispl: *mut DeviceVdispl, how: *const AsyncopHow,
        ) -> c_int;
        /// Removes a virtual display without the cooperation of the domain.
        (4, 10) fn device_vdispl_destroy(
            ctx: *mut Ctx, domid: u32, vdispl: *mut DeviceVdispl, how: *const AsyncopHow,
        ) -> c_int;
        /// Returns a domain's virtual displays.
        (4, 10) fn device_vdispl_list(ctx: *mut Ctx, domid: u32, count: *mut c_int) -> *mut DeviceVdispl;
        /// Frees the array of [`Library::device_vdispl_list`].
        (4, 10) fn device_vdispl_list_free(list: *mut DeviceVdispl, count: c_int);
        /// Fills in the run-time state of a virtual display.
        (4, 10) fn device_vdispl_getinfo(
            ctx: *mut Ctx, domid: u32, vdispl: *const DeviceVdispl, info: *mut Vdisplinfo,
        ) -> c_int;
        /// Fills in a domain's virtual display with this number.
        (4, 10) fn devid_to_device_vdispl(ctx: *mut Ctx, domid: u32, devid: c_int, vdispl: *mut DeviceVdispl) -> c_int;

        /// Removes a PV calls interface with the cooperation of the domain; by force after 10 s.
        (4, 11) fn device_pvcallsif_remove(
            ctx: *mut Ctx, domid: u32, pvcallsif: *mut DevicePvcallsif, how: *const AsyncopHow,
        ) -> c_int;
        /// Removes a PV calls interface without the cooperation of the domain.
        (4, 11) fn device_pvcallsif_destroy(
            ctx: *mut Ctx, domid: u32, pvcallsif: *mut DevicePvcallsif, how: *const AsyncopHow,
        ) -> c_int;

        /// Adds a virtual sound card to a domain, and fills in the fields that are unset.
        (4, 12) fn device_vsnd_add(ctx: *mut Ctx, domid: u32, vsnd: *mut DeviceVsnd, how: *const AsyncopHow) -> c_int;
        /// Removes a virtual sound card with the cooperation of the domain; by force after 10 s.
        (4, 12) fn device_vsnd_remove(
            ctx: *mut Ctx, domid: u32, vsnd: *mut DeviceVsnd, how: *const AsyncopHow,
        ) -> c_int;
        /// Removes a virtual sound card without the cooperation of the domain.
        (4, 12) fn device_vsnd_destroy(
            ctx: *mut Ctx, domid: u32, vsnd: *mut DeviceVsnd, how: *const AsyncopHow,
        ) -> c_int;
        /// Returns a domain's virtual sound cards.
        (4, 12) fn device_vsnd_list(ctx: *mut Ctx, domid: u32, count: *mut c_int) -> *mut DeviceVsnd;
        /// Frees the array of [`Library::device_vsnd_list`].
        (4, 12) fn device_vsnd_list_free(list: *mut DeviceVsnd, count: c_int);
        /// Fills in the run-time state of a virtual sound card.
        (4, 12) fn device_vsnd_getinfo(
            ctx: *mut Ctx, domid: u32, vsnd: *const DeviceVsnd, info: *mut Vsndinfo,
        ) -> c_int;
        /// Fills in a domain's virtual sound card with this number.
        (4, 12) fn devid_to_device_vsnd(ctx: *mut Ctx, domid: u32, devid: c_int, vsnd: *mut DeviceVsnd) -> c_int;

        /// Serves as the driver domain's backend daemon: creates the devices that other domains get from this domain. It never
        /// completes, and an abort changes nothing. With a `how`, libxl registers a watch in a stack frame that is gone when this
        /// returns (4.4 to 4.22): it works without one only, in libxl's own loop ([E8]).
        (4, 4) fn device_events_handler(ctx: *mut Ctx, how: *const AsyncopHow) -> c_int;
        /// Adds (`operation` 1) or removes (2) the nodes of a device tree overlay of `size` bytes. It does not write to it.
        (4, 18, "aarch64") fn dt_overlay(ctx: *mut Ctx, overlay: *mut c_void, size: u32, operation: u8) -> c_int;
        /// Attaches the devices of an overlay of `size` bytes that was added before to a domain (`operation` 1).
        (4, 19, "aarch64") fn dt_overlay_domain(
            ctx: *mut Ctx, domid: u32, overlay: *mut c_void, size: u32, operation: u8,
        ) -> c_int;
    }
    changed {
    }
}
