//! A stand-in for libxencall. With it, the installed, unmodified libxl, libxenctrl and libxenstore run in an ordinary process
//! of any user, without a hypervisor.
//!
//! libxl reaches Xen through libxencall, whose C interface is stable. This shared object has the same interface, name and
//! symbol versions. It has a table of simulated domains and answers the hypercalls with which libxl describes the host, and creates,
//! lists, changes and destroys PV and PVH domains. All other hypercalls fail with `ENOSYS`. It runs no code of a domain, and
//! never makes a hypercall.
//!
//! # Use
//! Preload it. Only then are all its parts active:
//!
//! ```text
//! LD_PRELOAD=/path/to/libxencall.so XENSTORED_PATH=/path/to/socket your-program
//! ```
//!
//! with a xenstored, or the stand-in for it, at the socket. `include/osevent_xencall.h` is the control interface, for C and
//! any language with `dlsym`: simulated domains, the lag of the clock, counters. Before anything else, assert
//! `osevent_xencall_in_force() == OSEVENT_XENCALL_ALL`.
//!
//! | loaded | `xencall_*` | `xenforeignmemory_*` | clock, `/dev/xen` closed |
//! |---|---|---|---|
//! | `LD_PRELOAD` | yes | yes | yes |
//! | first, by `dlopen` with `RTLD_GLOBAL` | yes | yes | no: libc comes earlier in the global scope |
//! | first, by `dlopen` with `RTLD_LOCAL` | yes, by its soname | no | no |
//!
//! With `OSEVENT_XENCALL_STATE_DIR=/existing/directory` in the environment, any user can also create and destroy simulated domains:
//! libxl then uses this directory instead of `/var/lib/xen` and `/var/run/xen`, see [`files`].
//!
//! libxenlight can be loaded in any way afterwards, also with `RTLD_LOCAL`. Setting `LD_PRELOAD` in a running process has no
//! effect: the program has to be executed again.
//!
//! # No real hypercall by mistake
//! - The soname is `libxencall.so.1`. Loaded first, it *is* the dependency of libxenctrl, libxendevicemodel and libxenhypfs, and
//!   the real library is not mapped.
//! - The memory of a domain, which libxl maps through libxenforeignmemory to build it, is ordinary memory of the process that is
//!   forgotten when it is unmapped.
//! - Preloaded, it refuses to open anything below `/dev/xen` and `/proc/xen` (`ENOENT`, as on a system without Xen). So event
//!   channels, grants and the ioctls of the device model are not available.
//! - Preloaded, it executes `/bin/true` instead of Xen's hotplug scripts in `/etc/xen/scripts`, which would change the disks and
//!   networks of the real machine.
//! - Programs that libxl executes (its save helper, scripts) inherit `LD_PRELOAD`, and with it an empty table, or the one that
//!   `OSEVENT_XENCALL_TABLE` names.
//!
//! # Which libxl
//! x86-64 Linux. The layouts of the sysctl and domctl structs are those of Xen 4.14 to 4.22, see [`hypercall`].
//! A library for another interface version is refused with `EACCES`, as Xen does; `osevent_xencall_unknown_version()` reports
//! this version.
//!
//! # Threads and forks
//! Every function may be called on any thread and takes no lock. Table and counters are in memory that is shared with forked
//! children, so the parent sees what libxl's destroyer child does to a domain.

#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
compile_error!("the stand-in knows the hypercall structs and the linker of x86-64 Linux alone");

pub mod abi;
pub mod clock;
pub mod control;
mod errno;
pub mod files;
pub mod foreign_memory;
pub mod host;
pub mod hypercall;
pub mod scripts;
mod state;

/// Runs when the object is loaded, before any child can be forked: table and event fd are the same for all of
/// them, and nothing is left to be initialised where `open` is called in a signal handler.
#[used]
#[cfg_attr(not(test), unsafe(link_section = ".init_array"))]
static AT_LOAD: extern "C" fn() = {
    extern "C" fn at_load() {
        state::hypervisor();
        files::prepare();
        scripts::prepare();
    }
    at_load
};
