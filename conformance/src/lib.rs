//! One suite that shows whether an event loop hosts libxl correctly.

pub mod boundary;
pub mod record;
