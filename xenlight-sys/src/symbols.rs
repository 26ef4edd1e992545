//! A loaded libxl, and its symbol tables, one for each subject.

mod cache;
mod cpu;
mod device;
mod domain;
mod event;
mod host;
mod memory;
mod table;

use core::fmt;

use crate::control::Control;
use crate::error::LoadError;
use crate::release::Release;
use crate::shared_object::SharedObject;

/// A loaded libxl, with its functions as methods.
///
/// It stays loaded until the process ends, also after this is dropped, so pointers to its functions remain valid. See the
/// [crate] for the rules for every call.
pub struct Library {
    pub(crate) table: Table,
    pub(crate) control: Option<Control>,
    pub(crate) release: Release,
    pub(crate) object: SharedObject,
}

/// The functions, by subject.
pub(crate) struct Table {
    event: event::Table,
    domain: domain::Table,
    device: device::Table,
    memory: memory::Table,
    cpu: cpu::Table,
    cache: cache::Table,
    host: host::Table,
}

impl Table {
    /// Finds each symbol that `release` must have.
    pub(crate) fn find(object: &SharedObject, release: Release) -> Result<Self, LoadError> {
        Ok(Self {
            event: event::Table::find(object, release)?,
            domain: domain::Table::find(object, release)?,
            device: device::Table::find(object, release)?,
            memory: memory::Table::find(object, release)?,
            cpu: cpu::Table::find(object, release)?,
            cache: cache::Table::find(object, release)?,
            host: host::Table::find(object, release)?,
        })
    }
}

const TABLES: &[&[Symbol]] =
    &[event::SYMBOLS, domain::SYMBOLS, device::SYMBOLS, memory::SYMBOLS, cpu::SYMBOLS, cache::SYMBOLS, host::SYMBOLS];

/// Every function that this crate knows of, on this architecture.
pub const SYMBOLS: &[Symbol] = &{
    const COUNT: usize = {
        let (mut table, mut count) = (0, 0);
        while table < TABLES.len() {
            count += TABLES[table].len();
            table += 1;
        }
        count
    };
    let mut all = [TABLES[0][0]; COUNT];
    let (mut table, mut next) = (0, 0);
    while table < TABLES.len() {
        let mut entry = 0;
        while entry < TABLES[table].len() {
            all[next] = TABLES[table][entry];
            next += 1;
            entry += 1;
        }
        table += 1;
    }
    all
};

/// A function of libxl, as this crate declares it.
#[derive(Clone, Copy)]
pub struct Symbol {
    /// Its name in the library, `libxl_…`.
    pub name: &'static str,
    /// The first release that has it. A later release without it is not loaded.
    pub since: Release,
    signature: fn(Release) -> &'static str,
}

impl Symbol {
    /// The type that this crate uses for it with `release`, as text. For tests and reports.
    pub fn signature(&self, release: Release) -> &'static str {
        (self.signature)(release)
    }
}

impl fmt::Debug for Symbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Symbol").field("name", &self.name).field("since", &self.since).finish_non_exhaustive()
    }
}
