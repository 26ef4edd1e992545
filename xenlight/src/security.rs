//! The security policy of the hypervisor (XSM, FLASK).

use crate::ctx::Ctx;
use crate::error::{Error, fits};
use crate::hosted::Hosted;
use crate::question::Question;
use crate::task::Task;
use core::ffi::c_int;
use core::ptr;
use std::ffi::CString;
use xenlight_sys::codes;

/// # Security policy
///
/// For a hypervisor that was built and booted with FLASK. Others answer with [`Error::Libxl`].
impl Ctx {
    /// Whether the policy is enforced; false if what it forbids is only noted.
    ///
    /// # Errors
    /// [`Error::Libxl`] or [`Error::Closed`].
    pub fn is_policy_enforced(&self) -> Result<bool, Error> {
        self.ask(Task::without("ask whether the security policy is enforced"), |question| {
            // SAFETY: the ctx lives during `ask`.
            let enforced = unsafe { question.hosted.library().flask_getenforce(question.ctx) };
            Ok(checked(question, enforced)? > 0)
        })
    }

    /// Has the policy enforced, or what it forbids only noted.
    ///
    /// # Errors
    /// [`Error::Libxl`] or [`Error::Closed`].
    pub fn enforce_policy(&self, enforce: bool) -> Result<(), Error> {
        self.ask(Task::without("change whether the security policy is enforced"), |question| {
            // SAFETY: the ctx lives during `ask`.
            let rc = unsafe { question.hosted.library().flask_setenforce(question.ctx, i32::from(enforce)) };
            checked(question, rc).map(|_| ())
        })
    }

    /// Loads a policy, as `checkpolicy` makes it.
    ///
    /// # Errors
    /// [`Error::Libxl`] if it is none; [`Error::OutOfRange`], [`Error::Closed`].
    pub fn load_policy(&self, policy: &[u8]) -> Result<(), Error> {
        let size: u32 = fits("size of the policy in bytes", policy.len() as u64)?;
        self.ask(Task::without("load a security policy"), |question| {
            let library = question.hosted.library();
            // SAFETY: the ctx lives during `ask`; the policy has this size, and is only read.
            let rc = unsafe { library.flask_loadpolicy(question.ctx, policy.as_ptr().cast_mut().cast(), size) };
            checked(question, rc).map(|_| ())
        })
    }

    /// The number of a label, such as `system_u:system_r:domU_t`.
    ///
    /// # Errors
    /// [`Error::Libxl`] if the policy has no such label; [`Error::Nul`], [`Error::Closed`].
    pub fn label_number(&self, label: &str) -> Result<u32, Error> {
        let label = CString::new(label).map_err(|_| Error::Nul("the label"))?;
        self.ask(Task::without("find a security label"), |question| {
            let mut number = 0;
            let size = label.as_bytes().len();
            let library = question.hosted.library();
            // SAFETY: the ctx lives during `ask`; the label has this size, and is only read; the number is written.
            let rc =
                unsafe { library.flask_context_to_sid(question.ctx, label.as_ptr().cast_mut(), size, &mut number) };
            checked(question, rc).map(|_| number)
        })
    }

    /// The label of a number, such as [`DomainInfo`](crate::DomainInfo) has it.
    ///
    /// # Errors
    /// [`Error::Libxl`] if the policy has no such number; [`Error::Closed`].
    pub fn label(&self, number: u32) -> Result<String, Error> {
        self.ask(Task::without("find a security label"), |question| {
            let (mut label, mut size) = (ptr::null_mut(), 0);
            // SAFETY: the ctx lives during `ask`; address and size are written during the call.
            let rc =
                unsafe { question.hosted.library().flask_sid_to_context(question.ctx, number, &mut label, &mut size) };
            // SAFETY: null, or libxl's string, ours to free.
            let label = unsafe { Hosted::take_string(label) };
            checked(question, rc).map(|_| label.unwrap_or_default())
        })
    }
}

/// The number that is returned, or the error: a negative one, which is not one of libxl's codes.
fn checked(question: &Question<'_>, returned: c_int) -> Result<c_int, Error> {
    if returned < 0 { Err(question.error(codes::ERROR_FAIL)) } else { Ok(returned) }
}
