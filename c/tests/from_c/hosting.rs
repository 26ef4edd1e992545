//! The cases of `hosting.c`, each in a process of its own, and `attached.c`.

use crate::Outcome;
use crate::compiler::{GLIB, Linked, Program, XEN};
use libtest_mimic::Completion;
use osevent_standin_machine::Machine;
use std::sync::OnceLock;

/// Runs one.
pub(crate) fn run(case: &str) -> Outcome {
    static PROGRAM: OnceLock<Result<Result<Program, String>, String>> = OnceLock::new();
    let compiled = PROGRAM.get_or_init(|| {
        let compiled = Program::compile("tests/from_c/hosting.c", Linked::Shared, &XEN);
        compiled.map_err(|failed| failed.message().unwrap_or("it does not compile").to_owned())
    });
    let program = match compiled.as_ref()? {
        Ok(program) => program,
        Err(missing) => return Ok(Completion::ignored_with(missing)),
    };
    succeeds(program, &[case])
}

/// Runs `attached.c`.
pub(crate) fn attached() -> Outcome {
    match Program::compile("tests/from_c/attached.c", Linked::Shared, &GLIB)? {
        Ok(program) => succeeds(&program, &[]),
        Err(missing) => Ok(Completion::ignored_with(missing)),
    }
}

/// On a machine with a domain, and without a word.
fn succeeds(program: &Program, arguments: &[&str]) -> Outcome {
    let machine = Machine::new()?;
    machine.add_domain(5)?;
    let output = program.on(&machine).args(arguments).output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() || !said.is_empty() {
        return Err(format!("{}\n{said}", output.status).into());
    }
    Ok(Completion::Completed)
}
