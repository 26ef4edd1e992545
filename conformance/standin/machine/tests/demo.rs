//! A program that enters a demonstration is on the machine, with the domains that it wanted, and the machine is gone afterwards.

use std::path::Path;
use std::process::{Command, ExitCode};

use libtest_mimic::{Arguments, Completion, Failed, Trial};
use osevent_epoll::Reactor;
use osevent_standin_machine::demo::{self, Domain, Side};
use xenlight::{Ctx, Library};

/// Set for the process that enters the demonstration.
const DEMO: &str = "STANDIN_TEST_DEMO";

fn main() -> ExitCode {
    if std::env::var_os(DEMO).is_some() {
        return match demo::enter(&[Domain::new("web").memory_mib(512).vcpus(2), Domain::new("spare").paused()]) {
            Ok(Side::Machine(code)) => code,
            Ok(Side::Program) => program(),
            Err(error) => {
                eprintln!("{error}");
                ExitCode::FAILURE
            }
        };
    }
    let cases = vec![
        Trial::ignorable_test("the_program_is_on_the_machine_and_its_code_is_passed_on", shows),
        Trial::ignorable_test("without_pseudo_terminals_it_says_so_and_what_to_do", needs_terminals),
        Trial::test("without_the_stand_in_it_says_which_package_has_it", needs_the_standin),
    ];
    libtest_mimic::run(&Arguments::from_args(), cases).exit_code()
}

/// What the program does there.
fn program() -> ExitCode {
    let library = Library::load().expect("it was loaded before");
    let ctx = Ctx::open(&library, Reactor::new().expect("fds are free")).expect("the machine is there");
    for info in ctx.domains().expect("they are listed") {
        let name = ctx.name(info.domid).expect("xenstored is there").expect("each has a name");
        println!("{name} {} {}", info.current_memory_kib >> 10, info.paused);
    }
    let kernel = demo::kernel().expect("this is the program");
    // Where the guide says that a program finds it that does not link this crate.
    let folder = std::env::var("OSEVENT_DEMO_FOLDER").expect("this is the program");
    println!("{} {}", kernel.is_file() && kernel == Path::new(&folder).join("kernel"), kernel.display());
    ctx.close_blocking().expect("it can be closed");
    ExitCode::from(7)
}

fn shows() -> Result<Completion, Failed> {
    if let Err(missing) = Library::load() {
        return Ok(Completion::ignored_with(missing.to_string()));
    }
    let output = Command::new(std::env::current_exe()?).env(DEMO, "1").output()?;
    let said = String::from_utf8(output.stdout)?;
    let heard = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(7), "{said}\n{heard}");
    let lines: Vec<&str> = said.lines().collect();
    let [dom0, web, spare, kernel] = lines[..] else { return Err(said.into()) };
    assert!(dom0.starts_with("Domain-0 "), "{said}");
    assert!(web.starts_with("web 51") && web.ends_with(" false"), "{said}");
    assert!(spare.starts_with("spare ") && spare.ends_with(" true"), "{said}");
    let kernel = kernel.strip_prefix("true ").ok_or("the kernel was not there")?;
    assert!(!Path::new(kernel).exists(), "{kernel} is left");
    Ok(Completion::Completed)
}

fn needs_terminals() -> Result<Completion, Failed> {
    if let Err(missing) = Library::load() {
        return Ok(Completion::ignored_with(missing.to_string()));
    }
    // As in a chroot into which /dev/pts was not mounted.
    let without = |then: &str| {
        let mut unshare = Command::new("unshare");
        unshare.args(["--map-root-user", "--mount", "sh", "-c"]);
        unshare.arg(format!("mount -t tmpfs tmpfs /dev/pts && {then}"));
        unshare
    };
    if !without("true").output().is_ok_and(|output| output.status.success()) {
        return Ok(Completion::ignored_with("there are no name spaces to be had here"));
    }
    let output = without("exec \"$0\"").arg(std::env::current_exe()?).env(DEMO, "1").output()?;
    let heard = String::from_utf8(output.stderr)?;
    assert_eq!(output.status.code(), Some(1), "{heard}");
    assert!(heard.contains("no pseudo-terminal for the domains' consoles: "), "{heard}");
    assert!(heard.contains("mount -t devpts devpts /dev/pts"), "{heard}");
    Ok(Completion::Completed)
}

fn needs_the_standin() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let elsewhere = folder.path().join("program");
    std::fs::copy(std::env::current_exe()?, &elsewhere)?;
    let output = Command::new(&elsewhere).env(DEMO, "1").env_remove("OSEVENT_XENCALL").output()?;
    let heard = String::from_utf8(output.stderr)?;
    assert_eq!(output.status.code(), Some(1), "{heard}");
    assert!(
        heard.contains("libxencall.so, is neither beside") && heard.contains("the package osevent-conformance"),
        "{heard}"
    );
    Ok(())
}
