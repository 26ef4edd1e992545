//! Whether libxl understands a configuration as it is meant.
//!
//! Libxl's `_from_json` ignores keys that it does not know and values of a type that it does not
//! expect: `"max_memkb": "4096"` makes a domain of default size. No list of keys is kept here, since
//! that would be another one for each release. Instead the configuration is read by libxl and
//! written by it again: every value must come back, at the same place.
//!
//! What does not come back may be a default, which `_to_json` leaves out: false, 0, an empty list,
//! the first name of an enumeration. So another value of the same type is tried in its
//! place: where libxl knows the place, that one comes back, or libxl refuses it (an enumeration
//! has no such name); where libxl does not know it, nothing happens, which gives it away.

use crate::Error;
use crate::config::wrong;
use serde_json::{Map, Value};
use std::fmt::Write;

/// Makes libxl read a configuration and write it again. `None` if it refuses to read it.
type Reread<'a> = &'a dyn Fn(&Value) -> Result<Option<Map<String, Value>>, Error>;

/// Fails at the first place that libxl would swallow wrongly.
pub(crate) fn check(config: &Value, reread: Reread<'_>) -> Result<(), Error> {
    let mut walk = Walk { config, reread, path: Vec::new() };
    match reread(config)? {
        Some(understood) => walk.compare(config, &Value::Object(understood)),
        None => Err(walk.culprit(config)?),
    }
}

/// Refuses what libxl would end the process for: two variants of one union (an assertion), and
/// numbers in a list that it might take for the bits of a bitmap and allocate (it exits when memory fails).
pub(crate) fn check_harmless(config: &Map<String, Value>) -> Result<(), Error> {
    let mut path = Vec::new();
    config.iter().try_for_each(|(key, value)| {
        path.push(Step::Key(key));
        harmless(value, &mut path)?;
        path.pop();
        Ok(())
    })
}

/// More than any list of CPUs, nodes or interrupts has.
const HIGHEST_BIT: u64 = 1 << 20;

fn harmless<'a>(value: &'a Value, path: &mut Vec<Step<'a>>) -> Result<(), Error> {
    match value {
        Value::Object(members) => {
            let mut union = None;
            for (key, value) in members {
                path.push(Step::Key(key));
                if let (Some((variable, _)), true) = (key.split_once('.'), value.is_object())
                    && union.replace(variable) == Some(variable)
                {
                    return Err(wrong(&display(path), &format!("there can be one {variable}.… only")));
                }
                harmless(value, path)?;
                path.pop();
            }
        }
        Value::Array(elements) => {
            for (at, element) in elements.iter().enumerate() {
                path.push(Step::At(at));
                if element.is_number() && element.as_u64().is_none_or(|number| number > HIGHEST_BIT) {
                    return Err(wrong(&display(path), &format!("numbers in lists must be from 0 to {HIGHEST_BIT}")));
                }
                harmless(element, path)?;
                path.pop();
            }
        }
        _ => {}
    }
    Ok(())
}

#[derive(Clone, Copy)]
enum Step<'a> {
    Key(&'a str),
    At(usize),
}

struct Walk<'a> {
    config: &'a Value,
    reread: Reread<'a>,
    path: Vec<Step<'a>>,
}

impl<'a> Walk<'a> {
    fn compare(&mut self, given: &'a Value, understood: &Value) -> Result<(), Error> {
        match (given, understood) {
            (Value::Object(given), Value::Object(understood)) => given.iter().try_for_each(|(key, given)| {
                self.path.push(Step::Key(key));
                match understood.get(key) {
                    Some(understood) => self.compare(given, understood)?,
                    None => self.omitted(given)?,
                }
                self.path.pop();
                Ok(())
            }),
            (Value::Array(given), Value::Array(understood)) if given.len() == understood.len() => {
                given.iter().zip(understood).enumerate().try_for_each(|(at, (given, understood))| {
                    self.path.push(Step::At(at));
                    self.compare(given, understood)?;
                    self.path.pop();
                    Ok(())
                })
            }
            // Names of enumerations, uuids and MAC addresses are libxl's whatever their case.
            (Value::String(given), Value::String(understood)) if given.eq_ignore_ascii_case(understood) => Ok(()),
            (given, understood) if given == understood => Ok(()),
            (given, understood) => {
                Err(wrong(&display(&self.path), &format!("libxl would take {given} for {understood}")))
            }
        }
    }

    /// It is a default if libxl takes notice of another value in its place.
    fn omitted(&self, given: &Value) -> Result<(), Error> {
        let noticed = match another(given) {
            Some(another) => {
                let mut changed = self.config.clone();
                if let Some(place) = find(&mut changed, &self.path) {
                    *place = another.clone();
                }
                match (self.reread)(&changed)? {
                    Some(understood) => find(&mut Value::Object(understood), &self.path) == Some(&mut another.clone()),
                    None => true,
                }
            }
            None => false,
        };
        if noticed {
            return Ok(());
        }
        let problem = format!("libxl would ignore {given}: it knows no such key, or wants a value of another type");
        Err(wrong(&display(&self.path), &problem))
    }

    /// The innermost place without which libxl would read the configuration.
    fn culprit(&mut self, value: &'a Value) -> Result<Error, Error> {
        let steps: Vec<(Step<'a>, &'a Value)> = match value {
            Value::Object(members) => members.iter().map(|(key, value)| (Step::Key(key), value)).collect(),
            Value::Array(elements) => elements.iter().enumerate().map(|(at, value)| (Step::At(at), value)).collect(),
            _ => Vec::new(),
        };
        for (step, value) in steps {
            let mut without = self.config.clone();
            match (find(&mut without, &self.path), step) {
                (Some(Value::Object(members)), Step::Key(key)) => _ = members.remove(key),
                (Some(Value::Array(elements)), Step::At(at)) => _ = elements.remove(at),
                _ => {}
            }
            if (self.reread)(&without)?.is_some() {
                self.path.push(step);
                return self.culprit(value);
            }
        }
        let path = if self.path.is_empty() { "several places".to_owned() } else { display(&self.path) };
        Ok(wrong(&path, &format!("libxl does not take {value} here; its log says more")))
    }
}

/// Another value of the same type, which is nobody's default.
fn another(value: &Value) -> Option<Value> {
    const NO_NAME: &str = "?";
    Some(match value {
        Value::Null | Value::String(_) => NO_NAME.into(),
        Value::Bool(value) => (!value).into(),
        Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(1), _) => 2.into(),
            (Some(_), _) => 1.into(),
            (None, Some(large)) => (large - 1).into(),
            (None, None) => (number.as_f64()? + 1.0).into(),
        },
        Value::Array(elements) if elements.is_empty() => vec![0].into(),
        Value::Object(members) if members.is_empty() => Map::from_iter([(NO_NAME.to_owned(), NO_NAME.into())]).into(),
        Value::Array(_) | Value::Object(_) => return None,
    })
}

fn find<'v>(value: &'v mut Value, path: &[Step<'_>]) -> Option<&'v mut Value> {
    path.iter().try_fold(value, |value, step| match step {
        Step::Key(key) => value.get_mut(key),
        Step::At(at) => value.get_mut(at),
    })
}

/// As `disks[0].vdev`.
fn display(path: &[Step<'_>]) -> String {
    path.iter().fold(String::new(), |mut text, step| {
        let dot = if text.is_empty() { "" } else { "." };
        let written = match step {
            Step::Key(key) => write!(text, "{dot}{key}"),
            Step::At(at) => write!(text, "[{at}]"),
        };
        written.expect("a string takes everything");
        text
    })
}
