//! systemd's event loop: sd-event(3).

use super::{Callback, EventLoop, Fixed, Timer, function, load};
use anyhow::ensure;
use rustix::time::{ClockId, clock_gettime};
use std::any::Any;
use std::ffi::{c_int, c_void};
use std::os::fd::RawFd;
use std::ptr;
use std::rc::Rc;
use std::time::Duration;

const READABLE: u32 = 1;
const MONOTONIC: c_int = 1;

type Event = *mut c_void;
type Source = *mut c_void;
type IoHandler = unsafe extern "C" fn(Source, c_int, u32, *mut c_void) -> c_int;
type TimeHandler = unsafe extern "C" fn(Source, u64, *mut c_void) -> c_int;

struct Inner {
    event: Event,
    unref: unsafe extern "C" fn(Event) -> Event,
    run: unsafe extern "C" fn(Event, u64) -> c_int,
    add_io: unsafe extern "C" fn(Event, *mut Source, c_int, u32, IoHandler, *mut c_void) -> c_int,
    add_time: unsafe extern "C" fn(Event, *mut Source, c_int, u64, u64, TimeHandler, *mut c_void) -> c_int,
    set_time: unsafe extern "C" fn(Source, u64) -> c_int,
    end: unsafe extern "C" fn(Source) -> Source,
}

impl Drop for Inner {
    fn drop(&mut self) {
        // SAFETY: the only reference; each source has one to this struct, so none is left.
        unsafe { (self.unref)(self.event) };
    }
}

pub(super) struct Loop(Rc<Inner>);

impl Loop {
    pub(super) fn open() -> anyhow::Result<Self> {
        let library = load("libsystemd.so.0")?;
        // SAFETY: as <systemd/sd-event.h> declares it.
        let new: unsafe extern "C" fn(*mut Event) -> c_int = unsafe { function(library, "sd_event_new") }?;
        let mut inner = Inner {
            event: ptr::null_mut(),
            // SAFETY: as above.
            unref: unsafe { function(library, "sd_event_unref") }?,
            // SAFETY: as above.
            run: unsafe { function(library, "sd_event_run") }?,
            // SAFETY: as above.
            add_io: unsafe { function(library, "sd_event_add_io") }?,
            // SAFETY: as above.
            add_time: unsafe { function(library, "sd_event_add_time") }?,
            // SAFETY: as above.
            set_time: unsafe { function(library, "sd_event_source_set_time") }?,
            // SAFETY: as above.
            end: unsafe { function(library, "sd_event_source_disable_unref") }?,
        };
        // SAFETY: the pointer is good for the call.
        let rc = unsafe { new(&mut inner.event) };
        ensure!(rc >= 0, "sd_event_new: {}", std::io::Error::from_raw_os_error(-rc));
        Ok(Self(Rc::new(inner)))
    }
}

unsafe extern "C" fn readable(_: Source, _: c_int, _: u32, userdata: *mut c_void) -> c_int {
    // SAFETY: `Watch` ends the source before it drops the callback.
    unsafe { Fixed::call(userdata) };
    0
}

unsafe extern "C" fn expired(_: Source, _: u64, userdata: *mut c_void) -> c_int {
    // SAFETY: as above.
    unsafe { Fixed::call(userdata) };
    0
}

/// Microseconds of the monotonic clock.
fn now() -> u64 {
    Duration::try_from(clock_gettime(ClockId::Monotonic)).expect("it is not negative").as_micros() as u64
}

impl EventLoop for Loop {
    fn watch(&self, fd: RawFd, callback: Callback) -> Box<dyn Any> {
        let (callback, mut source) = (Fixed::new(callback), ptr::null_mut());
        // SAFETY: the loop is alive; the callback is until the source is ended.
        let rc = unsafe { (self.0.add_io)(self.0.event, &mut source, fd, READABLE, readable, callback.address()) };
        assert!(rc >= 0, "sd_event_add_io: {rc}");
        Box::new(Watch { inner: self.0.clone(), source, _callback: callback })
    }

    fn timer(&self, after: Duration, callback: Callback) -> Box<dyn Timer> {
        let (callback, mut source) = (Fixed::new(callback), ptr::null_mut());
        let (event, at, accuracy) = (self.0.event, now() + after.as_micros() as u64, 1);
        // SAFETY: as above.
        let rc = unsafe { (self.0.add_time)(event, &mut source, MONOTONIC, at, accuracy, expired, callback.address()) };
        assert!(rc >= 0, "sd_event_add_time: {rc}");
        Box::new(Watch { inner: self.0.clone(), source, _callback: callback })
    }

    fn turn(&self) {
        // SAFETY: the loop is alive, and this is its thread.
        let rc = unsafe { (self.0.run)(self.0.event, u64::MAX) };
        assert!(rc >= 0, "sd_event_run: {rc}");
    }
}

struct Watch {
    inner: Rc<Inner>,
    source: Source,
    _callback: Fixed,
}

impl Timer for Watch {
    fn expire(&self) {
        // SAFETY: it is a source of time that has not been ended.
        let rc = unsafe { (self.inner.set_time)(self.source, 0) };
        assert!(rc >= 0, "sd_event_source_set_time: {rc}");
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // SAFETY: the only reference to the source.
        unsafe { (self.inner.end)(self.source) };
    }
}
