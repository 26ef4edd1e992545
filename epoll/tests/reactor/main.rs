//! The reactor against real fds and clocks. Each test is named for the clause of docs/contract.md that it holds the
//! reactor to.

mod closed_early;
mod edges;
mod fairness;
mod fds;
mod forked;
mod lifecycle;
mod nesting;
mod stale;
mod stress;
mod timers;
mod wakeups;
mod world;
