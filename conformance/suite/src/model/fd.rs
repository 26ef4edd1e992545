//! `libxl__ev_fd`, and the nexuses that stand for it.

use super::ctx::Locked;
use super::nexus::{Pool, Slot, garbage, place};
use super::poll;
#[cfg(doc)]
use crate::contract::*;
use std::os::fd::RawFd;
use std::sync::Arc;

/// A `libxl__ev_fd` on libxl's heap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FdEv(pub(super) usize);

/// `libxl__ev_fd_callback`: gets the fd and the `revents` of poll(2). Called under the ctx lock.
pub type FdCallback = Arc<dyn Fn(&Locked<'_>, RawFd, i16) + Send + Sync>;

/// All of a ctx.
pub(super) struct Fds {
    evs: Vec<Ev>,
    /// `CTX->efds`: newest first.
    listed: Vec<FdEv>,
    /// `CTX->hook_fd_nexi_idle` and all that ever left it.
    nexuses: Pool<FdEv>,
}

struct Ev {
    /// -1 while it is not registered, as in libxl.
    fd: RawFd,
    events: i16,
    callback: Option<FdCallback>,
    nexus: Option<usize>,
    /// 4.2.0, 4.2.1: `for_app_reg` is in the struct.
    for_app: Slot,
    freed: bool,
    /// All numbers that it was registered with.
    past: Vec<RawFd>,
    /// Occurrences since the interest became empty.
    while_empty: u32,
}

/// Where libxl's heap has its ev structs, and its nexuses for fds: any numbers that no host can mistake for its own.
const EVS: u64 = 0x5000_0000_0000;
const NEXUSES: u64 = 0x5100_0000_0000;

/// An fd whose interest became empty may still occur once, from before; a few times, where several threads dispatch. A host
/// that keeps it in its set makes thousands ([R5]).
const IN_FLIGHT: u32 = 8;

impl Default for Fds {
    fn default() -> Self {
        Self { evs: Vec::new(), listed: Vec::new(), nexuses: Pool::new(NEXUSES) }
    }
}

impl Fds {
    /// A struct as `libxl__ev_fd_init` leaves it. Its memory is never used again, so that late uses show.
    pub(super) fn alloc(&mut self) -> FdEv {
        self.evs.push(Ev {
            fd: -1,
            events: 0,
            callback: None,
            nexus: None,
            for_app: garbage(),
            freed: false,
            past: Vec::new(),
            while_empty: 0,
        });
        FdEv(self.evs.len() - 1)
    }

    pub(super) fn registered(&self) -> usize {
        self.listed.len()
    }

    pub(super) fn take_callbacks(&mut self) -> Vec<FdCallback> {
        self.evs.iter_mut().filter_map(|ev| ev.callback.take()).collect()
    }
}

impl Locked<'_> {
    /// Allocates an ev struct.
    pub fn fd_alloc(&self) -> FdEv {
        self.state().fds.alloc()
    }

    /// Frees an ev struct, which must not be registered.
    pub fn fd_free(&self, ev: FdEv) {
        let mut state = self.state();
        let ev = &mut state.fds.evs[ev.0];
        assert_eq!(ev.fd, -1, "libxl does not free what is registered");
        ev.freed = true;
        ev.for_app = garbage();
    }

    /// `libxl__ev_fd_register`. The result is 0, or the code of the host ([R3]).
    pub fn fd_register(&self, ev: FdEv, fd: RawFd, events: i16, callback: FdCallback) -> i32 {
        assert!(fd >= 0 && !self.fd_is_registered(ev), "libxl does not do that");
        let (value, for_app) = {
            let mut state = self.state();
            let fds = &mut state.fds;
            if self.ctx.release.has_nexuses() {
                let nexus = fds.nexuses.alloc(ev);
                fds.evs[ev.0].nexus = Some(nexus);
                (fds.nexuses.value(nexus), fds.nexuses.for_app(nexus))
            } else {
                (EVS + 64 * ev.0 as u64, fds.evs[ev.0].for_app.clone())
            }
        };
        let code = self.hook("fd_register", |host| host.fd_register(fd, &mut for_app.lock(), events, value));
        let mut state = self.state();
        let fds = &mut state.fds;
        if let Some(code) = code.filter(|code| *code != 0) {
            if let Some(nexus) = fds.evs[ev.0].nexus {
                fds.nexuses.release(nexus);
            }
            return code;
        }
        let old = {
            let ev = &mut fds.evs[ev.0];
            (ev.fd, ev.events, ev.while_empty) = (fd, events, 0);
            ev.past.push(fd);
            ev.callback.replace(callback)
        };
        fds.listed.insert(0, ev);
        drop(state);
        drop(old);
        0
    }

    /// `libxl__ev_fd_modify`.
    pub fn fd_modify(&self, ev: FdEv, events: i16) -> i32 {
        assert!(self.fd_is_registered(ev), "libxl asserts that");
        let (fd, for_app) = self.fd_and_slot(ev);
        let code = self.hook("fd_modify", |host| host.fd_modify(fd, &mut for_app.lock(), events)).unwrap_or(0);
        if code == 0 {
            let mut state = self.state();
            let ev = &mut state.fds.evs[ev.0];
            (ev.events, ev.while_empty) = (events, 0);
        }
        code
    }

    /// `libxl__ev_fd_deregister`: does nothing if it is not registered.
    pub fn fd_deregister(&self, ev: FdEv) {
        if !self.fd_is_registered(ev) {
            return;
        }
        let (fd, for_app) = self.fd_and_slot(ev);
        {
            // Before the hook, as osevent_hook_pre_release.
            let mut state = self.state();
            if let Some(nexus) = state.fds.evs[ev.0].nexus {
                state.fds.nexuses.release(nexus);
            }
        }
        let handle = *for_app.lock();
        self.hook("fd_deregister", |host| host.fd_deregister(fd, handle));
        let mut state = self.state();
        state.fds.listed.retain(|listed| *listed != ev);
        state.fds.evs[ev.0].fd = -1;
    }

    /// `libxl__ev_fd_isregistered`.
    pub fn fd_is_registered(&self, ev: FdEv) -> bool {
        self.state().fds.evs[ev.0].fd >= 0
    }

    /// All registered ev structs with fd and interest, newest first.
    pub fn fds_registered(&self) -> Vec<(FdEv, RawFd, i16)> {
        let state = self.state();
        let evs = &state.fds.evs;
        state.fds.listed.iter().map(|ev| (*ev, evs[ev.0].fd, evs[ev.0].events)).collect()
    }

    fn fd_and_slot(&self, ev: FdEv) -> (RawFd, Slot) {
        let state = self.state();
        let ev = &state.fds.evs[ev.0];
        (ev.fd, ev.nexus.map_or_else(|| ev.for_app.clone(), |nexus| state.fds.nexuses.for_app(nexus)))
    }

    /// `libxl_osevent_occurred_fd`, under the lock.
    pub(super) fn fd_occurred(&self, value: u64, fd: RawFd, events: i16, revents: i16) {
        if self.ctx.release.has_nexuses() {
            self.fd_occurred_for_nexus(value, fd);
        } else {
            self.fd_occurred_for_ev(value, fd, events, revents);
        }
    }

    /// 4.2.2 on: whatever comes is compared with what is there now, and the fd is polled again ([O3], [O4]).
    fn fd_occurred_for_nexus(&self, value: u64, fd: RawFd) {
        let ev = {
            let mut state = self.state();
            let Some(nexus) = state.fds.nexuses.find(value) else {
                drop(state);
                return self
                    .violation("R10", format!("an fd occurs for {value:#x}, which libxl never passed to fd_register"));
            };
            let past = state.fds.nexuses.users(nexus).iter().any(|ev| state.fds.evs[ev.0].past.contains(&fd));
            if !past {
                drop(state);
                return self
                    .violation("O11", format!("fd {fd} occurs for {value:#x}, which never stood for that number"));
            }
            // A stale one finds no ev, or one with another fd, and is dropped.
            let Some(ev) = state.fds.nexuses.ev(nexus).filter(|ev| state.fds.evs[ev.0].fd == fd) else { return };
            if self.is_spinning(&mut state.fds, ev, fd) {
                return;
            }
            ev
        };
        // fd_occurs
        self.fd_occurs(ev);
    }

    /// `fd_occurs`: `libxl__fd_poll_recheck`, then the callback.
    pub(super) fn fd_occurs(&self, ev: FdEv) {
        let (fd, events, callback) = {
            let state = self.state();
            let ev = &state.fds.evs[ev.0];
            (ev.fd, ev.events, ev.callback.clone())
        };
        let current = poll(fd, events);
        if let Some(callback) = callback.filter(|_| current != 0) {
            callback(self, fd, current);
        }
    }

    /// 4.2.0 and 4.2.1: the value is the ev struct's address, and what the host says is believed ([O3], [O4], [O11]).
    fn fd_occurred_for_ev(&self, value: u64, fd: RawFd, _events: i16, revents: i16) {
        let (asked, callback) = {
            let mut state = self.state();
            let Some(at) = place(value, EVS, 64, state.fds.evs.len()) else {
                drop(state);
                return self
                    .violation("R10", format!("an fd occurs for {value:#x}, which libxl never passed to fd_register"));
            };
            let ev = &state.fds.evs[at];
            if ev.freed {
                drop(state);
                return self.violation("O3", format!("fd {fd} occurs for {value:#x}, which libxl has freed"));
            }
            if ev.fd != fd {
                let (now, late) = (ev.fd, ev.past.contains(&fd));
                drop(state);
                let (clause, why) = if late { ("O3", "after its deregistration") } else { ("O11", "with that number") };
                return self.violation(clause, format!("fd {fd} occurs {why} (it is {now} now): assert(fd == ev->fd)"));
            }
            if self.is_spinning(&mut state.fds, FdEv(at), fd) {
                return;
            }
            (state.fds.evs[at].events, state.fds.evs[at].callback.clone())
        };
        let fitting = revents & asked;
        let trouble = libc::POLLERR | libc::POLLHUP | libc::POLLNVAL;
        if fitting == 0 && asked != 0 && revents & trouble != 0 {
            let text = format!("fd {fd} occurs with {revents:#x}, of which libxl drops all that is not in {asked:#x}");
            return self.violation("O4", text);
        }
        if let Some(callback) = callback.filter(|_| fitting != 0) {
            callback(self, fd, fitting);
        }
    }

    /// [R5]. True, and a violation, when it is clear.
    fn is_spinning(&self, fds: &mut Fds, ev: FdEv, fd: RawFd) -> bool {
        let ev = &mut fds.evs[ev.0];
        if ev.events != 0 {
            return false;
        }
        ev.while_empty += 1;
        if ev.while_empty == IN_FLIGHT {
            self.violation("R5", format!("fd {fd} occurred {IN_FLIGHT} times while its interest is empty"));
        }
        ev.while_empty >= IN_FLIGHT
    }
}
