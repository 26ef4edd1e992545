//! What the dynamic linker knows about a loaded library: its path and its DT_SONAME.

use core::ffi::{CStr, c_char, c_int, c_void};
use core::ptr;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// Path and SONAME of a loaded library.
pub(crate) struct Identity {
    /// Where the linker found it.
    pub(crate) path: PathBuf,
    /// Its DT_SONAME, if it has one.
    pub(crate) soname: Option<String>,
}

/// Asks the dynamic linker; `None` if it does not answer.
///
/// # Safety
///
/// `handle` is from dlopen(3) and stays open during the call.
pub(crate) unsafe fn identify(handle: *mut c_void) -> Option<Identity> {
    let mut map: *const LinkMap = ptr::null();
    // SAFETY: the handle is open, and RTLD_DI_LINKMAP writes one pointer.
    let rc = unsafe { dlinfo(handle, RTLD_DI_LINKMAP, (&raw mut map).cast()) };
    if rc != 0 || map.is_null() {
        return None;
    }
    // SAFETY: the linker's entry for an open handle: it lives as long as the handle is open.
    let map = unsafe { &*map };
    // SAFETY: the linker keeps a NUL-terminated path there, as long as the entry.
    let path = unsafe { CStr::from_ptr(map.name) };
    Some(Identity {
        path: PathBuf::from(OsStr::from_bytes(path.to_bytes())),
        // SAFETY: the linker's entry of a library that is mapped while the handle is open.
        soname: unsafe { soname(map) },
    })
}

/// # Safety
///
/// `map` describes a library that stays mapped during the call.
unsafe fn soname(map: &LinkMap) -> Option<String> {
    let mut strings = None;
    let mut offset = None;
    let mut entry = map.dynamic;
    loop {
        // SAFETY: the dynamic section is an array that ends with DT_NULL, and the loop ends there.
        let Dynamic { tag, value } = unsafe { entry.read() };
        match tag {
            DT_NULL => break,
            DT_STRTAB => strings = Some(value),
            DT_SONAME => offset = Some(value),
            _ => {}
        }
        // SAFETY: the entry was not the last.
        entry = unsafe { entry.add(1) };
    }
    let (strings, offset) = (strings?, offset?);
    // glibc has added the load address to the entry, musl leaves it as it is in the file.
    let strings = if strings < map.base { strings + map.base } else { strings };
    let name = ptr::with_exposed_provenance::<c_char>(strings + offset);
    // SAFETY: DT_SONAME is the offset of a NUL-terminated string in the mapped string table.
    let name = unsafe { CStr::from_ptr(name) };
    Some(name.to_string_lossy().into_owned())
}

/// The public head of `struct link_map` (link.h).
#[repr(C)]
struct LinkMap {
    base: usize,
    name: *const c_char,
    dynamic: *const Dynamic,
}

/// `Elf64_Dyn` (elf.h).
#[repr(C)]
struct Dynamic {
    tag: i64,
    value: usize,
}

const DT_NULL: i64 = 0;
const DT_STRTAB: i64 = 5;
const DT_SONAME: i64 = 14;
const RTLD_DI_LINKMAP: c_int = 2;

// The libc crate has it for glibc alone.
unsafe extern "C" {
    fn dlinfo(handle: *mut c_void, request: c_int, info: *mut c_void) -> c_int;
}
