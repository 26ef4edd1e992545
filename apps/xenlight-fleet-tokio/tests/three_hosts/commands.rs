//! What hosts are asked to do.

use std::process::Output;

use crate::Case;
use crate::bed::{Host, Outcome, fleet, output, with_nats};

pub(crate) const CASES: &[Case] = &[("a_host_does_what_it_is_asked_for_and_errors_have_their_names", commands)];

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).trim().to_owned()
}

fn commands() -> Outcome {
    with_nats(|nats| async move {
        let mut host = Host::start("one", &nats).await?;
        let url = nats.url();
        let run = |arguments: &[&str]| output(fleet(&url, &[&["run"], arguments].concat()));
        host.churn(5..=5).await?;
        let refused = run(&["one", "pause", "pretend-5"]).await?;
        assert_eq!(said(&refused), "xenlight-fleet: NotAuthorized: not authorized for org.osevent.Xen1.manage");
        assert_eq!(refused.status.code(), Some(1));

        host.polkit
            .lock()
            .unwrap()
            .allowed
            .extend(["manage", "destroy", "create"].map(|action| &*format!("org.osevent.Xen1.{action}").leak()));
        let paused = run(&["one", "pause", "00000000-0000-0000-0000-000000000005"]).await?;
        assert!(paused.status.success(), "{}", said(&paused));
        host.told("DomainChanged", 5).await?;
        let unknown = run(&["one", "pause", "nobody"]).await?;
        assert_eq!(said(&unknown), "xenlight-fleet: NoSuchDomain: there is no domain with the name \"nobody\"");
        let nowhere = run(&["two", "pause", "nobody"]).await?;
        assert_eq!(said(&nowhere), "xenlight-fleet: two is not there");
        let protected = run(&["one", "destroy", "Domain-0"]).await?;
        assert!(said(&protected).starts_with("xenlight-fleet: Protected: "), "{}", said(&protected));

        let file = tempfile::NamedTempFile::new()?;
        let kernel = tempfile::NamedTempFile::new()?;
        std::fs::write(&kernel, osevent_domains::kernel::idle())?;
        let path = file.path().display().to_string();
        std::fs::write(&file, "name = 'made'\nmemory = 'much'")?;
        let wrong = run(&["one", "create", &path]).await?;
        assert!(said(&wrong).starts_with("xenlight-fleet: InvalidConfiguration: line 2"), "{}", said(&wrong));
        let configuration =
            format!("name='made'\ntype='pvh'\nmemory=16\nkernel='{}'\nno_such_key=1", kernel.path().display());
        std::fs::write(&file, configuration)?;
        let created = run(&["one", "create", &path]).await?;
        assert!(created.status.success() && said(&created).contains("no_such_key"), "{}", said(&created));

        // It does not answer while it is paused, and libxl would wait for a minute.
        assert!(run(&["one", "pause", "made"]).await?.status.success());
        let late = run(&["one", "shutdown", "made", "--limit", "0.5"]).await?;
        assert_eq!(said(&late), "xenlight-fleet: TimedOut: it has not ended after 500ms, and was told to");
        assert!(run(&["one", "destroy", "made"]).await?.status.success());
        Ok(())
    })
}
