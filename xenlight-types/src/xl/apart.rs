//! The keys that make more than one field, or have a form of their own: what is read of them.

use super::disk;
use super::hvm;
use super::numbers::XlHost;
use super::pci;
use super::problem::{Wrong, XlError};
use super::processors;
use super::scalar::{self, Scalar};
use super::sound;
use super::source::Source;
use super::tree;
use crate::LibxlType;
use crate::config::DomainKind;
use serde_json::{Map, Value as Json, json};

/// What kind of machine the domain is.
pub(crate) fn kind(source: &mut Source) -> Result<DomainKind, XlError> {
    let mut kind = None;
    let types = Scalar::Choice(&[("hvm", "hvm"), ("pv", "pv"), ("pvh", "pvh")]);
    let builders = Scalar::Choice(&[("hvm", "hvm"), ("generic", "pv")]);
    for (key, scalar) in [("type", types), ("builder", builders)] {
        let Some(json) = source.scalar(key, scalar)? else { continue };
        if kind.as_ref().is_some_and(|before| *before != json) {
            let wrong = Wrong::thing(&json.to_string(), "the type that the key type names");
            return Err(source.wrong(key, wrong));
        }
        kind = Some(json);
    }
    // On Arm, xl takes pvh.
    Ok(DomainKind::from(kind.as_ref().and_then(Json::as_str).unwrap_or("pv")))
}

/// All of them.
pub(crate) fn read(source: &mut Source, kind: &DomainKind, host: &XlHost) -> Result<(), XlError> {
    labels(source)?;
    processors::read(source, host)?;
    boot(source, kind, host)?;
    hvm::read(source, kind)?;
    if let Some(text) = source.text("arm_sci")? {
        let kind = text.text.strip_prefix("type=");
        let kind = kind.ok_or_else(|| Wrong::text(text.text, "type=KIND"));
        let kind = kind.and_then(|kind| Scalar::Enumeration(crate::ArmSciKind::KIND).read(kind));
        let kind = kind.map_err(|wrong| text.wrong(wrong, "arm_sci"))?;
        source.put("b_info/arch_arm/arm_sci/type", kind);
    }
    devices(source, kind)
}

fn labels(source: &mut Source) -> Result<(), XlError> {
    source.take_over("init_seclabel", "c_info/ssid_label", Scalar::Text)?;
    // One label is for the whole life.
    let place = match source.get("c_info/ssid_label") {
        Some(_) => "b_info/exec_ssid_label",
        None => "c_info/ssid_label",
    };
    source.take_over("seclabel", place, Scalar::Text)
}
/// Kernel, command line, boot loader and firmware.
fn boot(source: &mut Source, kind: &DomainKind, host: &XlHost) -> Result<(), XlError> {
    let [root, extra] = ["root", "extra"].map(|key| source.text(key).map(|text| text.map(|text| text.text.to_owned())));
    let (root, extra) = (root?, extra?);
    if source.get("b_info/cmdline").is_some() {
        for key in ["root", "extra"] {
            source.warn(key, None, "ignored, because there is cmdline");
        }
    } else {
        let cmdline = match (root, extra) {
            (Some(root), Some(extra)) => Some(format!("root={root} {extra}")),
            (Some(root), None) => Some(format!("root={root}")),
            (None, extra) => extra,
        };
        if let Some(cmdline) = cmdline {
            source.put("b_info/cmdline", cmdline);
        }
    }
    if source.is_list("bootloader_args") {
        let texts = source.texts("bootloader_args")?.unwrap_or_default();
        let texts: Json = texts.iter().map(|text| text.text).collect();
        source.put("b_info/bootloader_args", texts);
    } else if let Some(text) = source.text("bootloader_args")? {
        let texts: Json = text.text.split([' ', '\t', '\n']).filter(|text| !text.is_empty()).collect();
        source.put("b_info/bootloader_args", texts);
        source.warn("bootloader_args", None, "a text is deprecated: use a list");
    }
    let firmware = source.text("firmware")?.map(|text| text.text.to_owned());
    if *kind == DomainKind::Hvm {
        let kernel = source.get("b_info/kernel").and_then(Json::as_str).unwrap_or_default();
        if kernel.rsplit('/').next() == Some("hvmloader") {
            tree::take(&mut source.json, "b_info/kernel");
            source.warn("kernel", None, "ignored, because it is the firmware of HVM domains: see firmware_override");
        }
        let Some(firmware) = firmware else { return Ok(()) };
        match Scalar::Enumeration(crate::Bios::KIND).read(&firmware) {
            Ok(bios) => source.put("b_info/type.hvm/bios", bios),
            Err(_) if firmware == "uefi" => source.put("b_info/type.hvm/bios", "ovmf"),
            // libxl's default for the device model.
            Err(_) if firmware == "bios" => {}
            Err(_) if firmware.starts_with('/') => source.put("b_info/type.hvm/firmware", firmware),
            Err(_) => {
                let names = crate::Bios::ALL.iter().map(crate::Bios::name).chain(["uefi", "bios"]);
                let expected = format!("{}, or an absolute path", scalar::one_of(names));
                return Err(source.wrong("firmware", Wrong::text(&firmware, expected)));
            }
        }
        return Ok(());
    }
    if let Some(firmware) = firmware {
        if source.get("b_info/kernel").is_some() {
            return Err(source.wrong("firmware", Wrong::text(&firmware, "possible beside kernel")));
        }
        if !["pvgrub32", "pvgrub64"].contains(&firmware.as_str()) {
            let wrong = Wrong::text(&firmware, r#""pvgrub32" or "pvgrub64" for a domain that is not HVM"#);
            return Err(source.wrong("firmware", wrong));
        }
        let Some(folder) = &host.firmware else {
            let wrong =
                Wrong::text(&firmware, "possible as long as nothing is said about the host's firmware (XlHost)");
            return Err(source.wrong("firmware", wrong));
        };
        source.put("b_info/kernel", format!("{folder}/{firmware}.bin"));
    }
    if source.get("b_info/kernel").is_none() && source.get("b_info/bootloader").is_none() {
        return Err(source.wrong("kernel", Wrong::missing("a path, or a program as bootloader")));
    }
    Ok(())
}
/// Disks, PCI devices, reserved memory and sound cards.
fn devices(source: &mut Source, kind: &DomainKind) -> Result<(), XlError> {
    if let Some(texts) = source.texts("disk")? {
        let disks = texts.iter().map(|text| disk::read(text.text).map_err(|wrong| text.wrong(wrong, "disk")));
        let disks = disks.collect::<Result<Json, _>>()?;
        source.put("disks", disks);
    }
    if let Some(text) = source.text("rdm")?
        && *kind == DomainKind::Hvm
    {
        let rdm = rdm(text.text).map_err(|wrong| text.wrong(wrong, "rdm"))?;
        source.put("b_info/type.hvm/rdm", rdm);
    }
    let mut given = Map::new();
    let policy = match kind {
        DomainKind::Hvm => source.get("b_info/type.hvm/rdm/policy").cloned(),
        // xl looks at the same place all the same, where there are zeros then.
        _ => Some(Json::from("strict")),
    };
    if let Some(policy) = policy {
        given.insert("rdm_policy".to_owned(), policy);
    }
    for (key, field) in PCI {
        if let Some(json) = source.scalar(key, Scalar::Boolean)? {
            given.insert(field.to_owned(), json);
        }
    }
    if let Some(texts) = source.texts("pci")? {
        let pcis = texts.iter().map(|text| pci::read(text.text, &given).map_err(|wrong| text.wrong(wrong, "pci")));
        let pcis = pcis.collect::<Result<Vec<_>, _>>()?;
        if *kind == DomainKind::Pv && !pcis.is_empty() {
            source.put("b_info/type.pv/e820_host", "True");
        }
        source.put("pcidevs", pcis);
    }
    if let Some(cards) = source.list("vsnd")? {
        let cards = cards.iter().enumerate().map(|(index, card)| {
            let mut card = sound::read(card).map_err(|(at, wrong)| wrong.at(at, Some("vsnd")))?;
            card["devid"] = Json::from(index);
            Ok(card)
        });
        let cards = cards.collect::<Result<Vec<_>, _>>()?;
        source.put("vsnds", cards);
    }
    Ok(())
}

/// What PCI devices have unless they say otherwise.
const PCI: [(&str, &str); 4] = [
    ("pci_permissive", "permissive"),
    ("pci_msitranslate", "msitranslate"),
    ("pci_seize", "seize"),
    ("pci_power_mgmt", "power_mgmt"),
];

/// `strategy=host,policy=relaxed`
fn rdm(text: &str) -> Result<Json, Wrong> {
    let mut rdm = json!({});
    for part in text.split(',') {
        match part.split_once('=') {
            Some(("strategy", value)) => rdm["strategy"] = Scalar::Choice(&[("host", "host")]).read(value)?,
            Some(("policy", value)) => rdm["policy"] = Scalar::Enumeration(crate::RdmPolicy::KIND).read(value)?,
            _ => return Err(Wrong::text(part, "strategy=host, policy=strict or policy=relaxed")),
        }
    }
    Ok(rdm)
}
