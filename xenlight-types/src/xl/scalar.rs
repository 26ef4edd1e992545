//! Single values: as xl's files have them, and as libxl's JSON has them.

use super::problem::Wrong;
use crate::describe::Kind;
use crate::mac::Mac;
use serde_json::Value as Json;
use uuid::Uuid;

/// How a single value is written.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Scalar {
    /// Any text.
    Text,
    /// A number, of which 0 is no and all others are yes; a `libxl_defbool`.
    Defbool,
    /// Likewise; `true` or `false`.
    Boolean,
    /// Likewise; 1 or 0.
    Flag,
    /// A number within these limits.
    Number(i64, i64),
    /// A number of 32 bits, which may be negative, as C has it without a sign.
    Offset,
    /// MiB, which are KiB in libxl.
    Mib,
    /// xl's name for it, and libxl's.
    Choice(&'static [(&'static str, &'static str)]),
    /// libxl's own names, in letters of either case.
    Enumeration(Kind),
    /// The same, or the number that stands for it.
    Numbered(Kind),
    /// An Ethernet address.
    Mac,
    /// A uuid.
    Uuid,
}

impl Scalar {
    /// As JSON.
    pub(crate) fn read(self, text: &str) -> Result<Json, Wrong> {
        match self {
            Self::Text => Ok(Json::from(text)),
            Self::Defbool => Ok(Json::from(if yes(text)? { "True" } else { "False" })),
            Self::Boolean => Ok(Json::from(yes(text)?)),
            Self::Flag => Ok(Json::from(u8::from(yes(text)?))),
            Self::Number(min, max) => number(text, min, max).map(Json::from),
            Self::Offset => {
                number(text, i32::MIN.into(), u32::MAX.into()).map(|number| Json::from(number.rem_euclid(1 << 32)))
            }
            Self::Mib => number(text, 0, MOST_MIB).map(|mib| Json::from(mib * 1024)),
            Self::Choice(choice) => match choice.iter().find(|(name, _)| *name == text) {
                Some((_, json)) => Ok(Json::from(*json)),
                None => Err(Wrong::text(text, one_of(choice.iter().map(|(name, _)| *name)))),
            },
            Self::Enumeration(kind) => {
                let names = names(kind);
                match names.iter().find(|(name, _)| name.eq_ignore_ascii_case(text)) {
                    Some((name, _)) => Ok(Json::from(*name)),
                    None => Err(Wrong::text(text, one_of(names.iter().map(|(name, _)| *name)))),
                }
            }
            Self::Numbered(kind) => match long(text) {
                None => Self::Enumeration(kind).read(text),
                Some(number) => match names(kind).into_iter().find(|(_, of)| i64::from(*of) == number) {
                    Some((name, _)) => Ok(Json::from(name)),
                    None => Self::Enumeration(kind).read(text),
                },
            },
            Self::Mac => {
                let mac = text.parse::<Mac>();
                mac.map(|mac| Json::from(mac.to_string()))
                    .map_err(|_| Wrong::text(text, "an Ethernet address, such as 00:16:3e:12:34:56"))
            }
            Self::Uuid => {
                // The uuid crate takes more forms than libxl, which wants the hyphens or nothing between digits.
                let digits = text.len() == 36 || text.len() == 32;
                let uuid = text.parse::<Uuid>().ok().filter(|_| digits);
                uuid.map(|uuid| Json::from(uuid.hyphenated().to_string()))
                    .ok_or_else(|| Wrong::text(text, "a uuid, such as 8f0e9a5c-75d1-4e5e-9c6f-3f0f3b7d1a20"))
            }
        }
    }

    /// As a file has it, without quotes; `None` if it cannot be said.
    pub(crate) fn write(self, json: &Json) -> Option<String> {
        match self {
            Self::Text | Self::Mac | Self::Uuid => json.as_str().map(str::to_owned),
            Self::Defbool => match json.as_str()? {
                "True" => Some("1".to_owned()),
                "False" => Some("0".to_owned()),
                _ => None,
            },
            Self::Boolean => json.as_bool().map(|yes| u8::from(yes).to_string()),
            Self::Flag => json.as_u64().map(|flag| flag.to_string()),
            Self::Number(min, max) => {
                json.as_i64().filter(|number| (min..=max).contains(number)).map(|number| number.to_string())
            }
            Self::Offset => json.as_u64().map(|number| number.to_string()),
            Self::Mib => {
                let kib = json.as_i64().filter(|kib| kib % 1024 == 0 && kib / 1024 <= MOST_MIB);
                kib.map(|kib| (kib / 1024).to_string())
            }
            Self::Choice(choice) => {
                let json = json.as_str()?;
                choice.iter().find(|(_, name)| *name == json).map(|(name, _)| (*name).to_owned())
            }
            Self::Enumeration(kind) | Self::Numbered(kind) => {
                let json = json.as_str()?;
                names(kind).into_iter().find(|(name, _)| *name == json).map(|(name, _)| name.to_owned())
            }
        }
    }

    /// Whether a file has it without quotes.
    pub(crate) fn is_number(self) -> bool {
        matches!(self, Self::Defbool | Self::Boolean | Self::Flag | Self::Number(..) | Self::Offset | Self::Mib)
    }
}

/// What C's `unsigned int` and `int` can be.
pub(crate) const U32: Scalar = Scalar::Number(0, u32::MAX as i64);
pub(crate) const I32: Scalar = Scalar::Number(i32::MIN as i64, i32::MAX as i64);
/// A number that is counted from 0 and is an `int`.
pub(crate) const COUNT: Scalar = Scalar::Number(0, i32::MAX as i64);

/// As many MiB as have a number of bytes in C.
const MOST_MIB: i64 = i64::MAX >> 20;

/// The names of an enumeration, with their numbers.
fn names(kind: Kind) -> Vec<(&'static str, i32)> {
    match kind {
        Kind::Enumeration(of) => of.values.iter().map(|value| (value.name, value.number)).collect(),
        _ => Vec::new(),
    }
}

/// What to expect: one of these.
pub(crate) fn one_of<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names = names.filter(|name| !name.is_empty()).map(|name| format!("{name:?}"));
    format!("one of {}", names.collect::<Vec<_>>().join(", "))
}

/// A number as C's `strtol` reads it: with a sign, and in hexadecimal digits after `0x`, in octal ones after `0`.
pub(crate) fn long(text: &str) -> Option<i64> {
    let text = text.trim_start_matches([' ', '\t', '\n', '\x0b', '\x0c', '\r']);
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let hexadecimal = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X"));
    let (digits, radix) = match hexadecimal {
        Some(digits) => (digits, 16),
        None if digits.len() > 1 && digits.starts_with('0') => (digits, 8),
        None => (digits, 10),
    };
    if !digits.starts_with(|c: char| c.is_ascii_hexdigit()) {
        return None;
    }
    let number = i128::from_str_radix(digits, radix).ok()?;
    i64::try_from(if negative { -number } else { number }).ok()
}

/// A number within these limits.
pub(crate) fn number(text: &str, min: i64, max: i64) -> Result<i64, Wrong> {
    let number = long(text).filter(|number| (min..=max).contains(number));
    number.ok_or_else(|| match (min, max) {
        (i64::MIN, i64::MAX) => Wrong::text(text, "a number"),
        _ => Wrong::text(text, format!("a number, {min} to {max}")),
    })
}

fn yes(text: &str) -> Result<bool, Wrong> {
    long(text).map(|number| number != 0).ok_or_else(|| Wrong::text(text, "a number: 0 for no, 1 for yes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_c() {
        for (text, number) in [("0", 0), (" 12", 12), ("0x1F", 31), ("017", 15), ("-0x10", -16), ("+3", 3)] {
            assert_eq!(long(text), Some(number), "{text}");
        }
        for text in ["", "x", "0x", "08", "1 ", "--1", "+-1", "1e3", "9223372036854775808", "0x+1", "é"] {
            assert_eq!(long(text), None, "{text}");
        }
        assert_eq!(long("-9223372036854775808"), Some(i64::MIN));
    }

    #[test]
    fn each_is_read_as_it_is_written() {
        let kind = <crate::TscMode as crate::LibxlType>::KIND;
        for (scalar, text, json) in [
            (Scalar::Text, "a,b", Json::from("a,b")),
            (Scalar::Defbool, "1", Json::from("True")),
            (Scalar::Boolean, "0", Json::from(false)),
            (Scalar::Flag, "1", Json::from(1)),
            (I32, "-7", Json::from(-7)),
            (Scalar::Mib, "512", Json::from(512 * 1024)),
            (Scalar::Choice(&[("a-b", "a_b")]), "a-b", Json::from("a_b")),
            (Scalar::Enumeration(kind), "native", Json::from("native")),
            (Scalar::Mac, "00:16:3e:01:02:03", Json::from("00:16:3e:01:02:03")),
        ] {
            assert_eq!(scalar.read(text).expect("it is one"), json);
            assert_eq!(scalar.write(&json).as_deref(), Some(text));
        }
        assert_eq!(Scalar::Numbered(kind).read("2").expect("it is one"), Json::from("native"));
        assert_eq!(Scalar::Enumeration(kind).read("NATIVE").expect("it is one"), Json::from("native"));
        assert_eq!(Scalar::Mib.write(&Json::from(1023)), None);
    }
}
