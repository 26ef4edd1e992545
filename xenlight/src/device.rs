//! Taking a domain's devices away.

use crate::ctx::Ctx;
use crate::error::Error;
use crate::json::object;
use crate::operation::{self, Operation, Request};
use crate::structs::{Owned, Struct};
use crate::task::Task;
use core::ffi::c_int;
use std::ffi::CString;
use xenlight_sys as sys;
use xenlight_sys::domain::{AsyncopHow, DeviceDisk, DeviceNic};
use xenlight_types::DomainId;

/// # Devices
///
/// These operations may be begun on any thread and inside callbacks. The device is looked up before the call returns; if it
/// does not exist, the operation fails. `remove_…` asks the domain to release the device, `destroy_…` does not. Both wait for
/// the backend, up to 10 s, and then for the hotplug script, a child process, up to 40 s.
impl Ctx {
    /// Removes a network interface. `devid` counts from 0.
    ///
    /// # Errors
    /// [`Error::Libxl`] with `ERROR_TIMEDOUT` (`ERROR_FAIL` in older releases) if the domain or the script took too long;
    /// [`Error::Libxl`] with `ERROR_NOTFOUND`, `ERROR_FAIL` or `ERROR_INVAL`, depending on the release, if there is no such
    /// interface; [`Error::NoSuchDomain`], [`Error::Closed`], [`Error::LoopGone`], [`Error::Format`].
    ///
    /// ```no_run
    /// # async fn example(ctx: xenlight::Ctx, domid: xenlight::DomainId) -> Result<(), xenlight::Error> {
    /// ctx.remove_nic(domid, 0).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn remove_nic(&self, domid: DomainId, devid: u32) -> Operation<()> {
        Operation::begun(|| {
            self.take_nic(Task::on("remove a network interface", domid), domid, devid, sys::Library::device_nic_remove)
        })
    }

    /// Removes a network interface without asking the domain.
    ///
    /// # Errors
    /// The same as for [`remove_nic`](Self::remove_nic).
    pub fn destroy_nic(&self, domid: DomainId, devid: u32) -> Operation<()> {
        Operation::begun(|| {
            self.take_nic(
                Task::on("destroy a network interface", domid),
                domid,
                devid,
                sys::Library::device_nic_destroy,
            )
        })
    }

    /// Removes a disk. `vdev` is the name in the configuration, for instance `xvda`.
    ///
    /// # Errors
    /// The same as for [`remove_nic`](Self::remove_nic), and [`Error::Nul`].
    pub fn remove_disk(&self, domid: DomainId, vdev: &str) -> Operation<()> {
        Operation::begun(|| {
            self.take_disk(Task::on("remove a disk", domid), domid, vdev, sys::Library::device_disk_remove)
        })
    }

    /// Removes a disk without asking the domain.
    ///
    /// # Errors
    /// The same as for [`remove_disk`](Self::remove_disk).
    pub fn destroy_disk(&self, domid: DomainId, vdev: &str) -> Operation<()> {
        Operation::begun(|| {
            self.take_disk(Task::on("destroy a disk", domid), domid, vdev, sys::Library::device_disk_destroy)
        })
    }

    fn take_nic(&self, task: Task, domid: DomainId, devid: u32, take: Take<DeviceNic>) -> Result<Operation<()>, Error> {
        let number = c_int::try_from(devid).unwrap_or(-1);
        let nic = self.ask(task, |question| {
            let (hosted, ctx) = (question.hosted, question.ctx);
            let nic = Owned::<DeviceNic>::new(self.library());
            // SAFETY: the ctx lives during `ask`; the nic is written during the call. That initialises it
            // once more, which leaks nothing, as nothing hangs on a fresh one.
            let rc = unsafe { hosted.library().devid_to_device_nic(ctx, domid.get(), number, nic.as_ptr()) };
            question.check(rc)?;
            // SAFETY: ctx and nic are alive; the string is ours to free.
            let json = unsafe { hosted.take_string(hosted.library().device_nic_to_json(ctx, nic.as_ptr())) };
            let what = "libxl's device_nic";
            let found = object(what, json)?;
            // Libxl takes the number from xenstore, and 0 if it is not there.
            if found.get("devid").and_then(serde_json::Value::as_u64) != Some(devid.into()) {
                let problem = format!("xenstore has no handle {devid} for it, so that another would be taken");
                return Err(Error::Format { what, problem });
            }
            Ok(nic)
        })?;
        self.take(task, domid, nic, take)
    }

    fn take_disk(
        &self,
        task: Task,
        domid: DomainId,
        vdev: &str,
        take: Take<DeviceDisk>,
    ) -> Result<Operation<()>, Error> {
        let vdev = CString::new(vdev).map_err(|_| Error::Nul("the virtual device's name"))?;
        let disk = self.ask(task, |question| {
            let (hosted, ctx) = (question.hosted, question.ctx);
            let disk = Owned::<DeviceDisk>::new(self.library());
            // SAFETY: as for a nic; the name is good for the call.
            let rc = unsafe { hosted.library().vdev_to_device_disk(ctx, domid.get(), vdev.as_ptr(), disk.as_ptr()) };
            question.check(rc)?;
            Ok(disk)
        })?;
        self.take(task, domid, disk, take)
    }

    fn take<T: Struct + 'static>(
        &self,
        task: Task,
        domid: DomainId,
        device: Owned<T>,
        take: Take<T>,
    ) -> Result<Operation<()>, Error> {
        operation::start(&self.registry, task, Taking { domid, device, take })
    }
}

/// `libxl_device_…_remove` or `_destroy`.
type Take<T> = unsafe fn(&sys::Library, *mut sys::Ctx, u32, *mut T, *const AsyncopHow) -> c_int;

struct Taking<T: Struct> {
    domid: DomainId,
    device: Owned<T>,
    take: Take<T>,
}

impl<T: Struct + 'static> Request for Taking<T> {
    type Output = ();

    fn initiate(&self, library: &sys::Library, ctx: *mut sys::Ctx, how: *const AsyncopHow) -> c_int {
        // SAFETY: the ctx is alive; the device lives until the operation has ended (E9).
        unsafe { (self.take)(library, ctx, self.domid.get(), self.device.as_ptr(), how) }
    }

    fn finish(&self, result: Result<(), Error>) -> Result<(), Error> {
        result
    }
}
