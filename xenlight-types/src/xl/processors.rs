//! The keys of a domain's processors: how many, where they run, on which NUMA nodes, and what they can.

use super::cpuid;
use super::numbers::{self, XlHost};
use super::problem::{Position, Wrong, XlError};
use super::scalar::Scalar;
use super::source::{self, Source};
use super::syntax::Value;
use crate::cpuid::CpuPolicy;
use serde_json::{Value as Json, json};
use std::collections::BTreeSet;

/// More than Xen has for any type of domain.
const MOST_VCPUS: i64 = 8192;
/// All of them.
pub(crate) fn read(source: &mut Source, host: &XlHost) -> Result<(), XlError> {
    vcpus(source)?;
    vnuma(source)?;
    defaults_of_each_other(source)?;
    affinity(source, host)?;
    colors(source)?;
    cpu_features(source)
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

fn vnode(parts: &[Value], nodes: usize, placed: &mut bool) -> Result<Json, (Position, Wrong)> {
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
