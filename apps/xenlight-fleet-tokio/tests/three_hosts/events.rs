//! Every event of every host is in the stream, once.

use serde_json::Value;

use crate::Case;
use crate::bed::{Host, Journal, Outcome, Told, with_nats};
use crate::hosts::text;
use crate::nats::Nats;

pub(crate) const CASES: &[Case] = &[
    ("each_event_is_in_the_stream_once_while_the_server_and_a_host_are_killed", once),
    ("events_that_xenlightd_no_longer_has_are_said_to_be_lost", lost),
];

fn once() -> Outcome {
    with_nats(|mut nats| async move {
        let (mut one, mut two, mut three) =
            tokio::try_join!(Host::start("one", &nats), Host::start("two", &nats), Host::start("three", &nats))?;
        tokio::try_join!(one.churn(1..=20), two.churn(1..=20), three.churn(1..=20))?;
        nats.go_away()?;
        tokio::try_join!(one.churn(21..=40), two.churn(21..=40))?;
        // Its message is still to be sent, and it does not know.
        one.bridge_waits()?;
        nats.come_back().await?;
        // While the bridges find the server again.
        tokio::try_join!(one.churn(41..=60), two.churn(41..=60), three.churn(21..=60))?;
        is_complete(&nats, &one, None).await?;

        // In the middle of what it has to tell.
        three.churn(61..=100).await?;
        let killed = three.journal().await?;
        three.go_away();
        three.come_back().await?;
        three.churn(101..=110).await?;
        is_complete(&nats, &three, Some(killed)).await?;
        is_complete(&nats, &two, None).await
    })
}

/// The stream has all that the host's xenlightd tells, in this order, and a beginning of what an earlier one told, which was killed.
async fn is_complete(nats: &Nats, host: &Host, killed: Option<Journal>) -> Outcome {
    let now = host.journal().await?;
    let is_last = |told: &Value| told["instance"] == *now.instance && told["sequence"] == now.latest();
    let told = nats.stream(&format!("xen.events.{}", host.name), is_last).await?;
    assert!(told.iter().all(|told| told["host"] == host.name));
    let of = |instance: &str| -> Vec<Told> {
        let told = told.iter().filter(|told| told["instance"] == *instance);
        told.map(|told| (number(&told["sequence"]), text(&told["event"]).to_owned(), number(&told["id"]))).collect()
    };
    let began = (0, "began".to_owned(), 0);
    let stored = of(&now.instance);
    assert_eq!(stored.first(), Some(&began));
    assert_eq!(stored[1..], now.events, "{}", host.name);
    let mut count = stored.len();
    if let Some(killed) = killed {
        let stored = of(&killed.instance);
        assert_eq!(stored.first(), Some(&began));
        assert_eq!(stored[1..], killed.events[..stored.len() - 1]);
        count += stored.len();
    }
    assert_eq!(told.len(), count, "of other instances there is nothing");
    Ok(())
}

fn lost() -> Outcome {
    with_nats(|mut nats| async move {
        let mut host = Host::start("one", &nats).await?;
        host.churn(1..=2).await?;
        is_complete(&nats, &host, None).await?;
        let before = host.journal().await?.latest();
        nats.go_away()?;
        // 4096 are kept.
        for _ in 0..21 {
            host.live_and_die(101..=200).await?;
        }
        host.machine.add_domain(8)?;
        host.told("DomainAppeared", 8).await?;
        nats.come_back().await?;
        let told = nats.stream("xen.events.one", |told| told["event"] == "snapshot").await?;
        let snapshot = told.last().ok_or("there is one")?;
        assert_eq!(number(&snapshot["sequence"]), before + 4201);
        // One was on its way when the server went away.
        let stored = number(&told[told.len() - 2]["sequence"]);
        assert!(stored == before || stored == before + 1);
        assert_eq!(number(&snapshot["lost"]), before + 4201 - 4096 - stored);
        let domains: Vec<_> =
            snapshot["domains"].as_array().into_iter().flatten().map(|domain| &domain["id"]).collect();
        assert_eq!(domains, [0, 1, 8]);
        // And it goes on.
        host.lives_and_dies(9).await?;
        nats.stream("xen.events.one", |told| number(&told["sequence"]) == before + 4203).await?;
        Ok(())
    })
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_default()
}
