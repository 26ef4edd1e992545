//! Lists the domains of a host, asks `web` to shut down, and destroys it when it has.

use std::error::Error;

use futures_lite::StreamExt;
use smol::LocalExecutor;
use xenlight::{Ctx, DomainChange, DomainState, Library};

fn main() -> Result<(), Box<dyn Error>> {
    let executor = LocalExecutor::new();
    smol::block_on(executor.run(run(&executor)))
}

async fn run(executor: &LocalExecutor<'_>) -> Result<(), Box<dyn Error>> {
    // Everything that libxl waits for is one task.
    let xen = osevent_smol::LibxlSource::new()?;
    let event_loop = xen.event_loop();
    executor.spawn(xen).detach();
    let ctx = Ctx::open(&Library::load()?, event_loop)?;

    // The list, and from then on each change of it.
    let mut domains = ctx.follow_domains()?;
    for domain in domains.list() {
        println!("{} is {:?}", domain.name.as_deref().unwrap_or("?"), domain.state);
    }
    let web = domains.by_name("web").ok_or("there is no domain web")?.domid();

    // An operation is a future. This one ends when the domain has answered.
    ctx.shutdown(web).await?;
    while let Some(change) = domains.next().await {
        let DomainChange::Changed { now, .. } = change else { continue };
        if now.domid() == web
            && let DomainState::Shutdown(reason) = now.state
        {
            println!("web has shut down: {reason}");
            break;
        }
    }
    ctx.destroy(web).await?;
    println!("web is gone");

    // Operations have ended and libxl's ctx is freed when this resolves.
    ctx.close().await;
    Ok(())
}
