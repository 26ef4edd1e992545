//! The stand-in against the real client: the installed libxenstore, in a process of its own that has XENSTORED_PATH.

use std::{
    env,
    ffi::{CStr, CString, c_char, c_int, c_uint, c_ulong, c_void},
    process::Command,
    ptr,
    sync::mpsc,
    thread,
};

use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW, Symbol};
use osevent_standin_xenstored::Server;

#[test]
fn the_real_client_reads_writes_watches_and_transacts() {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(env::current_exe().unwrap())
        .args(["--exact", "inside", "--ignored", "--nocapture"])
        .env("XENSTORED_PATH", folder.path().join("socket"))
        .output()
        .unwrap();
    print!("{}", String::from_utf8_lossy(&output.stdout));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
#[ignore = "the other test runs it, in a process of its own"]
fn inside() {
    // SAFETY: the default action, ending the process, is what is wanted: the bound on all waits below.
    unsafe { libc::alarm(60) };
    let Some(client) = Client::load() else { return };
    let server = Server::bind(env::var_os("XENSTORED_PATH").expect("run by the other test")).unwrap();
    let mut one = client.open();
    let other = client.open();

    assert_eq!(one.read(0, "domid").as_deref(), Some("0"));
    assert!(one.write(0, "/a/b", "1") && one.mkdir(0, "/a/c"));
    assert_eq!(one.read(0, "/a/b").as_deref(), Some("1"));
    assert_eq!(one.read(0, "/a/none"), None);
    assert_eq!(one.directory("/a"), ["b", "c"]);
    assert_eq!(server.read("/a/b").as_deref(), Some(&b"1"[..]));
    // More than a payload: the client asks in parts.
    for number in 0..600 {
        assert!(one.write(0, &format!("/big/child{number:04}"), ""));
    }
    assert_eq!(one.directory("/big").len(), 600);

    let before = server.requests();
    server.fail_read("/a/b", 1).unwrap();
    assert_eq!([(); 3].map(|()| one.read(0, "/a/b").is_some()), [true, false, true]);
    assert_eq!((server.requests() - before, server.failed_reads()), (3, 1));

    assert!(one.watch("/a", "token"));
    assert_eq!(one.read_watch(), ("/a".into(), "token".into()));
    assert!(other.write(0, "/a/b", "2"));
    assert_eq!(one.read_watch(), ("/a/b".into(), "token".into()));
    assert!(!one.watch("/a", "token"), "EEXIST");
    assert!(one.watch("@releaseDomain", "release"));
    assert_eq!(one.read_watch(), ("@releaseDomain".into(), "release".into()));
    server.fire_special("@releaseDomain").unwrap();
    assert_eq!(one.read_watch(), ("@releaseDomain".into(), "release".into()));
    assert!(one.unwatch("/a", "token"));

    let transaction = one.start();
    assert!(one.write(transaction, "/a/b", "3"));
    assert_eq!(other.read(0, "/a/b").as_deref(), Some("2"));
    assert!(one.end(transaction));
    assert_eq!(other.read(0, "/a/b").as_deref(), Some("3"));
    let transaction = one.start();
    assert_eq!(one.read(transaction, "/a/b").as_deref(), Some("3"));
    assert!(other.write(0, "/a/b", "4"));
    assert!(one.write(transaction, "/a/b", "5"));
    assert!(!one.end(transaction));
    assert_eq!(std::io::Error::last_os_error().raw_os_error(), Some(libc::EAGAIN));

    assert!(one.rm("/a"));
    assert_eq!(server.list("/a"), None);

    // Two clients that increment one number by transactions lose no increment.
    assert!(one.write(0, "/number", "0"));
    thread::scope(|scope| {
        let (retries, all_retries) = mpsc::channel();
        for handle in [&one, &other] {
            let retries = retries.clone();
            scope.spawn(move || {
                for _ in 0..200 {
                    while !handle.increment("/number") {
                        retries.send(()).unwrap();
                    }
                }
            });
        }
        drop(retries);
        println!("200 + 200 increments, {} retries", all_retries.iter().count());
    });
    assert_eq!(server.read("/number").as_deref(), Some(&b"400"[..]));

    one.close();
    other.close();
    server.shutdown();
}

/// The functions of libxenstore, whose interface has been the same since 2005.
struct Client {
    library: Library,
}

impl Client {
    fn load() -> Option<Self> {
        // Which name depends on the release, the functions do not.
        for name in ["libxenstore.so.4", "libxenstore.so.3.0"] {
            // SAFETY: libxenstore's initialisers do nothing but initialise.
            if let Ok(library) = unsafe { Library::open(Some(name), RTLD_NOW | RTLD_LOCAL) } {
                return Some(Self { library });
            }
        }
        println!("SKIPPED: no libxenstore (package libxenstore4)");
        None
    }

    fn symbol<T>(&self, name: &str) -> Symbol<T> {
        // SAFETY: the callers give the types of xenstore.h.
        unsafe { self.library.get(name) }.unwrap()
    }

    fn open(&self) -> Handle<'_> {
        // SAFETY: takes flags alone.
        let handle = unsafe { self.symbol::<unsafe extern "C" fn(c_ulong) -> *mut c_void>("xs_open")(0) };
        assert!(!handle.is_null(), "xs_open: {}", std::io::Error::last_os_error());
        Handle { client: self, handle }
    }
}

/// An open handle; libxenstore locks it itself.
struct Handle<'client> {
    client: &'client Client,
    handle: *mut c_void,
}

// SAFETY: xenstore.h promises that a handle may be used by several threads at once.
unsafe impl Sync for Handle<'_> {}

impl Handle<'_> {
    fn close(self) {
        // SAFETY: a live handle, used for the last time.
        unsafe { self.client.symbol::<unsafe extern "C" fn(*mut c_void)>("xs_close")(self.handle) }
    }

    /// A function of a path.
    fn on_path(&self, function: &str, transaction: u32, path: &str) -> bool {
        let path = CString::new(path).unwrap();
        type Function = unsafe extern "C" fn(*mut c_void, u32, *const c_char) -> bool;
        // SAFETY: a live handle and a C string; the functions called so have this type.
        unsafe { self.client.symbol::<Function>(function)(self.handle, transaction, path.as_ptr()) }
    }

    fn mkdir(&self, transaction: u32, path: &str) -> bool {
        self.on_path("xs_mkdir", transaction, path)
    }

    fn rm(&self, path: &str) -> bool {
        self.on_path("xs_rm", 0, path)
    }

    fn write(&self, transaction: u32, path: &str, value: &str) -> bool {
        let path = CString::new(path).unwrap();
        type Function = unsafe extern "C" fn(*mut c_void, u32, *const c_char, *const c_void, c_uint) -> bool;
        let length = value.len() as c_uint;
        // SAFETY: a live handle, a C string, and as many bytes as said.
        unsafe {
            self.client.symbol::<Function>("xs_write")(
                self.handle,
                transaction,
                path.as_ptr(),
                value.as_ptr().cast(),
                length,
            )
        }
    }

    fn read(&self, transaction: u32, path: &str) -> Option<String> {
        let path = CString::new(path).unwrap();
        let mut length: c_uint = 0;
        type Function = unsafe extern "C" fn(*mut c_void, u32, *const c_char, *mut c_uint) -> *mut c_char;
        // SAFETY: a live handle, a C string, and an out pointer that outlives the call.
        let value =
            unsafe { self.client.symbol::<Function>("xs_read")(self.handle, transaction, path.as_ptr(), &mut length) };
        (!value.is_null()).then(|| owned(value))
    }

    fn directory(&self, path: &str) -> Vec<String> {
        let path = CString::new(path).unwrap();
        let mut count: c_uint = 0;
        type Function = unsafe extern "C" fn(*mut c_void, u32, *const c_char, *mut c_uint) -> *mut *mut c_char;
        // SAFETY: a live handle, a C string, and an out pointer that outlives the call.
        let names =
            unsafe { self.client.symbol::<Function>("xs_directory")(self.handle, 0, path.as_ptr(), &mut count) };
        strings(names, count as usize)
    }

    fn watch(&mut self, path: &str, token: &str) -> bool {
        self.on_watch("xs_watch", path, token)
    }

    fn unwatch(&mut self, path: &str, token: &str) -> bool {
        self.on_watch("xs_unwatch", path, token)
    }

    fn on_watch(&mut self, function: &str, path: &str, token: &str) -> bool {
        let (path, token) = (CString::new(path).unwrap(), CString::new(token).unwrap());
        type Function = unsafe extern "C" fn(*mut c_void, *const c_char, *const c_char) -> bool;
        // SAFETY: a live handle and C strings.
        unsafe { self.client.symbol::<Function>(function)(self.handle, path.as_ptr(), token.as_ptr()) }
    }

    /// Path and token of the next event; waits for it.
    fn read_watch(&mut self) -> (String, String) {
        let mut count: c_uint = 0;
        type Function = unsafe extern "C" fn(*mut c_void, *mut c_uint) -> *mut *mut c_char;
        // SAFETY: a live handle, and an out pointer that outlives the call.
        let event = unsafe { self.client.symbol::<Function>("xs_read_watch")(self.handle, &mut count) };
        let [path, token] = strings(event, 2).try_into().unwrap();
        (path, token)
    }

    fn start(&self) -> u32 {
        // SAFETY: a live handle.
        let id = unsafe {
            self.client.symbol::<unsafe extern "C" fn(*mut c_void) -> u32>("xs_transaction_start")(self.handle)
        };
        assert_ne!(id, 0);
        id
    }

    /// Commits; false and errno EAGAIN for a conflict.
    fn end(&self, transaction: u32) -> bool {
        type Function = unsafe extern "C" fn(*mut c_void, u32, c_int) -> bool;
        let end = self.client.symbol::<Function>("xs_transaction_end");
        // SAFETY: a live handle and a transaction that was started with it.
        unsafe { end(self.handle, transaction, 0) }
    }

    fn increment(&self, path: &str) -> bool {
        let transaction = self.start();
        let number: u32 = self.read(transaction, path).unwrap().parse().unwrap();
        assert!(self.write(transaction, path, &(number + 1).to_string()));
        self.end(transaction)
    }
}

/// Takes over a string that libxenstore allocated.
fn owned(string: *mut c_char) -> String {
    // SAFETY: libxenstore ends values with a nul of its own.
    let text = unsafe { CStr::from_ptr(string) }.to_str().unwrap().to_owned();
    // SAFETY: allocated by malloc for the caller, and not looked at any more.
    unsafe { libc::free(string.cast()) };
    text
}

/// Takes over an array of strings that libxenstore allocated in one piece.
fn strings(array: *mut *mut c_char, count: usize) -> Vec<String> {
    assert!(!ptr::eq(array, ptr::null()), "{}", std::io::Error::last_os_error());
    let texts = (0..count)
        // SAFETY: the array has `count` entries, each of which is a C string.
        .map(|index| unsafe { CStr::from_ptr(*array.add(index)) }.to_str().unwrap().to_owned())
        .collect();
    // SAFETY: allocated by malloc for the caller, strings included, and not looked at any more.
    unsafe { libc::free(array.cast()) };
    texts
}
