//! One line of JSON for each change, as Waybar's custom modules read them (waybar-custom(5), `return-type: json`).

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;

use calloop::{EventLoop, LoopSignal};
use serde::Serialize;

use crate::Failure;
use crate::domain::{Domain, State};
use crate::host::{Host, Shows};

/// The fields that Waybar knows. `text` and `tooltip` are Pango markup.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Line {
    text: String,
    alt: &'static str,
    tooltip: String,
    class: Vec<&'static str>,
    percentage: usize,
}

/// The data of the loop.
struct App {
    host: Host<Self>,
    only: Option<String>,
    output: Output,
}

/// Prints until it is told to end, or nobody reads any more.
pub(crate) fn run(only: Option<String>) -> Result<(), Failure> {
    let mut event_loop = EventLoop::try_new()?;
    // First: a thread that is there before would be ended by the signals.
    let host = Host::new(event_loop.handle(), event_loop.get_signal())?;
    let output = Output::start(event_loop.get_signal())?;
    let mut app = App { host, only, output };
    app.host.connect();
    app.changed();
    event_loop.run(None, &mut app, |_| {})?;
    app.host.close()?;
    app.output.result().map_err(Into::into)
}

impl Shows for App {
    fn host(&mut self) -> &mut Host<Self> {
        &mut self.host
    }

    fn changed(&mut self) {
        let line = match &self.only {
            None => Line::of_all(self.host.domains(), self.host.trouble()),
            Some(only) => Line::of_one(self.host.domains(), only, self.host.trouble()),
        };
        // Strings and numbers: it cannot fail.
        self.output.put(serde_json::to_string(&line).unwrap_or_default());
    }
}

impl Line {
    fn of_all(domains: &[Domain], trouble: Option<&str>) -> Self {
        if let Some(trouble) = trouble {
            return Self::trouble(trouble);
        }
        let count = |state| domains.iter().filter(|domain| domain.state == state).count();
        let (running, all) = (count(State::Running), domains.len());
        let class: Vec<&str> = State::ALL.into_iter().filter(|state| count(*state) > 0).map(State::class).collect();
        Self {
            text: format!("{running}/{all}"),
            alt: class.first().copied().unwrap_or("none"),
            tooltip: domains.iter().map(tooltip).collect::<Vec<_>>().join("\n"),
            class: if class.is_empty() { vec!["none"] } else { class },
            percentage: (running * 100).checked_div(all).unwrap_or(0),
        }
    }

    fn of_one(domains: &[Domain], only: &str, trouble: Option<&str>) -> Self {
        if let Some(trouble) = trouble {
            return Self::trouble(trouble);
        }
        let is_meant = |domain: &&Domain| domain.name == only || domain.uuid.to_string() == only;
        // One that is dying is not the living one of the same name.
        let meant = domains.iter().filter(is_meant).min_by_key(|domain| domain.state == State::Dying);
        let Some(domain) = meant else {
            let tooltip = format!("{} is not there", markup(only));
            return Self { text: markup(only), alt: "none", tooltip, class: vec!["none"], percentage: 0 };
        };
        Self {
            text: markup(&domain.name),
            alt: domain.state.class(),
            tooltip: tooltip(domain),
            class: vec![domain.state.class()],
            percentage: if domain.state == State::Running { 100 } else { 0 },
        }
    }

    fn trouble(trouble: &str) -> Self {
        Self { text: "Xen?".into(), alt: "error", tooltip: markup(trouble), class: vec!["error"], percentage: 0 }
    }
}

fn tooltip(domain: &Domain) -> String {
    let Domain { name, state, memory_kib, vcpus, .. } = domain;
    format!("{}: {}, {} MiB, {vcpus} vCPU", markup(name), state.class(), memory_kib / 1024)
}

/// Text as Pango markup, which has these five characters for itself.
fn markup(text: &str) -> String {
    let entities = BTreeMap::from([('&', "&amp;"), ('<', "&lt;"), ('>', "&gt;"), ('"', "&quot;"), ('\'', "&apos;")]);
    let mut markup = String::with_capacity(text.len());
    for character in text.chars() {
        match entities.get(&character) {
            Some(entity) => markup.push_str(entity),
            None => markup.push(character),
        }
    }
    markup
}

/// Standard output. Writing waits for the reader, so a thread writes; it writes the last line that there is, and skips those
/// that the reader was too slow for.
struct Output(Arc<Slot>);

#[derive(Default)]
struct Slot {
    state: Mutex<Waiting>,
    filled: Condvar,
}

#[derive(Default)]
struct Waiting {
    line: Option<String>,
    failure: Option<io::Error>,
}

impl Output {
    /// The loop is ended when nobody reads any more.
    fn start(ends: LoopSignal) -> io::Result<Self> {
        let slot = Arc::new(Slot::default());
        let filled = slot.clone();
        thread::Builder::new().name("waybar".into()).spawn(move || {
            let failure = filled.write_all();
            filled.state.lock().unwrap_or_else(PoisonError::into_inner).failure = Some(failure);
            ends.stop();
            ends.wakeup();
        })?;
        Ok(Self(slot))
    }

    fn put(&self, line: String) {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner).line = Some(line);
        self.0.filled.notify_one();
    }

    /// A reader that has gone is the normal end.
    fn result(&self) -> io::Result<()> {
        match self.0.state.lock().unwrap_or_else(PoisonError::into_inner).failure.take() {
            Some(failure) if failure.kind() != io::ErrorKind::BrokenPipe => Err(failure),
            _ => Ok(()),
        }
    }
}

impl Slot {
    /// Writes until that fails.
    fn write_all(&self) -> io::Error {
        let mut written = String::new();
        loop {
            let line = {
                let waiting = self.state.lock().unwrap_or_else(PoisonError::into_inner);
                let mut waiting = self
                    .filled
                    .wait_while(waiting, |waiting| waiting.line.is_none())
                    .unwrap_or_else(PoisonError::into_inner);
                waiting.line.take().unwrap_or_default()
            };
            if line == written {
                continue;
            }
            let mut output = io::stdout().lock();
            if let Err(failure) = writeln!(output, "{line}").and_then(|()| output.flush()) {
                return failure;
            }
            written = line;
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;
    use xenlight::DomainId;

    use super::*;

    fn domain(domid: u32, name: &str, state: State) -> Domain {
        Domain {
            domid: DomainId::new(domid),
            uuid: Uuid::from_u128(domid.into()),
            name: name.into(),
            state,
            memory_kib: 524_288,
            vcpus: 2,
        }
    }

    #[test]
    fn the_states_that_occur_are_the_classes() {
        let domains =
            [domain(1, "web", State::Running), domain(2, "db", State::Paused), domain(3, "old", State::Running)];
        let line = Line::of_all(&domains, None);
        assert_eq!((line.text.as_str(), line.percentage), ("2/3", 66));
        assert_eq!(line.class, ["running", "paused"]);
        assert_eq!(line.tooltip.lines().next(), Some("web: running, 512 MiB, 2 vCPU"));
    }

    #[test]
    fn no_domain_and_no_xen_are_told_apart() {
        assert_eq!(Line::of_all(&[], None).class, ["none"]);
        let line = Line::of_all(&[], Some("not <root>"));
        assert_eq!((line.class.as_slice(), line.tooltip.as_str()), (["error"].as_slice(), "not &lt;root&gt;"));
    }

    #[test]
    fn a_name_is_text_not_markup() {
        let name = "<b>a & \"b\" 'c'</b> خادم";
        let line = Line::of_one(&[domain(1, name, State::Running)], name, None);
        assert_eq!(line.text, "&lt;b&gt;a &amp; &quot;b&quot; &apos;c&apos;&lt;/b&gt; خادم");
    }

    #[test]
    fn the_living_one_of_a_name_is_meant() {
        let domains = [domain(1, "web", State::Dying), domain(2, "web", State::Running)];
        assert_eq!(Line::of_one(&domains, "web", None).alt, "running");
        assert_eq!(Line::of_one(&domains[..1], "web", None).alt, "dying");
        assert_eq!(Line::of_one(&domains, "db", None).alt, "none");
    }
}
