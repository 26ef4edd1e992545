//! C programs against the installed libxl, on a pretend machine.
//!
//! The library is installed into a prefix, and the programs find it with pkg-config.
//!
//! What a case needs and the machine lacks (make, a C compiler, libxen-dev, a loop's library) makes the case ignored, with
//! the reason. `CC` names another compiler, with options if need be.

mod abi;
mod compiler;
mod examples;
mod guide;
mod header;
mod hosting;
mod manual;
mod prefix;

use libtest_mimic::{Arguments, Completion, Failed, Trial};

/// What a case returns: that it ran and held, or why it could not run.
type Outcome = Result<Completion, Failed>;

fn main() {
    let case = |name: &str, run: fn() -> Outcome| Trial::ignorable_test(name, run);
    let hosting = |name: &'static str, case: &'static str| Trial::ignorable_test(name, move || hosting::run(case));
    let cases = vec![
        case("a_poll_loop_reports_the_end_of_a_domain", examples::poll),
        case("a_libuv_loop_reports_the_end_of_a_domain", examples::uv),
        case("an_sd_event_loop_reports_the_end_of_a_domain", examples::sd_event),
        case("libvirts_loop_reports_the_end_of_a_domain", examples::libvirt),
        case("a_glib_loop_reports_the_end_of_a_domain", examples::glib),
        case("the_books_first_program_destroys_a_domain", examples::first),
        case("a_program_in_vala_does_the_same", examples::vala),
        case("a_program_with_the_static_library_does_the_same", examples::poll_static),
        case("the_guides_show_the_programs_that_are_tested", guide::show_the_tested_programs),
        case("the_manual_is_what_the_header_says", manual::is_of_the_header),
        case("the_manual_renders_without_warnings", manual::renders),
        case("the_list_the_header_and_the_library_have_the_same_functions", abi::exports),
        case("vala_has_what_c_has", abi::vala),
        case("a_symbol_has_the_version_of_its_first_release", abi::versions),
        case("the_debian_package_has_the_version_of_the_crate", abi::package_version),
        case("what_earlier_releases_have_is_unchanged", abi::types),
        case("the_static_library_names_what_to_link", abi::private_libraries),
        case("e2_a_glib_source_is_not_dispatched_inside_libxl_and_survives_it", hosting::attached),
        hosting("a_null_pointer_is_an_error_code", "null_pointers"),
        hosting("a_full_fd_table_is_an_error_code_and_leaks_nothing", "too_many_files"),
        hosting("x1_a_ctx_is_hosted_once", "hosted_twice"),
        hosting("x4_a_second_close_finds_nothing", "closed_twice"),
        hosting("x4_closed_while_a_thread_is_inside_it_is_freed_when_that_leaves", "closed_while_inside"),
        hosting("x4_all_that_wait_for_the_end_are_woken", "several_wait"),
        hosting("x5_closed_in_a_callback_it_is_freed_after_it", "closed_in_a_callback"),
        hosting("x7_what_a_forked_child_asks_for_is_refused_and_what_it_frees_goes_on_in_the_parent", "forked"),
        hosting("x7_only_a_leave_frees_the_ctx_not_the_end_of_a_thread_or_child", "ends_without_leaving"),
        hosting("two_ctxs_share_an_fd_and_close_apart", "two_ctxs"),
        hosting("r6_o5_hooks_arrive_and_timeouts_occur_once", "fds_and_timeouts"),
        hosting("r3_why_a_hook_failed_can_be_asked_for", "refusals"),
        hosting("o2_a_serialized_libxl_registers_only_in_announced_calls", "serialized"),
        hosting("s1_a_domain_is_destroyed_whoever_is_told_of_the_child", "children"),
        hosting("x4_threads_inside_libxl_survive_a_close", "threads_and_close"),
    ];
    let conclusion = libtest_mimic::run(&Arguments::from_args(), cases);
    if let Err(error) = compiler::remove_folder() {
        eprintln!("what was compiled is still there: {error}");
    }
    conclusion.exit();
}
