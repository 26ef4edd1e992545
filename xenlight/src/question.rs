//! Calls into libxl that have their answer when they return.

use crate::error::Error;
use crate::hosted::Hosted;
use crate::inside;
use crate::task::Task;
use crate::words::Listener;
use core::ffi::c_int;
use osevent_core::Registry;
use std::sync::Arc;
use xenlight_sys::Ctx as RawCtx;

/// A call into libxl that has its answer when it returns, made inside the gate.
pub(crate) struct Question<'a> {
    pub(crate) hosted: &'a Hosted,
    pub(crate) ctx: *mut RawCtx,
    task: Task,
    listener: Arc<Listener>,
}

impl Question<'_> {
    /// The error for what libxl returned.
    pub(crate) fn error(&self, rc: c_int) -> Error {
        self.task.error(self.hosted, self.ctx, rc, &self.listener)
    }

    pub(crate) fn check(&self, rc: c_int) -> Result<(), Error> {
        if rc == 0 { Ok(()) } else { Err(self.error(rc)) }
    }
}

/// Makes a synchronous call, if its domain is there.
///
/// # Errors
/// The ctx is closed, the task is one that is refused, or the call's.
pub(crate) fn ask<R>(
    registry: &Registry<Hosted>,
    task: Task,
    call: impl FnOnce(&Question<'_>) -> Result<R, Error>,
) -> Result<R, Error> {
    let hosted = registry.client();
    // Before as well: the one that frees the ctx waits until no call is in progress.
    hosted.closing.check_open()?;
    let inside = inside::enter(registry)?;
    hosted.closing.check_open()?;
    let (ctx, listener) = (hosted.raw(&inside), task.listener());
    let _attending = hosted.hearing().attend(Some(listener.clone()));
    task.check_with(hosted, ctx)?;
    call(&Question { hosted, ctx, task, listener })
}
