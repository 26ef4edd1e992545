//! The functions that libxl has for each of its structs, by the struct's name.

use core::ffi::{c_char, c_int, c_void};

use crate::by_release::function;
use crate::{Ctx, Library};

/// The functions of a struct, which take its address as a `*mut c_void`.
///
/// Xen's build generates them for each struct that `libxl_types.idl` describes. They are the same in all releases, but for the
/// exceptions that the fields name. So the name of the struct is enough to find them.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct StructFunctions {
    /// `libxl_…_init(this)`: initializes a struct in raw memory. It writes all of its bytes, and nothing beyond, so it
    /// tells the size that the struct has in this release.
    pub init: unsafe extern "C" fn(this: *mut c_void),
    /// `libxl_…_dispose(this)`: frees the memory that it points to, and zeroes the struct. `None` if the struct points to none
    /// in any release: `sched_credit_params` and `sched_credit2_params`.
    pub dispose: Option<unsafe extern "C" fn(this: *mut c_void)>,
    /// `libxl_…_to_json(ctx, this)`: returns it as JSON, to be freed with free(3); NULL on failure. Values that are false, zero
    /// or nil are omitted.
    pub to_json: unsafe extern "C" fn(ctx: *mut Ctx, this: *mut c_void) -> *mut c_char,
    /// `libxl_…_from_json(ctx, this, json)`: fills in a struct that was initialized. Unknown keys and values of the wrong type
    /// are ignored without an error. In 4.5 and later.
    pub from_json: Option<unsafe extern "C" fn(ctx: *mut Ctx, this: *mut c_void, json: *const c_char) -> c_int>,
}

/// # Structs by their names
impl Library {
    /// The functions of the struct `libxl_<name>`, such as `device_nic`. `None` if this release does not describe such a struct.
    /// Looks them up each time.
    pub fn struct_functions(&self, name: &str) -> Option<StructFunctions> {
        let find = |function: &str| self.object.find(&format!("libxl_{name}_{function}"));
        // Only structs have both. (An enumeration has a `_to_json`, and `libxl_bitmap` an `_init`.)
        let (init, to_json) = (find("init")?, find("to_json")?);
        // SAFETY: libxl's generator makes these functions, with these types, for each struct of its description and for
        // nothing else that has both names, in every release. They are never unloaded.
        Some(unsafe {
            StructFunctions {
                init: function(init),
                dispose: find("dispose").map(|address| function(address)),
                to_json: function(to_json),
                from_json: find("from_json").map(|address| function(address)),
            }
        })
    }

    /// `libxl_<name>_list_free(list, count)`: disposes of the elements of an array that a function of libxl returned, and frees
    /// the array. `None` if this release does not have it: then dispose of each element, and free the array with free(3).
    pub fn struct_list_free(&self, name: &str) -> Option<unsafe extern "C" fn(list: *mut c_void, count: c_int)> {
        let address = self.object.find(&format!("libxl_{name}_list_free"))?;
        // SAFETY: all functions that are called so have this type, or the same with an unsigned count, in every release
        // (`libxl.h`). They are never unloaded.
        Some(unsafe { function(address) })
    }
}
