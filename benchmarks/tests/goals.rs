//! Every goal is measured, in the table and in the file.

use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

/// Of each goal: rows without the loops of other libraries, and rows for libvirt, libuv and sd-event.
const ROWS: [(&str, usize, [usize; 3]); 13] = [
    ("P1", 3, [0, 1, 1]),
    ("P2", 3, [1, 1, 1]),
    ("P3", 1, [1, 1, 1]),
    ("P4", 3, [1, 1, 1]),
    ("P5", 1, [0, 0, 0]),
    ("P6", 8, [2, 0, 0]),
    ("P7", 1, [1, 1, 1]),
    ("P8", 2, [0, 0, 0]),
    ("P9", 2, [0, 0, 0]),
    ("P10", 4, [0, 0, 0]),
    ("P14", 3, [0, 0, 0]),
    ("P15", 2, [0, 0, 0]),
    ("P16", 2, [0, 0, 0]),
];
const PEERS: [&str; 3] = ["libvirt", "libuv", "sd-event"];

fn short() -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_osevent-benchmarks"));
    program.args(["goals", "--rounds=1", "--events=10", "--many=100"]);
    program
}

/// What it prints, and what it writes into the file.
fn measured(program: &mut Command, json: &Path) -> (String, Value) {
    let output = program.arg("--json").arg(json).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    (String::from_utf8(output.stdout).unwrap(), serde_json::from_slice(&fs::read(json).unwrap()).unwrap())
}

#[test]
fn all_goals_have_figures_in_the_table_and_in_the_file() {
    let folder = tempfile::tempdir().unwrap();
    // In the place of xl, which need not be installed: as many domains.
    let xl = folder.path().join("xl");
    fs::write(&xl, format!("#!/bin/sh\necho '[{}]'\n", ["{}"; 100].join(","))).unwrap();
    fs::set_permissions(&xl, fs::Permissions::from_mode(0o755)).unwrap();
    let plot = folder.path().join("goals.svg");
    let (shown, run) =
        measured(short().arg("--plot").arg(&plot).arg("--xl").arg(&xl), &folder.path().join("goals.json"));
    let drawn = fs::read_to_string(plot).unwrap();
    let (results, skipped) = (run["results"].as_array().unwrap(), run["skipped"].as_array().unwrap());
    // Two lines are the header's.
    assert_eq!(shown.lines().count(), results.len() + skipped.len() + 2, "{shown}");
    let is_there = |peer: &str| !skipped.iter().any(|reason| reason.as_str().unwrap().starts_with(peer));
    for (goal, rows, of_peers) in ROWS {
        let peers = PEERS.into_iter().zip(of_peers).filter(|(peer, _)| is_there(peer)).map(|(_, rows)| rows);
        let expected = rows + peers.sum::<usize>();
        assert_eq!(results.iter().filter(|row| row["goal"] == goal).count(), expected, "{goal}");
    }
    let with_goal = results.iter().filter(|row| !row["bound"].is_null() && row["spread"][0].as_f64() > Some(0.0));
    assert_eq!(drawn.matches("<circle").count(), with_goal.clone().count(), "{drawn}");
    for row in with_goal {
        assert!(drawn.contains(&row["what"].as_str().unwrap().replace('\'', "&apos;")), "{row}");
    }
    for row in results.iter().filter(|row| !row["compared"].is_null()) {
        // Of P14, one may be lucky at work and not at rest.
        assert!(row["figure"].as_f64().unwrap() > 0.0 || row["goal"] == "P14", "{row}");
        assert_eq!(row["bound"].is_null(), row["is_met"].is_null(), "{row}");
    }
    let conditions = &run["conditions"];
    assert!(conditions["processors"].as_u64().unwrap() > 0 && conditions["load"].is_number(), "{conditions}");
}

#[test]
fn what_is_not_installed_is_skipped_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    // The loader takes the first file of that name, and this is no library.
    fs::write(folder.path().join("libuv.so.1"), "").unwrap();
    let mut program = short();
    program.args(["--only=P2", "--only=P15", "--xl=/nonexistent"]).env("LD_LIBRARY_PATH", folder.path());
    let (shown, run) = measured(&mut program, &folder.path().join("goals.json"));
    let skipped: Vec<_> = run["skipped"].as_array().unwrap().iter().map(|reason| reason.as_str().unwrap()).collect();
    assert!(skipped.iter().any(|reason| reason.starts_with("libuv: libuv.so.1 ")), "{skipped:?}");
    assert!(skipped.iter().any(|reason| reason.starts_with("P15: /nonexistent: ")), "{skipped:?}");
    assert!(skipped.iter().all(|reason| shown.contains(&format!("skipped: {reason}"))), "{shown}");
    assert!(!run["results"].to_string().contains("libuv"), "{run}");
}

#[test]
fn a_recorded_run_is_added_to_the_history_and_shown_beside_the_earlier_one() {
    let folder = tempfile::tempdir().unwrap();
    let document = folder.path().join("benchmarks.md");
    fs::write(&document, "above\n<!-- history: written by hand -->\n<!-- history: end -->\nbelow\n").unwrap();
    for _ in 0..2 {
        let output = short().args(["--only=P9", "--record"]).arg(folder.path()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let history = fs::read(folder.path().join("benchmarks/history.json")).unwrap();
    assert_eq!(serde_json::from_slice::<Vec<Value>>(&history).unwrap().len(), 2);
    let shown = fs::read_to_string(&document).unwrap();
    assert!(shown.starts_with("above\n") && shown.ends_with("below\n"), "{shown}");
    let row = shown.lines().find(|line| line.contains("allocations for an event")).unwrap();
    assert_eq!(row.matches("0.00 (0.00 to 0.00)").count(), 2, "{row}");
}
