//! The domains and their state, as libxl tells them.

use crate::domain_info::{DOMINFO, DomainInfo, domain_info};
use crate::error::Error;
use crate::hosted::Hosted;
use crate::question::Question;
use crate::structs::{Struct, take_json};
use core::ffi::c_int;
use xenlight_sys::{Ctx as RawCtx, codes};
use xenlight_types::DomainId;

/// The state of a domain, or libxl's result where it does not tell.
///
/// # Safety
/// The ctx is alive.
pub(crate) unsafe fn info(
    hosted: &Hosted,
    ctx: *mut RawCtx,
    domid: DomainId,
) -> Result<Result<DomainInfo, c_int>, Error> {
    let info = Struct::new(hosted.whole_library(), DOMINFO.0, DOMINFO.1)?;
    // SAFETY: the caller's promise; `info` is initialised, and written during the call.
    match unsafe { hosted.library().domain_info(ctx, info.as_ptr(), domid.get()) } {
        // SAFETY: the caller's promise.
        0 => Ok(Ok(domain_info(&unsafe { info.json(ctx) }?, hosted.library().release()))),
        rc => Ok(Err(rc)),
    }
}

/// All domains, in the order of their numbers. Takes none of libxl's locks.
pub(crate) fn all(question: &Question<'_>) -> Result<Vec<DomainInfo>, Error> {
    let (hosted, ctx) = (question.hosted, question.ctx);
    let mut count: c_int = 0;
    // SAFETY: the ctx lives during the question; `count` is written during the call.
    let list = unsafe { hosted.library().list_domain(ctx, &mut count) };
    if list.is_null() {
        return Err(question.error(codes::ERROR_FAIL));
    }
    // SAFETY: the ctx lives during the question; the array is ours to free, with its count.
    let all = unsafe { take_json(hosted, ctx, DOMINFO, list, count) }?;
    Ok(all.iter().map(|info| domain_info(info, hosted.library().release())).collect())
}
