//! `events` and `list`.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use osevent_standin_machine::Running;

use crate::Case;
use crate::bed::{Outcome, signal, with_service};

pub(crate) const CASES: &[Case] = &[
    ("events_prints_a_line_for_each_change_and_ends_by_a_signal", lines),
    ("events_ends_in_order_when_nobody_reads_any_more", broken_pipe),
    ("list_prints_the_domains", list),
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
