//! `events` and `list`.

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::process::Stdio;

use futures_lite::StreamExt;
use osevent_standin_machine::{Running, signal};
use zbus::fdo::ManagedObjects;
use zbus::message::Type;
use zbus::{MessageStream, OwnedObjectPath, OwnedVariant};

use crate::Case;
use crate::bed::{Bed, HOST, Outcome, SERVICE, path_of, with_bed, with_service};

pub(crate) const CASES: &[Case] = &[
    ("events_prints_a_line_for_each_change_and_ends_by_a_signal", lines),
    ("events_ends_in_order_when_nobody_reads_any_more", broken_pipe),
    ("events_takes_what_comes_while_it_asks_for_the_domains", burst),
    ("list_prints_the_domains", list),
    ("who_was_away_reads_what_it_has_missed", missed),
];

fn lines() -> Outcome {
    with_service(|mut bed| async move {
        bed.machine.add_domain(5)?;
        let mut signals = bed.signals().await?;
        bed.machine.add_domain(6)?;
        signals.domain("DomainAppeared", 6).await?;
        let mut events = Running::start(&mut bed.command(&["events", "--json"]))?;
        let of = |event: &str, id: u32, state: &str, changed: &str| {
            let uuid = format!("00000000-0000-0000-0000-{id:012x}");
            format!(
                r#"{{{changed}"event":"{event}","id":{id},"name":"pretend-{id}","state":"{state}","uuid":"{uuid}"}}"#
            )
        };
        events.says(r#"{"event":"available"}"#)?;
        events.says(&of("present", 6, "running", ""))?;
        bed.machine.shut_down(6, 3)?;
        let changed = r#""changed":{"ShutdownReason":"crash","State":"crashed"},"#;
        events.says(&of("changed", 6, "crashed", changed))?;
        bed.machine.destroy(6)?;
        events.says(&of("gone", 6, "crashed", ""))?;
        bed.machine.add_domain(7)?;
        events.says(&of("appeared", 7, "running", ""))?;
        // The service ends, and one comes again.
        bed.stop().await?;
        events.says(r#"{"event":"unavailable","trouble":"the service has ended"}"#)?;
        bed.start().await?;
        events.says(&of("present", 7, "running", ""))?;
        signal(events.id(), "TERM")?;
        smol::unblock(move || events.ends_with(0)).await
    })
}

fn broken_pipe() -> Outcome {
    with_service(|bed| async move {
        let mut signals = bed.signals().await?;
        let mut child = bed.command(&["events", "--json"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let mut output = BufReader::new(child.stdout.take().ok_or("it is piped")?);
        let mut line = String::new();
        output.read_line(&mut line)?;
        drop(output);
        bed.machine.add_domain(5)?;
        signals.domain("DomainAppeared", 5).await?;
        let ended = smol::unblock(move || child.wait_with_output()).await?;
        assert!(ended.status.success() && ended.stderr.is_empty(), "{ended:?}");
        Ok(())
    })
}

/// In place of the service: before each answer it sends more signals than zbus keeps for a stream that nobody polls.
fn burst() -> Outcome {
    with_bed(|bed| async move {
        const MORE: usize = 200;
        bed.client.request_name(SERVICE).await?;
        let mut calls = MessageStream::from(&bed.client);
        let mut events = Running::start(&mut bed.command(&["events", "--json"]))?;
        let gone = (OwnedObjectPath::try_from(path_of(5))?, "uuid", 5_u32, "web", "dying");
        let tell = || bed.client.emit_signal(None::<&str>, HOST, "org.osevent.Xen1.Manager", "DomainGone", &gone);
        let mut answered = 0;
        while answered < 2 {
            let call = calls.next().await.ok_or("the bus is gone")??;
            let header = call.header();
            if call.message_type() != Type::MethodCall {
                continue;
            }
            for _ in 0..MORE {
                tell().await?;
            }
            if header.member().is_some_and(|member| member.as_str() == "GetManagedObjects") {
                bed.client.reply(&header, &ManagedObjects::new()).await?;
            } else {
                let none = HashMap::from([("Trouble", zbus::Variant::from(""))]);
                bed.client.reply(&header, &none).await?;
            }
            answered += 1;
        }
        // It comes after the list.
        tell().await?;
        smol::unblock(move || {
            events.says(r#"{"event":"available"}"#)?;
            events.says(r#"{"event":"gone","id":5,"name":"web","state":"dying","uuid":"uuid"}"#)
        })
        .await
    })
}

fn list() -> Outcome {
    with_service(|bed| async move {
        let mut signals = bed.signals().await?;
        bed.machine.add_domain(5)?;
        signals.domain("DomainAppeared", 5).await?;
        let mut command = bed.command(&["list"]);
        let output = smol::unblock(move || command.output()).await?;
        let text = String::from_utf8(output.stdout)?;
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 3, "{text}");
        assert_eq!(lines[2].split_whitespace().collect::<Vec<_>>(), ["5", "running", "4", "1", "pretend-5"]);
        Ok(())
    })
}

type Event = (u64, u64, String, String, u32, String, String, HashMap<String, OwnedVariant>);

async fn events(bed: &Bed, instance: &str, after: u64) -> zbus::Result<(String, u64, u64, Vec<Event>)> {
    bed.call(HOST, "Manager", "ReadEvents", &(instance, after)).await?.body().deserialize()
}

fn missed() -> Outcome {
    with_service(|mut bed| async move {
        let (instance, lost, latest, all) = events(&bed, "", 0).await?;
        let told: Vec<_> = all.iter().map(|event| (event.0, event.2.as_str(), event.5.as_str())).collect();
        assert_eq!(told, [(1, "appeared", "Domain-0"), (2, "available", "")]);
        assert_eq!((lost, latest), (0, 2));
        let mut signals = bed.signals().await?;
        bed.machine.add_domain(5)?;
        // It is there before its signal.
        signals.domain("DomainAppeared", 5).await?;
        let (_, _, latest, missed) = events(&bed, &instance, latest).await?;
        assert_eq!((latest, missed.len(), missed[0].2.as_str(), missed[0].4), (3, 1, "appeared", 5));
        bed.machine.shut_down(5, 3)?;
        signals.domain("DomainChanged", 5).await?;
        let (_, _, _, missed) = events(&bed, &instance, latest).await?;
        assert_eq!(missed[0].7["State"], zbus::Str::from("crashed").into());
        // The service starts anew, and so do the numbers.
        bed.stop().await?;
        bed.start().await?;
        let (another, lost, _, all) = events(&bed, &instance, 4).await?;
        assert_ne!(another, instance);
        assert_eq!((lost, all.len(), all[0].0), (0, 3, 1));
        Ok(())
    })
}
