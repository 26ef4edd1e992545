//! Requests that come at a bad time, or with bad intent.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::task::Waker;
use std::time::Duration;

use async_nats::{Client, Subscriber};
use futures_lite::{StreamExt, future};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::Case;
use crate::bed::{Failure, Host, Outcome, with_nats};
use crate::migration::hosts;

pub(crate) const CASES: &[Case] = &[
    ("a_request_is_answered_in_an_inbox_only", inboxes),
    ("hosts_give_signs_of_life_while_polkit_asks_somebody", polkit),
    ("a_host_without_file_descriptors_goes_on_when_it_has_some", descriptors),
];

fn inboxes() -> Outcome {
    with_nats(|nats| async move {
        let mut host = Host::start("one", &nats).await?;
        let client = nats.client().await?;
        client.publish_with_reply("xen.command.one.list", "xen.command.two.destroy", "".into()).await?;
        client.flush().await?;
        host.bridge()?
            .says("xenlight-fleet: a request wants an answer at \"xen.command.two.destroy\", which is no inbox")
    })
}

fn polkit() -> Outcome {
    with_nats(|nats| async move {
        let (one, two) = hosts(&nats, ["one", "two"]).await?;
        let client = nats.client().await?;
        let offer = next(&mut ask(&client, "one", "offer", &json!({ "domain": "made" })).await?).await?;
        for host in [&one, &two] {
            let mut polkit = host.polkit.lock().unwrap();
            polkit.asked.clear();
            polkit.held = Some(Vec::new());
        }
        let mut target = ask(&client, "two", "receive", &json!({ "key": offer["key"] })).await?;
        let listening = next(&mut target).await?;
        let asked = json!({ "domain": "made", "address": listening["address"], "key": listening["key"] });
        let mut source = ask(&client, "one", "migrate", &asked).await?;
        for (host, answers) in [(&one, &mut source), (&two, &mut target)] {
            while host.polkit.lock().unwrap().asked.is_empty() {
                sleep(Duration::from_millis(20)).await;
            }
            // Some may be from before it was asked.
            while future::poll_once(answers.next()).await.is_some() {}
            for _ in 0..5 {
                let sign = next(answers).await?;
                assert_eq!(sign["step"], "", "{sign}");
            }
        }
        for host in [&one, &two] {
            let mut polkit = host.polkit.lock().unwrap();
            polkit.allowed.clear();
            polkit.held.take().into_iter().flatten().for_each(Waker::wake);
        }
        for answers in [&mut source, &mut target] {
            while next(answers).await?["error"]["name"] != "NotAuthorized" {}
        }
        Ok(())
    })
}

fn descriptors() -> Outcome {
    with_nats(|nats| async move {
        let mut host = Host::start("one", &nats).await?;
        let mut answers = ask(&nats.client().await?, "one", "receive", &json!({ "key": "00" })).await?;
        let listening = next(&mut answers).await?;
        let address = listening["address"].as_str().ok_or("it does not say where")?;
        let process = host.bridge()?.id().to_string();
        let limit =
            |files: &str| Command::new("prlimit").args(["--pid", &process, &format!("--nofile={files}:")]).status();
        assert!(limit("3")?.success());
        let waiting = TcpStream::connect(address)?;
        host.bridge()?.says("xenlight-fleet: cannot accept a connection: Too many open files (os error 24)")?;
        assert!(limit("1024")?.success());
        let mut later = TcpStream::connect(address)?;
        later.set_read_timeout(Some(Duration::from_secs(60)))?;
        later.write_all(b"GET / HTTP/1.1\r\n\r\n")?;
        // It is turned away by somebody who has accepted it.
        let mut alert = Vec::new();
        later.read_to_end(&mut alert)?;
        assert_eq!(alert.first(), Some(&21), "{alert:?}");
        drop(waiting);
        Ok(())
    })
}

async fn ask(client: &Client, host: &str, command: &str, asked: &Value) -> Result<Subscriber, Failure> {
    let inbox = client.new_inbox();
    let answers = client.subscribe(inbox.clone()).await?;
    client.publish_with_reply(format!("xen.command.{host}.{command}"), inbox, asked.to_string().into()).await?;
    Ok(answers)
}

async fn next(answers: &mut Subscriber) -> Result<Value, Failure> {
    Ok(serde_json::from_slice(&answers.next().await.ok_or("the connection is lost")?.payload)?)
}
