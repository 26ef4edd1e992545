//! The program over the service xenlightd, as somebody uses it who is not root: on a bus of its own, with a polkit that answers by a table.

use crate::bus::Bus;
use crate::closing::{close, half_reset};
use crate::devices::nic_and_pci;
use crate::looking::{LIMIT, until};
use crate::management::{domain_file, script};
use crate::manager::choose_action;
use crate::polkit::{Asked, Polkit};
use crate::reader::SENSITIVE;
use crate::{AS_XENLIGHTD, Manager, PROGRAM, reset, save_helper};
use futures_lite::StreamExt;
use futures_lite::future::block_on;
use osevent_standin_machine::{Failure, Machine, Running};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::Command;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::task::Waker;
use std::thread;
use zbus::connection::Builder;
use zbus::{Connection, MessageStream};

const MANAGE: &str = "org.osevent.Xen1.manage";
const CONSOLE: &str = "org.osevent.Xen1.console";
const READ_CONFIGURATION: &str = "org.osevent.Xen1.read-configuration";
const POLKIT: &str = "org.freedesktop.PolicyKit1";

/// Ends from the top.
struct Bed {
    service: Option<Running>,
    /// While it is kept, polkit is there.
    polkit_bus: Connection,
    polkit: Arc<Mutex<Polkit>>,
    machine: Machine,
    bus: Bus,
}

impl Bed {
    fn new() -> Result<Self, Failure> {
        let (bus, machine) = (Bus::start()?, Machine::new()?);
        let polkit = Arc::new(Mutex::new(Polkit::default()));
        let polkit_bus = block_on(Builder::address(bus.address.as_str()).build())?;
        block_on(Polkit::serve(&polkit, &polkit_bus))?;
        Ok(Self { service: None, polkit_bus, polkit, machine, bus })
    }

    /// Starts the service, and waits until it has told systemd that it is ready.
    fn serve(&mut self) -> Result<(), Failure> {
        let path = self.bus.folder.path().join("notify");
        let _ = fs::remove_file(&path);
        let systemd = UnixDatagram::bind(&path)?;
        let mut command = self.machine.command(std::env::current_exe()?);
        command.arg("serve").env(AS_XENLIGHTD, "").env("NOTIFY_SOCKET", &path);
        command.env("LIBXL_SAVE_HELPER", std::env::current_exe()?).env(save_helper::DO, "hangs");
        self.service = Some(Running::start(command.env("DBUS_SYSTEM_BUS_ADDRESS", &self.bus.address))?);
        let mut told = [0; 256];
        let length = systemd.recv(&mut told)?;
        if told[..length].starts_with(b"READY=1") { Ok(()) } else { Err("it is not ready".into()) }
    }

    /// Has the bus start a service that only notes that, in the file, and ends.
    fn note_starts(&self) -> Result<PathBuf, Failure> {
        let folder = self.bus.folder.path();
        let (program, starts, config) = (folder.join("start"), folder.join("starts"), folder.join("bus.conf"));
        script(&program, &format!("echo started >> {}; exit 1", starts.display()))?;
        let described = format!("[D-BUS Service]\nName=org.osevent.Xen1\nExec={}\n", program.display());
        fs::write(folder.join("org.osevent.Xen1.service"), described)?;
        let more = format!("<servicedir>{}</servicedir></busconfig>", folder.display());
        fs::write(&config, fs::read_to_string(&config)?.replace("</busconfig>", &more))?;
        let connection = block_on(Builder::address(self.bus.address.as_str()).build())?;
        let to = "org.freedesktop.DBus";
        block_on(connection.call_method(Some(to), "/org/freedesktop/DBus", Some(to), "ReloadConfig", &()))?;
        Ok(starts)
    }

    /// Tells of each call of a method.
    fn calls(&self, method: &'static str) -> Result<Receiver<()>, Failure> {
        let connection = block_on(Builder::address(self.bus.address.as_str()).build())?;
        let mut seen = MessageStream::from(&connection);
        let rule = format!("type='method_call',member='{method}'");
        let to = "org.freedesktop.DBus";
        let monitoring = Some("org.freedesktop.DBus.Monitoring");
        let rules = (vec![rule], 0u32);
        block_on(connection.call_method(Some(to), "/org/freedesktop/DBus", monitoring, "BecomeMonitor", &rules))?;
        let (tell, told) = channel();
        thread::spawn(move || {
            while let Some(Ok(message)) = block_on(seen.next()) {
                let is_it = message.header().member().is_some_and(|member| member == method);
                if is_it && tell.send(()).is_err() {
                    return;
                }
            }
        });
        Ok(told)
    }

    fn allow(&self, actions: &[&'static str]) {
        self.polkit.lock().expect("nobody panics with it").allowed.extend(actions);
    }

    /// The program without libxl.
    fn manager(&self, arguments: &[&str]) -> Result<Manager, Failure> {
        Manager::run(self.command().args(arguments))
    }

    fn command(&self) -> Command {
        let mut command = Command::new(PROGRAM);
        command.arg("--service").env("DBUS_SYSTEM_BUS_ADDRESS", &self.bus.address);
        command
    }
}

pub(crate) fn life() -> Result<(), Failure> {
    let mut bed = Bed::new()?;
    bed.machine.add_domain(5)?;
    bed.machine.add_domain(7)?;
    bed.serve()?;
    let manager = bed.manager(&["--open", "pretend-5"])?;
    let reader = &manager.reader;
    reader.wait("list item", "pretend-7, Running, *")?;
    bed.machine.destroy(7)?;
    reader.wait_gone("list item", "pretend-7, *")?;

    // Nobody has allowed it.
    reader.press("button", "Pause")?;
    reader.wait("label", "Pause pretend-5: You are not authorised to do this. *")?;
    reader.press("button", "Details")?;
    reader.wait_text("text box", "Details", "not authorized for org.osevent.Xen1.manage")?;
    reader.press("button", "Close")?;
    bed.allow(&[MANAGE]);

    // Nobody enters the password.
    block_on(bed.polkit_bus.release_name(POLKIT))?;
    let asking = block_on(Builder::address(bed.bus.address.as_str()).build())?;
    block_on(asking.request_name(POLKIT))?;
    reader.press("button", "Pause")?;
    reader.press("button", "Tasks")?;
    reader.press("button", "Abort: Pause pretend-5")?;
    reader.wait("list item", "Pause pretend-5, Aborted")?;
    block_on(asking.close())?;
    block_on(bed.polkit_bus.request_name(POLKIT))?;

    reader.press("button", "Pause")?;
    reader.wait("list item", "pretend-5, Paused, *")?;
    reader.press("button", "Resume")?;
    reader.wait("list item", "pretend-5, Running, *")?;

    reader.wait("label", "Processor load: *")?;
    // What the service does not offer is grey, and says so.
    reader.wait_state(&reader.wait("list item", "Starts with the Host")?, SENSITIVE, false)?;

    bed.allow(&["org.osevent.Xen1.destroy"]);
    reader.press("button", "Destroy")?;
    reader.wait("label", "Destroy pretend-5?")?;
    reader.press("button", "Destroy")?;
    reader.wait_gone("list item", "pretend-5, *")?;

    // A password is asked for where somebody has pressed a button, and for nothing that goes on by itself.
    let asked = &bed.polkit.lock().expect("nobody panics with it").asked;
    let by_itself = |asked: &Asked| ["org.osevent.Xen1.read", READ_CONFIGURATION].contains(&&*asked.action);
    assert!(asked.iter().all(|asked| by_itself(asked) == (asked.flags == 0)), "{asked:?}");
    assert!(asked.iter().any(by_itself), "{asked:?}");
    Ok(())
}

pub(crate) fn host() -> Result<(), Failure> {
    let mut bed = Bed::new()?;
    bed.serve()?;
    let manager = bed.manager(&[])?;
    let reader = &manager.reader;
    reader.press("button", "Menu")?;
    reader.press("menu item", "Host")?;
    reader.wait("window", "Host")?;
    reader.wait("label", "16.0 GiB")?;
    reader.wait("label", "*NUMA nodes: *")?;
    // It is read again and again.
    let allowed = std::mem::take(&mut bed.polkit.lock().expect("nobody panics with it").allowed);
    reader.wait("label", "You are not authorised to do this. *")?;
    bed.polkit.lock().expect("nobody panics with it").allowed = allowed;
    reader.wait_gone("label", "You are not authorised to do this. *")?;
    Ok(())
}

pub(crate) fn screen() -> Result<(), Failure> {
    let mut bed = Bed::new()?;
    bed.machine.add_domain(5)?;
    bed.serve()?;
    let folder = tempfile::tempdir()?;
    let (here, settings) = (folder.path().display(), folder.path().join("osevent-manager"));
    fs::create_dir(&settings)?;
    fs::write(settings.join("settings.ini"), format!("[manager]\nviewer={here}/viewer\n"))?;
    script(&folder.path().join("viewer"), &format!("echo \"$1\" > {here}/begun && mv {here}/begun {here}/seen"))?;
    let mut command = bed.command();
    let manager = Manager::run(command.args(["--open", "pretend-5"]).env("XDG_CONFIG_HOME", folder.path()))?;
    let reader = &manager.reader;
    reader.wait("list item", "pretend-5, Running, *")?;
    let open = || choose_action(reader, "Screen");
    bed.allow(&[CONSOLE]);
    open()?;
    reader.wait("label", "pretend-5 has no screen: *")?;
    bed.machine.store().write("/local/domain/5/console/vnc-port", b"5903")?;
    open()?;
    until(|| folder.path().join("seen").exists())?;
    assert_eq!(fs::read_to_string(folder.path().join("seen"))?, "vnc://127.0.0.1:5903\n");
    bed.polkit.lock().expect("nobody panics with it").allowed.retain(|action| *action != CONSOLE);
    open()?;
    reader.wait("label", "Screen of pretend-5: You are not authorised to do this. *")?;
    Ok(())
}

pub(crate) fn devices() -> Result<(), Failure> {
    let mut bed = Bed::new()?;
    bed.allow(&["org.osevent.Xen1.create"]);
    bed.serve()?;
    let folder = tempfile::tempdir()?;
    let (here, path) = (folder.path().display(), |name: &str| folder.path().join(name));
    fs::write(path("kernel"), osevent_domains::kernel::idle())?;
    fs::write(path("data.img"), [7; 4096])?;
    let disc = format!("disk = ['format=raw,vdev=xvdc,access=ro,devtype=cdrom,target={here}/data.img']");
    fs::write(path("web.cfg"), format!("name = 'web'\ntype = 'pv'\nmemory = 64\nkernel = '{here}/kernel'\n{disc}\n"))?;
    let manager = Manager::run(bed.command().arg(path("web.cfg")))?;
    let reader = &manager.reader;
    reader.wait("list item", "web, Running, *")?;
    reader.select("Domains", "list item", "web, *")?;

    // They are looked for by themselves, so no password is asked for before somebody wants to see them.
    reader.wait("list item", "You are not authorised to do this. *")?;
    let interactive = || {
        let polkit = bed.polkit.lock().expect("nobody panics with it");
        let mut asked = polkit.asked.iter().filter(|asked| asked.action == READ_CONFIGURATION);
        asked.any(|asked| asked.flags != 0)
    };
    assert!(!interactive());
    bed.allow(&[READ_CONFIGURATION]);
    reader.press("button", "Show the Devices")?;
    reader.wait("list item", "xvdc")?;
    assert!(interactive());

    // Those of another one are not read before polkit answers; these go at once, as they would be taken for its own.
    bed.machine.add_domain(5)?;
    bed.polkit.lock().expect("nobody panics with it").held = Some(Vec::new());
    reader.select("Domains", "list item", "pretend-5, *")?;
    reader.wait_gone("list item", "xvdc")?;
    let seen = reader.describe();
    assert!(!seen.contains("Show the Devices"), "polkit was given up, before that these were there:\n{seen}");
    let held = bed.polkit.lock().expect("nobody panics with it").held.take();
    held.into_iter().flatten().for_each(Waker::wake);
    reader.select("Domains", "list item", "web, *")?;
    reader.wait("list item", "xvdc")?;

    let attach = || {
        reader.press("button", "Attach a Disk")?;
        reader.write("text box", "Image or Block Device", &format!("{here}/data.img"))?;
        reader.press("button", "Attach")
    };
    attach()?;
    reader.wait("label", &format!("Attach {here}/data.img: You are not authorised to do this. *"))?;
    bed.allow(&["org.osevent.Xen1.attach"]);
    attach()?;
    reader.wait("list item", "xvda")?;
    let detach = || {
        reader.press("button", "Detach xvda")?;
        reader.wait("label", "Detach xvda from web?")?;
        reader.press("button", "Detach")?;
        reader.wait_gone("label", "Detach xvda from web?")
    };
    detach()?;
    reader.wait("label", "Detach xvda: You are not authorised to do this. *")?;
    bed.allow(&[MANAGE]);
    detach()?;
    reader.wait_gone("list item", "xvda")?;
    assert_eq!(fs::read(path("data.img"))?, [7; 4096], "what is detached is not touched");

    nic_and_pci(reader)?;

    // Only HVM domains have drives that libxl can open; what it says is told.
    reader.press("button", "Eject the Disc of xvdc")?;
    reader.wait("label", "Eject xvdc: *")?;
    reader.press("button", "Details")?;
    reader.wait_text("text box", "Details", "org.osevent.Xen1.Error.Libxl")?;
    Ok(())
}

pub(crate) fn jobs() -> Result<(), Failure> {
    let mut bed = Bed::new()?;
    bed.allow(&[MANAGE, READ_CONFIGURATION, "org.osevent.Xen1.create", CONSOLE]);
    bed.serve()?;
    let folder = tempfile::tempdir()?;
    let config = domain_file(folder.path())?;
    let manager = bed.manager(&[&config])?;
    let reader = &manager.reader;
    reader.wait("list item", "web, Running, 64 MiB*")?;
    reader.select("Domains", "list item", "web, *")?;
    choose_action(reader, "Console")?;
    reader.wait("window", "Console of web")?;
    reader.press("button", "Close")?;
    reader.wait_gone("window", "Console of web")?;
    choose_action(reader, "Configuration…")?;
    let text = reader.wait_text("text box", "Configuration", "name = \"web\"")?;
    reader.write("text box", "Configuration", &text.replace("\"web\"", "\"shop\""))?;
    reader.wait("list item", "c_info.name: \"web\" → \"shop\", At once")?;
    reader.press("button", "Apply")?;
    reader.wait("list item", "shop, Running, *")?;

    bed.allow(&["org.osevent.Xen1.destroy"]);
    reset(reader, "shop", "2")?;

    // It is paused, so it does not answer: the job can be aborted, and it ends with the service.
    reader.press("button", "Pause")?;
    reader.wait("list item", "shop, Paused, *")?;
    reader.press("button", "Shut Down")?;
    reader.press("button", "Tasks")?;
    reader.press("button", "Abort: Shut down shop")?;
    reader.wait("list item", "Shut down shop, Aborted")?;
    reader.press("button", "Shut Down")?;
    reader.wait("list item", "Shut down shop, At work")?;
    let starts = bed.note_starts()?;
    bed.service = None;
    reader.wait("label", "Shut down shop: The service xenlightd has ended, and this with it")?;
    reader.wait("label", "What is shown may be old: the service xenlightd has ended")?;
    // What is asked for again and again does not start it, and an action does.
    bed.calls("ReadProcessorTimes")?.recv_timeout(LIMIT)?;
    reader.press("button", "Reboot")?;
    reader.wait("label", "Reboot shop: *")?;
    assert_eq!(fs::read_to_string(starts)?, "started\n");

    // It ends again before all is read, which is no reason not to look for the next one.
    let passing = block_on(Builder::address(bed.bus.address.as_str()).build())?;
    block_on(passing.request_name("org.osevent.Xen1"))?;
    block_on(passing.close())?;
    reader.wait("button", "Try Again")?;
    bed.machine.add_domain(9)?;
    bed.serve()?;
    reader.wait("list item", "pretend-9, Running, *")?;
    reader.wait_gone("label", "What is shown may be old: *")?;
    // Not the other: it would heed the request that was made before.
    reader.select("Domains", "list item", "pretend-9, *")?;
    reader.press("button", "Pause")?;
    reader.wait("list item", "pretend-9, Paused, *")?;
    Ok(())
}

/// The domain has ended when the window is closed. The service is asked to give up, and does not.
pub(crate) fn closing() -> Result<(), Failure> {
    let mut bed = Bed::new()?;
    bed.allow(&["org.osevent.Xen1.create", "org.osevent.Xen1.destroy"]);
    bed.serve()?;
    let folder = tempfile::tempdir()?;
    let mut manager = bed.manager(&[&domain_file(folder.path())?])?;
    let reader = &manager.reader;
    let held = half_reset(reader, &bed.machine)?;
    let cancels = bed.calls("Cancel")?;
    close(reader)?;
    cancels.recv_timeout(LIMIT)?;
    manager.ends_well()?;
    drop(held);
    let again = bed.manager(&[])?;
    again.reader.wait("list item", "web, Running, *").map(drop)
}

/// The service ends in the middle of a save, so nobody knows how the save ends.
pub(crate) fn saving() -> Result<(), Failure> {
    let mut bed = Bed::new()?;
    bed.allow(&[MANAGE, "org.osevent.Xen1.create", "org.osevent.Xen1.save"]);
    bed.serve()?;
    let (folder, saved) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let config = domain_file(folder.path())?;
    let manager = Manager::run(bed.command().arg(config).current_dir(&saved))?;
    let reader = &manager.reader;
    reader.wait("list item", "web, Running, *")?;
    reader.select("Domains", "list item", "web, *")?;
    choose_action(reader, "Save…")?;
    reader.press("button", "Save")?;
    reader.press("button", "Tasks")?;
    reader.wait("list item", "Save web, At work, 50 %*")?;
    bed.service = None;
    reader.wait("label", "Save web: The service xenlightd has ended, and this with it. The domain may be saved: *")?;
    let files = fs::read_dir(&saved)?.collect::<Result<Vec<_>, _>>()?;
    assert!(matches!(&*files, [file] if file.path().extension().is_some_and(|is| is == "part")), "{files:?}");
    assert_eq!(files[0].metadata()?.mode() & 0o777, 0o600, "it has all that is in the domain's memory");
    Ok(())
}

/// What is sent does not get anywhere on a simulated machine; how that ends is told, and the domain stays.
pub(crate) fn sending() -> Result<(), Failure> {
    let mut bed = Bed::new()?;
    bed.machine.add_domain(5)?;
    bed.allow(&["org.osevent.Xen1.save", "org.osevent.Xen1.migrate"]);
    bed.serve()?;
    let folder = tempfile::tempdir()?;
    let programs = folder.path().join("programs");
    fs::create_dir(&programs)?;
    script(&programs.join("ssh"), "cat > /dev/null & echo no way to there >&2")?;
    let path = std::env::join_paths(
        [programs].into_iter().chain(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())),
    )?;
    let mut command = bed.command();
    let manager = Manager::run(command.args(["--open", "pretend-5"]).env("PATH", path).current_dir(&folder))?;
    let reader = &manager.reader;
    reader.wait("list item", "pretend-5, Running, *")?;
    choose_action(reader, "Save…")?;
    reader.press("button", "Save")?;
    reader.wait("label", "Save pretend-5: *")?;
    assert_eq!(fs::read_dir(&folder)?.count(), 1, "the unfinished file is removed");
    choose_action(reader, "Migrate…")?;
    reader.write("text box", "Host", "there")?;
    reader.press("button", "Migrate")?;
    reader.wait("label", "Migrate pretend-5 to there: *")?;
    // The one before has a button of that name, too.
    reader.wait_gone("label", "Save pretend-5: *")?;
    reader.press("button", "Details")?;
    reader.wait_text("text box", "Details", "no way to there")?;
    reader.wait("list item", "pretend-5, Running, *")?;
    Ok(())
}

pub(crate) fn missing() -> Result<(), Failure> {
    let mut bed = Bed::new()?;
    let manager = bed.manager(&[])?;
    let reader = &manager.reader;
    reader.wait("label", "Only root can use libxl. *")?;
    bed.serve()?;
    reader.press("button", "Try Again")?;
    reader.wait("list item", "Domain-0, Running, *")?;
    // With the bus.
    drop(bed);
    reader.wait("label", "The connection has ended")?;
    reader.wait("button", "Try Again")?;
    Ok(())
}
