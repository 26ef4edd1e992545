//! Lists whose items are one text each: `ioports = ["3f8-3ff"]`.

use super::numbers::decimal;
use super::problem::Wrong;
use super::scalar::{Scalar, long};
use crate::LibxlType;
use serde_json::{Value as Json, json};

/// How an item is read as libxl's JSON, and written.
#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) read: fn(&str) -> Result<Json, Wrong>,
    pub(crate) write: fn(&Json) -> Option<String>,
}

/// `3f8-3ff`, in hexadecimal digits
pub(crate) static IOPORTS: Item = Item {
    read: |text| {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let port = |text| hexadecimal(text).filter(|port| *port < u64::from(u32::MAX));
        let ports = port(first).zip(port(last)).filter(|(first, last)| first <= last);
        let (first, last) =
            ports.ok_or_else(|| Wrong::text(text, "I/O ports in hexadecimal digits, such as 3f8-3ff"))?;
        Ok(json!({ "first": first, "number": last - first + 1 }))
    },
    write: |json| {
        let (first, number) = (number(json, "first")?, number(json, "number")?);
        let last = (first + number).checked_sub(1).filter(|last| *last >= first && *last < u64::from(u32::MAX))?;
        known(json, 2).then(|| if first == last { format!("{first:x}") } else { format!("{first:x}-{last:x}") })
    },
};

/// An interrupt's number
pub(crate) static IRQS: Item = Item {
    read: |text| {
        let irq = decimal(text).filter(|irq| *irq < u32::MAX && !text.is_empty());
        irq.map(Json::from).ok_or_else(|| Wrong::text(text, "the number of an interrupt in decimal digits"))
    },
    write: |json| json.as_u64().filter(|irq| *irq < u64::from(u32::MAX)).map(|irq| irq.to_string()),
};

/// `fed00,1`, or `fed00,1@c0`: frame, count and the frame in the domain, in hexadecimal digits
pub(crate) static IOMEM: Item = Item {
    read: |text| {
        let (range, gfn) = text.split_once('@').map_or((text, None), |(range, gfn)| (range, Some(gfn)));
        let parsed = range.split_once(',').and_then(|(start, number)| {
            let gfn = gfn.map_or(Some(None), |gfn| hexadecimal(gfn).map(Some))?;
            Some((hexadecimal(start)?, hexadecimal(number)?, gfn))
        });
        match parsed {
            Some((start, number, None)) => Ok(json!({ "start": start, "number": number })),
            Some((start, number, Some(gfn))) => Ok(json!({ "start": start, "number": number, "gfn": gfn })),
            None => Err(Wrong::text(text, "page frames in hexadecimal digits: START,COUNT or START,COUNT@FRAME")),
        }
    },
    write: |json| {
        let (start, count) = (number(json, "start")?, number(json, "number")?);
        let gfn = json.get("gfn").map(|_| number(json, "gfn"));
        match gfn {
            None => known(json, 2).then(|| format!("{start:x},{count:x}")),
            Some(gfn) => gfn.filter(|_| known(json, 3)).map(|gfn| format!("{start:x},{count:x}@{gfn:x}")),
        }
    },
};

/// A path in the host's device tree
pub(crate) static DTDEV: Item = Item {
    read: |text| Ok(json!({ "path": text })),
    write: |json| json.get("path")?.as_str().filter(|_| known(json, 1)).map(str::to_owned),
};

const SMBIOS_KEY: Scalar = Scalar::Enumeration(crate::SmbiosKey::KIND);

/// `bios_vendor=Example`
pub(crate) static SMBIOS: Item = Item {
    read: |text| {
        let pair = text.split_once('=').filter(|(_, value)| !value.is_empty());
        let (key, value) = pair.ok_or_else(|| Wrong::text(text, "KEY=TEXT, such as bios_vendor=Example"))?;
        Ok(json!({ "key": SMBIOS_KEY.read(key)?, "value": value }))
    },
    write: |json| {
        let value = json.get("value")?.as_str().filter(|value| !value.is_empty() && known(json, 2))?;
        Some(format!("{}={value}", SMBIOS_KEY.write(json.get("key")?)?))
    },
};

/// `nodes=1000`
pub(crate) static XENSTORE_QUOTA: Item = Item {
    read: |text| {
        let pair = text.split_once('=').and_then(|(name, value)| Some((name, u32::try_from(long(value)?).ok()?)));
        let (name, value) = pair.ok_or_else(|| Wrong::text(text, "QUOTA=NUMBER, such as nodes=1000"))?;
        Ok(json!({ "name": name, "val": value }))
    },
    write: |json| {
        let name = json.get("name")?.as_str().filter(|name| !name.contains('=') && known(json, 2))?;
        Some(format!("{name}={}", number(json, "val")?))
    },
};

fn number(json: &Json, field: &str) -> Option<u64> {
    json.get(field)?.as_u64()
}

/// Whether there is nothing else.
fn known(json: &Json, fields: usize) -> bool {
    json.as_object().is_some_and(|object| object.len() == fields)
}

/// Hexadecimal digits, with `0x` or without.
fn hexadecimal(text: &str) -> Option<u64> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    let all = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    all.then(|| u64::from_str_radix(digits, 16).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_read_as_it_is_written() {
        for (item, texts) in [
            (&IOPORTS, vec!["3f8-3ff", "2f8", "0"]),
            (&IRQS, vec!["0", "17"]),
            (&IOMEM, vec!["fed00,1", "a0,20@0", "0,0@ffffffffffffffff"]),
            (&DTDEV, vec!["/soc/uart"]),
            (&SMBIOS, vec!["oem=a=b", "bios_vendor=x"]),
            (&XENSTORE_QUOTA, vec!["nodes=0", "memory=4294967295"]),
        ] {
            for text in texts {
                let json = (item.read)(text).expect(text);
                assert_eq!((item.write)(&json).as_deref(), Some(text));
            }
        }
    }

    #[test]
    fn what_is_none_is_refused() {
        for (item, texts) in [
            (&IOPORTS, vec!["", "3ff-3f8", "ffffffff", "3f8-", "x", "-1"]),
            (&IRQS, vec!["", "0x1", "-1", "4294967295"]),
            (&IOMEM, vec!["", "1", "1,", "1,2@", "1,2,3", "10000000000000000,1"]),
            (&SMBIOS, vec!["oem", "oem=", "oen=x"]),
            (&XENSTORE_QUOTA, vec!["nodes", "nodes=", "nodes=-1", "nodes=4294967296"]),
        ] {
            for text in texts {
                (item.read)(text).expect_err(text);
            }
        }
    }
}
