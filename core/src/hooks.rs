//! The six hooks in the client's own numbers, for whoever binds a client that is written in C.

#[cfg(doc)]
use crate::contract::*;
use crate::{ClientValue, Deadline, HookCall, Interest, Owner, RegistrationError, Registry, Token};

/// A registry's six hooks in the client's own numbers, of [`Registry::hooks`].
///
/// Each converts what the client passes, tells the [`Owner`] before and after, and returns what the client's hook has to
/// return. With the feature `std`, the calling thread is [in a hook](crate::is_in_hook) meanwhile. Threads and locks are
/// those of the [`EventLoop`](crate::EventLoop)'s registration methods.
#[derive(Debug)]
pub struct Hooks<'a, C: Owner>(&'a Registry<C>);

impl<C: Owner> Hooks<'_, C> {
    /// Watches the fd; the handle to give to the client.
    ///
    /// # Errors
    /// What the hook has to return: never 0 ([R3]). Nothing is registered, and no handle is to be written.
    pub fn fd_register(&self, fd: i32, events: i16, value: ClientValue) -> Result<u64, i32> {
        self.answer(HookCall::FdRegister { fd, events, value }, |registry| {
            registry.register_fd(fd, Interest::from_poll(events)?, value).map(Token::to_handle)
        })
    }

    /// Replaces the fd's interest.
    ///
    /// # Errors
    /// What the hook has to return: never 0 ([R3]). The old interest stays in force.
    pub fn fd_modify(&self, handle: u64, fd: i32, events: i16) -> Result<(), i32> {
        self.answer(HookCall::FdModify { handle, fd, events }, |registry| {
            registry.modify_fd(handle, fd, Interest::from_poll(events)?).map(|()| handle)
        })
        .map(drop)
    }

    /// Ends the fd's registration. The hook has no result, so that the handle was wrong is told to the owner alone.
    pub fn fd_deregister(&self, handle: u64, fd: i32) {
        _ = self.answer(HookCall::FdDeregister { handle, fd }, |registry| {
            registry.deregister_fd(handle, fd).map(|()| handle)
        });
    }

    /// Registers the timeout; the handle to give to the client. `written_to` is the address that the handle is going to be
    /// written to, by which 4.2.0 names the timeout later ([R13]); it is compared, never read.
    ///
    /// # Errors
    /// As for [`fd_register`](Self::fd_register).
    pub fn timeout_register(&self, written_to: u64, secs: i64, micros: i64, value: ClientValue) -> Result<u64, i32> {
        self.answer(HookCall::TimeoutRegister { secs, micros, value }, |registry| {
            let token = registry.register_timeout(Deadline::from_timeval(secs, micros)?, value)?;
            registry.note_address(written_to, token);
            Ok(token.to_handle())
        })
    }

    /// Moves the timeout, in practice to `{0,0}` ([R13]). One that the loop has taken already is no error ([R14]).
    ///
    /// # Errors
    /// What the hook has to return: never 0 ([R3]). The timeout stays as it is.
    pub fn timeout_modify(&self, handle: u64, secs: i64, micros: i64) -> Result<(), i32> {
        self.answer(HookCall::TimeoutModify { handle, secs, micros }, |registry| {
            registry.modify_timeout(handle, Deadline::from_timeval(secs, micros)?).map(|()| handle)
        })
        .map(drop)
    }

    /// Ends the timeout's registration. `named` is the handle, or, from 4.2.0, the address that it was written to ([R13]).
    /// The hook has no result, so that it was wrong is told to the owner alone.
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
    /// The hooks in the client's own numbers, with its owner told of each.
    pub const fn hooks(&self) -> Hooks<'_, C> {
        Hooks(self)
    }
}
