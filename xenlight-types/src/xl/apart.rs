//! The keys that make more than one field, or have a form of their own: what is read of them.

use super::cpuid;
use super::device::{self, Device};
use super::disk;
use super::numbers::{self, XlHost};
use super::pci;
use super::problem::{Position, Wrong, XlError};
use super::scalar::{self, Scalar};
use super::sound;
use super::source::{self, Source};
use crate::LibxlType;
use crate::config::DomainKind;
use crate::cpuid::CpuPolicy;
use serde_json::{Map, Value as Json, json};
use std::collections::BTreeSet;

/// More than Xen has for any type of domain.
const MOST_VCPUS: i64 = 8192;

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
    vcpus(source)?;
    vnuma(source)?;
    defaults_of_each_other(source)?;
    affinity(source, host)?;
    colors(source)?;
    boot(source, kind, host)?;
    cpu_features(source)?;
    graphics(source, kind)?;
    if *kind == DomainKind::Hvm {
        hvm(source)?;
    }
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

fn vcpus(source: &mut Source) -> Result<(), XlError> {
    let vcpus = source.scalar("vcpus", Scalar::Number(1, MOST_VCPUS))?.and_then(|vcpus| vcpus.as_i64());
    if let Some(vcpus) = vcpus {
        source.put("b_info/avail_vcpus", (0..vcpus).collect::<Json>());
    }
    Ok(())
}

/// The NUMA nodes that the domain sees, a list of texts each.
fn vnuma(source: &mut Source) -> Result<(), XlError> {
    const KEY: &str = "vnuma";
    let Some(list) = source.list(KEY)? else { return Ok(()) };
    let mut placed = false;
    let nodes = list.iter().map(|node| source::list(node).and_then(|parts| vnode(parts, list.len(), &mut placed)));
    let nodes = nodes.collect::<Result<Vec<_>, _>>().map_err(|(at, wrong)| wrong.at(at, Some(KEY)))?;
    if nodes.is_empty() {
        return Ok(());
    }
    let memory: i64 = nodes.iter().filter_map(|node| node.get("memkb")?.as_i64()).sum();
    let of_nodes = nodes.iter().filter_map(|node| node.get("vcpus")?.as_array()).flatten().filter_map(Json::as_u64);
    let mut vcpus: Vec<u64> = of_nodes.collect();
    vcpus.sort_unstable();
    if !vcpus.iter().copied().eq(0..vcpus.len() as u64) {
        let shown = numbers::ranges(&vcpus);
        return Err(source.wrong(KEY, Wrong::thing(&shown, "each vCPU of the domain, on one node: 0, 1, and so on")));
    }
    let vcpus = vcpus.len();
    for (key, place, sum) in [("maxvcpus", "b_info/max_vcpus", vcpus as i64), ("maxmem", "b_info/max_memkb", memory)] {
        match source.get(place).and_then(Json::as_i64) {
            Some(other) if other != sum => {
                let wrong = Wrong::thing(&other.to_string(), format!("{sum}, as the nodes of vnuma have together"));
                return Err(source.wrong(key, wrong));
            }
            _ => source.put(place, sum),
        }
    }
    if placed {
        source.put("b_info/numa_placement", "False");
    }
    source.put("b_info/vnuma_nodes", nodes);
    Ok(())
}

fn vnode(parts: &[super::syntax::Value], nodes: usize, placed: &mut bool) -> Result<Json, (Position, Wrong)> {
    let mut node = json!({ "distances": vec![0; nodes] });
    for part in parts {
        let part = source::text(part)?;
        let wrong = |expected: &str| (part.at, Wrong::text(part.text, expected));
        let (name, value) = part.text.split_once('=').ok_or_else(|| wrong("NAME=VALUE, such as size=1024"))?;
        let value = value.trim();
        if value.is_empty() {
            return Err(wrong("NAME=VALUE with a value"));
        }
        match name.trim() {
            "pnode" => {
                node["pnode"] = Json::from(numbers::decimal(value).ok_or_else(|| wrong("pnode=NUMBER"))?);
                *placed = true;
            }
            "size" => {
                let mib = numbers::decimal(value).ok_or_else(|| wrong("size=MIB"))?;
                node["memkb"] = Json::from(u64::from(mib) * 1024);
            }
            "vcpus" => {
                let mut vcpus = BTreeSet::new();
                for range in value.split(',').filter(|range| !range.is_empty()) {
                    let range = numbers::range(range).filter(|(_, last)| i64::from(*last) < MOST_VCPUS);
                    let (first, last) = range.ok_or_else(|| wrong("vcpus=LIST, such as vcpus=0-3,8"))?;
                    vcpus.extend(first..=last);
                }
                node["vcpus"] = vcpus.into_iter().collect();
            }
            "vdistances" => {
                let distances = value.split(',').filter(|text| !text.is_empty()).map(numbers::decimal);
                let distances: Option<Vec<u32>> = distances.collect();
                let distances = distances.filter(|distances| distances.len() <= nodes);
                let mut distances = distances.ok_or_else(|| wrong("vdistances=LIST, a number for each node"))?;
                distances.resize(nodes, 0);
                node["distances"] = Json::from(distances);
            }
            _ => return Err(wrong("one of pnode=…, size=…, vcpus=…, vdistances=…")),
        }
    }
    Ok(node)
}

/// What one of two keys says about the other.
fn defaults_of_each_other(source: &mut Source) -> Result<(), XlError> {
    let vcpus = source.get("b_info/avail_vcpus").and_then(Json::as_array).map(|vcpus| vcpus.len() as i64);
    match (vcpus, source.get("b_info/max_vcpus").and_then(Json::as_i64)) {
        (Some(vcpus), None) => source.put("b_info/max_vcpus", vcpus),
        (Some(vcpus), Some(most)) if vcpus > most => {
            let wrong = Wrong::thing(&vcpus.to_string(), format!("a number up to that of maxvcpus, {most}"));
            return Err(source.wrong("vcpus", wrong));
        }
        _ => {}
    }
    if let (Some(memory), None) = (source.get("b_info/target_memkb").cloned(), source.get("b_info/max_memkb")) {
        source.put("b_info/max_memkb", memory);
    }
    Ok(())
}

/// On which CPUs the vCPUs run: a text for all, or a list of one each.
fn affinity(source: &mut Source, host: &XlHost) -> Result<(), XlError> {
    let vcpus = source.get("b_info/max_vcpus").and_then(Json::as_u64).unwrap_or(1) as usize;
    for (key, place) in [("cpus", "b_info/vcpu_hard_affinity"), ("cpus_soft", "b_info/vcpu_soft_affinity")] {
        let read = |text: source::Text<'_>| {
            let cpus = numbers::cpus(text.text, host);
            cpus.map(|cpus| cpus.into_iter().collect::<Json>()).map_err(|wrong| text.wrong(wrong, key))
        };
        if source.is_list(key) {
            let texts = source.texts(key)?.unwrap_or_default();
            let more = texts.get(vcpus).map(|text| text.at);
            let lists = texts.into_iter().take(vcpus).map(read).collect::<Result<Vec<_>, _>>()?;
            source.put(place, lists);
            source.put("b_info/numa_placement", "False");
            if more.is_some() {
                source.warn(key, more, format!("the domain has {vcpus} vCPUs: this and what follows is ignored"));
            }
        } else if let Some(text) = source.text(key)? {
            // All the host's are what there is without any.
            if text.text != "all" || !host.nodes.is_empty() {
                let cpus = read(text)?;
                source.put(place, vec![cpus; vcpus]);
            }
            if key == "cpus_soft" {
                source.put("b_info/numa_placement", "False");
            }
        }
    }
    Ok(())
}

fn colors(source: &mut Source) -> Result<(), XlError> {
    /// More than any cache has.
    const MOST_COLORS: u32 = 1 << 16;
    let Some(texts) = source.texts("llc_colors")? else { return Ok(()) };
    let mut colors: Vec<u32> = Vec::new();
    for text in texts {
        let range = numbers::range(text.text).filter(|(_, last)| !text.text.is_empty() && *last < MOST_COLORS);
        let wrong =
            || Wrong::text(text.text, "a color or a range of colors, such as 0-3").at(text.at, Some("llc_colors"));
        let (first, last) = range.ok_or_else(wrong)?;
        colors.extend(first..=last);
        if colors.len() > MOST_COLORS as usize {
            return Err(wrong());
        }
    }
    source.put("b_info/llc_colors", colors);
    Ok(())
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
            super::tree::take(&mut source.json, "b_info/kernel");
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

fn cpu_features(source: &mut Source) -> Result<(), XlError> {
    const KEY: &str = "cpuid";
    let mut policy = CpuPolicy::default();
    if source.is_list(KEY) {
        for text in source.texts(KEY)?.unwrap_or_default() {
            cpuid::read_registers(text.text, &mut policy).map_err(|wrong| text.wrong(wrong, KEY))?;
        }
    } else if let Some(text) = source.text(KEY)? {
        policy = cpuid::read_names(text.text).map_err(|wrong| text.wrong(wrong, KEY))?;
    }
    if policy != CpuPolicy::default() {
        source.put("b_info/cpuid", policy.write());
    }
    Ok(())
}

/// Where an HVM domain has what a paravirtual display has in parts of the same names.
const SCREEN: &str = "b_info/type.hvm";

/// The screen: an HVM domain has one, a PV domain has a paravirtual display instead.
fn graphics(source: &mut Source, kind: &DomainKind) -> Result<(), XlError> {
    let (mut vfbs, mut vkbs) = numbered(source, "vfb", &device::VFB, 0)?.into_iter().enumerate().fold(
        (Vec::new(), Vec::new()),
        |(mut vfbs, mut vkbs), (index, vfb)| {
            vfbs.push(vfb);
            vkbs.push(json!({ "devid": index }));
            (vfbs, vkbs)
        },
    );
    let mut screen = Map::new();
    for part in device::VFB.parts {
        if let Some(json) = source.scalar(part.name, part.scalar().unwrap_or(Scalar::Text))? {
            super::tree::put(&mut screen, part.field, json);
        }
    }
    match kind {
        DomainKind::Hvm => {
            let clash =
                screen.get("vnc").and_then(|vnc| Some((vnc.get("listen")?.as_str()?, vnc.get("display")?.as_i64()?)));
            if let Some((listen, display)) = clash
                && display != 0
                && listen.contains(':')
            {
                let wrong = Wrong::text(listen, "possible beside vncdisplay: it has a display, too");
                return Err(source.wrong("vnclisten", wrong));
            }
            for (field, json) in screen {
                source.put(&format!("{SCREEN}/{field}"), json);
            }
        }
        DomainKind::Pv
            if vfbs.is_empty() && super::tree::get(&screen, "vnc/enable").is_some_and(|vnc| vnc == "True") =>
        {
            screen.insert("devid".to_owned(), Json::from(0));
            vfbs.push(Json::Object(screen));
            vkbs.push(json!({ "devid": 0 }));
        }
        _ => {
            for part in device::VFB.parts {
                source.warn(part.name, None, "ignored: such a domain has no screen, or has vfb");
            }
        }
    }
    vkbs.extend(numbered(source, "vkb", &device::VKB, vkbs.len())?);
    for (place, devices) in [("vfbs", vfbs), ("vkbs", vkbs)] {
        if !devices.is_empty() {
            source.put(place, devices);
        }
    }
    Ok(())
}

/// xl's names for graphics cards.
pub(crate) const VGA: Scalar =
    Scalar::Choice(&[("stdvga", "std"), ("cirrus", "cirrus"), ("none", "none"), ("qxl", "qxl")]);

/// What only HVM domains have.
fn hvm(source: &mut Source) -> Result<(), XlError> {
    if source.setting("vga").is_some() {
        source.take_over("vga", "b_info/type.hvm/vga/kind", VGA)?;
    } else if let Some(std) = source.scalar("stdvga", Scalar::Boolean)? {
        source.put("b_info/type.hvm/vga/kind", if std == true { "std" } else { "cirrus" });
    }
    if let Some(text) = source.text("gfx_passthru")? {
        let kind = match scalar::long(text.text) {
            Some(number) => Ok((number != 0, None)),
            None => Scalar::Enumeration(crate::GfxPassthruKind::KIND).read(text.text).map(|kind| (true, Some(kind))),
        };
        let (enabled, kind) = kind.map_err(|wrong| text.wrong(wrong, "gfx_passthru"))?;
        source.put("b_info/type.hvm/gfx_passthru", if enabled { "True" } else { "False" });
        if let Some(kind) = kind {
            source.put("b_info/type.hvm/gfx_passthru_kind", kind);
        }
    }
    viridian(source)?;
    let genid = Scalar::Choice(&[("generate", "generate"), ("none", "none")]);
    if source.scalar("ms_vm_genid", genid)?.is_some_and(|genid| genid == "generate") {
        // It is a random number, which xl makes up.
        source.warn("ms_vm_genid", None, "left out: whoever creates the domain has to make one up");
    }
    if let Some(texts) = source.texts("mca_caps")? {
        if let Some(other) = texts.iter().find(|text| text.text != "lmce") {
            return Err(Wrong::text(other.text, r#""lmce""#).at(other.at, Some("mca_caps")));
        }
        if !texts.is_empty() {
            source.put("b_info/type.hvm/mca_caps", 1);
        }
    }
    if let Some(hole) = source.get("b_info/type.hvm/mmio_hole_memkb").and_then(Json::as_i64)
        && !(256 << 10..=3840 << 10).contains(&hole)
    {
        let wrong = Wrong::thing(&(hole >> 10).to_string(), "a number, 256 to 3840");
        return Err(source.wrong("mmio_hole", wrong));
    }
    Ok(())
}

/// What Hyper-V has: yes or no, or a list of what is there and what is not.
fn viridian(source: &mut Source) -> Result<(), XlError> {
    const KEY: &str = "viridian";
    let place = |field: &str| format!("b_info/type.hvm/{field}");
    if !source.is_list(KEY) {
        return source.take_over(KEY, &place("viridian"), Scalar::Defbool);
    }
    let (mut enable, mut disable) = (BTreeSet::new(), BTreeSet::new());
    let mut defaults = false;
    for text in source.texts(KEY)?.unwrap_or_default() {
        let (out, name) = text.text.strip_prefix('!').map_or((false, text.text), |name| (true, name));
        match name {
            "defaults" if !out => defaults = true,
            // More than there are: libxl has room for so many.
            "all" if !out => enable.extend(0..VIRIDIAN_BITS),
            _ => {
                let known = crate::Viridian::ALL.iter().find(|known| known.name().eq_ignore_ascii_case(name));
                let wrong = || {
                    let names = crate::Viridian::ALL.iter().map(crate::Viridian::name);
                    let expected = format!("{}, with ! or without, \"all\" or \"defaults\"", scalar::one_of(names));
                    Wrong::text(text.text, expected).at(text.at, Some(KEY))
                };
                let number = known.and_then(crate::Viridian::number).ok_or_else(wrong)?;
                let (to, from) = if out { (&mut disable, &mut enable) } else { (&mut enable, &mut disable) };
                to.insert(number);
                from.remove(&number);
            }
        }
    }
    if defaults {
        source.put(&place("viridian"), "True");
    }
    for (field, bits) in [("viridian_enable", enable), ("viridian_disable", disable)] {
        if !bits.is_empty() {
            source.put(&place(field), bits.into_iter().collect::<Json>());
        }
    }
    Ok(())
}

/// How wide libxl's bitmaps of them are.
pub(crate) const VIRIDIAN_BITS: i32 = 64;

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

/// A list of devices that are numbered, from `first` on.
pub(crate) fn numbered(source: &mut Source, key: &str, device: &Device, first: usize) -> Result<Vec<Json>, XlError> {
    let mut notes = Vec::new();
    let mut devices = list_of(source, key, device, &mut notes)?;
    for (index, device) in devices.iter_mut().enumerate() {
        if device.get("devid").is_none() {
            device["devid"] = Json::from(first + index);
        }
    }
    for (at, what) in notes {
        source.warn(key, Some(at), what);
    }
    Ok(devices)
}

/// A list of devices, and what is to be said about them.
pub(crate) fn list_of(
    source: &Source,
    key: &str,
    device: &Device,
    notes: &mut Vec<(Position, String)>,
) -> Result<Vec<Json>, XlError> {
    let texts = source.texts(key)?.unwrap_or_default();
    let devices = texts.iter().map(|text| {
        let mut said = Vec::new();
        let read = device.read(text.text, &mut said).map_err(|wrong| text.wrong(wrong, key));
        notes.extend(said.into_iter().map(|said| (text.at, said)));
        read
    });
    devices.collect()
}
