//! Overlays of the device tree, on Arm.

use crate::ctx::Ctx;
use crate::error::{Error, fits};
use crate::question::Question;
use crate::task::Task;
use core::ffi::c_void;
use xenlight_sys::Release;
use xenlight_types::DomainId;

/// The only architecture that has this.
const ARM: &str = "aarch64";
/// libfdt reads so much of an overlay before it looks at its size.
const HEADER: usize = 40;

/// # Overlays of the device tree
///
/// An overlay is a compiled device tree (`.dtbo`), whose devices are added to those that the hypervisor found when it booted, for instance
/// after a part of an FPGA was programmed. On Arm only: elsewhere, these methods fail with [`Error::OtherArchitecture`].
impl Ctx {
    /// Adds the devices of an overlay to those of the hypervisor. Xen 4.18 and later.
    ///
    /// # Errors
    /// [`Error::Config`] for what is no overlay; [`Error::Libxl`] if the hypervisor refuses; [`Error::OtherArchitecture`],
    /// [`Error::OutOfRange`], [`Error::Unsupported`], [`Error::Closed`].
    pub fn add_overlay(&self, overlay: &[u8]) -> Result<(), Error> {
        const ADD: u8 = 1;
        self.change_overlay("add an overlay of the device tree", overlay, ADD)
    }

    /// Removes the devices of an overlay that was [added](Self::add_overlay). No domain may have any of them. Xen 4.18 and later.
    ///
    /// # Errors
    /// Those of [`add_overlay`](Self::add_overlay).
    pub fn remove_overlay(&self, overlay: &[u8]) -> Result<(), Error> {
        const REMOVE: u8 = 2;
        self.change_overlay("remove an overlay of the device tree", overlay, REMOVE)
    }

    /// Gives the devices of an overlay that was [added](Self::add_overlay) to a domain: their interrupts and their memory. Xen 4.19 and
    /// later.
    ///
    /// # Errors
    /// Those of [`add_overlay`](Self::add_overlay); [`Error::NoSuchDomain`].
    pub fn attach_overlay(&self, domid: DomainId, overlay: &[u8]) -> Result<(), Error> {
        const ATTACH: u8 = 1;
        let size = size(overlay)?;
        self.ask(Task::on("attach an overlay of the device tree", domid), |question: &Question<'_>| {
            let attach = question.later_on(ARM, question.hosted.library().dt_overlay_domain(), Release::new(4, 19))?;
            let overlay = overlay.as_ptr().cast::<c_void>().cast_mut();
            // SAFETY: the ctx lives during `ask`; the overlay has this size, and is only read.
            question.succeeded(unsafe { attach(question.ctx, domid.get(), overlay, size, ATTACH) })
        })
    }

    fn change_overlay(&self, doing: &'static str, overlay: &[u8], change: u8) -> Result<(), Error> {
        let size = size(overlay)?;
        self.ask(Task::without(doing), |question| {
            let apply = question.later_on(ARM, question.hosted.library().dt_overlay(), Release::new(4, 18))?;
            let overlay = overlay.as_ptr().cast::<c_void>().cast_mut();
            // SAFETY: the ctx lives during `ask`; the overlay has this size, and is only read.
            question.succeeded(unsafe { apply(question.ctx, overlay, size, change) })
        })
    }
}

fn size(overlay: &[u8]) -> Result<u32, Error> {
    if overlay.len() < HEADER {
        return Err(Error::config("overlay", &format!("it has {} bytes, a device tree has {HEADER}", overlay.len())));
    }
    fits("size of the overlay in bytes", overlay.len() as u64)
}
