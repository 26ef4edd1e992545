//! A loop outlives the ctxs on it, so a closed one leaves nothing there. A test program of its own, because it counts
//! what the allocator is asked for.

use libtest_mimic::{Arguments, Completion, Failed, Trial};
use osevent_core::EventLoop;
use osevent_epoll::Reactor;
use osevent_standin_machine::Machine;
use std::alloc::{GlobalAlloc, Layout, System};
use std::env;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicIsize, Ordering};
use xenlight::{Ctx, Error, Library};

struct Counting;

/// What is allocated now. Relaxed: read where only one thread is.
static BYTES: AtomicIsize = AtomicIsize::new(0);

// SAFETY: all is passed on to the system's allocator as it came; counting neither allocates nor panics.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        BYTES.fetch_add(layout.size() as isize, Ordering::Relaxed);
        // SAFETY: the caller keeps to GlobalAlloc's rules, which are System's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        BYTES.fetch_sub(layout.size() as isize, Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.dealloc(ptr, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Set for the process that opens ctxs, on the pretend machine: which of [`CASES`] it is for.
const CASE: &str = "XENLIGHT_TEST_CASE";

/// What is done with a ctx, many times. The name, and whether xenstored can be reached.
const CASES: [(&str, bool); 2] = [
    ("a_ctx_that_is_closed_leaves_nothing_in_its_loop", true),
    ("a_ctx_that_cannot_be_opened_leaves_nothing_in_its_loop", false),
];

const MANY: usize = 1_000;

fn main() -> ExitCode {
    if let Some(reachable) = env::var_os(CASE) {
        println!("{}", left_behind(reachable == "true"));
        return ExitCode::SUCCESS;
    }
    let cases = CASES.map(|(name, reachable)| Trial::ignorable_test(name, move || leaves_nothing(reachable)));
    libtest_mimic::run(&Arguments::from_args(), cases.into()).exit_code()
}

fn leaves_nothing(reachable: bool) -> Result<Completion, Failed> {
    if let Err(missing) = Library::load() {
        return Ok(Completion::ignored_with(missing.to_string()));
    }
    let machine = Machine::new()?;
    let mut command = machine.command(env::current_exe()?);
    command.env(CASE, reachable.to_string());
    if !reachable {
        command.env("XENSTORED_PATH", "/dev/null/nobody");
    }
    let output = command.output()?;
    let left = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() || left.trim() != "0" {
        let heard = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{MANY} ctxs left {} bytes; {}, {heard}", left.trim(), output.status).into());
    }
    Ok(Completion::Completed)
}

/// The bytes that remain of many ctxs on one loop.
fn left_behind(reachable: bool) -> isize {
    let library = Library::load().expect("it was loaded before");
    let event_loop: Arc<dyn EventLoop> = Reactor::new().expect("fds are free");
    let open = || match Ctx::open(&library, event_loop.clone()) {
        Ok(ctx) => {
            assert!(reachable, "it was opened");
            ctx.close_blocking().expect("the loop can be turned");
        }
        Err(error) => assert!(!reachable && matches!(error, Error::Open { .. }), "{error}"),
    };
    // The first ones make what is kept for all.
    (0..16).for_each(|_| open());
    let before = BYTES.load(Ordering::Relaxed);
    (0..MANY).for_each(|_| open());
    BYTES.load(Ordering::Relaxed) - before
}
