//! Whether libxl understands a configuration as it is meant.
//!
//! Libxl's `_from_json` ignores keys that it does not know and values of a type that it does not
//! expect: `"max_memkb": "4096"` makes a domain of default size. No list of keys is kept here, since
//! that would be another one for each release. Instead the configuration is read by libxl and
//! written by it again: every value must come back, at the same place.
//!
//! What does not come back may be a default, which `_to_json` leaves out: false, 0, an empty list,
//! the first name of an enumeration. So another value of the same type is tried in its
//! place: where libxl knows the place, something comes back, or libxl refuses it (an enumeration
//! has no such name); where libxl does not know it, nothing happens, which gives it away.

use crate::error::Error;
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

/// Refuses what would harm the process inside libxl: two variants of one union (an assertion fails), and
/// numbers in a list that may be the bits of a bitmap, for which libxl allocates what it takes (and
/// exits if it cannot), or, if they are negative, writes outside of it.
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
                    return Err(Error::config(&display(path), &format!("there can be one {variable}.… only")));
                }
                harmless(value, path)?;
                path.pop();
            }
        }
        Value::Array(elements) => {
            for (at, element) in elements.iter().enumerate() {
                path.push(Step::At(at));
                if element.is_number() && element.as_u64().is_none_or(|number| number > HIGHEST_BIT) {
                    return Err(Error::config(
                        &display(path),
                        &format!("numbers in lists must be from 0 to {HIGHEST_BIT}"),
                    ));
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
                let problem = format!("libxl would take {} for {}", shown(given), shown(understood));
                Err(Error::config(&display(&self.path), &problem))
            }
        }
    }

    /// It is a default if libxl takes notice of another value in its place.
    fn omitted(&self, given: &Value) -> Result<(), Error> {
        let noticed = match another(given) {
            Some(another) => {
                let mut changed = self.config.clone();
                if let Some(place) = find(&mut changed, &self.path) {
                    *place = another;
                }
                match (self.reread)(&changed)? {
                    Some(understood) => find(&mut Value::Object(understood), &self.path).is_some(),
                    None => true,
                }
            }
            None => false,
        };
        if noticed {
            return Ok(());
        }
        let given = shown(given);
        let problem = format!("libxl would ignore {given}: it knows no such key, or wants a value of another type");
        Err(Error::config(&display(&self.path), &problem))
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
        Ok(Error::config(&path, &format!("libxl does not take {} here; its log says more", shown(value))))
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

/// The beginning of a value, for a message.
fn shown(value: &Value) -> String {
    const LONGEST: usize = 60;
    let text = value.to_string();
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Reads and writes as libxl does: what it does not know or expect is ignored, defaults are left out.
    fn libxl(config: &Value) -> Result<Option<Map<String, Value>>, Error> {
        let mut written = Map::new();
        for (key, value) in config.as_object().expect("a configuration is an object") {
            match (key.as_str(), value) {
                ("memory", Value::Number(number)) if number.as_u64().is_some_and(|number| number != 0) => {
                    written.insert(key.clone(), value.clone());
                }
                ("flag", Value::Bool(true)) => _ = written.insert(key.clone(), true.into()),
                ("name", Value::String(text)) => {
                    let before_nul = text.split('\0').next().unwrap_or_default();
                    written.insert(key.clone(), before_nul.into());
                }
                ("mode", Value::String(name)) => match name.to_ascii_lowercase().as_str() {
                    "default" => {}
                    "native" => _ = written.insert(key.clone(), "native".into()),
                    _ => return Ok(None),
                },
                ("disks", Value::Array(disks)) if !disks.is_empty() => {
                    let disks: Result<Option<Vec<_>>, _> = disks
                        .iter()
                        .map(|disk| if disk.is_object() { libxl(disk) } else { Ok(Some(Map::new())) })
                        .collect();
                    let Some(disks) = disks? else { return Ok(None) };
                    written.insert(key.clone(), disks.into_iter().map(Value::Object).collect());
                }
                _ => {}
            }
        }
        Ok(Some(written))
    }

    fn refusal(config: Value) -> String {
        check(&config, &libxl).expect_err("libxl would swallow it").to_string()
    }

    #[test]
    fn values_that_come_back_are_taken() {
        let config = json!({"memory": 4096, "flag": true, "name": "x", "mode": "Native", "disks": [{"name": "a"}, {}]});
        check(&config, &libxl).expect("libxl understands it");
    }

    #[test]
    fn defaults_that_libxl_leaves_out_are_taken() {
        check(&json!({"memory": 0, "flag": false, "mode": "default", "disks": []}), &libxl).expect("libxl knows them");
        check(&json!({"disks": [{"memory": 0, "mode": "DEFAULT"}]}), &libxl).expect("libxl knows them");
    }

    #[test]
    fn unknown_keys_are_refused_whatever_their_value() {
        for value in [
            json!(1),
            json!(0),
            json!(false),
            json!(true),
            json!(""),
            json!("x"),
            json!(null),
            json!([]),
            json!({}),
            json!([1]),
        ] {
            assert!(refusal(json!({"nonsense": value})).contains("at nonsense: libxl would ignore"), "{value}");
            assert!(refusal(json!({"disks": [{}, {"nonsense": value}]})).contains("at disks[1].nonsense"), "{value}");
        }
    }

    #[test]
    fn values_of_another_type_are_refused() {
        for config in
            [json!({"memory": "4096"}), json!({"memory": 4096.5}), json!({"memory": true}), json!({"flag": 1})]
        {
            assert!(refusal(config).contains("wants a value of another type"));
        }
        assert!(refusal(json!({"disks": {}})).contains("at disks"));
        assert!(refusal(json!({"disks": [7]})).contains("libxl would take 7 for {}"));
        assert!(refusal(json!({"name": "a\0b"})).contains("at name: libxl would take"));
    }

    #[test]
    fn what_libxl_refuses_is_found() {
        assert!(refusal(json!({"memory": 1, "mode": "bogus"})).contains(r#"at mode: libxl does not take "bogus""#));
        assert!(refusal(json!({"disks": [{}, {"mode": "bogus"}]})).contains("at disks[1].mode"));
        assert!(refusal(json!({"mode": "bogus", "disks": [{"mode": "bogus"}]})).contains("several places"));
    }

    #[test]
    fn long_values_are_cut_in_messages() {
        let message = refusal(json!({"nonsense": "ü".repeat(10_000)}));
        assert!(message.contains('…') && message.chars().count() < 300, "{message}");
    }

    #[test]
    fn what_would_end_the_process_inside_libxl_is_refused() {
        let refusal = |config: Value| {
            let config = config.as_object().expect("it is an object").clone();
            check_harmless(&config).map_err(|error| error.to_string())
        };
        let two = json!({"b_info": {"type.hvm": {}, "kernel": "x", "type.pv": {}}});
        assert!(refusal(two).is_err_and(|message| message.contains("b_info.type.pv")));
        for bit in [json!(-1), json!(1_u64 << 40), json!(1.5)] {
            let config = json!({"b_info": {"affinity": [[0, 1], [bit]]}});
            assert!(refusal(config).is_err_and(|message| message.contains("b_info.affinity[1][0]")), "{bit}");
        }
        refusal(json!({"a": {"x.1": "text", "x.2": "text"}, "cpus": [0, 4095], "max": -1})).expect("it is harmless");
    }
}
