//! What is seen of the hooks' work: by the ctx's tracer, and by the error of the operation that a refusal makes fail.
//!
//! The hooks themselves are osevent-hooks'.

use crate::contain::{contained, say};
#[cfg(doc)]
use crate::contract::*;
use crate::lock;
use crate::trace::{Trace, Tracer};
use crate::words::Hearing;
use osevent_core::{HookCall, InHook, RegistrationError};
use std::sync::Mutex;

pub(crate) struct HookState {
    tracer: Option<Tracer>,
    /// What a hook refused last ([R3]).
    refusal: Mutex<Option<RegistrationError>>,
}

impl HookState {
    pub(crate) fn new(tracer: Option<Tracer>) -> Self {
        Self { tracer, refusal: Mutex::default() }
    }

    pub(crate) fn trace(&self, step: Trace) {
        if let Some(tracer) = &self.tracer {
            // Also around occurrences, where the lock is not held yet: one rule for all steps.
            let _in_hook = InHook::begin();
            contained(|| tracer(step));
        }
    }

    pub(crate) fn take_refusal(&self) -> Option<RegistrationError> {
        lock(&self.refusal).take()
    }

    pub(crate) fn called(&self, hearing: &Hearing, call: HookCall) {
        self.trace(step(call));
        // Before it is registered: once the loop knows of it, it can occur on another thread.
        match call {
            HookCall::FdRegister { fd, value, .. } => hearing.registers(value.0, Some(fd)),
            HookCall::TimeoutRegister { value, .. } => hearing.registers(value.0, None),
            _ => {}
        }
    }

    pub(crate) fn returns(&self, hearing: &Hearing, call: HookCall, answer: Result<u64, &RegistrationError>) {
        let (handle, code) = match answer {
            Ok(handle) => (handle, 0),
            Err(error) => {
                match call {
                    HookCall::FdRegister { fd, value, .. } => hearing.refused(value.0, Some(fd)),
                    HookCall::TimeoutRegister { value, .. } => hearing.refused(value.0, None),
                    _ => {}
                }
                if call.has_result() {
                    say!(Debug, "{call}: {error}");
                    *lock(&self.refusal) = Some(error.clone());
                } else {
                    say!(Error, "{call}: {error}");
                }
                (named(call), if call.has_result() { error.code() } else { 0 })
            }
        };
        self.trace(Trace::HookReturned { handle, code });
    }
}

/// The registration that the call is about; 0 where it is a new one.
fn named(call: HookCall) -> u64 {
    match call {
        HookCall::FdRegister { .. } | HookCall::TimeoutRegister { .. } => 0,
        HookCall::FdModify { handle, .. }
        | HookCall::FdDeregister { handle, .. }
        | HookCall::TimeoutModify { handle, .. }
        | HookCall::TimeoutDeregister { handle } => handle,
    }
}

fn step(call: HookCall) -> Trace {
    match call {
        HookCall::FdRegister { fd, events, value } => Trace::FdRegister { fd, events, value: value.0 },
        HookCall::FdModify { handle, fd, events } => Trace::FdModify { handle, fd, events },
        HookCall::FdDeregister { handle, fd } => Trace::FdDeregister { handle, fd },
        HookCall::TimeoutRegister { secs, micros, value } => {
            Trace::TimeoutRegister { deadline: (secs, micros), value: value.0 }
        }
        HookCall::TimeoutModify { handle, secs, micros } => Trace::TimeoutModify { handle, deadline: (secs, micros) },
        HookCall::TimeoutDeregister { handle } => Trace::TimeoutDeregister { handle },
    }
}
