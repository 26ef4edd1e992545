//! Every goal is measured, in the table and in the file.

use std::fs;
use std::process::Command;

#[test]
fn all_goals_have_figures_in_the_table_and_in_the_file() {
    let path = format!("{}/goals.json", env!("CARGO_TARGET_TMPDIR"));
    let mut program = Command::new(env!("CARGO_BIN_EXE_osevent-benchmarks"));
    let output = program.args(["goals", "--rounds=1", "--events=10", "--many=100", "--json", &path]).output().unwrap();
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let results: serde_json::Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    let results = results.as_array().unwrap();
    // Two lines are the header's.
    assert_eq!(shown.lines().count(), results.len() + 2, "{shown}");
    for (goal, rows) in
        [("P1", 3), ("P2", 3), ("P3", 1), ("P4", 3), ("P5", 1), ("P6", 4), ("P7", 1), ("P8", 2), ("P9", 2)]
    {
        assert_eq!(results.iter().filter(|row| row["goal"] == goal).count(), rows, "{goal}");
    }
    for row in results.iter().filter(|row| !row["compared"].is_null()) {
        assert!(row["figure"].as_f64().unwrap() > 0.0, "{row}");
    }
}
