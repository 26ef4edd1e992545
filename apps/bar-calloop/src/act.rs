//! One action on one domain, from a command line.

use calloop::EventLoop;
use calloop::futures::executor;
use osevent_calloop::LibxlSource;
use xenlight::{Ctx, DomainId, Error, Library};

use crate::Failure;
use crate::domain::Action;

/// Does it and waits until it is done.
pub(crate) fn run(action: Action, domain: &str) -> Result<(), Failure> {
    let mut event_loop = EventLoop::<Option<Result<(), Error>>>::try_new()?;
    let handle = event_loop.handle();
    let xen = LibxlSource::new()?;
    let ctx = Ctx::open(&Library::load()?, xen.event_loop())?;
    handle.insert_source(xen, |_, _, _| {}).map_err(|refused| refused.error)?;
    let domid = find(&ctx, domain)?.ok_or_else(|| format!("there is no domain {domain:?}"))?;

    let (results, operations) = executor()?;
    handle.insert_source(results, |result, _, done| *done = Some(result)).map_err(|refused| refused.error)?;
    operations.schedule(action.begin(&ctx, domid))?;
    let signal = event_loop.get_signal();
    let mut done = None;
    event_loop.run(None, &mut done, |done| {
        if done.is_some() {
            signal.stop();
        }
    })?;
    ctx.close_blocking()?;
    Ok(done.unwrap_or(Ok(()))?)
}

/// A living domain by its name or uuid, or any by its number.
fn find(ctx: &Ctx, domain: &str) -> Result<Option<DomainId>, Error> {
    let followed = ctx.follow_domains()?;
    let by_name = followed.by_name(domain).map(|found| found.domid());
    let by_uuid = || domain.parse().ok().and_then(|uuid| followed.by_uuid(uuid)).map(|found| found.domid());
    Ok(by_name.or_else(by_uuid).or_else(|| domain.parse().ok().map(DomainId::new)))
}
