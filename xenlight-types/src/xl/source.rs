//! A file while it is read: what it sets, what has been made of that, and what is worth knowing about it.

use super::device::Device;
use super::problem::{Position, Wrong, XlError, XlWarning};
use super::scalar::Scalar;
use super::syntax::{Content, Setting, Value};
use super::tree;
use serde_json::{Map, Value as Json};

/// A file while it is read.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) settings: Vec<Setting>,
    /// Where it ends.
    pub(crate) end: Position,
    /// The configuration so far, as libxl's JSON.
    pub(crate) json: Map<String, Json>,
    pub(crate) warnings: Vec<XlWarning>,
}

/// A text with its place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Text<'a> {
    pub(crate) text: &'a str,
    pub(crate) at: Position,
    /// As [`Value::literal`].
    literal: bool,
}

impl Text<'_> {
    /// Where something is wrong: the part that is, or the whole.
    pub(crate) fn place(self, wrong: &Wrong) -> Position {
        let before = if self.literal { wrong.within(self.text) } else { 0 };
        // The quote is a character, too.
        let quote = usize::from(before > 0);
        Position { column: self.at.column + (before + quote) as u32, ..self.at }
    }

    /// An error about this value of a key, or a part of it.
    pub(crate) fn wrong(self, wrong: Wrong, key: &str) -> XlError {
        let place = self.place(&wrong);
        wrong.at(place, Some(key))
    }
}

impl Source {
    /// What a file sets last.
    pub(crate) fn setting(&self, key: &str) -> Option<&Setting> {
        self.settings.iter().rev().find(|setting| setting.key == key)
    }

    /// A single value.
    pub(crate) fn text(&self, key: &str) -> Result<Option<Text<'_>>, XlError> {
        let Some(setting) = self.setting(key) else { return Ok(None) };
        match &setting.value.content {
            Content::Text(text) => Ok(Some(Text { text, at: setting.value.at, literal: setting.value.literal })),
            Content::List(_) => {
                Err(setting.value.is_not("a single value: a number or a text").at(setting.value.at, Some(key)))
            }
        }
    }

    /// A list.
    pub(crate) fn list(&self, key: &str) -> Result<Option<&[Value]>, XlError> {
        let Some(setting) = self.setting(key) else { return Ok(None) };
        list(&setting.value).map(Some).map_err(|(at, wrong)| wrong.at(at, Some(key)))
    }

    /// A list of texts.
    pub(crate) fn texts(&self, key: &str) -> Result<Option<Vec<Text<'_>>>, XlError> {
        let Some(list) = self.list(key)? else { return Ok(None) };
        let texts = list.iter().map(text).collect::<Result<Vec<_>, _>>();
        texts.map(Some).map_err(|(at, wrong)| wrong.at(at, Some(key)))
    }

    /// Whether the value is a list.
    pub(crate) fn is_list(&self, key: &str) -> bool {
        self.setting(key).is_some_and(|setting| matches!(setting.value.content, Content::List(_)))
    }

    /// A single value, as JSON.
    pub(crate) fn scalar(&self, key: &str, scalar: Scalar) -> Result<Option<Json>, XlError> {
        let Some(text) = self.text(key)? else { return Ok(None) };
        if scalar.is_number() && self.setting(key).is_some_and(|setting| setting.added) {
            let wrong = Wrong::thing("+=", "possible with a number: xl does not take it");
            return Err(text.wrong(wrong, key));
        }
        scalar.read(text.text).map(Some).map_err(|wrong| text.wrong(wrong, key))
    }

    pub(crate) fn put(&mut self, place: &str, json: impl Into<Json>) {
        tree::put(&mut self.json, place, json.into());
    }

    pub(crate) fn get(&self, place: &str) -> Option<&Json> {
        tree::get(&self.json, place)
    }

    /// Takes a single value over.
    pub(crate) fn take_over(&mut self, key: &str, place: &str, scalar: Scalar) -> Result<(), XlError> {
        if let Some(json) = self.scalar(key, scalar)? {
            self.put(place, json);
        }
        Ok(())
    }

    /// Says something about a key that is set.
    pub(crate) fn warn(&mut self, key: &str, at: Option<Position>, what: impl Into<String>) {
        let Some(at) = at.or_else(|| self.setting(key).map(|setting| setting.at)) else { return };
        self.warnings.push(XlWarning { line: at.line, column: at.column, key: key.to_owned(), what: what.into() });
    }

    /// A list of devices.
    pub(crate) fn devices(&mut self, key: &str, device: &Device) -> Result<Vec<Json>, XlError> {
        let mut said = Vec::new();
        let texts = self.texts(key)?.unwrap_or_default();
        let devices = texts.into_iter().map(|text| {
            let mut notes = Vec::new();
            let read = device.read(text.text, &mut notes).map_err(|wrong| text.wrong(wrong, key));
            said.extend(notes.into_iter().map(|note| (text.at, note)));
            read
        });
        let devices = devices.collect::<Result<Vec<_>, _>>()?;
        for (at, what) in said {
            self.warn(key, Some(at), what);
        }
        Ok(devices)
    }

    /// A list of devices that are numbered, from `first` on.
    pub(crate) fn numbered(&mut self, key: &str, device: &Device, first: usize) -> Result<Vec<Json>, XlError> {
        let mut devices = self.devices(key, device)?;
        for (index, device) in devices.iter_mut().enumerate() {
            if device.get("devid").is_none() {
                device["devid"] = Json::from(first + index);
            }
        }
        Ok(devices)
    }

    /// An error about the value of a key.
    pub(crate) fn wrong(&self, key: &str, wrong: Wrong) -> XlError {
        wrong.at(self.setting(key).map_or(self.end, |setting| setting.value.at), Some(key))
    }
}

/// A value that is to be a list.
pub(crate) fn list(value: &Value) -> Result<&[Value], (Position, Wrong)> {
    match &value.content {
        Content::List(list) => Ok(list),
        Content::Text(_) => Err((value.at, value.is_not("a list, […]"))),
    }
}

/// A value that is to be a text.
pub(crate) fn text(value: &Value) -> Result<Text<'_>, (Position, Wrong)> {
    match &value.content {
        Content::Text(text) => Ok(Text { text, at: value.at, literal: value.literal }),
        Content::List(_) => Err((value.at, value.is_not("a text"))),
    }
}
