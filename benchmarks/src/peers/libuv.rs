//! libuv's event loop: `uv_poll_t`, `uv_timer_t`.

use super::{Callback, EventLoop, Fixed, Timer, function, load};
use anyhow::ensure;
use std::any::Any;
use std::ffi::{c_int, c_void};
use std::os::fd::RawFd;
use std::rc::Rc;
use std::time::Duration;

/// Of `uv_handle_type`.
const POLL: c_int = 8;
const TIMER: c_int = 13;
/// Of `uv_run_mode`.
const ONCE: c_int = 1;
const NO_WAIT: c_int = 2;
const READABLE: c_int = 1;

/// A loop or a handle.
type Object = *mut c_void;
type Handler = unsafe extern "C" fn(Object);
type PollHandler = unsafe extern "C" fn(Object, status: c_int, events: c_int);

#[derive(Clone, Copy)]
struct Functions {
    loop_init: unsafe extern "C" fn(Object) -> c_int,
    loop_close: unsafe extern "C" fn(Object) -> c_int,
    run: unsafe extern "C" fn(Object, c_int) -> c_int,
    close: unsafe extern "C" fn(Object, Option<Handler>),
    poll_init: unsafe extern "C" fn(Object, Object, c_int) -> c_int,
    poll_start: unsafe extern "C" fn(Object, c_int, PollHandler) -> c_int,
    timer_init: unsafe extern "C" fn(Object, Object) -> c_int,
    timer_start: unsafe extern "C" fn(Object, Handler, u64, u64) -> c_int,
}

/// Room for a loop or a handle; that it is enough is checked.
type Room = [u64; 256];

struct Inner {
    functions: Functions,
    room: *mut Room,
}

impl Drop for Inner {
    fn drop(&mut self) {
        let functions = self.functions;
        // SAFETY: the loop is alive. Each handle has a reference to this, so all are being closed, which ends here.
        unsafe { (functions.run)(self.room.cast(), NO_WAIT) };
        // SAFETY: as above.
        let rc = unsafe { (functions.loop_close)(self.room.cast()) };
        assert_eq!(rc, 0, "no handle is left");
        // SAFETY: from `Box::into_raw`, and the loop is closed.
        drop(unsafe { Box::from_raw(self.room) });
    }
}

pub(super) struct Loop(Rc<Inner>);

impl Loop {
    pub(super) fn open() -> anyhow::Result<Self> {
        let library = load("libuv.so.1")?;
        // SAFETY: as <uv.h> declares it.
        let loop_size: unsafe extern "C" fn() -> usize = unsafe { function(library, "uv_loop_size") }?;
        // SAFETY: as above.
        let handle_size: unsafe extern "C" fn(c_int) -> usize = unsafe { function(library, "uv_handle_size") }?;
        // SAFETY: they only tell a number.
        let sizes = unsafe { [loop_size(), handle_size(POLL), handle_size(TIMER)] };
        ensure!(sizes.iter().all(|size| *size <= size_of::<Room>()), "its objects are too large: {sizes:?}");
        let functions = Functions {
            // SAFETY: as above.
            loop_init: unsafe { function(library, "uv_loop_init") }?,
            // SAFETY: as above.
            loop_close: unsafe { function(library, "uv_loop_close") }?,
            // SAFETY: as above.
            run: unsafe { function(library, "uv_run") }?,
            // SAFETY: as above.
            close: unsafe { function(library, "uv_close") }?,
            // SAFETY: as above.
            poll_init: unsafe { function(library, "uv_poll_init") }?,
            // SAFETY: as above.
            poll_start: unsafe { function(library, "uv_poll_start") }?,
            // SAFETY: as above.
            timer_init: unsafe { function(library, "uv_timer_init") }?,
            // SAFETY: as above.
            timer_start: unsafe { function(library, "uv_timer_start") }?,
        };
        let mut room = Box::new([0; size_of::<Room>() / 8]);
        // SAFETY: there is room for a loop.
        let rc = unsafe { (functions.loop_init)((&raw mut *room).cast()) };
        ensure!(rc == 0, "uv_loop_init: {}", std::io::Error::from_raw_os_error(-rc));
        Ok(Self(Rc::new(Inner { functions, room: Box::into_raw(room) })))
    }

    fn handle(&self, callback: Callback) -> Handle {
        let memory =
            Box::into_raw(Box::new(Memory { room: [0; size_of::<Room>() / 8], callback: Fixed::new(callback) }));
        Handle { inner: self.0.clone(), memory }
    }
}

/// A handle for libuv, with its callback behind it.
#[repr(C)]
struct Memory {
    room: Room,
    callback: Fixed,
}

unsafe extern "C" fn readable(handle: Object, _: c_int, _: c_int) {
    // SAFETY: each handle is the beginning of a `Memory`, which lives until it is closed.
    let memory = unsafe { &*handle.cast::<Memory>() };
    // SAFETY: as above.
    unsafe { Fixed::call(memory.callback.address()) };
}

unsafe extern "C" fn expired(handle: Object) {
    // SAFETY: as above.
    unsafe { readable(handle, 0, 0) };
}

unsafe extern "C" fn closed(handle: Object) {
    // SAFETY: from `Box::into_raw`; libuv does not use it from here on.
    drop(unsafe { Box::from_raw(handle.cast::<Memory>()) });
}

impl EventLoop for Loop {
    fn watch(&self, fd: RawFd, callback: Callback) -> Box<dyn Any> {
        let handle = self.handle(callback);
        let functions = self.0.functions;
        // SAFETY: the loop is alive, and there is room for a handle, which stays where it is until it is closed.
        let rc = unsafe { (functions.poll_init)(self.0.room.cast(), handle.memory.cast(), fd) };
        assert_eq!(rc, 0, "libuv watches an eventfd");
        // SAFETY: it has been initialized.
        let rc = unsafe { (functions.poll_start)(handle.memory.cast(), READABLE, readable) };
        assert_eq!(rc, 0, "libuv watches an eventfd");
        Box::new(handle)
    }

    fn timer(&self, after: Duration, callback: Callback) -> Box<dyn Timer> {
        let handle = self.handle(callback);
        // SAFETY: as in `watch`.
        let rc = unsafe { (self.0.functions.timer_init)(self.0.room.cast(), handle.memory.cast()) };
        assert_eq!(rc, 0, "libuv has a timer");
        handle.set(after);
        Box::new(handle)
    }

    fn turn(&self) {
        // SAFETY: the loop is alive, and this is its thread.
        unsafe { (self.0.functions.run)(self.0.room.cast(), ONCE) };
    }

    fn turn_for_timers(&self) {
        // Before 1.45 it waits after the timers have been served.
        // SAFETY: as above.
        unsafe { (self.0.functions.run)(self.0.room.cast(), NO_WAIT) };
    }
}

struct Handle {
    inner: Rc<Inner>,
    memory: *mut Memory,
}

impl Handle {
    fn set(&self, after: Duration) {
        // SAFETY: it is an initialized timer.
        let rc =
            unsafe { (self.inner.functions.timer_start)(self.memory.cast(), expired, after.as_millis() as u64, 0) };
        assert_eq!(rc, 0, "libuv sets a timer");
    }
}

impl Timer for Handle {
    fn expire(&self) {
        self.set(Duration::ZERO);
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: it is initialized and has not been closed; `closed` frees it in a later turn.
        unsafe { (self.inner.functions.close)(self.memory.cast(), Some(closed)) };
    }
}
