//! What runs in the domains of a simulated machine, and around them: systems that boot, answer and end; the console daemon; the
//! backends of devices.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use osevent_standin_hypervisor::{DYING, Hypervisor, PAGE, PAUSED, REASON_SHIFT, SHUTDOWN};
use osevent_standin_xenstored::{Changes, Server};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::console::{Command, Console};

/// Plays the domains of a machine, on a thread of its own, for as long as it is there. A [`Machine`](crate::Machine) has one; a
/// process that has the stand-ins itself can start one.
#[derive(Debug)]
#[must_use]
pub struct Player {
    /// The thread ends when this does.
    alive: Option<UnixStream>,
    thread: Option<JoinHandle<()>>,
}

/// How long a system takes to end once it was asked to.
const ENDING: Duration = Duration::from_millis(300);

/// States of a device, `XenbusState*`.
const INITIALISING: &[u8] = b"1";
const INIT_WAIT: &[u8] = b"2";
const CONNECTED: &[u8] = b"4";

/// `SHUTDOWN_*` of Xen's `public/sched.h`.
const POWEROFF: u32 = 0;
const REBOOT: u32 = 1;

impl Player {
    /// Plays the domains that are there and those that come. Backends of devices are played, too.
    ///
    /// # Errors
    /// There are no descriptors left, or there can be no thread.
    pub fn start(store: Arc<Server>, hypervisor: Arc<Hypervisor>) -> io::Result<Self> {
        let changes = store.watch(&["@introduceDomain", "@releaseDomain", "/local/domain"])?;
        store.auto_close_backends(true);
        let (alive, ended) = UnixStream::pair()?;
        let mut play = Play { store, hypervisor, changes, domains: BTreeMap::new() };
        let thread = thread::Builder::new().name("domains".into()).spawn(move || play.run(&ended))?;
        Ok(Self { alive: Some(alive), thread: Some(thread) })
    }
}

impl Drop for Player {
    fn drop(&mut self) {
        drop(self.alive.take());
        if let Some(thread) = self.thread.take() {
            // A panic was printed; there is nobody to pass it on to.
            let _ = thread.join();
        }
    }
}

/// What the thread has.
struct Play {
    store: Arc<Server>,
    hypervisor: Arc<Hypervisor>,
    changes: Changes,
    domains: BTreeMap<u32, Domain>,
}

/// A domain that is played.
#[derive(Default)]
struct Domain {
    console: Option<Console>,
    /// Since when its system runs.
    booted: Option<Instant>,
    /// When its system ends, and why.
    ending: Option<(Instant, u32)>,
}

impl Play {
    fn run(&mut self, ended: &UnixStream) {
        while !self.changes.has_ended() && self.wait(ended) {
            for path in self.changes.read() {
                self.changed(&path);
            }
            for domid in self.domains.keys().copied().collect::<Vec<_>>() {
                self.live(domid);
            }
        }
    }

    /// Waits until there is something to do. `false` if all is over.
    fn wait(&self, ended: &UnixStream) -> bool {
        let input = |fd| PollFd::from_borrowed_fd(fd, PollFlags::IN);
        let mut fds = vec![input(ended.as_fd()), input(self.changes.as_fd())];
        fds.extend(self.hypervisor.starts().map(input));
        let consoles = self.domains.values().filter_map(|domain| domain.console.as_ref());
        fds.extend(consoles.map(|console| input(console.as_fd())));
        let running = self.domains.iter().filter(|&(&domid, _)| self.runs(domid));
        let next = running.filter_map(|(_, domain)| Some(domain.ending?.0)).min();
        let left = next.map(|due| due.saturating_duration_since(Instant::now()));
        // It can only be interrupted, and then all is looked at.
        let _ = poll(&mut fds, left.and_then(|left| Timespec::try_from(left).ok()).as_ref());
        let is_over = !fds[0].revents().is_empty();
        if let Some(starts) = self.hypervisor.starts() {
            // Which domains have started is looked at in any case.
            let _ = rustix::io::read(starts, &mut [0; 512]);
        }
        !is_over
    }

    /// A node has changed, or a special watch was fired.
    fn changed(&mut self, path: &str) {
        let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        match parts[..] {
            ["@introduceDomain"] | ["local", "domain"] => {
                let exist = self.hypervisor.from(1).map(|(domid, _)| domid);
                let new: Vec<u32> = exist.filter(|domid| !self.domains.contains_key(domid)).collect();
                self.domains.extend(new.into_iter().map(|domid| (domid, Domain::default())));
            }
            ["@releaseDomain"] => self.domains.retain(|&domid, _| self.hypervisor.flags(domid).is_some()),
            ["local", "domain", "0", "backend", kind, domid, devid, "state" | "hotplug-status"] => {
                if let Ok(domid) = domid.parse() {
                    self.backend(kind, domid, devid);
                }
            }
            _ => {}
        }
    }

    /// What a domain does now.
    fn live(&mut self, domid: u32) {
        self.serve_console(domid);
        if !self.runs(domid) {
            return;
        }
        self.boot(domid);
        self.balloon(domid);
        let Some(domain) = self.domains.get_mut(&domid) else { return };
        let commands = domain.console.as_mut().map(Console::read).unwrap_or_default();
        for command in commands {
            self.obey(domid, command);
        }
        self.answer(domid);
        self.end(domid);
    }

    /// The console daemon: gives the domain a terminal once libxl has said that it shall have one.
    fn serve_console(&mut self, domid: u32) {
        let Some(domain) = self.domains.get_mut(&domid) else { return };
        let home = format!("/local/domain/{domid}/console");
        let ready = || ["ring-ref", "port"].iter().all(|name| self.store.read(&format!("{home}/{name}")).is_some());
        if domain.console.is_some() || !ready() {
            return;
        }
        // Without a terminal left it has none.
        let Ok(console) = Console::open() else { return };
        if let Some(path) = console.path().to_str() {
            // The path of a node that is legal.
            let _ = self.store.write(&format!("{home}/tty"), path.as_bytes());
        }
        domain.console = Some(console);
    }

    /// Its system comes up.
    fn boot(&mut self, domid: u32) {
        let Some(domain) = self.domains.get_mut(&domid) else { return };
        if domain.booted.is_some() {
            return;
        }
        domain.booted = Some(Instant::now());
        let Some(info) = self.hypervisor.info(domid) else { return };
        if let Some(console) = &mut domain.console {
            let name = self.store.read(&format!("/local/domain/{domid}/name")).unwrap_or_default();
            let memory = (info.pages * PAGE as u64) >> 20;
            console.print(format_args!("{} is a simulated domain: no code runs in it", String::from_utf8_lossy(&name)));
            console.print(format_args!("{memory} MiB of memory, {} processors", info.vcpus));
            console.print("It is up. `help` lists what it answers to.");
            console.prompt();
        }
        // It may be gone meanwhile.
        let _ = self.hypervisor.set_booted(domid);
        self.connect_devices(domid);
    }

    /// Its balloon driver: it has as much memory as it shall have.
    fn balloon(&self, domid: u32) {
        let Some(info) = self.hypervisor.info(domid) else { return };
        let Some(target) = self.number(&format!("/local/domain/{domid}/memory/target")) else { return };
        let wanted = target / (PAGE as u64 >> 10);
        // It may be gone meanwhile.
        let _ = if wanted > info.pages {
            self.hypervisor.add_pages(domid, wanted - info.pages)
        } else {
            self.hypervisor.remove_pages(domid, info.pages - wanted)
        };
    }

    /// Does what was asked for at its console.
    fn obey(&mut self, domid: u32, command: Command) {
        let Some(domain) = self.domains.get_mut(&domid) else { return };
        let up = domain.booted.map_or(Duration::ZERO, |since| since.elapsed()).as_secs();
        let Some(console) = &mut domain.console else { return };
        match command {
            Command::Nothing => {}
            Command::Help => console.print("help, uptime, poweroff, reboot"),
            Command::Uptime => console.print(format_args!("up {up} s")),
            Command::Unknown => console.print("not found"),
            Command::Poweroff => return self.begin_end(domid, POWEROFF),
            Command::Reboot => return self.begin_end(domid, REBOOT),
        }
        console.prompt();
    }

    /// Answers a request of the toolstack.
    fn answer(&mut self, domid: u32) {
        let node = format!("/local/domain/{domid}/control/shutdown");
        let request = self.store.read(&node).unwrap_or_default();
        let reason = match &request[..] {
            b"poweroff" | b"halt" => POWEROFF,
            b"reboot" => REBOOT,
            _ => return,
        };
        // That it has seen it; the path is a legal one.
        let _ = self.store.write(&node, b"");
        self.begin_end(domid, reason);
    }

    fn begin_end(&mut self, domid: u32, reason: u32) {
        let Some(domain) = self.domains.get_mut(&domid) else { return };
        domain.ending = Some((Instant::now() + ENDING, reason));
        if let Some(console) = &mut domain.console {
            console.print(if reason == REBOOT { "It reboots." } else { "It powers off." });
        }
    }

    /// Ends its system, if the time for it has come.
    fn end(&mut self, domid: u32) {
        let Some(domain) = self.domains.get_mut(&domid) else { return };
        if let Some((due, reason)) = domain.ending
            && due <= Instant::now()
        {
            domain.ending = None;
            // It may be gone meanwhile.
            let _ = self.hypervisor.change(domid, SHUTDOWN | reason << REASON_SHIFT, true);
        }
    }

    /// A backend driver sees a state.
    fn backend(&self, kind: &str, domid: u32, devid: &str) {
        let node = format!("/local/domain/0/backend/{kind}/{domid}/{devid}/state");
        if self.store.read(&node).as_deref() == Some(INITIALISING) {
            let _ = self.store.write(&node, INIT_WAIT);
        }
        if self.domains.get(&domid).is_some_and(|domain| domain.booted.is_some()) {
            self.connect(kind, domid, devid);
        }
    }

    /// Its drivers connect to all backends that wait for them.
    fn connect_devices(&self, domid: u32) {
        let devices = format!("/local/domain/{domid}/device");
        for kind in self.store.list(&devices).unwrap_or_default() {
            for devid in self.store.list(&format!("{devices}/{kind}")).unwrap_or_default() {
                self.connect(&kind, domid, &devid);
            }
        }
    }

    /// As drivers do once the device's hotplug script has run.
    fn connect(&self, kind: &str, domid: u32, devid: &str) {
        let backend = format!("/local/domain/0/backend/{kind}/{domid}/{devid}");
        let (backend, script) = (format!("{backend}/state"), format!("{backend}/hotplug-status"));
        let frontend = format!("/local/domain/{domid}/device/{kind}/{devid}/state");
        let is = |node: &str, value: &[u8]| self.store.read(node).as_deref() == Some(value);
        if is(&backend, INIT_WAIT) && is(&frontend, INITIALISING) && is(&script, b"connected") {
            for node in [frontend, backend] {
                // Both exist.
                let _ = self.store.write(&node, CONNECTED);
            }
        }
    }

    /// Whether its processors run.
    fn runs(&self, domid: u32) -> bool {
        self.hypervisor.flags(domid).is_some_and(|flags| flags & (DYING | SHUTDOWN | PAUSED) == 0)
    }

    fn number(&self, node: &str) -> Option<u64> {
        String::from_utf8(self.store.read(node)?).ok()?.parse().ok()
    }
}
