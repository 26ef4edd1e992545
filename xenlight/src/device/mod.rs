//! The devices of a domain.

mod disc;
mod family;
mod pci;

use crate::ctx::Ctx;
use crate::error::Error;
use crate::hosted::Hosted;
use crate::operation::{self, Action, Operation, Request};
use crate::question::Question;
use crate::structs::{Typed, take_array};
use crate::task::Task;
use core::ffi::{CStr, c_int};
use osevent_core::Registry;
use serde_json::Value;
use std::ffi::CString;
use std::sync::{Arc, Weak};
use xenlight_sys::domain::AsyncopHow;
use xenlight_sys::{self as sys, codes};
use xenlight_types::{Disk, DomainId, Nic};

use family::{About, Since};
pub use family::{Attachable, Destroyable, Device, Informed, Listed, Removable};

/// # Devices
///
/// One set of methods for all families of devices: [`Disk`], [`Nic`], [`Vfb`](crate::types::Vfb), [`Pci`](crate::types::Pci) and
/// others. Which family can do what is in the traits: [`Listed`], [`Informed`], [`Attachable`], [`Removable`], [`Destroyable`].
///
/// The operations may be begun on any thread and inside callbacks. [`detach`](Ctx::detach) and `remove_…` ask the domain to
/// release the device, [`destroy_device`](Ctx::destroy_device) and `destroy_…` do not. They wait for
/// the backend, up to 10 s, and then for the hotplug script, a child process, up to 40 s.
impl Ctx {
    /// The devices of this family that a domain has.
    ///
    /// # Errors
    /// [`Error::NoSuchDomain`], [`Error::Unsupported`] if the loaded libxl cannot list them, [`Error::Closed`], [`Error::Format`].
    ///
    /// ```no_run
    /// use xenlight::types::Disk;
    ///
    /// # fn example(ctx: xenlight::Ctx, domid: xenlight::DomainId) -> Result<(), xenlight::Error> {
    /// for disk in ctx.devices::<Disk>(domid)? {
    ///     println!("{:?} is {:?}", disk.vdev, disk.pdev_path);
    /// }
    /// # Ok(()) }
    /// ```
    pub fn devices<D: Listed>(&self, domid: DomainId) -> Result<Vec<D>, Error> {
        let doing = D::DOING.list;
        self.ask(Task::on(doing, domid), |question| list(question, domid, doing))
    }

    /// The state of a device: its backend, its connection to the domain.
    ///
    /// # Errors
    /// [`Error::Libxl`] if there is no such device; [`Error::NoSuchDomain`], [`Error::Unsupported`], [`Error::Closed`],
    /// [`Error::Config`], [`Error::Format`].
    pub fn device_info<D: Informed>(&self, domid: DomainId, device: &D) -> Result<D::Info, Error> {
        let doing = D::DOING.inform;
        self.ask(Task::on(doing, domid), |question| {
            device.check_had()?;
            let (hosted, ctx) = (question.hosted, question.ctx);
            let function = D::INFORM.usable(doing, hosted.library().release())?;
            let asked = identity(device);
            // Without such a sound card, libxl (4.17) reads through a null pointer.
            if !list::<D>(question, domid, doing)?.iter().any(|had| identity(had) == asked) {
                return Err(question.error(codes::ERROR_NOTFOUND));
            }
            device.check()?;
            let device = question.given(device)?;
            let info = Typed::<D::Info>::new(hosted.whole_library())?;
            // SAFETY: the ctx lives during `ask`, both structs during the call.
            let rc = unsafe { function(hosted.library(), ctx, domid.get(), device.as_ptr(), info.as_ptr()) };
            if let Err(error) = question.check(question.later(rc, D::INFORM.since)?) {
                // libxl leaves pointers to what it has freed, or not set, in it: better a few bytes that are not freed.
                std::mem::forget(info);
                return Err(error);
            }
            // SAFETY: the ctx lives during `ask`.
            unsafe { info.read(ctx) }
        })
    }

    /// Adds a device to a domain. Resolves to the device as libxl has completed it: with its number, and with the defaults.
    ///
    /// If the backend or the hotplug script fails, libxl leaves the device where [`devices`](Self::devices) finds it: destroy it.
    /// libxl enters the device into the domain's stored configuration, so the domain must be one that libxl has created. A
    /// [`P9`](crate::types::P9) is the exception: it is not entered, and libxl may not tell its number.
    ///
    /// # Errors
    /// [`Error::Libxl`] with libxl's log lines, among others if the domain has such a device already, or its backend does not
    /// come up; [`Error::Config`] and [`Error::ConfigNeeds`] if libxl would misread the device, before anything is done;
    /// [`Error::NoSuchDomain`], [`Error::Unsupported`], [`Error::Closed`], [`Error::LoopGone`], [`Error::Format`].
    ///
    /// ```no_run
    /// use xenlight::types::{Disk, DiskBackend, DiskFormat};
    ///
    /// # async fn example(ctx: xenlight::Ctx, domid: xenlight::DomainId) -> Result<(), xenlight::Error> {
    /// let disk = Disk::default().vdev("xvdb").pdev_path("/dev/loop0").format(DiskFormat::Raw).readwrite(true);
    /// let disk = ctx.attach(domid, &disk).await?;
    /// // …
    /// ctx.detach(domid, &disk).await?;
    /// # Ok(()) }
    /// ```
    pub fn attach<D: Attachable>(&self, domid: DomainId, device: &D) -> Operation<D> {
        Operation::begun(|| {
            let task = Task::on(D::DOING.attach, domid);
            let device = self.given(task, device)?;
            let function = self.function(D::DOING.attach, D::ADD)?;
            let registry = Arc::downgrade(&self.registry);
            operation::start(&self.registry, task, Attach { change: Change { domid, device, function }, registry })
        })
    }

    /// Asks the domain to release a device, and removes it, also if the domain has not released it after 10 s: libxl then forces
    /// it away, as [`destroy_device`](Self::destroy_device) does. `device` is one that [`devices`](Self::devices) or
    /// [`attach`](Self::attach) has told: libxl finds the device by its number or name, its backend's domain, and its kind.
    ///
    /// # Errors
    /// [`Error::Libxl`] with `ERROR_TIMEDOUT` (`ERROR_FAIL` in older releases) if the domain or the script took too long;
    /// the errors of [`attach`](Self::attach).
    pub fn detach<D: Removable>(&self, domid: DomainId, device: &D) -> Operation<()> {
        Operation::begun(|| {
            let task = Task::on(D::DOING.detach, domid);
            device.check_had()?;
            self.take(task, domid, self.given(task, device)?, self.function(D::DOING.detach, D::REMOVE)?)
        })
    }

    /// Removes a device without asking the domain.
    ///
    /// # Errors
    /// Those of [`detach`](Self::detach).
    pub fn destroy_device<D: Destroyable>(&self, domid: DomainId, device: &D) -> Operation<()> {
        Operation::begun(|| {
            let task = Task::on(D::DOING.destroy, domid);
            device.check_had()?;
            self.take(task, domid, self.given(task, device)?, self.function(D::DOING.destroy, D::DESTROY)?)
        })
    }

    /// The network interface of that number, which counts from 0.
    ///
    /// # Errors
    /// [`Error::Libxl`] with `ERROR_NOTFOUND`, `ERROR_FAIL` or `ERROR_INVAL`, depending on the release, if there is none;
    /// [`Error::NoSuchDomain`], [`Error::Closed`], [`Error::Format`].
    pub fn nic(&self, domid: DomainId, devid: u32) -> Result<Nic, Error> {
        self.ask(Task::on("find a network interface", domid), |question| {
            let nic = find_nic(question, domid, devid)?;
            // SAFETY: the ctx lives during `ask`.
            unsafe { nic.read(question.ctx) }
        })
    }

    /// The disk of that virtual device, which is the name in its configuration, such as `xvda`.
    ///
    /// # Errors
    /// Those of [`nic`](Self::nic), and [`Error::Nul`].
    pub fn disk(&self, domid: DomainId, vdev: &str) -> Result<Disk, Error> {
        let vdev = CString::new(vdev).map_err(|_| Error::Nul("the virtual device's name"))?;
        self.ask(Task::on("find a disk", domid), |question| {
            let disk = find_disk(question, domid, &vdev)?;
            // SAFETY: the ctx lives during `ask`.
            unsafe { disk.read(question.ctx) }
        })
    }

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
        Operation::begun(|| self.take_nic(Task::on("remove a network interface", domid), domid, devid, Nic::REMOVE))
    }

    /// Removes a network interface without asking the domain.
    ///
    /// # Errors
    /// The same as for [`remove_nic`](Self::remove_nic).
    pub fn destroy_nic(&self, domid: DomainId, devid: u32) -> Operation<()> {
        Operation::begun(|| self.take_nic(Task::on("destroy a network interface", domid), domid, devid, Nic::DESTROY))
    }

    /// Removes a disk. `vdev` is the name in the configuration, for instance `xvda`.
    ///
    /// # Errors
    /// The same as for [`remove_nic`](Self::remove_nic), and [`Error::Nul`].
    pub fn remove_disk(&self, domid: DomainId, vdev: &str) -> Operation<()> {
        Operation::begun(|| self.take_disk(Task::on("remove a disk", domid), domid, vdev, Disk::REMOVE))
    }

    /// Removes a disk without asking the domain.
    ///
    /// # Errors
    /// The same as for [`remove_disk`](Self::remove_disk).
    pub fn destroy_disk(&self, domid: DomainId, vdev: &str) -> Operation<()> {
        Operation::begun(|| self.take_disk(Task::on("destroy a disk", domid), domid, vdev, Disk::DESTROY))
    }

    fn take_nic(&self, task: Task, domid: DomainId, devid: u32, take: Since<About>) -> Result<Operation<()>, Error> {
        let nic = self.ask(task, |question| find_nic(question, domid, devid))?;
        self.take(task, domid, nic, self.function(task.doing, take)?)
    }

    fn take_disk(&self, task: Task, domid: DomainId, vdev: &str, take: Since<About>) -> Result<Operation<()>, Error> {
        let vdev = CString::new(vdev).map_err(|_| Error::Nul("the virtual device's name"))?;
        let disk = self.ask(task, |question| find_disk(question, domid, &vdev))?;
        self.take(task, domid, disk, self.function(task.doing, take)?)
    }

    fn take<D: Device>(
        &self,
        task: Task,
        domid: DomainId,
        device: Typed<D>,
        function: About,
    ) -> Result<Operation<()>, Error> {
        operation::start(&self.registry, task, Change { domid, device, function })
    }

    /// As libxl's own.
    fn given<D: Device>(&self, task: Task, device: &D) -> Result<Typed<D>, Error> {
        device.check()?;
        // SAFETY: the ctx lives during `ask`.
        self.ask(task, |question| unsafe { Typed::given(question.hosted, question.ctx, device) })
    }

    fn function(&self, doing: &'static str, function: Since<About>) -> Result<About, Error> {
        function.usable(doing, self.library().release())
    }
}

/// The devices of this family that a domain has.
fn list<D: Listed>(question: &Question<'_>, domid: DomainId, doing: &'static str) -> Result<Vec<D>, Error> {
    let (hosted, ctx) = (question.hosted, question.ctx);
    let function = D::LIST.usable(doing, hosted.library().release())?;
    let mut count: c_int = 0;
    // SAFETY: the ctx lives while the question does; `count` is written during the call.
    let list = unsafe { function(hosted.library(), ctx, domid.get(), &mut count) };
    let list = question.later(list, D::LIST.since)?;
    // SAFETY: the array is ours to free, with its count. None is null: libxl does not tell that from a failure.
    unsafe { take_array(hosted, ctx, list, count) }
}

/// What a device of its family is found by: a disk by its virtual device, others by their number.
fn identity<D: Device>(device: &D) -> Option<Value> {
    let value = device.to_value();
    let key = if value.get("vdev").is_some() { "vdev" } else { "devid" };
    value.get(key).cloned()
}

fn find_nic(question: &Question<'_>, domid: DomainId, devid: u32) -> Result<Typed<Nic>, Error> {
    let (hosted, ctx) = (question.hosted, question.ctx);
    let number = c_int::try_from(devid).unwrap_or(-1);
    let nic = Typed::<Nic>::new(hosted.whole_library())?;
    // SAFETY: the ctx lives during the question; the nic is written during the call. That initialises it
    // once more, which leaks nothing, as nothing hangs on a fresh one.
    let rc = unsafe { hosted.library().devid_to_device_nic(ctx, domid.get(), number, nic.as_ptr()) };
    question.check(rc)?;
    // SAFETY: the ctx lives during the question.
    let found = unsafe { nic.read(ctx) }?;
    // Libxl takes the number from xenstore, and 0 if it is not there.
    if found.devid.unwrap_or(0) != devid {
        let problem = format!("xenstore has no handle {devid} for it, so that another would be taken");
        return Err(Error::Format { what: "libxl's device_nic", problem });
    }
    Ok(nic)
}

fn find_disk(question: &Question<'_>, domid: DomainId, vdev: &CStr) -> Result<Typed<Disk>, Error> {
    let (hosted, ctx) = (question.hosted, question.ctx);
    let disk = Typed::<Disk>::new(hosted.whole_library())?;
    // SAFETY: as for a nic; the name is good for the call.
    let rc = unsafe { hosted.library().vdev_to_device_disk(ctx, domid.get(), vdev.as_ptr(), disk.as_ptr()) };
    question.check(rc)?;
    Ok(disk)
}

/// One of libxl's functions about a device.
struct Change<D> {
    domid: DomainId,
    device: Typed<D>,
    function: About,
}

impl<D: Device> Action for Change<D> {
    fn initiate(&self, library: &sys::Library, ctx: *mut sys::Ctx, how: *const AsyncopHow) -> c_int {
        // SAFETY: the ctx is alive; the device lives until the operation has ended (E9).
        let begun = unsafe { (self.function)(library, ctx, self.domid.get(), self.device.as_ptr(), how) };
        // The caller has seen that libxl has the function.
        begun.unwrap_or(codes::ERROR_NI)
    }
}

/// A device that libxl completes.
struct Attach<D> {
    change: Change<D>,
    registry: Weak<Registry<Hosted>>,
}

impl<D: Device> Request for Attach<D> {
    type Output = D;

    fn initiate(&self, library: &sys::Library, ctx: *mut sys::Ctx, how: *const AsyncopHow) -> c_int {
        Action::initiate(&self.change, library, ctx, how)
    }

    fn finish(&self, result: Result<(), Error>) -> Result<D, Error> {
        result?;
        // SAFETY: the ctx lives during `with_ctx`.
        operation::with_ctx(&self.registry, |ctx| unsafe { self.change.device.read(ctx) })
    }
}
