//! Holds `DomainConfig::from_xl` against `xl create -n`, and against what `DomainConfig::to_xl` writes.
//!
//! `xl` runs on the simulated machine, so it needs neither Xen nor root. The installed ones (Debian: xen-utils-4.17), and those that
//! `XL_PROGRAMS` names, as `4.14=/path/to/xl:4.20=/path/to/xl`. `./x test --only xl` gets those of Debian's releases. Without any, the
//! cases are ignored, with the reason.

#[path = "xl/files.rs"]
mod files;

use files::{FILES, Machine};
use libtest_mimic::{Arguments, Completion, Failed, Trial};
use osevent_standin_machine::Machine as Simulated;
use serde_json::Value;
use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::{env, fs};
use xenlight_sys::Release;
use xenlight_types::describe::Kind;
use xenlight_types::{DomainConfig, ENUMERATIONS, LibxlType, Scheduler, XlHost};

/// Files that are not read as xl of these releases reads them, and why.
const DEVIATIONS: &[(&str, RangeInclusive<u32>, &str)] = &[
    ("rdm", 17..=20, "xl's policy is whatever was in memory; libxl's own default is what xl.cfg(5) says"),
    ("rdm-policy", 17..=20, "xl gives up as soon as it has understood a policy, and then ignores the key"),
    ("disks-trusted", 17..=17, "Debian's xl takes these words for a target"),
    ("usb-type", 14..=20, "xl forgets the device if its type is not said, which xl.cfg(5) allows"),
    ("vifs", 14..=14, "xl has no mtu yet, and ignores it; libxl has it"),
    ("pcis-keys", 14..=14, "xl has no bdf= yet"),
    ("pcis-functions", 14..=14, "xl ends itself: it has a number for the function only if there is no wildcard"),
    ("channels-equals", 14..=17, "xl loses what follows a second ="),
    ("cpuid-newer", 14..=17, "xl has a short list of its own, and ignores other names"),
    ("cpuid-msr", 14..=17, "likewise"),
    (
        "cpus-alone",
        14..=20,
        "xl takes a domain without vcpus for one with none; from 4.22 on for one with one, as libxl does",
    ),
    ("channels", 20..=20, "xl leaves it to libxl to number them, which takes the place, too"),
];

fn main() {
    let mut trials = vec![
        Trial::test("each_key_is_used_by_a_file", each_key_is_used),
        Trial::test("each_file_is_written_as_it_was_read", each_file_is_written),
        Trial::test("a_domain_that_runs_is_written_without_its_scheduler", a_domain_that_runs_is_written),
        Trial::test("each_key_refuses_what_it_cannot_be", each_key_refuses),
        Trial::test("what_is_wrong_in_a_part_of_a_text_has_the_place_of_the_part", parts_have_their_places),
        Trial::test("whatever_is_configured_is_written_or_refused", whatever_is_configured),
        Trial::test("whatever_a_file_has_is_read_or_refused_with_its_place", whatever_a_file_has),
    ];
    let programs = programs();
    if programs.is_empty() {
        let missing = || Ok(Completion::ignored_with("no xl (Debian: xen-utils-4.17)"));
        trials.push(Trial::ignorable_test("files_are_read_as_xl_reads_them", missing));
    }
    for (release, xl) in programs {
        let name = format!("files_are_read_as_xl_{release}_reads_them");
        let again = xl.clone();
        trials.push(Trial::test(name, move || compare(release, &xl)));
        let name = format!("files_with_random_changes_are_read_as_xl_{release}_reads_them");
        trials.push(Trial::test(name, move || compare_mutants(release, &again)));
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

fn each_key_is_used() -> Result<(), Failed> {
    let used: BTreeSet<&str> = FILES.iter().flat_map(|(_, _, text)| text.split([' ', ';', '\n'])).collect();
    let keys = DomainConfig::xl_keys().filter(|key| !["name", "type", "kernel", "cpuid"].contains(key));
    let unused: Vec<_> = keys.filter(|key| !used.contains(key)).collect();
    if unused.is_empty() { Ok(()) } else { Err(format!("no file has {unused:?}").into()) }
}

/// What is read of a file can be written, and is read again as the same.
fn each_file_is_written() -> Result<(), Failed> {
    let mut failures = Vec::new();
    for (name, machine, text) in FILES {
        let file = DomainConfig::from_xl_on(&format!("{}{text}", machine.base()), &host());
        let config = file.map_err(|error| format!("{name}: {error}"))?.config;
        match config.to_xl() {
            Err(unsayable) => failures.push(format!("{name}: {unsayable}")),
            Ok(text) => match DomainConfig::from_xl(&text) {
                Ok(again)
                    if again.config == config && again.warnings.iter().all(|w| w.what.starts_with("deprecated")) => {}
                Ok(again) => failures.push(format!("{name}: {text}{again:?} for {config:?}")),
                Err(error) => failures.push(format!("{name}: {error}: {text}")),
            },
        }
    }
    if failures.is_empty() { Ok(()) } else { Err(failures.join("\n").into()) }
}

/// libxl adds its scheduler, with all parameters, to the configuration of each domain that runs.
fn a_domain_that_runs_is_written() -> Result<(), Failed> {
    let mut config = DomainConfig::from_xl("name = 'web'\ntype = 'pvh'\nkernel = '/k'\nmemory = 64\n")?.config;
    let params = &mut config.build_info.sched_params;
    (params.sched, params.weight, params.cap) = (Some(Scheduler::Credit2), Some(256), Some(0));
    let text = config.to_xl()?;
    if !text.contains("cpu_weight = 256\n") {
        return Err(text.into());
    }
    let again = DomainConfig::from_xl(&text)?.config;
    config.build_info.sched_params.sched = None;
    if again == config { Ok(()) } else { Err(format!("{again:?} for {config:?}").into()) }
}

/// Keys that take any text.
const FREE_TEXT: &[&str] = &[
    "name",
    "pool",
    "seclabel",
    "init_seclabel",
    "kernel",
    "ramdisk",
    "cmdline",
    "root",
    "extra",
    "bootloader",
    "bootloader_args",
    "bootloader_user",
    "firmware_override",
    "bios_path_override",
    "acpi_firmware",
    "smbios_firmware",
    "boot",
    "pvshim_path",
    "pvshim_cmdline",
    "pvshim_extra",
    "device_tree",
    "device_model_override",
    "device_model_user",
    "device_model_stubdomain_seclabel",
    "stubdomain_kernel",
    "stubdomain_ramdisk",
    "stubdomain_cmdline",
    "vnclisten",
    "vncpasswd",
    "display",
    "xauthority",
    "keymap",
    "spicehost",
    "spicepasswd",
    "spice_image_compression",
    "spice_streaming_video",
    "serial",
    "usbdevice",
    "soundhw",
];

/// Keys that xl does not look at.
const IGNORED: &[&str] = &["device_model", "vncviewer", "vif2"];

/// A type of domain that has this key.
fn machine_with(key: &str) -> Machine {
    [Machine::Hvm, Machine::Pvh, Machine::Pv]
        .into_iter()
        .find(|machine| {
            let file = DomainConfig::from_xl(&format!("{}{key} = [ [ ] ]", machine.base()));
            // What another type of domain has is ignored.
            file.is_err()
        })
        .unwrap_or(Machine::Pv)
}

/// Each key refuses a list of lists, and a text unless it takes any, and tells its place.
fn each_key_refuses() -> Result<(), Failed> {
    let mut failures = Vec::new();
    for key in DomainConfig::xl_keys().filter(|key| !IGNORED.contains(key)) {
        let base = machine_with(key).base();
        let mut wrong = vec!["[ [ [ ] ] ]"];
        wrong.extend((!FREE_TEXT.contains(&key)).then_some("'no such value'"));
        for value in wrong {
            let line = base.lines().count() as u32 + 1;
            match DomainConfig::from_xl_on(&format!("{base}{key} = {value}\n"), &host()) {
                Ok(_) => failures.push(format!("{key} = {value} is read")),
                Err(error) => {
                    let column = key.len() as u32 + 4; // Behind the key and the sign.
                    if error.key.as_deref() != Some(key)
                        || error.line != line
                        || !(column..column + 6).contains(&error.column)
                    {
                        failures.push(format!("{key} = {value}: {error}"));
                    }
                }
            }
        }
    }
    if failures.is_empty() { Ok(()) } else { Err(failures.join("\n").into()) }
}

/// The column is that of the part, if the text has it once and as it is.
fn parts_have_their_places() -> Result<(), Failed> {
    let mut failures = Vec::new();
    for (line, part, words) in [
        ("vif = [ '', 'bridge=é,mac=1' ]", "1' ]", "\"1\" is not an Ethernet address"),
        ("vif = [ 'mtu=1500,rate=x,model=rtl8139' ]", "x,model", "\"x\" is not a rate"),
        ("vif = [ 'trusted,brige=x' ]", "brige", "\"brige=x\" is not one of"),
        ("disk = [ '/a,qcow9,hda' ]", "qcow9", "for format"),
        ("disk = [ 'vdev=hda,access=no,target=/a' ]", "no,target", "\"no\" is not \"r\""),
        ("pci = [ '01:00.0,seize=y' ]", "y' ]", "\"y\" is not a number"),
        ("cpus = '0-3,x'", "x'", "\"x\" is not a list of CPUs"),
        ("cpuid = 'host,tm=0,foo=1'", "foo", "\"foo\" is not the name of a CPU's feature"),
        ("vsnd = [ [ 'card', 'stream,type=z' ] ]", "z' ] ]", "\"z\" is not one of"),
        // Not to be told apart, or not as the file has it: the whole text.
        ("cpus = 'x,x'", "'x,x'", "\"x\" is not"),
        (r"vif = [ 'ip=\'1\',mac=1' ]", "'ip", "Ethernet"),
        ("cpus = '0,'\ncpus += 'x'", "'x'", "\"x\" is not"),
    ] {
        let error = DomainConfig::from_xl(&format!("{line}\nname = 'x'\nkernel = 'k'\n")).expect_err(line);
        let wrong = line.split('\n').nth((error.line - 1) as usize).unwrap_or_default();
        let at = wrong.chars().skip((error.column - 1) as usize).collect::<String>();
        if !at.starts_with(part) || !error.to_string().contains(words) {
            failures.push(format!("{line}: {error}, which is {at}"));
        }
    }
    if failures.is_empty() { Ok(()) } else { Err(failures.join("\n").into()) }
}

/// Configurations with random changes: what is written is read as the same, and what cannot be said is named.
fn whatever_is_configured() -> Result<(), Failed> {
    let mut random = Random(0x1234_5678_9abc_def1);
    let (mut written, mut unsayable) = (0, 0);
    for round in 0..MUTANTS / 2 {
        let (name, machine, text) = FILES[round % FILES.len()];
        let file = DomainConfig::from_xl_on(&format!("{}{text}", machine.base()), &host());
        let mut json = file.map_err(|error| format!("{name}: {error}"))?.config.to_value();
        change(&mut random, &mut json);
        let Ok(config) = DomainConfig::from_value(json) else { continue };
        match config.to_xl() {
            Ok(text) => {
                written += 1;
                let again = DomainConfig::from_xl(&text).map_err(|error| format!("{name}: {error}: {text}"))?.config;
                // What xl sets by itself is in there now, so nothing gets lost or added any more.
                let more = again.to_xl().map_err(|unsayable| format!("{name}: {unsayable}: {text}"))?;
                let once_more =
                    DomainConfig::from_xl(&more).map_err(|error| format!("{name}: {error}: {more}"))?.config;
                if once_more != again {
                    return Err(format!("{name}: {more} is {} and not {}", once_more.to_json(), again.to_json()).into());
                }
            }
            Err(error) if error.paths.is_empty() => return Err(format!("{name}: nothing is named").into()),
            Err(_) => unsayable += 1,
        }
    }
    println!("{written} written, {unsayable} not");
    if written > MUTANTS / 20 && unsayable > MUTANTS / 20 {
        Ok(())
    } else {
        Err("the changes are too wild or too tame".into())
    }
}

/// Changes one value somewhere.
fn change(random: &mut Random, json: &mut Value) {
    match json {
        Value::Object(object) if !object.is_empty() => {
            let index = random.below(object.len());
            let key = object.keys().nth(index).cloned().unwrap_or_default();
            match random.below(8) {
                0 => drop(object.remove(&key)),
                _ => change(random, &mut object[&key]),
            }
        }
        Value::Array(array) if !array.is_empty() => {
            let index = random.below(array.len());
            match random.below(6) {
                0 => drop(array.remove(index)),
                1 => array.push(array[index].clone()),
                _ => change(random, &mut array[index]),
            }
        }
        Value::Number(_) => *json = Value::from([0, 1, 2, 7, 1000, 1024, 1 << 20][random.below(7)]),
        Value::String(_) => {
            let texts = ["", "a,b", " a ", "x\"y'z\\", "a;b:c", "True", "a\nb", "größe", "all"];
            *json = Value::from(texts[random.below(texts.len())]);
        }
        Value::Bool(value) => *json = Value::from(!*value),
        _ => {}
    }
}

/// How many files are made of the good ones.
const MUTANTS: usize = 6_000;

/// Good files with random changes: none ends the process, and each error is about a place in the file.
fn whatever_a_file_has() -> Result<(), Failed> {
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    let (mut read, mut refused) = (0, 0);
    for round in 0..MUTANTS {
        let (name, machine, text) = FILES[round % FILES.len()];
        let text = mutant(&mut random, &format!("{}{text}", machine.base()));
        match DomainConfig::from_xl_on(&text, &host()) {
            Ok(file) => {
                read += 1;
                // It can say so or not; it must not be written as something else, which `to_xl` looks after.
                let _ = file.config.to_xl();
                if file.warnings.iter().any(|warning| !is_within(&text, warning.line, warning.column)) {
                    return Err(format!("{name}: {:?} in {text}", file.warnings).into());
                }
            }
            Err(error) => {
                refused += 1;
                if !is_within(&text, error.line, error.column) || error.expected.contains("b_info.") {
                    return Err(format!("{name}: {error} in {text}").into());
                }
            }
        }
    }
    println!("{read} read, {refused} refused");
    // Files that are all refused in the first line would show nothing.
    if read > MUTANTS / 10 && refused > MUTANTS / 10 {
        Ok(())
    } else {
        Err("the changes are too wild or too tame".into())
    }
}

/// A few changes at random places: something taken out, doubled, put in, or taken from another file.
fn mutant(random: &mut Random, text: &str) -> String {
    const PUT_IN: [&str; 36] = [
        "'",
        "\"",
        "\\",
        "\n",
        "#",
        ";",
        ",",
        "=",
        "[",
        "]",
        "+=",
        "-",
        "^",
        ":",
        ".",
        "*",
        "@",
        "!",
        " ",
        "0",
        "1",
        "-1",
        "0x",
        "é",
        "\0",
        "99999999999999999999",
        "4294967296",
        "host",
        "all",
        "node:",
        "vdev=",
        "/",
        "k",
        "cdrom",
        "=1",
        "true",
    ];
    let mut characters: Vec<char> = text.chars().collect();
    for _ in 0..=random.below(3) {
        let at = random.below(characters.len() + 1);
        let end = (at + random.below(6)).min(characters.len());
        match random.below(4) {
            0 => drop(characters.drain(at..end)),
            1 => {
                let doubled = characters[at..end].to_vec();
                characters.splice(at..at, doubled);
            }
            2 => {
                characters.splice(at..end, PUT_IN[random.below(PUT_IN.len())].chars());
            }
            _ => {
                let (_, _, other) = FILES[random.below(FILES.len())];
                let from = random.below(other.len() + 1);
                let taken: Vec<char> = other.chars().skip(from).take(random.below(40)).collect();
                characters.splice(at..end, taken);
            }
        }
    }
    characters.into_iter().collect()
}

fn is_within(text: &str, line: u32, column: u32) -> bool {
    // The end of the file is a place, too.
    let line = text.split('\n').nth((line - 1) as usize);
    line.is_some_and(|line| (1..=line.chars().count() as u32 + 1).contains(&column))
}

/// xorshift64: the same numbers each time.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        for (left, shift) in [(true, 13), (false, 7), (true, 17)] {
            self.0 ^= if left { self.0 << shift } else { self.0 >> shift };
        }
        (self.0 % end as u64) as usize
    }
}

/// Each file that this release's xl knows, and the examples that are installed with it.
fn compare(release: Release, xl: &Path) -> Result<(), Failed> {
    let xl = Xl::new(xl)?;
    let mut failures = Vec::new();
    let mut compared = 0;
    let files = FILES.iter().map(|(name, machine, text)| ((*name).to_owned(), format!("{}{text}", machine.base())));
    let examples = examples(&xl.program)?;
    println!("{} examples", examples.len());
    for (name, text) in files.chain(examples) {
        let ours = match DomainConfig::from_xl_on(&text, &host()) {
            Ok(file) if file.config.newer_than(release).is_some() => continue,
            Ok(file) => file.config,
            Err(error) => {
                failures.push(format!("{name}: {error}"));
                continue;
            }
        };
        compared += 1;
        match (xl.differences(&text, &ours)?, deviates(&name, release)) {
            (differences, true) if differences.is_empty() => {
                failures.push(format!("{name}: xl reads it as we do: it is no deviation"));
            }
            (differences, false) if !differences.is_empty() => failures.push(format!("{name}: {differences}")),
            _ => {}
        }
    }
    println!("{compared} compared");
    if failures.is_empty() { Ok(()) } else { Err(failures.join("\n").into()) }
}

/// What is read of a file with random changes, if it is read at all, is what xl reads.
fn compare_mutants(release: Release, xl: &Path) -> Result<(), Failed> {
    let xl = Xl::new(xl)?;
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut failures = Vec::new();
    let mut compared = 0;
    for round in 0..MUTANTS_FOR_XL {
        let (name, machine, text) = FILES[round % FILES.len()];
        let text = mutant(&mut random, &format!("{}{text}", machine.base()));
        let Ok(ours) = DomainConfig::from_xl_on(&text, &host()) else { continue };
        if ours.config.newer_than(release).is_none() && !deviates(name, release) && !is_read_otherwise(&ours.config) {
            compared += 1;
            let differences = xl.differences(&text, &ours.config)?;
            if !differences.is_empty() {
                failures.push(format!("{name}: {differences}: {text}"));
            }
        }
    }
    println!("{compared} compared");
    if failures.is_empty() { Ok(()) } else { Err(failures.join("\n\n").into()) }
}

/// How many files are made of the good ones for xl, which takes a few milliseconds for each.
const MUTANTS_FOR_XL: usize = 1500;

/// Whether it has one of [`DEVIATIONS`] that random changes often make.
fn is_read_otherwise(config: &DomainConfig) -> bool {
    let build = &config.build_info;
    let affinity = !build.vcpu_hard_affinity.is_empty() || !build.vcpu_soft_affinity.is_empty();
    build.max_vcpus.is_none() && affinity || config.channels.iter().any(|channel| channel.to_json().contains('='))
}

/// An `xl` on the simulated machine.
struct Xl {
    program: PathBuf,
    machine: Simulated,
    folder: tempfile::TempDir,
}

impl Xl {
    fn new(program: &Path) -> Result<Self, Failed> {
        let machine = Simulated::new().map_err(|error| error.to_string())?;
        Ok(Self { program: program.to_owned(), machine, folder: tempfile::tempdir()? })
    }

    /// Where `ours` is not what xl makes of the file; empty if nowhere.
    fn differences(&self, text: &str, ours: &DomainConfig) -> Result<String, Failed> {
        let file = self.folder.path().join("x.cfg");
        fs::write(&file, text)?;
        let output = self.machine.command(&self.program).args(["create", "-q", "-n"]).arg(&file).output()?;
        if !output.status.success() {
            return Ok(format!("xl: {}", String::from_utf8_lossy(&output.stderr)));
        }
        let theirs = DomainConfig::from_json(&String::from_utf8_lossy(&output.stdout));
        let mut theirs = theirs.map_err(|invalid| format!("{text}: {invalid}"))?;
        // What xl makes up.
        if ours.create_info.uuid.is_none() {
            theirs.create_info.uuid = None;
        }
        if let Some(xenlight_types::Machine::Hvm(hvm)) = &mut theirs.build_info.machine {
            hvm.ms_vm_genid = None;
        }
        Ok(differences("", &ours.to_value(), &theirs.to_value()).join("; "))
    }
}

/// What is installed with this xl: in `/etc/xen`, or in `etc` beside a program that is not installed.
fn examples(xl: &Path) -> Result<Vec<(String, String)>, Failed> {
    let beside = xl.with_file_name("etc");
    let folder = if beside.exists() { beside } else { PathBuf::from("/etc/xen") };
    let mut examples = Vec::new();
    for entry in folder.read_dir().into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with("xlexample") {
            examples.push((name, fs::read_to_string(entry.path())?));
        }
    }
    Ok(examples)
}

fn deviates(name: &str, release: Release) -> bool {
    DEVIATIONS
        .iter()
        .any(|(file, minors, _)| *file == name && minors.clone().any(|minor| release == Release::new(4, minor)))
}

fn host() -> XlHost {
    XlHost::default().node(0..4).node(4..8)
}

fn differences(path: &str, ours: &Value, theirs: &Value) -> Vec<String> {
    match (ours, theirs) {
        (Value::Object(a), Value::Object(b)) => {
            let keys: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            keys.into_iter()
                .flat_map(|key| {
                    let path = format!("{path}/{key}");
                    differences(&path, a.get(key).unwrap_or(&Value::Null), b.get(key).unwrap_or(&Value::Null))
                })
                .collect()
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => a
            .iter()
            .zip(b)
            .enumerate()
            .flat_map(|(index, (a, b))| differences(&format!("{path}[{index}]"), a, b))
            .collect(),
        _ if ours == theirs => Vec::new(),
        (ours, Value::Null) if is_default(path, ours) => Vec::new(),
        _ => vec![format!("{path}: {ours}, and xl has {theirs}")],
    }
}

/// What libxl does not print.
fn is_default(path: &str, value: &Value) -> bool {
    match value {
        Value::Number(number) => number.as_u64() == Some(0),
        Value::Bool(value) => !value,
        Value::String(text) => path.starts_with("/on_") && text == "destroy" || zero_names().any(|name| name == text),
        _ => false,
    }
}

/// The names of what libxl has as the number 0.
fn zero_names() -> impl Iterator<Item = &'static str> {
    let values = ENUMERATIONS.iter().flat_map(|kind| match kind {
        Kind::Enumeration(of) => of.values,
        _ => &[],
    });
    values.filter(|value| value.number == 0).map(|value| value.name)
}

fn programs() -> Vec<(Release, PathBuf)> {
    let mut programs = Vec::new();
    for folder in Path::new("/usr/lib").read_dir().into_iter().flatten().flatten() {
        let name = folder.file_name().to_string_lossy().into_owned();
        let xl = folder.path().join("bin/xl");
        programs
            .extend(name.strip_prefix("xen-").and_then(release).filter(|_| xl.exists()).map(|release| (release, xl)));
    }
    for named in env::var("XL_PROGRAMS").unwrap_or_default().split(':').filter(|named| !named.is_empty()) {
        let (number, xl) = named.split_once('=').unwrap_or((named, ""));
        programs.push((release(number).expect("XL_PROGRAMS: RELEASE=FILE"), PathBuf::from(xl)));
    }
    programs
}

fn release(text: &str) -> Option<Release> {
    Some(Release::new(4, text.strip_prefix("4.")?.parse().ok()?))
}
