//! What a run does, as data, so that it can be printed, replayed and shortened.

use super::{ChildMode, Release};
#[cfg(doc)]
use crate::contract::*;
use anyhow::Context;
use fastrand::Rng;
use serde::{Deserialize, Serialize};
use std::fmt::{self, Write};

/// A run: the operations of each thread of the application, and those of libxl's callbacks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Script {
    /// The modelled release.
    pub release: Release,
    /// Who handles SIGCHLD.
    #[serde(default)]
    pub children: ChildMode,
    /// How the ctx is closed.
    #[serde(default)]
    pub ending: Ending,
    /// The open files. Operations use their index.
    pub files: Vec<FileKind>,
    /// The operations of each thread, in order.
    pub threads: Vec<Vec<Op>>,
}

/// How the ctx is closed, when only cancelled timeouts are registered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// After the timeouts have occurred.
    #[default]
    Calm,
    /// Before the timeouts have occurred ([X6]).
    Abrupt,
    /// Inside an occurrence, where the ctx must not be freed ([X5]).
    Inside,
    /// By several threads at once, while others try to call ([X4]).
    Contended,
}

/// The kind of an open file.
#[expect(missing_docs, reason = "the names say it")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileKind {
    PipeReader,
    PipeWriter,
    Socket,
    Event,
    /// A pseudo-terminal in packet mode, which can have priority input ([R6]).
    Terminal,
    /// A regular file, which is always ready and which epoll refuses ([R7]).
    Regular,
    /// `/dev/null`, the same.
    Null,
}

/// An operation. Slots identify ev structs: 0 to [`Script::SLOTS`] for each kind.
///
/// Each operation is possible at any time, so that any part of a script is a script: an ev struct that is not registered is not
/// modified, and one that is registered is deregistered before it is registered again.
#[expect(missing_docs, reason = "slot, file and bytes are what they are called")]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Op {
    /// Registers the ev struct for the file.
    FdRegister {
        slot: u8,
        file: u8,
        events: Bits,
        /// How many bytes its callback reads.
        #[serde(default)]
        reads: u16,
        /// The occurrence in which the callback does the following operations; the first is 1.
        #[serde(default)]
        at: u16,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        then: Vec<Op>,
    },
    /// Changes its interest.
    FdModify { slot: u8, events: Bits },
    /// Deregisters it.
    FdDeregister { slot: u8 },
    /// Deregisters it and frees the struct.
    FdFree { slot: u8 },
    /// Makes the file readable.
    Write { file: u8, bytes: u16 },
    /// Reads from the file outside of libxl.
    Read { file: u8, bytes: u16 },
    /// Closes the other end of the file.
    HangUp { file: u8 },
    /// Deregisters everything that watches the file, closes it, and opens another file with the same number.
    Replace { file: u8, kind: FileKind },
    /// Registers a timeout.
    TimeRegister {
        slot: u8,
        due: Due,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        then: Vec<Op>,
    },
    /// Cancels it.
    TimeDeregister { slot: u8 },
    /// Cancels it and frees the struct.
    TimeFree { slot: u8 },
    /// Aborts it, as `libxl_ao_abort` does.
    TimeAbort { slot: u8 },
    /// Sets a watch.
    Watch {
        slot: u8,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        then: Vec<Op>,
    },
    /// Removes a watch.
    Unwatch { slot: u8 },
    /// Changes a node below a watch.
    Fire { slot: u8 },
    /// Forks a child.
    Fork {
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        then: Vec<Op>,
    },
    /// Ends the oldest child.
    Exit,
    /// A blocking call, which runs libxl's own loop.
    OwnLoop,
    /// The thread sleeps.
    Pause { micros: u16 },
}

/// When a timeout is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Due {
    /// `{0,0}`.
    Asap,
    /// This many seconds ago.
    Past(u16),
    /// In this many microseconds.
    Micros(u16),
    /// In an hour.
    Hour,
    /// At the largest possible time.
    End,
    /// Never: libxl does not pass it to the host.
    Never,
}

/// poll(2)'s bits, written as `in|pri|out`, or `none`.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Bits(pub i16);

impl Script {
    /// How many ev structs of each kind there are.
    pub const SLOTS: u8 = 5;

    /// Generates the script of a seed.
    pub fn generate(seed: u64, release: Release) -> Self {
        let mut dice = Dice { rng: Rng::with_seed(seed), release, files: 0 };
        let files: Vec<_> = (0..dice.rng.u8(2..=5)).map(|_| dice.file()).collect();
        dice.files = files.len() as u8;
        let children = match dice.rng.u8(0..4) {
            0 => ChildMode::Always,
            1 => ChildMode::Mainloop,
            _ => ChildMode::Libxl,
        };
        let ending = match dice.rng.u8(0..8) {
            0..=1 => Ending::Abrupt,
            2 => Ending::Inside,
            3 => Ending::Contended,
            _ => Ending::Calm,
        };
        let threads = (0..dice.rng.u8(1..=3)).map(|_| (0..dice.rng.u8(4..=20)).map(|_| dice.op(0)).collect()).collect();
        Self { release, children, ending, files, threads }
    }

    /// Parses a script.
    ///
    /// # Errors
    /// The text is not a script.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let script: Self = serde_json::from_str(text).context("this is not a script of the model tier")?;
        let mut ops = script.threads.iter().flatten();
        let fits = |op: &Op| {
            op.last_slot() < Self::SLOTS && op.last_file().is_none_or(|file| usize::from(file) < script.files.len())
        };
        anyhow::ensure!(ops.all(fits), "slots are 0 to {}, and files those that are listed", Self::SLOTS - 1);
        Ok(script)
    }

    /// The number of operations, including those of callbacks.
    pub fn len(&self) -> usize {
        self.threads.iter().flatten().map(Op::len).sum()
    }

    /// Whether there are no operations.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// JSON, an operation a line.
impl fmt::Display for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = Self { threads: Vec::new(), ..self.clone() };
        let head = serde_json::to_string(&head).map_err(|_| fmt::Error)?;
        let head = head.strip_suffix("[]}").ok_or(fmt::Error)?;
        let mut text = format!("{head}[");
        for (number, thread) in self.threads.iter().enumerate() {
            text.push_str(if number > 0 { ",\n [" } else { "\n [" });
            for (number, op) in thread.iter().enumerate() {
                let op = serde_json::to_string(op).map_err(|_| fmt::Error)?;
                write!(text, "{}\n  {op}", if number > 0 { "," } else { "" })?;
            }
            text.push(']');
        }
        text.push_str("\n]}");
        f.write_str(&text)
    }
}

impl Op {
    /// What its callback does.
    pub(super) fn then(&self) -> &[Op] {
        match self {
            Self::FdRegister { then, .. } | Self::TimeRegister { then, .. } => then,
            Self::Watch { then, .. } | Self::Fork { then } => then,
            _ => &[],
        }
    }

    pub(super) fn then_mut(&mut self) -> Option<&mut Vec<Op>> {
        match self {
            Self::FdRegister { then, .. } | Self::TimeRegister { then, .. } => Some(then),
            Self::Watch { then, .. } | Self::Fork { then } => Some(then),
            _ => None,
        }
    }

    /// How many operations it is, those of its callback included.
    pub(super) fn len(&self) -> usize {
        1 + self.then().iter().map(Self::len).sum::<usize>()
    }

    /// The highest file that it names.
    pub(super) fn last_file(&self) -> Option<u8> {
        let own = match *self {
            Self::FdRegister { file, .. } | Self::Write { file, .. } | Self::Read { file, .. } => Some(file),
            Self::HangUp { file } | Self::Replace { file, .. } => Some(file),
            _ => None,
        };
        self.then().iter().filter_map(Self::last_file).chain(own).max()
    }

    /// The highest slot.
    fn last_slot(&self) -> u8 {
        let own = match *self {
            Self::FdRegister { slot, .. } | Self::FdModify { slot, .. } | Self::FdDeregister { slot } => slot,
            Self::FdFree { slot } | Self::TimeRegister { slot, .. } | Self::TimeDeregister { slot } => slot,
            Self::TimeFree { slot } | Self::TimeAbort { slot } | Self::Watch { slot, .. } => slot,
            Self::Unwatch { slot } | Self::Fire { slot } => slot,
            _ => 0,
        };
        self.then().iter().map(Self::last_slot).fold(own, u8::max)
    }
}

struct Dice {
    rng: Rng,
    release: Release,
    files: u8,
}

impl Dice {
    fn file(&mut self) -> FileKind {
        match self.rng.u8(0..12) {
            0..=3 => FileKind::PipeReader,
            4..=5 => FileKind::PipeWriter,
            6..=7 => FileKind::Socket,
            8 => FileKind::Event,
            9 => FileKind::Terminal,
            10 => FileKind::Regular,
            _ => FileKind::Null,
        }
    }

    fn events(&mut self) -> Bits {
        Bits(match self.rng.u8(0..10) {
            0..=4 => libc::POLLIN,
            5..=6 => libc::POLLOUT,
            7 if self.rng.bool() => libc::POLLPRI,
            7 => libc::POLLIN | libc::POLLPRI,
            8 => libc::POLLIN | libc::POLLOUT,
            _ => 0,
        })
    }

    fn slot(&mut self) -> u8 {
        self.rng.u8(0..Script::SLOTS)
    }

    fn any_file(&mut self) -> u8 {
        self.rng.u8(0..self.files)
    }

    fn due(&mut self) -> Due {
        match self.rng.u8(0..16) {
            0..=2 => Due::Asap,
            3..=5 => Due::Past(self.rng.u16(0..=600)),
            6..=11 => Due::Micros(self.rng.u16(0..=3000)),
            12..=13 => Due::Hour,
            14 => Due::End,
            _ => Due::Never,
        }
    }

    /// What a callback does.
    fn then(&mut self, depth: u8, own: Op) -> Vec<Op> {
        if depth >= 3 {
            return Vec::new();
        }
        match self.rng.u8(0..6) {
            0..=1 => vec![own],
            2 => Vec::new(),
            3 => vec![self.op(depth + 1)],
            // Several timeouts at once (O7).
            4 => (0..self.rng.u8(2..=3)).map(|_| self.timeout(depth + 1)).collect(),
            _ => (0..self.rng.u8(1..=3)).map(|_| self.op(depth + 1)).collect(),
        }
    }

    fn timeout(&mut self, depth: u8) -> Op {
        let slot = self.slot();
        Op::TimeRegister { slot, due: self.due(), then: self.then(depth, Op::TimeFree { slot }) }
    }

    fn op(&mut self, depth: u8) -> Op {
        let slot = self.slot();
        match self.rng.u8(0..100) {
            0..=21 => {
                let own = match self.rng.u8(0..4) {
                    0 => Op::FdModify { slot, events: self.events() },
                    1 => Op::FdFree { slot },
                    _ => Op::FdDeregister { slot },
                };
                Op::FdRegister {
                    slot,
                    file: self.any_file(),
                    events: self.events(),
                    reads: if self.rng.u8(0..4) == 0 { 0 } else { self.rng.u16(1..=16) },
                    at: self.rng.u16(1..=3),
                    then: self.then(depth, own),
                }
            }
            22..=29 => Op::FdModify { slot, events: self.events() },
            30..=36 => Op::FdDeregister { slot },
            37..=39 => Op::FdFree { slot },
            40..=52 => Op::Write { file: self.any_file(), bytes: self.bytes() },
            53..=54 => Op::Read { file: self.any_file(), bytes: self.bytes() },
            55..=57 => Op::HangUp { file: self.any_file() },
            58..=60 => Op::Replace { file: self.any_file(), kind: self.file() },
            61..=75 => self.timeout(depth),
            76..=80 => Op::TimeDeregister { slot },
            81 => Op::TimeFree { slot },
            82..=83 if self.release.aborts() => Op::TimeAbort { slot },
            84..=86 => Op::Watch { slot, then: self.then(depth, Op::Unwatch { slot }) },
            87..=88 => Op::Unwatch { slot },
            89 => Op::Fire { slot },
            90..=91 => Op::Fork { then: self.then(depth, Op::Exit) },
            92..=93 => Op::Exit,
            94 => Op::OwnLoop,
            // In a callback the ctx lock would be held as long.
            _ if depth == 0 => Op::Pause { micros: self.rng.u16(0..=200) },
            _ => Op::Fire { slot },
        }
    }

    fn bytes(&mut self) -> u16 {
        if self.rng.u8(0..4) == 0 { u16::MAX } else { self.rng.u16(1..=32) }
    }
}

const NAMES: [(i16, &str); 3] = [(libc::POLLIN, "in"), (libc::POLLPRI, "pri"), (libc::POLLOUT, "out")];

impl From<Bits> for String {
    fn from(bits: Bits) -> Self {
        let names: Vec<_> = NAMES.iter().filter(|(bit, _)| bits.0 & bit != 0).map(|(_, name)| *name).collect();
        if names.is_empty() { "none".into() } else { names.join("|") }
    }
}

impl TryFrom<String> for Bits {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text == "none" {
            return Ok(Self(0));
        }
        text.split('|').try_fold(Self(0), |bits, name| match NAMES.iter().find(|(_, known)| *known == name) {
            Some((bit, _)) => Ok(Self(bits.0 | bit)),
            None => Err(format!("{name:?} is none of in, pri, out")),
        })
    }
}

impl fmt::Debug for Bits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from(*self))
    }
}
