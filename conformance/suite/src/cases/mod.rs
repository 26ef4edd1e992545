//! The directed cases at the boundary, one file for each subject.

mod deadlines;
mod ending;
mod fairness;
mod interest;
mod known;
mod locks;
mod numbers;
mod quiet;
mod random;
mod registration;
mod sleep;
mod stale;
mod taken;

use crate::directed::BoundaryCase;
pub use random::ALL as RANDOM;

/// All cases, in the order in which they run.
pub static ALL: &[&BoundaryCase] = &[
    &registration::ANYWHERE,
    &registration::GARBAGE,
    &registration::REFUSED,
    &registration::FDS_RUN_OUT,
    &registration::VALUES_REPEAT,
    &registration::OWN_OCCURRENCE,
    &interest::TWO_SIDES,
    &interest::EMPTY,
    &interest::PRIORITY,
    &interest::HANG_UP,
    &interest::ALWAYS_READY,
    &interest::LEFT_UNREAD,
    &interest::WRITTEN_MEANWHILE,
    &interest::OWN_NUMBER,
    &numbers::REUSED,
    &numbers::AGAIN,
    &numbers::FILE_STAYS_OPEN,
    &numbers::FILE_IS_CLOSED,
    &quiet::LESS,
    &quiet::ENDED,
    &sleep::FD,
    &sleep::TIMEOUT,
    &sleep::AFTER_NOTHING,
    &deadlines::AT_ONCE,
    &deadlines::DISTANT,
    &deadlines::NEVER_EARLY,
    &deadlines::CLOCK_SET,
    &deadlines::ORDER,
    &deadlines::NEXT_FROM_INSIDE,
    &taken::CANCELLED,
    &taken::CANCELLED_IN_BATCH,
    &taken::WAITING,
    &taken::INSIDE,
    &taken::BY_ADDRESS,
    &locks::NOT_INSIDE_A_HOOK,
    &locks::OCCURRENCE_WAITS,
    &locks::OCCURRENCE_HELD,
    &locks::CONSISTENT,
    &stale::BATCH,
    &stale::CLAIMED,
    &stale::READ_MEANWHILE,
    &stale::ERRORS,
    &stale::ONE_AT_A_TIME,
    &fairness::FDS,
    &fairness::TIMEOUTS,
    &ending::CALL_IN_PROGRESS,
    &ending::INSIDE,
    &ending::REGISTERED,
    &ending::NOTHING_AFTER,
    &ending::TWICE,
    &ending::FDS,
    &known::POLLNVAL_RACE,
    &known::EATEN_MEANWHILE,
    &known::TWO_THREADS,
];
