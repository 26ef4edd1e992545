//! Hooks.

use super::{Inside, Replay};
use crate::boundary::Rule;
#[cfg(doc)]
use crate::contract::*;
use crate::monitor::registration::{Fd, Timeout};
use crate::record::What;
use std::os::fd::RawFd;
use std::time::Duration;

/// Libxl's `ERROR_OSEVENT_REG_FAIL` ([R3]).
const REG_FAIL: i32 = -12;

impl Replay<'_> {
    pub(super) fn hook(&mut self, at: usize) {
        let step = self.steps(at);
        let dying = self.state(at).free;
        if let Some(free) = dying {
            let here = self.threads[step.thread as usize]
                .iter()
                .any(|open| open.what == Inside::Free && open.client == step.client);
            if self.state(at).freed {
                self.wrong("X4", at, format!("{} after the client was freed", self.say(at)));
            } else if !here {
                self.wrong(
                    "X4",
                    at,
                    format!("{} while the client is being freed on another thread, since step {free}", self.say(at)),
                );
            } else if !matches!(step.what, What::FdDeregister { .. }) {
                self.wrong("X2", at, format!("{} while the client is being freed", self.say(at)));
            }
        }
        let serialized = self.rule(at) == Rule::Serialized;
        let what = match step.what {
            What::FdRegister { fd, events, value } => {
                let about = Fd::new(fd, events);
                Inside::FdHook(Some(self.clients[step.client as usize].fds.add(at, value, about)))
            }
            What::FdModify { fd, handle, events } => {
                let found = self.find_fd(at, handle, fd);
                if let Some(found) = found {
                    self.fd(at, found).about.ask(events);
                }
                Inside::FdHook(found)
            }
            What::FdDeregister { fd, handle } => {
                let found = self.find_fd(at, handle, fd);
                if let Some(found) = found {
                    self.fd(at, found).ended = Some(at);
                }
                Inside::FdHook(found)
            }
            What::TimeoutRegister { deadline, value } => {
                let about = Timeout::new(deadline, at);
                Inside::TimeoutHook(Some(self.clients[step.client as usize].timeouts.add(at, value, about)))
            }
            What::TimeoutModify { handle, deadline } => {
                if serialized || deadline != (0, 0) {
                    self.wrong("R13", at, format!("the client moves a timeout to {deadline:?}, which no libxl does"));
                }
                let found = self.find_timeout(at, handle);
                if let Some(found) = found {
                    let timeout = self.timeout(at, found);
                    if timeout.stands() {
                        timeout.about.move_to(deadline, at);
                    }
                }
                Inside::TimeoutHook(found)
            }
            What::TimeoutDeregister { handle } => {
                if !serialized {
                    self.wrong(
                        "R13",
                        at,
                        "the client calls timeout_deregister, which libxl does in 4.2.0 and 4.2.1 only".into(),
                    );
                }
                let found = self.find_timeout(at, handle);
                if let Some(found) = found {
                    self.timeout(at, found).ended.get_or_insert(at);
                }
                Inside::TimeoutHook(found)
            }
            _ => unreachable!("the rest are no hooks"),
        };
        self.push(at, what);
    }

    fn find_fd(&mut self, at: usize, handle: u64, fd: RawFd) -> Option<usize> {
        let fds = &self.state(at).fds;
        let matches = |found: &usize| fds.all[*found].stands() && fds.all[*found].about.fd == fd;
        let found = fds.with_handle(handle).rev().find(matches);
        if found.is_none() {
            self.wrong("R2", at, format!("{}, and no registration of that fd has handle {handle:#x}", self.say(at)));
        }
        found
    }

    fn find_timeout(&mut self, at: usize, handle: u64) -> Option<usize> {
        let timeouts = &self.state(at).timeouts;
        let named = || timeouts.with_handle(handle).rev();
        let found = named().find(|found| timeouts.all[*found].stands()).or_else(|| named().next());
        if found.is_none() {
            self.wrong("R2", at, format!("{}, and no timeout has handle {handle:#x}", self.say(at)));
        }
        found
    }

    pub(super) fn hook_returned(&mut self, at: usize, handle: u64, code: i32) {
        let step = self.steps(at);
        let Some(hook) = self.threads[step.thread as usize].pop() else { return };
        let began = self.steps(hook.step);
        let took = Duration::from_nanos(step.at - began.at);
        if let Some(occurrence) = hook.outlived.filter(|_| took >= self.limits.hook) {
            let text = format!(
                "{} took {took:?}, until an occurrence elsewhere had returned: {}",
                self.say(hook.step),
                self.say(occurrence)
            );
            self.wrong("R15", at, text);
        }
        if code < 0 && code != REG_FAIL {
            self.wrong(
                "R3",
                at,
                format!("{} returns {code}, which libxl takes for an error of its own", self.say(hook.step)),
            );
        }
        if code == libc::EPERM && matches!(began.what, What::FdRegister { .. }) {
            self.wrong("R7", at, format!("{} is refused with EPERM: poll(2) accepts it", self.say(hook.step)));
        }
        match hook.what {
            Inside::FdHook(Some(found)) => self.fd_hook_returned(at, &began.what, found, handle, code),
            Inside::TimeoutHook(Some(found)) => self.timeout_hook_returned(at, hook.step, found, handle, code),
            _ => {}
        }
    }

    fn fd_hook_returned(&mut self, at: usize, began: &What, found: usize, handle: u64, code: i32) {
        let registers = matches!(began, What::FdRegister { .. });
        if !registers && !matches!(began, What::FdModify { .. }) {
            return;
        }
        let fds = &mut self.clients[self.record.steps[at].client as usize].fds;
        if code == 0 {
            fds.all[found].about.asked(at);
        }
        if code == 0 || !registers {
            // Kept even where fd_modify fails (R2).
            fds.has_handle(found, handle);
        } else {
            fds.all[found].refused = Some(at);
            let came = fds.all[found].about.occurrences.first().copied();
            self.refused_what_came(at, came);
        }
    }

    fn timeout_hook_returned(&mut self, at: usize, began: usize, found: usize, handle: u64, code: i32) {
        let timeouts = &mut self.clients[self.record.steps[at].client as usize].timeouts;
        let timeout = &mut timeouts.all[found];
        let occurrence = timeout.about.occurrence;
        match self.record.steps[began].what {
            What::TimeoutRegister { .. } if code == 0 => {
                timeout.about.known = Some(at);
                timeouts.has_handle(found, handle);
            }
            What::TimeoutRegister { .. } => {
                timeout.refused = Some(at);
                self.refused_what_came(at, occurrence);
            }
            What::TimeoutModify { .. } => {
                timeout.about.known.get_or_insert(at);
                if code != 0 {
                    let clause = if occurrence.is_some_and(|occurrence| occurrence < began) { "R14" } else { "R3" };
                    self.wrong(clause, at, format!("{} returns {code}, at which libxl does not look", self.say(began)));
                }
            }
            _ => {}
        }
    }

    fn refused_what_came(&mut self, at: usize, came: Option<usize>) {
        if let Some(came) = came {
            self.wrong("R3", at, format!("the host refuses what has occurred in step {came}"));
        }
    }
}
