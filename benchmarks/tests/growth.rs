//! How cost grows is measured, fitted, drawn and shown.

use serde_json::Value;
use std::fs;
use std::process::Command;

#[test]
fn every_subject_has_points_a_curve_and_a_plot() {
    let folder = tempfile::tempdir().unwrap();
    let document = folder.path().join("benchmarks.md");
    fs::write(&document, "above\n<!-- growth: written by hand -->\n<!-- growth: end -->\nbelow\n").unwrap();
    let mut program = Command::new(env!("CARGO_BIN_EXE_osevent-benchmarks"));
    program.args(["growth", "--rounds=1", "--events=10", "--many=10", "--domains=10", "--record"]).arg(folder.path());
    let output = program.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let written = fs::read(folder.path().join("benchmarks/growth.json")).unwrap();
    let run: Value = serde_json::from_slice(&written).unwrap();
    let shown = fs::read_to_string(&document).unwrap();
    let subjects = run["subjects"].as_array().unwrap();
    let names: Vec<_> = subjects.iter().map(|subject| subject["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["fds", "timeouts", "threads", "domains", "ctxs"]);
    for (name, subject) in names.into_iter().zip(subjects) {
        let plot = fs::read_to_string(folder.path().join(format!("benchmarks/growth-{name}.svg"))).unwrap();
        assert!(shown.contains(&format!("(benchmarks/growth-{name}.svg)")), "{shown}");
        let series = subject["series"].as_array().unwrap();
        let points = series.iter().map(|series| series["points"].as_array().unwrap().len()).sum::<usize>();
        assert!(points >= 2 * series.len(), "{subject}");
        assert_eq!(plot.matches("<circle").count(), points, "{plot}");
        for series in series {
            let escaped = series["name"].as_str().unwrap().replace('\'', "&apos;");
            assert!(plot.contains(&escaped), "{name}: {series}");
        }
    }
}
