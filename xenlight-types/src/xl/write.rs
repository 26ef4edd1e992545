//! Writing a file.

use super::cpuid;
use super::device::{self, Device};
use super::disk;
use super::hvm::{VGA, VIRIDIAN_BITS};
use super::keys::{KEYS, Key, Kind};
use super::numbers::{self, XlHost};
use super::pci;
use super::problem::XlUnsayable;
use super::read::{self, SET_BY_XL};
use super::scalar::Scalar;
use super::sound;
use super::syntax::quoted;
use super::tree;
use crate::LibxlType;
use crate::config::{DomainConfig, DomainKind};
use crate::machine::Machine;
use serde_json::{Map, Value as Json};

/// Writes a file that is read as this configuration.
///
/// Whatever is written leaves the tree; what stays there cannot be said.
pub(crate) fn write(config: &DomainConfig) -> Result<String, XlUnsayable> {
    let wanted = without_defaults(config.to_value());
    let kind = config.build_info.machine.as_ref().map(Machine::kind);
    let kind = kind.filter(|kind| config.create_info.kind.as_ref() == Some(kind));
    let (Json::Object(tree), Some(kind)) = (wanted.clone(), kind) else {
        let paths = vec!["c_info.type beside b_info.type, of which both must be the same".to_owned()];
        return Err(XlUnsayable { paths, text: String::new() });
    };
    let mut writer = Writer { tree, text: String::new(), placed: false };
    tree::take(&mut writer.tree, "c_info/type");
    for (place, value) in SET_BY_XL.iter().filter(|(place, _)| !place.starts_with("on_")) {
        if tree::get(&writer.tree, place).is_some_and(|json| json == value) {
            tree::take(&mut writer.tree, place);
        }
    }
    // It follows from other keys, or is told apart below.
    writer.placed = tree::get(&writer.tree, "b_info/numa_placement").is_some_and(|json| json == "False");
    if writer.placed {
        tree::take(&mut writer.tree, "b_info/numa_placement");
    }
    for key in KEYS.iter().filter(|key| read::has(&kind, key.of)) {
        writer.key(key, &kind, config);
    }
    let Writer { tree, text, .. } = writer;
    let left = Json::Object(tree);
    let mut paths: Vec<String> = tree::leaves(&left).into_keys().collect();
    if paths.is_empty() {
        paths = differences(&wanted, &text);
    }
    if paths.is_empty() { Ok(text) } else { Err(XlUnsayable { paths, text }) }
}

/// Domain 0 is the backend unless something else is said. The scheduler is that of the domain's CPU pool, which libxl adds to the
/// configuration of a domain that runs.
fn without_defaults(mut config: Json) -> Json {
    if let Some(tree) = config.as_object_mut() {
        tree::take(tree, "b_info/sched_params/sched");
    }
    for devices in config.as_object_mut().into_iter().flat_map(Map::values_mut).filter_map(Json::as_array_mut) {
        for device in devices.iter_mut().filter_map(Json::as_object_mut) {
            if device.get("backend_domid").is_some_and(|domid| *domid == 0) {
                device.remove("backend_domid");
            }
        }
    }
    config
}

/// Where the file is read as something else, such as a value that depends on another one.
fn differences(wanted: &Json, text: &str) -> Vec<String> {
    let again = match read::read(text, &XlHost::default()) {
        Ok(file) => file.config.to_value(),
        Err(error) => {
            let key = error.key.unwrap_or_default();
            return vec![match error.found {
                Some(found) => format!("{key} ({found} is not {})", error.expected),
                None => format!("{key} (missing: {})", error.expected),
            }];
        }
    };
    let [wanted, again] = [tree::leaves(wanted), tree::leaves(&again)];
    let lost = wanted.iter().filter(|(path, json)| again.get(*path) != Some(json));
    let added = again.iter().filter(|(path, json)| !wanted.contains_key(*path) && !is_set_by_xl(path, json));
    lost.chain(added).map(|(path, _)| path.clone()).collect()
}

/// Whether it is what xl sets where nothing is said.
fn is_set_by_xl(path: &str, value: &Json) -> bool {
    if SET_BY_XL.iter().any(|(place, set)| place.replace('/', ".") == path && value == set) {
        return true;
    }
    match path.split_once("].").map(|(_, field)| field) {
        // The numbers of devices are their places.
        Some("devid") => true,
        Some("format") => value == "raw",
        Some("vfunc_mask") => *value == 1,
        Some("rdm_policy") => value == "strict",
        Some("readwrite" | "removable" | "domain" | "bus" | "dev" | "func") => *value == 0,
        Some("distances") => value.as_array().is_some_and(|distances| distances.iter().all(|distance| *distance == 0)),
        _ => false,
    }
}

struct Writer {
    /// What is not yet written.
    tree: Map<String, Json>,
    text: String,
    /// Something that was written keeps libxl from placing the domain.
    placed: bool,
}

impl Writer {
    fn line(&mut self, key: &str, value: &str) {
        self.text.push_str(&format!("{key} = {value}\n"));
    }

    fn list(&mut self, key: &str, items: &[String]) {
        match items {
            [] => self.line(key, "[]"),
            [one] => self.line(key, &format!("[{one}]")),
            items => {
                let lines: String = items.iter().map(|item| format!("    {item},\n")).collect();
                self.line(key, &format!("[\n{lines}]"));
            }
        }
    }

    fn quoted_list(&mut self, key: &str, items: impl IntoIterator<Item = impl AsRef<str>>) {
        let items: Vec<String> = items.into_iter().map(|item| quoted(item.as_ref())).collect();
        self.list(key, &items);
    }

    fn take(&mut self, place: &str) -> Option<Json> {
        tree::take(&mut self.tree, place)
    }

    fn get(&self, place: &str) -> Option<&Json> {
        tree::get(&self.tree, place)
    }

    fn put(&mut self, place: &str, json: Json) {
        tree::put(&mut self.tree, place, json);
    }

    /// A single value, if it can be said.
    fn one(&mut self, key: &str, place: &str, scalar: Scalar) {
        if let Some(text) = self.get(place).and_then(|json| scalar.write(json)) {
            self.take(place);
            match scalar.is_number() && !text.starts_with('-') {
                true => self.line(key, &text),
                false => self.line(key, &quoted(&text)),
            }
        }
    }

    /// A list of texts, if all can be said.
    fn texts(&mut self, key: &str, place: &str) {
        let texts = self.get(place).and_then(Json::as_array);
        let texts = texts.and_then(|texts| texts.iter().map(|text| Some(text.as_str()?.to_owned())).collect());
        let texts: Option<Vec<String>> = texts;
        if let Some(texts) = texts {
            self.take(place);
            self.quoted_list(key, texts);
        }
    }

    /// A list of devices. What cannot be said of them stays.
    fn devices(&mut self, key: &str, place: &str, write: impl Fn(usize, &mut Map<String, Json>) -> String) {
        let Some(Json::Array(devices)) = self.take(place) else { return };
        let mut texts = Vec::new();
        let left = devices.into_iter().enumerate().map(|(index, device)| match device {
            Json::Object(mut device) => {
                texts.push(write(index, &mut device));
                Json::Object(device)
            }
            other => other,
        });
        let left: Json = left.collect();
        self.put(place, left);
        self.list(key, &texts);
    }

    fn key(&mut self, key: &Key, kind: &DomainKind, config: &DomainConfig) {
        let name = key.name;
        match &key.kind {
            Kind::One(scalar) => self.one(name, key.place, *scalar),
            Kind::Texts => self.texts(name, key.place),
            Kind::TextsOrText(one) => {
                // There is one key for both.
                if self.get(one).is_some() {
                    self.one(name, one, Scalar::Text);
                } else {
                    self.texts(name, key.place);
                }
            }
            Kind::Items(item) => {
                let items = self.get(key.place).and_then(Json::as_array);
                let items = items.and_then(|items| items.iter().map(|json| (item.write)(json)).collect());
                let items: Option<Vec<String>> = items;
                if let Some(items) = items {
                    self.take(key.place);
                    self.quoted_list(name, items);
                }
            }
            Kind::Devices(device) => self.devices(name, key.place, |_, json| quoted(&device.write(json))),
            Kind::Numbered(device) => {
                self.devices(name, key.place, |index, json| quoted(&numbered(device, index, json)));
            }
            Kind::Apart => self.apart(name, kind, config),
            Kind::Ignored => {}
        }
    }

    fn apart(&mut self, name: &str, kind: &DomainKind, config: &DomainConfig) {
        match name {
            "type" => self.line(name, &quoted(kind.name())),
            "seclabel" => {
                let place = match self.get("b_info/exec_ssid_label") {
                    Some(_) => "b_info/exec_ssid_label",
                    None => "c_info/ssid_label",
                };
                self.one(name, place, Scalar::Text);
            }
            // What is left of the two.
            "init_seclabel" => self.one(name, "c_info/ssid_label", Scalar::Text),
            "vcpus" => {
                let online = &config.build_info.avail_vcpus;
                if !online.is_empty() && online.iter().zip(0..).all(|(vcpu, index)| *vcpu == index) {
                    self.take("b_info/avail_vcpus");
                    self.line(name, &online.len().to_string());
                }
            }
            "cpus" => self.affinity(name, "b_info/vcpu_hard_affinity", config),
            "cpus_soft" => self.affinity(name, "b_info/vcpu_soft_affinity", config),
            "vnuma" => self.vnuma(name),
            "llc_colors" => {
                if let Some(colors) = self.take("b_info/llc_colors") {
                    self.line(name, &format!("[{}]", quoted_ranges(&colors).join(", ")));
                }
            }
            "bootloader_args" => self.texts(name, "b_info/bootloader_args"),
            "cpuid" => {
                let policy = &config.build_info.cpuid;
                if policy.msrs.is_empty() && !policy.leaves.is_empty() {
                    self.take("b_info/cpuid");
                    self.quoted_list(name, cpuid::write(policy));
                } else if !policy.msrs.is_empty()
                    && let Some(names) = cpuid::write_names(policy)
                {
                    self.take("b_info/cpuid");
                    self.line(name, &quoted(&names));
                }
            }
            "viridian" => self.viridian(name),
            "mca_caps" if self.get("b_info/type.hvm/mca_caps") == Some(&Json::from(1)) => {
                self.take("b_info/type.hvm/mca_caps");
                self.quoted_list(name, ["lmce"]);
            }
            "arm_sci" => {
                let scalar = Scalar::Enumeration(crate::ArmSciKind::KIND);
                let place = "b_info/arch_arm/arm_sci/type";
                if let Some(kind) = self.get(place).and_then(|json| scalar.write(json)) {
                    self.take(place);
                    self.line(name, &quoted(&format!("type={kind}")));
                }
            }
            "vga" => self.one(name, "b_info/type.hvm/vga/kind", VGA),
            "vnc" if *kind == DomainKind::Hvm => {
                for part in device::VFB.parts {
                    if let Some(scalar) = part.scalar() {
                        self.one(part.name, &format!("b_info/type.hvm/{}", part.field), scalar);
                    }
                }
            }
            "gfx_passthru" => self.graphics_passed_through(name),
            "disk" => self.devices(name, "disks", |_, disk| quoted(&disk::write(disk))),
            "vfb" => self.devices(name, "vfbs", |index, vfb| quoted(&numbered(&device::VFB, index, vfb))),
            "vkb" => self.keyboards(name, config.vfbs.len()),
            "rdm" => {
                let policy = Scalar::Enumeration(crate::RdmPolicy::KIND);
                let policy = self.get("b_info/type.hvm/rdm/policy").and_then(|json| policy.write(json));
                let mut parts = Vec::new();
                if self.get("b_info/type.hvm/rdm/strategy").is_some_and(|json| json == "host") {
                    self.take("b_info/type.hvm/rdm/strategy");
                    parts.push("strategy=host".to_owned());
                }
                if let Some(policy) = policy {
                    self.take("b_info/type.hvm/rdm/policy");
                    parts.push(format!("policy={policy}"));
                }
                if !parts.is_empty() {
                    self.line(name, &quoted(&parts.join(",")));
                }
            }
            "pci" => self.devices(name, "pcidevs", |_, pci| quoted(&pci::write(pci))),
            "vsnd" => self.devices(name, "vsnds", |index, vsnd| {
                if vsnd.get("devid") == Some(&Json::from(index)) {
                    vsnd.remove("devid");
                }
                sound::write(vsnd)
            }),
            _ => {}
        }
    }

    /// One text for all vCPUs, or a list, which keeps libxl from placing the domain.
    fn affinity(&mut self, name: &str, place: &str, config: &DomainConfig) {
        let Some(Json::Array(lists)) = self.take(place) else { return };
        let texts: Vec<String> = lists.iter().map(quoted_range).collect();
        let vcpus = config.build_info.max_vcpus.unwrap_or(1);
        let same = texts.windows(2).all(|two| two[0] == two[1]) && i32::try_from(texts.len()) == Ok(vcpus);
        let text = texts.first().filter(|_| same && (name == "cpus_soft" || !self.placed));
        match text {
            Some(text) => self.line(name, text),
            None => self.list(name, &texts),
        }
    }

    fn vnuma(&mut self, name: &str) {
        let Some(Json::Array(nodes)) = self.take("b_info/vnuma_nodes") else { return };
        let mut lists = Vec::new();
        let mut left = Vec::new();
        for node in nodes {
            let Json::Object(mut node) = node else { continue };
            let mut parts = Vec::new();
            let pnode = node.remove("pnode").and_then(|pnode| pnode.as_u64());
            parts.extend(pnode.map(|pnode| format!("pnode={pnode}")));
            if let Some(mib) = node.get("memkb").and_then(|kib| Scalar::Mib.write(kib)) {
                node.remove("memkb");
                parts.push(format!("size={mib}"));
            }
            if let Some(vcpus) = node.remove("vcpus") {
                parts.push(format!("vcpus={}", numbers::ranges(&integers(&vcpus))));
            }
            if let Some(distances) = node.remove("distances") {
                let distances: Vec<String> = integers(&distances).iter().map(u64::to_string).collect();
                parts.push(format!("vdistances={}", distances.join(",")));
            }
            lists.push(format!("[{}]", parts.iter().map(|part| quoted(part)).collect::<Vec<_>>().join(", ")));
            left.push(Json::Object(node));
        }
        self.put("b_info/vnuma_nodes", Json::from(left));
        self.list(name, &lists);
    }

    fn viridian(&mut self, name: &str) {
        let [place, enable, disable] =
            ["viridian", "viridian_enable", "viridian_disable"].map(|field| format!("b_info/type.hvm/{field}"));
        let [on, off] = [&enable, &disable].map(|place| self.get(place).map(integers).unwrap_or_default());
        if on.is_empty() && off.is_empty() {
            return self.one(name, &place, Scalar::Defbool);
        }
        let mut texts = Vec::new();
        if self.get(&place).is_some_and(|json| json == "True") {
            self.take(&place);
            texts.push("defaults".to_owned());
        }
        let named = |bits: &[u64], sign: &str| -> Option<Vec<String>> {
            let name = |bit: &u64| {
                let known =
                    crate::Viridian::ALL.iter().find(|known| known.number().map(i64::from) == i64::try_from(*bit).ok());
                Some(format!("{sign}{}", known?))
            };
            bits.iter().map(name).collect()
        };
        // Bits without a name are there only if all are.
        let all = (0..VIRIDIAN_BITS as u64).all(|bit| on.contains(&bit) || off.contains(&bit));
        let on = if all { Some(vec!["all".to_owned()]) } else { named(&on, "") };
        for (names, place) in [(on, enable), (named(&off, "!"), disable)] {
            if let Some(names) = names {
                self.take(&place);
                texts.extend(names);
            }
        }
        self.quoted_list(name, texts);
    }

    fn graphics_passed_through(&mut self, name: &str) {
        let (place, kind_place) = ("b_info/type.hvm/gfx_passthru", "b_info/type.hvm/gfx_passthru_kind");
        let scalar = Scalar::Enumeration(crate::GfxPassthruKind::KIND);
        let kind = self.get(kind_place).and_then(|json| scalar.write(json));
        match kind.filter(|_| self.get(place).is_some_and(|json| json == "True")) {
            Some(kind) => {
                self.take(place);
                self.take(kind_place);
                self.line(name, &quoted(&kind));
            }
            None => self.one(name, place, Scalar::Defbool),
        }
    }

    /// The first of them come with the displays.
    fn keyboards(&mut self, name: &str, displays: usize) {
        let Some(Json::Array(mut keyboards)) = self.take("vkbs") else { return };
        let more = keyboards.split_off(displays.min(keyboards.len()));
        let with_displays: Json = keyboards
            .into_iter()
            .enumerate()
            .map(|(index, mut keyboard)| {
                if let Some(keyboard) = keyboard.as_object_mut()
                    && keyboard.get("devid") == Some(&Json::from(index))
                {
                    keyboard.remove("devid");
                }
                keyboard
            })
            .collect();
        if !more.is_empty() {
            self.put("vkbs", Json::from(more));
            self.devices(name, "vkbs", |index, vkb| quoted(&numbered(&device::VKB, displays + index, vkb)));
        }
        if !tree::leaves(&with_displays).is_empty() {
            self.put("vkbs of vfbs", with_displays);
        }
    }
}

/// The text of a device whose number is its place.
fn numbered(device: &Device, index: usize, json: &mut Map<String, Json>) -> String {
    if json.get("devid") == Some(&Json::from(index)) {
        json.remove("devid");
    }
    device.write(json)
}

fn integers(json: &Json) -> Vec<u64> {
    json.as_array().into_iter().flatten().filter_map(Json::as_u64).collect()
}

fn quoted_range(json: &Json) -> String {
    quoted(&numbers::ranges(&integers(json)))
}

fn quoted_ranges(json: &Json) -> Vec<String> {
    numbers::ranges(&integers(json)).split(',').map(quoted).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Channel, ChannelConnection, DeviceModelVersion, Disk, DiskFormat, DomainId, Hvm, Mac, Nic, Pv, Pvh, Vfb, Vkb,
    };

    fn pvh() -> DomainConfig {
        let mut config = DomainConfig::new("web", Machine::Pvh(Pvh::default()));
        config.build_info.kernel = Some("/vmlinuz".to_owned());
        config
    }

    /// What a file cannot say after this change.
    fn unsayable(change: impl FnOnce(&mut DomainConfig)) -> Vec<String> {
        let mut config = pvh();
        change(&mut config);
        config.to_xl().map_or_else(|unsayable| unsayable.paths, |text| panic!("{text}"))
    }

    #[test]
    fn the_file_is_as_one_would_write_it() {
        let mut config = pvh();
        config.build_info =
            config.build_info.max_vcpus(2).avail_vcpus(0..2).max_memory_kib(1 << 20).target_memory_kib(1 << 19);
        config.build_info.vcpu_hard_affinity = vec![(0..4).collect(); 2];
        config.disks = vec![Disk::default().vdev("xvda").pdev_path("/a").format(DiskFormat::Qcow2).readwrite(true)];
        config.nics = vec![Nic::default().mac(Mac([0, 0x16, 0x3e, 1, 2, 3])), Nic::default().bridge("b")];
        assert_eq!(
            config.to_xl().expect("a file can say that"),
            r#"name = "web"
type = "pvh"
vcpus = 2
maxvcpus = 2
cpus = "0-3"
memory = 512
maxmem = 1024
kernel = "/vmlinuz"
disk = ["format=qcow2,vdev=xvda,access=rw,target=/a"]
vif = [
    "mac=00:16:3e:01:02:03",
    "bridge=b",
]
"#
        );
    }

    #[test]
    fn what_a_file_cannot_say_is_named() {
        let build = |change: fn(&mut crate::BuildInfo)| unsayable(|config| change(&mut config.build_info));
        assert_eq!(build(|build| build.blkdev_start = Some("xvdz".to_owned())), ["b_info.blkdev_start"]);
        assert_eq!(build(|build| build.max_memory_kib = Some(1023)), ["b_info.max_memkb"]);
        // `memory` sets both.
        assert_eq!(build(|build| build.target_memory_kib = Some(1024)), ["b_info.max_memkb"]);
        assert_eq!(build(|build| build.avail_vcpus = [1].into()), ["b_info.avail_vcpus"]);
        assert_eq!(build(|build| build.claim_mode = Some(false)), ["b_info.claim_mode"]);
        assert_eq!(build(|build| build.numa_placement = Some(false)), ["b_info.numa_placement"]);
        assert_eq!(
            build(|build| build.device_model_version = Some(DeviceModelVersion::Unknown)),
            ["b_info.device_model_version"]
        );
        assert_eq!(build(|build| drop(build.other.insert("new".to_owned(), Json::from(1)))), ["b_info.new"]);
        let with = |nic: Nic| unsayable(|config| config.nics = vec![Nic::default(), nic]);
        assert_eq!(with(Nic::default().ip("a,b")), ["nics[1].ip"]);
        assert_eq!(with(Nic::default().backend_domid(DomainId::new(3))), ["nics[1].backend_domid"]);
        assert_eq!(
            unsayable(|config| config.create_info.kind = None)[0],
            "c_info.type beside b_info.type, of which both must be the same"
        );
        assert_eq!(
            unsayable(|config| config.vkbs = vec![Vkb::default()]),
            ["vkb (missing: backend-type=qemu or backend-type=linux)"]
        );
    }

    #[test]
    fn the_rest_of_the_file_comes_with_what_it_cannot_say() {
        let mut config = pvh();
        config.create_info.poolid = Some(3);
        let unsayable = config.to_xl().expect_err("there is no key for it");
        assert_eq!(unsayable.to_string(), "a file of xl's cannot say c_info.poolid");
        assert_eq!(DomainConfig::from_xl(&unsayable.text).expect("it is a file").config.name(), "web");
    }

    #[test]
    fn placement_by_lists_and_by_texts_is_told_apart() {
        for placed in [None, Some(false)] {
            let mut config = pvh();
            config.build_info = config.build_info.max_vcpus(2);
            config.build_info.vcpu_hard_affinity = vec![[1].into(); 2];
            config.build_info.numa_placement = placed;
            let text = config.to_xl().expect("a file can say that");
            assert_eq!(text.contains("cpus = \"1\""), placed.is_none(), "{text}");
            let again = DomainConfig::from_xl(&text).expect("it was written").config;
            assert_eq!(again.build_info.numa_placement, placed);
        }
    }

    #[test]
    fn displays_bring_their_keyboards() {
        let mut config = DomainConfig::new("x", Machine::Pv(Pv::default()));
        config.build_info.kernel = Some("/vmlinuz".to_owned());
        config.vfbs = vec![Vfb::default().devid(0)];
        config.vkbs = vec![Vkb::default().devid(0), Vkb::default().devid(1).backend_type(crate::VkbBackend::Linux)];
        let text = config.to_xl().expect("a file can say that");
        assert!(text.ends_with("vfb = [\"\"]\nvkb = [\"backend-type=linux\"]\n"), "{text}");
        config.vkbs[0].unique_id = Some("k".to_owned());
        assert_eq!(config.to_xl().expect_err("there is no key for it").paths, ["vkbs of vfbs[0].unique_id"]);
    }

    #[test]
    fn a_wide_host_takes_no_time() {
        let mut config = DomainConfig::new("x", Machine::Hvm(Hvm::default()));
        config.build_info = config.build_info.max_vcpus(100);
        config.build_info.vcpu_hard_affinity =
            (0..100).map(|cpu| (0..4095).filter(|of| *of != cpu).collect()).collect();
        config.build_info.numa_placement = Some(false);
        config.channels = vec![Channel::default().name("a").connection(ChannelConnection::Pty)];
        let text = config.to_xl().expect("a file can say that");
        assert!(text.contains("\"0-2,4-4094\""), "{text}");
    }
}
