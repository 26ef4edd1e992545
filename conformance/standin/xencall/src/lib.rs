//! A stand-in for libxencall: the installed, unmodified libxl, libxenctrl and libxenstore run in an ordinary process
//! of an ordinary user, without a hypervisor.
//!
//! libxl reaches Xen through libxencall, whose C interface is stable. This shared object has that interface, name and
//! symbol versions, keeps a table of pretend domains and answers the few hypercalls that libxl's event code makes.
//! Everything else fails with `ENOSYS`. It builds nothing, runs nothing and never makes a hypercall.
//!
//! # Use
//! Preload it. That is the one way in which all of it is in force:
//!
//! ```text
//! LD_PRELOAD=/path/to/libxencall.so XENSTORED_PATH=/path/to/socket your-program
//! ```
//!
//! with an xenstored, or the stand-in for it, at the socket. `include/osevent_xencall.h` is the control interface, for
//! C and everything that has `dlsym`: pretend domains, the clock's lag, counters. Before anything else assert
//! `osevent_xencall_in_force() == OSEVENT_XENCALL_ALL`.
//!
//! | loaded | `xencall_*` | `xenforeignmemory_*` | clock, `/dev/xen` closed |
//! |---|---|---|---|
//! | `LD_PRELOAD` | yes | yes | yes |
//! | first, by `dlopen` with `RTLD_GLOBAL` | yes | yes | no: libc comes earlier in the global scope |
//! | first, by `dlopen` with `RTLD_LOCAL` | yes, by its soname | no | no |
//!
//! With `OSEVENT_XENCALL_STATE_DIR=/existing/directory` in the environment an ordinary user can destroy pretend domains
//! as well: libxl's files go there instead of `/var/lib/xen` and `/var/run/xen`, see [`files`].
//!
//! It does not matter how libxenlight is loaded afterwards, `RTLD_LOCAL` included. Setting `LD_PRELOAD` in a running
//! process changes nothing: the program has to be executed anew.
//!
//! # No real hypercall by mistake
//! - The soname is `libxencall.so.1`: loaded first, it *is* the dependency of libxenctrl, libxendevicemodel and
//!   libxenhypfs, and the real library is not even mapped.
//! - Preloaded, it refuses to open anything under `/dev/xen` and `/proc/xen` (`ENOENT`, as where there is no Xen), so
//!   event channels, grants and the device model's ioctls have nothing to talk to.
//! - Programs that libxl executes (its save helper, scripts) inherit `LD_PRELOAD`, and with it an empty table.
//!
//! # Which libxl
//! x86-64 Linux. The layouts of the sysctl and domctl structs are those of Xen 4.14 to 4.22, see [`hypercall`].
//! A library built for another interface version is refused with `EACCES`, as Xen does; `osevent_xencall_unknown_version()`
//! tells it.
//!
//! # Threads and forks
//! Every function may be called from any thread and takes no lock. The table and the counters are in memory shared
//! with forked children: what libxl's destroyer child does to a domain is seen by the parent.

#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
compile_error!("the stand-in knows the hypercall structs and the linker of x86-64 Linux alone");

pub mod abi;
pub mod clock;
pub mod control;
mod domains;
mod errno;
pub mod files;
pub mod foreign_memory;
pub mod hypercall;

/// Runs when the object is loaded, before any child can be forked: table and event fd are the same for all of
/// them, and nothing is left to be initialised where `open` is called in a signal handler.
#[used]
#[cfg_attr(not(test), unsafe(link_section = ".init_array"))]
static AT_LOAD: extern "C" fn() = {
    extern "C" fn at_load() {
        domains::table();
        domains::dom_exc_fd();
        files::prepare();
    }
    at_load
};
