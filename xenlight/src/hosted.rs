//! All that belongs to one ctx: libxl's, its library, and the tables of what goes on with it.
//!
//! The tables are files of their own, which know no registry. What is done with them is in others, which take the registry:
//! a close is a state machine in `closing` and its steps in `close`, for instance. So nothing here calls upwards, and
//! what the core tells of a ctx goes to those steps from `client`.

use crate::children::LiveChildren;
use crate::closing::Closing;
#[cfg(doc)]
use crate::contract::*;
use crate::error::{Code, Error};
use crate::followers::Followers;
use crate::hooks::HookState;
use crate::inside;
use crate::library::Library;
use crate::link::Link;
use crate::lock;
use crate::logger::Logger;
use crate::pending::Operations;
use crate::queue::Queue;
use crate::subscribers::Subscribers;
use crate::words::{Hearing, Words};
use crate::worker::Worker;
use core::ffi::{c_char, c_int, c_void};
use osevent_core::{ClientCall, ClientValue, GoneId, Registry};
use std::ffi::CStr;
use std::ptr::{self, NonNull};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use xenlight_sys::{self as sys, codes};

/// Libxl, as the core's client.
pub(crate) struct Hosted {
    /// Set once it is allocated. Used inside the gate, or by `release`, which excludes that.
    pub(crate) ctx: OnceLock<RawCtx>,
    pub(crate) delivery_source: Arc<Registry<DeliverySource>>,
    /// What the host's loop will call when it ends; forgotten when the ctx is closed.
    pub(crate) gone: Mutex<Option<GoneId>>,
    /// Where libxl has a thread of its own.
    pub(crate) worker: Option<Worker<Registry<Self>>>,
    pub(crate) registry: Weak<Registry<Self>>,
    /// The registry's own: libxl has its address until the ctx is freed ([X1]).
    pub(crate) keep: Mutex<Option<Arc<Registry<Self>>>>,
    pub(crate) logger: Logger,
    pub(crate) library: Library,
    pub(crate) hooks: HookState,
    pub(crate) queue: Arc<Queue>,
    pub(crate) link: Link,
    pub(crate) operations: Operations,
    pub(crate) events: Subscribers,
    pub(crate) followers: Followers,
    pub(crate) children: LiveChildren,
    pub(crate) closing: Closing,
    /// Held while libxl is asked for the version, which it notes in the ctx without its lock.
    pub(crate) version: Mutex<()>,
}

/// What stands on the host's loop: the source from which the application is called.
pub(crate) struct DeliverySource(pub(crate) Weak<Registry<Hosted>>);

pub(crate) struct RawCtx(pub(crate) NonNull<sys::Ctx>);

// SAFETY: libxl locks its ctx; any thread may call it while it is not being freed, which the gate
// sees to (X4).
unsafe impl Send for RawCtx {}
// SAFETY: as above.
unsafe impl Sync for RawCtx {}

impl Hosted {
    pub(crate) fn library(&self) -> &sys::Library {
        self.library.sys()
    }

    pub(crate) fn whole_library(&self) -> &Library {
        &self.library
    }

    /// Who hears what libxl says.
    pub(crate) fn hearing(&self) -> &Hearing {
        &self.logger.hearing
    }

    /// On the host's loop.
    pub(crate) fn delivery_source(&self) -> &Registry<DeliverySource> {
        &self.delivery_source
    }

    /// The host's loop may live much longer than the ctx, which is closed.
    pub(crate) fn forget_loop(&self) {
        let gone = lock(&self.gone).take();
        if let Some(gone) = gone {
            self.delivery_source.event_loop().forget_gone(gone);
        }
    }

    pub(crate) fn logger(&self) -> *mut sys::log::Logger {
        self.logger.as_ptr()
    }

    /// The ctx, to be used while `call` lives.
    pub(crate) fn raw(&self, _call: &ClientCall<'_, Self>) -> *mut sys::Ctx {
        self.raw_inside()
    }

    /// The ctx, to be used inside a callback of libxl's, which runs inside the gate.
    pub(crate) fn raw_inside(&self) -> *mut sys::Ctx {
        self.ctx.get().map_or(ptr::null_mut(), |ctx| ctx.0.as_ptr())
    }

    /// The error for what libxl returned, with its words, and with what a hook refused where that is the cause.
    pub(crate) fn error(&self, doing: &'static str, rc: c_int, words: Words) -> Error {
        let by_hook = rc > 0 || rc == codes::ERROR_OSEVENT_REG_FAIL;
        let refusal = if by_hook { self.hooks.take_refusal() } else { None };
        Error::Libxl { doing, code: Code(rc), words, refusal }
    }

    /// A string of libxl's as ours; frees it.
    ///
    /// # Safety
    /// `string` is null, or was returned by libxl to be freed by its caller.
    pub(crate) unsafe fn take_string(string: *mut c_char) -> Option<String> {
        if string.is_null() {
            return None;
        }
        // SAFETY: a C string, by the caller's promise.
        let ours = unsafe { CStr::from_ptr(string) }.to_string_lossy().into_owned();
        // SAFETY: libxl allocated it with malloc(3), for its caller to free.
        unsafe { libc::free(string.cast()) };
        Some(ours)
    }

    /// Something that a close waits for has ended.
    pub(crate) fn progressed(&self, registry: &Registry<Self>) {
        if self.closing.is_closing() {
            inside::when_idle(registry);
        }
    }

    /// Whether an operation could be completed.
    pub(crate) fn check_ready(&self) -> Result<(), Error> {
        self.closing.check_open()?;
        if self.closing.loop_is_gone() { Err(Error::LoopGone) } else { self.link.check() }
    }

    pub(crate) fn keep_alive(&self, registry: &Arc<Registry<Self>>) {
        *lock(&self.keep) = Some(registry.clone());
    }

    pub(crate) fn pointer(value: ClientValue) -> *mut c_void {
        ptr::with_exposed_provenance_mut(value.0 as usize)
    }
}
