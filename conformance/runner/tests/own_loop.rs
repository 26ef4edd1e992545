//! As a test program of somebody else's, the suite plays its cases on libxl. This one's loop cannot even be started, so a
//! case that is played fails.

use anyhow::bail;
use libtest_mimic::{Arguments, Completion, Failed, Trial};
use osevent_conformance::Suite;
use osevent_conformance::hosts::{Readable, Watch};
use osevent_conformance_runner::OnLibxl;
use std::any::Any;
use std::env;
use std::os::fd::RawFd;
use std::process::{Command, ExitCode};
use xenlight::Library;

/// Set where this is the other people's program.
const THEIRS: &str = "OSEVENT_TEST_THEIRS";

const WHY: &str = "this loop cannot be started";

struct NoLoop;

impl Watch for NoLoop {
    fn watch(&self, _: RawFd, _: Readable) -> anyhow::Result<Box<dyn Any + Send + Sync>> {
        bail!("there is none")
    }
}

fn main() -> ExitCode {
    if env::var_os(THEIRS).is_some() {
        return Suite::watching("no-loop", || -> anyhow::Result<NoLoop> { bail!(WHY) }).with(OnLibxl).main();
    }
    let case = Trial::ignorable_test("cases_on_libxl_are_played_where_there_is_one", are_played);
    libtest_mimic::run(&Arguments::from_args(), vec![case]).exit_code()
}

fn are_played() -> Result<Completion, Failed> {
    if let Err(missing) = Library::load() {
        return Ok(Completion::ignored_with(missing.to_string()));
    }
    for case in ["libxl::close-idle", "libxl-thread::close-idle"] {
        let output = Command::new(env::current_exe()?).args(["--exact", case]).env(THEIRS, "1").output()?;
        let said = String::from_utf8_lossy(&output.stdout);
        if !said.contains(WHY) || !said.contains("1 failed; 0 ignored") {
            return Err(said.into_owned().into());
        }
    }
    Ok(Completion::Completed)
}
