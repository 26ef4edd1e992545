//! Which cases run.

use std::process::Command;

/// What it prints with these arguments, or why it does not.
fn listed(arguments: &[&str]) -> Result<String, String> {
    let output = Command::new(env!("CARGO_BIN_EXE_osevent-conformance")).args(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
}

#[test]
fn cases_are_chosen_and_left_out_by_how_their_names_begin() {
    let chosen = |arguments: &[&str]| listed(&[&["--tier", "xen", "--list"], arguments].concat()).unwrap();
    let hvm = chosen(&["--case", "xen-hvm-"]);
    assert!(hvm.contains("xen-hvm-life") && hvm.contains("xen-hvm-vnc") && !hvm.contains("xen-qemu-"), "{hvm}");
    let less = chosen(&["--case", "xen-hvm-", "--without", "xen-hvm-v"]);
    assert!(less.contains("xen-hvm-life") && !less.contains("xen-hvm-vnc"), "{less}");
    let rest = chosen(&["--without", "xen-hvm-", "--without=close"]);
    assert!(rest.contains("xen-life") && !rest.contains("xen-hvm-") && !rest.contains("close-idle"), "{rest}");
}

#[test]
fn case_that_is_not_there_is_told() {
    for option in ["--case", "--without"] {
        let error = listed(&["--list", option, "nonsense"]).unwrap_err();
        assert!(error.contains("there is no case \"nonsense\"; --list shows all"), "{error}");
    }
}

#[test]
fn a_list_of_which_only_the_beginning_is_read_is_no_failure() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    for list in [["--list"].as_slice(), &["--broken", "--list"]] {
        let output = Command::new(env!("CARGO_BIN_EXE_osevent-conformance"))
            .args(list)
            .stdout(writer.try_clone().unwrap())
            .output()
            .unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && errors.is_empty(), "{list:?}: {errors}");
    }
}
