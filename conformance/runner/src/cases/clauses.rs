//! Which clauses of docs/contract.md are checked, by which cases: the table there is made here.

use super::{ALL, boundary};
use crate::case::Listed;
use crate::tiers::Tier;
use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

/// Why no case checks a clause.
static UNCHECKED: &[(&str, &str)] = &[
    ("X8", "a host cannot see libxl's own memory"),
    (
        "E4",
        "xenlight has such a handler, which only queues; a test could only trigger it by the loss of xenstored, and this does not always call it",
    ),
    (
        "E5",
        "xenlight registers its callbacks once, before any other code has the ctx, so they cannot be registered too late",
    ),
    ("E8", "xenlight makes none of these calls, and never passes a NULL ao_how"),
    ("S4", "it applies to libxl up to 4.3; all cases on libxl use `mainloop` by default, the mode that works there"),
];

/// The table stands between these two lines.
const BEGIN: &str = "<!-- The table is made by `UPDATE_DOCS=1 cargo test -p osevent-conformance-runner clauses`. -->";
const END: &str = "<!-- The table ends. -->";

/// One row for each clause, and one for each known bug.
fn table(clauses: &[String]) -> String {
    let mut text = String::from("| id | without libxl | libxl | a real Xen |\n|---|---|---|---|\n");
    for clause in clauses {
        let cells = [&[Tier::Model][..], &[Tier::Libxl], &[Tier::Xen, Tier::Pair]].map(|tiers| cell(clause, tiers));
        let reason = UNCHECKED.iter().find(|(unchecked, _)| unchecked == clause);
        text += &match reason {
            Some((_, reason)) => format!("| {clause} | not checked: {reason} | | |\n"),
            None => format!("| {clause} | {} |\n", cells.join(" | ")),
        };
    }
    text += "\nKnown bugs of libxl and of programs, and the cases at the boundary that test for them:\n\n| case | source |\n|---|---|\n";
    for case in boundary::ALL.iter().filter(|case| !case.sources.is_empty()) {
        text += &format!("| {} | {} |\n", case.name, case.sources.join("; "));
    }
    text
}

/// The cases that check it on these tiers; those of random scripts, which check most of them, as one.
fn cell(clause: &str, tiers: &[Tier]) -> String {
    let is_random = |case: &Listed| boundary::RANDOM.iter().any(|random| random.name == case.name);
    let checking =
        ALL.iter().filter(|case| case.tiers.iter().any(|tier| tiers.contains(tier)) && case.clauses.contains(&clause));
    let (random, named): (Vec<_>, Vec<_>) = checking.partition(|case| is_random(case));
    let mut cell: Vec<_> = named.iter().map(|case| case.name).collect();
    if !random.is_empty() {
        cell.push("*random scripts*");
    }
    cell.join(", ")
}

fn document() -> (PathBuf, String) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/contract.md");
    let text = fs::read_to_string(&path).expect("the contract is there");
    (path, text)
}

/// The ids, in their order: the first cell of each row of the tables.
fn clauses(text: &str) -> Vec<String> {
    let before = text.split(BEGIN).next().unwrap_or_default();
    let ids = before.lines().filter_map(|line| line.strip_prefix("| ")?.split(" |").next());
    let is_id = |id: &&str| id.starts_with(['R', 'O', 'X', 'E', 'S']) && id[1..].parse::<u32>().is_ok();
    ids.filter(is_id).map(str::to_owned).collect()
}

#[test]
fn every_clause_has_a_case_or_a_stated_reason() {
    let clauses = clauses(&document().1);
    assert!(clauses.len() > 50, "the tables have changed their form: {clauses:?}");
    for clause in &clauses {
        let cases = ALL.iter().filter(|case| case.clauses.contains(&clause.as_str())).count();
        let reason = UNCHECKED.iter().any(|(unchecked, _)| unchecked == clause);
        assert!(cases > 0 || reason, "no case checks {clause}, and no reason is stated for that");
        assert!(cases == 0 || !reason, "a reason is stated why no case checks {clause}, and {cases} do");
    }
    let known: BTreeSet<_> = clauses.iter().map(String::as_str).collect();
    for (clause, case) in ALL.iter().flat_map(|case| case.clauses.iter().map(move |clause| (clause, case.name))) {
        assert!(known.contains(clause), "{case} checks {clause}, which the contract does not have");
    }
}

#[test]
fn every_clause_of_registration_and_occurrence_has_a_case_that_forces_it() {
    for clause in clauses(&document().1).iter().filter(|clause| clause.starts_with(['R', 'O'])) {
        let forced = boundary::ALL.iter().any(|case| case.clauses.contains(&clause.as_str()));
        assert!(forced, "no directed case at the boundary checks {clause}");
    }
}

#[test]
fn case_names_are_unique() {
    let mut names = BTreeSet::new();
    for case in ALL.iter() {
        assert!(names.insert(case.name), "two cases are called {}", case.name);
    }
}

#[test]
fn table_of_clauses_in_the_contract_is_up_to_date() {
    let (path, text) = document();
    let (before, rest) = text.split_once(BEGIN).expect("the contract has a place for the table");
    let (_, after) = rest.split_once(END).expect("the table has an end");
    let fresh = format!("{before}{BEGIN}\n\n{}\n{END}{after}", table(&clauses(&text)));
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, &fresh).expect("the contract can be written");
    } else {
        assert!(
            fresh == text,
            "docs/contract.md is out of date; UPDATE_DOCS=1 in the environment of this test writes it anew"
        );
    }
}
