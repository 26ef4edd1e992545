//! The cases, a file a theme.

mod application;
mod backends;
mod children;
#[cfg(test)]
mod clauses;
mod close;
mod config;
mod created;
mod data;
mod device;
mod errors;
mod families;
mod follow;
mod hooks;
mod hvm;
mod idle;
mod kept;
mod life;
mod likeness;
mod migration;
mod open;
pub(crate) mod pair;
mod peers;
mod plug;
mod progress;
mod questions;
mod refusal;
mod replication;
mod resources;
mod save_file;
mod shared_process;
mod thread;
mod told;
mod types;
mod xen;
mod xen_errors;
mod xen_follow;

use crate::case::{Case, DomainCase, Listed};
use crate::tiers::Tier;
use osevent_conformance::cases as boundary;
use std::sync::LazyLock;

/// All, in the order in which they run.
pub(crate) static ALL: LazyLock<Vec<Listed>> = LazyLock::new(|| {
    let boundary = boundary::ALL.iter().chain(boundary::RANDOM).map(|case| Listed::from(*case));
    let on_xen = ON_XEN.iter().map(|case| Listed::from(*case));
    let on =
        |tiers, cases: &'static [&DomainCase]| cases.iter().map(move |case| Listed { tiers, ..Listed::from(*case) });
    let created = on(&[Tier::Libxl], CREATED);
    let on_two = on(&[Tier::Pair], ON_TWO_HOSTS);
    ON_LIBXL.iter().map(|case| Listed::from(*case)).chain(created).chain(on_xen).chain(on_two).chain(boundary).collect()
});

static ON_LIBXL: &[&Case] = &[
    &life::DEATH,
    &life::DEATH_BEFORE,
    &life::EJECT,
    &life::INTERRUPTED,
    &life::XENSTORED_LOST,
    &config::CHECKED,
    &types::FIELDS,
    &questions::ANSWERED,
    &families::LISTED,
    &families::ATTACHED,
    &families::ATTACH_REFUSED,
    &device::REMOVAL,
    &device::REMOVAL_EXPIRES,
    &device::DESTROY_EXPIRES,
    &device::REMOVAL_ABORTED,
    &device::AWAITED_ELSEWHERE,
    &errors::WORDS,
    &errors::OWN_WORDS,
    &errors::MISSING,
    &errors::DOMAIN_0,
    &errors::DESTROYED_TWICE,
    &errors::GONE_MEANWHILE,
    &peers::TO_NOBODY,
    &peers::FROM_NOBODY,
    &likeness::LIKENESS,
    &children::SELECTIVE_REAP,
    &children::LIBXL,
    &children::LIBXL_ALWAYS,
    &children::HOST,
    &children::WITHOUT_PIDFD,
    &children::HANDLED,
    &children::IGNORED,
    &children::REAPED_BY_OTHERS,
    &refusal::FD,
    &refusal::TIMEOUT,
    &refusal::MODIFICATION,
    &refusal::OPEN,
    &close::IDLE,
    &close::WATCHING,
    &close::OPERATING,
    &close::ASKING,
    &close::INSIDE_CALLBACK,
    &close::EVENT_WAITS,
    &close::DURING_OCCURRENCE,
    &close::SEVERAL_WAIT,
    &close::LOOP_GONE,
    &close::DROPPED_LOOP_GONE,
    &open::OFTEN,
    &open::WITHOUT_FDS,
    &open::WATCH_WITHOUT_FDS,
    &open::SILENT,
    &application::NESTED_LOOP,
    &application::ONE_AT_A_TIME,
    &application::DROPS_IN_CALLBACK,
    &application::CALLBACK_PANICS,
    &application::TRACER_PANICS,
    &application::WAKER_PANICS,
    &application::REPORTED_TO_OTHERS,
    &application::FORKED,
    &application::FILE_IS_CLOSED,
    &hooks::CALLS,
    &hooks::CALLS_FROM_LOGGER,
    &hooks::DROPS,
    &hooks::DELIVERED_LATER,
    &shared_process::TWO_CTXS,
    &shared_process::FOUR_THREADS,
    &shared_process::FOUR_CTXS,
    &shared_process::LOCK_HELD_AT_FORK,
    &shared_process::OTHER_CHILDREN,
    &idle::COSTS_NOTHING,
    &idle::FOLLOWING_COSTS_NOTHING,
    &data::DELIVERED,
    &data::LOOP_FIRST,
    &follow::FOLLOWED,
    &follow::MAKING,
    &follow::SHARED,
    &follow::WITHOUT_FDS,
    &follow::XENSTORED_RESTARTED,
    &follow::CHURN,
    &follow::ADDED_MEANWHILE,
    &follow::REUSED,
    &follow::CLOSED_MEANWHILE,
    &kept::NEVER_STALE,
    &kept::ASKED,
    &told::TAKEN,
    &told::XENSTORED_FAILS,
    &thread::DOES_NOT_WAIT,
    &thread::CLOSED_MEANWHILE,
    &thread::LOOP_IS_FREE,
    &thread::CANNOT_START,
    &thread::LOOP_BREAKS,
];

/// With domains that are created, on the simulated machine.
static CREATED: &[&DomainCase] =
    &[&created::LIFE, &created::CHANGED, &created::WITH_DEVICES, &created::MANY, &created::REFUSED, &kept::KEPT];

static ON_XEN: &[&DomainCase] = &[
    &created::LIFE_ON_XEN,
    &xen::LIFE,
    &xen::FROM_XL_FILE,
    &xen::DESTROYED_ELSEWHERE,
    &xen::POWERS_ITSELF_OFF,
    &xen::SAVED_AND_RESTORED,
    &xen_follow::FOLLOWED,
    &kept::KEPT_ON_XEN,
    &migration::MIGRATED,
    &migration::TO_XL,
    &migration::FROM_XL,
    &migration::CUT,
    &migration::ABORTED,
    &replication::REPLICATED,
    &resources::HOST,
    &resources::RESOURCES,
    &resources::SCHEDULER,
    &resources::POOLS,
    &resources::CONSOLE,
    &resources::UPKEEP,
    &progress::PROGRESS,
    &progress::BOOTLOADER,
    &xen::CLOSE_WITH_DOMAINS,
    &xen::FIFTY_ON_ONE_CTX,
    &xen::FIFTY_ON_FOUR_CTXS,
    &plug::PLUGGED,
    &plug::REFUSED,
    &backends::PCI,
    &backends::OF_QEMU,
    &backends::SHARE_ATTACHED,
    &hvm::LIFE,
    &hvm::SAVED_AND_RESTORED,
    &hvm::MIGRATED,
    &hvm::EJECT,
    &hvm::VNC,
    &hvm::DEVICE_MODEL_DIES,
    &xen_errors::CREATE,
    &xen_errors::SIDE_BY_SIDE,
    &xen_errors::SAVE,
    &xen_errors::RESTORE,
    &xen_errors::DESTROYED_TWICE,
];

static ON_TWO_HOSTS: &[&DomainCase] =
    &[&pair::THERE, &pair::BACK, &pair::TO_XL, &pair::FROM_XL, &pair::CUT, &pair::NO_MEMORY, &pair::NAME_TAKEN];
