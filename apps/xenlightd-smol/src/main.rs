//! The program xenlightd.

use std::process::ExitCode;

fn main() -> ExitCode {
    xenlightd::main()
}
