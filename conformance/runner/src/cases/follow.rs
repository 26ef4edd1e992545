//! The domains of a host are followed.

use crate::case::Case;
use crate::cases::open::fill;
use crate::eventually::eventually;
use crate::hosts::{Adapter, Mode};
use crate::stage::{Opened, Stage, receive};
use crate::tiers::Tier;
use crate::tiers::libxl::{FIVE, Pretend, SEVEN};
use anyhow::{Context, bail, ensure};
use futures_lite::StreamExt;
use futures_lite::future::block_on;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};
use xenlight::{Domain, DomainChange, DomainId, DomainState, Domains, Error, ShutdownReason};

const NINE: DomainId = DomainId::new(9);
const ELEVEN: DomainId = DomainId::new(11);

/// Lists that missed a shutdown or a changed property, and a dead domain in the way of the next one with its uuid:
/// <https://github.com/QubesOS/qubes-issues/issues/3572>, <https://github.com/QubesOS/qubes-issues/issues/3675>,
/// <https://github.com/OpenXT/xenclient-oe/pull/712>.
pub(crate) static FOLLOWED: Case = Case {
    name: "domains-followed",
    claim: "Each change of a domain, from its appearance until it is gone, is told once and in order; a dying one is not taken for the living one of its name",
    clauses: &["O1", "O10", "E15"],
    tiers: &[Tier::Libxl],
    adapters: Adapter::ALL,
    modes: Mode::ALL,
    run: followed,
};

pub(crate) static MAKING: Case = Case {
    name: "domains-making",
    claim: "A domain in the making is told as such, and its creation's end; one that fails is gone without having died",
    clauses: &["O10"],
    tiers: &[Tier::Libxl],
    adapters: Adapter::ALL,
    modes: Mode::ALL,
    run: making,
};

pub(crate) static SHARED: Case = Case {
    name: "domains-shared",
    claim: "All who follow the domains share what is watched, the last one takes it away, and another one begins anew",
    clauses: &["S5"],
    tiers: &[Tier::Libxl],
    adapters: Adapter::ALL,
    modes: Mode::ALL,
    run: shared,
};

pub(crate) static WITHOUT_FDS: Case = Case {
    name: "domains-without-fds",
    claim: "When the fd table is full, following is refused with the reason and leaves nothing",
    clauses: &["R3"],
    tiers: &[Tier::Libxl],
    adapters: Adapter::ALL,
    modes: Mode::ALL,
    run: without_fds,
};

pub(crate) static XENSTORED_RESTARTED: Case = Case {
    name: "domains-xenstored-restarted",
    claim: "When xenstored ends, whoever follows is told, and what changed is told when it is back",
    clauses: &["E15"],
    tiers: &[Tier::Libxl],
    adapters: Adapter::ALL,
    modes: Mode::ALL,
    run: xenstored_restarted,
};

/// Lists that were stale from the beginning on if domains started meanwhile: <https://github.com/QubesOS/qubes-issues/issues/7362>.
pub(crate) static CHURN: Case = Case {
    name: "domains-churn",
    claim: "While hundreds of domains come, change and go, no change is lost and none is told twice",
    clauses: &["O10"],
    tiers: &[Tier::Libxl],
    adapters: Adapter::ALL,
    modes: Mode::ALL,
    run: churn,
};

pub(crate) static ADDED_MEANWHILE: Case = Case {
    name: "domains-added-meanwhile",
    claim: "A domain that comes at any moment while following begins is listed or told, also if nothing else ever happens",
    clauses: &["O10"],
    tiers: &[Tier::Libxl],
    // What is tried is this side of the loop.
    adapters: &[Adapter::Glib],
    modes: Mode::ALL,
    run: added_meanwhile,
};

pub(crate) static REUSED: Case = Case {
    name: "domains-number-reused",
    claim: "A domain with the number of one that is gone, and another uuid, is told as another domain, also if nobody looked in between",
    clauses: &["O10"],
    tiers: &[Tier::Libxl],
    adapters: Adapter::ALL,
    modes: Mode::ALL,
    run: reused,
};

pub(crate) static CLOSED_MEANWHILE: Case = Case {
    name: "domains-closed-meanwhile",
    claim: "A ctx can be closed while domains change, and the stream ends",
    clauses: &["X2", "S5"],
    tiers: &[Tier::Libxl],
    adapters: Adapter::ALL,
    modes: Mode::ALL,
    run: closed_meanwhile,
};

/// Takes the changes on a thread of its own, which is woken for each.
pub(crate) struct Follower {
    changes: Receiver<(DomainChange, Vec<Domain>)>,
    thread: thread::JoinHandle<()>,
}

impl Follower {
    pub(crate) fn start(mut domains: Domains) -> Self {
        let (sender, changes) = channel();
        let thread = thread::spawn(move || {
            while let Some(change) = block_on(domains.next()) {
                // The case may have failed.
                let _ = sender.send((change, domains.list().cloned().collect()));
            }
        });
        Self { changes, thread }
    }

    /// The next one, and all domains with it.
    pub(crate) fn next(&self) -> anyhow::Result<(DomainChange, Vec<Domain>)> {
        receive("a change of a domain", &self.changes)
    }

    /// The domain that is new with the next change.
    fn appeared(&self, domid: DomainId) -> anyhow::Result<Domain> {
        match self.next()? {
            (DomainChange::Appeared(domain), all) if domain.domid() == domid && all.contains(&domain) => Ok(domain),
            other => bail!("{other:?}, and not the appearance of {domid}"),
        }
    }

    /// The domain that changes with the next change.
    fn changed(&self, domid: DomainId) -> anyhow::Result<Domain> {
        match self.next()? {
            (DomainChange::Changed { before, now }, all) if now.domid() == domid && all.contains(&now) => {
                ensure!(before != now && before.uuid() == now.uuid(), "{before:?} became {now:?}");
                Ok(now)
            }
            other => bail!("{other:?}, and not a change of {domid}"),
        }
    }

    /// The domain that is gone with the next change.
    fn gone(&self, domid: DomainId) -> anyhow::Result<Domain> {
        match self.next()? {
            (DomainChange::Gone(domain), all) if domain.domid() == domid => {
                ensure!(all.iter().all(|listed| listed.domid() != domid), "{domid} is gone and still listed");
                Ok(domain)
            }
            other => bail!("{other:?}, and not the end of {domid}"),
        }
    }

    /// The ctx is closed: the stream ends, and this is left in it.
    pub(crate) fn rest(self) -> anyhow::Result<Vec<DomainChange>> {
        ensure!(self.thread.join().is_ok(), "the one who follows has panicked");
        Ok(self.changes.try_iter().map(|(change, _)| change).collect())
    }

    /// The ctx is closed: the stream ends, and nothing is left in it.
    fn end(self) -> anyhow::Result<()> {
        let rest = self.rest()?;
        ensure!(rest.is_empty(), "{rest:?} was not expected");
        Ok(())
    }
}

fn rename(pretend: &Pretend, domid: DomainId, name: &str) -> anyhow::Result<()> {
    Ok(pretend.store.write(&format!("/local/domain/{domid}/name"), name.as_bytes())?)
}

fn followed(stage: &Stage) -> anyhow::Result<()> {
    let pretend = stage.machine.pretend()?;
    let opened = stage.open()?;
    let domains = opened.ctx.follow_domains()?;
    let listed: Vec<_> = domains.list().map(|domain| (domain.domid(), domain.name.as_deref(), domain.state)).collect();
    let running = DomainState::Running;
    let expected = [(DomainId::DOM0, Some("Domain-0"), running), (FIVE, Some("pretend-5"), running)];
    ensure!(listed[..2] == expected && listed[2..] == [(SEVEN, Some("pretend-7"), running)], "{listed:?}");
    let five = domains.by_name("pretend-5").context("a domain has its name")?;
    ensure!(domains.by_uuid(five.uuid()) == Some(five) && domains.get(FIVE) == Some(five));

    let follower = Follower::start(domains);
    pretend.add_domain(NINE)?;
    let nine = follower.appeared(NINE)?;
    ensure!(nine.name.as_deref() == Some("pretend-9") && nine.state == running, "{nine:?}");
    rename(pretend, NINE, "web")?;
    ensure!(follower.changed(NINE)?.name.as_deref() == Some("web"));
    pretend.store.write("/local/domain/9/memory/target", b"2048")?;
    ensure!(follower.changed(NINE)?.memory_target_kib == Some(2048));
    // Xenstore says nothing of these.
    block_on(opened.ctx.pause(NINE))?;
    ensure!(follower.changed(NINE)?.state == DomainState::Paused);
    block_on(opened.ctx.unpause(NINE))?;
    ensure!(follower.changed(NINE)?.state == running);
    pretend.shut_down(NINE, 1)?;
    ensure!(follower.changed(NINE)?.state == DomainState::Shutdown(ShutdownReason::Reboot));
    pretend.begin_destroy(NINE);
    ensure!(follower.changed(NINE)?.state == DomainState::Dying);

    // Another one of this name, while that is dying.
    pretend.add_domain(ELEVEN)?;
    follower.appeared(ELEVEN)?;
    rename(pretend, ELEVEN, "web")?;
    ensure!(follower.changed(ELEVEN)?.name.as_deref() == Some("web"));
    let later = opened.ctx.follow_domains()?;
    ensure!(later.by_name("web").map(Domain::domid) == Some(ELEVEN), "{:?}", later.by_name("web"));
    ensure!(later.get(NINE).is_some_and(|nine| !nine.is_living()) && later.by_uuid(nine.uuid()).is_some());
    // Xenstored has told of it, and tells no more.
    pretend.destroy(NINE)?;
    ensure!(follower.gone(NINE)?.state == DomainState::Dying);
    pretend.destroy(ELEVEN)?;
    ensure!(follower.gone(ELEVEN)?.state == running);
    drop(later);
    opened.close()?;
    follower.end()
}

fn making(stage: &Stage) -> anyhow::Result<()> {
    let pretend = stage.machine.pretend()?;
    let opened = stage.open()?;
    let follower = Follower::start(opened.ctx.follow_domains()?);
    let watcher = opened.ctx.follow_domains()?;

    // One that is completed. Nothing tells of its beginning.
    pretend.begin_domain(NINE);
    watcher.refresh()?;
    let nine = follower.appeared(NINE)?;
    ensure!(nine.state == DomainState::Making && nine.name.is_none(), "{nine:?}");
    rename(pretend, NINE, "web")?;
    let nine = follower.changed(NINE)?;
    ensure!(nine.state == DomainState::Making && nine.name.as_deref() == Some("web"), "{nine:?}");
    pretend.store.introduce(NINE.get());
    pretend.keep_configuration(&nine.info)?;
    ensure!(follower.changed(NINE)?.state == DomainState::Paused);

    // One that fails, before xenstored was told and after.
    for introduced in [false, true] {
        pretend.begin_domain(ELEVEN);
        if introduced {
            pretend.store.introduce(ELEVEN.get());
        } else {
            opened.ctx.refresh_domains()?;
        }
        ensure!(follower.appeared(ELEVEN)?.state == DomainState::Making);
        pretend.begin_destroy(ELEVEN);
        ensure!(follower.changed(ELEVEN)?.state == DomainState::Making, "a creation that fails is a death");
        pretend.destroy(ELEVEN)?;
        ensure!(follower.gone(ELEVEN)?.state == DomainState::Making);
    }
    drop(watcher);
    opened.close()?;
    follower.end()
}

fn shared(stage: &Stage) -> anyhow::Result<()> {
    let pretend = stage.machine.pretend()?;
    let opened = stage.open()?;
    let before = pretend.store.clients();
    for _ in 0..3 {
        let first = opened.ctx.follow_domains()?;
        let shared = (pretend.store.clients(), opened.ctx.census().registered);
        ensure!(shared.0 == before + 2, "{} connections", shared.0 - before);
        let second = opened.ctx.follow_domains()?;
        pretend.add_domain(NINE)?;
        let mut both = [first, second];
        for domains in &mut both {
            let change = block_on(domains.next());
            ensure!(matches!(&change, Some(DomainChange::Appeared(nine)) if nine.domid() == NINE), "{change:?}");
        }
        ensure!(pretend.store.clients() == shared.0, "the second one has a connection of its own");
        let [first, mut second] = both;
        drop(first);
        pretend.destroy(NINE)?;
        let change = block_on(second.next());
        ensure!(matches!(&change, Some(DomainChange::Gone(_))), "{change:?}");
        drop(second);
        opened.expect_idle()?;
        eventually("the connections are closed", || pretend.store.clients() == before)?;
    }
    opened.close()
}

fn without_fds(stage: &Stage) -> anyhow::Result<()> {
    const ENOUGH: usize = 64;
    let opened = stage.open()?;
    // What the first one loads.
    drop(opened.ctx.follow_domains()?);
    opened.expect_idle()?;
    let mut full = fill()?;
    let mut failures = 0;
    for free in 0..ENOUGH {
        match opened.ctx.follow_domains() {
            Ok(domains) => {
                ensure!(failures > 0, "the table was not full");
                ensure!(domains.list().count() == 3);
                drop((domains, full));
                opened.expect_idle()?;
                return opened.close();
            }
            Err(Error::Io { reason, .. }) if reason.raw_os_error() == Some(libc::EMFILE) => failures += 1,
            Err(error) => bail!("with {free} fds left: {error:?}"),
        }
        opened.expect_idle()?;
        full.pop();
    }
    bail!("following does not work with {ENOUGH} fds")
}

fn xenstored_restarted(stage: &Stage) -> anyhow::Result<()> {
    let pretend = stage.machine.pretend()?;
    let opened = stage.open()?;
    let follower = Follower::start(opened.ctx.follow_domains()?);
    for round in 0..2 {
        pretend.store.go_away()?;
        let (change, _) = follower.next()?;
        let DomainChange::Stale(error) = &change else { bail!("{change:?}") };
        ensure!(matches!(**error, Error::XenstoredLost), "{error:?}");
        // One who comes now learns it, too.
        let mut later = opened.ctx.follow_domains()?;
        let change = block_on(later.next());
        ensure!(matches!(change, Some(DomainChange::Stale(_))), "{change:?}");
        pretend.add_domain(NINE)?;
        let name = format!("renamed-{round}");
        rename(pretend, FIVE, &name)?;
        pretend.store.come_back()?;
        ensure!(follower.changed(FIVE)?.name == Some(name));
        ensure!(follower.appeared(NINE)?.name.as_deref() == Some("pretend-9"));
        let (change, _) = follower.next()?;
        ensure!(matches!(change, DomainChange::Fresh), "{change:?}");
        // It is watched again.
        rename(pretend, NINE, "web")?;
        ensure!(follower.changed(NINE)?.name.as_deref() == Some("web"));
        pretend.destroy(NINE)?;
        follower.gone(NINE)?;
    }
    // What libxl itself makes of it, is another case's.
    while opened.events.try_next().is_some() {}
    opened.close()?;
    follower.end()
}

/// Has domains come, change and go, and comes to an end with some that stay: their names.
fn stir(pretend: &Pretend, count: u32, go_on: impl Fn() -> bool) -> anyhow::Result<BTreeMap<DomainId, String>> {
    let mut left = BTreeMap::new();
    for number in 0..count {
        if !go_on() {
            break;
        }
        let domid = DomainId::new(100 + number % 60);
        if left.remove(&domid).is_some() {
            pretend.remove(domid);
        }
        pretend.add_domain(domid)?;
        let name = format!("churn-{number}");
        rename(pretend, domid, &name)?;
        left.insert(domid, name);
        if number % 3 == 0 {
            pretend.remove(domid);
            left.remove(&domid);
        }
    }
    Ok(left)
}

fn churn(stage: &Stage) -> anyhow::Result<()> {
    let pretend = stage.machine.pretend()?;
    let opened = stage.open()?;
    let (mut all, left, follower) = thread::scope(|scope| {
        let (following, is_followed) = channel();
        let stirring = scope.spawn(move || {
            let left = stir(pretend, 600, || true)?;
            // The last change of all. If nobody follows, the case has failed.
            if is_followed.recv().is_ok() {
                rename(pretend, SEVEN, LAST)?;
            }
            anyhow::Ok(left)
        });
        // The list is made while domains come and go.
        let domains = opened.ctx.follow_domains()?;
        let mut names = domains.list().map(|domain| (domain.domid(), domain.name.clone())).collect();
        let follower = Follower::start(domains);
        following.send(())?;
        let taken = until_the_last(&follower, &mut names);
        let left = stirring.join().map_err(|_| anyhow::anyhow!("the one who stirs has panicked"))?;
        anyhow::Ok((taken?, left?, follower))
    })?;
    let truth: BTreeMap<_, _> = left.into_iter().map(|(domid, name)| (domid, Some(name))).collect();
    let stirred = |all: &[Domain]| -> BTreeMap<_, _> {
        let stirred = all.iter().filter(|domain| domain.domid().get() >= 100);
        stirred.map(|domain| (domain.domid(), domain.name.clone())).collect()
    };
    // What came in the same reading as the last one, with a higher number.
    while stirred(&all) != truth {
        let change;
        (change, all) =
            follower.next().with_context(|| format!("listed are {:?}, there are {truth:?}", stirred(&all)))?;
        ensure!(!matches!(change, DomainChange::Stale(_)), "{change:?}");
    }
    opened.close()?;
    follower.end()
}

const LAST: &str = "the last";

/// Takes the changes, each of which must follow from those before, until a domain has the last name of all; all domains then.
fn until_the_last(follower: &Follower, names: &mut BTreeMap<DomainId, Option<String>>) -> anyhow::Result<Vec<Domain>> {
    loop {
        let (change, all) = follower.next()?;
        match change {
            DomainChange::Appeared(now) => {
                let before = names.insert(now.domid(), now.name.clone());
                ensure!(before.is_none(), "{now:?} has appeared twice");
            }
            DomainChange::Changed { before, now } => {
                let known = names.insert(now.domid(), now.name.clone());
                ensure!(known == Some(before.name.clone()), "{before:?} was {known:?}");
                if now.name.as_deref() == Some(LAST) {
                    return Ok(all);
                }
            }
            DomainChange::Gone(before) => {
                let known = names.remove(&before.domid());
                ensure!(known == Some(before.name.clone()), "{before:?} was {known:?}");
            }
            other => bail!("{other:?}"),
        }
    }
}

/// How a domain comes.
#[derive(Clone, Copy, Debug)]
enum Comes {
    /// Xenstored tells of it.
    Told,
    /// This program says that there is something to look for.
    Unheard,
}

fn added_meanwhile(stage: &Stage) -> anyhow::Result<()> {
    let opened = stage.open()?;
    // What the first one loads.
    drop(opened.ctx.follow_domains()?);
    opened.expect_idle()?;
    for comes in [Comes::Told, Comes::Unheard] {
        let (mut listed, mut told) = (0, 0);
        let mut longest = Duration::ZERO;
        // From the beginning of the call to some time after its end, in steps that differ by row and round.
        for round in 0..ROUNDS {
            let (is_listed, took) = one_is_added(stage, &opened, comes, longest * 2 * round / ROUNDS)
                .with_context(|| format!("{comes:?}, round {round}"))?;
            *(if is_listed { &mut listed } else { &mut told }) += 1;
            longest = longest.max(took.min(LONGEST));
        }
        println!("{comes:?}: listed {listed} times, told {told} times");
        ensure!(told > 0 && (listed > 0 || matches!(comes, Comes::Unheard)), "{comes:?}: no race was forced");
    }
    opened.close()
}

const ROUNDS: u32 = 60;
/// Of the calls, as far as one that was slow by chance does not count.
const LONGEST: Duration = Duration::from_millis(20);

/// Adds one that long after following has begun, or after it has returned. Whether it was in the list, and how long that took.
fn one_is_added(stage: &Stage, opened: &Opened, comes: Comes, delay: Duration) -> anyhow::Result<(bool, Duration)> {
    let pretend = stage.machine.pretend()?;
    let both = Barrier::new(2);
    let wait = |began: Instant| while began.elapsed() < delay {};
    let (mut domains, is_listed, took) = thread::scope(|scope| {
        let adding = scope.spawn(|| {
            both.wait();
            if let Comes::Told = comes {
                wait(Instant::now());
                pretend.add_domain(NINE)?;
            }
            anyhow::Ok(())
        });
        both.wait();
        let began = Instant::now();
        let domains = opened.ctx.follow_domains()?;
        let took = began.elapsed();
        let is_listed = domains.get(NINE).is_some();
        if let Comes::Unheard = comes {
            wait(began + took);
            pretend.begin_domain(NINE);
            domains.refresh()?;
        }
        adding.join().map_err(|_| anyhow::anyhow!("the one who adds has panicked"))??;
        anyhow::Ok((domains, is_listed, took))
    })?;
    if is_listed {
        drop(domains);
    } else {
        // A thread can be left alone with what never comes.
        let (sender, change) = channel();
        // The case may have failed.
        thread::spawn(move || _ = sender.send(block_on(domains.next())));
        let change = receive("the domain that was added", &change)?;
        ensure!(matches!(&change, Some(DomainChange::Appeared(nine)) if nine.domid() == NINE), "{change:?}");
    }
    opened.expect_idle()?;
    // Nothing of its end is to come to the next one who follows.
    let mut releases = pretend.store.watch(&["@releaseDomain"])?;
    eventually("xenstored tells of the first", || !releases.read().is_empty())?;
    pretend.remove(NINE);
    if let Comes::Told = comes {
        eventually("xenstored tells of the domain's end", || !releases.read().is_empty())?;
    }
    Ok((is_listed, took))
}

fn reused(stage: &Stage) -> anyhow::Result<()> {
    let pretend = stage.machine.pretend()?;
    let opened = stage.open()?;
    let follower = Follower::start(opened.ctx.follow_domains()?);
    pretend.add_domain(NINE)?;
    let mut before = follower.appeared(NINE)?;
    // Whether the domains are read between the one's end and the other's beginning, is chance.
    for round in 1..=32 {
        pretend.replace(NINE, [round; 16])?;
        let gone = loop {
            match follower.next()?.0 {
                DomainChange::Gone(domain) if domain.domid() == NINE => break domain,
                // The name of the one that comes is in xenstore before that is there itself.
                DomainChange::Changed { now, .. } if now.uuid() == before.uuid() => {}
                other => bail!("{other:?}, and not the end of {NINE}"),
            }
        };
        ensure!(gone.uuid() == before.uuid(), "{gone:?} was {before:?}");
        before = follower.appeared(NINE)?;
        ensure!(before.uuid().into_bytes() == [round; 16], "{before:?} in round {round}");
        let name = format!("round-{round}");
        rename(pretend, NINE, &name)?;
        // It may have been told before it ran.
        while before.name.as_ref() != Some(&name) || before.state != DomainState::Running {
            before = follower.changed(NINE)?;
        }
    }
    opened.close()?;
    follower.end()
}

fn closed_meanwhile(stage: &Stage) -> anyhow::Result<()> {
    let pretend = stage.machine.pretend()?;
    for round in 0..5 {
        let opened = stage.open()?;
        let follower = Follower::start(opened.ctx.follow_domains()?);
        let ended = Arc::new(AtomicBool::new(false));
        let left = thread::scope(|scope| {
            // Relaxed: it tells when to end, no more.
            let stirring = scope.spawn(|| stir(pretend, u32::MAX, || !ended.load(Ordering::Relaxed)));
            let closed = (0..=round).try_for_each(|_| follower.next().map(drop)).and_then(|()| opened.close());
            ended.store(true, Ordering::Relaxed);
            let left = stirring.join().map_err(|_| anyhow::anyhow!("the one who stirs has panicked"))?;
            closed.and(left)
        })?;
        ensure!(follower.thread.join().is_ok(), "the one who follows has panicked");
        left.into_keys().for_each(|domid| pretend.remove(domid));
    }
    Ok(())
}
