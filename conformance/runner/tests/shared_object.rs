//! The suite on a loop written in C, which it sees through two functions.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Compiles a file beside this one.
fn compile(folder: &Path, source: &str) -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let object = folder.join("loop.so");
    let mut cc = Command::new("cc");
    cc.args(["-std=c11", "-Wall", "-Wextra", "-Werror", "-O1", "-shared", "-fPIC", "-pthread"]);
    cc.arg("-I").arg(here.join("../include")).arg("-o").arg(&object).arg(here.join("tests/c").join(source));
    let status = cc.status().expect("cc is installed");
    assert!(status.success(), "cc: {status}");
    object
}

fn suite(object: &Path, arguments: &[&str]) -> Output {
    let mut suite = Command::new(env!("CARGO_BIN_EXE_osevent-conformance"));
    suite.arg("--loop").arg(object).args(["--jobs", "2"]).args(arguments).output().expect("the suite runs")
}

#[test]
fn a_loop_in_c_passes_all_cases() {
    let folder = tempfile::tempdir().unwrap();
    let output = suite(&compile(folder.path(), "poll_loop.c"), &[]);
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{printed}{}", String::from_utf8_lossy(&output.stderr));
    let counted = printed.lines().find(|line| line.starts_with("test result: ok. ")).expect(&printed);
    assert!(!counted.contains(" 0 passed"), "{counted}");
}

#[test]
fn a_loop_that_does_not_recurse_is_found_by_a_nested_turn() {
    let folder = tempfile::tempdir().unwrap();
    let output =
        suite(&compile(folder.path(), "flat_loop.c"), &["--case", "libxl::nested-loop-in-callback", "--patience", "2"]);
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(!output.status.success(), "{printed}");
    assert!(printed.contains("not within 2s: the nested loop delivers the second death"), "{printed}");
    assert!(printed.contains("The case checks E2 R9."), "{printed}");
}

#[test]
fn a_dead_loop_costs_less_from_case_to_case() {
    let folder = tempfile::tempdir().unwrap();
    let output =
        suite(&compile(folder.path(), "dead_loop.c"), &["--case", "boundary::cancelled-in", "--patience", "2"]);
    let (printed, said) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(printed.contains("the loop did not call back for a readable fd in 2s"), "{printed}");
    assert!(said.contains("a case failed after a wait of 2.0s; the next ones on this loop wait for 250.0ms"), "{said}");
}

#[test]
fn a_shared_object_without_the_functions_is_told_what_it_lacks() {
    let folder = tempfile::tempdir().unwrap();
    let output = suite(&compile(folder.path(), "no_loop.c"), &["--case", "boundary::"]);
    is_one_error(&output, "does not define osevent_loop_watch");
}

#[test]
fn a_shared_object_that_is_not_there_is_one_error_and_no_case_runs() {
    is_one_error(&suite(Path::new("./missing.so"), &[]), "cannot load ./missing.so");
}

fn is_one_error(output: &Output, words: &str) {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{errors}");
    assert!(errors.contains(words), "{errors}");
    assert_eq!(errors.lines().count(), 1, "{errors}");
    assert!(output.stdout.is_empty(), "{}", String::from_utf8_lossy(&output.stdout));
}
