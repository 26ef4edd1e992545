//! A libxl that wants a version of Xen's interface which the stand-in does not speak is told before a case runs.

#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The installed libxl, made to ask for its domains in that version of that hypercall. `None` where there is no libxl to link.
fn libxl(folder: &Path, hypercall: &str, version: &str) -> Option<PathBuf> {
    let definitions = [format!("-DHYPERCALL={hypercall}"), format!("-DVERSION={version}")];
    compile(folder, "unknown_xen.c", &definitions)
}

fn compile(folder: &Path, source: &str, definitions: &[String]) -> Option<PathBuf> {
    let object = folder.join("libxenlight.so");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/c").join(source);
    let mut cc = Command::new("cc");
    cc.args(["-std=c11", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-Wl,--no-as-needed"]);
    cc.args(definitions);
    let output = cc.arg("-o").arg(&object).arg(source).arg("-lxenlight").output().expect("cc is installed");
    let words = String::from_utf8_lossy(&output.stderr);
    if words.contains("cannot find -lxenlight") {
        println!("SKIPPED: no libxl to link with (package libxen-dev)");
        return None;
    }
    assert!(output.status.success(), "{words}");
    Some(object)
}

fn suite(libxl: &Path, patience: &str) -> Output {
    let mut suite = Command::new(env!("CARGO_BIN_EXE_osevent-conformance"));
    suite
        .args(["--tier", "libxl", "--adapter", "epoll", "--case", "domain-death", "--patience", patience, "--libxl"])
        .arg(libxl);
    suite.output().expect("the suite runs")
}

#[test]
fn a_libxl_that_hangs_is_told_before_a_case_runs() {
    let folder = tempfile::tempdir().unwrap();
    let Some(libxl) = compile(folder.path(), "stuck_xen.c", &[]) else { return };
    let output = suite(&libxl, "1");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{errors}");
    assert!(errors.contains("libxl hangs above the stand-ins: it has not listed"), "{errors}");
    assert!(output.stdout.is_empty(), "a case has run: {}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn version_that_the_stand_in_does_not_speak_is_told_before_a_case_runs() {
    let folder = tempfile::tempdir().unwrap();
    // Of each, the last before and the first behind what it speaks.
    let unknown = [
        ("SYSCTL", "0x12", "sysctl"),
        ("SYSCTL", "0x17", "sysctl"),
        ("DOMCTL", "0x11", "domctl"),
        ("DOMCTL", "0x19", "domctl"),
    ];
    for (hypercall, version, interface) in unknown {
        let Some(libxl) = libxl(folder.path(), hypercall, version) else { return };
        let output = suite(&libxl, "120");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{errors}");
        let words =
            format!("wants version {version} of Xen's {interface}, which the stand-in for libxencall does not speak");
        assert!(errors.contains(&words) && errors.contains("it knows those of Xen 4.14 to 4.22"), "{errors}");
        assert!(output.stdout.is_empty(), "a case has run: {}", String::from_utf8_lossy(&output.stdout));
    }
}
