//! The lab tells apart how a program, dom0 and Xen end. Each case boots a machine, which takes seconds and 2 GiB.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::LazyLock;
use std::thread;
use std::time::{Duration, Instant};

/// Runs `cargo xtask lab` with `arguments`.
fn lab(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_xtask")).arg("lab").args(arguments).output().expect("xtask starts")
}

/// Runs it, and wants `code` and, among the lab's own words, `words`. Returns the program's standard output.
fn expect(arguments: &[&str], code: i32, words: &str) -> String {
    let output = lab(arguments);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{errors}");
    assert!(errors.contains(words), "{errors}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// A file for one test, in the target folder.
fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name)
}

#[test]
#[ignore = "makes the lab's image; `cargo xtask test` runs it"]
fn machine_that_qemu_cannot_start_is_told() {
    // As where memory is limited below what is free: a container, a service.
    let script = r#"ulimit -v 2000000; exec "$0" lab -- true"#;
    let xtask = env!("CARGO_BIN_EXE_xtask");
    let output = Command::new("bash").args(["-c", script, xtask]).output().expect("bash starts");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{errors}");
    assert!(errors.contains("QEMU cannot start the machine") && errors.contains("Cannot allocate memory"), "{errors}");
}

#[test]
#[ignore = "boots Xen; `cargo xtask test` runs it"]
fn outputs_exit_code_and_files_come_back() {
    let (with, fetched, log) = (file("beside it"), file("fetched"), file("console.log"));
    fs::write(&with, "a file beside it\n").unwrap();
    let script = "cat 'beside it'; echo error >&2; xl list >/tmp/list; exit 7";
    let output = lab(&[
        "--with",
        with.to_str().unwrap(),
        "--fetch",
        &format!("/tmp/list={}", fetched.display()),
        "--log",
        log.to_str().unwrap(),
        "--",
        "sh",
        "-c",
        script,
    ]);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(7), "{errors}");
    assert_eq!(output.stdout, b"a file beside it\n");
    assert!(errors.lines().any(|line| line == "error"), "{errors}");
    assert!(fs::read_to_string(fetched).unwrap().contains("Domain-0"));
    assert!(fs::read_to_string(log).unwrap().contains("(XEN) Xen version"));
}

#[test]
#[ignore = "boots Xen; `cargo xtask test` runs it"]
fn domains_wait_to_be_created() {
    let script = "
        until_log() { n=0; until grep -q \"$2\" /var/log/xen/console/guest-$1.log; do
            n=$((n + 1)); [ $n -lt 600 ] || exit 1; usleep 100000; done; }
        xl create -q /lab/idle.cfg && xl domid idle &&
        xl create -q /lab/poweroff.cfg && xl create -q /lab/linux.cfg && until_log linux 'linux: up' &&
        xl shutdown -w linux && ! xl domid poweroff && xl destroy idle &&
        xl create -q /lab/idle.cfg 'type=\"pvh\"' && xl create -q /lab/poweroff.cfg 'type=\"pvh\"' &&
        xl create -q /lab/answering.cfg && until_log answering 'answering: up' && xl save answering /tmp/saved &&
        xl restore /tmp/saved && xl shutdown -w answering && ! xl domid poweroff && xl destroy idle &&
        xl list | wc -l";
    let output = expect(&["--", "sh", "-c", script], 0, "exit code 0");
    assert_eq!(output.lines().last(), Some("2"), "only the heading and dom0 are left: {output}");
}

#[test]
#[ignore = "boots Xen; `cargo xtask test` runs it"]
fn disk_and_network_interface_are_attached_by_the_hotplug_scripts() {
    let script = "
        dd if=/dev/zero of=/tmp/disk bs=1M count=1 2>/dev/null && losetup -f /tmp/disk &&
        ip link add name br0 type bridge && xl create -q /lab/idle.cfg &&
        xl block-attach idle phy:/dev/loop0 xvdb w && xl network-attach idle bridge=br0 &&
        ls /sys/class/net/br0/brif && xenstore-read /local/domain/0/backend/vbd/1/51728/hotplug-status &&
        xl destroy idle && losetup -d /dev/loop0 && ls /sys/class/net/br0/brif && losetup -a";
    assert_eq!(expect(&["--", "sh", "-c", script], 0, "exit code 0"), "vif1.0\nconnected\n");
}

#[test]
#[ignore = "boots Xen; `cargo xtask test` runs it"]
fn crash_of_the_program_is_told_from_an_exit_code() {
    let code = expect(&["--", "sh", "-c", "exit 139"], 139, "exit code 139");
    assert_eq!(code, "");
    expect(&["--", "sh", "-c", "kill -SEGV $$"], 139, "killed by signal 11");
}

#[test]
#[ignore = "boots Xen; `cargo xtask test` runs it"]
fn time_out_tells_whether_the_program_was_started() {
    expect(&["--timeout", "1", "--", "true"], 124, "time-out: the program had not been started");
    // Long enough for a boot beside another.
    expect(&["--timeout", "45", "--", "sleep", "1000"], 124, "time-out: the program had not ended");
}

#[test]
#[ignore = "boots Xen; `cargo xtask test` runs it"]
fn boot_that_takes_too_long_is_ended_told_and_tried_once_more() {
    let output = lab(&["--start-timeout", "1", "--", "true"]);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(125), "{errors}");
    let told =
        errors.matches("the boot stood still: the program had not been started after 1 s; processor 0 at ").count();
    assert_eq!(told, 2, "{errors}");
    assert!(errors.contains("trying once more") && errors.contains("(the second boot, never started"), "{errors}");
    assert!(errors.contains("; processor 1 at "), "{errors}");
}

#[test]
#[ignore = "boots Xen; `cargo xtask test` runs it"]
fn machine_that_stands_still_is_replaced_and_the_program_runs() {
    let lab = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(["lab", "--start-timeout", "60", "--", "echo", "here"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("xtask starts");
    // The first machine stands still, its monitor with it; the limit says when that is noticed.
    let qemu = eventually(|| machine_of(lab.id()));
    // SAFETY: a signal to the child of our own child, which has ended only if that has.
    let stopped = unsafe { libc::kill(qemu.try_into().unwrap(), libc::SIGSTOP) };
    assert_eq!(stopped, 0);
    let output = lab.wait_with_output().expect("xtask ends");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), &*output.stdout), (Some(0), &b"here\n"[..]), "{errors}");
    assert!(errors.contains("QEMU's monitor does not answer"), "{errors}");
    assert!(errors.contains("exit code 0 (the second boot, started after"), "{errors}");
}

/// The QEMU that this lab has started.
fn machine_of(lab: u32) -> Option<u32> {
    let processes = fs::read_dir("/proc").ok()?.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    processes.into_iter().find(|pid: &u32| {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        // Before it is QEMU, it is setpriv with the same words behind it.
        let words = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        status.lines().any(|line| line == format!("PPid:\t{lab}"))
            && words.starts_with(b"/")
            && String::from_utf8_lossy(&words).contains("qemu-system-x86_64\0")
    })
}

/// What `look` finds within two minutes.
fn eventually<T>(look: impl Fn() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < Duration::from_secs(120), "not found");
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
#[ignore = "boots Xen; `cargo xtask test` runs it"]
fn panic_of_dom0_is_told() {
    let crash = "echo c >/proc/sysrq-trigger";
    expect(&["--", "sh", "-c", crash], 125, "dom0 panicked: not syncing: sysrq triggered crash");
}

#[test]
#[ignore = "boots Xen; `cargo xtask test` runs it"]
fn panic_of_xen_is_told() {
    let words = "Xen panicked: Domain 0 allocation is too small";
    expect(&["--xen-args", "dom0_mem=16M", "--", "true"], 125, words);
}

#[test]
#[ignore = "boots Xen; `cargo xtask test` runs it"]
fn panic_without_a_reset_is_told_before_the_time_is_over() {
    const LIMIT: &str = "900";
    let (args, words) = ("dom0_mem=16M noreboot", "Xen panicked: Domain 0 allocation is too small");
    let begun = Instant::now();
    expect(&["--timeout", LIMIT, "--start-timeout", LIMIT, "--xen-args", args, "--", "true"], 125, words);
    assert!(begun.elapsed().as_secs() < LIMIT.parse().unwrap());
}

#[test]
#[ignore = "boots Xen; `cargo xtask test` runs it"]
fn reset_is_told_from_a_panic() {
    expect(&["--", "sh", "-c", "xl debug-keys R; sleep 100"], 125, "reset or switched off without a panic");
}

#[test]
#[ignore = "boots Xen; `cargo xtask test` runs it"]
fn script_without_its_interpreter_is_told() {
    let script = file("script");
    fs::write(&script, "#!/no/such/shell\n").unwrap();
    expect(&["--", script.to_str().unwrap()], 127, "dom0 cannot start the program");
}

#[test]
fn what_cannot_be_run_is_refused_before_the_boot() {
    expect(&["--memory", "1000000000", "--", "true"], 2, "MiB of free memory");
    expect(&["--", "./no-such-program"], 2, "no file ./no-such-program");
    expect(&["--", "no-such-program"], 2, "nor a command of dom0");
    expect(&["--fetch", "nothing", "--", "true"], 2, "no '='");
}

#[test]
fn mirror_that_cannot_serve_is_told() {
    let target = file("target of its own");
    if target.exists() {
        fs::remove_dir_all(&target).unwrap();
    }
    let empty = file("empty-mirror");
    fs::create_dir_all(&empty).unwrap();
    // Nobody listens on port 1.
    let mirrors = [
        (format!("copy:{}", empty.display()), "the mirror does not have Debian's trixie"),
        ("http://127.0.0.1:1/debian".to_owned(), "is there a network?"),
    ];
    for (mirror, words) in mirrors {
        let mut lab = Command::new(env!("CARGO_BIN_EXE_xtask"));
        lab.env("CARGO_TARGET_DIR", &target).env("OSEVENT_DEBIAN_MIRROR", &mirror);
        let output = lab.args(["lab", "--", "true"]).output().expect("xtask starts");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{mirror}: {errors}");
        assert!(errors.contains(words), "{mirror}: {errors}");
    }
}

#[test]
#[ignore = "boots Xen; `cargo xtask test` runs it"]
fn each_release_boots_its_own_xen_and_a_domain() {
    for (release, xen) in [("bullseye", "4.14."), ("bookworm", "4.17."), ("trixie", "4.20.")] {
        let script = "
            xl create -q /lab/idle.cfg && xl destroy idle &&
            xl create -q /lab/idle.cfg 'type=\"pvh\"' && xl destroy idle && xl info xen_version";
        let output = expect(&["--release", release, "--", "sh", "-c", script], 0, "exit code 0");
        assert!(output.starts_with(xen), "{release}: {output}");
    }
}

/// The suite's step has credit2, Xen's default. Debian's Xen has RTDS in 4.14 only.
#[test]
#[ignore = "boots Xen; `cargo xtask test` runs it"]
fn suite_changes_the_settings_of_other_schedulers() {
    for (release, scheduler) in [("bookworm", "sched=credit"), ("bullseye", "sched=rtds")] {
        let suite = ["--", "osevent-conformance", "--tier", "xen", "--case", "xen-scheduler"];
        let machine = ["--release", release, "--xen-args", scheduler];
        let output = expect(&[&machine[..], &suite[..]].concat(), 0, "exit code 0");
        assert!(output.contains("1 passed, 0 failed, 0 skipped"), "{scheduler}: {output}");
    }
}

#[test]
#[ignore = "boots Xen; `cargo xtask test` runs it"]
fn libvirtd_tells_of_deaths_beside_osevent() {
    let deaths = ["--libvirt", "--", "osevent-benchmarks", "deaths", "--domains", "2"];
    let shown = expect(&deaths, 0, "the program ended with exit code 0");
    for what in [
        "shuts down, until that is told, 1 ",
        "ends after its shutdown, by libvirtd, until that is told, 1 ",
        "ends by xl, until that is told, 1 ",
    ] {
        assert!(shown.contains(what), "{shown}");
    }
}

#[test]
#[ignore = "boots Xen; `cargo xtask test` runs it"]
fn suite_skips_hvm_domains_where_no_device_model_is() {
    let suite = ["--", "osevent-conformance", "--tier", "xen", "--case", "xen-hvm-eject"];
    let output = expect(&suite, 1, "exit code 1");
    assert!(output.contains("no device model is installed here") && output.contains("hvmloader"), "{output}");
    assert!(output.contains("0 passed, 0 failed, 1 skipped"), "{output}");
}

#[test]
#[ignore = "boots Xen; `cargo xtask test` runs it"]
fn suite_runs_on_a_dom0_as_one_file_and_leaves_other_domains_alone() {
    runs_as_one_file("bookworm", "4.17.", "stable release version 2.36");
}

#[test]
#[ignore = "boots Xen; `cargo xtask test` runs it"]
fn suite_runs_on_an_older_dom0_with_its_own_c_library() {
    runs_as_one_file("bullseye", "4.14.", "stable release version 2.31");
}

/// Runs the program for other dom0s on that release's Xen, with that release's C library.
fn runs_as_one_file(release: &str, xen: &str, c_library: &str) {
    // Once: tests run beside each other, and two builds would write to the same place.
    static PROGRAM: LazyLock<String> = LazyLock::new(|| {
        let output = Command::new(env!("CARGO_BIN_EXE_xtask")).arg("dom0-program").output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let told = String::from_utf8(output.stdout).unwrap();
        told.lines().next().unwrap().to_owned()
    });
    let program = PROGRAM.as_str();
    // Domains of somebody else's, one of them with a name like the suite's own.
    let script = "
        sed s/idle/osevent-1-mine/ /lab/idle.cfg | sed s,/lab/osevent-1-mine,/lab/idle, >/tmp/mine.cfg
        xl create -q /lab/idle.cfg && xl create -q /tmp/mine.cfg && xl list >/tmp/before &&
        mkdir /hidden && mv /lab/idle /lab/poweroff /lab/linux /lab/linux.cpio /hidden &&
        ./osevent-conformance --tier xen --linux /hidden/linux --adapter glib --case xen-life --case xen-powers 2>said
        code=$?; cat said >&2; grep 'creates PV, PVH and HVM domains' said || exit 1
        xl list | awk '{print $1, $2}' >/tmp/after; awk '{print $1, $2}' /tmp/before | cmp - /tmp/after || exit 3
        ls -A /tmp; /lib/libc.so.6; xl info xen_version; exit $code";
    let machine = ["--release", release, "--memory", "3072", "--timeout", "600", "--with", program];
    let output = expect(&[&machine[..], &["--", "sh", "-c", script]].concat(), 0, "exit code 0");
    assert!(output.contains(c_library) && output.lines().any(|line| line.starts_with(xen)), "{output}");
    assert!(output.contains(" passed, 0 failed, 0 skipped"), "{output}");
    for case in ["xen-life pvh", "xen-life pv", "xen-powers-itself-off pv"] {
        assert!(output.lines().any(|line| line.contains('✓') && line.contains(case)), "{case}: {output}");
    }
}
