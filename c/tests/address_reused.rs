//! malloc(3) gives an address again before `libxl_ctx_free` has returned, so a new ctx may come at the address of
//! one that is being freed.

use osevent::{Ctx, Hooks, Libxl, Osevent, osevent_close, osevent_free, osevent_host_libxl, osevent_new, osevent_wait};
use std::ffi::{c_int, c_short, c_void};
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, Ordering};

static EV: AtomicPtr<Osevent> = AtomicPtr::new(ptr::null_mut());
static RC: AtomicI32 = AtomicI32::new(1);
static REUSED: AtomicBool = AtomicBool::new(false);

unsafe extern "C" fn hooks(_: *mut Ctx, _: *const Hooks, _: *mut c_void) {}
unsafe extern "C" fn fd(_: *mut Ctx, _: *mut c_void, _: c_int, _: c_short, _: c_short) {}
unsafe extern "C" fn timeout(_: *mut Ctx, _: *mut c_void) {}

/// The memory is free already, and another thread hosts a new ctx there before this returns.
unsafe extern "C" fn free(ctx: *mut Ctx) -> c_int {
    if !REUSED.swap(true, Ordering::SeqCst) {
        let address = ctx.addr();
        let host = move || {
            let ev = EV.load(Ordering::SeqCst);
            // SAFETY: `ev` lives until the test ends; the functions above do not look at the ctx.
            unsafe { osevent_host_libxl(ev, ptr::without_provenance_mut(address), &LIBXL) }
        };
        RC.store(std::thread::spawn(host).join().unwrap(), Ordering::SeqCst);
    }
    0
}

static LIBXL: Libxl = Libxl {
    register_hooks: Some(hooks),
    occurred_fd: Some(fd),
    occurred_timeout: Some(timeout),
    ctx_free: Some(free),
    serialized: 0,
};

#[test]
fn a_new_ctx_is_hosted_at_the_address_of_one_that_is_being_freed() {
    let mut ev = ptr::null();
    let ctx = ptr::without_provenance_mut(0x1000);
    // SAFETY: the functions of LIBXL do not look at the ctx, and `ev` is used only until it is freed.
    unsafe {
        assert_eq!(osevent_new(&mut ev), 0);
        EV.store(ev.cast_mut(), Ordering::SeqCst);
        assert_eq!(osevent_host_libxl(ev, ctx, &LIBXL), 0);
        assert_eq!(osevent_close(ev, ctx), 0);
        assert_eq!(RC.load(Ordering::SeqCst), 0, "the new ctx is refused");
        // The end of the old one has not taken the new one out.
        assert_eq!(osevent_wait(ev, ctx, 0), -libc::ETIMEDOUT);
        assert_eq!(osevent_close(ev, ctx), 0);
        assert_eq!(osevent_wait(ev, ctx, 0), 0);
        assert_eq!(osevent_free(ev.cast_mut()), 0);
    }
}
