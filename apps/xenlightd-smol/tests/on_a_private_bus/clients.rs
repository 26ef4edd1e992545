//! Clients that are slow, or end.

use osevent_standin_machine::{Running, signal};

use crate::Case;
use crate::bed::{Outcome, with_service};

pub(crate) const CASES: &[Case] = &[("clients_that_never_read_do_not_hold_up_others", stuck)];

fn stuck() -> Outcome {
    with_service(|bed| async move {
        let mut signals = bed.signals().await?;
        let mut stuck = Vec::new();
        for _ in 0..10 {
            let mut client = Running::start(&mut bed.command(&["events", "--json"]))?;
            client.says(r#"{"event":"available"}"#)?;
            signal(client.id(), "STOP")?;
            stuck.push(client);
        }
        for domid in 1..=200 {
            bed.machine.add_domain(domid)?;
            signals.domain("DomainAppeared", domid).await?;
            bed.machine.destroy(domid)?;
            signals.domain("DomainGone", domid).await?;
        }
        // They end while the service has something for them.
        drop(stuck);
        bed.machine.add_domain(5)?;
        signals.domain("DomainAppeared", 5).await?;
        Ok(())
    })
}
