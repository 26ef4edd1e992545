use crate::FOREVER;
use std::fs;
use std::thread;
use std::time::Instant;

/// A thread of this process, as the kernel sees it: whether it sleeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct KernelThread(u32);

impl KernelThread {
    /// The one that calls this.
    pub fn current() -> Self {
        // SAFETY: takes and returns numbers.
        Self(unsafe { libc::gettid() }.cast_unsigned())
    }

    /// All of the process.
    pub fn all() -> Vec<Self> {
        let tasks = fs::read_dir("/proc/self/task").expect("Linux has it").map(|task| task.expect("it is listed"));
        tasks.map(|task| Self(task.file_name().to_str().expect("a number").parse().expect("a number"))).collect()
    }

    /// Waits until it sleeps; how often it has gone to sleep by then.
    pub fn sleeps(self) -> u64 {
        let started = Instant::now();
        while !self.status("State").starts_with('S') {
            assert!(started.elapsed() < FOREVER, "a thread does not go back to sleep");
            thread::yield_now();
        }
        self.status("voluntary_ctxt_switches").parse().expect("it is a number")
    }

    /// What the kernel says of it.
    fn status(self, name: &str) -> String {
        let status = fs::read_to_string(format!("/proc/self/task/{}/status", self.0)).expect("it runs");
        let mut lines = status.lines().filter_map(|line| line.split_once(':'));
        let (_, value) = lines.find(|(key, _)| *key == name).expect("Linux has that line");
        value.trim().to_owned()
    }
}
