//! The directed cases at the boundary, a file a theme.

mod interest;
mod random;

use crate::directed::BoundaryCase;
pub(crate) use random::ALL as RANDOM;

/// All, in the order in which they run.
pub static ALL: &[&BoundaryCase] = &[
    &interest::TWO_SIDES,
    &interest::EMPTY,
    &interest::PRIORITY,
    &interest::ALWAYS_READY,
    &interest::LEFT_UNREAD,
    &interest::WRITTEN_MEANWHILE,
    &interest::OWN_NUMBER,
];
