//! What is told of the domains, and what the service survives.

use osevent_standin_machine::signal;

use crate::Case;
use crate::bed::{HOST, Outcome, SERVICE, path_of, with_bed, with_service};
use crate::control::error_of;

/// Xen's number of "it rebooted".
const REBOOT: u8 = 1;

pub(crate) const CASES: &[Case] = &[
    ("a_domain_is_an_object_and_each_change_of_it_a_signal", life),
    ("names_of_any_length_and_script_are_told_as_they_are", names),
    ("three_hundred_domains_are_all_there", many),
    ("a_restart_of_the_service_touches_no_domain", restart),
    ("without_xen_the_service_says_so_and_finds_it_later", no_xen),
    ("what_happens_while_xenstored_is_away_is_told_when_it_is_back", xenstored),
    ("a_second_service_says_that_the_name_is_taken_and_ends", second),
    ("a_service_whose_bus_goes_away_says_so_and_ends", bus_gone),
];

fn life() -> Outcome {
    with_service(|bed| async move {
        let mut signals = bed.signals().await?;
        bed.machine.add_domain(5)?;
        signals.next(HOST, "InterfacesAdded").await?;
        assert_eq!(signals.domain("DomainAppeared", 5).await?, ("pretend-5".into(), "running".into()));
        let domains = bed.domains().await?;
        assert_eq!(domains.len(), 2, "with domain 0");
        let path = path_of(5);
        let properties = bed.properties(&path, "Domain").await?;
        assert_eq!(u32::try_from(properties["Id"].try_clone()?)?, 5);
        assert_eq!(String::try_from(properties["Uuid"].try_clone()?)?, "00000000-0000-0000-0000-000000000005");
        assert_eq!(u64::try_from(properties["MemoryKib"].try_clone()?)?, 4096);

        bed.machine.shut_down(5, REBOOT)?;
        signals.property(&path, "ShutdownReason", zbus::Str::from("reboot").into()).await?;
        assert_eq!(signals.domain("DomainChanged", 5).await?.1, "shutdown");
        assert_eq!(bed.text(&path, "Domain", "State").await?, "shutdown");

        bed.machine.destroy(5)?;
        signals.next(HOST, "InterfacesRemoved").await?;
        assert_eq!(signals.domain("DomainGone", 5).await?.0, "pretend-5");
        assert_eq!(bed.domains().await?.len(), 1);
        Ok(())
    })
}

fn names() -> Outcome {
    with_service(|bed| async move {
        let mut signals = bed.signals().await?;
        for (domid, name) in [(5, "n".repeat(200)), (6, "خادم الويب".to_owned())] {
            bed.machine.add_domain(domid)?;
            signals.domain("DomainAppeared", domid).await?;
            bed.machine.store().write(&format!("/local/domain/{domid}/name"), name.as_bytes())?;
            signals.property(&path_of(domid), "Name", zbus::Str::from(name.clone()).into()).await?;
            let found: zbus::OwnedObjectPath =
                bed.call(HOST, "Manager", "FindDomain", &name.as_str()).await?.body().deserialize()?;
            assert_eq!(found.as_str(), path_of(domid));
        }
        Ok(())
    })
}

fn many() -> Outcome {
    with_bed(|mut bed| async move {
        for domid in 1..=300 {
            bed.machine.add_domain(domid)?;
        }
        bed.start().await?;
        assert_eq!(bed.domains().await?.len(), 301);
        let mut signals = bed.signals().await?;
        for domid in 1..=300 {
            bed.machine.destroy(domid)?;
        }
        for domid in 1..=300 {
            signals.domain("DomainGone", domid).await?;
        }
        assert_eq!(bed.domains().await?.len(), 1);
        Ok(())
    })
}

fn restart() -> Outcome {
    with_bed(|mut bed| async move {
        bed.machine.add_domain(5)?;
        bed.machine.add_domain(6)?;
        bed.start().await?;
        let before = bed.domains().await?;
        bed.stop().await?;
        bed.machine.destroy(6)?;
        bed.start().await?;
        assert_eq!(bed.text(&path_of(5), "Domain", "State").await?, "running");
        assert_eq!(bed.domains().await?.len(), before.len() - 1);
        // Nor does its sudden end.
        bed.kill();
        bed.start().await?;
        assert_eq!(bed.text(&path_of(5), "Domain", "State").await?, "running");
        Ok(())
    })
}

fn no_xen() -> Outcome {
    with_bed(|mut bed| async move {
        bed.machine.add_domain(5)?;
        bed.machine.store().go_away()?;
        bed.start().await?;
        let properties = bed.properties(HOST, "Manager").await?;
        assert!(!bool::try_from(properties["Available"].try_clone()?)?);
        assert_ne!(String::try_from(properties["Trouble"].try_clone()?)?, "");
        assert_eq!(bed.domains().await?.len(), 0);
        assert_eq!(error_of(bed.call(HOST, "Manager", "ReadHost", &()).await).0, "XenMissing");
        let mut signals = bed.signals().await?;
        bed.machine.store().come_back()?;
        signals.property(HOST, "Available", true.into()).await?;
        assert_eq!(bed.domains().await?.len(), 2);
        assert_eq!(bed.text(HOST, "Manager", "Trouble").await?, "");
        Ok(())
    })
}

fn xenstored() -> Outcome {
    with_bed(|mut bed| async move {
        bed.machine.add_domain(5)?;
        bed.start().await?;
        let mut signals = bed.signals().await?;
        bed.machine.store().go_away()?;
        signals.property(HOST, "Available", false.into()).await?;
        assert_eq!(bed.domains().await?.len(), 2, "what was known is still there");
        bed.machine.add_domain(6)?;
        bed.machine.destroy(5)?;
        bed.machine.store().come_back()?;
        assert_eq!(signals.domain("DomainGone", 5).await?.0, "pretend-5");
        assert_eq!(signals.domain("DomainAppeared", 6).await?.0, "pretend-6");
        signals.property(HOST, "Available", true.into()).await?;
        // And what happens from then on.
        bed.machine.destroy(6)?;
        signals.domain("DomainGone", 6).await?;
        Ok(())
    })
}

fn second() -> Outcome {
    with_service(|mut bed| async move {
        let output = smol::unblock({
            let mut command = bed.command(&["serve"]);
            move || command.output()
        });
        let output = output.await?;
        assert_eq!(output.status.code(), Some(1));
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains(&format!("{SERVICE} is taken: another xenlightd serves already")), "{said}");
        // The first one serves as before.
        assert_eq!(bed.domains().await?.len(), 1);
        signal(bed.service().id(), "CONT")?;
        Ok(())
    })
}

/// systemd starts it again, with the bus.
fn bus_gone() -> Outcome {
    with_service(|mut bed| async move {
        let said = bed.kill_bus().await?;
        assert!(said.starts_with("exit status: 1"), "{said}");
        assert!(said.contains("the connection to the bus is lost"), "{said}");
        Ok(())
    })
}
