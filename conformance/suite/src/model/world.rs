//! What a script acts on: a ctx, its ev structs, and the files that it watches.

use super::files::File;
use super::script::{Bits, Due, FileKind, Op, Script};
use super::time::{ASAP, after, now};
use super::{Cause, Ctx, FdEv, Locked, TimeEv, Watch, poll};
#[cfg(doc)]
use crate::contract::*;
use parking_lot::Mutex;
use std::os::fd::RawFd;
use std::sync::{Arc, Weak};
use std::time::Duration;

pub(super) struct World {
    pub(super) ctx: Arc<Ctx>,
    /// Taken under the ctx lock or without it, never the other way round.
    files: Mutex<Vec<File>>,
    /// Likewise.
    slots: Mutex<Slots>,
    this: Weak<Self>,
}

struct Slots {
    /// Nothing is begun any more: the ctx is about to be freed.
    closing: bool,
    fds: Vec<Option<FdSlot>>,
    times: Vec<Option<TimeEv>>,
    watches: Vec<Option<Watch>>,
}

#[derive(Clone, Copy)]
struct FdSlot {
    ev: FdEv,
    /// Of its callback.
    calls: u64,
}

/// What the host owes: one of these slots an occurrence.
pub(super) struct Debt {
    fd: RawFd,
    kind: FileKind,
    bit: i16,
    /// With the calls that there had been.
    slots: Vec<(usize, FdSlot)>,
}

/// A callback that leaves its fd ready for ever is enough of a load for so long.
const APPETITE: u64 = 48;

impl World {
    pub(super) fn new(ctx: Arc<Ctx>, files: &[FileKind]) -> std::io::Result<Arc<Self>> {
        let files = files.iter().map(|kind| File::open(*kind)).collect::<Result<_, _>>()?;
        let slots = usize::from(Script::SLOTS);
        let slots =
            Slots { closing: false, fds: vec![None; slots], times: vec![None; slots], watches: vec![None; slots] };
        Ok(Arc::new_cyclic(|this| Self { ctx, files: Mutex::new(files), slots: Mutex::new(slots), this: this.clone() }))
    }

    /// What needs no call into libxl. False if this does.
    pub(super) fn perform_outside(&self, op: &Op) -> bool {
        match op {
            Op::Write { file, bytes } => self.files.lock()[usize::from(*file)].write(*bytes),
            Op::Read { file, bytes } => self.files.lock()[usize::from(*file)].read(*bytes),
            Op::HangUp { file } => self.files.lock()[usize::from(*file)].hang_up(),
            Op::Pause { micros } => std::thread::sleep(Duration::from_micros(u64::from(*micros))),
            _ => return false,
        }
        true
    }

    /// Anything, inside libxl.
    pub(super) fn perform(&self, locked: &Locked<'_>, op: &Op) {
        if self.slots.lock().closing {
            return;
        }
        match op {
            Op::FdRegister { slot, file, events, reads, at, then } => {
                let reaction = Reaction { at: u64::from(*at), reads: *reads, then: then.clone() };
                self.register(locked, usize::from(*slot), usize::from(*file), *events, reaction);
            }
            Op::FdModify { slot, events } => self.modify(locked, usize::from(*slot), *events),
            Op::FdDeregister { slot } => {
                if let Some(there) = self.fd_slot(usize::from(*slot)) {
                    locked.fd_deregister(there.ev);
                }
            }
            Op::FdFree { slot } => {
                let there = self.slots.lock().fds[usize::from(*slot)].take();
                if let Some(there) = there {
                    locked.fd_deregister(there.ev);
                    locked.fd_free(there.ev);
                }
            }
            Op::Replace { file, kind } => self.replace(locked, usize::from(*file), *kind),
            Op::TimeRegister { slot, due, then } => self.register_timeout(locked, usize::from(*slot), *due, then),
            Op::TimeDeregister { slot } => {
                if let Some(ev) = self.time_slot(*slot) {
                    locked.time_deregister(ev);
                }
            }
            Op::TimeFree { slot } => {
                let there = self.slots.lock().times[usize::from(*slot)].take();
                if let Some(ev) = there {
                    locked.time_deregister(ev);
                    locked.time_free(ev);
                }
            }
            Op::TimeAbort { slot } => {
                if let Some(ev) = self.time_slot(*slot) {
                    locked.time_abort(ev);
                }
            }
            Op::Watch { slot, then } => self.watch(locked, usize::from(*slot), then),
            Op::Unwatch { slot } => {
                let there = self.slots.lock().watches[usize::from(*slot)].take();
                if let Some(watch) = there {
                    locked.watch_deregister(watch);
                }
            }
            Op::Fire { slot } => {
                let there = self.slots.lock().watches[usize::from(*slot)];
                if let Some(watch) = there {
                    locked.watch_fire(watch);
                }
            }
            Op::Fork { then } => {
                let then = self.once(then);
                locked.child_fork(Arc::new(move |locked| then(locked)));
            }
            Op::Exit => {
                locked.child_exits();
            }
            Op::OwnLoop => locked.own_loop(),
            Op::Write { .. } | Op::Read { .. } | Op::HangUp { .. } | Op::Pause { .. } => {
                self.perform_outside(op);
            }
        }
    }

    /// Deregisters everything and begins nothing more, so that libxl can be freed ([X3]). Timeouts may still be owed, and
    /// children have yet to be reaped.
    pub(super) fn clear(&self, locked: &Locked<'_>) {
        let (fds, times, watches) = {
            let mut slots = self.slots.lock();
            slots.closing = true;
            (slots.fds.clone(), slots.times.clone(), std::mem::take(&mut slots.watches))
        };
        fds.iter().flatten().for_each(|slot| locked.fd_deregister(slot.ev));
        times.iter().flatten().for_each(|ev| locked.time_deregister(*ev));
        watches.iter().flatten().for_each(|watch| locked.watch_deregister(*watch));
        while locked.child_exits() {}
    }

    fn fd_slot(&self, slot: usize) -> Option<FdSlot> {
        self.slots.lock().fds.get(slot).copied().flatten()
    }

    fn time_slot(&self, slot: u8) -> Option<TimeEv> {
        self.slots.lock().times.get(usize::from(slot)).copied().flatten()
    }

    fn register(&self, locked: &Locked<'_>, slot: usize, file: usize, events: Bits, reaction: Reaction) {
        let ev = self.fd_slot(slot).map_or_else(|| locked.fd_alloc(), |there| there.ev);
        locked.fd_deregister(ev);
        let (fd, kind) = self.file(file);
        if !is_polite(locked, fd, ev, events.0) {
            return;
        }
        let world = self.this.clone();
        self.slots.lock().fds[slot] = Some(FdSlot { ev, calls: 0 });
        let code = locked.fd_register(
            ev,
            fd,
            events.0,
            Arc::new(move |locked, _, _| {
                if let Some(world) = world.upgrade() {
                    world.react(locked, slot, file, &reaction);
                }
            }),
        );
        if code != 0 {
            let clause = match kind {
                FileKind::Regular | FileKind::Null => "R7",
                _ if events.0 == 0 => "R5",
                _ => "R3",
            };
            let text = format!("fd_register refused fd {fd}, a {kind:?}, for {events:?} with {code}");
            self.ctx.violation(clause, text);
        }
    }

    fn modify(&self, locked: &Locked<'_>, slot: usize, events: Bits) {
        let Some(there) = self.fd_slot(slot).filter(|there| locked.fd_is_registered(there.ev)) else { return };
        let found = locked.fds_registered().into_iter().find(|(ev, ..)| *ev == there.ev);
        let Some((_, fd, _)) = found.filter(|(ev, fd, _)| is_polite(locked, *fd, *ev, events.0)) else { return };
        let code = locked.fd_modify(there.ev, events.0);
        if code != 0 {
            self.ctx.violation("R3", format!("fd_modify refused fd {fd} for {events:?} with {code}"));
        }
    }

    /// A callback of libxl's: takes what it wants, and does once what the script says.
    fn react(&self, locked: &Locked<'_>, slot: usize, file: usize, reaction: &Reaction) {
        let calls = {
            let mut slots = self.slots.lock();
            let Some(there) = slots.fds.get_mut(slot).and_then(Option::as_mut) else { return };
            there.calls += 1;
            there.calls
        };
        self.files.lock()[file].read(reaction.reads);
        if calls == reaction.at {
            reaction.then.iter().for_each(|op| self.perform(locked, op));
        }
        if calls == APPETITE {
            self.modify(locked, slot, Bits(0));
        }
    }

    fn replace(&self, locked: &Locked<'_>, file: usize, kind: FileKind) {
        let (fd, _) = self.file(file);
        for (ev, watched, _) in locked.fds_registered() {
            if watched == fd {
                locked.fd_deregister(ev);
            }
        }
        // Nobody watches it any more, and nobody registers it before this is over: the ctx lock is held.
        if let Err(error) = self.files.lock()[file].replace(kind) {
            log::warn!("no other file under the number {fd}: {error}");
        }
    }

    fn register_timeout(&self, locked: &Locked<'_>, slot: usize, due: Due, then: &[Op]) {
        let ev = {
            let mut slots = self.slots.lock();
            let Some(there) = slots.times.get_mut(slot) else { return };
            *there.get_or_insert_with(|| locked.time_alloc())
        };
        locked.time_deregister(ev);
        let then = self.once(then);
        let callback: super::TimeCallback = Arc::new(move |locked, _: Cause| {
            // As libxl's callbacks do, whatever the release makes of it (R14).
            locked.time_deregister(ev);
            then(locked);
        });
        let code = match due {
            Due::Asap => locked.time_register(ev, ASAP, callback),
            Due::Past(seconds) => {
                let now = now();
                locked.time_register(ev, (now.0 - i64::from(seconds), now.1), callback)
            }
            Due::Micros(micros) => locked.time_register(ev, after(now(), u64::from(micros)), callback),
            Due::Hour => locked.time_register_rel(ev, Some(3_600_000), callback),
            Due::End => locked.time_register(ev, (i64::MAX, 999_999), callback),
            Due::Never => locked.time_register_rel(ev, None, callback),
        };
        if code != 0 {
            let clause = if due == Due::End { "R11" } else { "R3" };
            self.ctx.violation(clause, format!("timeout_register refused {due:?} with {code}"));
        }
    }

    fn watch(&self, locked: &Locked<'_>, slot: usize, then: &[Op]) {
        if self.slots.lock().watches.get(slot).is_none_or(Option::is_some) {
            return;
        }
        let then = self.once(then);
        match locked.watch_register(Arc::new(move |locked| then(locked))) {
            Ok(watch) => self.slots.lock().watches[slot] = Some(watch),
            Err(code) => self.ctx.violation("R3", format!("fd_register refused the xenstore fd with {code}")),
        }
    }

    /// Does the operations when it is called for the first time.
    fn once(&self, then: &[Op]) -> impl Fn(&Locked<'_>) + Send + Sync + use<> {
        let (world, then) = (self.this.clone(), Mutex::new(then.to_vec()));
        move |locked| {
            let then = std::mem::take(&mut *then.lock());
            if let Some(world) = world.upgrade() {
                then.iter().for_each(|op| world.perform(locked, op));
            }
        }
    }

    fn file(&self, file: usize) -> (RawFd, FileKind) {
        let files = self.files.lock();
        (files[file].fd(), files[file].kind)
    }

    /// What is ready, and who has to hear of it: of several that want a bit, one ([R4]).
    pub(super) fn debts(&self, locked: &Locked<'_>) -> Vec<Debt> {
        let files: Vec<_> = self.files.lock().iter().map(|file| (file.fd(), file.kind)).collect();
        let slots: Vec<_> = self.slots.lock().fds.iter().copied().enumerate().collect();
        let registered = locked.fds_registered();
        let mut debts = Vec::new();
        for (fd, kind) in files {
            let here: Vec<_> = registered
                .iter()
                .filter(|(ev, watched, events)| *watched == fd && *events != 0 && !locked.is_own(*ev))
                .collect();
            let ready = poll(fd, here.iter().fold(0, |all, (_, _, events)| all | events));
            let asked = [libc::POLLIN, libc::POLLPRI, libc::POLLOUT, libc::POLLERR, libc::POLLHUP];
            for bit in asked.into_iter().filter(|bit| !here.is_empty() && ready & bit != 0) {
                // POLLERR and POLLHUP come along with any interest (R6).
                let wants = |events: i16| events & bit != 0 || bit == libc::POLLERR || bit == libc::POLLHUP;
                let evs: Vec<_> = here.iter().filter(|(_, _, events)| wants(*events)).map(|(ev, ..)| *ev).collect();
                let slots = slots
                    .iter()
                    .filter_map(|(at, slot)| slot.filter(|slot| evs.contains(&slot.ev)).map(|slot| (*at, slot)))
                    .collect();
                debts.push(Debt { fd, kind, bit, slots });
            }
        }
        debts
    }

    /// Whether it has been paid: an occurrence came, or there is no reason for it any more.
    pub(super) fn is_paid(&self, locked: &Locked<'_>, debt: &Debt) -> bool {
        let registered = locked.fds_registered();
        // Poll(2) tells of POLLHUP and POLLERR also where nothing is asked.
        let is_due = |ev: FdEv| {
            let mut there =
                registered.iter().filter(|(other, fd, events)| *other == ev && *fd == debt.fd && *events != 0);
            there.any(|(_, fd, events)| poll(*fd, *events) & debt.bit != 0)
        };
        debt.slots.iter().any(|(at, then)| {
            let now = self.fd_slot(*at);
            now.is_none_or(|now| now.ev != then.ev || now.calls != then.calls) || !is_due(then.ev)
        })
    }

    /// What is wrong if it is not.
    pub(super) fn accuse(&self, debt: &Debt) {
        let calls: u64 = debt.slots.iter().map(|(_, slot)| slot.calls).sum();
        let (clause, why) = match debt.kind {
            FileKind::Regular | FileKind::Null => ("R7", "it is always ready"),
            _ if debt.bit == libc::POLLPRI => ("R6", "its input has priority"),
            _ if debt.slots.len() > 1 => ("R4", "several registrations want it"),
            _ if calls > 0 => ("O10", "it is still ready"),
            _ => ("R9", "it was registered, modified or made ready while the loop may have slept"),
        };
        let text = format!("fd {} ({:?}) is ready for {:#x} and does not occur: {why}", debt.fd, debt.kind, debt.bit);
        self.ctx.violation(clause, text);
    }

    /// Whether xenstore's fd and the SIGCHLD pipe, whose callbacks take all there is, are idle.
    pub(super) fn own_fds_are_idle(&self, locked: &Locked<'_>) -> bool {
        let mut own = locked.fds_registered().into_iter().filter(|(ev, ..)| locked.is_own(*ev));
        own.all(|(_, fd, events)| events == 0 || poll(fd, events) == 0)
    }

    /// Whether an fd is there that a level-triggered loop with it in its set would spin on ([R5]).
    pub(super) fn has_idle_hang_up(&self, locked: &Locked<'_>) -> bool {
        locked.fds_registered().iter().any(|(_, fd, events)| *events == 0 && poll(*fd, 0) != 0)
    }
}

/// What an fd's callback does.
struct Reaction {
    at: u64,
    reads: u16,
    then: Vec<Op>,
}

/// Whether each registration of the fd would still want something that no other does ([R4]).
fn is_polite(locked: &Locked<'_>, fd: RawFd, ev: FdEv, events: i16) -> bool {
    let mut all: Vec<i16> = locked
        .fds_registered()
        .into_iter()
        .filter(|(other, watched, _)| *watched == fd && *other != ev)
        .map(|(_, _, events)| events)
        .chain(std::iter::once(events))
        .collect();
    all.retain(|events| *events != 0);
    (0..all.len()).all(|at| {
        let others =
            all.iter().enumerate().filter(|(other, _)| *other != at).fold(0, |bits, (_, events)| bits | events);
        all[at] & !others != 0
    })
}
