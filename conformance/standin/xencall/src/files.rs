//! `open(2)` and its kin: Xen's devices are closed, and libxl's state can be kept elsewhere.
//!
//! libxenevtchn, libxengnttab and libxendevicemodel open Xen's devices by themselves, whatever stands in for
//! libxencall. What is under `/dev/xen` and `/proc/xen` is refused with `ENOENT`: that is what they find on a machine
//! without Xen, and what libxendevicemodel alone tolerates.
//!
//! libxl locks a domain that it destroys, and notes its id, by files under `/var/lib/xen` and `/var/run/xen`, which are
//! root's or not there. Where the environment variable `OSEVENT_XENCALL_STATE_DIR` names an existing directory (when the
//! stand-in is loaded), `open`, `fopen`, `stat`, `unlink`, `rename` and `glob` take it for both.
//!
//! `open` is not a cancellation point any more, for the process that preloads us. glibc's internal callers
//! do not come here; Xen's libraries use none of these for devices.
#![expect(clippy::missing_safety_doc, reason = "open(2) documents what callers promise")]

use std::{
    env,
    ffi::{CStr, c_char, c_int, c_void},
    mem,
    os::unix::ffi::OsStringExt,
    sync::{OnceLock, atomic::Ordering::Relaxed},
};

use libc::mode_t;

use crate::{errno::set_errno, state::hypervisor};

/// `open(2)`. C callers may leave out `mode`; what the register holds then is only used where they may not.
#[cfg_attr(not(test), unsafe(no_mangle))]
pub unsafe extern "C" fn open(path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    // SAFETY: the caller's promise; so in all functions below.
    unsafe { open_at(libc::AT_FDCWD, path, flags, mode) }
}

/// `open64`, the same as [`open`] on x86-64.
#[cfg_attr(not(test), unsafe(no_mangle))]
pub unsafe extern "C" fn open64(path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    // SAFETY: see open.
    unsafe { open_at(libc::AT_FDCWD, path, flags, mode) }
}

/// `openat(2)`.
#[cfg_attr(not(test), unsafe(no_mangle))]
pub unsafe extern "C" fn openat(directory: c_int, path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    // SAFETY: see open.
    unsafe { open_at(directory, path, flags, mode) }
}

/// `openat64`, the same as [`openat`] on x86-64.
#[cfg_attr(not(test), unsafe(no_mangle))]
pub unsafe extern "C" fn openat64(directory: c_int, path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    // SAFETY: see open.
    unsafe { open_at(directory, path, flags, mode) }
}

/// What a fortified `open` without a mode is compiled to; libxenevtchn's is.
#[cfg_attr(not(test), unsafe(no_mangle))]
pub unsafe extern "C" fn __open_2(path: *const c_char, flags: c_int) -> c_int {
    // SAFETY: see open.
    unsafe { open_at(libc::AT_FDCWD, path, flags, 0) }
}

/// What a fortified `open64` without a mode is compiled to.
#[cfg_attr(not(test), unsafe(no_mangle))]
pub unsafe extern "C" fn __open64_2(path: *const c_char, flags: c_int) -> c_int {
    // SAFETY: see open.
    unsafe { open_at(libc::AT_FDCWD, path, flags, 0) }
}

/// `stat(2)`.
#[cfg_attr(not(test), unsafe(no_mangle))]
pub unsafe extern "C" fn stat(path: *const c_char, found: *mut libc::stat) -> c_int {
    let mut room = PathBuffer::new();
    // SAFETY: the caller's promise.
    let path = unsafe { room.moved(path) };
    // SAFETY: the kernel checks the pointers; its struct is the C library's on x86-64.
    unsafe { libc::syscall(libc::SYS_newfstatat, libc::AT_FDCWD, path, found, 0) as c_int }
}

/// What `stat` is compiled to with the C library's headers before 2.33, as in Debian 11's libxl. There is one `version` of the struct
/// on x86-64.
#[cfg_attr(not(test), unsafe(no_mangle))]
pub unsafe extern "C" fn __xstat(_version: c_int, path: *const c_char, found: *mut libc::stat) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { stat(path, found) }
}

/// `unlink(2)`.
#[cfg_attr(not(test), unsafe(no_mangle))]
pub unsafe extern "C" fn unlink(path: *const c_char) -> c_int {
    let mut room = PathBuffer::new();
    // SAFETY: the caller's promise.
    let path = unsafe { room.moved(path) };
    // SAFETY: the kernel checks the pointer.
    unsafe { libc::syscall(libc::SYS_unlinkat, libc::AT_FDCWD, path, 0) as c_int }
}

/// `rename(2)`.
#[cfg_attr(not(test), unsafe(no_mangle))]
pub unsafe extern "C" fn rename(from: *const c_char, to: *const c_char) -> c_int {
    let (mut from_room, mut to_room) = (PathBuffer::new(), PathBuffer::new());
    // SAFETY: the caller's promise.
    let (from, to) = unsafe { (from_room.moved(from), to_room.moved(to)) };
    // SAFETY: the kernel checks the pointers.
    unsafe { libc::syscall(libc::SYS_rename, from, to) as c_int }
}

/// `fopen(3)`.
#[cfg_attr(not(test), unsafe(no_mangle))]
pub unsafe extern "C" fn fopen(path: *const c_char, mode: *const c_char) -> *mut libc::FILE {
    let mut room = PathBuffer::new();
    // SAFETY: the caller's promise.
    let path = unsafe { room.moved(path) };
    // SAFETY: the caller's promise, passed on.
    unsafe { (next().fopen)(path, mode) }
}

/// `glob(3)`.
#[cfg_attr(not(test), unsafe(no_mangle))]
pub unsafe extern "C" fn glob(
    pattern: *const c_char,
    flags: c_int,
    failed: Option<GlobFailed>,
    found: *mut libc::glob_t,
) -> c_int {
    let mut room = PathBuffer::new();
    // SAFETY: the caller's promise.
    let pattern = unsafe { room.moved(pattern) };
    // SAFETY: the caller's promise, passed on.
    unsafe { (next().glob)(pattern, flags, failed, found) }
}

/// What `glob` calls for a directory that it cannot read.
pub type GlobFailed = unsafe extern "C" fn(*const c_char, c_int) -> c_int;

/// The C library's own functions: we bear their names, so that they are found only behind us.
struct Next {
    fopen: Fopen,
    glob: Glob,
}

type Fopen = unsafe extern "C" fn(*const c_char, *const c_char) -> *mut libc::FILE;
type Glob = unsafe extern "C" fn(*const c_char, c_int, Option<GlobFailed>, *mut libc::glob_t) -> c_int;

fn next() -> &'static Next {
    static NEXT: OnceLock<Next> = OnceLock::new();
    NEXT.get_or_init(|| {
        let find = |name: &CStr| {
            // SAFETY: a C string.
            let function = unsafe { libc::dlsym(libc::RTLD_NEXT, name.as_ptr()) };
            assert!(!function.is_null(), "the C library has no {name:?}");
            function
        };
        let (fopen, glob) = (find(c"fopen"), find(c"glob"));
        Next {
            // SAFETY: the C library's function of that name, which has this type.
            fopen: unsafe { mem::transmute::<*mut c_void, Fopen>(fopen) },
            // SAFETY: as above.
            glob: unsafe { mem::transmute::<*mut c_void, Glob>(glob) },
        }
    })
}

/// Initialises what is used below, while the object is loaded: a forked child must not find it half done.
pub(crate) fn prepare() {
    next();
    state_directory();
}

/// # Safety
/// `path` is null or a C string.
unsafe fn open_at(directory: c_int, path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    // SAFETY: not null, so a C string by the caller's promise.
    if !path.is_null() && is_xens(unsafe { CStr::from_ptr(path) }) {
        // Relaxed: a counter that publishes nothing.
        hypervisor().counters().refused_opens.fetch_add(1, Relaxed);
        set_errno(libc::ENOENT);
        return -1;
    }
    let mut room = PathBuffer::new();
    // SAFETY: the caller's promise.
    let path = unsafe { room.moved(path) };
    // SAFETY: the kernel checks the pointer; the mode counts only with flags that demand one.
    unsafe { libc::syscall(libc::SYS_openat, directory, path, flags, mode) as c_int }
}

/// Room for a path on the stack: these functions may be called where nothing may be allocated.
struct PathBuffer([u8; libc::PATH_MAX as usize]);

impl PathBuffer {
    fn new() -> Self {
        Self([0; _])
    }

    /// The path to use instead, in this buffer where it is another one. What does not fit stays as it is.
    ///
    /// # Safety
    /// `path` is null or a C string.
    unsafe fn moved(&mut self, path: *const c_char) -> *const c_char {
        let Some(directory) = state_directory().filter(|_| !path.is_null()) else { return path };
        // SAFETY: not null, so a C string by the caller's promise.
        let whole = unsafe { CStr::from_ptr(path) }.to_bytes_with_nul();
        let Some(rest) = STATE.iter().find_map(|prefix| whole.strip_prefix(*prefix)) else { return path };
        let Some(room) = self.0.get_mut(..directory.len() + rest.len()) else { return path };
        let (first, last) = room.split_at_mut(directory.len());
        first.copy_from_slice(directory);
        last.copy_from_slice(rest);
        self.0.as_ptr().cast()
    }
}

/// Where libxl's state is kept instead, with a slash at its end.
fn state_directory() -> Option<&'static [u8]> {
    static DIRECTORY: OnceLock<Option<Vec<u8>>> = OnceLock::new();
    DIRECTORY
        .get_or_init(|| {
            let mut directory = env::var_os("OSEVENT_XENCALL_STATE_DIR")?.into_vec();
            directory.push(b'/');
            Some(directory)
        })
        .as_deref()
}

fn is_xens(path: &CStr) -> bool {
    [&b"/dev/xen/"[..], b"/proc/xen/"].iter().any(|prefix| path.to_bytes().starts_with(prefix))
}

const STATE: [&[u8]; 3] = [b"/var/lib/xen/", b"/var/run/xen/", b"/run/xen/"];

#[cfg(test)]
mod tests {
    use std::io::Error;

    use super::*;

    #[test]
    fn both_forms_of_stat_tell_the_same_file() {
        let mut found = [const { mem::MaybeUninit::<libc::stat>::uninit() }; 2];
        // SAFETY: a literal C string, and room for the answers.
        let told =
            unsafe { [stat(c"/".as_ptr(), found[0].as_mut_ptr()), __xstat(1, c"/".as_ptr(), found[1].as_mut_ptr())] };
        assert_eq!(told, [0, 0]);
        // SAFETY: 0 says that both were filled.
        let [new, old] = found.map(|found| unsafe { found.assume_init() });
        assert_eq!((new.st_ino, new.st_dev), (old.st_ino, old.st_dev));
    }

    #[test]
    fn xens_devices_do_not_exist_and_other_files_do() {
        // SAFETY: literal C strings, here and below.
        for opened in unsafe {
            [
                open(c"/dev/xen/privcmd".as_ptr(), libc::O_RDWR, 0),
                __open_2(c"/dev/xen/evtchn".as_ptr(), libc::O_RDWR),
                openat(libc::AT_FDCWD, c"/proc/xen/privcmd".as_ptr(), libc::O_RDWR, 0),
            ]
        } {
            assert_eq!(opened, -1);
            assert_eq!(Error::last_os_error().raw_os_error(), Some(libc::ENOENT));
        }
        // SAFETY: as above.
        let null = unsafe { open64(c"/dev/null".as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC, 0) };
        assert!(null >= 0);
        // SAFETY: opened a line ago and used by nobody else.
        assert_eq!(unsafe { libc::close(null) }, 0);
    }
}
