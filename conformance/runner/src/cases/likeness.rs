//! The model of libxl beside libxl: both do the same, and make the same hooks.

use super::device::{asked_to_close, script};
use crate::case::Case;
#[cfg(doc)]
use crate::contract::*;
use crate::eventually::eventually;
use crate::hosts::{Adapter, Mode};
use crate::stage::Stage;
use crate::tiers::Tier;
use crate::tiers::libxl::FIVE;
use anyhow::{Context, bail, ensure};
use futures_lite::future::block_on;
use osevent_conformance::integration::CoreIntegration;
use osevent_conformance::model::{ChildMode, Ctx, Locked, Phase, Release, Removal, Watch};
use osevent_conformance::outcome::Skip;
use osevent_conformance::patience::patience;
use osevent_conformance::record::{Record, What};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;
use xenlight::Children;

pub(crate) static LIKENESS: Case = Case {
    name: "model-likeness",
    claim: "The model makes the same hooks as libxl, in the same order, for watches, for device removals that succeed, are aborted or time out, and for children in each mode",
    clauses: &["R1", "R10", "R11", "R13", "R14", "R16", "X1", "X2"],
    tiers: &[Tier::Libxl],
    adapters: Adapter::ALL,
    modes: &[Mode::Loop],
    run: likeness,
};

/// What either of them is made to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    WatchDeath,
    UnwatchDeath,
    WatchEject,
    UnwatchEject,
    Remove,
    Destroy,
    BackendCloses,
    /// Waits until the hotplug script runs.
    AwaitScript,
    Abort,
    /// Waits until the operation is over.
    Finish,
}

struct Play {
    name: &'static str,
    children: Children,
    /// The script does not end by itself.
    script_hangs: bool,
    /// The timeouts are over after a tenth of a second.
    hurried: bool,
    acts: &'static [Act],
}

use Act::*;

const PLAIN: Play = Play { name: "", children: Children::ByPidfd, script_hangs: false, hurried: false, acts: &[] };

static PLAYS: &[Play] = &[
    Play { name: "nothing", ..PLAIN },
    Play { name: "nothing, all children", children: Children::LibxlAlways, ..PLAIN },
    Play { name: "nothing, its own children", children: Children::SelectiveReap, ..PLAIN },
    Play { name: "one watch", acts: &[WatchDeath, UnwatchDeath], ..PLAIN },
    Play {
        name: "several watches",
        acts: &[
            WatchDeath,
            WatchDeath,
            WatchEject,
            UnwatchDeath,
            WatchDeath,
            UnwatchDeath,
            UnwatchDeath,
            UnwatchEject,
            WatchEject,
            UnwatchEject,
        ],
        ..PLAIN
    },
    Play { name: "a watch at the end", acts: &[WatchDeath, WatchDeath], ..PLAIN },
    Play { name: "removal", acts: &[Remove, BackendCloses, Finish], ..PLAIN },
    Play { name: "destruction", acts: &[Destroy, BackendCloses, Finish], ..PLAIN },
    Play { name: "two removals", acts: &[Remove, BackendCloses, Finish, Remove, BackendCloses, Finish], ..PLAIN },
    Play { name: "removal under a watch", acts: &[WatchDeath, Remove, BackendCloses, Finish, UnwatchDeath], ..PLAIN },
    Play {
        name: "a watch that goes during a removal",
        acts: &[WatchDeath, Remove, UnwatchDeath, BackendCloses, Finish],
        ..PLAIN
    },
    Play { name: "removal aborted", acts: &[Remove, Abort, Finish], ..PLAIN },
    Play { name: "removal aborted under a watch", acts: &[WatchDeath, Remove, Abort, Finish], ..PLAIN },
    Play {
        name: "removal aborted in the script",
        script_hangs: true,
        acts: &[Remove, BackendCloses, AwaitScript, Abort, Finish],
        ..PLAIN
    },
    Play { name: "removal times out", hurried: true, acts: &[Remove, Finish], ..PLAIN },
    Play { name: "destruction times out", hurried: true, acts: &[Destroy, Finish], ..PLAIN },
    Play {
        name: "removal, libxl's children",
        children: Children::Libxl,
        acts: &[Remove, BackendCloses, Finish],
        ..PLAIN
    },
    Play {
        name: "two removals, libxl's children",
        children: Children::Libxl,
        acts: &[Remove, BackendCloses, Finish, Remove, BackendCloses, Finish],
        ..PLAIN
    },
    Play {
        name: "removal aborted in the script, libxl's children",
        children: Children::Libxl,
        script_hangs: true,
        acts: &[Remove, BackendCloses, AwaitScript, Abort, Finish],
        ..PLAIN
    },
    Play {
        name: "removal, all children",
        children: Children::LibxlAlways,
        acts: &[Remove, BackendCloses, Finish],
        ..PLAIN
    },
    Play {
        name: "removal, its own children",
        children: Children::SelectiveReap,
        acts: &[WatchDeath, Remove, BackendCloses, Finish],
        ..PLAIN
    },
];

/// One hook. Registrations are numbered in the order in which they were made, and so are the nexuses of fds, in that of their
/// first use ([R10]). Which nexus a timeout gets depends on when the cancelled ones occur.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hook {
    FdRegister {
        number: usize,
        nexus: usize,
        events: i16,
    },
    FdModify {
        number: usize,
        events: i16,
    },
    FdDeregister {
        number: usize,
    },
    /// How many seconds ahead; `None` for `{0,0}`.
    TimeoutRegister {
        number: usize,
        ahead: Option<i64>,
    },
    TimeoutModify {
        number: usize,
        ahead: Option<i64>,
    },
}

fn likeness(stage: &Stage) -> anyhow::Result<()> {
    let release = stage.library.release();
    if release < xenlight::Release::V4_13 {
        bail!(Skip(format!("the model's public operations are those of 4.13 and later, this is libxl {release}")));
    }
    let integration = CoreIntegration::new(Adapter::Epoll.start()?);
    for play in PLAYS {
        stage.monitor.remark(format!("{}: libxl, then the model", play.name));
        let libxl = perform(stage, play).with_context(|| format!("{}, libxl", play.name))?;
        let model = imitate(stage, &integration, play).with_context(|| format!("{}, the model", play.name))?;
        ensure!(libxl == model, "{}: libxl makes {libxl:#?}, the model {model:#?}", play.name);
        ensure!(!libxl.is_empty(), "{}: no hook was seen", play.name);
    }
    Ok(())
}

/// Libxl's hooks.
fn perform(stage: &Stage, play: &Play) -> anyhow::Result<Vec<Hook>> {
    let pretend = stage.machine.pretend()?;
    let clock = pretend.clock();
    clock.set_lag_ms(if play.hurried { 9_900 } else { 0 });
    let opened = stage.open_with(play.children)?;
    let client = newest(stage);
    for (path, value) in [("/libxl/5/device/vbd/51712/dev", "xvda"), ("/local/domain/5/device/vbd/51712/eject", "")] {
        pretend.store.write(path, value.as_bytes())?;
    }
    let script = script(stage, if play.script_hangs { "exec sleep 1000" } else { "true" })?;
    let (mut deaths, mut eject, mut operation) = (Vec::new(), None, None);
    let scripts = || opened.hooks.count(|what| matches!(what, What::TimeoutRegister { .. }));
    for act in play.acts {
        match act {
            WatchDeath => deaths.push(opened.ctx.watch_death(FIVE)?),
            UnwatchDeath => drop(deaths.pop().context("no watch")?),
            WatchEject => eject = Some(opened.ctx.watch_eject(FIVE, "xvda")?),
            UnwatchEject => drop(eject.take().context("no watch")?),
            Remove | Destroy => {
                pretend.add_nic(FIVE, 0, &script)?;
                let ctx = &opened.ctx;
                operation = Some(if *act == Remove { ctx.remove_nic(FIVE, 0) } else { ctx.destroy_nic(FIVE, 0) });
                if !play.hurried {
                    asked_to_close(stage)?;
                }
            }
            BackendCloses => pretend.close_backend(FIVE, 0)?,
            AwaitScript => eventually("the script's timeout is registered", || scripts() == 2)?,
            Abort => drop(operation.as_ref().context("no operation")?.abort()?),
            // How it ended is no hook.
            Finish => drop(block_on(operation.take().context("no operation")?)),
        }
    }
    drop(deaths);
    opened.close()?;
    clock.set_lag_ms(0);
    Ok(hooks_of(stage, client, play))
}

/// The model's.
fn imitate(stage: &Stage, integration: &CoreIntegration, play: &Play) -> anyhow::Result<Vec<Hook>> {
    let ctx = Arc::new(Ctx::new(Release::V4_13)?);
    let hosting = stage.monitor.host(integration, ctx.clone(), ctx.release().rule())?;
    ctx.register_hooks(Arc::downgrade(&hosting));
    let client = newest(stage);
    let call = |body: &mut dyn FnMut(&Locked<'_>)| {
        hosting.call(&mut || {
            ctx.call("a public operation", |locked| body(locked));
        });
    };
    let (mut eject, mut removal): (Option<Watch>, Option<Removal>) = (None, None);
    let bounds = if play.hurried { [100, 100] } else { Removal::PATIENCE };
    let mut refused = None;
    call(&mut |locked| {
        locked.children_set_mode(match play.children {
            Children::Libxl => ChildMode::Libxl,
            Children::LibxlAlways | Children::SelectiveReap => ChildMode::Always,
            _ => ChildMode::Mainloop,
        });
        // Xenlight's first watch, with which it opens each ctx.
        refused = locked.evenable_domain_death().err();
        locked.evdisable_domain_death();
    });
    ensure!(refused.is_none(), "the host refused: {refused:?}");
    for act in play.acts {
        let mut refused = None;
        call(&mut |locked| match (act, &removal) {
            (WatchDeath, _) => refused = locked.evenable_domain_death().err(),
            (UnwatchDeath, _) => locked.evdisable_domain_death(),
            (WatchEject, _) => eject = locked.watch_register(Arc::new(|_| ())).ok(),
            (UnwatchEject, _) => eject.take().into_iter().for_each(|watch| locked.watch_deregister(watch)),
            (Remove | Destroy, _) => removal = Removal::begin(locked, *act == Destroy, bounds).ok(),
            (BackendCloses, Some(removal)) => removal.backend_closes(locked),
            (Abort, Some(removal)) => removal.abort(locked),
            (Finish, Some(_)) | (AwaitScript, _) | (_, None) => {}
        });
        ensure!(refused.is_none(), "the host refused: {refused:?}");
        let until = |reached: &dyn Fn(Phase) -> bool| match &removal {
            Some(removal) => ctx.wait_until(Instant::now() + patience(), |_| reached(removal.phase())),
            None => false,
        };
        let reached = match act {
            BackendCloses | AwaitScript => until(&|phase| phase != Phase::Backend),
            Finish => {
                // The script ends, by itself or because it was killed.
                call(&mut |locked| {
                    locked.child_exits();
                });
                until(&|phase| phase == Phase::Done)
            }
            _ => true,
        };
        ensure!(reached, "not within {:?}: {act:?} in the model", patience());
    }
    hosting.close();
    ensure!(ctx.wait_until(Instant::now() + patience(), Ctx::is_freed), "the model is not freed");
    ensure!(!ctx.is_faulty(), "the model found: {:?}", ctx.violations());
    Ok(hooks_of(stage, client, play))
}

/// The client that was taken last.
fn newest(stage: &Stage) -> u32 {
    stage.monitor.look(|record| record.clients.len() as u32 - 1)
}

fn hooks_of(stage: &Stage, client: u32, play: &Play) -> Vec<Hook> {
    stage.monitor.look(|record| hooks(record, client, play))
}

fn hooks(record: &Record, client: u32, play: &Play) -> Vec<Hook> {
    let mut hooks = Vec::new();
    let mut numbers: HashMap<u64, usize> = HashMap::new();
    let mut nexuses: HashMap<u64, usize> = HashMap::new();
    // What each thread registers and has no handle for yet.
    let mut registering: HashMap<u32, usize> = HashMap::new();
    let mut registered = 0;
    for step in record.steps.iter().filter(|step| step.client == client) {
        // Of timeouts that a clock was set for, how far they are ahead says nothing.
        let ahead = |deadline: (i64, i64)| {
            let seconds = (deadline.0 * 1_000_000 + deadline.1 - step.wall + 500_000).div_euclid(1_000_000);
            (deadline != (0, 0)).then_some(if play.hurried { 0 } else { seconds })
        };
        let number = |handle| numbers.get(&handle).copied().unwrap_or(usize::MAX);
        let hook = match step.what {
            What::FdRegister { events, value, .. } => {
                let next = nexuses.len();
                let nexus = *nexuses.entry(value).or_insert(next);
                Hook::FdRegister { number: registered, nexus, events }
            }
            What::TimeoutRegister { deadline, .. } => {
                Hook::TimeoutRegister { number: registered, ahead: ahead(deadline) }
            }
            What::FdModify { handle, events, .. } => Hook::FdModify { number: number(handle), events },
            What::FdDeregister { handle, .. } => Hook::FdDeregister { number: number(handle) },
            What::TimeoutModify { handle, deadline } => {
                Hook::TimeoutModify { number: number(handle), ahead: ahead(deadline) }
            }
            What::HookReturned { handle, .. } => {
                if let Some(number) = registering.remove(&step.thread) {
                    numbers.insert(handle, number);
                }
                continue;
            }
            _ => continue,
        };
        if matches!(hook, Hook::FdRegister { .. } | Hook::TimeoutRegister { .. }) {
            registering.insert(step.thread, registered);
            registered += 1;
        }
        hooks.push(hook);
    }
    hooks
}
