//! The benchmarks run to their end, on every loop.

use std::process::Command;

#[test]
fn dispatch_measures_both_ways_of_every_loop() {
    let mut program = Command::new(env!("CARGO_BIN_EXE_osevent-benchmarks"));
    let output = program.args(["dispatch", "--rounds=1", "--events=10", "--fds=1", "--fds=20"]).output().unwrap();
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for name in ["GLib", "calloop", "smol"] {
        let rows: Vec<Vec<&str>> = shown
            .lines()
            .map(|line| line.split('|').map(str::trim).collect())
            .filter(|row: &Vec<_>| row.get(1) == Some(&name))
            .collect();
        assert_eq!(rows.len(), 2, "{shown}");
        for row in rows {
            let ns = |at: usize| row[at].parse::<u64>().unwrap();
            assert!(ns(3) > 0 && ns(4) > 0, "{shown}");
        }
    }
}
