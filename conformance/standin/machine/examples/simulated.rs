//! Runs a program on a simulated machine with the domains `web` and `database`: as any user, without Xen.
//!
//! ```text
//! simulated PROGRAM ARGS…    exits as the program does
//! ```

use std::env;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use osevent_standin_machine::demo::{self, Domain, Side};

fn main() -> ExitCode {
    let Some(program) = env::args_os().nth(1) else {
        eprintln!("usage: simulated PROGRAM ARGS…");
        return ExitCode::from(2);
    };
    match demo::enter(&[Domain::new("web").memory_mib(512).vcpus(2), Domain::new("database").memory_mib(256)]) {
        Ok(Side::Machine(code)) => code,
        Ok(Side::Program) => {
            // It takes the place of this process, with what makes its libxl use the machine.
            let error = Command::new(&program).args(env::args_os().skip(2)).exec();
            eprintln!("simulated: cannot run {}: {error}", program.display());
            ExitCode::from(127)
        }
        Err(error) => {
            eprintln!("simulated: the machine cannot start: {error}");
            ExitCode::from(2)
        }
    }
}
