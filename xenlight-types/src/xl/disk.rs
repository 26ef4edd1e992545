//! A disk: `"format=qcow2,vdev=xvda,target=/images/web.qcow2"`, or in the older form `"phy:/dev/vg/web,xvda,w"`.

use super::problem::Wrong;
use super::scalar::Scalar;
use serde_json::{Map, Value as Json};

const FORMAT: Scalar = Scalar::Choice(&[
    ("raw", "raw"),
    ("", "raw"),
    ("qcow", "qcow"),
    ("qcow2", "qcow2"),
    ("vhd", "vhd"),
    ("qed", "qed"),
    ("empty", "empty"),
]);

const BACKEND: Scalar =
    Scalar::Choice(&[("phy", "phy"), ("tap", "tap"), ("qdisk", "qdisk"), ("standalone", "standalone")]);

const SPECIFICATION: Scalar = Scalar::Choice(&[("xen", "xen"), ("virtio", "virtio")]);

/// What has a name, apart from the target: the name, the field of libxl's JSON, and what it can be.
const NAMED: [(&str, &str, Scalar); 6] = [
    ("format", "format", FORMAT),
    ("vdev", "vdev", Scalar::Text),
    ("backend", "backend_domname", Scalar::Text),
    ("backendtype", "backend", BACKEND),
    ("specification", "specification", SPECIFICATION),
    ("script", "script", Scalar::Text),
];

/// Words without a value.
const WORDS: [(&str, &str, &str); 6] = [
    ("discard", "discard_enable", "True"),
    ("no-discard", "discard_enable", "False"),
    ("trusted", "trusted", "True"),
    ("untrusted", "trusted", "False"),
    ("grant_usage=1", "grant_usage", "True"),
    ("grant_usage=0", "grant_usage", "False"),
];

const EXPECTED: &str = "a disk, such as format=raw,vdev=xvda,access=rw,target=/dev/vg/web";

/// The disk that a text describes, as libxl's JSON.
pub(crate) fn read(text: &str) -> Result<Json, Wrong> {
    let mut disk = Reader { disk: Map::new(), old_prefix: false, access: false };
    disk.set_flag("readwrite", true);
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches([' ', '\t', '\n']);
        if rest.is_empty() {
            break;
        }
        if let Some(target) = rest.strip_prefix("target=") {
            // It may have commas and goes to the end.
            disk.once("target", "pdev_path", target.strip_suffix(',').unwrap_or(target))?;
            break;
        }
        if let Some(behind) = disk.prefix(rest)? {
            rest = behind;
            continue;
        }
        let (part, behind) = rest.split_once(',').unwrap_or((rest, ""));
        disk.part(part)?;
        rest = behind;
    }
    disk.finish()
}

struct Reader {
    disk: Map<String, Json>,
    old_prefix: bool,
    access: bool,
}

impl Reader {
    fn set_flag(&mut self, field: &str, flag: bool) {
        self.disk.insert(field.to_owned(), Json::from(u8::from(flag)));
    }

    fn text(&self, field: &str) -> Option<&str> {
        self.disk.get(field)?.as_str()
    }

    /// What is set already cannot become something else.
    fn once(&mut self, name: &str, field: &str, value: &str) -> Result<(), Wrong> {
        match self.text(field) {
            Some(before) if !before.is_empty() && before != value => {
                Err(Wrong::text(value, format!("the {name} that was given before: {before:?}")))
            }
            _ => {
                self.disk.insert(field.to_owned(), Json::from(value));
                Ok(())
            }
        }
    }

    fn named(&mut self, name: &str, field: &str, scalar: Scalar, value: &str) -> Result<(), Wrong> {
        let json = scalar.read(value).map_err(|wrong| wrong.of(name))?;
        self.once(name, field, json.as_str().unwrap_or_default())
    }

    /// Skips a prefix of the older form, such as `phy:`; `None` if there is none.
    fn prefix<'a>(&mut self, rest: &'a str) -> Result<Option<&'a str>, Wrong> {
        let Some((prefix, behind)) = rest.split_once(':') else { return Ok(None) };
        if !prefix.starts_with(|c: char| c.is_ascii_lowercase())
            || !prefix.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
        {
            return Ok(None);
        }
        match prefix {
            "raw" | "qcow" | "qcow2" | "vhd" => self.named("format", "format", FORMAT, prefix)?,
            "iscsi" | "nbd" | "enbd" | "drbd" => self.once("script", "script", &format!("block-{prefix}"))?,
            "tapdisk" | "tap" | "tap2" | "aio" | "ioemu" | "file" | "phy" => {}
            // `hdc:cdrom` has none.
            _ if behind.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit()) => return Ok(None),
            _ => {
                let expected =
                    "a prefix that xl knows: phy:, file:, raw:, qcow:, qcow2:, vhd:, iscsi:, nbd:, enbd:, drbd:";
                return Err(Wrong::text(&format!("{prefix}:"), expected));
            }
        }
        self.old_prefix = true;
        Ok(Some(behind))
    }

    fn part(&mut self, part: &str) -> Result<(), Wrong> {
        if let Some((_, field, word)) = WORDS.iter().find(|(word, _, _)| *word == part) {
            self.disk.insert((*field).to_owned(), Json::from(*word));
            return Ok(());
        }
        match part {
            "cdrom" | "devtype=cdrom" => self.set_flag("is_cdrom", true),
            "devtype=disk" => self.set_flag("is_cdrom", false),
            "direct-io-safe" => {
                self.disk.insert("direct_io_safe".to_owned(), Json::from(true));
            }
            _ => match part.split_once('=') {
                None => return self.positional(part),
                Some(("devtype", value)) => return Err(Wrong::text(value, r#""disk" or "cdrom" for devtype"#)),
                Some(("access", value)) => return self.set_access(value),
                Some((name, value)) => match NAMED.iter().find(|(known, _, _)| *known == name) {
                    Some((_, field, scalar)) => self.named(name, field, *scalar, value)?,
                    None => {
                        let names = NAMED.map(|(name, _, _)| name).join("=…, ");
                        let expected = format!(
                            "one of {names}=…, access=…, devtype=…, discard, no-discard, direct-io-safe, trusted, untrusted, target=…"
                        );
                        return Err(Wrong::text(part, expected));
                    }
                },
            },
        }
        Ok(())
    }

    /// Target, format, device, access: what comes next of them.
    fn positional(&mut self, part: &str) -> Result<(), Wrong> {
        if !self.disk.contains_key("pdev_path") {
            return self.once("target", "pdev_path", part);
        }
        if !self.old_prefix && !self.disk.contains_key("format") {
            if self.text("pdev_path") == Some("") && part.contains(':') {
                self.device(part)?;
                return self.once("format", "format", "empty");
            }
            return self.named("format", "format", FORMAT, part);
        }
        if !self.disk.contains_key("vdev") {
            return self.device(part);
        }
        if self.access {
            return Err(Wrong::text(
                part,
                format!("expected: target, format, device and access are there; {EXPECTED}"),
            ));
        }
        self.access = true;
        self.set_access(part)
    }

    /// `hdc`, or `hdc:cdrom`.
    fn device(&mut self, part: &str) -> Result<(), Wrong> {
        match part.rsplit_once(':') {
            None => self.once("vdev", "vdev", part),
            Some((device, kind @ ("cdrom" | "disk"))) => {
                self.set_flag("is_cdrom", kind == "cdrom");
                self.once("vdev", "vdev", device)
            }
            Some((_, kind)) => Err(Wrong::text(kind, r#""disk" or "cdrom" behind the device"#)),
        }
    }

    fn set_access(&mut self, access: &str) -> Result<(), Wrong> {
        match access {
            "r" | "ro" => self.set_flag("readwrite", false),
            "rw" | "w" | "" => self.set_flag("readwrite", true),
            _ => return Err(Wrong::text(access, r#""r", "ro", "w" or "rw" for access"#)),
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Json, Wrong> {
        if self.disk.get("is_cdrom") == Some(&Json::from(1)) {
            self.set_flag("removable", true);
            self.set_flag("readwrite", false);
            if self.text("pdev_path").unwrap_or_default().is_empty() {
                self.disk.insert("format".to_owned(), Json::from("empty"));
            }
        } else if !self.disk.contains_key("pdev_path") {
            return Err(Wrong::missing("target=PATH: only a CD-ROM drive can be without"));
        }
        if !self.disk.contains_key("vdev") {
            return Err(Wrong::missing("vdev=DEVICE, such as vdev=xvda"));
        }
        self.disk.entry("format").or_insert_with(|| Json::from("raw"));
        Ok(Json::Object(self.disk))
    }
}

/// The text for a disk. What it says is taken out of `disk`.
pub(crate) fn write(disk: &mut Map<String, Json>) -> String {
    let mut said = Vec::new();
    for (name, field, scalar) in NAMED {
        let value = disk.get(field).and_then(|json| scalar.write(json)).filter(|value| !value.contains(','));
        if let Some(value) = value {
            disk.remove(field);
            said.push(format!("{name}={value}"));
        }
    }
    for (word, field, value) in WORDS {
        if disk.get(field).is_some_and(|json| json == value) {
            disk.remove(field);
            said.push(word.to_owned());
        }
    }
    if disk.get("direct_io_safe") == Some(&Json::from(true)) {
        disk.remove("direct_io_safe");
        said.push("direct-io-safe".to_owned());
    }
    let flag = |disk: &mut Map<String, Json>, field: &str| disk.remove(field).map(|flag| flag == 1);
    let cdrom = flag(disk, "is_cdrom");
    if cdrom == Some(true) {
        said.push("devtype=cdrom".to_owned());
        // A CD-ROM drive is removable and read-only, whatever else is said.
        for (field, value) in [("removable", 1), ("readwrite", 0)] {
            if disk.get(field) == Some(&Json::from(value)) {
                disk.remove(field);
            }
        }
    } else {
        said.extend(cdrom.map(|_| "devtype=disk".to_owned()));
        let access = if flag(disk, "readwrite") == Some(true) { "rw" } else { "ro" };
        said.push(format!("access={access}"));
    }
    if let Some(target) = disk.get("pdev_path").and_then(Json::as_str).filter(|target| !target.ends_with(',')) {
        said.push(format!("target={target}"));
        disk.remove("pdev_path");
    }
    said.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn both_forms_are_read() {
        let new = read("format=raw, vdev=hda, access=rw, target=/dev/vg/a,b").expect("a disk");
        assert_eq!(new, json!({"format":"raw","vdev":"hda","readwrite":1,"pdev_path":"/dev/vg/a,b"}));
        for text in ["/dev/vg/a", "phy:/dev/vg/a", "file:/dev/vg/a", "tap:aio:/dev/vg/a"] {
            let format = if text.contains(':') { "" } else { "raw," };
            let old = read(&format!("{text},{format}hda,w")).expect("a disk");
            assert_eq!(old, json!({"format":"raw","vdev":"hda","readwrite":1,"pdev_path":"/dev/vg/a"}), "{text}");
        }
        let empty = json!({"format":"empty","vdev":"hdc","readwrite":0,"is_cdrom":1,"removable":1,"pdev_path":""});
        assert_eq!(read(",hdc:cdrom,r").expect("a drive"), empty);
        assert_eq!(read(",,hdc:cdrom").expect("a drive"), empty);
    }

    #[test]
    fn what_is_no_disk_is_refused() {
        for (text, words) in [
            ("", "target=PATH"),
            ("/a", "vdev=DEVICE"),
            ("/a,raw,hda,w,x", "target, format, device and access are there"),
            ("/a,raw,hda,x", r#""x" is not "r", "ro""#),
            ("/a,qcow3,hda", "for format"),
            ("qcow2:/a,hda,w,format=raw", "given before: \"qcow2\""),
            ("foo:/a,hda", "a prefix that xl knows"),
            ("/a,raw,hda:tape", "\"tape\" is not \"disk\""),
            ("vdev=hda,targets=/a", "\"targets=/a\" is not one of"),
        ] {
            let refused = read(text).expect_err(text).at(super::super::problem::Position { line: 1, column: 1 }, None);
            assert!(refused.to_string().contains(words), "{text}: {refused}");
        }
    }
}
