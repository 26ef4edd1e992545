//! JSON as a tree: a path has slashes between the keys of objects.

use serde_json::{Map, Value as Json};

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

/// Where values are, as errors show it: `b_info.vnuma_nodes[0].pnode`.
pub(crate) fn leaves(json: &Json) -> Vec<(String, &Json)> {
    let under = |path: &str, inner: String| match inner.is_empty() || inner.starts_with('[') {
        true => format!("{path}{inner}"),
        false => format!("{path}.{inner}"),
    };
    match json {
        Json::Object(object) => {
            let inner = object
                .iter()
                .flat_map(|(key, json)| leaves(json).into_iter().map(move |(path, json)| (under(key, path), json)));
            inner.collect()
        }
        Json::Array(array) => {
            let inner = array.iter().enumerate().flat_map(|(index, json)| {
                leaves(json).into_iter().map(move |(path, json)| (under(&format!("[{index}]"), path), json))
            });
            inner.collect()
        }
        other => vec![(String::new(), other)],
    }
}
