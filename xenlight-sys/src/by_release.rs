//! Functions whose parameters changed between releases, with a variant for each form.
//!
//! The [`Release`] of the loaded library determines the variant. The comments about `LIBXL_API_VERSION` in `libxl.h` describe
//! the changes. The releases given here are the first whose header has the form.

#[cfg(doc)]
use crate::contract::*;
use core::any::type_name;
use core::ffi::{c_char, c_int, c_uint, c_void};
use core::mem::transmute_copy;
use core::ptr::NonNull;

use crate::domain::{AsyncopHow, AsyncprogressHow, Bitmap, DomainBuildInfo, DomainConfig, RestoreParams};
use crate::{Ctx, Release};

/// Declares the forms of functions, oldest first, each but the last with the release that has the next one; and for a
/// function that came later, the variant for the releases before it.
macro_rules! forms {
    ($(
        $(#[$about:meta])*
        $name:ident $(or $missing:ident before ($since_major:tt, $since_minor:tt))? {
            $( $(#[$doc:meta])* before ($major:tt, $minor:tt): $variant:ident($form:ty); )+
        } else {
            $(#[$last_doc:meta])*
            $last:ident($last_form:ty);
        }
    )*) => { $(
        $(#[$about])*
        #[derive(Clone, Copy, Debug)]
        #[expect(clippy::exhaustive_enums, reason = "who calls it must know each form")]
        pub enum $name {
            $(
                #[doc = concat!("There is no such function before ", $since_major, ".", $since_minor, ".")]
                $missing,
            )?
            $( $(#[$doc])* $variant($form), )+
            $(#[$last_doc])* $last($last_form),
        }

        impl ByRelease for $name {
            $( const SINCE: Release = Release::new($since_major, $since_minor); )?

            unsafe fn form(release: Release, address: Option<NonNull<c_void>>) -> Self {
                $( if release < Release::new($since_major, $since_minor) {
                    return Self::$missing;
                } )?
                let address = address.expect("every release since the first has this symbol, so the loader has required it");
                $( if release < Release::new($major, $minor) {
                    // SAFETY: the function has this type in these releases (tests/against_c), and the address is that of
                    // the function, as the caller promises.
                    return Self::$variant(unsafe { function(address) });
                } )+
                // SAFETY: likewise.
                Self::$last(unsafe { function(address) })
            }

            fn signature(release: Release) -> &'static str {
                $( if release < Release::new($major, $minor) {
                    return payload(Self::$variant);
                } )+
                payload(Self::$last)
            }
        }
    )* };
}

forms! {
    /// `libxl_domain_pause`, `_unpause`, `_shutdown` or `_reboot`.
    DomainControl {
        /// 4.12 and earlier. Blocks until it is done.
        before (4, 13): Blocking(unsafe extern "C" fn(ctx: *mut Ctx, domid: u32) -> c_int);
    } else {
        /// 4.13 and later.
        Asynchronous(unsafe extern "C" fn(ctx: *mut Ctx, domid: u32, how: *const AsyncopHow) -> c_int);
    }

    /// `libxl_domain_create_restore`: creates a domain from a configuration and the stream of a save.
    ///
    /// The configuration and the address of the domid must remain valid until completion ([E9]). A restore that fails may have
    /// written a domid.
    CreateRestore {
        /// 4.2 and 4.3.
        before (4, 4): Plain(
            unsafe extern "C" fn(
                ctx: *mut Ctx,
                config: *mut DomainConfig,
                domid: *mut u32,
                fd: c_int,
                how: *const AsyncopHow,
                console: *const AsyncprogressHow,
            ) -> c_int
        );
        /// 4.4 to 4.6.
        before (4, 7): Params(
            unsafe extern "C" fn(
                ctx: *mut Ctx,
                config: *mut DomainConfig,
                domid: *mut u32,
                fd: c_int,
                params: *const RestoreParams,
                how: *const AsyncopHow,
                console: *const AsyncprogressHow,
            ) -> c_int
        );
    } else {
        /// 4.7 and later. `send_back_fd` is -1 without COLO.
        SendBack(
            unsafe extern "C" fn(
                ctx: *mut Ctx,
                config: *mut DomainConfig,
                domid: *mut u32,
                fd: c_int,
                send_back_fd: c_int,
                params: *const RestoreParams,
                how: *const AsyncopHow,
                console: *const AsyncprogressHow,
            ) -> c_int
        );
    }

    /// `libxl_retrieve_domain_configuration`: writes the present configuration of a domain to a struct that was initialized with
    /// `_init`.
    RetrieveConfiguration or Missing before (4, 5) {
        /// 4.5 to 4.12. Blocks until it is done.
        before (4, 13): Blocking(
            unsafe extern "C" fn(ctx: *mut Ctx, domid: u32, config: *mut DomainConfig) -> c_int
        );
    } else {
        /// 4.13 and later. The configuration must remain valid until completion.
        Asynchronous(
            unsafe extern "C" fn(
                ctx: *mut Ctx,
                domid: u32,
                config: *mut DomainConfig,
                how: *const AsyncopHow,
            ) -> c_int
        );
    }

    /// `libxl_set_vcpuonline`: the virtual CPUs in the set are online, the others are not. The domain has to cooperate.
    VcpuOnline {
        /// 4.12 and earlier. Blocks until the device model has answered.
        before (4, 13): Blocking(unsafe extern "C" fn(ctx: *mut Ctx, domid: u32, vcpus: *mut Bitmap) -> c_int);
    } else {
        /// 4.13 and later. The set must remain valid until completion.
        Asynchronous(
            unsafe extern "C" fn(ctx: *mut Ctx, domid: u32, vcpus: *mut Bitmap, how: *const AsyncopHow) -> c_int
        );
    }

    /// `libxl_send_trigger`: presses a button of the virtual machine. `trigger` is a `libxl_trigger`, such as 1 for power.
    /// `vcpu` counts for an NMI and for INIT.
    SendTrigger {
        /// 4.12 and earlier. Blocks until it is done.
        before (4, 13): Blocking(
            unsafe extern "C" fn(ctx: *mut Ctx, domid: u32, trigger: c_uint, vcpu: u32) -> c_int
        );
    } else {
        /// 4.13 and later.
        Asynchronous(
            unsafe extern "C" fn(
                ctx: *mut Ctx,
                domid: u32,
                trigger: c_uint,
                vcpu: u32,
                how: *const AsyncopHow,
            ) -> c_int
        );
    }

    /// `libxl_qemu_monitor_command`: has the domain's QEMU run a command of its human monitor, such as `info version`. The answer
    /// is to be freed with free(3).
    MonitorCommand or Missing before (4, 8) {
        /// 4.8 to 4.12. Blocks until QEMU has answered.
        before (4, 13): Blocking(
            unsafe extern "C" fn(
                ctx: *mut Ctx,
                domid: u32,
                command: *const c_char,
                answer: *mut *mut c_char,
            ) -> c_int
        );
    } else {
        /// 4.13 and later. The address for the answer must remain valid until completion.
        Asynchronous(
            unsafe extern "C" fn(
                ctx: *mut Ctx,
                domid: u32,
                command: *const c_char,
                answer: *mut *mut c_char,
                how: *const AsyncopHow,
            ) -> c_int
        );
    }

    /// `libxl_set_vcpuaffinity`: the CPUs on which a virtual CPU may run; and `libxl_set_vcpuaffinity_all`, with the number of
    /// virtual CPUs instead of the number of one.
    VcpuAffinity {
        /// 4.4 and earlier.
        before (4, 5): Hard(
            unsafe extern "C" fn(ctx: *mut Ctx, domid: u32, vcpu: u32, cpus: *mut Bitmap) -> c_int
        );
    } else {
        /// 4.5 and later: the CPUs on which it may run, and those on which it should. NULL leaves a set as it is.
        HardAndSoft(
            unsafe extern "C" fn(
                ctx: *mut Ctx,
                domid: u32,
                vcpu: u32,
                hard: *const Bitmap,
                soft: *const Bitmap,
            ) -> c_int
        );
    }

    /// `libxl_get_free_memory`: the hypervisor's free memory in KiB. Does not wait for anything.
    FreeMemory {
        /// 4.7 and earlier.
        before (4, 8): Bits32(unsafe extern "C" fn(ctx: *mut Ctx, kib: *mut u32) -> c_int);
    } else {
        /// 4.8 and later.
        Bits64(unsafe extern "C" fn(ctx: *mut Ctx, kib: *mut u64) -> c_int);
    }

    /// `libxl_domain_setmaxmem`: the most memory that the domain may ever have, in KiB, not below its target.
    SetMaximumMemory {
        /// 4.7 and earlier.
        before (4, 8): Bits32(unsafe extern "C" fn(ctx: *mut Ctx, domid: u32, kib: u32) -> c_int);
    } else {
        /// 4.8 and later.
        Bits64(unsafe extern "C" fn(ctx: *mut Ctx, domid: u32, kib: u64) -> c_int);
    }

    /// `libxl_set_memory_target`: the memory in KiB to which the domain should balloon, or by which the target changes if
    /// `relative` is not 0. With `enforce` not 0, the hypervisor does not give it more than that.
    SetMemoryTarget {
        /// 4.7 and earlier.
        before (4, 8): Bits32(
            unsafe extern "C" fn(ctx: *mut Ctx, domid: u32, kib: i32, relative: c_int, enforce: c_int) -> c_int
        );
    } else {
        /// 4.8 and later.
        Bits64(
            unsafe extern "C" fn(ctx: *mut Ctx, domid: u32, kib: i64, relative: c_int, enforce: c_int) -> c_int
        );
    }

    /// `libxl_get_memory_target`: the target of the domain in KiB.
    MemoryTarget {
        /// 4.7 and earlier.
        before (4, 8): Bits32(unsafe extern "C" fn(ctx: *mut Ctx, domid: u32, kib: *mut u32) -> c_int);
    } else {
        /// 4.8 and later.
        Bits64(unsafe extern "C" fn(ctx: *mut Ctx, domid: u32, kib: *mut u64) -> c_int);
    }

    /// `libxl_domain_need_memory`: the free memory in KiB that is needed to build a domain.
    NeedMemory {
        /// 4.7 and earlier. Fills in defaults of the configuration.
        before (4, 8): Bits32(
            unsafe extern "C" fn(ctx: *mut Ctx, build: *mut DomainBuildInfo, kib: *mut u32) -> c_int
        );
        /// 4.8 to 4.12. Does not change the configuration.
        before (4, 13): Bits64(
            unsafe extern "C" fn(ctx: *mut Ctx, build: *const DomainBuildInfo, kib: *mut u64) -> c_int
        );
    } else {
        /// 4.13 and later. Fills in defaults of the configuration. The domid is for messages, and may be -1.
        Configuration(
            unsafe extern "C" fn(ctx: *mut Ctx, config: *mut DomainConfig, domid: u32, kib: *mut u64) -> c_int
        );
    }

    /// `libxl_wait_for_free_memory`: waits until the hypervisor has so much free memory, in KiB. `ERROR_NOMEM` after `seconds`.
    /// It sleeps on the calling thread, without the ctx lock. The domid is not used.
    WaitForFreeMemory {
        /// 4.7 and earlier.
        before (4, 8): Bits32(
            unsafe extern "C" fn(ctx: *mut Ctx, domid: u32, kib: u32, seconds: c_int) -> c_int
        );
    } else {
        /// 4.8 and later.
        Bits64(
            unsafe extern "C" fn(ctx: *mut Ctx, domid: u32, kib: u64, seconds: c_int) -> c_int
        );
    }
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
