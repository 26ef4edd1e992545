//! Discs in the drives of HVM domains, and the safe removal of a disk.

use super::family::{INSERT, REMOVE_SAFELY};
use crate::ctx::Ctx;
#[cfg(doc)]
use crate::error::Error;
use crate::operation::Operation;
use crate::task::Task;
use xenlight_types::{Disk, DiskFormat, DomainId};

/// # Discs
impl Ctx {
    /// Puts a disc into a drive of an HVM domain, in place of the one that is there. `disc` has the drive as
    /// [`vdev`](field@Disk::vdev), the image as [`pdev_path`](field@Disk::pdev_path), and its
    /// [`format`](field@Disk::format); [`is_cdrom`](field@Disk::is_cdrom) and [`removable`](field@Disk::removable) are set here.
    ///
    /// # Errors
    /// [`Error::Libxl`] if the domain has no such drive, is not an HVM domain, or its device model does not answer;
    /// those of [`attach`](Self::attach).
    pub fn insert_disc(&self, domid: DomainId, disc: &Disk) -> Operation<()> {
        const DOING: &str = "insert a disc";
        Operation::begun(|| {
            let task = Task::on(DOING, domid);
            let disc = disc.clone().is_cdrom(true).removable(true).readwrite(false);
            let device = self.given(task, &disc)?;
            self.take(task, domid, device, self.function(DOING, INSERT)?)
        })
    }

    /// Takes the disc out of a drive of an HVM domain; `vdev` is the drive, as in its configuration, such as `hdc`.
    ///
    /// # Errors
    /// Those of [`insert_disc`](Self::insert_disc).
    pub fn eject_disc(&self, domid: DomainId, vdev: &str) -> Operation<()> {
        self.insert_disc(domid, &Disk::default().vdev(vdev).format(DiskFormat::Empty).pdev_path(""))
    }

    /// Detaches a disk if its domain releases it within 10 s: unlike [`detach`](Self::detach), it does not force the disk away
    /// when the time is over. The domain then keeps the disk until it releases it, which it may do at any time, as it is not
    /// told that the time is over; a detach removes what is left. Linux 5.10 does not release a disk that it has open, 6.1
    /// does. Xen 4.15 and later.
    ///
    /// # Errors
    /// [`Error::Libxl`] with `ERROR_TIMEDOUT` if the domain does not release it; those of [`detach`](Self::detach).
    pub fn detach_disk_safely(&self, domid: DomainId, disk: &Disk) -> Operation<()> {
        const DOING: &str = "detach a disk safely";
        Operation::begun(|| {
            let task = Task::on(DOING, domid);
            let function = self.function(DOING, REMOVE_SAFELY)?;
            self.take(task, domid, self.given(task, disk)?, function)
        })
    }
}
