//! Cases as tests. Those of the service's clients are run by this, too.

use libtest_mimic::{Completion, Trial};

use crate::bed::Outcome;

pub(crate) type Case = (&'static str, fn() -> Outcome);

/// They are ignored, with the reason, if something is missing.
pub(crate) fn trials(cases: &[Case], missing: Option<&String>) -> Vec<Trial> {
    let trial = |(name, case): Case| {
        let missing = missing.cloned();
        Trial::ignorable_test(name, move || match missing {
            Some(missing) => Ok(Completion::ignored_with(missing)),
            None => Ok(case().map(|()| Completion::Completed)?),
        })
    };
    cases.iter().copied().map(trial).collect()
}

/// They run only if they are asked for.
pub(crate) fn measures(cases: &[Case], missing: Option<&String>) -> Vec<Trial> {
    trials(cases, missing).into_iter().map(|trial| trial.with_ignored_flag(true)).collect()
}
