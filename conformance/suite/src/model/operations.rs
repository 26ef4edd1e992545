//! Public operations, with their effects at the boundary, as in 4.13 and later.
//!
//! | here | there |
//! |---|---|
//! | [`Locked::evenable_domain_death`], [`evdisable_domain_death`](Locked::evdisable_domain_death) | libxl_domain.c `libxl_evenable_domain_death`, `libxl__evdisable_domain_death` |
//! | [`Removal`] | libxl_device.c `libxl__initiate_device_generic_remove`, `device_backend_callback`, `device_hotplug`, `device_hotplug_child_death_cb`; libxl_aoutils.c `libxl__xswait_start`, `_stop`, `libxl__async_exec_start`, `async_exec_timeout`, `async_exec_done` |
//! | [`Removal::abort`] | libxl_event.c `ao__abort` |

use super::ctx::Locked;
use super::time::{Cause, TimeEv};
use super::watch::Watch;
use parking_lot::Mutex;
use std::sync::Arc;

/// `CTX->death_list` and `CTX->death_watch`: one watch for all domains.
#[derive(Default)]
pub(super) struct Deaths {
    count: usize,
    watch: Option<Watch>,
}

impl Locked<'_> {
    /// `libxl_evenable_domain_death`, for any domain.
    ///
    /// # Errors
    /// The code with which the host refused the xenstore fd.
    pub fn evenable_domain_death(&self) -> Result<(), i32> {
        self.state().deaths.count += 1;
        let watched = self.state().deaths.watch.is_some();
        if !watched {
            // Who died makes no difference at the boundary.
            match self.watch_register(Arc::new(|_| ())) {
                Ok(watch) => self.state().deaths.watch = Some(watch),
                Err(code) => {
                    self.state().deaths.count -= 1;
                    return Err(code);
                }
            }
        }
        Ok(())
    }

    /// `libxl_evdisable_domain_death` for one of the evgens.
    pub fn evdisable_domain_death(&self) {
        let last = {
            let deaths = &mut self.state().deaths;
            deaths.count -= 1;
            if deaths.count == 0 { deaths.watch.take() } else { None }
        };
        if let Some(watch) = last {
            self.watch_deregister(watch);
        }
    }

    /// `free_disable_deaths` in `libxl_ctx_free`.
    pub(super) fn disable_deaths(&self) {
        let count = self.state().deaths.count;
        (0..count).for_each(|_| self.evdisable_domain_death());
    }
}

/// `libxl_device_nic_remove` or `_destroy`: waits until the backend has closed, then until the hotplug script has ended.
#[derive(Clone)]
pub struct Removal(Arc<Device>);

struct Device {
    /// How long is waited for the backend, and for the script, in milliseconds.
    patience: [u32; 2],
    state: Mutex<State>,
}

struct State {
    phase: Phase,
    /// Try once more, by force, if the backend does not answer.
    once_more: bool,
    /// The backend has closed.
    closed: bool,
    watch: Option<Watch>,
    /// Of the backend, and of the script.
    timeouts: [TimeEv; 2],
}

/// The phase of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// It waits for the backend.
    Backend,
    /// The script runs.
    Script,
    /// The script has been killed and has not ended yet.
    Killed,
    /// It has ended.
    Done,
}

impl Removal {
    /// Ten seconds for the backend and forty for the script, in milliseconds.
    pub const PATIENCE: [u32; 2] = [10_000, 40_000];

    /// Begins the removal. `_destroy` sets `by_force` at once, `_remove` if the backend does not answer.
    ///
    /// # Errors
    /// The code with which the host refused a registration.
    pub fn begin(locked: &Locked<'_>, by_force: bool, patience: [u32; 2]) -> Result<Self, i32> {
        let timeouts = [locked.time_alloc(), locked.time_alloc()];
        let state = State { phase: Phase::Backend, once_more: !by_force, closed: false, watch: None, timeouts };
        let removal = Self(Arc::new(Device { patience, state: Mutex::new(state) }));
        locked.operation_begins();
        removal.await_backend(locked).inspect_err(|_| removal.done(locked))?;
        Ok(removal)
    }

    /// The present phase.
    pub fn phase(&self) -> Phase {
        self.0.state.lock().phase
    }

    /// Closes the backend; libxl's watch fires.
    pub fn backend_closes(&self, locked: &Locked<'_>) {
        let mut state = self.0.state.lock();
        state.closed = true;
        if let Some(watch) = state.watch {
            locked.watch_fire(watch);
        }
    }

    /// `libxl_ao_abort`. A script that it kills still has to be reaped.
    pub fn abort(&self, locked: &Locked<'_>) {
        // Of the abortables of this operation, the timeouts, one is registered at a time.
        let timeouts = self.0.state.lock().timeouts;
        timeouts.into_iter().for_each(|timeout| locked.time_abort(timeout));
    }

    /// `libxl__xswait_start`.
    fn await_backend(&self, locked: &Locked<'_>) -> Result<(), i32> {
        let timeout = self.0.state.lock().timeouts[0];
        let (of_timeout, of_watch) = (self.clone(), self.clone());
        let callback = Arc::new(move |locked: &Locked<'_>, cause| of_timeout.backend_timed_out(locked, cause));
        let code = locked.time_register_rel(timeout, Some(self.0.patience[0]), callback);
        if code != 0 {
            return Err(code);
        }
        let watched = locked.watch_register(Arc::new(move |locked| of_watch.backend_changed(locked)));
        let watch = watched.inspect_err(|_| locked.time_deregister(timeout))?;
        self.0.state.lock().watch = Some(watch);
        Ok(())
    }

    /// `libxl__xswait_stop`.
    fn stop_awaiting(&self, locked: &Locked<'_>) {
        let (timeout, watch) = {
            let mut state = self.0.state.lock();
            (state.timeouts[0], state.watch.take())
        };
        locked.time_deregister(timeout);
        if let Some(watch) = watch {
            locked.watch_deregister(watch);
        }
    }

    fn backend_changed(&self, locked: &Locked<'_>) {
        if self.0.state.lock().closed {
            self.stop_awaiting(locked);
            self.run_script(locked);
        }
    }

    fn backend_timed_out(&self, locked: &Locked<'_>, cause: Cause) {
        self.stop_awaiting(locked);
        let again = cause == Cause::Expired && std::mem::take(&mut self.0.state.lock().once_more);
        if !again || self.await_backend(locked).is_err() {
            self.done(locked);
        }
    }

    /// `libxl__async_exec_start`.
    fn run_script(&self, locked: &Locked<'_>) {
        let timeout = self.0.state.lock().timeouts[1];
        let (of_timeout, of_child) = (self.clone(), self.clone());
        let callback = Arc::new(move |locked: &Locked<'_>, _| {
            // async_exec_timeout
            locked.time_deregister(timeout);
            of_timeout.0.state.lock().phase = Phase::Killed;
        });
        if locked.time_register_rel(timeout, Some(self.0.patience[1]), callback) != 0 {
            return self.done(locked);
        }
        self.0.state.lock().phase = Phase::Script;
        locked.child_fork(Arc::new(move |locked| {
            // async_exec_done
            locked.time_deregister(timeout);
            of_child.done(locked);
        }));
    }

    fn done(&self, locked: &Locked<'_>) {
        self.0.state.lock().phase = Phase::Done;
        locked.operation_ends();
    }
}
