//! What goes wrong is told: libxl's words come with the error, each to its own, and what may not be done is refused.

use crate::case::Case;
use crate::cases::device::script;
use crate::eventually::eventually;
use crate::hosts::{Adapter, Mode};
use crate::stage::{Opened, Stage};
use crate::tiers::Tier;
use crate::tiers::libxl::{DOMAINS, FIVE, SEVEN};
use anyhow::{Context, ensure};
use futures_lite::future::{block_on, poll_once};
use osevent_conformance::threads;
use std::fs::File;
use std::path::Path;
use xenlight::{Ctx, DomainConfig, DomainId, Error, Operation};

pub(crate) static WORDS: Case = Case {
    name: "errors-with-words",
    claim: "A creation that fails says what libxl said of it, where beginning fails and on libxl's own thread alike",
    clauses: &["E12"],
    tiers: &[Tier::Libxl],
    adapters: Adapter::ALL,
    modes: Mode::ALL,
    run: words,
};

pub(crate) static OWN_WORDS: Case = Case {
    name: "errors-with-their-own-words",
    claim: "Operations on two domains fail at the same time, and each has its own words, also those that name no domain",
    clauses: &["E12"],
    tiers: &[Tier::Libxl],
    adapters: Adapter::ALL,
    modes: Mode::ALL,
    run: own_words,
};

pub(crate) static MISSING: Case = Case {
    name: "errors-missing-domain",
    claim: "Whatever is asked of a domain that is not there is answered in one way; no number is taken for another domain's",
    clauses: &["E13"],
    tiers: &[Tier::Libxl, Tier::Xen],
    adapters: &[Adapter::Epoll],
    modes: Mode::ALL,
    run: missing,
};

pub(crate) static DOMAIN_0: Case = Case {
    name: "errors-domain-0",
    claim: "What would end, stop or move domain 0 is refused, and domain 0 is as before",
    clauses: &["E13"],
    tiers: &[Tier::Libxl, Tier::Xen],
    adapters: &[Adapter::Epoll],
    modes: Mode::ALL,
    run: domain_0,
};

pub(crate) static DESTROYED_TWICE: Case = Case {
    name: "errors-destroyed-twice",
    claim: "A second destroy says that another one is at work, which ends as if there were none; a third, that there is no domain",
    clauses: &["E13"],
    tiers: &[Tier::Libxl],
    adapters: Adapter::ALL,
    modes: Mode::ALL,
    run: destroyed_twice,
};

pub(crate) static GONE_MEANWHILE: Case = Case {
    name: "errors-gone-meanwhile",
    claim: "An operation that fails because its domain has gone away says so",
    clauses: &["E13"],
    tiers: &[Tier::Libxl],
    adapters: Adapter::ALL,
    modes: Mode::ALL,
    run: gone_meanwhile,
};

fn tiny(name: &str) -> anyhow::Result<DomainConfig> {
    Ok(DomainConfig::from_json(&format!(
        r#"{{"c_info":{{"type":"pv","name":"{name}"}},
            "b_info":{{"max_vcpus":1,"max_memkb":4096,"target_memkb":4096,"kernel":"/nowhere","type.pv":{{}}}}}}"#
    ))?)
}

fn words(stage: &Stage) -> anyhow::Result<()> {
    let opened = stage.open()?;
    let error = block_on(opened.ctx.create(&tiny("tiny")?)).err().context("a domain was made of no kernel")?;
    let is_refused = |text: &str| text.contains("xc_dom_kernel_file failed");
    ensure!(error.words().iter().any(|line| is_refused(&line.text) && line.certain), "{error:?}");
    let shown = error.to_string();
    ensure!(shown.contains("; libxl said: ") && is_refused(&shown), "{shown}");
    opened.close()
}

fn own_words(stage: &Stage) -> anyhow::Result<()> {
    let pretend = stage.machine.pretend()?;
    let opened = stage.open()?;
    let ctx = &opened.ctx;
    let script = script(stage, "exec sleep 1000")?;
    for domid in DOMAINS {
        pretend.add_nic(domid, 0, &script)?;
    }
    if stage.mode == Mode::Loop {
        // Forced: a timeout's occurrence has begun, and waits for the ctx lock, before its registration has returned.
        let (hooks, here) = (opened.hooks.clone(), std::thread::current().id());
        opened.recorder.on_timer_added(move |_| {
            let occurs = || hooks.occurrence_elsewhere().is_some();
            if std::thread::current().id() == here && eventually("the timeout occurs", occurs).is_ok() {
                threads::rest();
            }
        });
    }
    // The removals' two limits are 10 s each, the shutdown's is 60 s: all are reached within a tenth of a second.
    pretend.clock().set_lag_ms(59_900);
    let (five, seven, shutdown) = (ctx.remove_nic(FIVE, 0), ctx.remove_nic(SEVEN, 0), ctx.shutdown(SEVEN));
    for (domid, removal, other) in [(FIVE, five, SEVEN), (SEVEN, seven, FIVE)] {
        let error = block_on(removal).err().context("a backend that does not answer let go")?;
        let words = error.words();
        ensure!(!words.is_empty(), "domain {domid}: {error:?}");
        let stray = words.iter().find(|line| {
            line.domid == Some(other)
                || !line.certain
                || line.text.contains(&format!("/vif/{other}/"))
                || line.text.contains("acknowledge")
        });
        ensure!(stray.is_none(), "domain {domid} has another's words: {error:?}");
    }
    let error = block_on(shutdown).err().context("the pretend domain has no system that could acknowledge it")?;
    ensure!(error.words().iter().any(|line| line.text.contains("acknowledge control request")), "{error:?}");
    ensure!(error.words().iter().all(|line| !line.text.contains("/vif/")), "{error:?}");
    opened.expect_idle()?;
    opened.close()
}

fn missing(stage: &Stage) -> anyhow::Result<()> {
    let opened = stage.open()?;
    let ctx = &opened.ctx;
    let config = tiny("tiny")?;
    let before = states(ctx)?;
    let followed = ctx.follow_domains()?;
    // The fourth and fifth are domains 0 and 5 to those who look at 16 bits.
    for domid in [9999, 32752, 65535, 65536, 65541, u32::MAX].map(DomainId::new) {
        let file = || File::create(stage.folder.join("saved"));
        let answers = [
            ("info", ctx.info(domid).map(drop)),
            ("name", ctx.name(domid).map(drop)),
            ("pause", block_on(ctx.pause(domid))),
            ("unpause", block_on(ctx.unpause(domid))),
            ("shutdown", block_on(ctx.shutdown(domid))),
            ("reboot", block_on(ctx.reboot(domid))),
            ("destroy", block_on(ctx.destroy(domid))),
            ("resume", block_on(ctx.resume(domid))),
            ("save", block_on(ctx.save(domid, file()?, &config))),
            ("config", block_on(ctx.config(domid)).map(drop)),
            ("followed_config", block_on(ctx.followed_config(domid)).map(drop)),
            ("remove_nic", block_on(ctx.remove_nic(domid, 0))),
            ("destroy_nic", block_on(ctx.destroy_nic(domid, 0))),
            ("remove_disk", block_on(ctx.remove_disk(domid, "xvda"))),
            ("destroy_disk", block_on(ctx.destroy_disk(domid, "xvda"))),
            ("watch_eject", ctx.watch_eject(domid, "hdc").map(drop)),
        ];
        for (what, answer) in answers {
            let is_it = matches!(&answer, Err(Error::NoSuchDomain { domid: named, .. }) if *named == domid);
            ensure!(is_it, "{what} of domain {domid}: {answer:?}");
            ensure!(answer.is_err_and(|error| error.is_no_such_domain()), "{what} of domain {domid}");
        }
        ensure!(is_empty(&stage.folder.join("saved")), "something was written to save a domain that is not there");
    }
    drop(followed);
    ensure!(states(ctx)? == before, "other domains were meant: {before:?} before, {:?} after", states(ctx)?);
    opened.close()
}

fn is_empty(path: &Path) -> bool {
    path.metadata().is_ok_and(|file| file.len() == 0)
}

/// Which domains are paused, or on their way out.
fn states(ctx: &Ctx) -> anyhow::Result<Vec<(DomainId, bool, bool)>> {
    Ok(ctx.domains()?.iter().map(|domain| (domain.domid, domain.paused, domain.dying)).collect())
}

/// Its result, if it is over as soon as it is begun.
fn at_once(operation: Operation<()>) -> Option<Result<(), Error>> {
    block_on(poll_once(operation))
}

fn domain_0(stage: &Stage) -> anyhow::Result<()> {
    let opened = stage.open()?;
    let ctx = &opened.ctx;
    let config = tiny("tiny")?;
    let (before, name) = (states(ctx)?, ctx.name(DomainId::DOM0)?);
    let saved = stage.folder.join("saved");
    // Not awaited: refused when they are asked for, also where libxl has a thread.
    let answers = [
        ("pause", at_once(ctx.pause(DomainId::DOM0))),
        ("shutdown", at_once(ctx.shutdown(DomainId::DOM0))),
        ("reboot", at_once(ctx.reboot(DomainId::DOM0))),
        ("destroy", at_once(ctx.destroy(DomainId::DOM0))),
        ("resume", at_once(ctx.resume(DomainId::DOM0))),
        ("save", at_once(ctx.save(DomainId::DOM0, File::create(&saved)?, &config))),
    ];
    for (what, answer) in answers {
        ensure!(
            matches!(&answer, Some(Err(Error::Protected { domid: DomainId::DOM0, .. }))),
            "{what} of domain 0: {answer:?}"
        );
    }
    ensure!(is_empty(&saved), "something was written to save domain 0");
    ensure!(states(ctx)? == before && ctx.name(DomainId::DOM0)? == name, "domain 0 is not as before");
    opened.close()
}

/// The first is held by a backend that does not let go.
fn destroyed_twice(stage: &Stage) -> anyhow::Result<()> {
    let pretend = stage.machine.pretend()?;
    let opened = stage.open()?;
    let ctx = &opened.ctx;
    pretend.add_nic(FIVE, 0, &script(stage, "true")?)?;
    let first = ctx.destroy(FIVE);
    let second = block_on(ctx.destroy(FIVE));
    ensure!(matches!(second, Err(Error::BeingDestroyed { domid: FIVE })), "{second:?}");
    // Another domain's is none of its business.
    block_on(ctx.destroy(SEVEN))?;
    pretend.close_backend(FIVE, 0)?;
    block_on(first)?;
    let third = block_on(ctx.destroy(FIVE));
    ensure!(matches!(third, Err(Error::NoSuchDomain { domid: FIVE, .. })), "{third:?}");
    opened.close()
}

fn gone_meanwhile(stage: &Stage) -> anyhow::Result<()> {
    let pretend = stage.machine.pretend()?;
    let opened = stage.open()?;
    let Opened { ctx, hooks, .. } = &opened;
    pretend.add_nic(FIVE, 0, &script(stage, "true")?)?;
    let timers = || hooks.count(|step| matches!(step, osevent_conformance::record::What::TimeoutRegister { .. }));
    let before = timers();
    // Ten seconds for the backend, and ten once more after it was forced: two each.
    pretend.clock().set_lag_ms(8_000);
    let removal = ctx.remove_nic(FIVE, 0);
    eventually("the removal is at work", || timers() > before)?;
    pretend.destroy(FIVE)?;
    let result = block_on(removal);
    ensure!(matches!(result, Err(Error::NoSuchDomain { domid: FIVE, .. })), "{result:?}");
    opened.expect_idle()?;
    opened.close()
}
