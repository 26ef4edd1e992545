//! Both ways of the relay, with a libxl that is the test.

use super::*;
use crate::migration::write_signals;
use crate::operation::{Operation, Outcome};
use crate::progress::Reported;
use std::os::fd::OwnedFd;
use std::sync::mpsc;
use std::thread;

const DOMAIN: DomainId = DomainId::new(5);

/// Libxl's last record, after the header of the memory and the helper's last one.
const MEMORY: [u8; 48] = [0; 48];
const LAST: [u8; 8] = [0; 8];

/// What takes longer does not come.
const LIMIT: Duration = Duration::from_secs(60);

fn course() -> Arc<Course> {
    Arc::new(Course::new(1, "do this", None).expect("an eventfd"))
}

/// What libxl does, as an operation of its own.
struct Libxl<T> {
    outcome: Arc<Outcome<T>>,
    reported: Arc<Reported>,
    /// Has the requests to abort it.
    asked: Arc<Course>,
}

fn begun<T>() -> (Libxl<T>, Awaited<T>) {
    let libxl = Libxl { outcome: Outcome::running(), reported: Arc::default(), asked: course() };
    let operation = Operation::pending(libxl.outcome.clone(), libxl.asked.clone(), libxl.reported.clone());
    (libxl, Awaited::begin(|| Ok(operation)).expect("an eventfd"))
}

/// False if nothing comes.
fn is_readable(fd: &impl AsRawFd) -> bool {
    const LONG_ENOUGH: Duration = Duration::from_millis(200);
    let mut fd = [waits(fd.as_raw_fd(), libc::POLLIN)];
    poll(&mut fd, Some(LONG_ENOUGH)).expect("it is an fd");
    fd[0].revents != 0
}

/// A restore while a peer sends: the other end of the peer, libxl, its socket, and what comes of it.
struct Receiving {
    peer: UnixStream,
    /// The relay's end of the peer.
    near: UnixStream,
    libxl: Libxl<DomainId>,
    socket: File,
    relay: thread::JoinHandle<Result<DomainId, Error>>,
}

fn receiving(course: &Arc<Course>, stream: Stream) -> Receiving {
    let (near, peer) = UnixStream::pair().expect("a pair of sockets");
    let (socket, ours) = pair().expect("a pair of sockets");
    let (libxl, restore) = begun();
    let (course, from) = (course.clone(), OwnedFd::from(near.try_clone().expect("a duplicate")));
    let relay = thread::spawn(move || {
        let peer = Peer::writer(&course, from).expect("it can be set");
        receive(&course, restore, drop, ours, Buffer::of(stream), &peer)
    });
    Receiving { peer, near, libxl, socket, relay }
}

impl Receiving {
    /// What the peer sends comes to libxl.
    fn passes(&mut self, bytes: &[u8]) {
        self.peer.write_all(bytes).expect("the relay reads");
        let mut come = vec![1; bytes.len()];
        self.socket.read_exact(&mut come).expect("it is passed on");
        assert_eq!(come, bytes);
    }

    fn result(self) -> Result<DomainId, Error> {
        self.relay.join().expect("it does not panic")
    }
}

#[test]
fn a_record_of_libxls_is_kept_until_it_has_come_as_a_whole() {
    let mut receiving = receiving(&course(), Stream::at_the_memory());
    receiving.passes(&MEMORY);
    let record = [&2_u32.to_le_bytes()[..], &16_u32.to_le_bytes(), &[7; 16]].concat();
    for cut in [4, 8, 20] {
        receiving.peer.write_all(&record[..cut]).expect("the relay reads");
        while unread(&receiving.near).expect("it is a socket") > 0 {
            thread::yield_now();
        }
        // It is in the relay, and libxl would wait for the rest with its lock held.
        assert!(!is_readable(&receiving.socket), "some of {cut} bytes have come");
        receiving.peer.write_all(&record[cut..]).expect("the relay reads");
        let mut come = [0; 24];
        receiving.socket.read_exact(&mut come).expect("it is passed on");
        assert_eq!(&come[..], record);
    }
    receiving.passes(&LAST);
    // What follows is not the stream's.
    receiving.peer.write_all(b"domain is yours").expect("there is room");
    receiving.libxl.outcome.set(Ok(DOMAIN));
    let unread = unread(&receiving.near).expect("it is a socket");
    assert_eq!(receiving.result().expect("it is restored"), DOMAIN);
    assert_eq!(unread, 15);
}

#[test]
fn a_stream_without_its_end_makes_no_domain_though_libxl_makes_one_of_it() {
    for is_aborted in [false, true] {
        let course = course();
        let mut receiving = receiving(&course, Stream::at_the_memory());
        receiving.passes(&MEMORY);
        receiving.peer.write_all(&LAST[..7]).expect("the relay reads");
        if is_aborted {
            crate::pending::Pending::abort(course).expect("it can be aborted");
        } else {
            receiving.peer.shutdown(Shutdown::Both).expect("it is open");
        }
        assert_eq!(receiving.socket.read(&mut [0; 8]).expect("it ends"), 0);
        receiving.libxl.outcome.set(Ok(DOMAIN));
        match receiving.result() {
            Err(Error::Unfinished { domid: DOMAIN, reason }) => assert_eq!(reason.is_aborted(), is_aborted),
            result => panic!("{result:?}"),
        }
    }
}

#[test]
fn an_abort_behind_the_end_of_the_stream_comes_to_libxl_once_it_has_all_of_it() {
    let course = course();
    let mut receiving = receiving(&course, Stream::at_the_memory());
    receiving.passes(&MEMORY);
    receiving.peer.write_all(&LAST).expect("the relay reads");
    assert!(is_readable(&receiving.socket), "the end is on its way");
    crate::pending::Pending::abort(course).expect("it can be aborted");
    let asked = receiving.libxl.asked.clone();
    // Its helper may not run yet, for all that is known (E14).
    assert!(!is_readable(&asked.abort_fd()), "libxl is asked");
    receiving.socket.read_exact(&mut [0; 8]).expect("it is passed on");
    let mut fds = [waits(asked.abort_fd(), libc::POLLIN)];
    poll(&mut fds, Some(LIMIT)).expect("it is an fd");
    assert!(fds[0].revents != 0, "libxl is not asked");
    receiving.libxl.outcome.set(Err(asked.aborted()));
    assert!(receiving.result().expect_err("it is aborted").is_aborted());
}

#[test]
fn a_file_that_goes_on_behind_a_stream_of_version_1_makes_its_domain() {
    let mut receiving = receiving(&course(), Stream::opaque());
    let mut peer = receiving.peer.try_clone().expect("a duplicate");
    let file = thread::spawn(move || write_signals::without(|| peer.write_all(&vec![7; 4 << 20])));
    receiving.socket.read_exact(&mut [0; 4096]).expect("it is passed on");
    receiving.libxl.outcome.set(Ok(DOMAIN));
    assert_eq!(receiving.result().expect("it is restored"), DOMAIN);
    drop(file.join());
}

#[test]
fn an_abort_ends_a_stream_of_version_1_though_nobody_reads_it() {
    let course = course();
    let receiving = receiving(&course, Stream::opaque());
    let mut peer = receiving.peer.try_clone().expect("a duplicate");
    let file = thread::spawn(move || write_signals::without(|| peer.write_all(&vec![7; 4 << 20])));
    assert!(is_readable(&receiving.socket), "it is passed on");
    crate::pending::Pending::abort(course.clone()).expect("it can be aborted");
    // Its end is noticed also by who does not read.
    let mut fds = [waits(receiving.socket.as_raw_fd(), 0)];
    poll(&mut fds, Some(LIMIT)).expect("it is an fd");
    assert!(fds[0].revents & libc::POLLHUP != 0, "it goes on");
    receiving.libxl.outcome.set(Err(course.aborted()));
    assert!(receiving.result().expect_err("it is aborted").is_aborted());
    drop(file.join());
}

#[test]
fn what_cannot_be_read_is_told_and_not_that_the_stream_ends() {
    let (mut socket, ours) = pair().expect("a pair of sockets");
    let (libxl, restore) = begun::<DomainId>();
    let relay = thread::spawn(move || {
        let course = course();
        let folder = File::open("/").expect("a folder");
        let peer = Peer::writer(&course, folder.into()).expect("it can be set");
        receive(&course, restore, drop, ours, Buffer::of(Stream::at_the_memory()), &peer)
    });
    assert_eq!(socket.read(&mut [0]).expect("it ends"), 0);
    libxl.outcome.set(Err(Error::SaveFile("it ends")));
    let error = relay.join().expect("it does not panic").expect_err("a folder is no saved domain");
    assert!(matches!(&error, Error::Io { reason, .. } if reason.kind() == io::ErrorKind::IsADirectory), "{error:?}");
}

#[test]
fn s5_the_end_comes_to_libxl_also_if_a_forked_child_has_the_other_socket() {
    let (libxls, ours) = pair().expect("a pair of sockets");
    let childs = ours.0.try_clone().expect("a duplicate");
    drop(ours);
    assert!(is_readable(&libxls), "it waits for the child");
    assert_eq!((&libxls).read(&mut [0]).expect("it ends"), 0);
    let written = write_signals::without(|| (&libxls).write(b"x"));
    assert_eq!(written.expect_err("nobody reads").kind(), io::ErrorKind::BrokenPipe);
    drop(childs);
}

/// A save while a peer listens: the other end of the peer, libxl, its socket, and what comes of it.
struct Sending {
    peer: UnixStream,
    libxl: Libxl<()>,
    socket: UnixStream,
    /// The relay's end of it.
    near: UnixStream,
    relay: thread::JoinHandle<Result<(), Error>>,
}

fn sending(stream: Stream, report: impl Fn(Progress) + Send + 'static) -> Sending {
    let (to, peer) = UnixStream::pair().expect("a pair of sockets");
    let (socket, ours) = pair().expect("a pair of sockets");
    let socket = UnixStream::from(OwnedFd::from(socket));
    socket.set_write_timeout(Some(LIMIT)).expect("it is a socket");
    peer.set_read_timeout(Some(LIMIT)).expect("it is a socket");
    let near = ours.0.try_clone().expect("a duplicate");
    let (libxl, save) = begun();
    let course = course();
    let relay = thread::spawn(move || {
        let mut peer = Peer::reader(&course, to.into()).expect("it can be set");
        send(&course, save, report, ours, stream, &mut peer).map_err(|unsent| unsent.reason)
    });
    Sending { peer, libxl, socket, near, relay }
}

impl Sending {
    fn writes(&mut self, bytes: &[u8]) {
        self.socket.write_all(bytes).expect("nobody is waited for");
    }

    /// Writes this so often that the relay takes no more, because nobody reads what it has.
    fn fills(&mut self, bytes: &[u8]) -> Vec<u8> {
        const LONG_ENOUGH: Duration = Duration::from_millis(200);
        let mut written = Vec::new();
        loop {
            self.writes(bytes);
            written.extend(bytes);
            let since = Instant::now();
            while unread(&self.near).expect("it is a socket") > 0 {
                if since.elapsed() > LONG_ENOUGH {
                    return written;
                }
                thread::yield_now();
            }
        }
    }

    /// The save is over, and the peer reads all of this, and then the end.
    fn ends(self, stream: &[u8]) {
        let Self { mut peer, libxl, socket, relay, .. } = self;
        libxl.outcome.set(Ok(()));
        drop(socket);
        let mut come = Vec::new();
        peer.read_to_end(&mut come).expect("all is sent, then the relay leaves");
        assert!(come == stream, "{} of {} bytes", come.len(), stream.len());
        relay.join().expect("it does not panic").expect("all is sent");
    }
}

/// What is before the memory.
const HEADS: [u8; save_file::HEAD + 40] = [0; save_file::HEAD + 40];

fn page() -> Vec<u8> {
    [&1_u32.to_le_bytes()[..], &4096_u32.to_le_bytes(), &[3; 4096]].concat()
}

/// The end of the memory; and the state of a device model, far beyond what sockets hold.
fn tail() -> Vec<u8> {
    let state: Vec<u8> = (0..4_u32 << 20).map(|at| (at % 251) as u8).collect();
    [&LAST[..], &state, &LAST].concat()
}

#[test]
fn what_libxl_reports_is_what_the_migration_reports() {
    let (told, reports) = mpsc::channel();
    let sending = sending(Stream::written(), move |progress| _ = told.send(progress));
    let step = |percent| Progress::Step { what: "Frames".to_owned(), percent };
    if let Some(waker) = sending.libxl.reported.add(step(50)) {
        waker.wake();
    }
    assert_eq!(reports.recv_timeout(LIMIT).expect("the relay tells it"), step(50));
    // The last one, and the result behind it.
    _ = sending.libxl.reported.add(step(100));
    sending.ends(&[]);
    assert_eq!(reports.iter().collect::<Vec<_>>(), [step(100)]);
}

#[test]
fn what_libxl_writes_after_the_memory_is_taken_also_if_the_peer_does_not_read() {
    let mut sending = sending(Stream::written(), drop);
    let stream = [&HEADS[..], &page(), &tail()].concat();
    sending.writes(&stream);
    sending.ends(&stream);
}

#[test]
fn the_end_of_the_memory_is_seen_also_behind_memory_that_nobody_takes() {
    let mut sending = sending(Stream::written(), drop);
    sending.writes(&HEADS);
    let memory = sending.fills(&page());
    let rest = [page(), tail()].concat();
    sending.writes(&rest);
    sending.ends(&[&HEADS[..], &memory, &rest].concat());
}

#[test]
fn s5_all_is_sent_at_the_end_also_if_a_forked_child_has_libxls_socket() {
    let mut sending = sending(Stream::opaque(), drop);
    let childs = sending.socket.try_clone().expect("a duplicate");
    let stream = sending.fills(&page());
    sending.ends(&stream);
    drop(childs);
}

#[test]
fn nobody_has_to_take_what_there_is_of_a_save_that_failed() {
    let mut sending = sending(Stream::written(), drop);
    sending.writes(&HEADS);
    sending.fills(&page());
    sending.libxl.outcome.set(Err(sending.libxl.asked.aborted()));
    assert!(sending.relay.join().expect("it does not panic").is_err());
    drop(sending.peer);
}

#[test]
fn no_more_is_taken_of_what_libxl_writes_than_a_record_may_have() {
    let mut stream = Stream::written();
    let heads_and_end = [&HEADS[..], &LAST].concat();
    assert_eq!(stream.hand_over(&heads_and_end).expect("it is a good stream"), heads_and_end.len());
    let at = |filled| Buffer { whole: filled, filled, ..Buffer::of(stream.clone()) };
    assert!(at(LONGEST - 1).has_room() && !at(LONGEST).has_room());
}

#[test]
fn what_is_discarded_is_not_understood_any_more() {
    let mut buffer = Buffer::of(Stream::written());
    let heads_and_half = [&HEADS[..], &page()[..4]].concat();
    let read = |bytes: &mut [u8]| (&heads_and_half[..]).read(bytes);
    assert_eq!(buffer.fill(read).expect("it can be read"), Some(heads_and_half.len()));
    buffer.discard();
    buffer.fill(|bytes| Ok(bytes.len())).expect("it can be read");
    assert_eq!(buffer.whole, CHUNK);
}

#[test]
fn who_leaves_where_nothing_is_said_is_an_error_of_the_file() {
    let course = course();
    let (near, far) = UnixStream::pair().expect("a pair of sockets");
    for peer in
        [Peer::reader(&course, near.into()), Peer::writer(&course, far.into())].map(|peer| peer.expect("it can be set"))
    {
        let error = peer.error("nothing", io::ErrorKind::ConnectionReset.into());
        assert!(matches!(error, Error::Io { .. }), "{error:?}");
    }
}
