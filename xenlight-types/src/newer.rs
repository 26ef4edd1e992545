//! Which release a value needs.

use crate::describe::Kind;
use serde_json::Value;
use xenlight_sys::Release;

/// A part of a value that needs a later release than the given one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Newer {
    /// The place, such as `disks[0].trusted`.
    pub path: String,
    /// The first release that has it.
    pub since: Release,
}

impl Newer {
    fn under(mut self, key: &str) -> Self {
        let point = if self.path.is_empty() || self.path.starts_with('[') { "" } else { "." };
        self.path = format!("{key}{point}{}", self.path);
        self
    }
}

/// The first part of `json` that `release` does not have.
pub(crate) fn find(kind: Kind, json: &Value, release: Release) -> Option<Newer> {
    let newer = |path: &str, since: Release| (since > release).then(|| Newer { path: path.to_owned(), since });
    match (kind, json) {
        (Kind::Struct(of), Value::Object(object)) => of.fields.iter().find_map(|field| {
            if let Kind::Union(union) = field.kind {
                return union.variants.iter().find_map(|variant| {
                    let key = format!("{}.{}", field.name, variant.name);
                    let json = object.get(&key)?;
                    let inside = || find(Kind::Struct(variant.content?), json, release).map(|newer| newer.under(&key));
                    newer(&key, variant.since).or_else(inside)
                });
            }
            let json = object.get(field.name)?;
            newer(field.name, field.since)
                .or_else(|| find(field.kind, json, release).map(|newer| newer.under(field.name)))
        }),
        (Kind::List(of), Value::Array(elements)) => {
            let inside = |(index, json)| find(*of, json, release).map(|newer| newer.under(&format!("[{index}]")));
            elements.iter().enumerate().find_map(inside)
        }
        (Kind::Enumeration(of), Value::String(name)) => {
            let value = of.values.iter().find(|value| value.name == name)?;
            newer("", value.since)
        }
        _ => None,
    }
}
