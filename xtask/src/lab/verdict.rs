//! How a run in the lab ended, told from what came back and from the console log.

use std::fmt;

/// How a run ended. Its text is for people, [`exit_code`](Verdict::exit_code) is for programs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The program ended by itself, with this exit code.
    Exited(u8),
    /// The program was killed by this signal.
    Signalled(u8),
    /// dom0 could not start the program; why.
    NotStarted(String),
    /// The time was over; whether the program had been started.
    TimedOut {
        /// The time limit in seconds.
        seconds: u64,
        /// Whether the program had been started.
        started: bool,
    },
    /// The machine stood still before it could start the program.
    Stuck {
        /// After how many seconds that was taken for certain.
        seconds: u64,
        /// Where its processors stood.
        processors: String,
    },
    /// Xen panicked, with these words.
    XenPanicked(String),
    /// dom0's Linux panicked, with these words.
    Dom0Panicked(String),
    /// The machine ended without a word of panic: reset (a triple fault, a reboot) or switched off.
    MachineEnded,
    /// dom0 did not get as far as starting the program; its own last words.
    Dom0Failed(String),
    /// QEMU gave up, with these words.
    QemuFailed(String),
    /// The other machine of a pair has ended.
    Over,
}

impl Verdict {
    /// What a run without an exit code from dom0 means, told from the console log.
    ///
    /// The first panic in the log counts: when dom0 panics, Xen has something to say, too.
    pub(crate) fn from_console(log: &str) -> Option<Verdict> {
        let mut lines = log.lines();
        while let Some(line) = lines.next() {
            // "(d1) " marks words of a domain that is not dom0.
            if line.starts_with("(d") {
                continue;
            }
            if line.starts_with("(XEN)") && line.contains("Panic on CPU") {
                let words = lines.next().unwrap_or_default();
                let words = words.trim_start_matches("(XEN)").trim();
                return Some(Verdict::XenPanicked(words.to_owned()));
            }
            if let Some((_, words)) = line.split_once("Kernel panic - ") {
                return Some(Verdict::Dom0Panicked(words.trim().to_owned()));
            }
            if let Some(words) = line.strip_prefix("lab: failed: ") {
                return Some(Verdict::Dom0Failed(words.trim().to_owned()));
            }
        }
        None
    }

    /// What the lab exits with.
    ///
    /// | code | means |
    /// |---|---|
    /// | the program's | it ended by itself |
    /// | 128 + n | signal n killed it |
    /// | 127 | it could not be started in dom0 |
    /// | 124 | the time was over |
    /// | 125 | no exit code came back: a boot that stood still twice, a panic of Xen or dom0, a reset, QEMU failed |
    ///
    /// A lab that cannot even be started exits with 2.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Verdict::Exited(code) => *code,
            Verdict::Signalled(signal) => 128 + signal,
            Verdict::NotStarted(_) => 127,
            Verdict::TimedOut { .. } => 124,
            Verdict::Stuck { .. }
            | Verdict::XenPanicked(_)
            | Verdict::Dom0Panicked(_)
            | Verdict::MachineEnded
            | Verdict::Dom0Failed(_)
            | Verdict::QemuFailed(_)
            | Verdict::Over => 125,
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Verdict::Exited(code) => write!(f, "the program ended with exit code {code}"),
            Verdict::Signalled(signal) => {
                write!(f, "the program crashed: killed by signal {signal}")
            }
            Verdict::NotStarted(why) => {
                write!(f, "dom0 cannot start the program: {why} (the program itself, or what its first line names?)")
            }
            Verdict::TimedOut { seconds, started } => {
                let what = if *started { "the program had not ended" } else { "the program had not been started" };
                write!(f, "time-out: {what} after {seconds} s")
            }
            Verdict::Stuck { seconds, processors } => {
                write!(f, "the boot stood still: the program had not been started after {seconds} s; {processors}")
            }
            Verdict::XenPanicked(words) => write!(f, "Xen panicked: {words}"),
            Verdict::Dom0Panicked(words) => write!(f, "dom0 panicked: {words}"),
            Verdict::MachineEnded => {
                f.write_str("the machine was reset or switched off without a panic, before the program ended")
            }
            Verdict::Dom0Failed(words) => write!(f, "dom0 failed: {words}"),
            Verdict::QemuFailed(words) => write!(f, "QEMU failed: {words}"),
            Verdict::Over => f.write_str("given up: the other machine has ended"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOOT: &str = "(XEN) Xen version 4.17.7\n[    0.0] Linux version 6.1.0\n\
                        lab: 3.62: the program starts\n";

    #[test]
    fn panic_of_xen_is_told_with_its_words() {
        let log = format!(
            "{BOOT}(XEN) \n(XEN) ****************************************\n(XEN) Panic on CPU 0:\n\
             (XEN) Domain 0 allocation is too small for kernel image\n(XEN) Reboot in five seconds...\n"
        );
        let words = "Domain 0 allocation is too small for kernel image".to_owned();
        assert_eq!(Verdict::from_console(&log), Some(Verdict::XenPanicked(words)));
    }

    #[test]
    fn panic_of_dom0_is_not_blamed_on_xen() {
        let log = format!(
            "{BOOT}[    3.4] Kernel panic - not syncing: sysrq triggered crash\n\
             (XEN) Hardware Dom0 crashed: rebooting machine in 5 seconds.\n(XEN) Panic on CPU 0:\n(XEN) later\n"
        );
        let words = "not syncing: sysrq triggered crash".to_owned();
        assert_eq!(Verdict::from_console(&log), Some(Verdict::Dom0Panicked(words)));
    }

    #[test]
    fn panic_of_another_domain_is_none() {
        let log = format!("{BOOT}(d1) [    1.0] Kernel panic - not syncing: VFS\n");
        assert_eq!(Verdict::from_console(&log), None);
    }

    #[test]
    fn triple_fault_leaves_no_panic_in_the_log() {
        assert_eq!(Verdict::from_console(BOOT), None);
    }

    #[test]
    fn words_of_init_are_told_when_it_gave_up() {
        let log = "[    3.2] Run /init as init process\nlab: failed: xenstored does not answer\n";
        let words = "xenstored does not answer".to_owned();
        assert_eq!(Verdict::from_console(log), Some(Verdict::Dom0Failed(words)));
    }

    #[test]
    fn exit_codes_are_as_documented() {
        let timed_out = |started| Verdict::TimedOut { seconds: 1, started };
        for (verdict, code) in [
            (Verdict::Exited(7), 7),
            (Verdict::Signalled(11), 139),
            (Verdict::NotStarted(String::new()), 127),
            (timed_out(true), 124),
            (timed_out(false), 124),
            (Verdict::Stuck { seconds: 1, processors: String::new() }, 125),
            (Verdict::XenPanicked(String::new()), 125),
            (Verdict::Dom0Panicked(String::new()), 125),
            (Verdict::MachineEnded, 125),
            (Verdict::Dom0Failed(String::new()), 125),
            (Verdict::QemuFailed(String::new()), 125),
            (Verdict::Over, 125),
        ] {
            assert_eq!(verdict.exit_code(), code, "{verdict}");
        }
    }
}
