//! What libxl tells as JSON.

use crate::error::Error;
use serde_json::{Map, Value};

/// JSON of libxl's as an object.
pub(crate) fn object(what: &'static str, json: Option<String>) -> Result<Map<String, Value>, Error> {
    let problem = match json.as_deref().map(serde_json::from_str) {
        Some(Ok(Value::Object(object))) => return Ok(object),
        Some(Ok(_)) => "it is no JSON object".to_owned(),
        Some(Err(error)) => error.to_string(),
        None => "libxl made no JSON of it".to_owned(),
    };
    Err(Error::Format { what, problem })
}

/// 0 where it is not there: libxl leaves out what is zero, false or nil.
pub(crate) fn number<N: TryFrom<u64> + Default>(object: &Map<String, Value>, key: &str) -> N {
    object.get(key).and_then(Value::as_u64).and_then(|number| number.try_into().ok()).unwrap_or_default()
}

pub(crate) fn text<'a>(object: &'a Map<String, Value>, key: &str) -> &'a str {
    object.get(key).and_then(Value::as_str).unwrap_or_default()
}
