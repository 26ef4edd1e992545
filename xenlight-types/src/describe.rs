//! The types of this crate as data: what `libxl_types.idl` says of them, and since when.

use xenlight_sys::Release;

/// A struct of libxl's.
#[derive(Debug)]
#[non_exhaustive]
pub struct Struct {
    /// libxl's name without `libxl_`, such as `device_disk`. Structs without a name of their own are called by their place:
    /// `domain_build_info.type.pv`.
    pub name: &'static str,
    /// The first release that has it.
    pub since: Release,
    /// What it consists of.
    pub fields: &'static [Field],
}

/// A field of a struct.
#[derive(Debug)]
#[non_exhaustive]
pub struct Field {
    /// The key in libxl's JSON, which is the name in C; for a union, the name of the field that says which variant it is.
    pub name: &'static str,
    /// The first release that has it.
    pub since: Release,
    /// What it can be.
    pub kind: Kind,
}

/// What a value can be.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Kind {
    /// `true` or `false`.
    Boolean,
    /// A `libxl_defbool`: `"True"`, `"False"` or `"<default>"`.
    Defbool,
    /// A number within these limits, both included.
    Integer {
        /// The least.
        min: i128,
        /// The greatest.
        max: i128,
    },
    /// Text.
    Text,
    /// A uuid, as text.
    Uuid,
    /// An Ethernet address, as text.
    Mac,
    /// The numbers of the bits that are set, ascending.
    Bitmap,
    /// As many values of one kind as there are.
    List(&'static Kind),
    /// Texts by name.
    Map,
    /// The rules for a CPU's features.
    CpuPolicy,
    /// 16 bytes, as numbers.
    GenerationId,
    /// Four words of 32 bits, as numbers.
    HardwareCapabilities,
    /// A name out of a list.
    Enumeration(&'static Enumeration),
    /// An object.
    Struct(&'static Struct),
    /// One of several objects, under the key `field.variant`.
    Union(&'static Union),
}

/// An enumeration of libxl's.
#[derive(Debug)]
#[non_exhaustive]
pub struct Enumeration {
    /// libxl's name without `libxl_`, such as `disk_format`.
    pub name: &'static str,
    /// The first release that has it.
    pub since: Release,
    /// Its values.
    pub values: &'static [Enumerator],
}

/// A value of an enumeration.
#[derive(Debug)]
#[non_exhaustive]
pub struct Enumerator {
    /// Its name in libxl's JSON.
    pub name: &'static str,
    /// Its number in C.
    pub number: i32,
    /// The first release that has it.
    pub since: Release,
}

/// A union of libxl's, of which one variant is in use.
#[derive(Debug)]
#[non_exhaustive]
pub struct Union {
    /// What a key of libxl's JSON begins with, before the point.
    pub name: &'static str,
    /// Its variants.
    pub variants: &'static [Variant],
}

/// A variant of a union.
#[derive(Debug)]
#[non_exhaustive]
pub struct Variant {
    /// What a key of libxl's JSON ends with, after the point.
    pub name: &'static str,
    /// The first release that has it.
    pub since: Release,
    /// What it consists of; `None` if of nothing.
    pub content: Option<&'static Struct>,
}

/// A release as the tables write it, such as `4.10`.
pub(crate) const fn release(text: &str) -> Release {
    let bytes = text.as_bytes();
    assert!(bytes[0] == b'4' && bytes[1] == b'.', "a release of Xen 4");
    let mut minor = 0;
    let mut at = 2;
    while at < bytes.len() {
        assert!(bytes[at].is_ascii_digit(), "digits");
        minor = minor * 10 + (bytes[at] - b'0') as u32;
        at += 1;
    }
    Release::new(4, minor)
}
