//! A PCI device of the host: `"0000:01:00.0,permissive=1"`; all functions of one: `"01:00.*"`.

use super::problem::Wrong;
use super::scalar::Scalar;
use crate::LibxlType;
use serde_json::{Map, Value as Json};

/// libxl's mask for all functions of a device.
const ALL_FUNCTIONS: u32 = u32::MAX;

const EXPECTED: &str = "a PCI device, such as 0000:01:00.0 or 01:00.*";

/// What has a name.
const NAMED: [(&str, &str, Scalar); 6] = [
    ("permissive", "permissive", Scalar::Boolean),
    ("msitranslate", "msitranslate", Scalar::Boolean),
    ("seize", "seize", Scalar::Boolean),
    ("power_mgmt", "power_mgmt", Scalar::Boolean),
    ("rdm_policy", "rdm_policy", Scalar::Enumeration(crate::RdmPolicy::KIND)),
    ("name", "name", Scalar::Text),
];

/// The device that a text describes, as libxl's JSON; `given` is what it has unless the text says otherwise.
pub(crate) fn read(text: &str, given: &Map<String, Json>) -> Result<Json, Wrong> {
    let mut pci = given.clone();
    let mut address = false;
    let mut parts = text.split(',').enumerate().peekable();
    while let Some((index, part)) = parts.next() {
        match part.split_once('=') {
            None if index == 0 && !part.is_empty() => {
                let (function, slot) = part.split_once('@').map_or((part, None), |(f, slot)| (f, Some(slot)));
                read_address(function, &mut pci)?;
                if let Some(slot) = slot {
                    read_slot(slot, &mut pci)?;
                }
                address = true;
            }
            // A comma at the end.
            None if part.is_empty() && index > 0 && parts.peek().is_none() => {}
            Some(("bdf", value)) => {
                read_address(value, &mut pci)?;
                address = true;
            }
            Some(("vslot", value)) => read_slot(value, &mut pci)?,
            Some((name, value)) if NAMED.iter().any(|(known, _, _)| *known == name) => {
                for (_, field, scalar) in NAMED.iter().filter(|(known, _, _)| *known == name) {
                    let json = scalar.read(value).map_err(|wrong| wrong.of(name))?;
                    pci.insert((*field).to_owned(), json);
                }
            }
            _ if part.is_empty() => return Err(Wrong::missing(EXPECTED)),
            _ => {
                let names = NAMED.map(|(name, _, _)| name).join("=…, ");
                return Err(Wrong::text(part, format!("one of bdf=…, vslot=…, {names}=…")));
            }
        }
    }
    match (address, pci.contains_key("name")) {
        (true, true) => Err(Wrong::text(text, "either an address or a name")),
        (false, false) => Err(Wrong::missing(EXPECTED)),
        _ => Ok(Json::Object(pci)),
    }
}

/// `0000:01:00.0`, the domain and the function's wildcard as in the module.
fn read_address(text: &str, pci: &mut Map<String, Json>) -> Result<(), Wrong> {
    let wrong = || Wrong::text(text, EXPECTED);
    let (place, function) = text.split_once('.').ok_or_else(wrong)?;
    let mut parts = place.split(':').rev();
    let [device, bus, domain] = [parts.next(), parts.next(), parts.next()];
    if parts.next().is_some() {
        return Err(wrong());
    }
    let part = |text: Option<&str>, max: u32| hexadecimal(text?).filter(|number| *number <= max);
    let numbers = [
        ("domain", part(domain.or(Some("0")), 0xffff)),
        ("bus", part(bus, 0xff)),
        ("dev", part(device, 0x1f)),
        ("func", part(if function == "*" { Some("0") } else { Some(function) }, 7)),
        ("vfunc_mask", Some(if function == "*" { ALL_FUNCTIONS } else { 1 })),
    ];
    for (field, number) in numbers {
        pci.insert(field.to_owned(), Json::from(number.ok_or_else(wrong)?));
    }
    Ok(())
}

/// The slot in the domain.
fn read_slot(text: &str, pci: &mut Map<String, Json>) -> Result<(), Wrong> {
    let slot = hexadecimal(text).filter(|slot| *slot <= 0x1f);
    let slot = slot.ok_or_else(|| Wrong::text(text, "a slot, 0 to 1f"))?;
    pci.insert("vdevfn".to_owned(), Json::from(slot << 3));
    Ok(())
}

/// A number of hexadecimal digits alone.
pub(crate) fn hexadecimal(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_hexdigit());
    digits.then(|| u32::from_str_radix(text, 16).ok())?
}

/// The text for a device. What it says is taken out of `pci`.
pub(crate) fn write(pci: &mut Map<String, Json>) -> String {
    let mut said = Vec::new();
    if !pci.contains_key("name") {
        let mut take = |field: &str| pci.remove(field).and_then(|number| number.as_u64()).unwrap_or_default();
        let [domain, bus, device, function] = ["domain", "bus", "dev", "func"].map(&mut take);
        let mask = pci.get("vfunc_mask").and_then(Json::as_u64);
        let function = match (function, mask) {
            (0, Some(mask)) if mask == u64::from(ALL_FUNCTIONS) => {
                pci.remove("vfunc_mask");
                "*".to_owned()
            }
            (_, Some(1)) => {
                pci.remove("vfunc_mask");
                function.to_string()
            }
            _ => function.to_string(),
        };
        said.push(format!("{domain:04x}:{bus:02x}:{device:02x}.{function}"));
    }
    let slot = pci.get("vdevfn").and_then(Json::as_u64).filter(|devfn| devfn % 8 == 0 && *devfn <= 0xf8);
    if let Some(devfn) = slot {
        pci.remove("vdevfn");
        if devfn != 0 {
            said.push(format!("vslot={:x}", devfn >> 3));
        }
    }
    for (name, field, scalar) in NAMED {
        let value = pci.get(field).and_then(|json| scalar.write(json)).filter(|value| !value.contains(','));
        if let Some(value) = value {
            pci.remove(field);
            said.push(format!("{name}={value}"));
        }
    }
    said.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(text: &str) -> Result<Json, Wrong> {
        super::read(text, &Map::new())
    }

    #[test]
    fn addresses_have_a_domain_or_none_and_functions() {
        let one = json!({"domain":0,"bus":1,"dev":0x1f,"func":7,"vfunc_mask":1});
        for text in ["0000:01:1f.7", "01:1f.7", "1:1F.7", "bdf=01:1f.7", "01:1f.7,"] {
            assert_eq!(read(text).expect(text), one, "{text}");
        }
        let all = json!({"domain":0xffff,"bus":0xff,"dev":0,"func":0,"vfunc_mask":u32::MAX,"vdevfn":40,"seize":true});
        assert_eq!(read("ffff:ff:00.*@5,seize=1").expect("a device"), all);
        assert_eq!(read("name=nic").expect("a device"), json!({"name":"nic"}));
    }

    #[test]
    fn what_is_no_device_is_refused() {
        for text in [
            "",
            "01:00",
            "01.0",
            "0:0:1:00.0",
            "10000:01:00.0",
            "100:00.0",
            "01:20.0",
            "01:00.8",
            "01:00.0@20",
            "é:00.0",
            "01:00.0,seize",
            "01:00.0,seize=x",
            "01:00.0,,seize=1",
            ",",
            "01:00.0,name=x",
            "permissive=1",
            "01:00.0,rdm_policy=x",
            "x",
            "01:00.",
        ] {
            read(text).expect_err(text);
        }
    }
}
