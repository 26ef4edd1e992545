//! Reading a file.

use super::apart;
use super::keys::{self, KEYS, Kind, Machines};
use super::numbers::XlHost;
use super::problem::{Position, Wrong, XlError, XlWarning};
use super::scalar::Scalar;
use super::source::Source;
use super::syntax;
use crate::LibxlType;
use crate::config::{DomainConfig, DomainKind};
use serde_json::{Map, Value as Json};

/// What a file of xl's says.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct XlFile {
    /// The configuration.
    pub config: DomainConfig,
    /// What is no error, in the order of the file: keys that are not known, deprecated, or without effect.
    pub warnings: Vec<XlWarning>,
}

/// What xl sets though no file can say it: `xl.conf` can.
pub(crate) const SET_BY_XL: [(&str, &str); 4] = [
    ("c_info/run_hotplug_scripts", "True"),
    ("b_info/claim_mode", "True"),
    // The others are destroyed, which is libxl's default.
    ("on_reboot", "restart"),
    ("on_soft_reset", "soft_reset"),
];

pub(crate) fn read(text: &str, host: &XlHost) -> Result<XlFile, XlError> {
    let end = Position {
        line: text.lines().count().max(1) as u32,
        column: text.lines().last().map_or(1, |line| line.chars().count() as u32 + 1),
    };
    let settings = syntax::parse(text)?;
    let mut source = Source { settings, end, json: Map::new(), warnings: Vec::new() };
    for (place, value) in SET_BY_XL {
        source.put(place, value);
    }
    let kind = apart::kind(&mut source)?;
    source.put("c_info/type", kind.name());
    source.put(&format!("b_info/type.{kind}"), Map::new());
    look_at_names(&mut source, &kind);
    if kind == DomainKind::Pv && source.setting("timer_mode").is_some() {
        // xl refuses this one, and ignores others that a domain does not have.
        return Err(
            source.wrong("timer_mode", Wrong::thing("a mode", "possible for a PV domain, which has no such timers"))
        );
    }
    for key in KEYS.iter().filter(|key| has(&kind, key.of)) {
        of_table(&mut source, key)?;
    }
    if source.get("c_info/name").is_none() {
        return Err(source.wrong("name", Wrong::missing("the domain's name, as text")));
    }
    apart::read(&mut source, &kind, host)?;
    let Source { json, mut warnings, .. } = source;
    let config = DomainConfig::from_value(Json::Object(json)).map_err(|invalid| XlError {
        line: end.line,
        column: end.column,
        key: None,
        found: invalid.found,
        expected: format!("{} ({})", invalid.expected, invalid.path),
    })?;
    warnings.sort_by_key(|warning| (warning.line, warning.column));
    Ok(XlFile { config, warnings })
}

/// Warns of keys that are not known, deprecated, not for this type of domain, or set again.
fn look_at_names(source: &mut Source, kind: &DomainKind) {
    let mut said = Vec::new();
    for (index, setting) in source.settings.iter().enumerate() {
        let what = match keys::find(&setting.key) {
            None => "not known, and ignored".to_owned(),
            Some(key) if !has(kind, key.of) => format!("ignored: a {kind} domain does not have it"),
            Some(key) if !key.deprecated.is_empty() => format!("deprecated: {}", key.deprecated),
            Some(_) => String::new(),
        };
        if !what.is_empty() {
            said.push((setting.key.clone(), setting.at, what));
        }
        if source.settings[index + 1..].iter().any(|later| later.key == setting.key) {
            said.push((setting.key.clone(), setting.at, "ignored: it is set again below".to_owned()));
        }
    }
    for (key, at, what) in said {
        source.warn(&key, Some(at), what);
    }
}

/// Whether domains of this kind have what those of `machines` have.
pub(crate) fn has(kind: &DomainKind, machines: Machines) -> bool {
    match machines {
        Machines::All => true,
        Machines::Hvm => *kind == DomainKind::Hvm,
        Machines::Pv => *kind == DomainKind::Pv,
        Machines::Pvh => *kind == DomainKind::Pvh,
        Machines::HvmPvh => *kind != DomainKind::Pv,
    }
}

/// A key that the table says all about.
fn of_table(source: &mut Source, key: &keys::Key) -> Result<(), XlError> {
    let name = key.name;
    if source.setting(name).is_none() {
        return Ok(());
    }
    match &key.kind {
        Kind::One(scalar) => {
            source.take_over(name, key.place, *scalar)?;
            if let (Scalar::Numbered(_), Some(text)) = (scalar, source.text(name)?)
                && super::scalar::long(text.text).is_some()
            {
                source.warn(name, None, "a number is deprecated: use the name");
            }
        }
        Kind::TextsOrText(place) if !source.is_list(name) => source.take_over(name, place, Scalar::Text)?,
        Kind::Texts | Kind::TextsOrText(_) => {
            let texts: Json = source.texts(name)?.unwrap_or_default().iter().map(|text| text.text).collect();
            source.put(key.place, texts);
        }
        Kind::Items(item) => {
            let texts = source.texts(name)?.unwrap_or_default();
            let items = texts.iter().map(|text| (item.read)(text.text).map_err(|wrong| text.wrong(wrong, name)));
            let items = items.collect::<Result<Json, _>>()?;
            source.put(key.place, items);
        }
        Kind::Devices(device) => {
            let devices = source.devices(name, device)?;
            source.put(key.place, devices);
        }
        Kind::Numbered(device) => {
            let devices = source.numbered(name, device, 0)?;
            source.put(key.place, devices);
        }
        Kind::Apart | Kind::Ignored => {}
    }
    Ok(())
}
