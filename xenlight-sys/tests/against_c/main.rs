//! Holds the declarations of this crate against Xen's headers, the installed libxl, and C.
//!
//! What a case needs and the machine lacks (a C compiler, libxen-dev, libxl) makes the case ignored,
//! with the reason. `CC` names another compiler, with options if need be. `XEN_HEADERS` names headers of other releases, as
//! `4.16=/path:4.22=/path`; the cases of the headers hold for each of them.

mod c_type;
mod compiler;
mod headers;
mod installed;
mod made_up;
mod messages;

use libtest_mimic::{Arguments, Completion, Failed, Trial};

/// What a case returns: that it ran and held, or why it could not run.
type Outcome = Result<Completion, Failed>;

fn main() {
    if made_up::is_child() {
        return made_up::child();
    }
    let case = |name: &str, run: fn() -> Outcome| Trial::ignorable_test(name, run);
    let cases = vec![
        case("structs_lie_as_in_the_headers", headers::structs_lie_as_in_the_headers),
        case("hooks_have_the_types_of_the_headers", headers::hooks_have_the_types_of_the_headers),
        case("functions_have_the_types_of_the_headers", headers::functions_have_the_types_of_the_headers),
        case(
            "every_function_of_the_headers_is_declared_or_left_out",
            headers::every_function_of_the_headers_is_declared_or_left_out,
        ),
        case("constants_have_the_values_of_the_headers", headers::constants_have_the_values_of_the_headers),
        case("every_error_of_the_headers_has_its_name", headers::every_error_of_the_headers_has_its_name),
        case("an_opaque_buffer_holds_every_struct", headers::an_opaque_buffer_holds_every_struct),
        case("the_installed_libxl_has_every_symbol", installed::the_installed_libxl_has_every_symbol),
        case("the_installed_libxl_answers", installed::the_installed_libxl_answers),
        case("structs_are_found_by_their_names", installed::structs_are_found_by_their_names),
        case("a_missing_symbol_is_named_with_its_library", made_up::a_missing_symbol_is_named_with_its_library),
        case(
            "a_symbol_that_came_later_is_required_of_later_releases",
            made_up::a_symbol_that_came_later_is_required_of_later_releases,
        ),
        case(
            "the_soname_tells_the_release_whatever_the_file_is_called",
            made_up::the_soname_tells_the_release_whatever_the_file_is_called,
        ),
        case("without_a_soname_the_symbols_tell_the_release", made_up::without_a_soname_the_symbols_tell_the_release),
        case("each_release_gets_its_forms_of_functions", made_up::each_release_gets_its_forms_of_functions),
        case("a_libxl_without_event_interface_is_too_old", made_up::a_libxl_without_event_interface_is_too_old),
        case("an_unknown_numbering_is_refused", made_up::an_unknown_numbering_is_refused),
        case("the_newest_that_can_be_loaded_is_loaded", made_up::the_newest_that_can_be_loaded_is_loaded),
        case("a_message_of_c_is_formatted", messages::a_message_of_c_is_formatted),
    ];
    libtest_mimic::run(&Arguments::from_args(), cases).exit();
}
