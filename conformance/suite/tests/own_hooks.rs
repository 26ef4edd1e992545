//! The suite on a program with hooks of its own: the third door, and the control of the broken loops by another way.

use osevent_conformance::Suite;
use osevent_conformance::broken::Naive;
use std::process::ExitCode;

fn main() -> ExitCode {
    Suite::hooks("naive", || Naive::start(None)).main()
}
