//! A loop in a shared object, as `include/osevent_loop.h` declares it.

use anyhow::{Context, ensure};
use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};
use osevent_conformance::hosts::{Readable, Turn, Watch};
use std::any::Any;
use std::collections::BTreeMap;
use std::ffi::{c_int, c_void};
use std::io::Error;
use std::os::fd::RawFd;
use std::path::Path;
use std::ptr;
use std::sync::{Mutex, PoisonError};

type WatchFn = unsafe extern "C" fn(c_int, extern "C" fn(*mut c_void), *mut c_void) -> *mut c_void;
type UnwatchFn = unsafe extern "C" fn(*mut c_void);
type TurnFn = unsafe extern "C" fn();

/// The loop of a shared object, which stays loaded.
#[derive(Clone, Copy)]
pub struct SharedObject {
    watch: WatchFn,
    unwatch: UnwatchFn,
    turn: Option<TurnFn>,
}

impl SharedObject {
    /// Loads it.
    ///
    /// # Errors
    /// It cannot be loaded, or lacks one of the two functions that it has to have.
    ///
    /// # Safety
    /// Its initialisers may run, and its functions are what the header says.
    pub unsafe fn load(path: &Path) -> anyhow::Result<Self> {
        // SAFETY: the caller vouches for its initialisers.
        let library = unsafe { Library::open(Some(path), RTLD_NOW | RTLD_LOCAL) };
        let library = library.with_context(|| format!("cannot load {}", path.display()))?;
        let lacks = |name| format!("{} does not define {name}; see osevent_loop.h", path.display());
        // SAFETY: the caller vouches for the type.
        let watch =
            *unsafe { library.get::<WatchFn>("osevent_loop_watch") }.with_context(|| lacks("osevent_loop_watch"))?;
        // SAFETY: as above.
        let unwatch = *unsafe { library.get::<UnwatchFn>("osevent_loop_unwatch") }
            .with_context(|| lacks("osevent_loop_unwatch"))?;
        // SAFETY: as above.
        let turn = unsafe { library.get::<TurnFn>("osevent_loop_turn") }.ok().map(|turn| *turn);
        // Its thread runs as long as the process.
        let _ = library.into_raw();
        Ok(Self { watch, unwatch, turn })
    }
}

impl Watch for SharedObject {
    fn watch(&self, fd: RawFd, readable: Readable) -> anyhow::Result<Box<dyn Any + Send + Sync>> {
        let number = {
            let mut watched = WATCHED.lock().unwrap_or_else(PoisonError::into_inner);
            watched.count += 1;
            let number = watched.count;
            watched.readable.insert(number, readable);
            number
        };
        // SAFETY: the header's function, called as it says; `data` is a number that nobody reads through.
        let watch = unsafe { (self.watch)(fd, readable_by_number, ptr::without_provenance_mut(number)) };
        let error = Error::last_os_error();
        let watched = Watched { number, watch, unwatch: self.unwatch };
        ensure!(!watch.is_null(), "osevent_loop_watch: {error}");
        Ok(Box::new(watched))
    }

    fn turn(&self) -> Option<Turn> {
        let turn = self.turn?;
        // SAFETY: the header's function, called where it says.
        Some(Box::new(move || unsafe { turn() }))
    }
}

/// By number and not by pointer: a loop that calls late, against the header or not, finds nothing.
static WATCHED: Mutex<Numbered> = Mutex::new(Numbered { count: 0, readable: BTreeMap::new() });

struct Numbered {
    count: usize,
    readable: BTreeMap<usize, Readable>,
}

/// What the loop calls. A panic ends the process here: it must not unwind into C.
extern "C" fn readable_by_number(data: *mut c_void) {
    let readable = WATCHED.lock().unwrap_or_else(PoisonError::into_inner).readable.get(&data.addr()).cloned();
    if let Some(readable) = readable {
        readable();
    }
}

struct Watched {
    number: usize,
    watch: *mut c_void,
    unwatch: UnwatchFn,
}

// SAFETY: the header has `unwatch` be called on any thread, and nothing else is done with the pointer.
unsafe impl Send for Watched {}
// SAFETY: as above; a shared reference does nothing.
unsafe impl Sync for Watched {}

impl Drop for Watched {
    fn drop(&mut self) {
        if !self.watch.is_null() {
            // SAFETY: the header's function, once for this watch.
            unsafe { (self.unwatch)(self.watch) };
        }
        let gone = WATCHED.lock().unwrap_or_else(PoisonError::into_inner).readable.remove(&self.number);
        // Outside of the lock: it may be the last reference to whatever it holds.
        drop(gone);
    }
}
