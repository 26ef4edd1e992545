//! The same as `host`, by libxl alone, which has its own loop then.

#[path = "../memory_of.rs"]
mod memory_of;
#[path = "../silent.rs"]
mod silent;

use anyhow::ensure;
use std::ptr;
use xenlight_sys::{Library, codes};

fn main() -> anyhow::Result<()> {
    let domids = std::env::args().skip(1).map(|domid| domid.parse()).collect::<Result<Vec<u32>, _>>()?;
    let library = Library::load()?;
    let mut logger = silent::logger();
    let mut ctx = ptr::null_mut();
    // SAFETY: both pointers are good for the call, and the logger is until the process ends.
    let rc = unsafe { library.ctx_alloc(&mut ctx, codes::LIBXL_VERSION, 0, &mut logger) };
    ensure!(rc == 0, "no ctx: {rc}");
    for domid in domids {
        let mut evgen = ptr::null_mut();
        // SAFETY: the ctx has been made and is not freed; `evgen` is written during the call.
        let rc = unsafe { library.evenable_domain_death(ctx, domid, 0, &mut evgen) };
        ensure!(rc == 0, "no watch: {rc}");
    }
    println!("{:?}", memory_of::this_process()?);
    // SAFETY: nobody else uses the ctx.
    unsafe { library.ctx_free(ctx) };
    Ok(())
}
