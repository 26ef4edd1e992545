//! The real program in a real window on a pretend machine, used as by somebody with a screen reader.

#[path = "../../../xenlightd-smol/tests/on_a_private_bus/bus.rs"]
mod bus;
mod closing;
mod creating;
mod desktop;
mod devices;
mod editing;
mod events;
mod first;
mod hands;
mod host;
mod looking;
mod management;
mod manager;
mod measures;
#[path = "../../../xenlightd-smol/tests/on_a_private_bus/polkit.rs"]
mod polkit;
mod reader;
mod resetting;
#[path = "../../../xenlightd-smol/tests/on_a_private_bus/save_helper.rs"]
mod save_helper;
mod service;
mod several;
mod small;
mod tree;

use hands::{Hands, Wheel};
use libtest_mimic::{Arguments, Completion, Failed, Trial};
use looking::until;
use manager::{Manager, choose_action};
use osevent_standin_machine::{Failure, Machine};
use reader::{Reader, SELECTED, SENSITIVE};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use xenlight::Library;

type Case = fn() -> Result<(), Failure>;

/// Set where this program is to be xenlightd.
const AS_XENLIGHTD: &str = "OSEVENT_MANAGER_TEST_AS_XENLIGHTD";

fn main() -> ExitCode {
    // libxl starts it in the environment of xenlightd.
    if let Some(helped) = save_helper::run() {
        helped.expect("libxl talks to it");
        return ExitCode::SUCCESS;
    }
    if std::env::var_os(AS_XENLIGHTD).is_some() {
        return xenlightd::main();
    }
    let cases: [(&str, Case); 34] = [
        ("the_list_shows_domains_as_they_come_and_go_and_keeps_its_selection", list),
        ("a_domain_is_paused_resumed_and_destroyed_after_a_question", life),
        ("a_failure_is_a_toast_with_details_and_a_task_that_has_failed", failure),
        ("a_domain_is_made_of_a_file_and_a_malformed_one_is_told_of", files),
        ("memory_is_changed_and_what_cannot_be_saved_runs_on", changes),
        ("it_speaks_the_language_of_its_user", german),
        ("the_console_shows_what_the_domain_prints", console),
        ("closing_asks_while_a_task_is_at_work", closing::asks),
        ("a_domain_that_is_being_reset_runs_again_although_the_window_is_closed", closing::in_a_reset),
        ("a_window_that_is_wanted_again_while_it_is_being_closed_comes_back", closing::and_opened_again),
        ("a_domain_that_is_being_saved_goes_on_if_the_window_is_closed", closing::in_a_save),
        ("a_domain_is_created_by_a_form_that_says_what_is_wrong", creating::assistant),
        ("a_configuration_is_changed_and_what_waits_for_a_restart_is_told", editing::editing),
        ("a_configuration_that_has_not_changed_is_not_asked_for_again", editing::kept),
        ("what_may_run_elsewhere_is_not_reset", resetting::elsewhere),
        ("what_could_not_start_again_is_not_ended", resetting::without_its_kernel),
        ("devices_are_attached_and_detached_and_their_files_stay", devices::devices),
        ("the_host_is_shown_and_asked_only_while_somebody_looks", host::host),
        ("several_domains_are_paused_and_destroyed_at_once", several::several),
        ("the_newest_event_is_seen_unless_somebody_looks_at_earlier_ones", events::events),
        ("the_books_first_program_shows_the_domains", first::program),
        ("screens_migration_start_with_the_host_and_events_are_there", management::management),
        ("on_a_phones_screen_every_action_is_in_reach", small::phone),
        ("keys_do_what_their_window_says", small::keys),
        ("without_xen_a_page_says_what_to_do", without_xen),
        ("over_the_service_polkit_decides_and_what_is_lacking_is_grey", service::life),
        ("over_the_service_the_host_has_its_page", service::host),
        ("over_the_service_a_screen_is_shown_to_whom_polkit_allows_it", service::screen),
        ("over_the_service_devices_come_and_go_as_polkit_allows_it", service::devices),
        ("over_the_service_jobs_are_tasks_which_end_with_it", service::jobs),
        ("over_the_service_what_cannot_be_saved_or_sent_runs_on", service::sending),
        ("over_the_service_a_domain_that_is_being_reset_runs_again_although_the_window_is_closed", service::closing),
        ("over_the_service_a_domain_that_may_be_saved_keeps_its_file", service::saving),
        ("without_the_service_a_page_says_what_to_do", service::missing),
    ];
    let mut trials: Vec<_> = cases.map(|(name, case)| Trial::ignorable_test(name, move || on_a_desktop(case))).into();
    trials.push(Trial::ignorable_test("measures", move || on_a_desktop(measures::run)).with_ignored_flag(true));
    trials.push(Trial::ignorable_test("pictures", move || on_a_desktop(pictures)).with_ignored_flag(true));
    trials.push(Trial::ignorable_test("small_pictures", move || on_a_desktop(small::pictures)).with_ignored_flag(true));
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// What of a desktop is not installed, if anything.
fn lacks() -> Option<String> {
    let program = ["Xvfb", "dbus-daemon", "msgfmt"].into_iter().find(|name| bus::program(name).is_none());
    let service = "/usr/share/dbus-1/services/org.a11y.Bus.service";
    program.or_else(|| (!Path::new(service).exists()).then_some("at-spi2-core")).map(|what| format!("no {what}"))
}

fn on_a_desktop(case: Case) -> Result<Completion, Failed> {
    let missing = Library::load().err().map(|missing| missing.to_string());
    if let Some(missing) = lacks().or(missing) {
        return Ok(Completion::ignored_with(missing));
    }
    case()?;
    Ok(Completion::Completed)
}

impl Manager {
    /// Runs the program on a pretend machine.
    fn start(machine: &Machine, arguments: &[&str]) -> Result<Self, Failure> {
        Self::run(machine.command(PROGRAM).args(arguments))
    }
}

const PROGRAM: &str = env!("CARGO_BIN_EXE_osevent-manager");

fn list() -> Result<(), Failure> {
    let machine = Machine::new()?;
    machine.add_domain(5)?;
    machine.add_domain(7)?;
    let manager = Manager::start(&machine, &["--open", "pretend-7"])?;
    let reader = &manager.reader;
    reader.wait("list item", "pretend-5, Running, *")?;
    let seven = reader.wait("list item", "pretend-7, Running, *")?;
    reader.wait_state(&seven, SELECTED, true)?;
    reader.select("Domains", "list item", "pretend-5, *")?;
    reader.wait("label", "00000000-0000-0000-0000-000000000005")?;
    let place = || reader.place(&reader.wait("button", "Pause")?);
    let top = place()?;
    Hands::new(&manager.desktop.display)?.scroll(Wheel::Down)?;
    until(|| place().is_ok_and(|place| place.start < top.start))?;
    reader.select("Domains", "list item", "pretend-7, *")?;
    reader.wait("label", "00000000-0000-0000-0000-000000000007")?;
    until(|| place().is_ok_and(|place| place == top))?;
    machine.add_domain(6)?;
    reader.wait("list item", "pretend-6, Running, *")?;
    machine.destroy(5)?;
    reader.wait_gone("list item", "pretend-5, *")?;
    reader.wait_state(&reader.wait("list item", "pretend-7, *")?, SELECTED, true)?;
    reader.wait("button", "Destroy")?;
    assert_eq!(reader.nameless(), Vec::<String>::new(), "{}", reader.describe());
    Ok(())
}

fn life() -> Result<(), Failure> {
    let machine = Machine::new()?;
    machine.add_domain(5)?;
    let manager = Manager::start(&machine, &["--open", "pretend-5"])?;
    let reader = &manager.reader;
    reader.press("button", "Pause")?;
    reader.wait("list item", "pretend-5, Paused, *")?;
    reader.press("button", "Resume")?;
    reader.wait("list item", "pretend-5, Running, *")?;
    reader.press("button", "Destroy")?;
    reader.wait("label", "Destroy pretend-5?")?;
    reader.press("button", "Destroy")?;
    reader.wait_gone("list item", "pretend-5, *")?;
    // A question goes with its cause.
    machine.add_domain(6)?;
    reader.wait("list item", "pretend-6, *")?;
    reader.select("Domains", "list item", "pretend-6, *")?;
    reader.press("button", "Destroy")?;
    reader.wait("label", "Destroy pretend-6?")?;
    machine.destroy(6)?;
    reader.wait_gone("label", "Destroy pretend-6?")
}

fn failure() -> Result<(), Failure> {
    let machine = Machine::new()?;
    machine.add_domain(5)?;
    machine.add_domain(6)?;
    let manager = Manager::start(&machine, &["--open", "pretend-5"])?;
    let reader = &manager.reader;
    choose_action(reader, "Rename…")?;
    reader.write("text box", "Name", "pretend-6")?;
    reader.press("button", "Rename")?;
    let told = reader.wait("label", "Rename pretend-5 to pretend-6: *")?;
    // It covers nothing of the domain.
    let details = reader.wait("widget", "OseventManagerDetails")?;
    until(|| {
        let places = (reader.place(&details), reader.place(&told));
        matches!(places, (Ok(details), Ok(told)) if !told.is_empty() && details.end <= told.start)
    })?;
    reader.press("button", "Details")?;
    let details = reader.wait("text box", "Details")?;
    let text = reader.text(&details)?;
    assert!(text.contains("libxl: ") && text.contains("libxl 4."), "{text}");
    Ok(())
}

fn files() -> Result<(), Failure> {
    let folder = tempfile::tempdir()?;
    let (kernel, good, bad) =
        (folder.path().join("kernel"), folder.path().join("web.cfg"), folder.path().join("bad.cfg"));
    std::fs::write(&kernel, osevent_domains::kernel::idle())?;
    std::fs::write(&good, format!("name = 'web'\ntype = 'pvh'\nmemory = 64\nkernel = '{}'\n", kernel.display()))?;
    std::fs::write(&bad, "name = 'bad'\nmemory = 'much'\n")?;
    let machine = Machine::new()?;
    let manager = Manager::run(machine.command(PROGRAM).args([&good, &bad]))?;
    let reader = &manager.reader;
    reader.wait("list item", "web, Running, 64 MiB*")?;
    reader.wait("label", "Start bad.cfg: bad.cfg: *")?;
    reader.select("Domains", "list item", "web, *")?;
    reader.wait("label", "PVH")?;
    // Nobody is warned of what libxl has filled in.
    reader.press("button", "More Actions")?;
    reader.press("menu item", "Configuration…")?;
    reader.wait_text("text box", "Configuration", "msr_relaxed")?;
    reader.wait_gone("label", "line *")?;
    reader.press("button", "Cancel")?;
    reader.wait_gone("window", "Configuration of web")?;
    // Nobody else would start it again.
    reader.press("button", "Reboot")?;
    reader.press("button", "Tasks")?;
    reader.wait("list item", "Do what web wants at its end, Done")?;
    reader.wait("list item", "web, Running, 64 MiB*")?;
    reset(reader, "web", "3")
}

/// Has the chosen domain reset: it gets this number, and is still chosen.
fn reset(reader: &Reader, name: &str, number: &str) -> Result<(), Failure> {
    let question = format!("Reset {name}?");
    for answer in ["Cancel", "Reset"] {
        choose_action(reader, "Reset…")?;
        reader.wait("label", &question)?;
        reader.press("button", answer)?;
        reader.wait_gone("label", &question)?;
    }
    reader.wait("label", number)?;
    reader.wait("list item", &format!("{name}, Running, *"))?;
    Ok(())
}

fn changes() -> Result<(), Failure> {
    let folder = tempfile::tempdir()?;
    let mut command = Command::new(PROGRAM);
    let manager = Manager::run(command.args(["--demo", "--open", "mail"]).current_dir(&folder))?;
    let reader = &manager.reader;
    reader.wait("list item", "mail, Running, 256 MiB*")?;
    reader.press("button", "Change the Memory")?;
    reader.set_value("spin button", "MiB", 128.0)?;
    reader.press("button", "Apply")?;
    reader.wait("list item", "mail, Running, 128 MiB*")?;
    choose_action(reader, "Save…")?;
    reader.press("button", "Save")?;
    reader.wait("label", "Save mail: *")?;
    reader.wait("list item", "mail, Running, *")?;
    assert_eq!(std::fs::read_dir(&folder)?.count(), 0, "the unfinished file is removed");
    Ok(())
}

fn german() -> Result<(), Failure> {
    let locale = tempfile::tempdir()?;
    let messages = locale.path().join("de/LC_MESSAGES");
    std::fs::create_dir_all(&messages)?;
    let po = concat!(env!("CARGO_MANIFEST_DIR"), "/po/de.po");
    let made = Command::new("msgfmt").arg("-o").arg(messages.join("osevent-manager.mo")).arg(po).status()?;
    assert!(made.success(), "{made}");
    let machine = Machine::new()?;
    machine.add_domain(5)?;
    let mut command = machine.command(PROGRAM);
    command.args(["--open", "pretend-5"]).env("LANGUAGE", "de").env("OSEVENT_MANAGER_LOCALE_DIR", locale.path());
    let manager = Manager::run_as(&mut command, "Xen-Domänen")?;
    let reader = &manager.reader;
    reader.press("button", "Anhalten")?;
    reader.wait("list item", "pretend-5, Angehalten, *")?;
    Ok(())
}

fn console() -> Result<(), Failure> {
    let manager = Manager::run(Command::new(PROGRAM).args(["--demo", "--open", "mail"]))?;
    let reader = &manager.reader;
    reader.wait("list item", "mail, Running, *")?;
    choose_action(reader, "Console")?;
    reader.wait("window", "Console of mail")?;
    reader.wait("widget", "Console of mail: *")?;
    reader.press("button", "Destroy")?;
    reader.wait("label", "Destroy mail?")?;
    reader.press("button", "Destroy")?;
    reader.wait("widget", "Console of mail: [The console is closed]")?;
    Ok(())
}

fn without_xen() -> Result<(), Failure> {
    let nowhere = tempfile::tempdir()?;
    let mut command = Command::new(PROGRAM);
    let manager = Manager::run(command.env("XENSTORED_PATH", nowhere.path().join("socket")))?;
    let reader = &manager.reader;
    let again = reader.wait("button", "Try Again")?;
    reader.wait_state(&again, SENSITIVE, true)?;
    reader.wait("label", "*osevent-manager --demo*")?;
    reader.press("button", "Details")?;
    reader.wait("window", "No Connection to Xen")?;
    Ok(())
}

fn pictures_folder() -> Result<PathBuf, Failure> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pictures");
    std::fs::create_dir_all(&folder)?;
    println!("pictures are in {}", folder.display());
    Ok(folder)
}

/// Writes pictures of the window, to be looked at.
fn pictures() -> Result<(), Failure> {
    let folder = pictures_folder()?;
    let picture = |manager: &Manager, name: &str| manager.desktop.picture(&folder.join(name));
    for (name, scheme) in [("light.png", "default"), ("dark.png", "prefer-dark")] {
        let mut command = Command::new(PROGRAM);
        let manager = Manager::run(command.args(["--demo", "--open", "web"]).env("ADW_DEBUG_COLOR_SCHEME", scheme))?;
        manager.reader.wait("list item", "web, Running, *")?;
        picture(&manager, name)?;
        manager.reader.press("button", "Destroy")?;
        manager.reader.wait("label", "Destroy web?")?;
        picture(&manager, &format!("question-{name}"))?;
    }
    let machine = Machine::new()?;
    let manager = Manager::start(&machine, &[])?;
    picture(&manager, "empty.png")?;
    (1..300).try_for_each(|domid| machine.add_domain(domid))?;
    manager.reader.wait("label", "300 domains")?;
    picture(&manager, "many.png")?;
    machine.store().write("/local/domain/1/name", "a very long name ".repeat(12).as_bytes())?;
    manager.reader.select("Domains", "list item", "a very long*")?;
    picture(&manager, "long.png")?;
    let nowhere = folder.join("nowhere");
    let manager = Manager::run(Command::new(PROGRAM).env("XENSTORED_PATH", nowhere))?;
    picture(&manager, "error.png")?;
    Ok(())
}
