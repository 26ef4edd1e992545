//! What can be pressed on a domain's machine, and said to its device model.

use crate::ctx::Ctx;
use crate::error::{Error, numbered};
use crate::hosted::Hosted;
use crate::operation::{self, Action, Operation, Request};
use crate::task::Task;
use core::ffi::{c_char, c_int, c_uint};
use core::ptr;
use std::ffi::CString;
use std::sync::atomic::{AtomicPtr, Ordering};
use xenlight_sys::by_release::{MonitorCommand, SendTrigger};
use xenlight_sys::domain::AsyncopHow;
use xenlight_sys::{Ctx as RawCtx, Library, Release};
use xenlight_types::{DomainId, Trigger};

/// # Buttons and keys
impl Ctx {
    /// Presses a button of the machine that the domain sees: power, sleep, reset and others. This reaches an HVM domain whose
    /// system knows nothing of Xen, which [`shutdown`](Self::shutdown) does not. `vcpu` counts for
    /// [`Trigger::Nmi`] and [`Trigger::Init`] only.
    ///
    /// It tells that the button was pressed, not that the system has heeded it.
    ///
    /// # Errors
    /// [`Error::Libxl`] if the domain has no such button: PV and PVH domains have but some; those of [all
    /// operations](Self#a-domains-life).
    pub fn press(&self, domid: DomainId, button: &Trigger, vcpu: u32) -> Operation<()> {
        let task = Task::on("press a button of a domain", domid);
        let trigger = match numbered("button", button.number(), button) {
            Ok(trigger) => trigger,
            Err(error) => return Operation::ready(Err(error)),
        };
        Operation::begun(|| match self.library().sys().send_trigger() {
            SendTrigger::Blocking(send) => operation::run(&self.registry, task, move |question| {
                // SAFETY: the ctx lives during the call.
                question.succeeded(unsafe { send(question.ctx, domid.get(), trigger, vcpu) })
            }),
            SendTrigger::Asynchronous(send) => {
                operation::start(&self.registry, task, Press { domid, trigger, vcpu, send })
            }
        })
    }

    /// Sends a system request key to the domain's kernel, such as `'s'` (Linux: write all disks). It tells that the key was sent.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for what is not an ASCII character; [`Error::Libxl`], [`Error::NoSuchDomain`], [`Error::Closed`].
    pub fn send_sysrq(&self, domid: DomainId, key: char) -> Result<(), Error> {
        const WHAT: &str = "number of the key";
        let number = u64::from(u32::from(key));
        let key: c_char = match u8::try_from(number) {
            Ok(key) if key.is_ascii() => key as c_char,
            _ => return Err(Error::OutOfRange { what: WHAT, value: number, most: 0x7f }),
        };
        self.ask(Task::on("send a system request", domid), |question| {
            // SAFETY: the ctx lives during `ask`.
            question.succeeded(unsafe { question.hosted.library().send_sysrq(question.ctx, domid.get(), key) })
        })
    }

    /// Has the device model of a domain run a command of QEMU's monitor, such as `info block`, and tells what it answers. Xen 4.8 and
    /// later.
    ///
    /// QEMU tells of a command that it does not know in its answer.
    ///
    /// # Errors
    /// [`Error::Libxl`] if the domain has no device model, or it does not answer; [`Error::Unsupported`]; [`Error::Nul`]; those of [all
    /// operations](Self#a-domains-life).
    pub fn qemu_command(&self, domid: DomainId, command: &str) -> Operation<String> {
        const DOING: &str = "have a device model run a command";
        let task = Task::on(DOING, domid);
        let Ok(command) = CString::new(command) else {
            return Operation::ready(Err(Error::Nul("the command")));
        };
        Operation::begun(|| match self.library().sys().qemu_monitor_command() {
            MonitorCommand::Missing => Err(self.library().lacks(DOING, Release::V4_8)),
            MonitorCommand::Blocking(run) => operation::run(&self.registry, task, move |question| {
                let mut answer = ptr::null_mut();
                // SAFETY: the ctx lives during the call; the address is written by it.
                question.succeeded(unsafe { run(question.ctx, domid.get(), command.as_ptr(), &mut answer) })?;
                // SAFETY: libxl's string, ours to free.
                Ok(unsafe { Hosted::take_string(answer) }.unwrap_or_default())
            }),
            MonitorCommand::Asynchronous(run) => {
                let answer = AtomicPtr::default();
                operation::start(&self.registry, task, Monitor { domid, command, answer, run })
            }
        })
    }
}

struct Press {
    domid: DomainId,
    trigger: c_uint,
    vcpu: u32,
    send: unsafe extern "C" fn(*mut RawCtx, u32, c_uint, u32, *const AsyncopHow) -> c_int,
}

impl Action for Press {
    fn initiate(&self, _: &Library, ctx: *mut RawCtx, how: *const AsyncopHow) -> c_int {
        // SAFETY: the ctx is alive.
        unsafe { (self.send)(ctx, self.domid.get(), self.trigger, self.vcpu, how) }
    }
}

struct Monitor {
    domid: DomainId,
    command: CString,
    /// Where libxl puts the answer, for as long as the operation lasts.
    answer: AtomicPtr<c_char>,
    run: unsafe extern "C" fn(*mut RawCtx, u32, *const c_char, *mut *mut c_char, *const AsyncopHow) -> c_int,
}

impl Request for Monitor {
    type Output = String;

    fn initiate(&self, _: &Library, ctx: *mut RawCtx, how: *const AsyncopHow) -> c_int {
        // SAFETY: the ctx is alive; command and answer live until the operation has ended (E9).
        unsafe { (self.run)(ctx, self.domid.get(), self.command.as_ptr(), self.answer.as_ptr(), how) }
    }

    fn finish(&self, result: Result<(), Error>) -> Result<String, Error> {
        // Relaxed: libxl wrote it before its callback, and the delivery of that came through a lock.
        let answer = self.answer.swap(ptr::null_mut(), Ordering::Relaxed);
        // SAFETY: null, or libxl's string, ours to free.
        let answer = unsafe { Hosted::take_string(answer) };
        result.map(|()| answer.unwrap_or_default())
    }
}
