//! Cases that load the libxl that is installed; no hypervisor is needed.

use std::ffi::{CStr, c_char, c_int, c_uint, c_void};
use std::{ptr, slice};

use libtest_mimic::{Completion, Failed};
use xenlight_sys::domain::{OPAQUE_SIZE, Opaque};
use xenlight_sys::log::{Logger, VaList};
use xenlight_sys::{Library, LoadError, Release, codes};

use crate::Outcome;

/// The loader asks for each symbol that the release must have, so loading is the proof.
pub(crate) fn the_installed_libxl_has_every_symbol() -> Outcome {
    with_libxl(|library| {
        let release = library.release();
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

        let functions = library.struct_functions("dominfo").ok_or("it has no dominfo")?;
        let dispose = functions.dispose.ok_or("a dominfo points to memory")?;
        let info = Opaque::<c_void>::zeroed();
        let bytes = info.as_ptr().cast::<u8>();
        // SAFETY: the buffer has so many bytes, and nobody else has it.
        unsafe { bytes.write_bytes(0xA5, OPAQUE_SIZE) };
        // SAFETY: a dominfo is far smaller than the buffer.
        unsafe { (functions.init)(info.as_ptr()) };
        // SAFETY: all bytes have been written above, and nothing writes to them meanwhile.
        let all = unsafe { slice::from_raw_parts(bytes, OPAQUE_SIZE) };
        let size = all.iter().rposition(|&byte| byte != 0xA5).map_or(0, |last| last + 1);
        assert!((64..1024).contains(&size), "libxl cleared {size} bytes for a dominfo");
        // SAFETY: initialised above, and disposed of once.
        unsafe { dispose(info.as_ptr()) };
        Ok(())
    })
}

pub(crate) fn structs_are_found_by_their_names() -> Outcome {
    with_libxl(|library| {
        let has_parsers = library.release() >= Release::V4_5;
        for name in ["device_disk", "dominfo", "physinfo", "sched_credit_params"] {
            let functions = library.struct_functions(name).ok_or_else(|| format!("{name} is missing"))?;
            assert_eq!(functions.dispose.is_none(), name == "sched_credit_params", "{name}");
            assert_eq!(functions.from_json.is_some(), has_parsers, "{name}");
        }
        // No such struct, an enumeration, and one that is not of the description.
        for name in ["device_abacus", "trigger", "bitmap", "ctx", ""] {
            assert!(library.struct_functions(name).is_none(), "{name}");
        }
        assert!(library.struct_list_free("vcpuinfo").is_some());
        assert!(library.struct_list_free("physinfo").is_none());

        let functions = library.struct_functions("sched_credit_params").ok_or("it was there")?;
        let params = Opaque::<c_void>::zeroed();
        // SAFETY: the buffer is larger than any struct, and the first field of this one is the time slice, an int.
        unsafe {
            (functions.init)(params.as_ptr());
            params.as_ptr().cast::<c_int>().write(30);
        }
        // SAFETY: initialised above. The ctx is for a message on failure, for which there is no reason.
        let text = unsafe { (functions.to_json)(ptr::null_mut(), params.as_ptr()) };
        assert!(!text.is_null());
        // SAFETY: a string, until it is freed.
        let json = unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned();
        // SAFETY: from malloc, and not used any more.
        unsafe { libc::free(text.cast()) };
        assert_eq!(json.split_whitespace().collect::<String>(), r#"{"tslice_ms":30}"#);
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
