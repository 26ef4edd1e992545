//! The six hooks in the client's own numbers, for whoever binds a client that is written in C.

#[cfg(doc)]
use crate::contract::*;
use crate::{ClientValue, Deadline, HookCall, Interest, Owner, RegistrationError, Registry, Token};

/// The six hooks of a registry, with the client's own numbers; see [`Registry::hooks`].
///
/// Each method converts the numbers, notifies the [`Owner`] before and after, and returns the result for the client. With the
/// feature `std`, the calling thread is [in a hook](crate::is_in_hook) meanwhile. The rules for threads and locks are those of
/// the registration methods of [`EventLoop`](crate::EventLoop).
#[derive(Debug)]
pub struct Hooks<'a, C: Owner>(&'a Registry<C>);

impl<C: Owner> Hooks<'_, C> {
    /// Registers the fd and returns the handle for the client.
    ///
    /// # Errors
    /// The code that the hook has to return, never 0 ([R3]). Nothing is registered; do not write a handle.
    pub fn fd_register(&self, fd: i32, events: i16, value: ClientValue) -> Result<u64, i32> {
        self.answer(HookCall::FdRegister { fd, events, value }, |registry| {
            registry.register_fd(fd, Interest::from_poll(events)?, value).map(Token::to_handle)
        })
    }

    /// Replaces the interest of the fd.
    ///
    /// # Errors
    /// The code that the hook has to return, never 0 ([R3]). The old interest remains.
    pub fn fd_modify(&self, handle: u64, fd: i32, events: i16) -> Result<(), i32> {
        self.answer(HookCall::FdModify { handle, fd, events }, |registry| {
            registry.modify_fd(handle, fd, Interest::from_poll(events)?).map(|()| handle)
        })
        .map(drop)
    }

    /// Ends the registration of the fd. The hook has no result, so a wrong handle is only reported to the owner.
    pub fn fd_deregister(&self, handle: u64, fd: i32) {
        _ = self.answer(HookCall::FdDeregister { handle, fd }, |registry| {
            registry.deregister_fd(handle, fd).map(|()| handle)
        });
    }

    /// Registers the timeout and returns the handle for the client. `written_to` is the address to which the handle will be
    /// written. libxl 4.2.0 later identifies the timeout by this address ([R13]). The address is compared and never read.
    ///
    /// # Errors
    /// The same as for [`fd_register`](Self::fd_register).
    pub fn timeout_register(&self, written_to: u64, secs: i64, micros: i64, value: ClientValue) -> Result<u64, i32> {
        self.answer(HookCall::TimeoutRegister { secs, micros, value }, |registry| {
            let token = registry.register_timeout(Deadline::from_timeval(secs, micros)?, value)?;
            registry.note_address(written_to, token);
            Ok(token.to_handle())
        })
    }

    /// Changes the deadline of the timeout, in practice to `{0,0}` ([R13]). A timeout that the loop has already taken is not an
    /// error ([R14]).
    ///
    /// # Errors
    /// The code that the hook has to return, never 0 ([R3]). The timeout is unchanged.
    pub fn timeout_modify(&self, handle: u64, secs: i64, micros: i64) -> Result<(), i32> {
        self.answer(HookCall::TimeoutModify { handle, secs, micros }, |registry| {
            registry.modify_timeout(handle, Deadline::from_timeval(secs, micros)?).map(|()| handle)
        })
        .map(drop)
    }

    /// Ends the registration of the timeout. `named` is the handle, or, with 4.2.0, the address to which it was written ([R13]).
    /// The hook has no result, so a wrong value is only reported to the owner.
    pub fn timeout_deregister(&self, named: u64) {
        let handle = self.0.timeout_named(named);
        _ = self.answer(HookCall::TimeoutDeregister { handle }, |registry| {
            registry.deregister_timeout(handle).map(|()| handle)
        });
    }

    fn answer(
        &self,
        call: HookCall,
        work: impl FnOnce(&Registry<C>) -> Result<u64, RegistrationError>,
    ) -> Result<u64, i32> {
        #[cfg(feature = "std")]
        let _in_hook = crate::InHook::begin();
        let owner = self.0.client();
        owner.hook_called(call);
        let answer = work(self.0);
        owner.hook_returns(call, answer.as_ref().copied());
        answer.map_err(|refusal| refusal.code())
    }
}

impl<C: Owner> Registry<C> {
    /// The hooks with the client's own numbers. They notify the owner.
    pub const fn hooks(&self) -> Hooks<'_, C> {
        Hooks(self)
    }
}
