//! No circle of files: in each crate the modules below its root use each other in one direction only.
//!
//! A module of the root is one room, its folder included. A room uses another where it names `crate::other`, or something that the
//! root re-exports from there. Tests are not looked at: they may know everything.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

type Uses = BTreeMap<String, BTreeSet<String>>;

#[test]
fn no_crate_has_a_circle_of_files() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut wrong = Vec::new();
    for member in members(root) {
        if let Some(circle) = circle(&uses(&root.join(&member).join("src"))) {
            wrong.push(format!("{member}: {}", circle.join(" -> ")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_circle_is_found_through_groups_folders_and_re_exports_and_not_through_tests_or_comments() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    file("lib.rs", "mod a;\nmod b;\nmod c;\npub use a::{Thing, other::More};\n");
    file("a.rs", "use crate::{b::{self, C}, d};\n// use crate::c;\n");
    file("b.rs", "use crate::c;\n\n#[cfg(test)]\nmod tests {\n    use crate::a;\n}\n");
    file("c/mod.rs", "mod deep;\n");
    file("c/tests.rs", "use crate::a;\n");
    file("c/deep.rs", "fn f() {}\n");
    assert_eq!(circle(&uses(folder.path())), None);
    file("c/deep.rs", "fn f(_: crate::Thing) {}\n");
    assert_eq!(circle(&uses(folder.path())).unwrap(), ["a", "b", "c", "a"]);
    file("c/deep.rs", "");
    file("b.rs", "fn f(_: super::a::Thing) {}\n");
    assert_eq!(circle(&uses(folder.path())).unwrap(), ["a", "b", "a"]);
}

/// The folders of the workspace's crates.
fn members(root: &Path) -> Vec<String> {
    let manifest = fs::read_to_string(root.join("Cargo.toml")).unwrap();
    let list = manifest.split_once("\nmembers = [").unwrap().1.split_once(']').unwrap().0;
    list.split(',')
        .map(|member| member.trim().trim_matches('"').to_owned())
        .filter(|member| !member.is_empty())
        .collect()
}

/// What each room of the crate uses.
fn uses(src: &Path) -> Uses {
    let mut files = Vec::new();
    collect(src, &mut files);
    let room_of = |path: &Path| {
        let first = path.strip_prefix(src).unwrap().components().next().unwrap();
        first.as_os_str().to_str().unwrap().trim_end_matches(".rs").to_owned()
    };
    let is_root = |room: &str| room == "lib" || room == "main";
    let rooms: BTreeSet<String> = files.iter().map(|path| room_of(path)).filter(|room| !is_root(room)).collect();
    let mut from = BTreeMap::new();
    for path in files.iter().filter(|path| is_root(&room_of(path))) {
        for line in code(path).split(';') {
            let Some((_, path)) = line.split_once("use ") else { continue };
            let Some((room, names)) = path.trim().split_once("::") else { continue };
            if line.trim_start().starts_with("pub") && rooms.contains(room) {
                from.extend(words(names).map(|name| (name.to_owned(), room.to_owned())));
            }
        }
    }
    let mut uses = Uses::new();
    for path in &files {
        let room = room_of(path);
        if is_root(&room) {
            continue;
        }
        let text = code(path);
        let mut named = named_after(&text, "crate::");
        if path.parent() == Some(src) {
            named.extend(named_after(&text, "super::"));
        }
        let used = named.into_iter().filter_map(|name| rooms.get(&name).cloned().or_else(|| from.get(&name).cloned()));
        uses.entry(room.clone()).or_default().extend(used.filter(|other| *other != room));
    }
    uses
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let is_tests = path.file_stem().is_some_and(|name| name == "tests");
        if path.is_dir() && !is_tests {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") && !is_tests && !path.is_symlink() {
            files.push(path);
        }
    }
    files.sort();
}

/// Without comments, and without the tests at the end.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let text = text.split_once("\nmod tests {").map_or(&*text, |(before, _)| before);
    text.lines().map(|line| line.split_once("//").map_or(line, |(before, _)| before)).collect::<Vec<_>>().join("\n")
}

/// The first names of all paths that begin so: `a` and `b` of `crate::a::C` and `crate::{a, b::C}`.
fn named_after(text: &str, prefix: &str) -> Vec<String> {
    let mut named = Vec::new();
    for after in text.split(prefix).skip(1) {
        if !after.starts_with('{') {
            named.extend(words(after).next().filter(|word| after.starts_with(*word)).map(str::to_owned));
            continue;
        }
        let mut depth = 0;
        let mut item = String::new();
        for letter in after.chars() {
            match letter {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            if depth == 0 || depth == 1 && letter == ',' {
                named.extend(words(&item).next().map(str::to_owned));
                item.clear();
            } else {
                item.push(letter);
            }
            if depth == 0 {
                break;
            }
        }
    }
    named
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|letter: char| !letter.is_alphanumeric() && letter != '_').filter(|word| !word.is_empty())
}

/// One, if there is any, by the names of its rooms, the first of them at the end again.
fn circle(uses: &Uses) -> Option<Vec<String>> {
    /// Goes on from the last of `way`; `done` leads to no circle.
    fn walk(uses: &Uses, way: &mut Vec<String>, done: &mut BTreeSet<String>) -> Option<Vec<String>> {
        let here = way.last().unwrap().clone();
        for next in uses.get(&here).into_iter().flatten() {
            if let Some(at) = way.iter().position(|room| room == next) {
                return Some(way[at..].iter().chain([next]).cloned().collect());
            }
            if !done.contains(next) {
                way.push(next.clone());
                if let Some(circle) = walk(uses, way, done) {
                    return Some(circle);
                }
                way.pop();
            }
        }
        done.insert(here);
        None
    }
    let mut done = BTreeSet::new();
    uses.keys().find_map(|room| walk(uses, &mut vec![room.clone()], &mut done))
}
