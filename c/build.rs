//! Gives the shared object the name that programs record.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libosevent.so.0");
}
