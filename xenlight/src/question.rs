//! Calls into libxl that have their answer when they return.

use crate::error::Error;
use crate::hosted::Hosted;
use crate::inside;
use crate::structs::{Typed, take_array};
use crate::task::Task;
use crate::words::Listener;
use core::ffi::c_int;
use osevent_core::Registry;
use std::sync::Arc;
use xenlight_sys::{Ctx as RawCtx, Library, Release, codes};
use xenlight_types::LibxlStruct;

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

    /// [`check`](Self::check) for functions that return any other number than 0 when they fail.
    pub(crate) fn succeeded(&self, rc: c_int) -> Result<(), Error> {
        self.check(if rc > 0 { codes::ERROR_FAIL } else { rc })
    }

    /// A number that is not negative, or the error.
    pub(crate) fn number(&self, number: c_int) -> Result<u32, Error> {
        u32::try_from(number).map_err(|_| self.error(number))
    }

    /// What a later release has: `function`, if the loaded one has it.
    pub(crate) fn later<F>(&self, function: Option<F>, since: Release) -> Result<F, Error> {
        function.ok_or_else(|| self.hosted.whole_library().lacks(self.task.doing, since))
    }

    /// [`later`](Self::later), for what libxl has on one architecture only.
    pub(crate) fn later_on<F>(&self, arch: &'static str, function: Option<F>, since: Release) -> Result<F, Error> {
        if std::env::consts::ARCH != arch {
            return Err(Error::OtherArchitecture { what: self.task.doing, needs: arch });
        }
        self.later(function, since)
    }

    /// The struct that `fill` writes to; it returns what libxl did.
    pub(crate) fn filled<T: LibxlStruct, R>(
        &self,
        fill: impl FnOnce(&Library, *mut RawCtx, *mut R) -> c_int,
    ) -> Result<T, Error> {
        let filled = Typed::<T>::new(self.hosted.whole_library())?;
        self.succeeded(fill(self.hosted.library(), self.ctx, filled.as_ptr()))?;
        // SAFETY: the ctx lives while the question does.
        unsafe { filled.read(self.ctx) }
    }

    /// The array that `list` returns, which is ours to free, with its length.
    pub(crate) fn array<T: LibxlStruct, R>(
        &self,
        list: impl FnOnce(&Library, *mut RawCtx, &mut c_int) -> *mut R,
    ) -> Result<Vec<T>, Error> {
        let mut count = 0;
        let first = list(self.hosted.library(), self.ctx, &mut count);
        if first.is_null() {
            return Err(self.error(codes::ERROR_FAIL));
        }
        // SAFETY: the ctx lives while the question does; libxl returned the array with its length.
        unsafe { take_array(self.hosted, self.ctx, first, count) }
    }

    /// A struct for libxl, which is known to understand it.
    pub(crate) fn given<T: LibxlStruct>(&self, value: &T) -> Result<Typed<T>, Error> {
        // SAFETY: the ctx lives while the question does.
        unsafe { Typed::given(self.hosted, self.ctx, value) }
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
    task.check_open(hosted)?;
    let inside = inside::enter(registry)?;
    task.check_open(hosted)?;
    let (ctx, listener) = (hosted.raw(&inside), task.listener());
    let _attending = hosted.hearing().attend(Some(listener.clone()));
    task.check_with(hosted, ctx)?;
    call(&Question { hosted, ctx, task, listener })
}
