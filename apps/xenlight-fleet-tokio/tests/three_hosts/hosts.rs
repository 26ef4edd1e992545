//! Which hosts there are.

use osevent_standin_machine::{Running, with_errors};
use serde_json::Value;

use crate::Case;
use crate::bed::{Host, Outcome, fleet, output, with_nats};
use crate::nats::Nats;

pub(crate) const CASES: &[Case] = &[
    ("a_host_that_is_lost_is_noticed_once_and_so_is_its_return", lost),
    ("a_second_host_of_a_name_is_refused", second),
    ("the_domains_of_all_hosts_are_listed_and_a_host_that_is_lost_says_so", list),
    ("a_host_that_gives_signs_of_life_meanwhile_is_listed_once", once),
];

fn lost() -> Outcome {
    with_nats(|mut nats| async move {
        let (mut one, mut two) = tokio::try_join!(Host::start("one", &nats), Host::start("two", &nats))?;
        let mut command = with_errors(&fleet(&nats.url(), &["watch"]));
        let mut watches = [Running::start(&mut command)?, Running::start(&mut command)?];
        two.go_away();
        told(&nats, "two", &["lost"]).await?;
        // The watches find the server again, and hear of the last beat once more.
        nats.go_away()?;
        for watch in &mut watches {
            watch.says("xenlight-fleet: the server is away")?;
        }
        nats.come_back().await?;
        one.go_away();
        told(&nats, "one", &["lost"]).await?;
        assert_eq!(nats.last("xen.watch.two").await?["event"], "lost", "that is no return");
        two.come_back().await?;
        told(&nats, "two", &["lost", "back"]).await?;
        two.go_away();
        told(&nats, "two", &["lost", "back", "lost"]).await?;
        // One that begins now knows.
        drop(watches);
        let _watch = Running::start(&mut command)?;
        one.come_back().await?;
        told(&nats, "one", &["lost", "back"]).await?;
        two.come_back().await?;
        told(&nats, "two", &["lost", "back", "lost", "back"]).await
    })
}

/// Waits for as many, which have to be these. A host that a busy machine holds up is lost and back, too.
async fn told(nats: &Nats, host: &str, expected: &[&str]) -> Outcome {
    let mut count = 0;
    let is_last = |_: &Value| {
        count += 1;
        count == expected.len()
    };
    let told = nats.stream(&format!("xen.watch.{host}"), is_last).await?;
    assert!(told.iter().all(|told| told["host"] == host));
    assert_eq!(told.iter().map(|told| text(&told["event"])).collect::<Vec<_>>(), expected);
    Ok(())
}

pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn second() -> Outcome {
    with_nats(|nats| async move {
        let one = Host::start("one", &nats).await?;
        let mut other = Host::start("two", &nats).await?;
        other.name = "one";
        let refused = output(other.bridge_command()).await?;
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(said.contains("another host is called one, too"), "{said}");
        assert_eq!(refused.status.code(), Some(1));
        drop(one);
        // Nobody has it any more.
        other.start_bridge().await
    })
}

fn list() -> Outcome {
    with_nats(|nats| async move {
        let (mut one, mut two, mut three) =
            tokio::try_join!(Host::start("one", &nats), Host::start("two", &nats), Host::start("three", &nats))?;
        tokio::try_join!(one.churn(1..=3), two.churn(1..=1), three.churn(1..=1))?;
        three.go_away();
        let listed = output(fleet(&nats.url(), &["list", "--json"])).await?;
        assert!(listed.status.success(), "{listed:?}");
        let hosts: Vec<Value> = serde_json::from_slice(&listed.stdout)?;
        let names = |host: &Value| -> Vec<String> {
            let domains = host["domains"].as_array().into_iter().flatten();
            domains.map(|domain| text(&domain["name"]).to_owned()).collect()
        };
        assert_eq!(
            hosts.iter().map(|host| host["host"].as_str()).collect::<Vec<_>>(),
            [Some("one"), Some("three"), Some("two")]
        );
        assert_eq!(names(&hosts[0]), ["Domain-0", "pretend-1", "pretend-3"]);
        assert_eq!(hosts[1]["lost"], "three is not there");
        assert_eq!(names(&hosts[2]), ["Domain-0", "pretend-1"]);

        let table = String::from_utf8(output(fleet(&nats.url(), &["list"])).await?.stdout)?;
        let lines: Vec<Vec<_>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(lines[2], ["one", "1", "running", "4", "1", "pretend-1"], "{table}");
        assert_eq!(lines[4].join(" "), "three three is not there", "{table}");

        assert!(output(fleet(&nats.url(), &["forget", "three"])).await?.status.success());
        let table = String::from_utf8(output(fleet(&nats.url(), &["list"])).await?.stdout)?;
        assert!(!table.contains("three"), "{table}");
        Ok(())
    })
}

/// What is read of the bucket changes all the time.
fn once() -> Outcome {
    with_nats(|nats| async move {
        let list = async || output(fleet(&nats.url(), &["list", "--json"])).await;
        assert_eq!(serde_json::from_slice::<Value>(&list().await?.stdout)?, Value::Array(vec![]));
        let client = nats.client().await?;
        let sign = async move || client.request("$KV.xen_hosts.busy", "{}".into()).await;
        sign().await?;
        let signs = tokio::spawn(async move { while sign().await.is_ok() {} });
        for _ in 0..10 {
            let hosts: Vec<Value> = serde_json::from_slice(&list().await?.stdout)?;
            let names: Vec<_> = hosts.iter().map(|host| text(&host["host"])).collect();
            assert_eq!(names.len(), 1, "one is told of {} times", names.len());
            assert_eq!(names, ["busy"]);
        }
        assert!(!signs.is_finished(), "there were no signs any more");
        signs.abort();
        Ok(())
    })
}
