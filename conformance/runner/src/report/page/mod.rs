//! One page with everything in it.

use super::{Report, is_clause};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The page's parts, put together in [`page`].
const HTML: &str = include_str!("page.html");
const CSS: &str = include_str!("page.css");
/// One script: what a record means, the lanes, one case, the matrix, and what starts them.
const SCRIPT: &str = concat!(
    include_str!("record.js"),
    include_str!("lanes.js"),
    include_str!("case.js"),
    include_str!("matrix.js"),
    include_str!("page.js")
);
/// Where the clauses are; by a link below this crate's folder, so that its package has the file.
const CONTRACT: &str = include_str!("../../../docs/contract.md");

/// One HTML page that needs nothing beside itself: the matrix of cases and adapters, and each case's steps over time.
pub fn page(report: &Report) -> String {
    let mut data = serde_json::to_value(report).expect("a report is plain data");
    for case in data["cases"].as_array_mut().expect("its cases are a list") {
        for step in case.pointer_mut("/record/steps").and_then(Value::as_array_mut).into_iter().flatten() {
            let step = step.as_object_mut().expect("a step is an object");
            for name in ["value", "handle"] {
                step.entry(name).and_modify(make_hexadecimal);
            }
            // The wall clock matters beside a deadline only, and a page should fit into a mail.
            if !step.contains_key("deadline") {
                step.remove("wall");
            }
        }
    }
    let texts = clauses(CONTRACT);
    let cited = report.cases.iter().flat_map(|row| row.clauses.iter().chain(&row.broken));
    let cited: BTreeMap<_, _> = cited.filter_map(|id| Some((id, texts.get(&**id)?))).collect();
    data["clauses"] = json!(cited);
    // Whatever a text says, it cannot end the element that holds the data.
    let data = data.to_string().replace('<', "\\u003c");
    // The data come last: nothing is replaced inside them.
    HTML.replace("/* style */", CSS).replace("/* script */", SCRIPT).replace("/* data */", &data)
}

/// A number of 64 bits as text: JavaScript's numbers have 53.
fn make_hexadecimal(number: &mut Value) {
    if let Some(bits) = number.as_u64() {
        *number = format!("{bits:#x}").into();
    }
}

/// The contract's clauses: the first two cells of each table row that begins with an id.
fn clauses(contract: &str) -> BTreeMap<&str, String> {
    // A bar inside a cell is escaped.
    let cells = contract.lines().filter_map(|line| line.strip_prefix("| ")?.split_once(" | "));
    // From the end, so that its first row counts: further down, the table of cases has one for each clause as well.
    cells
        .rev()
        .filter(|(id, _)| is_clause(id))
        .map(|(id, rest)| (id, rest.split(" | ").next().unwrap_or_default().replace("\\|", "|")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clauses_are_the_rows_that_begin_with_an_id() {
        let contract = "# R. x\n\n| id | clause | source |\n|---|---|---|\n| R6 | Interest: POLLIN\\|POLLPRI. | C |\n\
                        | 4.5 | a release |\n| X11 | Two cells. | |";
        let expected = [("R6", "Interest: POLLIN|POLLPRI."), ("X11", "Two cells.")];
        assert_eq!(clauses(contract).into_iter().collect::<Vec<_>>(), expected.map(|(id, text)| (id, text.into())));
    }

    #[test]
    fn contract_has_a_text_for_each_section() {
        let texts = clauses(CONTRACT);
        for id in ["R1", "R16", "O1", "O12", "X1", "X9", "E1", "E11", "S1", "S9"] {
            assert!(texts.get(id).is_some_and(|text| text.len() > 20), "{id}");
        }
    }
}
