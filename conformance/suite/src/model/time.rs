//! `libxl__ev_time`, and the nexuses that stand for it.

use super::ctx::Locked;
use super::nexus::{Pool, Slot, garbage, place};
use crate::boundary::WallTime;
#[cfg(doc)]
use crate::contract::*;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// A `libxl__ev_time` on libxl's heap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TimeEv(pub(super) usize);

/// `libxl__ev_time_callback`. Called under the ctx lock.
pub type TimeCallback = Arc<dyn Fn(&Locked<'_>, Cause) + Send + Sync>;

/// The reason why the callback of a timeout runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// `ERROR_TIMEDOUT`: the timeout occurred, or libxl's own loop took it.
    Expired,
    /// `ERROR_ABORTED`: `libxl_ao_abort`.
    Aborted,
}

/// All of a ctx.
pub(super) struct Times {
    evs: Vec<Ev>,
    /// `CTX->etimes`: by deadline.
    listed: Vec<TimeEv>,
    nexuses: Pool<TimeEv>,
}

struct Ev {
    /// Present while it is registered, as in libxl.
    callback: Option<TimeCallback>,
    infinite: bool,
    deadline: WallTime,
    nexus: Option<usize>,
    /// 4.2.0, 4.2.1: `for_app_reg` is in the struct.
    for_app: Slot,
    freed: bool,
    /// In which occurrence it was registered: others of the same one were with the host as early ([O7]).
    born: Option<u64>,
}

const EVS: u64 = 0x5200_0000_0000;
const NEXUSES: u64 = 0x5300_0000_0000;

/// `{0,0}`: at once ([R11]).
pub const ASAP: WallTime = (0, 0);

impl Default for Times {
    fn default() -> Self {
        Self { evs: Vec::new(), listed: Vec::new(), nexuses: Pool::new(NEXUSES) }
    }
}

impl Times {
    pub(super) fn registered(&self) -> usize {
        self.listed.len()
    }

    pub(super) fn take_callbacks(&mut self) -> Vec<TimeCallback> {
        self.evs.iter_mut().filter_map(|ev| ev.callback.take()).collect()
    }
}

impl Locked<'_> {
    /// Allocates an ev struct.
    pub fn time_alloc(&self) -> TimeEv {
        let times = &mut self.state().times;
        times.evs.push(Ev {
            callback: None,
            infinite: true,
            deadline: ASAP,
            nexus: None,
            for_app: garbage(),
            freed: false,
            born: None,
        });
        TimeEv(times.evs.len() - 1)
    }

    /// Frees an ev struct, which must not be registered.
    pub fn time_free(&self, ev: TimeEv) {
        assert!(!self.time_is_registered(ev), "libxl does not free what is registered");
        let ev = &mut self.state().times.evs[ev.0];
        ev.freed = true;
        ev.for_app = garbage();
    }

    /// `libxl__ev_time_register_rel`: due in this many milliseconds, or never, which libxl does not pass to the host ([R11]).
    pub fn time_register_rel(&self, ev: TimeEv, milliseconds: Option<u32>, callback: TimeCallback) -> i32 {
        match milliseconds {
            Some(milliseconds) => self.time_register(ev, after(now(), u64::from(milliseconds) * 1000), callback),
            None => {
                let mut state = self.state();
                let ev = &mut state.times.evs[ev.0];
                ev.infinite = true;
                ev.callback = Some(callback);
                0
            }
        }
    }

    /// `libxl__ev_time_register_abs`, and `time_register_finite`.
    pub fn time_register(&self, ev: TimeEv, deadline: WallTime, callback: TimeCallback) -> i32 {
        assert!(!self.time_is_registered(ev), "libxl does not do that");
        let (value, for_app) = {
            let mut state = self.state();
            let times = &mut state.times;
            if self.ctx.release.has_nexuses() {
                let nexus = times.nexuses.alloc(ev);
                times.evs[ev.0].nexus = Some(nexus);
                (times.nexuses.value(nexus), times.nexuses.for_app(nexus))
            } else {
                (EVS + 64 * ev.0 as u64, times.evs[ev.0].for_app.clone())
            }
        };
        let code = self.hook("timeout_register", |host| host.timeout_register(&mut for_app.lock(), deadline, value));
        let mut state = self.state();
        let born = state.occurrence;
        let times = &mut state.times;
        if let Some(code) = code.filter(|code| *code != 0) {
            if let Some(nexus) = times.evs[ev.0].nexus {
                times.nexuses.release(nexus);
            }
            return code;
        }
        let at = times.listed.partition_point(|listed| times.evs[listed.0].deadline < deadline);
        times.listed.insert(at, ev);
        let ev = &mut times.evs[ev.0];
        (ev.infinite, ev.deadline, ev.born) = (false, deadline, born);
        ev.callback = Some(callback);
        0
    }

    /// `libxl__ev_time_deregister`: does nothing if it is not registered.
    pub fn time_deregister(&self, ev: TimeEv) {
        if !self.time_is_registered(ev) {
            return;
        }
        self.time_deregister_finite(ev);
        let callback = self.state().times.evs[ev.0].callback.take();
        drop(callback);
    }

    /// Timeouts that were cancelled with `{0,0}` and have not occurred yet ([O5]).
    pub(super) fn timeouts_owed(&self) -> usize {
        self.state().times.nexuses.owed()
    }

    /// The earliest deadline that the host knows of and that was not cancelled.
    pub(super) fn earliest_timeout(&self) -> Option<WallTime> {
        let state = self.state();
        state.times.listed.first().map(|ev| state.times.evs[ev.0].deadline)
    }

    /// `libxl__ev_time_isregistered`.
    pub fn time_is_registered(&self, ev: TimeEv) -> bool {
        self.state().times.evs[ev.0].callback.is_some()
    }

    /// `time_aborted`, which `libxl_ao_abort` calls for the timeouts of its operation (4.6 on). It deregisters the timeout without
    /// recording this, and the callback deregisters it again ([R14]).
    pub fn time_abort(&self, ev: TimeEv) {
        assert!(self.ctx.release.aborts(), "there is no libxl_ao_abort");
        let Some(callback) = self.state().times.evs[ev.0].callback.clone() else { return };
        self.time_deregister_finite(ev);
        callback(self, Cause::Aborted);
    }

    /// `time_deregister`.
    fn time_deregister_finite(&self, ev: TimeEv) {
        let release = self.ctx.release;
        let for_app = {
            let mut state = self.state();
            let times = &mut state.times;
            let there = &times.evs[ev.0];
            if there.infinite {
                return;
            }
            match there.nexus {
                Some(nexus) => {
                    let for_app = times.nexuses.for_app(nexus);
                    // Also if the nexus stands for another one by now, as libxl would.
                    times.nexuses.forget(nexus);
                    for_app
                }
                None => there.for_app.clone(),
            }
        };
        if release.has_nexuses() {
            // The result is ignored (R3).
            self.hook("timeout_modify", |host| host.timeout_modify(&mut for_app.lock(), ASAP));
        } else {
            let handle = {
                let slot = for_app.lock();
                if release.passes_address() { std::ptr::from_ref(&*slot).addr() as u64 } else { *slot }
            };
            self.hook("timeout_deregister", |host| host.timeout_deregister(handle));
        }
        self.state().times.listed.retain(|listed| *listed != ev);
    }

    /// `libxl_osevent_occurred_timeout`, under the lock. `came` is when the host called.
    pub(super) fn timeout_occurred(&self, value: u64, came: WallTime) {
        let found = if self.ctx.release.has_nexuses() { self.take_nexus(value) } else { self.take_ev(value) };
        let Some(ev) = found else { return };
        let (deadline, overdue) = {
            let mut state = self.state();
            let times = &mut state.times;
            times.listed.retain(|listed| *listed != ev);
            let (deadline, born) = (times.evs[ev.0].deadline, times.evs[ev.0].born);
            // Only where the host must have had both from the start: it was in one occurrence while both were registered.
            let overdue = times
                .listed
                .iter()
                .map(|other| &times.evs[other.0])
                .find(|other| born.is_some() && other.born == born && other.deadline < deadline)
                .map(|other| other.deadline);
            (deadline, overdue)
        };
        if came < deadline {
            self.violation("R12", format!("a timeout for {} occurs at {}", shown(deadline), shown(came)));
        }
        if let Some(earlier) = overdue {
            let text = format!("a timeout for {} occurs before one for {}", shown(deadline), shown(earlier));
            self.violation("O7", text);
        }
        self.time_occurs(ev);
    }

    /// `time_occurs`; a plain call of the callback before 4.4.
    fn time_occurs(&self, ev: TimeEv) {
        let records = self.ctx.release.records_expiry();
        let callback = {
            let mut state = self.state();
            let callback = &mut state.times.evs[ev.0].callback;
            if records { callback.take() } else { callback.clone() }
        };
        if let Some(callback) = callback {
            callback(self, Cause::Expired);
        }
    }

    /// 4.2.2 on: with the occurrence libxl gets its nexus back ([O5]).
    fn take_nexus(&self, value: u64) -> Option<TimeEv> {
        let mut state = self.state();
        let nexuses = &mut state.times.nexuses;
        let Some(nexus) = nexuses.find(value) else {
            drop(state);
            let text = format!("a timeout occurs for {value:#x}, which libxl never passed to timeout_register");
            self.violation("R10", text);
            return None;
        };
        if nexuses.is_idle(nexus) {
            drop(state);
            let text =
                format!("a timeout occurs for {value:#x} a second time: it is on libxl's free list, now in a circle");
            self.violation("O5", text);
            return None;
        }
        let ev = nexuses.ev(nexus);
        nexuses.release(nexus);
        ev
    }

    /// 4.2.0 and 4.2.1: the value is the ev struct's address.
    fn take_ev(&self, value: u64) -> Option<TimeEv> {
        let state = self.state();
        let Some(at) = place(value, EVS, 64, state.times.evs.len()) else {
            drop(state);
            let text = format!("a timeout occurs for {value:#x}, which libxl never passed to timeout_register");
            self.violation("R10", text);
            return None;
        };
        let (freed, listed) = (state.times.evs[at].freed, state.times.listed.contains(&TimeEv(at)));
        drop(state);
        if freed {
            self.violation("O5", format!("a timeout occurs for {value:#x}, which libxl has freed"));
            return None;
        }
        if !listed {
            let text = format!("a timeout occurs for {value:#x} after its occurrence or its deregistration");
            self.violation("O5", text);
            return None;
        }
        Some(TimeEv(at))
    }

    /// The timeouts' half of `afterpoll_internal`: libxl's own loop takes what is due, and the host's is cancelled ([R14]).
    pub(super) fn times_after_poll(&self) {
        let now = now();
        loop {
            let ev = {
                let state = self.state();
                state.times.listed.first().copied().filter(|ev| state.times.evs[ev.0].deadline <= now)
            };
            let Some(ev) = ev else { return };
            self.time_deregister_finite(ev);
            self.time_occurs(ev);
        }
    }
}

/// gettimeofday(2).
pub(super) fn now() -> WallTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is past 1970");
    (since.as_secs().cast_signed(), i64::from(since.subsec_micros()))
}

/// Some microseconds later.
pub(super) fn after(time: WallTime, micros: u64) -> WallTime {
    let sum = time.1 + micros.cast_signed();
    (time.0 + sum / 1_000_000, sum % 1_000_000)
}

fn shown(time: WallTime) -> String {
    format!("{}.{:06}", time.0, time.1)
}
