//! The book: its pages are in `pages`, and this crate holds them against the project.
//!
//! Each block of Rust in a page is a doctest of this crate, with the crates that the page names. Whole programs are those of `osevent-examples`
//! and, for GTK, an example of `osevent-manager`, because GTK 4 is not everywhere. [`blocks`] finds the blocks of code, which tests compile or
//! hold against `./x --help`.
//!
//! `builder` makes HTML of the pages and checks their links.

pub mod blocks;

use std::path::PathBuf;

/// The folder of the book in the repository.
pub fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Makes doctests of pages, and a list of them for the test that none is missing.
macro_rules! compiled {
    ($($page:literal)*) => {
        /// The pages whose blocks of Rust are doctests.
        pub const COMPILED: &[&str] = &[$($page),*];
        $(
            #[cfg(doctest)]
            #[doc = include_str!(concat!("../pages/", $page))]
            const _: () = ();
        )*
    };
}

compiled! {
    "loops/adapter.md"
    "loops/calloop.md"
    "loops/glib.md"
    "loops/smol.md"
    "recipes/close.md"
    "recipes/console.md"
    "recipes/create.md"
    "recipes/devices.md"
    "recipes/errors.md"
    "recipes/list.md"
    "recipes/migrate.md"
    "recipes/open.md"
    "recipes/power.md"
    "recipes/resources.md"
    "recipes/save.md"
}
