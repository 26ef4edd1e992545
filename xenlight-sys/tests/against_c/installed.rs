//! Cases that load the libxl that is installed; no hypervisor is needed.

use std::ffi::{c_char, c_int, c_uint};
use std::{ptr, slice};

use libtest_mimic::{Completion, Failed};
use xenlight_sys::domain::{Dominfo, OPAQUE_SIZE, Opaque};
use xenlight_sys::log::{Logger, VaList};
use xenlight_sys::{Library, LoadError, Release, SYMBOLS, codes};

use crate::Outcome;

/// The loader asks for each symbol that the release must have, so loading is the proof.
pub(crate) fn the_installed_libxl_has_every_symbol() -> Outcome {
    with_libxl(|library| {
        let release = library.release();
        if release < Release::V4_2 || SYMBOLS.iter().any(|symbol| symbol.since > release) {
            return Err(format!("{library:?} is older than the newest symbol").into());
        }
        let file = library.path().to_string_lossy();
        if release >= Release::V4_3 && !file.ends_with(&format!("libxenlight.so.{release}")) {
            return Err(format!("{file} is taken for {release}").into());
        }
        Ok(())
    })
}

pub(crate) fn the_installed_libxl_answers() -> Outcome {
    with_libxl(|library| {
        let mut logger = Logger { vmessage: ignore, progress: None, destroy };
        let mut ctx = ptr::null_mut();
        // SAFETY: both pointers are good for the call, and this version makes no ctx to outlive it.
        let rc = unsafe { library.ctx_alloc(&mut ctx, codes::LIBXL_VERSION + 1, 0, &mut logger) };
        assert_eq!(codes::error_name(rc), Some("ERROR_VERSION"));

        let info = Opaque::<Dominfo>::zeroed();
        let bytes = info.as_ptr().cast::<u8>();
        // SAFETY: the buffer has so many bytes, and nobody else has it.
        unsafe { bytes.write_bytes(0xA5, OPAQUE_SIZE) };
        // SAFETY: a dominfo is far smaller than the buffer.
        unsafe { library.dominfo_init(info.as_ptr()) };
        // SAFETY: all bytes have been written above, and nothing writes to them meanwhile.
        let all = unsafe { slice::from_raw_parts(bytes, OPAQUE_SIZE) };
        let size = all.iter().rposition(|&byte| byte != 0xA5).map_or(0, |last| last + 1);
        assert!((64..1024).contains(&size), "libxl cleared {size} bytes for a dominfo");
        // SAFETY: initialised above, and disposed of once.
        unsafe { library.dominfo_dispose(info.as_ptr()) };
        Ok(())
    })
}

fn with_libxl(case: fn(&Library) -> Result<(), Failed>) -> Outcome {
    match Library::load() {
        Ok(library) => case(&library).map(|()| Completion::Completed),
        Err(error @ LoadError::NotFound { .. }) => Ok(Completion::ignored_with(error)),
        Err(error) => Err(error.into()),
    }
}

unsafe extern "C" fn ignore(_: *mut Logger, _: c_uint, _: c_int, _: *const c_char, _: *const c_char, _: VaList) {}

unsafe extern "C" fn destroy(_: *mut Logger) {}
