//! Runs scripts: several threads of an application, a client, and the host's loop.

use super::script::{Ending, FileKind, Op, Script};
use super::world::World;
use super::{ASAP, Ctx, Locked, Release, TimeCallback};
use crate::boundary::{Hosting, Integration};
#[cfg(doc)]
use crate::contract::*;
use crate::violation::Violation;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// How a run ended.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// The violations of the host.
    pub violations: Vec<Violation>,
    /// Threads hang inside host or client. They remain there, so the process cannot be used any more, and dropping the integration
    /// may hang as well.
    pub stuck: bool,
}

/// Generates the script of the seed and runs it.
///
/// # Errors
/// The same as for [`run_script`].
pub fn run(seed: u64, release: Release, integration: &dyn Integration, patience: Duration) -> anyhow::Result<Outcome> {
    run_script(&Script::generate(seed, release), integration, patience)
}

/// Runs the threads of a script, waits until everything that must occur has occurred, and closes the ctx.
///
/// It waits for at most `patience` for each step of the host.
///
/// # Errors
/// The run was not possible, for instance because no fds are left. This is not a violation of the host.
pub fn run_script(script: &Script, integration: &dyn Integration, patience: Duration) -> anyhow::Result<Outcome> {
    let run = Run::new(script.release, &script.files, integration, patience)?;
    // It is there from the start, because only the calling thread has the integration.
    let next = Run::new(script.release, &[], integration, patience)?;
    let (ended, end) = channel();
    let (this, script) = (run.clone(), script.clone());
    std::thread::Builder::new().name("driver".into()).spawn(move || {
        let result = this.all(&script, &next);
        // Not received where this took so long that it was given up.
        let _ = ended.send(result);
    })?;
    loop {
        match end.recv_timeout(patience) {
            Ok(result) => return result.map(|()| Outcome { violations: run.ctx.violations(), stuck: false }),
            Err(RecvTimeoutError::Disconnected) => anyhow::bail!("the model panicked"),
            Err(RecvTimeoutError::Timeout) if run.ctx.is_moving(2 * patience) => {}
            Err(RecvTimeoutError::Timeout) => {
                run.accuse_the_stuck();
                return Ok(Outcome { violations: run.ctx.violations(), stuck: true });
            }
        }
    }
}

#[derive(Clone)]
struct Run {
    ctx: Arc<Ctx>,
    world: Arc<World>,
    hosting: Arc<dyn Hosting>,
    patience: Duration,
}

/// In how many turns of the loop an fd with an empty interest may show that it spins: more than are forgiven.
const QUIET_TURNS: usize = 10;

impl Run {
    fn new(
        release: Release,
        files: &[FileKind],
        integration: &dyn Integration,
        patience: Duration,
    ) -> anyhow::Result<Self> {
        let ctx = Arc::new(Ctx::new(release)?);
        let world = World::new(ctx.clone(), files)?;
        let hosting = integration.host(ctx.clone(), release.rule())?;
        ctx.register_hooks(Arc::downgrade(&hosting));
        Ok(Self { ctx, world, hosting, patience })
    }

    /// All of a script. The next client on the same loop is served after this one was freed.
    fn all(&self, script: &Script, next: &Self) -> anyhow::Result<()> {
        self.locked("libxl_childproc_setmode", |locked| locked.children_set_mode(script.children));
        self.threads(&script.threads)?;
        self.to_the_end(script.ending);
        // By then the loop has had a turn in which it could have called the freed one (X4).
        next.turn();
        next.to_the_end(Ending::Abrupt);
        for violation in next.ctx.violations() {
            self.ctx.violation(violation.clause, format!("of the next client: {}", violation.text));
        }
        Ok(())
    }

    /// A call into libxl, as the host wants them made, with the ctx lock.
    fn locked(&self, name: &'static str, mut body: impl FnMut(&Locked<'_>)) {
        let called = self.hosting.call(&mut || {
            self.ctx.call(name, &mut body);
        });
        if !called {
            self.ctx.violation("X4", format!("{name} was refused before the ctx was closed"));
        }
    }

    fn end(&self) -> Instant {
        Instant::now() + self.patience
    }

    /// Runs the application's threads.
    fn threads(&self, threads: &[Vec<Op>]) -> anyhow::Result<()> {
        let threads = threads.iter().map(|ops| {
            let (run, ops) = (self.clone(), ops.clone());
            let thread = std::thread::Builder::new().name("application".into());
            thread.spawn(move || ops.iter().for_each(|op| run.perform(op)))
        });
        for thread in threads.collect::<Result<Vec<_>, _>>()? {
            anyhow::ensure!(thread.join().is_ok(), "the model panicked");
        }
        Ok(())
    }

    fn perform(&self, op: &Op) {
        if !self.ctx.is_faulty() && !self.world.perform_outside(op) {
            self.locked("an operation", |locked| self.world.perform(locked, op));
        }
    }

    /// [O2] or [R15].
    fn accuse_the_stuck(&self) {
        let stuck = self.ctx.stuck();
        let hook = stuck.iter().find_map(|(_, hook)| *hook);
        let names: Vec<_> = stuck.iter().map(|(what, hook)| format!("{what}{}", in_hook(*hook))).collect();
        let clause = if hook.is_some() { "R15" } else { "O2" };
        let text = format!("threads hang; inside libxl are: {}", names.join(", "));
        self.ctx.violation(clause, text);
    }

    /// Waits for what is owed, and closes.
    fn to_the_end(&self, ending: Ending) {
        self.settle();
        self.look_for_spinning();
        self.locked("the end", |locked| self.world.clear(locked));
        let reaps = self.ctx.release().hooks_sigchld_pipe();
        let patient = ending != Ending::Abrupt;
        let waited =
            self.wait(|locked| (!reaps || locked.children() == 0) && (!patient || locked.timeouts_owed() == 0));
        if !waited {
            self.locked("the end", |locked| {
                let (children, timeouts) = (locked.children(), locked.timeouts_owed());
                let (clause, text) = match timeouts {
                    0 => ("O10", format!("the SIGCHLD pipe does not occur, and {children} children are not reaped")),
                    _ => ("O5", format!("{timeouts} timeouts that were cancelled with {{0,0}} do not occur")),
                };
                self.ctx.violation(clause, text);
            });
        }
        match ending {
            Ending::Calm | Ending::Abrupt => self.hosting.close(),
            Ending::Inside => self.close_inside(),
            Ending::Contended => self.close_contended(),
        }
        if !self.ctx.wait_until(self.end(), Ctx::is_freed) {
            self.ctx.violation("X2", "the host was asked to close and never calls libxl_ctx_free".into());
        }
    }

    fn close_inside(&self) {
        let hosting = Arc::downgrade(&self.hosting);
        self.locked("the end", |locked| {
            let (ev, hosting) = (locked.time_alloc(), hosting.clone());
            let callback: TimeCallback = Arc::new(move |locked, _| {
                locked.time_deregister(ev);
                hosting.upgrade().into_iter().for_each(|hosting| hosting.close());
            });
            let code = locked.time_register(ev, ASAP, callback);
            if code != 0 {
                self.ctx.violation("R3", format!("timeout_register refused {{0,0}} with {code}"));
            }
        });
    }

    fn close_contended(&self) {
        let end = self.end();
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    let call = || {
                        self.hosting.call(&mut || {
                            self.ctx.call("a call that races with the end", |_| ());
                        })
                    };
                    while Instant::now() < end && call() {}
                    self.hosting.close();
                });
            }
            self.hosting.close();
        });
    }

    /// Waits until a condition holds, which is looked at under the ctx lock.
    fn wait(&self, condition: impl Fn(&Locked<'_>) -> bool) -> bool {
        self.ctx.wait_until(self.end(), |ctx| {
            let mut holds = ctx.is_faulty();
            self.locked("a look", |locked| holds = holds || condition(locked));
            holds
        })
    }

    /// Until everything that must occur has: each ready fd twice more, each timeout whose time has come.
    fn settle(&self) {
        // What a callback does can owe something new; it does so once.
        loop {
            // The first occurrence may have been on its way, and an edge-triggered host has one, too. The second shows that the fd
            // occurs for as long as it is ready.
            if !self.each_ready_fd_occurs() || !self.each_ready_fd_occurs() {
                return;
            }
            // Of a far one the script does not wait.
            let soon = (super::time::now().0 + 600, 0);
            let is_soon = |locked: &Locked<'_>| locked.earliest_timeout().is_some_and(|first| first < soon);
            let settled = |locked: &Locked<'_>| {
                !is_soon(locked) && locked.timeouts_owed() == 0 && self.world.own_fds_are_idle(locked)
            };
            let mut was_settled = false;
            self.locked("a look", |locked| was_settled = settled(locked));
            if was_settled || self.ctx.is_faulty() {
                return;
            }
            if !self.wait(settled) {
                self.locked("a look", |locked| {
                    let (clause, text) = if locked.timeouts_owed() > 0 {
                        ("O5", "a timeout that was cancelled with {0,0} does not occur")
                    } else if is_soon(locked) {
                        ("O5", "a timeout whose time has come does not occur")
                    } else {
                        ("R9", "xenstore's fd or the SIGCHLD pipe is ready and does not occur")
                    };
                    self.ctx.violation(clause, text.into());
                });
                return;
            }
        }
    }

    /// Waits until each fd that is ready now has occurred once more. False, and a violation, if one does not.
    fn each_ready_fd_occurs(&self) -> bool {
        let mut debts = Vec::new();
        self.locked("a look", |locked| debts = self.world.debts(locked));
        let paid = self.wait(|locked| debts.iter().all(|debt| self.world.is_paid(locked, debt)));
        if !paid {
            self.locked("a look", |locked| {
                debts.iter().filter(|debt| !self.world.is_paid(locked, debt)).for_each(|debt| self.world.accuse(debt));
            });
        }
        paid
    }

    /// [R5]: makes the loop turn some times. What spins occurs in each turn.
    fn look_for_spinning(&self) {
        let mut idle_hang_up = false;
        self.locked("a look", |locked| idle_hang_up = self.world.has_idle_hang_up(locked));
        for _ in 0..if idle_hang_up { QUIET_TURNS } else { 0 } {
            if !self.turn() {
                self.ctx.violation("O9", "while an fd with an empty interest hangs up, timeouts do not occur".into());
                return;
            }
        }
    }

    /// Makes the loop turn once: it is given a timeout that is due, and waited for. False if that does not occur.
    fn turn(&self) -> bool {
        let turned = Arc::new(AtomicBool::new(false));
        self.locked("a turn", |locked| {
            let (ev, turned) = (locked.time_alloc(), turned.clone());
            let callback: TimeCallback = Arc::new(move |locked, _| {
                locked.time_deregister(ev);
                // Relaxed: only the value matters, and the ctx lock is held here and where it is read.
                turned.store(true, Ordering::Relaxed);
            });
            let code = locked.time_register(ev, ASAP, callback);
            if code != 0 {
                self.ctx.violation("R3", format!("timeout_register refused {{0,0}} with {code}"));
            }
        });
        // Relaxed: as above.
        self.wait(|_| turned.load(Ordering::Relaxed))
    }
}

fn in_hook(hook: Option<&'static str>) -> String {
    hook.map_or_else(String::new, |hook| format!(" in {hook}"))
}
