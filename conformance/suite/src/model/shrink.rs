//! Shortens a failing script.

use super::script::{Op, Script};
use super::{ChildMode, Ending};
use std::ops::Range;

/// The result of shortening a script.
#[derive(Clone, Debug)]
pub struct Shrunk {
    /// The shortest script that was found to fail.
    pub script: Script,
    /// The number of scripts that were tried.
    pub tried: usize,
}

/// Removes operations, including those of callbacks, while the rest still fails according to `fails`. It removes large parts first, and
/// stops when no single operation can be removed or `budget` scripts were tried.
///
/// A race does not always fail, so `fails` has to repeat a script as often as necessary.
pub fn shrink(script: &Script, budget: usize, mut fails: impl FnMut(&Script) -> bool) -> Shrunk {
    let mut shrunk = Shrunk { script: script.clone(), tried: 0 };
    let mut size = script.len();
    while size > 0 && shrunk.tried < budget {
        let (mut at, mut removed) = (0, false);
        while at < shrunk.script.len() && shrunk.tried < budget {
            let candidate = without(&shrunk.script, &(at..at + size));
            shrunk.tried += 1;
            if fails(&candidate) {
                shrunk.script = candidate;
                removed = true;
            } else {
                at += size;
            }
        }
        // What could not go before may go now.
        size = if removed { size.min(shrunk.script.len()) } else { size / 2 };
    }
    // What a callback does may do without the callback.
    let mut at = 0;
    while at < shrunk.script.len() && shrunk.tried < budget {
        let candidate = edited(&shrunk.script, |number, op| if number == at { op.then().to_vec() } else { vec![op] });
        shrunk.tried += 1;
        if candidate.len() < shrunk.script.len() && fails(&candidate) {
            shrunk.script = candidate;
        } else {
            at += 1;
        }
    }
    let calmer = Script { ending: Ending::Calm, children: ChildMode::Libxl, ..shrunk.script.clone() };
    if shrunk.script != calmer && fails(&calmer) {
        shrunk.script = calmer;
    }
    shrunk
}

/// The script without these operations, and without what their callbacks do.
fn without(script: &Script, range: &Range<usize>) -> Script {
    edited(script, |number, op| if range.contains(&number) { Vec::new() } else { vec![op] })
}

/// The script with each operation replaced. They are numbered as they are written down: each before those of its callback, which
/// are replaced first. Threads that have nothing left to do go, and so do the last files that nobody names.
fn edited(script: &Script, mut edit: impl FnMut(usize, Op) -> Vec<Op>) -> Script {
    fn all(ops: &[Op], edit: &mut impl FnMut(usize, Op) -> Vec<Op>, next: &mut usize) -> Vec<Op> {
        let mut edited = Vec::new();
        for op in ops {
            let number = *next;
            *next += 1;
            let mut op = op.clone();
            if let Some(then) = op.then_mut() {
                *then = all(then, edit, next);
            }
            edited.extend(edit(number, op));
        }
        edited
    }
    let mut next = 0;
    let mut threads: Vec<_> = script.threads.iter().map(|ops| all(ops, &mut edit, &mut next)).collect();
    threads.retain(|ops| !ops.is_empty());
    let files = threads.iter().flatten().filter_map(Op::last_file).max().map_or(0, |last| usize::from(last) + 1);
    let files = script.files[..files].to_vec();
    Script { threads, files, ..script.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Release;

    #[test]
    fn two_operations_that_fail_together_are_all_that_is_left() {
        let script = (0..).map(|seed| Script::generate(seed, Release::V4_13)).find(|script| {
            let text = script.to_string();
            text.contains("fork") && text.contains("replace") && script.len() > 30
        });
        let fails = |script: &Script| {
            let text = script.to_string();
            text.contains("fork") && text.contains("replace")
        };
        let shrunk = shrink(&script.expect("some seed has them"), usize::MAX, fails);
        // One of them may be what the other one's callback does.
        assert!(shrunk.script.len() <= 3, "{}", shrunk.script);
        assert!(fails(&shrunk.script) && shrunk.script.ending == Ending::Calm);
    }

    #[test]
    fn a_budget_is_kept() {
        let script = Script::generate(1, Release::V4_13);
        assert!(shrink(&script, 5, |_| true).tried <= 5);
    }
}
