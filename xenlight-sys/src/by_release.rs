//! Functions whose parameters changed between releases, with a variant for each form.
//!
//! The [`Release`] of the loaded library determines the variant. The comments about `LIBXL_API_VERSION` in `libxl.h` describe
//! the changes. The releases given here are the first whose header has the form.

#[cfg(doc)]
use crate::contract::*;
use core::any::type_name;
use core::ffi::{c_int, c_void};
use core::mem::transmute_copy;
use core::ptr::NonNull;

use crate::domain::{AsyncopHow, AsyncprogressHow, DomainConfig, RestoreParams};
use crate::{Ctx, Release};

/// `libxl_domain_pause`, `_unpause`, `_shutdown` or `_reboot`.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_enums, reason = "who calls it must know each form")]
pub enum DomainControl {
    /// `(ctx, domid)`: 4.12 and earlier. Blocks until it is done.
    Blocking(unsafe extern "C" fn(*mut Ctx, u32) -> c_int),
    /// `(ctx, domid, how)`: 4.13 and later.
    Asynchronous(unsafe extern "C" fn(*mut Ctx, u32, *const AsyncopHow) -> c_int),
}

/// `libxl_domain_create_restore`: creates a domain from a configuration and the stream of a save.
///
/// The configuration and the address of the domid must remain valid until completion ([E9]). A restore that fails may have
/// written a domid.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_enums, reason = "who calls it must know each form")]
pub enum CreateRestore {
    /// `(ctx, config, domid out, fd, how, console)`: 4.2 and 4.3.
    Plain(
        unsafe extern "C" fn(
            *mut Ctx,
            *mut DomainConfig,
            *mut u32,
            c_int,
            *const AsyncopHow,
            *const AsyncprogressHow,
        ) -> c_int,
    ),
    /// `(ctx, config, domid out, fd, params, how, console)`: 4.4 to 4.6.
    Params(
        unsafe extern "C" fn(
            *mut Ctx,
            *mut DomainConfig,
            *mut u32,
            c_int,
            *const RestoreParams,
            *const AsyncopHow,
            *const AsyncprogressHow,
        ) -> c_int,
    ),
    /// `(ctx, config, domid out, fd, send_back_fd or -1, params, how, console)`: 4.7 and later.
    SendBack(
        unsafe extern "C" fn(
            *mut Ctx,
            *mut DomainConfig,
            *mut u32,
            c_int,
            c_int,
            *const RestoreParams,
            *const AsyncopHow,
            *const AsyncprogressHow,
        ) -> c_int,
    ),
}

/// `libxl_retrieve_domain_configuration`: writes the present configuration of a domain to a struct that was initialized with
/// `_init`.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_enums, reason = "who calls it must know each form")]
pub enum RetrieveConfiguration {
    /// 4.4 and earlier have no such function.
    Missing,
    /// `(ctx, domid, config out)`: 4.5 to 4.12. Blocks until it is done.
    Blocking(unsafe extern "C" fn(*mut Ctx, u32, *mut DomainConfig) -> c_int),
    /// `(ctx, domid, config out, how)`: 4.13 and later. The configuration must remain valid until completion.
    Asynchronous(unsafe extern "C" fn(*mut Ctx, u32, *mut DomainConfig, *const AsyncopHow) -> c_int),
}

/// `libxl_get_free_memory`: the hypervisor's free memory in KiB. Does not wait for anything.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_enums, reason = "who calls it must know each form")]
pub enum FreeMemory {
    /// `(ctx, KiB out)`: 4.7 and earlier.
    Bits32(unsafe extern "C" fn(*mut Ctx, *mut u32) -> c_int),
    /// `(ctx, KiB out)`: 4.8 and later.
    Bits64(unsafe extern "C" fn(*mut Ctx, *mut u64) -> c_int),
}

/// A function with several forms, as the symbol table sees it.
pub(crate) trait ByRelease: Sized {
    /// The first release that has the symbol.
    const SINCE: Release = Release::V4_2;

    /// The form that `release` has.
    ///
    /// # Safety
    ///
    /// `address` is that of the function in a libxl of this release, which is never unloaded; `None`
    /// only if the release is before `SINCE`.
    unsafe fn form(release: Release, address: Option<NonNull<c_void>>) -> Self;

    /// The Rust type of the function that `release` has, which is not before `SINCE`.
    fn signature(release: Release) -> &'static str;
}

impl ByRelease for DomainControl {
    unsafe fn form(release: Release, address: Option<NonNull<c_void>>) -> Self {
        let address = address.expect(EVERY_RELEASE);
        if release < Release::V4_13 {
            // SAFETY: the function has this type in these releases, as the caller promises.
            Self::Blocking(unsafe { function(address) })
        } else {
            // SAFETY: likewise.
            Self::Asynchronous(unsafe { function(address) })
        }
    }

    fn signature(release: Release) -> &'static str {
        if release < Release::V4_13 { payload(Self::Blocking) } else { payload(Self::Asynchronous) }
    }
}

impl ByRelease for CreateRestore {
    unsafe fn form(release: Release, address: Option<NonNull<c_void>>) -> Self {
        let address = address.expect(EVERY_RELEASE);
        if release < Release::V4_4 {
            // SAFETY: the function has this type in these releases, as the caller promises.
            Self::Plain(unsafe { function(address) })
        } else if release < Release::V4_7 {
            // SAFETY: likewise.
            Self::Params(unsafe { function(address) })
        } else {
            // SAFETY: likewise.
            Self::SendBack(unsafe { function(address) })
        }
    }

    fn signature(release: Release) -> &'static str {
        if release < Release::V4_4 {
            payload(Self::Plain)
        } else if release < Release::V4_7 {
            payload(Self::Params)
        } else {
            payload(Self::SendBack)
        }
    }
}

impl ByRelease for RetrieveConfiguration {
    const SINCE: Release = Release::V4_5;

    unsafe fn form(release: Release, address: Option<NonNull<c_void>>) -> Self {
        let Some(address) = address else { return Self::Missing };
        if release < Release::V4_13 {
            // SAFETY: the function has this type in these releases, as the caller promises.
            Self::Blocking(unsafe { function(address) })
        } else {
            // SAFETY: likewise.
            Self::Asynchronous(unsafe { function(address) })
        }
    }

    fn signature(release: Release) -> &'static str {
        if release < Release::V4_13 { payload(Self::Blocking) } else { payload(Self::Asynchronous) }
    }
}

impl ByRelease for FreeMemory {
    unsafe fn form(release: Release, address: Option<NonNull<c_void>>) -> Self {
        let address = address.expect(EVERY_RELEASE);
        if release < Release::V4_8 {
            // SAFETY: the function has this type in these releases, as the caller promises.
            Self::Bits32(unsafe { function(address) })
        } else {
            // SAFETY: likewise.
            Self::Bits64(unsafe { function(address) })
        }
    }

    fn signature(release: Release) -> &'static str {
        if release < Release::V4_8 { payload(Self::Bits32) } else { payload(Self::Bits64) }
    }
}

const EVERY_RELEASE: &str = "every release has this symbol, so the loader has required it";

/// The function at `address`.
///
/// # Safety
///
/// `F` is a function pointer type, and there is a function of that type, which is never unloaded.
pub(crate) unsafe fn function<F: Copy>(address: NonNull<c_void>) -> F {
    const { assert!(size_of::<F>() == size_of::<NonNull<c_void>>()) };
    // SAFETY: both are one address, and the caller promises what is there.
    unsafe { transmute_copy(&address) }
}

/// The type that an enum's variant wraps.
fn payload<F, E>(_variant: fn(F) -> E) -> &'static str {
    type_name::<F>()
}
