//! Holds the tables against `_libxl_types.h`, which Xen's build makes of `libxl_types.idl`.
//!
//! The installed header (Debian: libxen-dev), and those that `XEN_HEADERS` names, as `4.16=/path:4.22=/path` with a folder for each
//! release. Without any, the case is ignored, with the reason.

use libtest_mimic::{Arguments, Completion, Failed, Trial};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::{env, fs};
use xenlight_sys::Release;
use xenlight_types::describe::{Enumeration, Kind, Struct};
use xenlight_types::{ENUMERATIONS, STRUCTS};

const HEADER: &str = "_libxl_types.h";

/// What a header has and the tables have not, and why.
const LEFT_OUT: &[(&str, &str)] = &[
    ("error", "the codes of xenlight-sys"),
    ("event", "xenlight reads it in C's form: its type says what else is there"),
    ("event_type", "as the event"),
    ("dominfo", "xenlight::DomainInfo, which has other types and names"),
    ("vminfo", "xenlight-sys has it in C's form"),
    ("shutdown_reason", "xenlight::ShutdownReason, which has the number of an unknown one"),
    ("channel_connection", "the variants of a union"),
    ("usbdev_type", "the variants of a union"),
    ("psr_feat_type", "the variants of a union"),
    ("device_disk.colo_", "libxl calls it unstable; it survives in `other`"),
    ("device_disk.active_disk", "of COLO"),
    ("device_disk.hidden_disk", "of COLO"),
    ("device_nic.colo", "libxl calls it unstable; it survives in `other`"),
    ("domain_remus_info.blackhole", "bool up to 4.4, a defbool since then"),
    ("domain_remus_info.compression", "bool up to 4.4, a defbool since then"),
    ("domain_create_info.pvh", "up to 4.8: a type of domain since then"),
    ("domain_config.p9 ", "4.9 only; `p9s` since then"),
    ("connector_param.id ", "4.10 and 4.11 only; `unique_id` since then"),
    ("connectorinfo.id ", "4.10 and 4.11 only; `unique_id` since then"),
    ("device_model_version.none", "4.7 to 4.9 only"),
];

fn main() {
    let headers = headers();
    let trials = if headers.is_empty() {
        let missing = || Ok(Completion::ignored_with(format!("no {HEADER} (Debian: libxen-dev)")));
        vec![Trial::ignorable_test("tables_are_those_of_the_header", missing)]
    } else {
        let trial = |(release, folder): (Release, PathBuf)| {
            Trial::test(format!("tables_are_those_of_the_header_{release}"), move || compare(release, &folder))
        };
        headers.into_iter().map(trial).collect()
    };
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

fn headers() -> Vec<(Release, PathBuf)> {
    let mut headers = Vec::new();
    // libxen-dev links libxenlight.so to the library that its headers belong to.
    let libraries = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib"];
    let linked = libraries.iter().find_map(|folder| {
        let file = fs::canonicalize(Path::new(folder).join("libxenlight.so")).ok()?;
        release(file.file_name()?.to_str()?.strip_prefix("libxenlight.so.")?)
    });
    if let Some(release) = linked.filter(|_| Path::new("/usr/include").join(HEADER).exists()) {
        headers.push((release, PathBuf::from("/usr/include")));
    }
    let named = env::var("XEN_HEADERS").unwrap_or_default();
    headers.extend(named.split(':').filter(|entry| !entry.is_empty()).map(|entry| {
        let (number, folder) = entry.split_once('=').expect("XEN_HEADERS is 4.16=/path:4.22=/path");
        (release(number).expect("a release such as 4.22"), PathBuf::from(folder))
    }));
    headers
}

fn release(text: &str) -> Option<Release> {
    let mut parts = text.split('.').map(str::parse);
    Some(Release::new(parts.next()?.ok()?, parts.next()?.ok()?))
}

fn compare(release: Release, folder: &Path) -> Result<(), Failed> {
    let header = Header::read(&fs::read_to_string(folder.join(HEADER))?);
    let mut wrong = Vec::new();
    let mut used = BTreeSet::new();
    let mut left_out = |place: &str| {
        let entry = LEFT_OUT.iter().find(|(left, _)| match left.strip_suffix(' ') {
            Some(whole) => place == whole,
            None => place.starts_with(left) && (place.len() == left.len() || place.contains('.')),
        });
        entry.inspect(|(left, _)| _ = used.insert(*left)).is_some()
    };

    let mut ours = BTreeMap::new();
    for kind in STRUCTS {
        if let Kind::Struct(of) = kind {
            ours.insert(of.name, fields(of, release));
            check_presence(of.name, of.since, release, header.structs.contains_key(of.name), &mut wrong);
        }
    }
    for (name, fields) in &header.structs {
        let Some(known) = ours.get(name.as_str()) else {
            if !left_out(name) {
                wrong.push(format!("struct {name} has no table"));
            }
            continue;
        };
        for (field, c_type) in fields {
            match known.get(field) {
                Some(expected) if expected == c_type => {}
                Some(expected) => wrong.push(format!("{name}.{field} is {c_type}, the table has {expected}")),
                None if left_out(&format!("{name}.{field}")) => {}
                None => wrong.push(format!("{name}.{field} ({c_type}) is not in the table")),
            }
        }
        for field in known.keys().filter(|field| !fields.contains_key(*field)) {
            wrong.push(format!("{name}.{field} is in the table, not in the header of {release}"));
        }
    }

    let enumerations: BTreeMap<&str, &Enumeration> = ENUMERATIONS
        .iter()
        .filter_map(|kind| if let Kind::Enumeration(of) = kind { Some((of.name, *of)) } else { None })
        .collect();
    for (name, of) in &enumerations {
        check_presence(name, of.since, release, header.enums.contains_key(*name), &mut wrong);
    }
    for (name, values) in &header.enums {
        let Some(of) = enumerations.get(name.as_str()) else {
            if !left_out(name) {
                wrong.push(format!("enum {name} has no table"));
            }
            continue;
        };
        let known: BTreeMap<String, i32> = of
            .values
            .iter()
            .filter(|value| value.since <= release)
            .map(|value| (value.name.to_owned(), value.number))
            .collect();
        for (value, number) in values {
            if known.get(value) != Some(number) && !left_out(&format!("{name}.{value}")) {
                wrong.push(format!("{name}.{value} is {number}, the table has {:?}", known.get(value)));
            }
        }
        for value in known.keys().filter(|value| !values.contains_key(*value)) {
            wrong.push(format!("{name}.{value} is in the table, not in the header of {release}"));
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n").into()) }
}

fn check_presence(name: &str, since: Release, release: Release, present: bool, wrong: &mut Vec<String>) {
    if present != (since <= release) {
        wrong.push(format!("{name}: the table says since {since}; in the header of {release}: {present}"));
    }
}

/// The fields of a table as C has them in `release`, by their path.
fn fields(of: &Struct, release: Release) -> BTreeMap<String, String> {
    let mut fields = BTreeMap::new();
    add(of, release, "", &mut fields);
    fields
}

fn add(of: &Struct, release: Release, prefix: &str, fields: &mut BTreeMap<String, String>) {
    for field in of.fields.iter().filter(|field| field.since <= release) {
        let path = format!("{prefix}{}", field.name);
        match field.kind {
            Kind::Union(union) => {
                let keyed_by = match union.name {
                    "domain_build_info.type" => "domain_type",
                    "device_usbdev.type" => "usbdev_type",
                    "device_channel.connection" | "channelinfo.connection" => "channel_connection",
                    "psr_hw_info.type" => "psr_feat_type",
                    other => panic!("which enumeration says what {other} is?"),
                };
                fields.insert(path, format!("libxl_{keyed_by}"));
                for variant in union.variants.iter().filter(|variant| variant.since <= release) {
                    if let Some(content) = variant.content {
                        add(content, release, &format!("{prefix}u.{}.", variant.name), fields);
                    }
                }
            }
            Kind::Struct(inner) if inner.name.contains('.') => add(inner, release, &format!("{path}."), fields),
            kind => _ = fields.insert(path, c_type(&kind)),
        }
    }
}

fn c_type(kind: &Kind) -> String {
    match kind {
        Kind::Boolean => "bool".to_owned(),
        Kind::Defbool => "libxl_defbool".to_owned(),
        Kind::Integer { min, max } => match (*min, *max) {
            (0, 0xff) => "uint8_t",
            (0, 0xffff) => "uint16_t",
            (0, 0xffff_ffff) => "uint32_t",
            (0, _) => "uint64_t",
            _ => "int",
        }
        .to_owned(),
        Kind::Text => "char *".to_owned(),
        Kind::Uuid => "libxl_uuid".to_owned(),
        Kind::Mac => "libxl_mac".to_owned(),
        Kind::Bitmap => "libxl_bitmap".to_owned(),
        Kind::List(Kind::Text) => "libxl_string_list".to_owned(),
        Kind::List(of) => match c_type(of) {
            pointer if pointer.ends_with('*') => format!("{pointer}*"),
            other => format!("{other} *"),
        },
        Kind::Map => "libxl_key_value_list".to_owned(),
        Kind::CpuPolicy => "libxl_cpuid_policy_list".to_owned(),
        Kind::GenerationId => "libxl_ms_vm_genid".to_owned(),
        Kind::HardwareCapabilities => "libxl_hwcap".to_owned(),
        Kind::Enumeration(of) => format!("libxl_{}", of.name),
        Kind::Struct(of) => format!("libxl_{}", of.name),
        other => panic!("what is {other:?} in C?"),
    }
}

/// The structs and enumerations of a header, by name without `libxl_`.
#[derive(Default)]
struct Header {
    structs: BTreeMap<String, BTreeMap<String, String>>,
    enums: BTreeMap<String, BTreeMap<String, i32>>,
}

impl Header {
    fn read(text: &str) -> Self {
        let mut header = Self::default();
        let mut lines = text.lines().map(str::trim);
        while let Some(line) = lines.next() {
            if let Some(name) = opened(line, "typedef enum libxl_") {
                let values = lines.by_ref().take_while(|line| !line.starts_with('}')).map(|line| {
                    let (value, number) = line.trim_end_matches(',').split_once(" = ").expect("a value has its number");
                    let number = number.parse().expect("a number");
                    let prefix = format!("LIBXL_{}_", name.to_uppercase());
                    (value.strip_prefix(&prefix).unwrap_or(value).to_lowercase(), number)
                });
                header.enums.insert(name.to_owned(), values.collect());
            } else if let Some(name) = opened(line, "typedef struct libxl_") {
                let mut fields = BTreeMap::new();
                members(&mut lines, &mut fields);
                header.structs.insert(name.to_owned(), fields);
            }
        }
        header
    }
}

fn opened<'a>(line: &'a str, by: &str) -> Option<&'a str> {
    line.strip_prefix(by)?.strip_suffix(" {")
}

/// The fields up to the closing brace; those of structs within by their path, without the lengths of arrays.
fn members<'a>(lines: &mut impl Iterator<Item = &'a str>, fields: &mut BTreeMap<String, String>) {
    let mut nested = Vec::new();
    let mut arrays = Vec::new();
    let mut found: Vec<(String, String)> = Vec::new();
    for line in lines {
        if line == "struct {" || line == "union {" {
            nested.push(found.len());
        } else if let Some(name) = line.strip_prefix('}') {
            let Some(from) = nested.pop() else { break };
            let name = name.trim().trim_end_matches(';');
            for (path, _) in &mut found[from..] {
                path.insert_str(0, &format!("{name}."));
            }
        } else if let Some(declared) = line.strip_suffix(';') {
            let (c_type, name) = declared.rsplit_once(' ').expect("a field has a type and a name");
            let c_type = c_type.trim_start_matches("const ");
            if c_type.ends_with('*') && !matches!(c_type, "char *" | "void *") {
                arrays.push(found.len());
            }
            // Numbers under other names.
            let c_type = match c_type {
                "libxl_domid" => "uint32_t",
                "libxl_devid" => "int",
                other => other,
            };
            found.push((name.to_owned(), c_type.to_owned()));
        }
    }
    // The length of an array is the field before it, an int.
    let lengths: BTreeSet<usize> = arrays.into_iter().map(|array| array - 1).collect();
    let kept = found.into_iter().enumerate().filter(|(at, _)| !lengths.contains(at));
    fields.extend(kept.map(|(_, field)| field));
}
