//! PCI devices that can be given to domains.

use crate::ctx::Ctx;
use crate::error::Error;
use crate::structs::{Typed, take_array};
use crate::task::Task;
use core::ffi::c_int;
use xenlight_sys as sys;
use xenlight_types::Pci;

/// # PCI devices that can be assigned
///
/// A PCI device can be attached to a domain once it is assignable: bound to the driver pciback, which keeps it for domains.
impl Ctx {
    /// The PCI devices of this host that are assignable and not assigned.
    ///
    /// # Errors
    /// [`Error::Closed`] or [`Error::Format`].
    pub fn assignable_pci(&self) -> Result<Vec<Pci>, Error> {
        self.ask(Task::without("list the assignable PCI devices"), |question| {
            let (hosted, ctx) = (question.hosted, question.ctx);
            let mut count: c_int = 0;
            // SAFETY: the ctx lives during `ask`; `count` is written during the call.
            let list = unsafe { hosted.library().device_pci_assignable_list(ctx, &mut count) };
            // SAFETY: the array is ours to free, with its count.
            unsafe { take_array(hosted, ctx, list, count) }
        })
    }

    /// Makes a PCI device assignable: takes it from its driver, and gives it to pciback. A device that is assignable stays so.
    /// `remember` has libxl note the driver, for [`make_pci_unassignable`](Self::make_pci_unassignable).
    ///
    /// From 4.13 on, libxl then keeps it from everybody until a domain has it, which needs an IOMMU. Without one this fails, although
    /// pciback has the device, which is listed; and libxl does not give it back.
    ///
    /// Blocks while the kernel does this.
    ///
    /// # Errors
    /// [`Error::Libxl`] if there is no such device, pciback is not loaded, or there is no IOMMU; [`Error::Config`], [`Error::Closed`].
    pub fn make_pci_assignable(&self, device: &Pci, remember: bool) -> Result<(), Error> {
        self.assign("make a PCI device assignable", device, remember, sys::Library::device_pci_assignable_add)
    }

    /// Takes a PCI device away from pciback. `rebind` gives it back to the driver that it had.
    ///
    /// Blocks while the kernel does this.
    ///
    /// # Errors
    /// Those of [`make_pci_assignable`](Self::make_pci_assignable).
    pub fn make_pci_unassignable(&self, device: &Pci, rebind: bool) -> Result<(), Error> {
        self.assign("make a PCI device unassignable", device, rebind, sys::Library::device_pci_assignable_remove)
    }

    fn assign(&self, doing: &'static str, device: &Pci, rebind: bool, assign: Assign) -> Result<(), Error> {
        self.ask(Task::without(doing), |question| {
            // SAFETY: the ctx lives during `ask`.
            let device = unsafe { Typed::given(question.hosted, question.ctx, device) }?;
            let library = question.hosted.library();
            // SAFETY: the ctx lives during `ask`, the device during the call.
            question.check(unsafe { assign(library, question.ctx, device.as_ptr(), c_int::from(rebind)) })
        })
    }
}

/// `libxl_device_pci_assignable_add` or `_remove`.
type Assign = unsafe fn(&sys::Library, *mut sys::Ctx, *mut sys::domain::DevicePci, c_int) -> c_int;
