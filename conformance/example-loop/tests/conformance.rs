//! The whole suite on this loop.

use osevent_conformance::Suite;
use osevent_conformance::hosts::{Readable, Watch};
use std::any::Any;
use std::os::fd::RawFd;
use std::process::ExitCode;

struct Mine(example_loop::Loop);

impl Watch for Mine {
    fn watch(&self, fd: RawFd, readable: Readable) -> anyhow::Result<Box<dyn Any + Send + Sync>> {
        Ok(Box::new(self.0.watch(fd, readable)?))
    }
}

fn main() -> ExitCode {
    Suite::watching("example-loop", || Ok(Mine(example_loop::Loop::start()?))).main()
}
