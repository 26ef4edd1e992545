//! Who may do what, as the README and the book have it.

use std::time::Duration;

use async_nats::{ConnectOptions, Event, jetstream};
use osevent_standin_machine::Running;
use serde_json::Value;
use tokio::sync::mpsc::unbounded_channel;
use tokio::time::sleep;

use crate::Case;
use crate::bed::{Failure, Outcome, fleet, output, run};
use crate::migration::{ended, half_way, hosts};
use crate::nats::{Nats, password};

pub(crate) const CASES: &[Case] =
    &[("with_the_servers_configuration_of_the_book_everybody_does_what_is_his_and_nothing_else", rights)];

fn rights() -> Outcome {
    let server = block(include_str!("../../../../book/pages/start/fleet.md"), "```text\nhost:")?;
    let users = block(include_str!("../../README.md"), "```conf\n")?;
    run(async {
        let nats = Nats::with_users(&format!("host:{server}{users}")).await?;
        let mut watch = Running::start(&mut fleet(&nats.url_of("watch"), &["watch"]))?;
        let context = jetstream::new(nats.client().await?);
        for stream in ["XEN_EVENTS", "KV_xen_hosts"] {
            while context.get_stream(stream).await.is_err() {
                sleep(Duration::from_millis(50)).await;
            }
        }
        let (mut one, mut two) = hosts(&nats, ["xen1", "xen2"]).await?;
        let migrating = half_way(&nats, &one, &two).await?;
        one.open_gate().await?;
        let (code, said) = ended(migrating).await?;
        assert!(code == Some(0) && said.ends_with("made runs on xen2\n"), "{said}");
        one.told("DomainGone", 1).await?;
        nats.stream("xen.events.xen1", |told| told["event"] == "gone" && told["id"] == 1).await?;

        let reader = nats.url_of("reader");
        let listed: Vec<Value> = serde_json::from_slice(&output(fleet(&reader, &["list", "--json"])).await?.stdout)?;
        assert_eq!(listed[1]["domains"][1]["name"], "made", "{listed:?}");
        let mut events = Running::start(&mut fleet(&reader, &["events", "--all"]))?;
        two.go_away();
        let lost = r#"{"event":"lost","host":"xen2"}"#;
        watch.says(lost)?;
        events.says(lost)?;
        assert!(output(fleet(&nats.url(), &["forget", "xen2"])).await?.status.success());

        refused(&nats, "xen1", &["xen.events.xen2", "$KV.xen_hosts.xen2", "xen.command.xen2.list", "_INBOX.any"])
            .await?;
        refused(&nats, "watch", &["xen.events.xen1", "$KV.xen_hosts.xen1", "xen.command.xen1.list"]).await?;
        refused(&nats, "reader", &["xen.command.xen1.pause", "xen.watch.xen1", "$JS.API.STREAM.DELETE.XEN_EVENTS"])
            .await?;
        refused(&nats, "operator", &["xen.events.xen1", "_INBOX.any"]).await
    })
}

/// What follows on this in a block of a page.
fn block<'a>(page: &'a str, begin: &str) -> Result<&'a str, Failure> {
    let (_, rest) = page.split_once(begin).ok_or("the block is not there")?;
    Ok(rest.split_once("```").ok_or("the block has no end")?.0)
}

/// The server lets this user publish on none of these.
async fn refused(nats: &Nats, user: &str, subjects: &[&'static str]) -> Outcome {
    let (sender, mut errors) = unbounded_channel();
    let told = move |event| {
        let sender = sender.clone();
        async move {
            if let Event::ServerError(error) = event {
                // The test may have failed already.
                let _ = sender.send(error.to_string());
            }
        }
    };
    let options = ConnectOptions::new().user_and_password(user.to_owned(), password(user)).event_callback(told);
    let client = options.connect(nats.url_of(user)).await?;
    for subject in subjects {
        client.publish(*subject, "".into()).await?;
        client.flush().await?;
        let error = errors.recv().await.ok_or("the connection is lost")?;
        assert!(
            error.to_lowercase().contains(&format!("publish to \"{}\"", subject.to_lowercase())),
            "{user}: {error}"
        );
    }
    Ok(())
}
