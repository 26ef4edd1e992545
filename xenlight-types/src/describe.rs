//! The types of this crate as data, as in `libxl_types.idl`, with the first release of each part.

use xenlight_sys::Release;

/// A struct of libxl.
#[derive(Debug)]
#[non_exhaustive]
pub struct Struct {
    /// libxl's name without `libxl_`, such as `device_disk`. A struct without a name is named after its place:
    /// `domain_build_info.type.pv`.
    pub name: &'static str,
    /// The first release that has it.
    pub since: Release,
    /// Its fields.
    pub fields: &'static [Field],
}

/// A field of a struct.
#[derive(Debug)]
#[non_exhaustive]
pub struct Field {
    /// The key in libxl's JSON, which is the name in C. For a union, the name of the field that selects the variant.
    pub name: &'static str,
    /// The first release that has it.
    pub since: Release,
    /// The possible values.
    pub kind: Kind,
}

/// The possible values of a field.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Kind {
    /// `true` or `false`.
    Boolean,
    /// A `libxl_defbool`: `"True"`, `"False"` or `"<default>"`.
    Defbool,
    /// A number from `min` to `max`, inclusive.
    Integer {
        /// The minimum.
        min: i128,
        /// The maximum.
        max: i128,
    },
    /// Text.
    Text,
    /// A uuid, as text.
    Uuid,
    /// An Ethernet address, as text.
    Mac,
    /// The numbers of the set bits, ascending.
    Bitmap,
    /// A list of values of one kind.
    List(&'static Kind),
    /// A map from names to texts.
    Map,
    /// The rules for a CPU's features.
    CpuPolicy,
    /// 16 bytes, as numbers.
    GenerationId,
    /// Four words of 32 bits, as numbers.
    HardwareCapabilities,
    /// One of a list of names.
    Enumeration(&'static Enumeration),
    /// An object.
    Struct(&'static Struct),
    /// One of several objects, under the key `field.variant`.
    Union(&'static Union),
}

/// An enumeration of libxl.
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

/// A union of libxl, with one active variant.
#[derive(Debug)]
#[non_exhaustive]
pub struct Union {
    /// The part of a key in libxl's JSON before the dot.
    pub name: &'static str,
    /// Its variants.
    pub variants: &'static [Variant],
}

/// A variant of a union.
#[derive(Debug)]
#[non_exhaustive]
pub struct Variant {
    /// The part of a key in libxl's JSON after the dot.
    pub name: &'static str,
    /// The first release that has it.
    pub since: Release,
    /// Its content; `None` if it has none.
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
