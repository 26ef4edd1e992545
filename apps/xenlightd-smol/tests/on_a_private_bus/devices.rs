//! Devices of domains: who may attach and detach them, and how that fails.

use std::fs;

use serde_json::{Value, json};
use zbus::OwnedObjectPath;

use crate::Case;
use crate::bed::{Bed, HOST, Outcome, path_of, with_service};
use crate::control::{created, error_of, with_domain};

pub(crate) const CASES: &[Case] = &[
    ("devices_come_and_go_by_jobs_and_are_told", there_and_back),
    ("each_change_of_devices_needs_its_action_and_leaves_nothing_behind_if_refused", refused),
    ("a_text_that_is_no_device_is_refused", wrong),
    ("what_a_domain_does_not_have_is_not_detached", not_there),
    ("what_libxl_refuses_of_a_device_has_its_words", failed),
];

const ATTACH: &str = "org.osevent.Xen1.attach";
const MANAGE: &str = "org.osevent.Xen1.manage";
const READ_CONFIGURATION: &str = "org.osevent.Xen1.read-configuration";
const CREATE: &str = "org.osevent.Xen1.create";

/// The methods that change devices, with a device that could be there, and what they need to be allowed.
fn methods() -> [(&'static str, String, &'static str); 4] {
    let nic = json!({ "nics": [{ "mac": "00:16:3e:00:00:07" }] }).to_string();
    let disc = json!({ "disks": [{ "vdev": "hdc", "pdev_path": "/disc", "format": "raw" }] }).to_string();
    [
        ("AttachDevice", nic.clone(), ATTACH),
        ("DetachDevice", nic, MANAGE),
        ("InsertDisc", disc, ATTACH),
        ("EjectDisc", "hdc".to_owned(), MANAGE),
    ]
}

async fn devices(bed: &Bed, path: &str) -> Result<Value, Box<dyn std::error::Error + Send + Sync>> {
    let told: String = bed.call(path, "Domain", "GetDevices", &()).await?.body().deserialize()?;
    Ok(serde_json::from_str(&told)?)
}

/// Does it, and waits for its end.
async fn done(bed: &Bed, path: &str, method: &str, device: &str) -> zbus::Result<zbus::message::Message> {
    let job: OwnedObjectPath = bed.call(path, "Domain", method, &device).await?.body().deserialize()?;
    bed.call(&job, "Job", "Wait", &()).await
}

fn there_and_back() -> Outcome {
    with_service(|bed| async move {
        bed.polkit.lock().unwrap().allowed.extend([ATTACH, MANAGE, READ_CONFIGURATION, CREATE]);
        let (_, domain, _) = created(&bed, false).await?;
        let image = bed.folder().join("data.img");
        fs::write(&image, [7; 4096])?;
        for (family, device, key) in [
            ("disks", json!({ "vdev": "xvdb", "pdev_path": image, "format": "raw", "readwrite": 1 }), "vdev"),
            ("nics", json!({ "mac": "00:16:3e:00:00:07" }), "mac"),
        ] {
            let text = json!({ family: [device] }).to_string();
            done(&bed, &domain, "AttachDevice", &text).await?;
            let now = devices(&bed, &domain).await?;
            assert_eq!(now[family][0][key], device[key], "{now}");
            // What is told can be detached, and nothing else than that.
            done(&bed, &domain, "DetachDevice", &json!({ family: now[family] }).to_string()).await?;
            let now = devices(&bed, &domain).await?;
            assert!(now[family].as_array().is_none_or(Vec::is_empty), "{now}");
        }
        assert_eq!(fs::read(&image)?, [7; 4096], "what is detached is not touched");

        let pci: String = bed.call(HOST, "Manager", "ReadAssignablePci", &()).await?.body().deserialize()?;
        let pci: Value = serde_json::from_str(&pci)?;
        assert!(pci["pcidevs"].as_array().is_none_or(Vec::is_empty), "{pci}");
        bed.polkit.lock().unwrap().allowed.clear();
        assert_eq!(error_of(bed.call(HOST, "Manager", "ReadAssignablePci", &()).await).0, "NotAuthorized");
        Ok(())
    })
}

fn refused() -> Outcome {
    with_service(|bed| async move {
        let path = with_domain(&bed).await?;
        for (method, device, action) in methods() {
            // All that is not enough.
            let others = [ATTACH, MANAGE, READ_CONFIGURATION, CREATE].into_iter().filter(|other| *other != action);
            bed.polkit.lock().unwrap().allowed = others.collect();
            let (name, text) = error_of(bed.call(&path, "Domain", method, &device.as_str()).await);
            assert_eq!((&*name, text), ("NotAuthorized", format!("not authorized for {action}")), "{method}");
            let asked = bed.polkit.lock().unwrap().asked.pop().ok_or("it was asked")?;
            assert_eq!((&*asked.action, asked.domain.as_deref()), (action, Some("pretend-5")), "{method}");
        }
        bed.polkit.lock().unwrap().allowed.push(READ_CONFIGURATION);
        let now = devices(&bed, &path).await?;
        assert!(now["nics"].as_array().is_none_or(Vec::is_empty), "{now}");
        let job = bed.properties(&format!("{HOST}/jobs/1"), "Job").await;
        assert!(job.is_err(), "{job:?}");
        Ok(())
    })
}

fn wrong() -> Outcome {
    with_service(|bed| async move {
        let path = with_domain(&bed).await?;
        bed.polkit.lock().unwrap().allowed.extend([ATTACH, MANAGE]);
        for method in ["AttachDevice", "DetachDevice", "InsertDisc"] {
            for (device, error, says) in [
                ("disk", "InvalidConfiguration", "line 1, column 1"),
                (r#"{"disks": [{"vdev": 1}]}"#, "InvalidConfiguration", "disks[0].vdev"),
                (r#"{"disks": []}"#, "InvalidArgument", "one device is expected"),
                (r#"{"disks": [{"vdev": "xvda"}, {"vdev": "xvdb"}]}"#, "InvalidArgument", "one device is expected"),
                (r#"{"nics": [{}], "c_info": {"name": "x"}}"#, "InvalidArgument", "nothing else"),
            ] {
                let (name, text) = error_of(bed.call(&path, "Domain", method, &device).await);
                assert!(name == error && text.contains(says), "{method} {device}: {name}: {text}");
            }
        }
        let nic = r#"{"nics": [{}]}"#;
        let (name, text) = error_of(bed.call(&path, "Domain", "InsertDisc", &nic).await);
        assert_eq!((&*name, &*text), ("InvalidArgument", "a disc is expected, in disks"));
        // libxl would read through a null pointer.
        let (name, text) = error_of(done(&bed, &path, "AttachDevice", r#"{"disks": [{"pdev_path": "/a"}]}"#).await);
        assert!(name == "InvalidConfiguration" && text.contains("vdev"), "{name}: {text}");
        let unknown = r#"{"disks": [{"vdev": "xvdb", "path": "/a"}]}"#;
        let (name, text) = error_of(done(&bed, &path, "AttachDevice", unknown).await);
        assert!(name == "InvalidConfiguration" && text.contains("path"), "{name}: {text}");
        assert_eq!(bed.domains().await?.len(), 2, "the service goes on");
        Ok(())
    })
}

fn not_there() -> Outcome {
    with_service(|bed| async move {
        bed.polkit.lock().unwrap().allowed.extend([ATTACH, MANAGE, READ_CONFIGURATION, CREATE]);
        let (_, domain, _) = created(&bed, false).await?;
        done(&bed, &domain, "AttachDevice", r#"{"nics": [{"mac": "00:16:3e:00:00:07"}]}"#).await?;
        let mut told = devices(&bed, &domain).await?;
        // The same place, but another script, which would run as root.
        told["nics"][0]["script"] = "/mine".into();
        for device in
            [json!({ "nics": told["nics"] }), json!({ "disks": [{ "vdev": "xvdb" }] }), json!({ "pcidevs": [{}] })]
        {
            let (name, text) =
                error_of(bed.call(&domain, "Domain", "DetachDevice", &device.to_string().as_str()).await);
            assert_eq!((&*name, &*text), ("InvalidArgument", "the domain has no such device"), "{device}");
        }
        assert_eq!(devices(&bed, &domain).await?["nics"].as_array().map(Vec::len), Some(1));
        for (method, device) in [("DetachDevice", r#"{"nics": [{}]}"#), ("EjectDisc", "hdc")] {
            let (name, text) = error_of(bed.call(&path_of(0), "Domain", method, &device).await);
            assert_eq!(name, "Protected", "{method}: {text}");
        }
        Ok(())
    })
}

fn failed() -> Outcome {
    with_service(|bed| async move {
        bed.polkit.lock().unwrap().allowed.extend([ATTACH, MANAGE, CREATE]);
        let (_, domain, _) = created(&bed, false).await?;
        let nowhere = r#"{"disks": [{"vdev": "xvdb", "pdev_path": "/there/is/none", "format": "raw"}]}"#;
        let (name, text) = error_of(done(&bed, &domain, "AttachDevice", nowhere).await);
        assert!(name == "Libxl" && text.contains("/there/is/none"), "{name}: {text}");
        // Only HVM domains have drives that libxl can open.
        for (method, disc) in [("InsertDisc", nowhere), ("EjectDisc", "hdc")] {
            let (name, text) = error_of(done(&bed, &domain, method, disc).await);
            assert_eq!(name, "Libxl", "{method}: {text}");
        }
        Ok(())
    })
}
