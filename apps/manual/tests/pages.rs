//! The manual of each program is written, its pages are what mandoc takes, and the shells know each option.

use std::fs;
use std::path::Path;
use std::process::Command;

const PROGRAMS: [(&str, &str); 5] = [
    ("osevent-bar", "--height"),
    ("osevent-conformance", "--adapter"),
    ("osevent-manager", "--open"),
    ("xenlight-fleet", "--nats"),
    ("xenlightd", "--metrics"),
];

#[test]
fn each_program_has_pages_and_completions_that_know_its_options() {
    let folder = tempfile::tempdir().unwrap();
    let status = Command::new(env!("CARGO_BIN_EXE_osevent-manual")).arg(folder.path()).status().unwrap();
    assert!(status.success());
    for (program, option) in PROGRAMS {
        let files = [format!("bash/{program}.bash"), format!("fish/{program}.fish"), format!("zsh/_{program}")];
        for file in files {
            let text = fs::read_to_string(folder.path().join(&file)).expect(&file);
            // fish has no dashes there.
            assert!(text.contains(option.trim_start_matches('-')), "{file} does not know {option}");
        }
        assert!(folder.path().join(format!("man/{program}.1")).exists(), "{program} has no page");
    }
    lint(&folder.path().join("man"));
}

fn lint(folder: &Path) {
    let pages = folder.read_dir().unwrap().map(|entry| entry.unwrap().path());
    let Ok(output) = Command::new("mandoc").args(["-T", "lint", "-W", "error"]).args(pages).output() else {
        return println!("SKIPPED: no mandoc");
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn each_program_that_is_installed_has_a_feature_that_writes_its_pages_alone() {
    let manifest = include_str!("../Cargo.toml");
    let installed = include_str!("../../Makefile").lines().find_map(|line| line.strip_prefix("programs = ")).unwrap();
    let mut installed: Vec<_> = installed.split(' ').collect();
    installed.sort_unstable();
    assert_eq!(installed, PROGRAMS.map(|(program, _)| program));
    for program in installed {
        assert!(manifest.contains(&format!("\n{program} = [")), "{program} has no feature");
    }
}
