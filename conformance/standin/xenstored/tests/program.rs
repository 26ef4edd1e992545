//! The program `osevent-xenstored`.

use std::{
    io::{BufRead, BufReader},
    os::unix::net::UnixStream,
    process::{Child, Command, Stdio},
};

use tempfile::TempDir;

fn start(folder: &TempDir, arguments: &[&str]) -> Child {
    let mut child = Command::new(env!("CARGO_BIN_EXE_osevent-xenstored"))
        .arg("--socket")
        .arg(folder.path().join("socket"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    child
}

#[test]
fn it_says_ready_serves_and_ends_cleanly_on_sigterm() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = start(&folder, &[]);
    UnixStream::connect(folder.path().join("socket")).unwrap();
    // SAFETY: a signal to a child of ours that was not waited for.
    assert_eq!(unsafe { libc::kill(child.id() as libc::pid_t, libc::SIGTERM) }, 0);
    assert!(child.wait().unwrap().success());
    assert!(!folder.path().join("socket").exists());
}

#[test]
fn it_ends_with_its_input_when_asked_to() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = start(&folder, &["--exit-with-stdin", "--auto-close-backends"]);
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_socket_that_cannot_be_served_is_exit_code_2_and_says_why() {
    let output = Command::new(env!("CARGO_BIN_EXE_osevent-xenstored"))
        .args(["--socket", "/nonexistent/folder/socket"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.starts_with("osevent-xenstored: cannot serve /nonexistent/folder/socket: No such file"), "{error}");
}
