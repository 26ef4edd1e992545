//! What docs/benchmarks.md tells. Asked for only: `cargo test --release -p xenlight-fleet --test three_hosts -- --ignored --nocapture`.

use std::time::Instant;

use async_nats::jetstream;
use async_nats::jetstream::consumer::{DeliverPolicy, pull::OrderedConfig};
use futures_lite::StreamExt;
use osevent_standin_machine::Running;
use serde_json::Value;

use crate::Case;
use crate::bed::{Host, Outcome, fleet, with_nats};

pub(crate) const CASES: &[Case] = &[
    ("from_a_death_to_the_stream", latency),
    ("events_per_second_into_the_stream", rate),
    ("until_a_lost_host_is_noticed", notice),
];

const SAMPLES: u32 = 200;

/// Of each host, hundreds.
const EVENTS: u64 = 2000;

fn latency() -> Outcome {
    with_nats(|nats| async move {
        let mut host = Host::start("one", &nats).await?;
        let context = jetstream::new(nats.client().await?);
        let stream = context.get_stream("XEN_EVENTS").await?;
        let config = OrderedConfig { deliver_policy: DeliverPolicy::New, ..Default::default() };
        let mut messages = stream.create_consumer(config).await?.messages().await?;
        let (mut signals, mut stored) = (Vec::new(), Vec::new());
        for domid in 1..=SAMPLES {
            host.machine.add_domain(domid)?;
            host.told("DomainAppeared", domid).await?;
            let began = Instant::now();
            host.machine.destroy(domid)?;
            host.told("DomainGone", domid).await?;
            signals.push(began.elapsed());
            loop {
                let message = messages.next().await.ok_or("they have ended")??;
                let told: Value = serde_json::from_slice(&message.payload)?;
                if told["event"] == "gone" && told["id"] == domid {
                    break;
                }
            }
            stored.push(began.elapsed());
        }
        for (what, times) in [("its signal", &mut signals), ("a reader of the stream", &mut stored)] {
            times.sort();
            println!(
                "from a death to {what}: median {:?}, worst of {SAMPLES} {:?}",
                times[times.len() / 2],
                times[times.len() - 1]
            );
        }
        Ok(())
    })
}

fn rate() -> Outcome {
    with_nats(|mut nats| async move {
        let (mut one, mut two, mut three) =
            tokio::try_join!(Host::start("one", &nats), Host::start("two", &nats), Host::start("three", &nats))?;
        // What has gathered meanwhile goes into the stream as fast as it can.
        for count in [1, 3] {
            nats.go_away()?;
            let mut hosts = [&mut one, &mut two, &mut three];
            for host in hosts.iter_mut().take(count) {
                for _ in 0..EVENTS / 200 {
                    host.live_and_die(101..=200).await?;
                }
            }
            nats.come_back().await?;
            for host in hosts.iter().take(count) {
                let latest = host.journal().await?.latest();
                nats.stream(&format!("xen.events.{}", host.name), |told| told["sequence"] == latest).await?;
            }
            let context = jetstream::new(nats.client().await?);
            let stream = context.get_stream("XEN_EVENTS").await?;
            let latest = stream.cached_info().state.last_sequence;
            let events = EVENTS * count as u64;
            let first = stream.get_raw_message(latest - events + 1).await?.time;
            let took = (stream.get_raw_message(latest).await?.time - first).as_seconds_f64();
            println!("{count} hosts: {events} events in {took:.2} s: {:.0} per second", events as f64 / took);
        }
        Ok(())
    })
}

fn notice() -> Outcome {
    with_nats(|nats| async move {
        let mut host = Host::start("one", &nats).await?;
        let _watch = Running::start(&mut fleet(&nats.url(), &["watch"]))?;
        let mut times = Vec::new();
        for count in 1..=5 {
            let began = Instant::now();
            host.go_away();
            nats.stream("xen.watch.one", nth("lost", count)).await?;
            times.push(began.elapsed());
            host.come_back().await?;
            nats.stream("xen.watch.one", nth("back", count)).await?;
        }
        println!("until a lost host is noticed, with a beat of 0.2 s: {times:?}");
        Ok(())
    })
}

fn nth(event: &'static str, count: usize) -> impl FnMut(&Value) -> bool {
    let mut seen = 0;
    move |told| {
        seen += usize::from(told["event"] == event);
        seen == count
    }
}
