//! Steps in words.

use crate::record::What;

pub(super) fn say(what: &What) -> String {
    match what {
        What::FdRegister { fd, events, value } => {
            format!("fd_register of fd {fd} for {events:#x} with value {value:#x}")
        }
        What::FdModify { fd, events, .. } => format!("fd_modify of fd {fd} to {events:#x}"),
        What::FdDeregister { fd, .. } => format!("fd_deregister of fd {fd}"),
        What::TimeoutRegister { deadline, value } => {
            format!("timeout_register for {deadline:?} with value {value:#x}")
        }
        What::TimeoutModify { handle, deadline } => format!("timeout_modify of {handle:#x} to {deadline:?}"),
        What::TimeoutDeregister { handle } => format!("timeout_deregister of {handle:#x}"),
        What::HookReturned { code, .. } => format!("a hook's return with {code}"),
        What::FdOccurrence { value, fd, revents, .. } => {
            format!("an occurrence of fd {fd} with {revents:#x} and value {value:#x}")
        }
        What::TimeoutOccurrence { value } => format!("an occurrence of the timeout with value {value:#x}"),
        What::OccurrenceReturned => "an occurrence's return".into(),
        What::Call => "a call by the application".into(),
        What::CallReturned => "a call's return".into(),
        What::Free => "the client's end".into(),
        What::Freed => "the end of the client's end".into(),
        What::Remark { text } => text.clone(),
    }
}
