//! A domain's configuration.

use crate::error::Error;
use crate::hosted::Hosted;
use crate::json::object;
use crate::library::Library;
use crate::round_trip;
use crate::structs::Owned;
use serde::Deserializer;
use serde::de::{self, DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use std::ffi::CString;
use std::fmt;
use std::io;
use std::path::{self, Path};
use std::process::{Command, Stdio};
use std::str::FromStr;
use uuid::Uuid;
use xenlight_sys::domain::DomainConfig;
use xenlight_sys::{self as sys, Release};

/// The configuration of a domain, as libxl's JSON (`libxl_domain_config`).
///
/// Its keys are the fields of libxl's types, which are listed in `libxl_types.idl` of Xen's sources. Newer releases have more
/// keys. [`from_json`](Self::from_json) checks what can be checked without libxl. The methods that use a configuration
/// check the rest, and refuse what the loaded libxl would misread.
#[derive(Clone, PartialEq)]
pub struct Config(Map<String, Value>);

impl Config {
    /// Parses JSON, such as the output of [`to_json`](Self::to_json) or `xl create -n`. A minimal configuration is
    ///
    /// ```
    /// let config = xenlight::Config::from_json(
    ///     r#"{"c_info": {"type": "pv", "name": "tiny"},
    ///         "b_info": {"kernel": "/boot/tiny", "type.pv": {}}}"#,
    /// )?;
    /// assert_eq!(config.name(), "tiny");
    /// # Ok::<(), xenlight::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Config`], with the place: the text is not JSON; a key is repeated; the name, the type, or the part for this
    /// type is missing; or libxl would end the process because of it (parts for two types, far too high CPU numbers).
    pub fn from_json(json: &str) -> Result<Self, Error> {
        let mut reader = serde_json::Deserializer::from_str(json);
        let value = Unique.deserialize(&mut reader).and_then(|value| reader.end().map(|()| value));
        let value = value.map_err(|error| {
            let text = error.to_string();
            let problem = text.split(" at line ").next().unwrap_or_default().to_owned();
            Error::Config { path: format!("line {}, column {}", error.line(), error.column()), problem }
        })?;
        let Value::Object(config) = value else {
            return Err(Error::config("line 1, column 1", "it must be an object, {…}"));
        };
        check_parts(&config)?;
        round_trip::check_harmless(&config)?;
        Ok(Self(config))
    }

    /// Reads a configuration file of `xl`. It runs `xl create -q -n` on the file, which needs root in dom0, and parses the JSON
    /// that `xl` prints.
    ///
    /// Blocks until `xl` has ended, for a few hundred milliseconds. Does not work with
    /// [`Children::Libxl`](crate::Children::Libxl) and [`LibxlAlways`](crate::Children::LibxlAlways), because libxl then reaps
    /// `xl`.
    ///
    /// # Errors
    /// [`Error::Xl`] with the message of `xl`, or if `xl` is not installed; [`Error::Config`] as for
    /// [`from_json`](Self::from_json).
    pub fn from_xl_file(file: impl AsRef<Path>) -> Result<Self, Error> {
        let file = file.as_ref();
        let failed = |words: String| Error::Xl { file: file.to_owned(), words };
        // A name like `-x` would be an option of xl's.
        let absolute = path::absolute(file).map_err(|error| failed(error.to_string()))?;
        let xl = Command::new("xl").args(["create", "-q", "-n"]).arg(&absolute).stdin(Stdio::null()).output();
        let output = xl.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => failed("there is no xl; install Xen's tools (Debian: xen-utils)".to_owned()),
            _ => failed(error.to_string()),
        })?;
        if !output.status.success() {
            let words = String::from_utf8_lossy(&output.stderr);
            return Err(failed(format!("{} ({})", words.trim_end(), output.status)));
        }
        Self::from_json(&String::from_utf8_lossy(&output.stdout))
    }

    /// The JSON, on several lines.
    pub fn to_json(&self) -> String {
        format!("{:#}", Value::Object(self.0.clone()))
    }

    /// The domain's name. Empty if the configuration was read from a domain that has no name.
    pub fn name(&self) -> &str {
        text(&self.0, "c_info", "name")
    }

    /// Reads one that libxl has filled in, without the number that its domain happens to have.
    pub(crate) fn from_libxl(hosted: &Hosted, ctx: *mut sys::Ctx, config: &Owned<DomainConfig>) -> Result<Self, Error> {
        let mut config = object("libxl's domain_config", to_json(hosted, ctx, config))?;
        if let Some(Value::Object(c_info)) = config.get_mut("c_info") {
            c_info.remove("domid");
        }
        Ok(Self(config))
    }

    /// For libxl, which is known to understand it then. A uuid is made up if there is none: libxl
    /// would take the nil one.
    pub(crate) fn to_libxl(
        &self,
        library: &Library,
        hosted: &Hosted,
        ctx: *mut sys::Ctx,
    ) -> Result<Owned<DomainConfig>, Error> {
        let mut config = self.0.clone();
        if Uuid::from_str(text(&config, "c_info", "uuid")).is_ok_and(|uuid| uuid.is_nil())
            || !has(&config, "c_info", "uuid")
        {
            let uuid = random_uuid().map_err(|reason| Error::Io { doing: "make up a uuid", reason })?;
            if let Some(Value::Object(c_info)) = config.get_mut("c_info") {
                c_info.insert("uuid".to_owned(), Value::String(uuid.to_string()));
            }
        }
        let config = Value::Object(config);
        round_trip::check(&config, &|config| {
            let understood = from_json(library, ctx, config)?;
            understood.map(|understood| object("libxl's domain_config", to_json(hosted, ctx, &understood))).transpose()
        })?;
        from_json(library, ctx, &config)?.ok_or_else(|| Error::config("", "libxl does not take it"))
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Config({})", Value::Object(self.0.clone()))
    }
}

/// `None` if libxl refuses it.
fn from_json(library: &Library, ctx: *mut sys::Ctx, config: &Value) -> Result<Option<Owned<DomainConfig>>, Error> {
    let Some(from_json) = library.sys().domain_config_from_json() else {
        let loaded = library.release();
        return Err(Error::Unsupported { what: "a configuration in JSON", needs: Release::V4_5, loaded });
    };
    // Serialised, a NUL byte is an escape sequence.
    let json = CString::new(config.to_string()).map_err(|_| Error::Nul("the configuration"))?;
    let parsed = Owned::new(library);
    // SAFETY: the ctx is alive, the struct initialised, the string good for the call.
    let rc = unsafe { from_json(ctx, parsed.as_ptr(), json.as_ptr()) };
    Ok((rc == 0).then_some(parsed))
}

fn to_json(hosted: &Hosted, ctx: *mut sys::Ctx, config: &Owned<DomainConfig>) -> Option<String> {
    // SAFETY: ctx and struct are alive; the string is ours to free.
    unsafe { hosted.take_string(hosted.library().domain_config_to_json(ctx, config.as_ptr())) }
}

/// What libxl needs and does not always ask for.
fn check_parts(config: &Map<String, Value>) -> Result<(), Error> {
    let name = text(config, "c_info", "name");
    if name.is_empty() {
        return Err(Error::config("c_info.name", "it is missing: the domain's name, as a string"));
    }
    // Libxl and xenconsoled make names of log files of it, which they open as root.
    if name.contains(|c: char| c == '/' || c.is_control()) {
        return Err(Error::config(
            "c_info.name",
            "it has a slash or a control character, and names of files are made of it",
        ));
    }
    let kind = text(config, "c_info", "type");
    if kind.is_empty() {
        return Err(Error::config("c_info.type", r#"it is missing: "pv", "hvm" or "pvh""#));
    }
    let part = format!("type.{}", kind.to_ascii_lowercase());
    if !has(config, "b_info", &part) {
        return Err(Error::config(
            &format!("b_info.{part}"),
            "it is missing: what only this type of domain has, {} at least",
        ));
    }
    Ok(())
}

fn has(config: &Map<String, Value>, part: &str, key: &str) -> bool {
    config.get(part).and_then(|part| part.get(key)).is_some()
}

fn text<'a>(config: &'a Map<String, Value>, part: &str, key: &str) -> &'a str {
    config.get(part).and_then(|part| part.get(key)).and_then(Value::as_str).unwrap_or_default()
}

fn random_uuid() -> io::Result<Uuid> {
    let mut bytes = [0; 16];
    // SAFETY: `bytes` is writable, and has this length.
    let got = unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), bytes.len(), 0) };
    match usize::try_from(got) {
        // The kernel does not cut requests of up to 256 bytes short.
        Ok(16) => Ok(uuid::Builder::from_random_bytes(bytes).into_uuid()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Reads a JSON value in which no key comes twice: libxl would take the first, serde_json the last.
struct Unique;

impl<'de> DeserializeSeed<'de> for Unique {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Unique {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("the number is too large"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        while let Some(element) = elements.next_element_seed(Unique)? {
            array.push(element);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            if map.contains_key(&key) {
                return Err(de::Error::custom(format_args!("the key {key:?} comes twice")));
            }
            let value = entries.next_value_seed(Unique)?;
            map.insert(key, value);
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAST: &str = r#"{"c_info":{"name":"x","type":"pv"},"b_info":{"type.pv":{}}}"#;

    fn refusal(json: &str) -> String {
        Config::from_json(json).expect_err("it is no good configuration").to_string()
    }

    #[test]
    fn a_configuration_comes_back_as_it_was_given() {
        let config = Config::from_json(LEAST).expect("it has all that it needs");
        assert_eq!(Config::from_json(&config.to_json()).expect("likewise"), config);
        assert_eq!(config.name(), "x");
    }

    #[test]
    fn what_is_no_json_is_refused_with_the_place() {
        assert!(refusal("{\n  \"c_info\": oops").contains("at line 2, column 13"));
        assert!(refusal(&format!("{LEAST} x")).contains("trailing"));
        assert!(refusal("[]").contains("must be an object"));
        assert!(refusal("").contains("EOF"));
        assert!(refusal(&"[".repeat(100_000)).contains("recursion limit"));
        assert!(refusal(&LEAST.replace("{}", r#"{"a":1e999}"#)).contains("number out of range"));
    }

    #[test]
    fn a_key_that_comes_twice_is_refused() {
        assert!(refusal(&LEAST.replace(r#""name":"x""#, r#""name":"x","name":"y""#)).contains(r#""name" comes twice"#));
    }

    #[test]
    fn name_type_and_the_part_for_the_type_are_asked_for() {
        assert!(refusal("{}").contains("c_info.name"));
        assert!(refusal(&LEAST.replace(r#""x""#, "7")).contains("c_info.name"));
        for name in ["../../x", "a/b", r"a\nb", r"\u001b[2J"] {
            assert!(refusal(&LEAST.replace(r#""x""#, &format!("\"{name}\""))).contains("slash or a control"), "{name}");
        }
        assert!(Config::from_json(&LEAST.replace(r#""x""#, r#""größe-日本""#)).is_ok());
        assert!(refusal(&LEAST.replace(r#""type":"pv""#, r#""x":"pv""#)).contains("c_info.type"));
        assert!(refusal(&LEAST.replace("type.pv", "type.hvm")).contains("b_info.type.pv"));
    }

    #[test]
    fn made_up_uuids_are_random_ones_and_differ() {
        let [one, other] = [(); 2].map(|()| random_uuid().expect("the kernel has randomness"));
        assert_ne!(one, other);
        assert_eq!(one.get_version_num(), 4);
    }
}
