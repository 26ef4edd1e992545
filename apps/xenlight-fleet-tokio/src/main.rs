//! The program xenlight-fleet.

use std::process::ExitCode;

fn main() -> ExitCode {
    xenlight_fleet::main()
}
