use super::*;
use crate::boundary::{Client, Hosting, Integration, Rule, WallTime};
use std::collections::HashSet;
use std::io::{PipeReader, PipeWriter, Read, Write, pipe};
use std::os::fd::{AsRawFd, RawFd};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const PATIENCE: Duration = Duration::from_secs(120);

/// What the client was called with.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    Fd(u64, RawFd, i16),
    Timeout(u64, WallTime),
    Freed,
}

type Act = Box<dyn FnOnce(&dyn Hosting) + Send>;

/// Tells what it sees; in each occurrence it does what it was told to.
struct Witness {
    seen: Sender<Seen>,
    inside: Mutex<Option<Act>>,
    hosting: OnceLock<Arc<dyn Hosting>>,
}

impl Witness {
    fn tell(&self, seen: Seen) {
        // The test may be over.
        let _ = self.seen.send(seen);
        let act = self.inside.lock().unwrap().take();
        if let (Some(act), Some(hosting)) = (act, self.hosting.get()) {
            act(&**hosting);
        }
    }
}

impl Client for Witness {
    fn occurred_fd(&self, value: u64, fd: RawFd, _: i16, revents: i16) {
        self.tell(Seen::Fd(value, fd, revents));
    }
    fn occurred_timeout(&self, value: u64) {
        self.tell(Seen::Timeout(value, now()));
    }
    fn free(&self) {
        self.tell(Seen::Freed);
    }
}

struct Scene {
    _naive: Naive,
    hosting: Arc<dyn Hosting>,
    witness: Arc<Witness>,
    seen: Receiver<Seen>,
}

impl Scene {
    fn set(fault: Option<Fault>, rule: Rule) -> Self {
        let naive = Naive::start(fault).unwrap();
        let (sender, seen) = channel();
        let witness = Arc::new(Witness { seen: sender, inside: Mutex::default(), hosting: OnceLock::new() });
        let hosting = naive.host(witness.clone(), rule).unwrap();
        assert!(witness.hosting.set(hosting.clone()).is_ok());
        Self { _naive: naive, hosting, witness, seen }
    }

    fn next(&self) -> Seen {
        self.seen.recv_timeout(PATIENCE).expect("it occurs")
    }

    fn inside(&self, act: impl FnOnce(&dyn Hosting) + Send + 'static) {
        *self.witness.inside.lock().unwrap() = Some(Box::new(act));
    }
}

fn now() -> WallTime {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    (now.as_secs() as i64, i64::from(now.subsec_micros()))
}

fn after(ms: i64) -> WallTime {
    let (seconds, micros) = now();
    let micros = micros + ms * 1_000;
    (seconds + micros.div_euclid(1_000_000), micros.rem_euclid(1_000_000))
}

fn watched_pipe(scene: &Scene, value: u64) -> (PipeReader, PipeWriter, u64) {
    let (reader, writer) = pipe().unwrap();
    let mut handle = 0;
    assert_eq!(scene.hosting.fd_register(reader.as_raw_fd(), &mut handle, libc::POLLIN, value), 0);
    (reader, writer, handle)
}

#[test]
fn an_fd_occurs_while_it_is_ready_and_no_longer_after_it_is_deregistered() {
    // O10, R8
    for rule in [Rule::Concurrent, Rule::Serialized] {
        let scene = Scene::set(None, rule);
        let (mut reader, mut writer, handle) = watched_pipe(&scene, 7);
        writer.write_all(b"!").unwrap();
        for _ in 0..3 {
            assert_eq!(scene.next(), Seen::Fd(7, reader.as_raw_fd(), libc::POLLIN));
        }
        assert!(scene.hosting.call(&mut || {
            scene.hosting.fd_deregister(reader.as_raw_fd(), handle);
            reader.read_exact(&mut [0]).unwrap();
        }));
        // What was on its way has come by the time that a timeout has.
        scene.hosting.timeout_register(&mut 0, (0, 0), 8);
        while let Seen::Fd(7, ..) = scene.next() {}
        scene.hosting.close();
        assert_eq!(scene.next(), Seen::Freed);
    }
}

#[test]
fn timeouts_occur_once_and_in_order_and_not_early() {
    // O5, O7, R12
    let scene = Scene::set(None, Rule::Concurrent);
    let deadlines = [after(60), after(30), after(90)];
    for (at, deadline) in deadlines.iter().enumerate() {
        assert_eq!(scene.hosting.timeout_register(&mut 0, *deadline, at as u64), 0);
    }
    for at in [1, 0, 2] {
        match scene.next() {
            Seen::Timeout(value, when) => {
                assert_eq!(value, at);
                assert!(when >= deadlines[at as usize]);
            }
            other => panic!("{other:?}"),
        }
    }
    scene.hosting.close();
    assert_eq!(scene.next(), Seen::Freed, "nothing occurred again");
}

#[test]
fn a_timeout_set_to_zero_occurs_and_a_taken_one_is_left_alone() {
    // R13, R14
    let scene = Scene::set(None, Rule::Concurrent);
    let mut handle = 0;
    scene.hosting.timeout_register(&mut handle, after(3_600_000), 1);
    assert_eq!(scene.hosting.timeout_modify(&mut handle, (0, 0)), 0);
    assert!(matches!(scene.next(), Seen::Timeout(1, _)));
    assert_eq!(scene.hosting.timeout_modify(&mut handle, (0, 0)), 0);
    scene.hosting.close();
    assert_eq!(scene.next(), Seen::Freed);
}

#[test]
fn a_client_closed_inside_an_occurrence_is_freed_when_that_has_returned() {
    // X5
    let scene = Scene::set(None, Rule::Serialized);
    let (witness, hosting) = (scene.witness.clone(), scene.hosting.clone());
    scene.inside(move |_| {
        hosting.close();
        assert!(!hosting.call(&mut || panic!("a call began while closing")));
        let _ = witness.seen.send(Seen::Timeout(99, (0, 0)));
    });
    scene.hosting.timeout_register(&mut 0, (0, 0), 1);
    assert!(matches!(scene.next(), Seen::Timeout(1, _)));
    assert_eq!(scene.next(), Seen::Timeout(99, (0, 0)));
    assert_eq!(scene.next(), Seen::Freed);
}

#[test]
fn a_stale_pointer_names_what_was_registered_next() {
    // The effect of R14's use after free, and that it is the fault's alone.
    for (fault, first) in [(None, 3), (Some(Fault::PointerHandles), 2)] {
        let scene = Scene::set(fault, Rule::Concurrent);
        let mut stale = 0;
        scene.hosting.timeout_register(&mut stale, (0, 0), 1);
        assert!(matches!(scene.next(), Seen::Timeout(1, _)));
        scene.hosting.timeout_register(&mut 0, after(3_600_000), 2);
        scene.hosting.timeout_modify(&mut stale, (0, 0));
        scene.hosting.timeout_register(&mut 0, (0, 0), 3);
        assert!(matches!(scene.next(), Seen::Timeout(value, _) if value == first));
    }
}

#[test]
fn each_fault_is_listed_once_and_cites_clauses_of_the_contract() {
    let contract = include_str!("../../../../docs/contract.md");
    let names: HashSet<_> = BROKEN.iter().map(|broken| broken.name).collect();
    assert_eq!(names.len(), BROKEN.len());
    assert!(BROKEN.len() >= 25);
    for broken in BROKEN {
        assert_eq!(BROKEN.iter().filter(|other| other.fault == broken.fault).count(), 1, "{}", broken.name);
        for clause in broken.clauses {
            assert!(contract.contains(&format!("\n| {clause} |")), "{}: {clause}", broken.name);
        }
    }
}
