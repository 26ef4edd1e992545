//! The examples, which watch the domain that each case makes, shuts down and destroys.

use crate::Outcome;
use crate::compiler::{GLIB, Linked, Needs, Program, XEN};
use libtest_mimic::{Completion, Failed};
use osevent_standin_machine::{Machine, Running};

/// Xen's number of "it rebooted".
const REBOOT: u8 = 1;

pub(crate) fn poll() -> Outcome {
    example("examples/watch-poll.c", Linked::Shared, &XEN)
}

pub(crate) fn poll_static() -> Outcome {
    example("examples/watch-poll.c", Linked::Static, &XEN)
}

pub(crate) fn uv() -> Outcome {
    let needs = Needs { modules: &["xenlight", "xentoollog", "libuv"], package: "libuv1-dev" };
    example("examples/watch-uv.c", Linked::Shared, &needs)
}

pub(crate) fn sd_event() -> Outcome {
    let needs = Needs { modules: &["xenlight", "xentoollog", "libsystemd"], package: "libsystemd-dev" };
    example("examples/watch-sd-event.c", Linked::Shared, &needs)
}

pub(crate) fn libvirt() -> Outcome {
    let needs = Needs { modules: &["xenlight", "xentoollog", "libvirt"], package: "libvirt-dev" };
    example("examples/watch-libvirt.c", Linked::Shared, &needs)
}

pub(crate) fn glib() -> Outcome {
    example("examples/watch-glib.c", Linked::Shared, &GLIB)
}

pub(crate) fn vala() -> Outcome {
    watches(Program::compile_vala("examples/watch-vala.vala", &GLIB)?)
}

/// The first program of the book.
pub(crate) fn first() -> Outcome {
    let program = match Program::compile("../book/c/first.c", Linked::Shared, &XEN)? {
        Ok(program) => program,
        Err(missing) => return Ok(Completion::ignored_with(missing)),
    };
    let machine = Machine::new()?;
    machine.add_domain(5)?;
    let mut running = Running::start(program.on(&machine).arg("pretend-5"))?;
    running.says("pretend-5 is gone")?;
    running.ends_with(0)?;
    Ok(Completion::Completed)
}

fn example(source: &str, linked: Linked, needs: &Needs) -> Outcome {
    watches(Program::compile(source, linked, needs)?)
}

fn watches(program: Result<Program, String>) -> Outcome {
    let program = match program {
        Ok(program) => program,
        Err(missing) => return Ok(Completion::ignored_with(missing)),
    };
    reports_the_ends(&program)?;
    ends_on_sigterm(&program)?;
    refuses_where_there_is_no_xen(&program)?;
    Ok(Completion::Completed)
}

/// It reports what becomes of its domains, and ends in order with the last.
fn reports_the_ends(program: &Program) -> Result<(), Failed> {
    let machine = Machine::new()?;
    machine.add_domain(5)?;
    machine.add_domain(7)?;
    let mut running = Running::start(program.on(&machine).args(["5", "7"]))?;
    machine.shut_down(5, REBOOT)?;
    running.says("domain 5 has shut down: reboot")?;
    // What follows finds the loop asleep, or about to be.
    machine.destroy(5)?;
    running.says("domain 5 is gone")?;
    machine.destroy(7)?;
    running.says("domain 7 is gone")?;
    running.ends_with(0)?;
    if machine.hypercalls() == 0 {
        return Err("libxl has not asked the stand-in".into());
    }
    Ok(())
}

/// The host's own sources are served beside libxl's.
fn ends_on_sigterm(program: &Program) -> Result<(), Failed> {
    let machine = Machine::new()?;
    machine.add_domain(5)?;
    let mut running = Running::start(program.on(&machine).arg("5"))?;
    machine.shut_down(5, REBOOT)?;
    running.says("domain 5 has shut down: reboot")?;
    let pid = running.id().try_into()?;
    // SAFETY: a signal to our own child, which has not been waited for.
    if unsafe { libc::kill(pid, libc::SIGTERM) } != 0 {
        return Err(std::io::Error::last_os_error().into());
    }
    running.ends_with(0)?;
    Ok(())
}

fn refuses_where_there_is_no_xen(program: &Program) -> Result<(), Failed> {
    let machine = Machine::new()?;
    let output = program.on(&machine).env("XENSTORED_PATH", "/nowhere").arg("5").output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.code() != Some(2) || !said.contains("no libxl") {
        return Err(format!("{}\n{said}", output.status).into());
    }
    Ok(())
}
