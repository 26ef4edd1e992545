//! What the tests of the reactor and of the adapters share, so that it is written once.
//!
//! It fails as tests do: by a panic that says what was expected.

mod forked;

pub use forked::{alone, in_forked_child};
