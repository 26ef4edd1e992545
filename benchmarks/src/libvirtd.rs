//! A client of libvirtd with its driver for libxl. The library is loaded where it is needed, since few machines have it.

use crate::peers::{DefaultLoop, EventLoop, function, load};
use crate::xl_file::XlFile;
use anyhow::{Context, bail, ensure};
use std::ffi::{CStr, CString, c_char, c_int, c_uint, c_void};
use std::process::Command;
use std::ptr;
use std::thread;

type Connection = *mut c_void;
type Domain = *mut c_void;
type Callback = unsafe extern "C" fn(
    connection: Connection,
    domain: Domain,
    event: c_int,
    detail: c_int,
    opaque: *mut c_void,
) -> c_int;
type Free = Option<unsafe extern "C" fn(opaque: *mut c_void)>;

#[derive(Clone, Copy)]
struct Functions {
    from_native: unsafe extern "C" fn(Connection, *const c_char, *const c_char, c_uint) -> *mut c_char,
    create: unsafe extern "C" fn(Connection, *const c_char, c_uint) -> Domain,
    destroy: unsafe extern "C" fn(Domain) -> c_int,
    id: unsafe extern "C" fn(Domain) -> c_uint,
    list: unsafe extern "C" fn(Connection, *mut *mut Domain, c_uint) -> c_int,
    state: unsafe extern "C" fn(Domain, *mut c_int, *mut c_int, c_uint) -> c_int,
    xml: unsafe extern "C" fn(Domain, c_uint) -> *mut c_char,
    free: unsafe extern "C" fn(Domain) -> c_int,
    watch: unsafe extern "C" fn(Connection, Domain, c_int, Callback, *mut c_void, Free) -> c_int,
    message: unsafe extern "C" fn() -> *const c_char,
}

/// A connection, which stays open until the process ends.
#[derive(Clone, Copy)]
pub(crate) struct Libvirtd {
    connection: Connection,
    functions: Functions,
}

// SAFETY: libvirt's functions may be called with a connection from any thread.
unsafe impl Send for Libvirtd {}
// SAFETY: likewise.
unsafe impl Sync for Libvirtd {}

/// A domain of libvirt's.
pub(crate) struct LibvirtDomain {
    domain: Domain,
    of: Libvirtd,
}

// SAFETY: as for the connection.
unsafe impl Send for LibvirtDomain {}

impl Libvirtd {
    /// Starts the daemon, and connects to it. A thread runs libvirt's loop from then on.
    pub(crate) fn start() -> anyhow::Result<Self> {
        let status = Command::new("libvirtd").arg("--daemon").status();
        ensure!(status.context("no libvirtd; `lab --libvirt` gives dom0 one")?.success(), "libvirtd does not start");
        let library = load("libvirt.so.0")?;
        // SAFETY: all as <libvirt/libvirt.h> declares them.
        let (open, functions) = unsafe {
            let open: unsafe extern "C" fn(*const c_char) -> Connection = function(library, "virConnectOpen")?;
            let functions = Functions {
                from_native: function(library, "virConnectDomainXMLFromNative")?,
                create: function(library, "virDomainCreateXML")?,
                destroy: function(library, "virDomainDestroy")?,
                id: function(library, "virDomainGetID")?,
                list: function(library, "virConnectListAllDomains")?,
                state: function(library, "virDomainGetState")?,
                xml: function(library, "virDomainGetXMLDesc")?,
                free: function(library, "virDomainFree")?,
                watch: function(library, "virConnectDomainEventRegisterAny")?,
                message: function(library, "virGetLastErrorMessage")?,
            };
            (open, functions)
        };
        // Before the connection, which takes the loop that is registered. Unlike others, it may run on another thread.
        let default_loop = DefaultLoop::open()?;
        thread::spawn(move || {
            loop {
                default_loop.turn();
            }
        });
        // SAFETY: the string is good for the call.
        let connection = unsafe { open(c"xen:///system".as_ptr()) };
        let libvirtd = Self { connection, functions };
        ensure!(!connection.is_null(), "no connection to libvirtd: {}", libvirtd.words());
        Ok(libvirtd)
    }

    /// What libvirt says of the last failure on this thread.
    fn words(&self) -> String {
        // SAFETY: it always returns a string, which is read before the next call.
        unsafe { CStr::from_ptr((self.functions.message)()) }.to_string_lossy().into_owned()
    }

    /// A file of xl's, as libvirt's XML.
    pub(crate) fn xml_of_xl(&self, text: &str) -> anyhow::Result<CString> {
        let text = CString::new(text)?;
        // SAFETY: the connection is open; the strings are good for the call.
        let xml = unsafe { (self.functions.from_native)(self.connection, c"xen-xl".as_ptr(), text.as_ptr(), 0) };
        // SAFETY: it is null or the caller's.
        unsafe { taken(xml) }.with_context(|| format!("libvirt does not take the file: {}", self.words()))
    }

    /// Creates a domain and starts it.
    pub(crate) fn create(&self, xml: &CStr) -> anyhow::Result<LibvirtDomain> {
        // SAFETY: the connection is open; the string is good for the call.
        let domain = unsafe { (self.functions.create)(self.connection, xml.as_ptr(), 0) };
        if domain.is_null() {
            bail!("libvirt creates no domain: {}", self.words());
        }
        Ok(LibvirtDomain { domain, of: *self })
    }

    /// So many of them, by a file of xl's, whose names begin with `prefix`.
    pub(crate) fn create_many(&self, count: u32, file: &XlFile, prefix: &str) -> anyhow::Result<Vec<LibvirtDomain>> {
        (0..count).map(|number| self.create(&self.xml_of_xl(&file.named(&format!("{prefix}-{number}")))?)).collect()
    }

    /// The domains that run, and domain 0.
    pub(crate) fn list(&self) -> anyhow::Result<Vec<LibvirtDomain>> {
        let mut list = ptr::null_mut();
        // SAFETY: the connection is open; `list` is written during the call.
        let count = unsafe { (self.functions.list)(self.connection, &raw mut list, ACTIVE) };
        let count = usize::try_from(count).ok().with_context(|| format!("libvirt lists nothing: {}", self.words()))?;
        // SAFETY: it returned an array of so many domains, each of which is the caller's.
        let domains = unsafe { std::slice::from_raw_parts(list, count) };
        let domains = domains.iter().map(|domain| LibvirtDomain { domain: *domain, of: *self }).collect();
        // SAFETY: the array is the caller's, allocated by malloc(3), and not used after.
        unsafe { libc::free(list.cast()) };
        Ok(domains)
    }

    /// Has `ended` called, on the thread of the loop, for each domain that has stopped.
    pub(crate) fn on_stopped(&self, ended: impl Fn() + Send + 'static) -> anyhow::Result<()> {
        let opaque = Box::into_raw(Box::new(Box::new(ended) as Stopped)).cast();
        // SAFETY: the connection is open; the closure is never freed.
        let number =
            unsafe { (self.functions.watch)(self.connection, ptr::null_mut(), LIFECYCLE, lifecycle, opaque, None) };
        ensure!(number >= 0, "libvirt tells no events: {}", self.words());
        Ok(())
    }
}

/// A string that libvirt has allocated.
///
/// # Safety
/// It is null, or of malloc(3) and nobody else's.
unsafe fn taken(text: *mut c_char) -> Option<CString> {
    if text.is_null() {
        return None;
    }
    // SAFETY: the caller's promise.
    let copy = unsafe { CStr::from_ptr(text) }.to_owned();
    // SAFETY: likewise; it is not used after.
    unsafe { libc::free(text.cast()) };
    Some(copy)
}

type Stopped = Box<dyn Fn() + Send>;

/// `VIR_CONNECT_LIST_DOMAINS_ACTIVE`.
const ACTIVE: c_uint = 1;
/// `VIR_DOMAIN_EVENT_ID_LIFECYCLE`.
const LIFECYCLE: c_int = 0;
/// `VIR_DOMAIN_EVENT_STOPPED`.
const STOPPED: c_int = 5;

unsafe extern "C" fn lifecycle(_: Connection, _: Domain, event: c_int, _: c_int, opaque: *mut c_void) -> c_int {
    if event == STOPPED {
        // SAFETY: the address of a box that is never freed, and this thread alone calls it.
        unsafe { (*opaque.cast::<Stopped>())() };
    }
    0
}

impl LibvirtDomain {
    pub(crate) fn id(&self) -> u32 {
        // SAFETY: the domain has not been freed.
        unsafe { (self.of.functions.id)(self.domain) }
    }

    /// Asks for state and configuration; the length of that.
    pub(crate) fn look(&self) -> anyhow::Result<usize> {
        let (mut state, mut reason) = (0, 0);
        // SAFETY: as above; both are written during the call.
        let rc = unsafe { (self.of.functions.state)(self.domain, &raw mut state, &raw mut reason, 0) };
        ensure!(rc == 0, "libvirt tells no state: {}", self.of.words());
        // SAFETY: as above.
        let xml = unsafe { (self.of.functions.xml)(self.domain, 0) };
        // SAFETY: it is null or the caller's.
        let xml = unsafe { taken(xml) };
        let xml = xml.with_context(|| format!("libvirt tells no configuration: {}", self.of.words()))?;
        Ok(xml.count_bytes())
    }

    pub(crate) fn destroy(&self) -> anyhow::Result<()> {
        // SAFETY: as above.
        let rc = unsafe { (self.of.functions.destroy)(self.domain) };
        ensure!(rc == 0, "libvirt destroys no domain: {}", self.of.words());
        Ok(())
    }
}

impl Drop for LibvirtDomain {
    fn drop(&mut self) {
        // SAFETY: made by libvirt, and freed here alone.
        unsafe { (self.of.functions.free)(self.domain) };
    }
}
