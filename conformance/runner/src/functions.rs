//! docs/functions.md, held against what it tells of.

use crate::cases;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use xenlight_sys::SYMBOLS;

/// The columns of a row, without the marks of code.
fn rows() -> Vec<[String; 5]> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/functions.md");
    let text = fs::read_to_string(file).expect("the repository has docs/functions.md");
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `libxl_")).map(|row| {
        let cells: Vec<_> = row.trim_end_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect();
        let cells: [String; 5] = cells.try_into().unwrap_or_else(|cells| panic!("not five columns: {cells:?}"));
        cells
    });
    rows.collect()
}

#[test]
fn each_function_has_its_row_with_its_release() {
    let rows: BTreeMap<String, String> = rows()
        .into_iter()
        .map(|[function, since, ..]| (format!("libxl_{}", function.trim_end_matches('`')), since))
        .collect();
    for symbol in SYMBOLS {
        let since = rows.get(symbol.name).unwrap_or_else(|| panic!("{} has no row", symbol.name));
        assert_eq!(*since, symbol.since.to_string(), "{}", symbol.name);
    }
    let known: BTreeSet<_> = SYMBOLS.iter().map(|symbol| symbol.name).collect();
    // Those of another architecture are not in the table of this one.
    let other = |name: &str| name.starts_with("libxl_dt_overlay") || name.starts_with("libxl_psr_");
    for function in rows.keys().filter(|function| !known.contains(function.as_str())) {
        assert!(other(function), "{function} is not declared by xenlight-sys");
    }
}

#[test]
fn each_method_is_there_and_each_case_exists() {
    let cases: BTreeSet<&str> = cases::ALL.iter().map(|listed| listed.name).collect();
    let sources = sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../xenlight/src"));
    for [function, _, _, method, rest] in rows() {
        let method = method.trim_matches('`');
        if method.is_empty() {
            assert!(!rest.is_empty(), "libxl_{function} has neither a method nor a reason");
            continue;
        }
        let name = method.rsplit("::").next().unwrap_or(method);
        let declared = [format!("pub fn {name}("), format!("pub fn {name}<")];
        assert!(declared.iter().any(|declared| sources.contains(declared)), "xenlight has no method {method}");
        assert!(!rest.is_empty(), "libxl_{function} has no case");
        for case in rest.split(", ") {
            assert!(cases.contains(case), "there is no case {case:?}, of libxl_{function}");
        }
    }
}

fn sources(folder: &Path) -> String {
    let mut all = String::new();
    for entry in fs::read_dir(folder).expect("the repository has xenlight's sources").flatten() {
        let path = entry.path();
        if path.is_dir() {
            all += &sources(&path);
        } else {
            all += &fs::read_to_string(path).expect("a source can be read");
        }
    }
    all
}
