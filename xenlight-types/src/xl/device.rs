//! Devices that a file describes by a text of parts with commas between: `"mac=00:16:3e:12:34:56,bridge=br0"`.

use super::problem::Wrong;
use super::rate;
use super::scalar::{COUNT, Scalar, U32};
use super::tree::{get, put, take};
use crate::LibxlType;
use serde_json::{Map, Value as Json};

/// What an item of a list of devices can consist of.
#[derive(Debug)]
pub(crate) struct Device {
    pub(crate) parts: &'static [Part],
    /// White space around names and values does not count.
    trimmed: bool,
    /// A part that is not known is no error: xl ignores it.
    lenient: bool,
    /// What else must hold.
    check: fn(&mut Map<String, Json>) -> Result<(), Wrong>,
}

/// A part: `name=value`.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) name: &'static str,
    /// Where the value is in libxl's JSON; with a slash, in an object within.
    pub(crate) field: &'static str,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    One(Scalar),
    /// A word without a value, and what it stands for.
    Word(&'static str),
    /// Values with semicolons between.
    Semicolons(Scalar),
    /// Another name for an earlier part.
    Deprecated(Scalar),
    /// xl takes it and does nothing with it.
    Ignored,
    /// Read and written by code of its own.
    Own(fn(&str, &mut Map<String, Json>) -> Result<(), Wrong>, fn(&mut Map<String, Json>) -> Option<String>),
}

const fn one(name: &'static str, field: &'static str, scalar: Scalar) -> Part {
    Part { name, field, kind: Kind::One(scalar) }
}

const fn text(name: &'static str, field: &'static str) -> Part {
    one(name, field, Scalar::Text)
}

const PLAIN: Device = Device { parts: &[], trimmed: false, lenient: false, check: |_| Ok(()) };

/// `vif`
pub(crate) static VIF: Device = Device {
    parts: &[
        one("type", "nictype", Scalar::Choice(&[("vif", "vif"), ("ioemu", "vif_ioemu")])),
        one("mac", "mac", Scalar::Mac),
        text("bridge", "bridge"),
        Part { name: "netdev", field: "gatewaydev", kind: Kind::Deprecated(Scalar::Text) },
        text("gatewaydev", "gatewaydev"),
        text("ip", "ip"),
        text("script", "script"),
        text("backend", "backend_domname"),
        text("vifname", "ifname"),
        text("model", "model"),
        Part { name: "rate", field: "rate_interval_usecs", kind: Kind::Own(rate::read, rate::write) },
        Part { name: "accel", field: "", kind: Kind::Ignored },
        one("devid", "devid", COUNT),
        one("mtu", "mtu", COUNT),
        text("vlan", "vlan"),
        Part { name: "trusted", field: "trusted", kind: Kind::Word("True") },
        Part { name: "untrusted", field: "trusted", kind: Kind::Word("False") },
    ],
    ..PLAIN
};

/// `vfb`
pub(crate) static VFB: Device = Device {
    parts: &[
        one("vnc", "vnc/enable", Scalar::Defbool),
        text("vnclisten", "vnc/listen"),
        text("vncpasswd", "vnc/passwd"),
        one("vncdisplay", "vnc/display", COUNT),
        one("vncunused", "vnc/findunused", Scalar::Defbool),
        text("keymap", "keymap"),
        one("sdl", "sdl/enable", Scalar::Defbool),
        one("opengl", "sdl/opengl", Scalar::Defbool),
        text("display", "sdl/display"),
        text("xauthority", "sdl/xauthority"),
    ],
    lenient: true,
    ..PLAIN
};

/// `vkb`
pub(crate) static VKB: Device = Device {
    parts: &[
        text("backend", "backend_domname"),
        one("backend-type", "backend_type", Scalar::Enumeration(crate::VkbBackend::KIND)),
        text("unique-id", "unique_id"),
        one("feature-disable-keyboard", "feature_disable_keyboard", Scalar::Boolean),
        one("feature-disable-pointer", "feature_disable_pointer", Scalar::Boolean),
        one("feature-abs-pointer", "feature_abs_pointer", Scalar::Boolean),
        one("feature-raw-pointer", "feature_raw_pointer", Scalar::Boolean),
        one("feature-multi-touch", "feature_multi_touch", Scalar::Boolean),
        one("multi-touch-width", "multi_touch_width", U32),
        one("multi-touch-height", "multi_touch_height", U32),
        one("multi-touch-num-contacts", "multi_touch_num_contacts", U32),
        one("width", "width", U32),
        one("height", "height", U32),
    ],
    check: |vkb| {
        if vkb.get("backend_type").is_none_or(|backend| backend == "unknown") {
            return Err(Wrong::missing("backend-type=qemu or backend-type=linux"));
        }
        let sizes = ["multi_touch_width", "multi_touch_height", "multi_touch_num_contacts"];
        let touched = sizes.iter().any(|size| vkb.get(*size).is_some_and(|size| *size != 0));
        if touched {
            vkb.insert("feature_multi_touch".to_owned(), Json::from(true));
        } else if vkb.get("feature_multi_touch") == Some(&Json::from(true)) {
            return Err(Wrong::missing("multi-touch-width, multi-touch-height or multi-touch-num-contacts"));
        }
        Ok(())
    },
    ..PLAIN
};

/// `vtpm`
pub(crate) static VTPM: Device = Device {
    parts: &[text("backend", "backend_domname"), one("uuid", "uuid", Scalar::Uuid)],
    check: |vtpm| needed(vtpm, &[("backend_domname", "backend=DOMAIN")]),
    ..PLAIN
};

/// `p9`
pub(crate) static P9: Device = Device {
    parts: &[
        text("tag", "tag"),
        text("security_model", "security_model"),
        text("path", "path"),
        text("backend", "backend_domname"),
        one("type", "type", Scalar::Enumeration(crate::P9Kind::KIND)),
        one("max-files", "max_files", COUNT),
        one("max-open-files", "max_open_files", COUNT),
        one("max-space", "max_space", COUNT),
        one("auto-delete", "auto_delete", Scalar::Boolean),
    ],
    trimmed: true,
    check: |p9| {
        // The other kind has defaults for all of them.
        if p9.get("type").is_some_and(|kind| kind == "xen_9pfsd") {
            return Ok(());
        }
        needed(p9, &[("tag", "tag=NAME"), ("path", "path=PATH"), ("security_model", "security_model=none")])
    },
    ..PLAIN
};

/// `pvcalls`
pub(crate) static PVCALLS: Device = Device { parts: &[text("backend", "backend_domname")], ..PLAIN };

/// `channel`
pub(crate) static CHANNEL: Device = Device {
    parts: &[
        text("backend", "backend_domname"),
        text("name", "name"),
        Part { name: "connection", field: "connection.pty", kind: Kind::Own(read_connection, write_connection) },
        text("path", "connection.socket/path"),
    ],
    trimmed: true,
    lenient: true,
    check: |channel| {
        let connection = channel.remove("connection");
        let path = channel.remove("connection.socket");
        match (connection.as_ref().and_then(Json::as_str), path) {
            (Some("pty"), _) => channel.insert("connection.pty".to_owned(), Json::Object(Map::new())),
            (Some(_), Some(socket)) => channel.insert("connection.socket".to_owned(), socket),
            (Some(_), None) => return Err(Wrong::missing("path=PATH, where the socket is to be")),
            (None, _) => return Err(Wrong::missing("connection=pty or connection=socket")),
        };
        Ok(())
    },
};

/// `usbctrl`
pub(crate) static USBCTRL: Device = Device {
    parts: &[
        one("type", "type", Scalar::Enumeration(crate::UsbControllerKind::KIND)),
        one("version", "version", Scalar::Number(1, 3)),
        one("ports", "ports", Scalar::Number(1, 31)),
    ],
    ..PLAIN
};

/// `usbdev`
pub(crate) static USBDEV: Device = Device {
    parts: &[
        // What other kinds there could be is told by another key of libxl's.
        Part {
            name: "type",
            field: "type.hostdev",
            kind: Kind::Own(
                |text, _| Scalar::Choice(&[("hostdev", "hostdev")]).read(text).map(drop),
                |usbdev| usbdev.contains_key("type.hostdev").then(|| "hostdev".to_owned()),
            ),
        },
        one("hostbus", "type.hostdev/hostbus", Scalar::Number(0, 255)),
        one("hostaddr", "type.hostdev/hostaddr", Scalar::Number(0, 255)),
        one("controller", "ctrl", COUNT),
        one("port", "port", COUNT),
    ],
    check: |usbdev| needed(usbdev, &[("type.hostdev", "hostbus=BUS,hostaddr=ADDRESS")]),
    ..PLAIN
};

/// `vdispl`
pub(crate) static VDISPL: Device = Device {
    parts: &[
        text("backend", "backend_domname"),
        one("be-alloc", "be_alloc", Scalar::Boolean),
        Part { name: "connectors", field: "connectors", kind: Kind::Own(read_connectors, write_connectors) },
    ],
    check: |vdispl| needed(vdispl, &[("connectors", "connectors=ID:WIDTHxHEIGHT")]),
    ..PLAIN
};

/// `virtio`
pub(crate) static VIRTIO: Device = Device {
    parts: &[
        text("backend", "backend_domname"),
        text("type", "type"),
        one("transport", "transport", Scalar::Enumeration(crate::VirtioTransport::KIND)),
        one("grant_usage", "grant_usage", Scalar::Defbool),
    ],
    ..PLAIN
};

/// What a sound card, its devices and their streams have in common.
const SOUND: [Part; 5] = [
    Part { name: "sample-rates", field: "params/sample_rates", kind: Kind::Semicolons(U32) },
    Part {
        name: "sample-formats",
        field: "params/sample_formats",
        kind: Kind::Semicolons(Scalar::Enumeration(crate::SoundFormat::KIND)),
    },
    one("channels-min", "params/channels_min", U32),
    one("channels-max", "params/channels_max", U32),
    one("buffer-size", "params/buffer_size", U32),
];

const fn sound(own: [Part; 3]) -> [Part; 8] {
    let [a, b, c] = own;
    let [d, e, f, g, h] = SOUND;
    [a, b, c, d, e, f, g, h]
}

const NOTHING: Part = Part { name: "", field: "", kind: Kind::Ignored };

/// A card of `vsnd`
pub(crate) static VSND: Device = Device {
    parts: &sound([
        text("backend", "backend_domname"),
        text("short-name", "short_name"),
        text("long-name", "long_name"),
    ]),
    ..PLAIN
};

/// A device of a card
pub(crate) static VSND_PCM: Device = Device { parts: &sound([text("name", "name"), NOTHING, NOTHING]), ..PLAIN };

/// A stream of a device
pub(crate) static VSND_STREAM: Device = Device {
    parts: &sound([
        text("unique-id", "unique_id"),
        one("type", "type", Scalar::Enumeration(crate::SoundDirection::KIND)),
        NOTHING,
    ]),
    ..PLAIN
};

impl Part {
    /// What it is, if it is a single value.
    pub(crate) fn scalar(&self) -> Option<Scalar> {
        match self.kind {
            Kind::One(scalar) => Some(scalar),
            _ => None,
        }
    }
}

impl Device {
    /// The device that a text describes, as libxl's JSON. What is worth knowing about it goes to `notes`.
    pub(crate) fn read(&self, text: &str, notes: &mut Vec<String>) -> Result<Json, Wrong> {
        let mut device = Map::new();
        self.add(text, &mut device, notes)?;
        (self.check)(&mut device)?;
        Ok(Json::Object(device))
    }

    fn add(&self, text: &str, device: &mut Map<String, Json>, notes: &mut Vec<String>) -> Result<(), Wrong> {
        let mut tokens = text.split(',').peekable();
        while let Some(raw) = tokens.next() {
            let token = raw.trim_start_matches(' ');
            if token.is_empty() {
                if self.trimmed && !raw.is_empty() {
                    return Err(Wrong::text(raw, self.expected()));
                }
                continue;
            }
            let (name, value) = match token.split_once('=') {
                Some((name, value)) if self.trimmed && value.trim().is_empty() => {
                    return Err(Wrong::text(token, "possible: there is no value").of(name.trim()));
                }
                Some((name, value)) if self.trimmed => (name.trim(), Some(value.trim())),
                Some((name, value)) => (name, Some(value)),
                None => (token, None),
            };
            let known = self.parts.iter().find(|part| {
                part.name == name && !name.is_empty() && value.is_none() == matches!(part.kind, Kind::Word(_))
            });
            let Some(part) = known else {
                if self.lenient && value.is_some() && !name.is_empty() {
                    notes.push(format!("{name} is ignored"));
                    continue;
                }
                return Err(Wrong::text(token, self.expected()));
            };
            let of_part = |wrong: Wrong| wrong.of(name);
            let value = value.unwrap_or_default();
            let json = match part.kind {
                Kind::Word(json) => Json::from(json),
                Kind::Ignored => {
                    notes.push(format!("{name} is ignored"));
                    continue;
                }
                Kind::Deprecated(scalar) => {
                    notes.push(format!("{name} is deprecated"));
                    scalar.read(value).map_err(of_part)?
                }
                // The name of a virtio device has a comma itself.
                Kind::One(Scalar::Text) if part.field == "type" && value.starts_with("virtio") => {
                    let rest = tokens.next().filter(|rest| value == "virtio" && rest.starts_with("device"));
                    let rest = rest.ok_or_else(|| of_part(Wrong::text(value, "virtio,deviceID")))?;
                    Json::from(format!("{value},{rest}"))
                }
                Kind::One(scalar) => scalar.read(value).map_err(of_part)?,
                Kind::Semicolons(scalar) => {
                    let values = value.split(';').filter(|value| !value.is_empty());
                    values.map(|value| scalar.read(value)).collect::<Result<Json, _>>().map_err(of_part)?
                }
                Kind::Own(read, _) => {
                    read(value, device).map_err(of_part)?;
                    continue;
                }
            };
            put(device, part.field, json);
        }
        Ok(())
    }

    fn expected(&self) -> String {
        let parts = self.parts.iter().filter(|part| !matches!(part.kind, Kind::Deprecated(_) | Kind::Ignored));
        let shown = parts.map(|part| match part.kind {
            Kind::Word(_) => part.name.to_owned(),
            _ => format!("{}=…", part.name),
        });
        format!("one of {}", shown.collect::<Vec<_>>().join(", "))
    }

    /// The text for a device. What it says is taken out of `device`.
    pub(crate) fn write(&self, device: &mut Map<String, Json>) -> String {
        let mut said = Vec::new();
        for part in self.parts {
            match part.kind {
                Kind::Deprecated(_) | Kind::Ignored => {}
                Kind::Word(word) => {
                    if device.get(part.field).is_some_and(|json| json == word) {
                        device.remove(part.field);
                        said.push(part.name.to_owned());
                    }
                }
                Kind::Own(_, write) => said.extend(write(device).map(|value| format!("{}={value}", part.name))),
                Kind::One(scalar) => {
                    let value = get(device, part.field).and_then(|json| scalar.write(json));
                    let virtio = part.field == "type" && value.as_ref().is_some_and(|v| v.starts_with("virtio,"));
                    let commas = value.as_ref().map_or(0, |value| value.matches(',').count());
                    let plain = commas == usize::from(virtio);
                    let trimmed = |value: &String| !value.is_empty() && value.trim() == value;
                    let trimmed = !self.trimmed || value.as_ref().is_none_or(trimmed);
                    if let Some(value) = value.filter(|_| plain && trimmed) {
                        take(device, part.field);
                        said.push(format!("{}={value}", part.name));
                    }
                }
                Kind::Semicolons(scalar) => {
                    let list = get(device, part.field).and_then(Json::as_array);
                    let values = list.and_then(|list| list.iter().map(|json| scalar.write(json)).collect());
                    let values: Option<Vec<String>> = values;
                    if let Some(values) = values.filter(|values| !values.is_empty()) {
                        take(device, part.field);
                        said.push(format!("{}={}", part.name, values.join(";")));
                    }
                }
            }
        }
        said.join(",")
    }
}

/// These fields must be there.
fn needed(device: &Map<String, Json>, fields: &[(&str, &str)]) -> Result<(), Wrong> {
    match fields.iter().find(|(field, _)| !device.contains_key(*field)) {
        Some((_, expected)) => Err(Wrong::missing(*expected)),
        None => Ok(()),
    }
}

fn read_connection(text: &str, channel: &mut Map<String, Json>) -> Result<(), Wrong> {
    let connection = Scalar::Choice(&[("pty", "pty"), ("socket", "socket")]).read(text)?;
    channel.insert("connection".to_owned(), connection);
    Ok(())
}

/// The path of a socket is left to its own part.
fn write_connection(channel: &mut Map<String, Json>) -> Option<String> {
    if channel.contains_key("connection.socket") {
        return Some("socket".to_owned());
    }
    let pty = channel.get("connection.pty")?.as_object()?.is_empty();
    pty.then(|| {
        channel.remove("connection.pty");
        "pty".to_owned()
    })
}

/// `id0:1920x1080;id1:800x600`
fn read_connectors(text: &str, vdispl: &mut Map<String, Json>) -> Result<(), Wrong> {
    let read = |connector: &str| {
        let (id, size) = connector.split_once(':').filter(|(id, _)| !id.is_empty())?;
        let (width, height) = size.split_once('x')?;
        let size = |text: &str| super::numbers::decimal(text);
        Some(serde_json::json!({ "unique_id": id, "width": size(width)?, "height": size(height)? }))
    };
    let connectors = text.split(';').filter(|connector| !connector.is_empty()).map(read);
    let connectors: Option<Vec<Json>> = connectors.collect();
    let connectors = connectors.filter(|connectors| !connectors.is_empty());
    let connectors = connectors.ok_or_else(|| Wrong::text(text, "connectors, such as id0:1920x1080;id1:800x600"))?;
    vdispl.insert("connectors".to_owned(), Json::from(connectors));
    Ok(())
}

fn write_connectors(vdispl: &mut Map<String, Json>) -> Option<String> {
    let write = |connector: &Json| {
        let connector = connector.as_object().filter(|connector| connector.len() == 3)?;
        let id = connector.get("unique_id")?.as_str().filter(|id| !id.is_empty() && !id.contains([',', ';', ':']))?;
        Some(format!("{id}:{}x{}", connector.get("width")?.as_u64()?, connector.get("height")?.as_u64()?))
    };
    let connectors = vdispl.get("connectors")?.as_array()?;
    let connectors = connectors.iter().map(write).collect::<Option<Vec<_>>>()?.join(";");
    vdispl.remove("connectors");
    Some(connectors)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xl::problem::Position;
    use serde_json::json;

    fn read(device: &Device, text: &str) -> Result<Json, String> {
        let read = device.read(text, &mut Vec::new());
        read.map_err(|wrong| wrong.at(Position { line: 1, column: 1 }, None).to_string())
    }

    #[test]
    fn rates_are_counted_in_bytes_and_microseconds() {
        for (rate, bytes, interval) in [
            ("10Mb/s", 62_500, 50_000),
            ("250KB/s", 12_500, 50_000),
            ("1MB/s@20ms", 20_000, 20_000),
            ("1GB/s@1", 1_000_000_000, 1_000_000),
            ("8B/s@5us", 0, 5),
        ] {
            let nic = read(&VIF, &format!("rate={rate}")).expect(rate);
            assert_eq!(nic, json!({ "rate_bytes_per_interval": bytes, "rate_interval_usecs": interval }), "{rate}");
            let mut left = nic.as_object().cloned().expect("an object");
            let written = VIF.write(&mut left);
            assert_eq!((left.len(), read(&VIF, &written)), (0, Ok(nic)), "{written}");
        }
        for rate in [
            "",
            "10",
            "10M",
            "Mb/s",
            "10mb/s",
            "-1B/s",
            "0B/s",
            "1B/s@",
            "1B/s@0",
            "1B/s@1h",
            "1B/s@9999s",
            "9999999999B/s",
        ] {
            read(&VIF, &format!("rate={rate}")).expect_err(rate);
        }
    }

    #[test]
    fn a_virtio_device_has_a_comma_in_its_name() {
        let text = "type=virtio,device1a,transport=mmio";
        let virtio = json!({ "type": "virtio,device1a", "transport": "mmio" });
        assert_eq!(read(&VIRTIO, text), Ok(virtio.clone()));
        assert_eq!(VIRTIO.write(&mut virtio.as_object().cloned().expect("an object")), text);
        for text in ["type=virtio", "type=virtio,transport=mmio", "type=virtio-blk,device"] {
            read(&VIRTIO, text).expect_err(text);
        }
    }

    #[test]
    fn parts_that_are_not_known_or_have_no_value_are_refused() {
        for (device, text, words) in [
            (&VIF, "brdige=x", "is not one of type=…, mac=…"),
            (&VIF, "bridge", "is not one of"),
            (&VKB, "backend-type=qemu,feature-multi-touch=1", "missing: multi-touch-width"),
            (&P9, "tag=,path=/p", "there is no value for tag"),
            (&CHANNEL, "connection=socket,name=a", "missing: path=PATH"),
            (&CHANNEL, "connection=pty, ,name=a", "is not one of"),
            (&VDISPL, "connectors=:1x2", "is not connectors"),
            (&USBDEV, "type=hostdev", "missing: hostbus=BUS"),
            (&USBCTRL, "version=4", "1 to 3 for version"),
        ] {
            let refused = read(device, text).expect_err(text);
            assert!(refused.contains(words), "{text}: {refused}");
        }
        let mut notes = Vec::new();
        CHANNEL.read("connection=pty,new=1", &mut notes).expect("xl ignores it");
        VIF.read("netdev=eth0,accel=1", &mut notes).expect("xl takes it");
        assert_eq!(notes, ["new is ignored", "netdev is deprecated", "accel is ignored"]);
    }
}
