//! libvirt's default event loop, as libvirtd has it: `virEventAddHandle`. There is one for the process, and it needs no daemon.

use super::{Callback, EventLoop, Fixed, Timer, function, load};
use anyhow::ensure;
use std::any::Any;
use std::ffi::{c_int, c_void};
use std::os::fd::RawFd;
use std::sync::OnceLock;
use std::time::Duration;

const READABLE: c_int = 1;

type Handler = unsafe extern "C" fn(watch: c_int, fd: c_int, events: c_int, opaque: *mut c_void);
type TimeoutHandler = unsafe extern "C" fn(timer: c_int, opaque: *mut c_void);
type Free = Option<unsafe extern "C" fn(opaque: *mut c_void)>;

#[derive(Clone, Copy)]
struct Functions {
    run: unsafe extern "C" fn() -> c_int,
    add_handle: unsafe extern "C" fn(c_int, c_int, Handler, *mut c_void, Free) -> c_int,
    remove_handle: unsafe extern "C" fn(c_int) -> c_int,
    add_timeout: unsafe extern "C" fn(c_int, TimeoutHandler, *mut c_void, Free) -> c_int,
    update_timeout: unsafe extern "C" fn(c_int, c_int),
    remove_timeout: unsafe extern "C" fn(c_int) -> c_int,
}

/// Registers the implementation, which can be done once only.
fn functions() -> anyhow::Result<Functions> {
    static FUNCTIONS: OnceLock<Result<Functions, String>> = OnceLock::new();
    let loaded = || -> anyhow::Result<Functions> {
        let library = load("libvirt.so.0")?;
        // SAFETY: as <libvirt/libvirt-event.h> declares it.
        let register: unsafe extern "C" fn() -> c_int = unsafe { function(library, "virEventRegisterDefaultImpl") }?;
        // SAFETY: no other implementation has been registered.
        ensure!(unsafe { register() } == 0, "virEventRegisterDefaultImpl has failed");
        Ok(Functions {
            // SAFETY: as <libvirt/libvirt-event.h> declares it.
            run: unsafe { function(library, "virEventRunDefaultImpl") }?,
            // SAFETY: as above.
            add_handle: unsafe { function(library, "virEventAddHandle") }?,
            // SAFETY: as above.
            remove_handle: unsafe { function(library, "virEventRemoveHandle") }?,
            // SAFETY: as above.
            add_timeout: unsafe { function(library, "virEventAddTimeout") }?,
            // SAFETY: as above.
            update_timeout: unsafe { function(library, "virEventUpdateTimeout") }?,
            // SAFETY: as above.
            remove_timeout: unsafe { function(library, "virEventRemoveTimeout") }?,
        })
    };
    let loaded = FUNCTIONS.get_or_init(|| loaded().map_err(|error| format!("{error:#}")));
    loaded.clone().map_err(anyhow::Error::msg)
}

pub(crate) struct DefaultLoop(Functions);

impl DefaultLoop {
    pub(crate) fn open() -> anyhow::Result<Self> {
        functions().map(Self)
    }
}

unsafe extern "C" fn readable(_: c_int, _: c_int, _: c_int, opaque: *mut c_void) {
    // SAFETY: `Handle` removes this before it drops the callback, on the thread that runs the loop.
    unsafe { Fixed::call(opaque) };
}

unsafe extern "C" fn expired(_: c_int, opaque: *mut c_void) {
    // SAFETY: as above, `Timeout`.
    unsafe { Fixed::call(opaque) };
}

impl EventLoop for DefaultLoop {
    fn watch(&self, fd: RawFd, callback: Callback) -> Box<dyn Any> {
        let callback = Fixed::new(callback);
        // SAFETY: an implementation is registered; the callback lives until the handle is removed.
        let watch = unsafe { (self.0.add_handle)(fd, READABLE, readable, callback.address(), None) };
        assert!(watch >= 0, "libvirt watches every fd");
        Box::new(Handle { functions: self.0, watch, _callback: callback })
    }

    fn timer(&self, after: Duration, callback: Callback) -> Box<dyn Timer> {
        let callback = Fixed::new(callback);
        let after = c_int::try_from(after.as_millis()).expect("it is less than a month");
        // SAFETY: as above.
        let timer = unsafe { (self.0.add_timeout)(after, expired, callback.address(), None) };
        assert!(timer >= 0, "libvirt has a timer");
        Box::new(Timeout { functions: self.0, timer, _callback: callback })
    }

    fn turn(&self) {
        // SAFETY: an implementation is registered.
        let ran = unsafe { (self.0.run)() };
        assert_eq!(ran, 0, "the loop runs");
    }
}

struct Handle {
    functions: Functions,
    watch: c_int,
    _callback: Fixed,
}

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: the number is of a handle that has not been removed.
        unsafe { (self.functions.remove_handle)(self.watch) };
    }
}

struct Timeout {
    functions: Functions,
    timer: c_int,
    _callback: Fixed,
}

impl Timer for Timeout {
    fn expire(&self) {
        // SAFETY: the number is of a timer that has not been removed.
        unsafe { (self.functions.update_timeout)(self.timer, 0) };
    }
}

impl Drop for Timeout {
    fn drop(&mut self) {
        // SAFETY: as above.
        unsafe { (self.functions.remove_timeout)(self.timer) };
    }
}
