//! Runs osevent-core without std: exits with 0 if a client was driven from its registration to its
//! release, with the number of the step that failed otherwise. It prints nothing.
//!
//! Std would bring a panic handler and an allocator of its own; that this links with ours is the proof
//! that nothing here pulls it in. The C library is there for the start of the process, and for
//! memcpy and its like, which the compiler calls.
#![no_std]
#![no_main]

extern crate alloc;

mod bump;

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::num::NonZeroU64;
use core::sync::atomic::{AtomicU32, Ordering};
use osevent_core::{
    Client, ClientValue, Deadline, EventLoop, FdSource, GoneId, Interest, LockRule, LoopError, Owner, Readiness,
    Registry, ThreadId, TimerSource, Token,
};

#[global_allocator]
static ALLOCATOR: bump::Bump = bump::Bump::new();

#[panic_handler]
fn panicked(_: &core::panic::PanicInfo<'_>) -> ! {
    unsafe extern "C" {
        safe fn abort() -> !;
    }
    abort()
}

/// The compiled `alloc` refers to it, for unwinding, which this program does not do: its profiles abort.
// SAFETY: nobody else defines the symbol, since std, which would, is not linked; nobody calls it.
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}

/// One source of each kind is enough here.
struct TinyLoop {
    fds: spin::Mutex<Vec<FdSource>>,
    timers: spin::Mutex<Vec<TimerSource>>,
}

impl EventLoop for TinyLoop {
    fn add_fd(&self, source: FdSource, _: Interest) -> Result<(), LoopError> {
        self.fds.lock().push(source);
        Ok(())
    }

    fn modify_fd(&self, _: Token, _: Interest) -> Result<(), LoopError> {
        Ok(())
    }

    fn remove_fd(&self, token: Token) {
        self.fds.lock().retain(|source| source.token() != token);
    }

    fn add_timer(&self, source: TimerSource, _: Deadline) -> Result<(), LoopError> {
        self.timers.lock().push(source);
        Ok(())
    }

    fn modify_timer(&self, _: Token, _: Deadline) {}

    fn remove_timer(&self, token: Token) {
        self.timers.lock().retain(|source| source.token() != token);
    }

    fn turn(&self, _: Option<i32>) -> Result<(), LoopError> {
        Err(LoopError::Unsupported("wait"))
    }

    /// It never ends.
    fn on_gone(&self, _: Box<dyn FnOnce() + Send>) -> GoneId {
        GoneId::new(0)
    }

    fn forget_gone(&self, _: GoneId) {}
}

/// Adds up what it is called with.
#[derive(Default)]
struct Counting(AtomicU32);

impl Client for Counting {
    fn occurred_fd(&self, value: ClientValue, _: i32, _: Interest, _: Readiness) {
        self.0.fetch_add(value.0 as u32, Ordering::Relaxed);
    }

    fn occurred_timeout(&self, value: ClientValue) {
        self.0.fetch_add(value.0 as u32, Ordering::Relaxed);
    }

    fn release(&self) {
        self.0.fetch_add(100, Ordering::Relaxed);
    }
}

impl Owner for Counting {}

/// There is one thread.
fn the_thread() -> ThreadId {
    ThreadId(NonZeroU64::MIN)
}

fn run() -> Result<(), i32> {
    let event_loop = Arc::new(TinyLoop { fds: spin::Mutex::new(Vec::new()), timers: spin::Mutex::new(Vec::new()) });
    let registry = Registry::new(event_loop.clone(), LockRule::Concurrent, the_thread, |_| Counting::default());
    {
        let _call = registry.enter().map_err(|_| 1)?;
        registry.register_fd(0, Interest::IN, ClientValue(1)).map_err(|_| 2)?;
        registry.register_timeout(Deadline::ASAP, ClientValue(10)).map_err(|_| 3)?;
    }
    let source = event_loop.fds.lock().pop().ok_or(4)?;
    if !source.ready(Readiness::IN) {
        return Err(5);
    }
    let timer = event_loop.timers.lock().pop().ok_or(6)?;
    if !timer.expire() {
        return Err(7);
    }
    registry.close();
    if registry.client().0.load(Ordering::Relaxed) != 111 || registry.census().registered != 0 {
        return Err(8);
    }
    Ok(())
}

// SAFETY: the C runtime's start calls the one symbol of this name with this calling convention; no
// other crate of this program has one.
#[unsafe(no_mangle)]
extern "C" fn main() -> i32 {
    run().err().unwrap_or(0)
}
