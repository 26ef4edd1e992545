//! `execvp(3)`: Xen's hotplug scripts are not run, as they would change the disks and networks of the real machine.
//!
//! libxl runs one for each disk and network interface, in a forked child. What is under `/etc/xen/scripts` is taken to have succeeded:
//! for a device that is added, the backend's `hotplug-status` in xenstore becomes `connected`, as a script would write it, and
//! `/bin/true` is executed instead. A configuration can name a script anywhere else, which is run.
//!
//! Nothing is allocated: the parent may have had other threads.
#![expect(clippy::missing_safety_doc, reason = "execvp(3) documents what callers promise")]

use std::{
    ffi::{CStr, c_char, c_int, c_void},
    mem,
    sync::OnceLock,
};

/// Xen's own scripts.
const SCRIPTS: &[u8] = b"/etc/xen/scripts/";
/// What a script is told to do with a device that is added: a disk, a network interface.
const ADDS: [&CStr; 2] = [c"add", c"online"];

/// `execvp(3)`, where the script is one of Xen's, of `/bin/true`.
#[cfg_attr(not(test), unsafe(no_mangle))]
pub unsafe extern "C" fn execvp(file: *const c_char, arguments: *const *const c_char) -> c_int {
    // SAFETY: not null, so a C string by the caller's promise.
    let is_script = !file.is_null() && unsafe { CStr::from_ptr(file) }.to_bytes().starts_with(SCRIPTS);
    if !is_script {
        // SAFETY: the caller's promise, passed on.
        return unsafe { next()(file, arguments) };
    }
    // SAFETY: by the caller's promise, there are the name and, unless it is the end, the first argument.
    let action = unsafe { *arguments.add(1) };
    // SAFETY: not null, so a C string.
    if !action.is_null() && ADDS.contains(&unsafe { CStr::from_ptr(action) }) {
        // SAFETY: the environment is this process's own, which has one thread.
        unsafe { connected() };
    }
    // SAFETY: the caller's promise, passed on, and a literal C string.
    unsafe { next()(c"/bin/true".as_ptr(), arguments) }
}

/// Writes the status of the device in the environment to xenstored. Where that fails, the device stays as it is.
///
/// # Safety
/// Nobody changes the environment meanwhile.
unsafe fn connected() {
    // SAFETY: the caller's promise, and literal C strings.
    let [socket, backend] =
        unsafe { [libc::getenv(c"XENSTORED_PATH".as_ptr()), libc::getenv(c"XENBUS_PATH".as_ptr())] };
    if socket.is_null() || backend.is_null() {
        return;
    }
    // SAFETY: not null, so C strings of the environment, which stays as it is.
    let [socket, backend] = unsafe { [CStr::from_ptr(socket), CStr::from_ptr(backend)] };
    let mut message = [0; 512];
    let Some(length) = write_message(&mut message, backend.to_bytes()) else { return };
    // SAFETY: a struct of numbers.
    let mut address: libc::sockaddr_un = unsafe { mem::zeroed() };
    address.sun_family = libc::AF_UNIX as libc::sa_family_t;
    let path = socket.to_bytes();
    if path.len() >= address.sun_path.len() {
        return;
    }
    for (place, byte) in address.sun_path.iter_mut().zip(path) {
        *place = *byte as c_char;
    }
    // SAFETY: takes no pointer.
    let fd = unsafe { libc::socket(libc::AF_UNIX, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0) };
    let size = mem::size_of_val(&address) as libc::socklen_t;
    // SAFETY: the address outlives the call and is as long as said.
    if unsafe { libc::connect(fd, (&raw const address).cast(), size) } == 0 {
        // SAFETY: the message outlives the call and is as long as said. A message of this size goes as a whole.
        unsafe { libc::write(fd, message.as_ptr().cast(), length) };
        // The answer: that it is done.
        // SAFETY: the buffer outlives the call and is as long as said.
        unsafe { libc::read(fd, message.as_mut_ptr().cast(), message.len()) };
    }
    // SAFETY: it was opened above, if it was.
    unsafe { libc::close(fd) };
}

/// Puts xenstored's message into the buffer that sets the status below `backend`, a path relative to domain 0's; its length.
fn write_message(buffer: &mut [u8; 512], backend: &[u8]) -> Option<usize> {
    const WRITE: u32 = 11;
    const HEAD: usize = 16;
    let parts = [backend, b"/hotplug-status\0", b"connected"];
    let length = parts.iter().map(|part| part.len()).sum::<usize>();
    let (head, body) = buffer.split_at_mut(HEAD);
    let mut body = body.get_mut(..length)?;
    for part in parts {
        let (first, rest) = body.split_at_mut(part.len());
        first.copy_from_slice(part);
        body = rest;
    }
    for (place, word) in head.chunks_exact_mut(4).zip([WRITE, 0, 0, length as u32]) {
        place.copy_from_slice(&word.to_ne_bytes());
    }
    Some(HEAD + length)
}

type Execvp = unsafe extern "C" fn(*const c_char, *const *const c_char) -> c_int;

/// The C library's own function: we bear its name, so that it is found only behind us.
fn next() -> Execvp {
    static NEXT: OnceLock<Execvp> = OnceLock::new();
    *NEXT.get_or_init(|| {
        // SAFETY: a C string.
        let function = unsafe { libc::dlsym(libc::RTLD_NEXT, c"execvp".as_ptr()) };
        assert!(!function.is_null(), "the C library has no execvp");
        // SAFETY: the C library's function of that name, which has this type.
        unsafe { mem::transmute::<*mut c_void, Execvp>(function) }
    })
}

/// Initialises what is used above, while the object is loaded: a forked child must not find it half done.
pub(crate) fn prepare() {
    next();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_is_a_write_below_the_backend() {
        let mut buffer = [0xff; 512];
        let length = write_message(&mut buffer, b"backend/vbd/1/51712").unwrap();
        let (head, body) = buffer[..length].split_at(16);
        assert_eq!(body, b"backend/vbd/1/51712/hotplug-status\0connected");
        let words: Vec<u32> = head.chunks(4).map(|word| u32::from_ne_bytes(word.try_into().unwrap())).collect();
        assert_eq!(words, [11, 0, 0, body.len() as u32]);
        assert_eq!(write_message(&mut buffer, &[b'a'; 500]), None);
    }
}
