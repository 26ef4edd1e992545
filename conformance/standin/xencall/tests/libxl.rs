//! The stand-in below the installed libxl, in a process of its own for each way of loading it.

use std::{
    env,
    ffi::{c_int, c_void},
    fs,
    os::fd::{BorrowedFd, RawFd},
    path::PathBuf,
    process::Command,
    ptr,
    time::{Duration, Instant},
};

use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_LOCAL, RTLD_NOW, Symbol};
use osevent_standin_xenstored::Server;

const HYPERCALLS: u32 = 1 << 0;
const FOREIGN_MEMORY: u32 = 1 << 1;
const CLOCK: u32 = 1 << 2;
const DEVICES: u32 = 1 << 3;
const ALONE: u32 = 1 << 4;

const PAUSED: u32 = 1 << 3;

#[test]
fn preloaded_libxl_lists_pauses_and_destroys_pretend_domains_and_sees_them_die() {
    let output = run_inside("preload");
    print!("{output}");
}

#[test]
fn loaded_first_with_rtld_global_it_serves_a_libxl_loaded_rtld_local() {
    run_inside("global");
}

#[test]
fn loaded_first_with_rtld_local_its_soname_still_keeps_the_real_libxencall_out() {
    run_inside("local");
}

/// The shared object, which cargo builds beside the tests.
fn standin() -> PathBuf {
    let tests = env::current_exe().unwrap();
    tests.parent().unwrap().join("libxencall.so")
}

/// Runs [`inside`] in a process of its own; what it printed.
fn run_inside(loading: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env::current_exe().unwrap());
    command
        .args(["--exact", "inside", "--ignored", "--nocapture", "--test-threads=1"])
        .env("STANDIN_LOADING", loading)
        .env("OSEVENT_XENCALL_STATE_DIR", folder.path())
        .env("XENSTORED_PATH", folder.path().join("socket"));
    if loading == "preload" {
        command.env("LD_PRELOAD", standin());
    }
    let output = command.output().unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{loading}: {}\n{stdout}\n{stderr}", output.status);
    // The loader complains there about symbol versions that it misses.
    assert!(!stderr.contains("version"), "{stderr}");
    stdout
}

#[test]
#[ignore = "the other tests run it, in a process of its own"]
fn inside() {
    let loading = env::var("STANDIN_LOADING").expect("run by the other tests");
    // SAFETY: the default action, ending the process, is what is wanted: the bound on all waits below.
    unsafe { libc::alarm(60) };
    let scope = if loading == "local" { RTLD_LOCAL } else { RTLD_GLOBAL };
    // SAFETY: the stand-in's initialiser maps memory and opens an event fd. Preloaded, it is there already.
    let standin = unsafe { Library::open(Some(standin()), RTLD_NOW | scope) }.unwrap();
    let control = Control { library: standin };
    assert_eq!(control.call::<u32>("is_standin"), 1);

    // SAFETY: libxenlight's initialisers do nothing but initialise.
    let libxl = match unsafe { Library::open(Some("libxenlight.so.4.17"), RTLD_NOW | RTLD_LOCAL) } {
        Ok(library) => Libxl(library),
        Err(error) => return println!("SKIPPED: no libxenlight of Xen 4.17: {error}"),
    };
    let parts = match &*loading {
        "preload" => HYPERCALLS | FOREIGN_MEMORY | CLOCK | DEVICES | ALONE,
        "global" => HYPERCALLS | FOREIGN_MEMORY | ALONE,
        _ => ALONE,
    };
    assert_eq!(control.call::<u32>("in_force"), parts, "{loading}");
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    assert!(maps.contains("libxenctrl.so") && maps.contains("/libxencall.so\n"), "{maps}");
    assert!(!maps.contains("/libxencall.so."), "the real libxencall is mapped:\n{maps}");

    match &*loading {
        "preload" => whole_play(&control, &libxl),
        "global" if !fs::exists("/dev/xen/privcmd").unwrap() => list_play(&control, &libxl),
        "global" => println!("SKIPPED: with RTLD_GLOBAL alone, libxl would open the /dev/xen/privcmd that is here"),
        _ => {}
    }
}

/// Domains appear, are listed by libxl, and the counter shows who answered.
fn list_play(control: &Control, libxl: &Libxl) {
    let server = Server::bind(env::var_os("XENSTORED_PATH").unwrap()).unwrap();
    for domid in [0, 5, 32751] {
        assert_eq!(control.set_domain(domid, 0), 0);
    }
    assert_eq!(control.set_domain(0x7ff0, 0), -1);
    let before = control.call::<u64>("hypercalls");
    let ctx = libxl.open();
    assert_eq!(libxl.domains(ctx), [0, 5, 32751]);
    libxl.close(ctx);
    assert!(control.call::<u64>("hypercalls") > before);
    server.shutdown();
}

fn whole_play(control: &Control, libxl: &Libxl) {
    list_play(control, libxl);
    assert!(control.call::<u64>("refused_opens") > 0, "libxendevicemodel wants /dev/xen/privcmd");

    let server = Server::bind(env::var_os("XENSTORED_PATH").unwrap()).unwrap();
    // SAFETY: the stand-in's, open until the process ends.
    let dom_exc = unsafe { BorrowedFd::borrow_raw(control.call::<RawFd>("dom_exc_fd")) };
    server.release_on(dom_exc.try_clone_to_owned().unwrap());
    let ctx = libxl.open();
    assert_eq!(libxl.on_domain("libxl_domain_pause", ctx, 5), 0);
    assert_eq!(control.domain(5), PAUSED.into());
    assert_eq!(libxl.on_domain("libxl_domain_unpause", ctx, 5), 0);
    assert_eq!(control.domain(5), 0);
    // What becomes of a domain reaches libxl as on Xen: the table's event fd, xenstored's @releaseDomain, a hypercall.
    libxl.watch_death(ctx, 5);
    assert_eq!(control.remove_domain(5), 0);
    assert_eq!(control.remove_domain(5), -1);
    assert_eq!(libxl.wait_for_event(ctx), (5, DOMAIN_DEATH));
    // libxl destroys in a forked child: its hypercall is seen here, by the table and by the event fd.
    assert_eq!(control.set_domain(6, 0), 0);
    libxl.watch_death(ctx, 6);
    assert_eq!(libxl.on_domain("libxl_domain_destroy", ctx, 6), 0);
    assert_eq!(libxl.domains(ctx), [0, 32751]);
    assert_eq!(libxl.wait_for_event(ctx), (6, DOMAIN_DEATH));
    libxl.close(ctx);

    let lag = |ms: i64| {
        control.set_clock_skew_ms(ms);
        let mut time = libc::timeval { tv_sec: 0, tv_usec: 0 };
        // SAFETY: a local that outlives the call.
        unsafe { libc::gettimeofday(&mut time, ptr::null_mut()) };
        let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_millis() as i64;
        now - (time.tv_sec * 1_000 + time.tv_usec / 1_000)
    };
    assert!((9_900..10_900).contains(&lag(9_900)));
    assert!((0..1_000).contains(&lag(0)));

    let mut times: Vec<Duration> = (0..100)
        .map(|_| {
            let start = Instant::now();
            let ctx = libxl.open();
            assert_eq!(libxl.domains(ctx), [0, 32751]);
            let taken = start.elapsed();
            libxl.close(ctx);
            taken
        })
        .collect();
    times.sort();
    println!("ctx_alloc and list_vm: median {:?}, slowest {:?} of {}", times[50], times[99], times.len());
    server.shutdown();
}

/// The stand-in's control interface.
struct Control {
    library: Library,
}

impl Control {
    fn symbol<T>(&self, name: &str) -> Symbol<T> {
        // SAFETY: the callers give the types of include/osevent_xencall.h.
        unsafe { self.library.get(format!("osevent_xencall_{name}")) }.unwrap()
    }

    fn call<T>(&self, name: &str) -> T {
        // SAFETY: a function without parameters, of the type that the header gives it.
        unsafe { self.symbol::<unsafe extern "C" fn() -> T>(name)() }
    }

    fn set_domain(&self, domid: u32, flags: u32) -> c_int {
        // SAFETY: takes numbers alone.
        unsafe { self.symbol::<unsafe extern "C" fn(u32, u32) -> c_int>("set_domain")(domid, flags) }
    }

    fn remove_domain(&self, domid: u32) -> c_int {
        // SAFETY: takes a number alone.
        unsafe { self.symbol::<unsafe extern "C" fn(u32) -> c_int>("remove_domain")(domid) }
    }

    fn domain(&self, domid: u32) -> i64 {
        // SAFETY: takes a number alone.
        unsafe { self.symbol::<unsafe extern "C" fn(u32) -> i64>("domain")(domid) }
    }

    fn set_clock_skew_ms(&self, ms: i64) {
        // SAFETY: takes a number alone.
        unsafe { self.symbol::<unsafe extern "C" fn(i64)>("set_clock_skew_ms")(ms) }
    }
}

/// The few functions of libxl 4.17 that are needed.
struct Libxl(Library);

const DOMAIN_DEATH: u32 = 2;
const XTL_ERROR: c_int = 8;

type Ctx = *mut c_void;

impl Libxl {
    fn symbol<T>(&self, name: &str) -> Symbol<T> {
        // SAFETY: the callers give the types of libxl.h of 4.17.
        unsafe { self.0.get(name) }.unwrap()
    }

    /// Opens a ctx that reports errors to stderr; libxl crashes without any logger.
    fn open(&self) -> Ctx {
        // SAFETY: a descriptor that is open for the process's life, and a C string.
        let stderr = unsafe { libc::fdopen(libc::STDERR_FILENO, c"w".as_ptr()) };
        let create = self
            .symbol::<unsafe extern "C" fn(*mut libc::FILE, c_int, u32) -> *mut c_void>("xtl_createlogger_stdiostream");
        // SAFETY: a stream that is never closed; neither is the logger.
        let logger = unsafe { create(stderr, XTL_ERROR, 0) };
        let mut ctx = ptr::null_mut();
        type Alloc = unsafe extern "C" fn(*mut Ctx, c_int, u32, *mut c_void) -> c_int;
        // SAFETY: the out pointer outlives the call, the logger everything.
        assert_eq!(unsafe { self.symbol::<Alloc>("libxl_ctx_alloc")(&mut ctx, 0, 0, logger) }, 0);
        ctx
    }

    fn close(&self, ctx: Ctx) {
        // SAFETY: a ctx from `open`, used for the last time.
        let result = unsafe { self.symbol::<unsafe extern "C" fn(Ctx) -> c_int>("libxl_ctx_free")(ctx) };
        assert_eq!(result, 0);
    }

    fn domains(&self, ctx: Ctx) -> Vec<u32> {
        #[repr(C)]
        struct VmInfo {
            uuid: [u8; 16],
            domid: u32,
        }
        let mut count = 0;
        // SAFETY: a live ctx, and an out pointer that outlives the call.
        let list = unsafe {
            self.symbol::<unsafe extern "C" fn(Ctx, *mut c_int) -> *mut VmInfo>("libxl_list_vm")(ctx, &mut count)
        };
        assert!(!list.is_null());
        // SAFETY: libxl gave `count` entries there.
        let infos = unsafe { std::slice::from_raw_parts(list, count as usize) };
        let domids = infos.iter().map(|info| info.domid).collect();
        for info in infos {
            assert_eq!(info.uuid[12..], info.domid.to_be_bytes(), "the uuid is made of the id");
        }
        let free = self.symbol::<unsafe extern "C" fn(*mut VmInfo, c_int)>("libxl_vminfo_list_free");
        // SAFETY: the list is libxl's, and not looked at any more.
        unsafe { free(list, count) };
        domids
    }

    /// A function of a domain that waits until it is done: `ao_how` is NULL.
    fn on_domain(&self, function: &str, ctx: Ctx, domid: u32) -> c_int {
        // SAFETY: a live ctx; the functions called so have this type since 4.13.
        unsafe {
            self.symbol::<unsafe extern "C" fn(Ctx, u32, *const c_void) -> c_int>(function)(ctx, domid, ptr::null())
        }
    }

    fn watch_death(&self, ctx: Ctx, domid: u32) {
        let mut watch = ptr::null_mut();
        let enable = self
            .symbol::<unsafe extern "C" fn(Ctx, u32, u64, *mut *mut c_void) -> c_int>("libxl_evenable_domain_death");
        // SAFETY: a live ctx, and an out pointer that outlives the call. The watch dies with the ctx.
        assert_eq!(unsafe { enable(ctx, domid, 0, &mut watch) }, 0);
    }

    /// Domain and type of the next event.
    fn wait_for_event(&self, ctx: Ctx) -> (u32, u32) {
        let mut event: *mut u8 = ptr::null_mut();
        let wait = self.symbol::<unsafe extern "C" fn(Ctx, *mut *mut u8, u64, *const c_void, *const c_void) -> c_int>(
            "libxl_event_wait",
        );
        // SAFETY: a live ctx, and an out pointer that outlives the call.
        assert_eq!(unsafe { wait(ctx, &mut event, u64::MAX, ptr::null(), ptr::null()) }, 0);
        // SAFETY: on 64-bit Linux an event has its domid at 16 and its type at 48, in all releases.
        let found = unsafe { (event.add(16).cast::<u32>().read(), event.add(48).cast::<u32>().read()) };
        let free = self.symbol::<unsafe extern "C" fn(Ctx, *mut u8)>("libxl_event_free");
        // SAFETY: the event is ours to free, and not looked at any more.
        unsafe { free(ctx, event) };
        found
    }
}
