//! `osevent-conformance`: shows whether an event loop hosts libxl correctly.

use std::process::ExitCode;

fn main() -> ExitCode {
    osevent_conformance_runner::main()
}
