//! The GSource: watches the reactor's fd and dispatches it.

use glib::ffi;
use glib::translate::{IntoGlib, ToGlibPtr};
use osevent_epoll::Reactor;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// GLib allocates it, as large as this, and knows the first field only.
#[repr(C)]
struct Source {
    base: ffi::GSource,
    /// From `Box::into_raw`, from before the source is attached until `finalize`.
    watched: *mut Watched,
}

/// What the source's fds belong to: open as long as GLib may poll them.
struct Watched {
    reactor: Arc<Reactor>,
    /// Hangs up when the reactor is detached, only to make GLib dispatch the source once more.
    left: UnixStream,
}

/// No `prepare` and no `check`: GLib waits without a time limit then, and dispatches when an fd is ready.
static FUNCTIONS: ffi::GSourceFuncs = ffi::GSourceFuncs {
    prepare: None,
    check: None,
    dispatch: Some(dispatch),
    finalize: Some(finalize),
    closure_callback: None,
    closure_marshal: None,
};

pub(crate) fn attach(
    context: &glib::MainContext,
    reactor: &Arc<Reactor>,
    left: UnixStream,
    priority: glib::Priority,
    name: &glib::GStr,
) {
    let watched = Box::new(Watched { reactor: reactor.clone(), left });
    let fds = [watched.reactor.as_raw_fd(), watched.left.as_raw_fd()];
    let watched = Box::into_raw(watched);
    let told = Arc::into_raw(reactor.clone());
    let size = size_of::<Source>() as u32;
    // SAFETY: GLib only reads the functions, in spite of the pointer's type, and a static lives for ever. What it
    // returns is `size` bytes, zeroed, with one reference, which is ours until the last line.
    let source = unsafe { ffi::g_source_new((&raw const FUNCTIONS).cast_mut(), size) };
    // SAFETY: `source` is as large as a `Source` and nobody else knows it yet.
    unsafe { (*source.cast::<Source>()).watched = watched };
    for fd in fds {
        // SAFETY: the source is ours, see above. The fds are open until `finalize` drops `watched`.
        unsafe { ffi::g_source_add_unix_fd(source, fd, ffi::G_IO_IN) };
    }
    // SAFETY: the source is ours. `told` is given to `destroyed` once, which is when GLib lets go of it. There is
    // no callback to be called: `dispatch` does not.
    unsafe { ffi::g_source_set_callback(source, None, told.cast_mut().cast(), Some(destroyed)) };
    // SAFETY: the source is ours; GLib copies the name.
    unsafe { ffi::g_source_set_name(source, name.as_ptr()) };
    // SAFETY: the source is ours.
    unsafe { ffi::g_source_set_priority(source, priority.into_glib()) };
    // SAFETY: the source is ours.
    unsafe { ffi::g_source_set_can_recurse(source, ffi::GTRUE) };
    // SAFETY: the source is ours; the caller's reference keeps the context. From here on the source belongs to it.
    unsafe { ffi::g_source_attach(source, context.to_glib_none().0) };
    // SAFETY: gives back our reference, the last use of `source` here.
    unsafe { ffi::g_source_unref(source) };
}

/// One dispatch of the reactor. The context's thread, no GLib lock held.
unsafe extern "C" fn dispatch(source: *mut ffi::GSource, _: ffi::GSourceFunc, _: ffi::gpointer) -> ffi::gboolean {
    // SAFETY: GLib calls this for sources made with `FUNCTIONS` only, and holds a reference meanwhile, so that
    // `finalize` comes later.
    let reactor = unsafe { &(*(*source.cast::<Source>()).watched).reactor };
    // A detached reactor is somebody else's to dispatch; one that cannot is no use.
    let goes_on = guarded(|| !reactor.is_detached() && reactor.dispatch().is_ok());
    if goes_on.unwrap_or(true) { ffi::G_SOURCE_CONTINUE } else { ffi::G_SOURCE_REMOVE }
}

/// The source was destroyed: by `dispatch`, by somebody else, or because its context ended. Once, no GLib lock held.
unsafe extern "C" fn destroyed(told: ffi::gpointer) {
    // SAFETY: from `Arc::into_raw` in `attach`, given here once.
    let reactor = unsafe { Arc::from_raw(told.cast_const().cast::<Reactor>()) };
    guarded(|| reactor.detach());
    guarded(|| drop(reactor));
}

/// Nobody refers to the source any more. Once, no GLib lock held.
unsafe extern "C" fn finalize(source: *mut ffi::GSource) {
    // SAFETY: the source is a `Source` still; GLib frees its memory afterwards.
    let watched = unsafe { (*source.cast::<Source>()).watched };
    // SAFETY: from `Box::into_raw` in `attach`, and nobody can reach it any more.
    let watched = unsafe { Box::from_raw(watched) };
    // With the reactor may go the last reference to a client.
    guarded(|| drop(watched));
}

/// The first thing inside each function that C calls: nothing unwinds out of it. `None` for a panic, which the panic hook has
/// reported.
fn guarded<T>(work: impl FnOnce() -> T) -> Option<T> {
    // Unwind safe: the reactor is whole after a panic, see there, and everything else is on its way out.
    catch_unwind(AssertUnwindSafe(work)).map_err(std::mem::forget).ok() // Dropping the payload could panic again.
}
