//! Calls into the client, occurrences included, and its end.

use super::{Inside, Replay};
use crate::boundary::Rule;

impl Replay<'_> {
    pub(super) fn begin_client_call(&mut self, at: usize, what: Inside) {
        let step = self.steps(at);
        let inner = self.threads[step.thread as usize].last().map(|open| (open.what.is_hook(), open.step, open.client));
        if let Some((true, hook, client)) = inner {
            let clause = if client == step.client && what == Inside::Occurrence { "O1" } else { "R15" };
            self.wrong(clause, at, format!("{} from inside a hook: {}", self.say(at), self.say(hook)));
        }
        if let Some(free) = self.state(at).free {
            self.wrong("X4", at, format!("{} after the client's end had begun in step {free}", self.say(at)));
        }
        let needed = self.rule(at) == Rule::Serialized;
        if let Some(other) = self.elsewhere(at).filter(|_| needed) {
            let text =
                format!("{} while {}, without the outer lock that the client needs", self.say(at), self.say(other));
            self.wrong("O2", at, text);
        }
        self.push(at, what);
    }

    pub(super) fn returned(&mut self, at: usize) {
        let step = self.steps(at);
        let Some(open) = self.threads[step.thread as usize].pop() else { return };
        match open.what {
            Inside::Occurrence => {
                // R15: hooks elsewhere that began during it and are still there.
                for hook in
                    self.threads.iter_mut().flatten().filter(|hook| hook.what.is_hook() && hook.step > open.step)
                {
                    hook.outlived.get_or_insert(open.step);
                }
            }
            Inside::Free => self.freed(at),
            _ => {}
        }
    }

    /// Another thread that is inside the client: the step with which it went there.
    fn elsewhere(&self, at: usize) -> Option<usize> {
        let step = self.steps(at);
        let others = self.threads.iter().enumerate().filter(|(thread, _)| *thread != step.thread as usize);
        let mut open = others.flat_map(|(_, stack)| stack);
        open.find(|open| open.client == step.client && !open.what.is_hook()).map(|open| open.step)
    }

    pub(super) fn free(&mut self, at: usize) {
        let step = self.steps(at);
        if let Some(before) = self.state(at).free {
            self.wrong("X4", at, format!("the client is freed again; step {before} was the first time"));
        }
        let mine = self.threads[step.thread as usize].iter().rev().find(|open| open.client == step.client);
        if let Some(open) = mine.map(|open| open.step) {
            self.wrong("X5", at, format!("the client is freed from inside itself: {}", self.say(open)));
        }
        if let Some(other) = self.elsewhere(at) {
            self.wrong("X4", at, format!("the client is freed while {}", self.say(other)));
        }
        self.clients[step.client as usize].free.get_or_insert(at);
        self.push(at, Inside::Free);
    }

    fn freed(&mut self, at: usize) {
        let state = self.state(at);
        let free = state.free.unwrap_or(at);
        let fds: Vec<_> = state.fds.all.iter().filter(|fd| fd.stands()).map(|fd| fd.about.fd).collect();
        let timeouts: Vec<_> =
            state.timeouts.all.iter().filter(|it| it.stands() && !it.about.is_cancelled()).map(|it| it.step).collect();
        if !fds.is_empty() {
            self.wrong("X2", at, format!("the client is freed, and fds {fds:?} are still registered"));
        }
        if !timeouts.is_empty() {
            self.wrong(
                "X3",
                free,
                format!("the client is freed, and the timeouts of steps {timeouts:?} are still registered"),
            );
        }
        self.clients[self.record.steps[at].client as usize].freed = true;
    }
}
