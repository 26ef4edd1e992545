//! The keys of what HVM domains have, and of the screens of all domains.

use super::device;
use super::problem::{Wrong, XlError};
use super::scalar::{self, Scalar};
use super::source::Source;
use super::tree;
use crate::LibxlType;
use crate::config::DomainKind;
use serde_json::{Map, Value as Json, json};
use std::collections::BTreeSet;

/// All of them.
pub(crate) fn read(source: &mut Source, kind: &DomainKind) -> Result<(), XlError> {
    graphics(source, kind)?;
    if *kind == DomainKind::Hvm { hvm(source) } else { Ok(()) }
}

/// Where an HVM domain has what a paravirtual display has in parts of the same names.
const SCREEN: &str = "b_info/type.hvm";

/// The screen: an HVM domain has one, a PV domain has a paravirtual display instead.
fn graphics(source: &mut Source, kind: &DomainKind) -> Result<(), XlError> {
    let (mut vfbs, mut vkbs) = source.numbered("vfb", &device::VFB, 0)?.into_iter().enumerate().fold(
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
            tree::put(&mut screen, part.field, json);
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
        DomainKind::Pv if vfbs.is_empty() && tree::get(&screen, "vnc/enable").is_some_and(|vnc| vnc == "True") => {
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
    vkbs.extend(source.numbered("vkb", &device::VKB, vkbs.len())?);
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
