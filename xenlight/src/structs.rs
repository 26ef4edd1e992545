//! libxl's structs whose layout varies by release: initialised on arrival, disposed of when dropped, read and written as JSON.

#[cfg(doc)]
use crate::contract::*;
use crate::error::Error;
use crate::hosted::Hosted;
use crate::json::object;
use crate::library::Library;
use crate::round_trip;
use core::ffi::{c_int, c_void};
use serde_json::{Map, Value};
use std::ffi::CString;
use std::fmt;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ptr;
use xenlight_sys::domain::{OPAQUE_SIZE, Opaque};
use xenlight_sys::{self as sys, Release, StructFunctions};
use xenlight_types::LibxlStruct;
use xenlight_types::describe::Struct as Description;

/// What libxl does with the structs of one name.
#[derive(Clone, Copy)]
struct Handling {
    functions: StructFunctions,
    name: &'static str,
}

impl Handling {
    /// # Errors
    /// The loaded libxl does not have this struct.
    fn of(library: &Library, name: &'static str, since: Release) -> Result<Self, Error> {
        match library.sys().struct_functions(name) {
            Some(functions) => Ok(Self { functions, name }),
            None => Err(library.lacks(name, since)),
        }
    }

    /// # Safety
    /// The ctx is alive; `this` is an initialised struct of this name.
    unsafe fn json(&self, ctx: *mut sys::Ctx, this: *mut c_void) -> Result<Map<String, Value>, Error> {
        // SAFETY: the caller's promise; the string is ours to free.
        let json = unsafe { Hosted::take_string((self.functions.to_json)(ctx, this)) };
        object(self.name, json)
    }

    /// The distance of the structs in an array: as much as `_init` clears.
    fn stride(&self) -> Result<usize, Error> {
        const POISON: u8 = 0xa5;
        let probe = Opaque::<c_void>::zeroed();
        let bytes = probe.as_ptr().cast::<u8>();
        // SAFETY: `probe` has this many bytes.
        unsafe { ptr::write_bytes(bytes, POISON, OPAQUE_SIZE) };
        // SAFETY: far larger than any release needs; nothing hangs on a fresh one, so it needs no disposal.
        unsafe { (self.functions.init)(probe.as_ptr()) };
        // SAFETY: initialised above, nobody writes to it any more.
        let bytes = unsafe { std::slice::from_raw_parts(bytes, OPAQUE_SIZE) };
        let size = bytes.iter().rposition(|byte| *byte != POISON).map_or(0, |last| last + 1);
        // Each has a number of 32 bits at least, and ends where one can begin.
        if size == 0 || size % align_of::<u32>() != 0 || size == OPAQUE_SIZE {
            return Err(Error::Format { what: self.name, problem: format!("it seems to have {size} bytes") });
        }
        Ok(size)
    }
}

/// A struct that does not move. Whoever gives its address to an operation keeps this until
/// the operation has ended ([E9]).
pub(crate) struct Struct {
    memory: ManuallyDrop<Opaque<c_void>>,
    handling: Handling,
    /// The memory is of this.
    library: Library,
}

impl Struct {
    /// # Errors
    /// The loaded libxl does not have this struct, which came with `since`.
    pub(crate) fn new(library: &Library, name: &'static str, since: Release) -> Result<Self, Error> {
        let (handling, memory) = (Handling::of(library, name, since)?, library.take_buffer());
        // SAFETY: far larger than any release needs. It writes all of the struct, whatever was there.
        unsafe { (handling.functions.init)(memory.as_ptr()) };
        Ok(Self { memory: ManuallyDrop::new(memory), handling, library: library.clone() })
    }

    /// A parameter for libxl: `R` is what libxl's headers call this struct.
    pub(crate) fn as_ptr<R>(&self) -> *mut R {
        self.memory.as_ptr().cast()
    }

    /// What libxl says is in it. What is false, zero or nil is left out.
    ///
    /// # Safety
    /// The ctx is alive.
    pub(crate) unsafe fn json(&self, ctx: *mut sys::Ctx) -> Result<Map<String, Value>, Error> {
        // SAFETY: the caller's promise; the struct is initialised, and alive.
        unsafe { self.handling.json(ctx, self.memory.as_ptr()) }
    }
}

impl Drop for Struct {
    fn drop(&mut self) {
        if let Some(dispose) = self.handling.functions.dispose {
            // SAFETY: initialised in `new`, and not used after: the next one is initialised again.
            unsafe { dispose(self.memory.as_ptr()) };
        }
        // SAFETY: taken once, and not used after.
        self.library.put_back(unsafe { ManuallyDrop::take(&mut self.memory) });
    }
}

impl fmt::Debug for Struct {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Struct").field("name", &self.handling.name).finish_non_exhaustive()
    }
}

/// A struct that a type of xenlight-types describes.
pub(crate) struct Typed<T> {
    inner: Struct,
    of: PhantomData<fn() -> T>,
}

impl<T: LibxlStruct> Typed<T> {
    /// # Errors
    /// The loaded libxl does not have this struct.
    pub(crate) fn new(library: &Library) -> Result<Self, Error> {
        let Description { name, since, .. } = T::STRUCT;
        Ok(Self { inner: Struct::new(library, name, *since)?, of: PhantomData })
    }

    /// One that is as `value` says. libxl is known to understand it as it is meant then.
    ///
    /// # Safety
    /// The ctx is alive.
    ///
    /// # Errors
    /// The loaded libxl is too old for a part of it, or would misread it.
    pub(crate) unsafe fn given(hosted: &Hosted, ctx: *mut sys::Ctx, value: &T) -> Result<Self, Error> {
        let loaded = hosted.library().release();
        if let Some(newer) = value.newer_than(loaded) {
            return Err(Error::ConfigNeeds { path: newer.path, needs: newer.since, loaded });
        }
        let json = value.to_value();
        if let Value::Object(object) = &json {
            round_trip::check_harmless(object)?;
        }
        let reread = |json: &Value| -> Result<Option<Map<String, Value>>, Error> {
            // SAFETY: the caller's promise.
            let read = unsafe { Self::filled(hosted, ctx, json) }?;
            // SAFETY: likewise.
            read.map(|read| unsafe { read.inner.json(ctx) }).transpose()
        };
        round_trip::check(&json, &reread)?;
        // SAFETY: likewise.
        unsafe { Self::filled(hosted, ctx, &json) }?.ok_or_else(|| Error::config("", "libxl does not take it"))
    }

    /// What is in it.
    ///
    /// # Safety
    /// The ctx is alive.
    pub(crate) unsafe fn read(&self, ctx: *mut sys::Ctx) -> Result<T, Error> {
        // SAFETY: the caller's promise.
        typed(unsafe { self.inner.json(ctx) }?)
    }

    /// A parameter for libxl: `R` is what libxl's headers call this struct.
    pub(crate) fn as_ptr<R>(&self) -> *mut R {
        self.inner.as_ptr()
    }

    /// `None` if libxl refuses the JSON.
    ///
    /// # Safety
    /// The ctx is alive.
    unsafe fn filled(hosted: &Hosted, ctx: *mut sys::Ctx, json: &Value) -> Result<Option<Self>, Error> {
        let filled = Self::new(hosted.whole_library())?;
        let Some(from_json) = filled.inner.handling.functions.from_json else {
            return Err(hosted.whole_library().lacks("a configuration in JSON", Release::V4_5));
        };
        // Serialised, a NUL byte is an escape sequence.
        let json = CString::new(json.to_string()).map_err(|_| Error::Nul("the configuration"))?;
        // SAFETY: the caller's promise; the struct is initialised, the string good for the call.
        let rc = unsafe { from_json(ctx, filled.as_ptr(), json.as_ptr()) };
        Ok((rc == 0).then_some(filled))
    }
}

/// Reads an array that libxl has returned, and frees it.
///
/// # Safety
/// As for [`take_json`], with structs of this type.
pub(crate) unsafe fn take_array<T: LibxlStruct, R>(
    hosted: &Hosted,
    ctx: *mut sys::Ctx,
    first: *mut R,
    count: c_int,
) -> Result<Vec<T>, Error> {
    let Description { name, since, .. } = T::STRUCT;
    // SAFETY: the caller's promise.
    unsafe { take_json(hosted, ctx, (name, *since), first, count) }?.into_iter().map(typed).collect()
}

/// Reads an array that libxl has returned as JSON, and frees it.
///
/// # Safety
/// The ctx is alive; `first` is the first of `count` structs of this name, in an array that is the caller's to free, or null.
pub(crate) unsafe fn take_json<R>(
    hosted: &Hosted,
    ctx: *mut sys::Ctx,
    (name, since): (&'static str, Release),
    first: *mut R,
    count: c_int,
) -> Result<Vec<Map<String, Value>>, Error> {
    let handling = Handling::of(hosted.whole_library(), name, since)?;
    let (first, count) =
        (first.cast::<c_void>(), if first.is_null() { 0 } else { usize::try_from(count).unwrap_or(0) });
    let stride = if count > 1 { handling.stride()? } else { 0 };
    // SAFETY: within the array.
    let entries = (0..count).map(|at| unsafe { first.byte_add(at * stride) });
    // SAFETY: the caller's promise; each is initialised, and disposed of below.
    let read = entries.clone().map(|entry| unsafe { handling.json(ctx, entry) }).collect();
    if let Some(dispose) = handling.functions.dispose {
        // SAFETY: each is disposed of once, and not used after.
        entries.for_each(|entry| unsafe { dispose(entry) });
    }
    // SAFETY: libxl allocated it with malloc(3), for its caller to free: `_list_free` does the same.
    unsafe { libc::free(first) };
    read
}

/// What libxl's JSON tells.
pub(crate) fn typed<T: LibxlStruct>(json: Map<String, Value>) -> Result<T, Error> {
    let misread =
        |invalid: xenlight_types::Invalid| Error::Format { what: T::STRUCT.name, problem: invalid.to_string() };
    T::from_value(Value::Object(json)).map_err(misread)
}
