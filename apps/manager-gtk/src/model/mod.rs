//! What is known of the host: objects with properties, to which the views are bound.

mod domain;
mod domain_list;
mod journal;
mod load;
mod session;
mod task;
mod task_list;

pub(crate) use domain::Domain;
pub(crate) use domain_list::DomainList;
pub(crate) use journal::Journal;
pub(crate) use load::KEPT as LOADS_KEPT;
pub(crate) use session::{Session, Status};
pub(crate) use task::{Task, TaskState};
pub(crate) use task_list::TaskList;
