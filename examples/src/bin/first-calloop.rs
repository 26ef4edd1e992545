//! Lists the domains of a host, asks `web` to shut down, and destroys it when it has.

use std::error::Error;

use calloop::futures::{Scheduler, executor};
use calloop::stream::StreamSource;
use calloop::{EventLoop, LoopSignal};
use xenlight::{Ctx, DomainChange, DomainId, DomainState, Library};

/// The program's own data, which calloop passes to each callback.
struct App {
    ctx: Ctx,
    web: DomainId,
    operations: Scheduler<Result<(), xenlight::Error>>,
    signal: LoopSignal,
    failed: Option<xenlight::Error>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut event_loop = EventLoop::<App>::try_new()?;
    let handle = event_loop.handle();

    // Everything that libxl waits for is one source.
    let xen = osevent_calloop::LibxlSource::new()?;
    let ctx = Ctx::open(&Library::load()?, xen.event_loop())?;
    handle.insert_source(xen, |_, _, _| {})?;

    // The list, and from then on each change of it.
    let domains = ctx.follow_domains()?;
    for domain in domains.list() {
        println!("{} is {:?}", domain.name.as_deref().unwrap_or("?"), domain.state);
    }
    let web = domains.by_name("web").ok_or("there is no domain web")?.domid();
    handle.insert_source(StreamSource::new(domains)?, |change, _, app| {
        change.into_iter().for_each(|change| app.tell(change));
    })?;

    // Operations are futures; their results come to the program's data, too.
    let (results, operations) = executor()?;
    handle.insert_source(results, |result, _, app| {
        if let Err(error) = result {
            app.failed = Some(error);
            app.signal.stop();
        }
    })?;
    operations.schedule(ctx.shutdown(web))?;

    let mut app = App { ctx, web, operations, signal: event_loop.get_signal(), failed: None };
    event_loop.run(None, &mut app, |_| {})?;

    // Operations have ended and libxl's ctx is freed when this returns. It runs the loop meanwhile.
    app.ctx.close_blocking()?;
    app.failed.map_or(Ok(()), |error| Err(error.into()))
}

impl App {
    fn tell(&mut self, change: DomainChange) {
        match change {
            DomainChange::Changed { before, now } if now.domid() == self.web && now.state != before.state => {
                if let DomainState::Shutdown(reason) = now.state {
                    println!("web has shut down: {reason}");
                    // It ends with an error if the executor is gone, which lives as long as the loop.
                    let _ = self.operations.schedule(self.ctx.destroy(self.web));
                }
            }
            DomainChange::Gone(domain) if domain.domid() == self.web => {
                println!("web is gone");
                self.signal.stop();
            }
            _ => {}
        }
    }
}
