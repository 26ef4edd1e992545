//! Gives the shared object the name and the symbol versions of the library it stands in for.

use std::{env, path::Path};

fn main() {
    let root = env::var("CARGO_MANIFEST_DIR").expect("cargo sets it for build scripts");
    let map = Path::new(&root).join("libxencall.map");
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed={}", map.display());
    // rustc passes an anonymous version script of its own. GNU ld refuses both kinds together, lld takes them.
    println!("cargo:rustc-cdylib-link-arg=-fuse-ld=lld");
    println!("cargo:rustc-cdylib-link-arg=-Wl,--version-script={}", map.display());
    // Whatever asks for libxencall.so.1 once this one is loaded gets this one: the real library is never mapped.
    println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libxencall.so.1");
}
