//! The wire protocol, over raw sockets.

use std::{
    collections::BTreeMap,
    fs,
    io::{ErrorKind, Read, Write},
    os::{
        fd::{AsRawFd, FromRawFd},
        unix::net::UnixStream,
    },
    sync::{Arc, Mutex},
    time::Duration,
};

use osevent_standin_xenstored::{BindError, Fate, Refusal, Server};
use tempfile::TempDir;

const CONTROL: u32 = 0;
const DIRECTORY: u32 = 1;
const READ: u32 = 2;
const GET_PERMS: u32 = 3;
const WATCH: u32 = 4;
const UNWATCH: u32 = 5;
const TRANSACTION_START: u32 = 6;
const TRANSACTION_END: u32 = 7;
const INTRODUCE: u32 = 8;
const RELEASE: u32 = 9;
const GET_DOMAIN_PATH: u32 = 10;
const WRITE: u32 = 11;
const MKDIR: u32 = 12;
const RM: u32 = 13;
const SET_PERMS: u32 = 14;
const WATCH_EVENT: u32 = 15;
const ERROR: u32 = 16;
const IS_DOMAIN_INTRODUCED: u32 = 17;
const RESUME: u32 = 18;
const SET_TARGET: u32 = 19;
const RESET_WATCHES: u32 = 21;
const DIRECTORY_PART: u32 = 22;

/// A server at a path of its own.
struct Fixture {
    server: Server,
    _folder: TempDir,
}

impl Fixture {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { server: Server::bind(folder.path().join("socket")).unwrap(), _folder: folder }
    }

    fn client(&self) -> Client {
        let stream = UnixStream::connect(self.server.path()).unwrap();
        // The bound on all waits: a reply that does not come fails the test.
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        Client { stream, request: 0 }
    }
}

struct Client {
    stream: UnixStream,
    request: u32,
}

impl Client {
    fn send(&mut self, kind: u32, transaction: u32, payload: &[u8]) {
        self.request += 1;
        self.stream.write_all(&message(kind, self.request, transaction, payload)).unwrap();
    }

    /// Type, request, transaction and payload of the next message.
    fn receive(&mut self) -> (u32, u32, u32, Vec<u8>) {
        let mut header = [0; 16];
        self.stream.read_exact(&mut header).unwrap();
        let word = |index: usize| u32::from_ne_bytes(header[4 * index..4 * index + 4].try_into().unwrap());
        let mut payload = vec![0; word(3) as usize];
        self.stream.read_exact(&mut payload).unwrap();
        (word(0), word(1), word(2), payload)
    }

    fn event(&mut self) -> String {
        let (kind, request, transaction, payload) = self.receive();
        assert_eq!((kind, request, transaction), (WATCH_EVENT, 0, 0), "{}", payload.escape_ascii());
        payload.escape_ascii().to_string()
    }

    /// The reply to a request, its header checked: the payload, or the error's name.
    fn ask_in(&mut self, transaction: u32, kind: u32, payload: &[u8]) -> Result<Vec<u8>, String> {
        self.send(kind, transaction, payload);
        self.reply(transaction, kind)
    }

    fn reply(&mut self, transaction: u32, kind: u32) -> Result<Vec<u8>, String> {
        let (got, request, got_transaction, payload) = self.receive();
        assert_eq!((request, got_transaction), (self.request, transaction));
        match got {
            ERROR => Err(String::from_utf8(payload).unwrap().trim_end_matches('\0').to_owned()),
            _ => {
                assert_eq!(got, kind);
                Ok(payload)
            }
        }
    }

    fn ask(&mut self, kind: u32, payload: &[u8]) -> Result<Vec<u8>, String> {
        self.ask_in(0, kind, payload)
    }

    fn start(&mut self) -> u32 {
        let id = self.ask(TRANSACTION_START, b"\0").unwrap();
        str::from_utf8(&id).unwrap().trim_end_matches('\0').parse().unwrap()
    }
}

fn message(kind: u32, request: u32, transaction: u32, payload: &[u8]) -> Vec<u8> {
    let words = [kind, request, transaction, payload.len() as u32].map(u32::to_ne_bytes);
    [words.as_flattened(), payload].concat()
}

fn ok() -> Result<Vec<u8>, String> {
    Ok(b"OK\0".to_vec())
}

fn error(name: &str) -> Result<Vec<u8>, String> {
    Err(name.to_owned())
}

#[test]
fn nodes_are_written_read_listed_and_removed() {
    let fixture = Fixture::new();
    let mut client = fixture.client();
    assert_eq!(client.ask(WRITE, b"/a/b\0\x01bin\0ary"), ok());
    assert_eq!(client.ask(READ, b"/a/b\0"), Ok(b"\x01bin\0ary".to_vec()));
    assert_eq!(client.ask(READ, b"/a\0"), Ok(vec![]));
    assert_eq!(client.ask(MKDIR, b"/a/c\0"), ok());
    assert_eq!(client.ask(MKDIR, b"/a/b\0"), ok());
    assert_eq!(client.ask(DIRECTORY, b"/a\0"), Ok(b"b\0c\0".to_vec()));
    assert_eq!(client.ask(DIRECTORY, b"/a/c\0"), Ok(vec![]));
    assert_eq!(client.ask(RM, b"/a\0"), ok());
    assert_eq!(client.ask(READ, b"/a/b\0"), error("ENOENT"));
    assert_eq!(client.ask(RM, b"/a\0"), ok(), "its parent exists");
    assert_eq!(client.ask(RM, b"/a/b\0"), error("ENOENT"), "its parent does not");
    assert_eq!(client.ask(DIRECTORY, b"/a\0"), error("ENOENT"));
}

#[test]
fn relative_paths_are_domain_0s_for_nodes_and_in_events() {
    let fixture = Fixture::new();
    let mut client = fixture.client();
    assert_eq!(client.ask(READ, b"domid\0"), Ok(b"0".to_vec()));
    assert_eq!(client.ask(WATCH, b"x\0t\0"), ok());
    assert_eq!(client.event(), "x\\x00t\\x00");
    fixture.server.write("/local/domain/0/x/y", b"").unwrap();
    assert_eq!(client.event(), "x/y\\x00t\\x00");
}

#[test]
fn malformed_requests_are_refused_with_the_real_daemons_errors() {
    let fixture = Fixture::new();
    let mut client = fixture.client();
    let long = [&b"/"[..], &[b'x'; 3072], b"\0"].concat();
    let cases: [(u32, &[u8], &str); 22] = [
        (READ, b"/a", "EINVAL"),
        (READ, b"", "EINVAL"),
        (READ, b"\0", "EINVAL"),
        (READ, b"/a\0b\0", "EINVAL"),
        (READ, b"/a/\0", "EINVAL"),
        (READ, b"/a b\0", "EINVAL"),
        (READ, b"@releaseDomain\0", "EINVAL"),
        (READ, &long, "EINVAL"),
        (WRITE, b"/a", "EINVAL"),
        (WRITE, b"@x\0v", "EINVAL"),
        (RM, b"/\0", "EINVAL"),
        (WATCH, b"/a\0", "EINVAL"),
        (WATCH, b"/a\0t\0more\0", "EINVAL"),
        (UNWATCH, b"/a\0t\0", "ENOENT"),
        (TRANSACTION_END, b"X\0", "EINVAL"),
        (TRANSACTION_END, b"T\0", "ENOENT"),
        (SET_PERMS, b"/\0", "EINVAL"),
        (SET_PERMS, b"/\0x0\0", "EINVAL"),
        (DIRECTORY_PART, b"/\0", "EINVAL"),
        (CONTROL, b"nonsense\0", "EINVAL"),
        (WATCH_EVENT, b"/a\0t\0", "ENOSYS"),
        (4711, b"", "ENOSYS"),
    ];
    for (kind, payload, name) in cases {
        assert_eq!(client.ask(kind, payload), error(name), "{kind} {}", payload.escape_ascii());
    }
    assert_eq!(client.ask_in(9, READ, b"/\0"), error("ENOENT"), "an unknown transaction");
}

#[test]
fn permissions_are_kept_and_inherited() {
    let fixture = Fixture::new();
    let mut client = fixture.client();
    assert_eq!(client.ask(GET_PERMS, b"/\0"), Ok(b"n0\0".to_vec()));
    client.ask(MKDIR, b"/a\0").unwrap();
    assert_eq!(client.ask(SET_PERMS, b"/a\0n5\0r0\0"), ok());
    client.ask(WRITE, b"/a/b\0").unwrap();
    assert_eq!(client.ask(GET_PERMS, b"/a/b\0"), Ok(b"n5\0r0\0".to_vec()));
    assert_eq!(client.ask(SET_PERMS, b"/none\0n5\0"), error("ENOENT"));
    assert_eq!(client.ask(SET_PERMS, b"@releaseDomain\0n0\0r5\0"), ok());
}

#[test]
fn a_watch_begins_with_an_event_and_ends_with_unwatch() {
    let fixture = Fixture::new();
    let mut client = fixture.client();
    assert_eq!(client.ask(WATCH, b"/a\0t\0"), ok());
    assert_eq!(client.event(), "/a\\x00t\\x00");
    assert_eq!(client.ask(WATCH, b"/a\0t\0"), error("EEXIST"));
    assert_eq!(client.ask(WATCH, b"/a\0u\0"), ok());
    assert_eq!(client.event(), "/a\\x00u\\x00");
    assert_eq!(client.ask(UNWATCH, b"/a\0t\0"), ok());
    fixture.server.write("/a/b", b"").unwrap();
    fixture.server.write("/ab", b"").unwrap();
    assert_eq!(client.event(), "/a/b\\x00u\\x00");
    assert_eq!(client.ask(RESET_WATCHES, b"\0"), ok());
    fixture.server.write("/a/b", b"").unwrap();
    assert_eq!(client.ask(READ, b"/a\0"), Ok(vec![]), "no event comes before the reply");
}

#[test]
fn an_own_change_is_told_before_it_is_acknowledged() {
    let fixture = Fixture::new();
    let mut client = fixture.client();
    client.ask(WATCH, b"/a\0t\0").unwrap();
    client.event();
    client.send(WRITE, 0, b"/a/b\0v");
    assert_eq!(client.event(), "/a/b\\x00t\\x00");
    assert_eq!(client.reply(0, WRITE), ok());
}

#[test]
fn removal_is_told_to_watches_of_each_removed_node_and_once_to_parents() {
    let fixture = Fixture::new();
    fixture.server.write("/a/b/c", b"").unwrap();
    let mut client = fixture.client();
    for watch in [&b"/a\0parent\0"[..], b"/a/b\0node\0", b"/a/b/c\0child\0", b"/a/b/none\0missing\0"] {
        client.ask(WATCH, watch).unwrap();
        client.event();
    }
    fixture.server.remove("/a/b").unwrap();
    assert_eq!(client.event(), "/a/b/c\\x00child\\x00");
    assert_eq!(client.event(), "/a/b\\x00parent\\x00");
    assert_eq!(client.event(), "/a/b\\x00node\\x00");
    assert_eq!(client.ask(READ, b"/a\0"), Ok(vec![]), "no event comes before the reply");
}

#[test]
fn transactions_are_isolated_and_conflicts_end_in_eagain() {
    let fixture = Fixture::new();
    let (mut one, mut other) = (fixture.client(), fixture.client());
    other.ask(WATCH, b"/a\0t\0").unwrap();
    other.event();
    let id = one.start();
    assert_eq!(one.ask_in(id, TRANSACTION_START, b"\0"), error("EBUSY"));
    assert_eq!(one.ask_in(id, WRITE, b"/a\0one"), ok());
    assert_eq!(one.ask_in(id, READ, b"/a\0"), Ok(b"one".to_vec()));
    assert_eq!(other.ask(READ, b"/a\0"), error("ENOENT"), "neither the node nor its event is there yet");
    assert_eq!(one.ask_in(id, TRANSACTION_END, b"T\0"), ok());
    assert_eq!(other.event(), "/a\\x00t\\x00");
    assert_eq!(other.ask(READ, b"/a\0"), Ok(b"one".to_vec()));

    let id = one.start();
    one.ask_in(id, READ, b"/a\0").unwrap();
    fixture.server.write("/a", b"other").unwrap();
    assert_eq!(one.ask_in(id, READ, b"/a\0"), Ok(b"one".to_vec()));
    assert_eq!(one.ask_in(id, TRANSACTION_END, b"T\0"), error("EAGAIN"));
    assert_eq!(one.ask_in(id, READ, b"/a\0"), error("ENOENT"), "the transaction is over");

    let id = one.start();
    one.ask_in(id, RM, b"/a\0").unwrap();
    assert_eq!(one.ask_in(id, TRANSACTION_END, b"F\0"), ok());
    assert_eq!(fixture.server.read("/a").as_deref(), Some(&b"other"[..]));
}

#[test]
fn domains_are_introduced_and_released_with_their_nodes() {
    let fixture = Fixture::new();
    let mut client = fixture.client();
    client.ask(WATCH, b"@introduceDomain\0i\0").unwrap();
    client.event();
    client.ask(WATCH, b"@releaseDomain\0r\0").unwrap();
    client.event();
    client.ask(WATCH, b"/\0root\0").unwrap();
    client.event();
    assert_eq!(client.ask(INTRODUCE, b"5\0-1\x000\0"), error("EINVAL"), "no event channel");
    client.send(INTRODUCE, 0, b"5\x00123\x001\0");
    assert_eq!(client.event(), "@introduceDomain\\x00i\\x00", "and nothing for the watch on the root");
    assert_eq!(client.reply(0, INTRODUCE), ok());
    assert_eq!(client.ask(INTRODUCE, b"5\x00123\x001\0"), ok(), "again, without an event");
    assert_eq!(client.ask(IS_DOMAIN_INTRODUCED, b"5\0"), Ok(b"T\0".to_vec()));
    assert_eq!(client.ask(IS_DOMAIN_INTRODUCED, b"6\0"), Ok(b"F\0".to_vec()));
    assert_eq!(client.ask(GET_DOMAIN_PATH, b"05\0"), Ok(b"/local/domain/5\0".to_vec()));
    assert_eq!(client.ask(SET_TARGET, b"5\x006\0"), error("ENOENT"));
    assert_eq!(client.ask(RESUME, b"5\0"), ok());
    assert_eq!(client.ask(RESUME, b"0\0"), error("EINVAL"));
    client.ask(RESET_WATCHES, b"\0").unwrap();

    client.ask(MKDIR, b"/local/domain/5\0").unwrap();
    client.ask(SET_PERMS, b"/local/domain/5\0n5\0").unwrap();
    client.ask(WATCH, b"@releaseDomain\0r\0").unwrap();
    client.event();
    client.send(RELEASE, 0, b"5\0");
    assert_eq!(client.event(), "@releaseDomain\\x00r\\x00");
    assert_eq!(client.reply(0, RELEASE), ok());
    assert_eq!(fixture.server.list("/local/domain"), Some(vec!["0".into()]));
    assert_eq!(client.ask(RELEASE, b"5\0"), error("ENOENT"));
}

#[test]
fn special_watches_are_fired_by_the_process_a_client_or_an_eventfd() {
    let fixture = Fixture::new();
    let mut client = fixture.client();
    client.ask(WATCH, b"@releaseDomain\0t\0").unwrap();
    let event = "@releaseDomain\\x00t\\x00";
    assert_eq!(client.event(), event);
    fixture.server.fire_special("@releaseDomain").unwrap();
    assert_eq!(client.event(), event);
    assert_eq!(fixture.server.fire_special("releaseDomain"), Err(Refusal::Invalid));
    client.send(CONTROL, 0, b"fire\0@releaseDomain\0");
    assert_eq!(client.event(), event);
    assert_eq!(client.reply(0, CONTROL), ok());

    // SAFETY: eventfd takes no pointer.
    let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
    // SAFETY: opened a line ago, and nobody else's.
    let mut happened = unsafe { fs::File::from_raw_fd(fd) };
    fixture.server.release_on(happened.try_clone().unwrap().into());
    for _ in 0..2 {
        happened.write_all(&1u64.to_ne_bytes()).unwrap();
        assert_eq!(client.event(), event);
    }
}

#[test]
fn once_the_hypervisor_is_asked_each_shutdown_and_each_end_is_told_once_and_that_a_dying_domain_is_gone_is_not() {
    let fixture = Fixture::new();
    let server = &fixture.server;
    let fates = Arc::new(Mutex::new(BTreeMap::from([(3, Fate::Running), (4, Fate::Running)])));
    let asked = fates.clone();
    server.look_before_release(move |domid| *asked.lock().unwrap().get(&domid).unwrap_or(&Fate::Ending));
    // SAFETY: eventfd takes no pointer.
    let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
    // SAFETY: opened a line ago, and nobody else's.
    let mut happened = unsafe { fs::File::from_raw_fd(fd) };
    server.release_on(happened.try_clone().unwrap().into());
    let mut client = fixture.client();
    client.ask(WATCH, b"@introduceDomain\0i\0").unwrap();
    client.event();
    client.ask(WATCH, b"@releaseDomain\0r\0").unwrap();
    client.event();
    for domid in [3, 3, 4] {
        server.introduce(domid);
    }
    assert_eq!([client.event(), client.event()], ["@introduceDomain\\x00i\\x00"; 2]);

    client.ask(WATCH, b"/mark\0m\0").unwrap();
    client.event();

    let mut happens = |fate: Option<Fate>, told: bool| {
        match fate {
            Some(fate) => _ = fates.lock().unwrap().insert(3, fate),
            None => _ = fates.lock().unwrap().remove(&3),
        }
        happened.write_all(&1u64.to_ne_bytes()).unwrap();
        // Until the server has read it: what it tells then comes before what it is asked for afterwards.
        let mut fd = libc::pollfd { fd: happened.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one pollfd, for the length of the call.
        while unsafe { libc::poll(&mut fd, 1, 0) } == 1 {
            std::thread::yield_now();
        }
        server.write("/mark", b"").unwrap();
        if told {
            assert_eq!(client.event(), "@releaseDomain\\x00r\\x00", "{fate:?}");
        }
        assert_eq!(client.event(), "/mark\\x00m\\x00", "{fate:?}");
    };
    happens(Some(Fate::Running), false);
    happens(Some(Fate::ShutDown), true);
    happens(Some(Fate::ShutDown), false);
    happens(Some(Fate::Running), false);
    happens(Some(Fate::ShutDown), true);
    happens(Some(Fate::Ending), true);
    happens(Some(Fate::Ending), false);
    happens(None, false);
    assert_eq!(client.ask(IS_DOMAIN_INTRODUCED, b"3\0"), Ok(b"F\0".to_vec()));
    assert_eq!(client.ask(IS_DOMAIN_INTRODUCED, b"4\0"), Ok(b"T\0".to_vec()));
}

#[test]
fn a_server_that_is_away_has_no_clients_until_it_is_back() {
    let fixture = Fixture::new();
    let mut client = fixture.client();
    fixture.server.write("/a", b"1").unwrap();
    // It has been accepted.
    assert_eq!(client.ask(READ, b"/a\0"), Ok(b"1".to_vec()));
    fixture.server.go_away().unwrap();
    assert_eq!(client.stream.read(&mut [0]).unwrap(), 0);
    assert!(UnixStream::connect(fixture.server.path()).is_err());
    fixture.server.come_back().unwrap();
    assert_eq!(fixture.client().ask(READ, b"/a\0"), Ok(b"1".to_vec()));
}

#[test]
fn a_long_list_of_children_comes_in_parts() {
    let fixture = Fixture::new();
    let mut client = fixture.client();
    let names: Vec<String> = (0..1000).map(|number| format!("child{number:04}")).collect();
    for name in &names {
        fixture.server.write(&format!("/long/{name}"), b"").unwrap();
    }
    assert_eq!(client.ask(DIRECTORY, b"/long\0"), error("E2BIG"));
    let (mut listing, mut generations) = (vec![], vec![]);
    loop {
        let part = client.ask(DIRECTORY_PART, format!("/long\0{}\0", listing.len()).as_bytes()).unwrap();
        assert!(part.len() <= 4096);
        let start = part.iter().position(|&byte| byte == 0).unwrap() + 1;
        generations.push(part[..start].to_vec());
        listing.extend_from_slice(&part[start..]);
        if listing.ends_with(b"\0\0") {
            break;
        }
    }
    assert!(generations.len() > 2 && generations.iter().all(|generation| *generation == generations[0]));
    let listed: Vec<_> = listing[..listing.len() - 2].split(|&byte| byte == 0).collect();
    assert_eq!(listed, names.iter().map(String::as_bytes).collect::<Vec<_>>());
    let beyond = client.ask(DIRECTORY_PART, b"/long\x00999999\0").unwrap();
    assert_eq!(beyond, [&generations[0][..], b"\0"].concat());
}

#[test]
fn requests_may_come_in_pieces_and_in_bunches() {
    let fixture = Fixture::new();
    let mut client = fixture.client();
    for byte in message(WRITE, 1, 0, b"/a\0value") {
        client.stream.write_all(&[byte]).unwrap();
    }
    client.request = 1;
    assert_eq!(client.reply(0, WRITE), ok());
    let bunch: Vec<u8> = (2..1002).flat_map(|request| message(READ, request, 0, b"/a\0")).collect();
    client.stream.write_all(&bunch).unwrap();
    for request in 2..1002 {
        client.request = request;
        assert_eq!(client.reply(0, READ), Ok(b"value".to_vec()));
    }
}

#[test]
fn a_client_that_breaks_the_protocol_is_dropped_and_others_are_not() {
    let fixture = Fixture::new();
    let (mut broken, mut other) = (fixture.client(), fixture.client());
    assert_eq!(other.ask(READ, b"/\0"), Ok(vec![]));
    // A header that announces more than 4096 bytes.
    broken.stream.write_all(&[0xff; 64]).unwrap();
    assert_eq!(end_of(&mut broken.stream), 0);
    assert_eq!(other.ask(READ, b"/\0"), Ok(vec![]));
    assert_eq!(fixture.server.clients(), 1);
}

/// How many bytes come before the other side closes; a reset is an end as well.
fn end_of(stream: &mut UnixStream) -> usize {
    let mut rest = vec![];
    match stream.read_to_end(&mut rest) {
        Ok(length) => length,
        Err(error) if error.kind() == ErrorKind::ConnectionReset => rest.len(),
        Err(error) => panic!("not dropped: {error}"),
    }
}

#[test]
fn a_client_that_reads_nothing_blocks_nobody_and_is_dropped_in_the_end() {
    let fixture = Fixture::new();
    let (mut slow, mut other) = (fixture.client(), fixture.client());
    slow.ask(WATCH, b"/a\0slow\0").unwrap();
    slow.event();
    let path = format!("/a/{}", "x".repeat(2000));
    let write = format!("{path}\0");
    for _ in 0..1000 {
        assert_eq!(other.ask(WRITE, write.as_bytes()), ok());
    }
    // What waited for it comes, complete and in order, once it reads.
    for _ in 0..1000 {
        assert_eq!(slow.event(), format!("{path}\\x00slow\\x00"));
    }
    while fixture.server.clients() == 2 {
        assert_eq!(other.ask(WRITE, write.as_bytes()), ok());
    }
    assert!(end_of(&mut slow.stream) > 0);
}

#[test]
fn backends_that_close_are_closed_at_once_when_asked_for() {
    let fixture = Fixture::new();
    let state = "/local/domain/0/backend/vif/5/0/state";
    let mut client = fixture.client();
    client.ask(WRITE, format!("{state}\x005").as_bytes()).unwrap();
    assert_eq!(client.ask(READ, format!("{state}\0").as_bytes()), Ok(b"5".to_vec()), "off at first");
    fixture.server.auto_close_backends(true);
    client.ask(WATCH, format!("{state}\0t\0").as_bytes()).unwrap();
    client.event();
    let id = client.start();
    client.ask_in(id, WRITE, format!("{state}\x005").as_bytes()).unwrap();
    client.send(TRANSACTION_END, id, b"T\0");
    client.event();
    assert_eq!(client.reply(id, TRANSACTION_END), ok());
    client.event();
    assert_eq!(client.ask(READ, format!("{state}\0").as_bytes()), Ok(b"6".to_vec()));
}

#[test]
fn one_server_to_a_socket_and_stale_sockets_are_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(path.exists(), "stale");
    let server = Server::bind(&path).unwrap();
    assert!(matches!(Server::bind(&path), Err(BindError::InUse(_))));
    let mut client = UnixStream::connect(&path).unwrap();
    client.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    server.shutdown();
    assert_eq!(end_of(&mut client), 0);
    assert!(!path.exists());
    fs::write(&path, "not a socket").unwrap();
    assert!(matches!(Server::bind(&path), Err(BindError::InUse(_))));
    assert!(matches!(Server::bind(folder.path().join("none/socket")), Err(BindError::Refused { .. })));
}
