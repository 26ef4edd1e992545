//! Clients on real loops.

use osevent_conformance::boundary::{Client, Hosting, Integration, Rule};
use osevent_conformance::integration::CoreIntegration;
use osevent_conformance::monitor::{Limits, Monitor, Monitored, check};
use osevent_conformance_loops::Adapter;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// Tells of its occurrences, and registers a timeout from inside each of an fd.
struct Busy {
    tell: Sender<&'static str>,
    hosting: OnceLock<Arc<dyn Hosting>>,
    watched: OnceLock<(UnixStream, u64)>,
}

impl Client for Busy {
    fn occurred_fd(&self, _: u64, fd: RawFd, _: i16, _: i16) {
        let hosting = self.hosting.get().expect("it is hosted");
        let (watched, handle) = self.watched.get().expect("it is watched");
        let mut handle = *handle;
        assert_eq!(std::io::Read::read(&mut &*watched, &mut [0; 8]).expect("it is readable"), 1);
        assert_eq!(hosting.fd_modify(fd, &mut handle, 0), 0);
        assert_eq!(hosting.timeout_register(&mut 0, (0, 0), 2), 0);
        let _ = self.tell.send("fd");
    }

    fn occurred_timeout(&self, _: u64) {
        let _ = self.tell.send("timeout");
    }

    fn free(&self) {
        let (watched, handle) = self.watched.get().expect("it is watched");
        self.hosting.get().expect("it is hosted").fd_deregister(watched.as_raw_fd(), *handle);
        let _ = self.tell.send("freed");
    }
}

#[test]
fn a_right_host_breaks_no_clause() {
    for adapter in Adapter::ALL {
        for rule in [Rule::Concurrent, Rule::Serialized] {
            let integration: Box<dyn Integration> = Box::new(CoreIntegration::new(adapter.start().expect("a loop")));
            let monitor = Monitor::new(Limits::default());
            let integration = Monitored { integration, monitor: monitor.clone() };
            let (tell, told) = channel();
            let client = Arc::new(Busy { tell, hosting: OnceLock::new(), watched: OnceLock::new() });
            let hosting = integration.host(client.clone(), rule).expect("the loop runs");
            assert!(client.hosting.set(hosting.clone()).is_ok());
            let (watched, far) = UnixStream::pair().expect("a socket pair");
            let mut watched = Some(watched);
            assert!(hosting.call(&mut || {
                let watched = watched.take().expect("called once");
                let mut handle = 77;
                assert_eq!(hosting.fd_register(watched.as_raw_fd(), &mut handle, libc::POLLIN, 1), 0);
                assert!(client.watched.set((watched, handle)).is_ok());
            }));
            std::io::Write::write_all(&mut &far, b"x").expect("the near end is open");
            let next = || told.recv_timeout(Duration::from_secs(120)).expect("it comes");
            assert_eq!((next(), next()), ("fd", "timeout"), "{adapter:?}");
            hosting.close();
            assert_eq!(next(), "freed");
            drop(integration);
            let record = monitor.finish();
            assert_eq!(record.violations, [], "{adapter:?}: {:#?}", record.steps);
            assert_eq!(record.steps.len(), 17, "{:#?}", record.steps);
            assert_eq!(check(&record, &Limits::default()), []);
        }
    }
}
