//! One declaration of each type makes the Rust type, its JSON, and its [description](crate::describe).
//!
//! ```text
//! table! {
//!     /// Documentation.
//!     struct Disk = "device_disk" since "4.2" {
//!         /// Documentation.
//!         format: [enum DiskFormat];
//!         /// Documentation. Where the key in libxl's JSON is another one, it is named; and the release, if the field came later.
//!         max_memory_kib = "max_memkb": [kib] since "4.5";
//!     }
//! }
//! ```
//! `struct`: what a user sets; whatever is not set is left to libxl. `info`: what libxl tells. `enum` and `union` are as in
//! `libxl_types.idl`. In brackets is the type: a scalar of [`codec`](crate::codec), or `list`, `struct`, `enum`, `union`.

macro_rules! table {
    () => {};
    ($(#[$doc:meta])* struct $name:ident = $c:literal since $since:literal { $($fields:tt)* } $($rest:tt)*) => {
        record! {
            setting settable "libxl chooses the value of a field that is not set."
            $(#[$doc])* $name = $c since $since { $($fields)* }
        }
        setters! { $name { $($fields)* } }
        table! { $($rest)* }
    };
    ($(#[$doc:meta])* info $name:ident = $c:literal since $since:literal { $($fields:tt)* } $($rest:tt)*) => {
        record! {
            plain tellable "A field that libxl does not report is zero, false or empty."
            $(#[$doc])* $name = $c since $since { $($fields)* }
        }
        table! { $($rest)* }
    };
    ($(#[$doc:meta])* enum $name:ident = $c:literal since $since:literal { $($values:tt)* } $($rest:tt)*) => {
        enumeration! { $(#[$doc])* $name = $c since $since { $($values)* } }
        table! { $($rest)* }
    };
    ($(#[$doc:meta])* union $name:ident = $c:literal since $since:literal { $($variants:tt)* } $($rest:tt)*) => {
        keyed_union! { $(#[$doc])* $name = $c since $since { $($variants)* } }
        table! { $($rest)* }
    };
}

/// A struct: `setting` or `plain` makes the types of its fields, `settable` or `tellable` their shapes; and what a field that is
/// not there stands for.
macro_rules! record {
    (
        $type_of:ident $shape_of:ident $empty:literal
        $(#[$doc:meta])* $name:ident = $c:literal since $since:literal {
            $( $(#[$field_doc:meta])* $field:ident $(= $json:literal)?: [$($kind:tt)+] $(since $later:literal)?; )*
        }
    ) => {
        $(#[$doc])*
        #[doc = concat!("\n\n`libxl_", $c, "`. Xen ", $since, " and later. ", $empty)]
        #[derive(Clone, Debug, Default, PartialEq)]
        #[non_exhaustive]
        pub struct $name {
            $(
                $(#[$field_doc])*
                $(#[doc = concat!("\n\n`", $json, "` in libxl's JSON.")])?
                $(#[doc = concat!("\n\nXen ", $later, " and later.")])?
                pub $field: $type_of!($($kind)+),
            )*
            /// Fields of libxl's JSON that this version does not know. They are preserved.
            pub other: ::serde_json::Map<String, ::serde_json::Value>,
        }

        impl $crate::LibxlStruct for $name {
            const STRUCT: &'static $crate::describe::Struct = &$crate::describe::Struct {
                name: $c,
                since: $crate::describe::release($since),
                fields: &[ $( $crate::describe::Field {
                    name: key!($field $($json)?),
                    since: since!($since $($later)?),
                    kind: <$shape_of!($($kind)+) as $crate::codec::Shape>::KIND,
                }, )* ],
            };
        }

        impl $crate::codec::Codec for $name {
            type Value = Self;

            const KIND: $crate::describe::Kind = $crate::describe::Kind::Struct(<Self as $crate::LibxlStruct>::STRUCT);

            fn read(json: ::serde_json::Value) -> Result<Option<Self>, $crate::Invalid> {
                let ::serde_json::Value::Object(mut object) = json else {
                    return Err($crate::Invalid::value(&json, "an object, {…}"));
                };
                Ok(Some(Self {
                    $( $field: <$shape_of!($($kind)+) as $crate::codec::Shape>::take(&mut object, key!($field $($json)?))?, )*
                    other: object,
                }))
            }

            fn write(value: &Self) -> ::serde_json::Value {
                let mut object = value.other.clone();
                $( <$shape_of!($($kind)+) as $crate::codec::Shape>::put(&value.$field, key!($field $($json)?), &mut object); )*
                ::serde_json::Value::Object(object)
            }

            fn untold() -> Self {
                Self::default()
            }
        }

        libxl_type! { $name }
    };
}

macro_rules! setters {
    (
        $name:ident {
            $( $(#[$field_doc:meta])* $field:ident $(= $json:literal)?: [$($kind:tt)+] $(since $later:literal)?; )*
        }
    ) => {
        impl $name {
            $( setter! { $field [$($kind)+] } )*
        }
    };
}

macro_rules! enumeration {
    (
        $(#[$doc:meta])* $name:ident = $c:literal since $since:literal {
            $( $(#[$value_doc:meta])* $value:ident = $json:literal $number:literal $(since $later:literal)?; )*
        }
    ) => {
        $(#[$doc])*
        #[doc = concat!("\n\n`libxl_", $c, "`. Xen ", $since, " and later. Displayed and parsed as in libxl's JSON.")]
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $name {
            $(
                $(#[$value_doc])*
                $(#[doc = concat!("\n\nXen ", $later, " and later.")])?
                $value,
            )*
            /// A value that this version does not know, by its name in libxl's JSON.
            Other(String),
        }

        impl $name {
            /// All values that this version knows.
            pub const ALL: &[Self] = &[$( Self::$value, )*];

            /// The name in libxl's JSON.
            pub fn name(&self) -> &str {
                match self {
                    $( Self::$value => $json, )*
                    Self::Other(name) => name,
                }
            }

            /// The number in libxl's C interface. `None` if this version does not know the value.
            pub fn number(&self) -> Option<i32> {
                match self {
                    $( Self::$value => Some($number), )*
                    Self::Other(_) => None,
                }
            }
        }

        impl From<&str> for $name {
            fn from(name: &str) -> Self {
                match name {
                    $( $json => Self::$value, )*
                    other => Self::Other(other.to_owned()),
                }
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.pad(self.name())
            }
        }

        impl $crate::codec::Codec for $name {
            type Value = Self;

            const KIND: $crate::describe::Kind = $crate::describe::Kind::Enumeration(&$crate::describe::Enumeration {
                name: $c,
                since: $crate::describe::release($since),
                values: &[ $( $crate::describe::Enumerator {
                    name: $json,
                    number: $number,
                    since: since!($since $($later)?),
                }, )* ],
            });

            fn read(json: ::serde_json::Value) -> Result<Option<Self>, $crate::Invalid> {
                match &json {
                    ::serde_json::Value::Null => Ok(None),
                    ::serde_json::Value::String(name) => Ok(Some(Self::from(name.as_str()))),
                    _ => Err($crate::Invalid::value(&json, concat!("a name", $( ", \"", $json, "\"", )*))),
                }
            }

            fn write(value: &Self) -> ::serde_json::Value {
                ::serde_json::Value::from(value.name())
            }

            fn untold() -> Self {
                Self::default()
            }
        }

        /// The value that libxl assumes if none is given: the one with number 0.
        impl Default for $name {
            fn default() -> Self {
                let zero = Self::ALL.iter().find(|value| value.number() == Some(0));
                zero.cloned().unwrap_or_else(|| Self::Other(String::new()))
            }
        }

        libxl_type! { $name }
    };
}

macro_rules! keyed_union {
    (
        $(#[$doc:meta])* $name:ident = $c:literal since $since:literal {
            $( $(#[$variant_doc:meta])* $variant:ident $(($content:ident))? = $json:literal $(since $later:literal)?; )*
        }
    ) => {
        $(#[$doc])*
        #[doc = concat!("\n\nThe union `", $c, "` of libxl. Xen ", $since, " and later.")]
        #[derive(Clone, Debug, PartialEq)]
        #[non_exhaustive]
        #[allow(clippy::large_enum_variant, reason = "there is one in a configuration, and users match on it")]
        pub enum $name {
            $(
                $(#[$variant_doc])*
                $(#[doc = concat!("\n\nXen ", $later, " and later.")])?
                $variant $(($content))?,
            )*
        }

        impl $crate::codec::Variants for $name {
            const UNION: &'static $crate::describe::Union = &$crate::describe::Union {
                name: $c,
                variants: &[ $( $crate::describe::Variant {
                    name: $json,
                    since: since!($since $($later)?),
                    content: content!($($content)?),
                }, )* ],
            };

            fn read(variant: &str, json: ::serde_json::Value) -> Result<Option<Self>, $crate::Invalid> {
                match variant {
                    $( $json => variant!(json $name $variant $(($content))?), )*
                    _ => Ok(None),
                }
            }

            fn write(&self) -> (&'static str, ::serde_json::Value) {
                match self {
                    $( pattern!($name $variant content $(($content))?) => ($json, written!(content $(($content))?)), )*
                }
            }
        }
    };
}

/// The description of a variant's contents.
macro_rules! content {
    () => {
        None
    };
    ($content:ident) => {
        Some(<$content as $crate::LibxlStruct>::STRUCT)
    };
}

macro_rules! variant {
    ($json:ident $name:ident $variant:ident) => {
        $crate::codec::nothing(&$json).map(|()| Some($name::$variant))
    };
    ($json:ident $name:ident $variant:ident ($content:ident)) => {
        Ok(<$content as $crate::codec::Codec>::read($json)?.map($name::$variant))
    };
}

macro_rules! pattern {
    ($name:ident $variant:ident $bound:ident) => {
        $name::$variant
    };
    ($name:ident $variant:ident $bound:ident ($content:ident)) => {
        $name::$variant($bound)
    };
}

macro_rules! written {
    ($bound:ident) => {
        ::serde_json::Value::Object(::serde_json::Map::new())
    };
    ($bound:ident ($content:ident)) => {
        <$content as $crate::codec::Codec>::write($bound)
    };
}

/// What every type of libxl's is.
macro_rules! libxl_type {
    ($name:ident) => {
        impl $name {
            /// Reads libxl's JSON: [`LibxlType::from_json`](crate::LibxlType::from_json).
            ///
            /// # Errors
            /// The text is not JSON, or the first invalid value, with its place.
            pub fn from_json(json: &str) -> Result<Self, $crate::Invalid> {
                $crate::LibxlType::from_json(json)
            }

            /// Writes libxl's JSON, on several lines.
            pub fn to_json(&self) -> String {
                $crate::LibxlType::to_json(self)
            }
        }

        impl $crate::libxl_type::Sealed for $name {}

        impl $crate::LibxlType for $name {
            const KIND: $crate::describe::Kind = <Self as $crate::codec::Codec>::KIND;

            fn from_value(json: ::serde_json::Value) -> Result<Self, $crate::Invalid> {
                Ok(<Self as $crate::codec::Codec>::read(json)?.unwrap_or_default())
            }

            fn to_value(&self) -> ::serde_json::Value {
                <Self as $crate::codec::Codec>::write(self)
            }
        }

        impl ::serde::Serialize for $name {
            fn serialize<S: ::serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                $crate::LibxlType::to_value(self).serialize(serializer)
            }
        }

        impl<'de> ::serde::Deserialize<'de> for $name {
            fn deserialize<D: ::serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let json = ::serde_json::Value::deserialize(deserializer)?;
                $crate::LibxlType::from_value(json).map_err(::serde::de::Error::custom)
            }
        }
    };
}

macro_rules! key {
    ($field:ident) => {
        stringify!($field)
    };
    ($field:ident $json:literal) => {
        $json
    };
}

macro_rules! since {
    ($since:literal) => {
        $crate::describe::release($since)
    };
    ($since:literal $later:literal) => {
        $crate::describe::release($later)
    };
}

/// The Rust type of a field that a user may set.
macro_rules! setting {
    (list $($kind:tt)+) => { Vec<plain!($($kind)+)> };
    (struct $name:ident) => { $name };
    (bitmap) => { ::std::collections::BTreeSet<u32> };
    (map) => { ::std::collections::BTreeMap<String, String> };
    (cpuid) => { $crate::CpuPolicy };
    ($($kind:tt)+) => { Option<plain!($($kind)+)> };
}

/// The Rust type of a field that libxl tells, and of what a list consists of.
macro_rules! plain {
    (list $($kind:tt)+) => { Vec<plain!($($kind)+)> };
    (struct $name:ident) => { $name };
    (enum $name:ident) => { $name };
    (union $name:ident) => { $name };
    (bool) => { bool };
    (defbool) => { bool };
    (flag) => { bool };
    (u8) => { u8 };
    (u16) => { u16 };
    (u32) => { u32 };
    (u64) => { u64 };
    (i32) => { i32 };
    (kib) => { u64 };
    (text) => { String };
    (domid) => { $crate::DomainId };
    (devid) => { u32 };
    (uuid) => { ::uuid::Uuid };
    (mac) => { $crate::Mac };
    (bitmap) => { ::std::collections::BTreeSet<u32> };
    (map) => { ::std::collections::BTreeMap<String, String> };
    (genid) => { [u8; 16] };
    (hwcap) => { [u32; 4] };
    (cpuid) => { $crate::CpuPolicy };
    (optional $($kind:tt)+) => { Option<plain!($($kind)+)> };
}

/// The [`Shape`](crate::codec::Shape) of a field that a user may set.
macro_rules! settable {
    (list $($kind:tt)+) => { $crate::codec::List<scalar!($($kind)+)> };
    (struct $name:ident) => { $crate::codec::Nested<$name> };
    (union $name:ident) => { $crate::codec::Keyed<$name> };
    (bitmap) => { $crate::codec::Nested<$crate::codec::Bitmap> };
    (map) => { $crate::codec::Nested<$crate::codec::TextMap> };
    (cpuid) => { $crate::codec::Nested<$crate::codec::Cpuid> };
    ($($kind:tt)+) => { $crate::codec::Set<scalar!($($kind)+)> };
}

/// The [`Shape`](crate::codec::Shape) of a field that libxl tells.
macro_rules! tellable {
    (list $($kind:tt)+) => { $crate::codec::List<scalar!($($kind)+)> };
    (optional union $name:ident) => { $crate::codec::Keyed<$name> };
    (optional $($kind:tt)+) => { $crate::codec::Set<scalar!($($kind)+)> };
    ($($kind:tt)+) => { $crate::codec::Told<scalar!($($kind)+)> };
}

/// The [`Codec`](crate::codec::Codec) of a value.
macro_rules! scalar {
    (struct $name:ident) => { $name };
    (enum $name:ident) => { $name };
    (bool) => { $crate::codec::Boolean };
    (defbool) => { $crate::codec::Defbool };
    (flag) => { $crate::codec::Flag };
    (kib) => { $crate::codec::Kib };
    (text) => { $crate::codec::Text };
    (domid) => { $crate::codec::Domid };
    (devid) => { $crate::codec::Devid };
    (uuid) => { $crate::codec::TextUuid };
    (mac) => { $crate::codec::TextMac };
    (bitmap) => { $crate::codec::Bitmap };
    (map) => { $crate::codec::TextMap };
    (genid) => { $crate::codec::Genid };
    (hwcap) => { $crate::codec::Hwcap };
    (cpuid) => { $crate::codec::Cpuid };
    ($number:ident) => { $crate::codec::Number<$number> };
}

/// The method that sets a field.
macro_rules! setter {
    ($field:ident [list text]) => {
        #[doc = concat!("Sets [`", stringify!($field), "`](#structfield.", stringify!($field), ").")]
        #[must_use]
        pub fn $field(mut self, texts: impl IntoIterator<Item = impl Into<String>>) -> Self {
            self.$field = texts.into_iter().map(Into::into).collect();
            self
        }
    };
    ($field:ident [list $($kind:tt)+]) => {
        #[doc = concat!("Sets [`", stringify!($field), "`](#structfield.", stringify!($field), ").")]
        #[must_use]
        pub fn $field(mut self, list: impl IntoIterator<Item = plain!($($kind)+)>) -> Self {
            self.$field = list.into_iter().collect();
            self
        }
    };
    ($field:ident [bitmap]) => {
        #[doc = concat!("Sets [`", stringify!($field), "`](#structfield.", stringify!($field), ").")]
        #[must_use]
        pub fn $field(mut self, numbers: impl IntoIterator<Item = u32>) -> Self {
            self.$field = numbers.into_iter().collect();
            self
        }
    };
    ($field:ident [map]) => {
        #[doc = concat!("Sets [`", stringify!($field), "`](#structfield.", stringify!($field), ").")]
        #[must_use]
        pub fn $field(mut self, texts: impl IntoIterator<Item = (impl Into<String>, impl Into<String>)>) -> Self {
            self.$field = texts.into_iter().map(|(key, text)| (key.into(), text.into())).collect();
            self
        }
    };
    ($field:ident [struct $name:ident]) => {
        #[doc = concat!("Sets [`", stringify!($field), "`](#structfield.", stringify!($field), ").")]
        #[must_use]
        pub fn $field(mut self, value: $name) -> Self {
            self.$field = value;
            self
        }
    };
    ($field:ident [cpuid]) => {
        #[doc = concat!("Sets [`", stringify!($field), "`](#structfield.", stringify!($field), ").")]
        #[must_use]
        pub fn $field(mut self, policy: $crate::CpuPolicy) -> Self {
            self.$field = policy;
            self
        }
    };
    ($field:ident [text]) => {
        #[doc = concat!("Sets [`", stringify!($field), "`](#structfield.", stringify!($field), ").")]
        #[must_use]
        pub fn $field(mut self, text: impl Into<String>) -> Self {
            self.$field = Some(text.into());
            self
        }
    };
    ($field:ident [$($kind:tt)+]) => {
        #[doc = concat!("Sets [`", stringify!($field), "`](#structfield.", stringify!($field), ").")]
        #[must_use]
        pub fn $field(mut self, value: plain!($($kind)+)) -> Self {
            self.$field = Some(value);
            self
        }
    };
}
