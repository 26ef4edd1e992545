//! JSON as a tree: a path has slashes between the keys of objects.

use serde_json::{Map, Value as Json};
use std::collections::BTreeMap;

pub(crate) fn get<'a>(tree: &'a Map<String, Json>, path: &str) -> Option<&'a Json> {
    match path.split_once('/') {
        Some((object, path)) => get(tree.get(object)?.as_object()?, path),
        None => tree.get(path),
    }
}

/// Makes the objects on the way.
pub(crate) fn put(tree: &mut Map<String, Json>, path: &str, json: Json) {
    match path.split_once('/') {
        Some((object, path)) => {
            let object = tree.entry(object).or_insert_with(|| Json::Object(Map::new()));
            if let Json::Object(object) = object {
                put(object, path, json);
            }
        }
        None => {
            tree.insert(path.to_owned(), json);
        }
    }
}

/// Takes a value out, and the objects that are empty then.
pub(crate) fn take(tree: &mut Map<String, Json>, path: &str) -> Option<Json> {
    let Some((object, path)) = path.split_once('/') else { return tree.remove(path) };
    let inside = tree.get_mut(object)?.as_object_mut()?;
    let taken = take(inside, path);
    if inside.is_empty() {
        tree.remove(object);
    }
    taken
}

/// All values, by their places as errors show them: `b_info.vnuma_nodes[0].pnode`. A list of plain values is one value.
pub(crate) fn leaves(json: &Json) -> BTreeMap<String, &Json> {
    let mut leaves = BTreeMap::new();
    collect(json, String::new(), &mut leaves);
    leaves
}

fn collect<'a>(json: &'a Json, path: String, leaves: &mut BTreeMap<String, &'a Json>) {
    match json {
        Json::Object(object) => {
            for (key, json) in object {
                let point = if path.is_empty() { "" } else { "." };
                collect(json, format!("{path}{point}{key}"), leaves);
            }
        }
        Json::Array(array) if array.is_empty() || array.iter().any(|json| json.is_object() || json.is_array()) => {
            for (index, json) in array.iter().enumerate() {
                collect(json, format!("{path}[{index}]"), leaves);
            }
        }
        other => {
            leaves.insert(path, other);
        }
    }
}
