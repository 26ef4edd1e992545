//! The program osevent-bar.

use std::process::ExitCode;

fn main() -> ExitCode {
    osevent_bar::main()
}
