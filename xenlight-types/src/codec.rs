//! How values stand in libxl's JSON.
//!
//! A [`Codec`] is a type of libxl's; a [`Shape`] is how a struct holds it: what a user sets may be left out ([`Set`]), what
//! libxl tells is always there ([`Told`]).

use crate::cpuid::CpuPolicy;
use crate::describe::{Kind, Union};
use crate::domain_id::DomainId;
use crate::invalid::Invalid;
use crate::mac::Mac;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::marker::PhantomData;
use uuid::Uuid;

/// A type as libxl writes and reads it.
pub(crate) trait Codec {
    type Value;

    const KIND: Kind;

    /// `None` if it is the value by which libxl says that it decides.
    fn read(json: Value) -> Result<Option<Self::Value>, Invalid>;

    fn write(value: &Self::Value) -> Value;

    /// What libxl means where it tells nothing: it leaves out what is false, zero or nil.
    fn untold() -> Self::Value;
}

/// How a struct holds a type.
pub(crate) trait Shape {
    type Member;

    const KIND: Kind;

    fn take(object: &mut Map<String, Value>, key: &str) -> Result<Self::Member, Invalid>;

    fn put(member: &Self::Member, key: &str, object: &mut Map<String, Value>);
}

/// What a user may set.
pub(crate) struct Set<C>(PhantomData<C>);

impl<C: Codec> Shape for Set<C> {
    type Member = Option<C::Value>;

    const KIND: Kind = C::KIND;

    fn take(object: &mut Map<String, Value>, key: &str) -> Result<Option<C::Value>, Invalid> {
        object.remove(key).map_or(Ok(None), |json| C::read(json).map_err(|invalid| invalid.under(key)))
    }

    fn put(member: &Option<C::Value>, key: &str, object: &mut Map<String, Value>) {
        if let Some(value) = member {
            object.insert(key.to_owned(), C::write(value));
        }
    }
}

/// What libxl tells.
pub(crate) struct Told<C>(PhantomData<C>);

impl<C: Codec> Shape for Told<C> {
    type Member = C::Value;

    const KIND: Kind = C::KIND;

    fn take(object: &mut Map<String, Value>, key: &str) -> Result<C::Value, Invalid> {
        Ok(Set::<C>::take(object, key)?.unwrap_or_else(C::untold))
    }

    fn put(member: &C::Value, key: &str, object: &mut Map<String, Value>) {
        object.insert(key.to_owned(), C::write(member));
    }
}

/// An array; none is the same as an empty one.
pub(crate) struct List<C>(PhantomData<C>);

impl<C: Codec> Shape for List<C> {
    type Member = Vec<C::Value>;

    const KIND: Kind = Kind::List(&C::KIND);

    fn take(object: &mut Map<String, Value>, key: &str) -> Result<Vec<C::Value>, Invalid> {
        let read =
            |(index, json)| Ok(C::read(json).map_err(|invalid: Invalid| invalid.at(index))?.unwrap_or_else(C::untold));
        match object.remove(key) {
            None | Some(Value::Null) => Ok(Vec::new()),
            Some(Value::Array(array)) => array.into_iter().enumerate().map(read).collect(),
            Some(other) => Err(Invalid::value(&other, "a list, […]")),
        }
        .map_err(|invalid: Invalid| invalid.under(key))
    }

    fn put(member: &Vec<C::Value>, key: &str, object: &mut Map<String, Value>) {
        if !member.is_empty() {
            object.insert(key.to_owned(), member.iter().map(C::write).collect());
        }
    }
}

/// A struct within a struct; none is the same as one in which nothing is set.
pub(crate) struct Nested<C>(PhantomData<C>);

impl<C: Codec<Value: Default + PartialEq>> Shape for Nested<C> {
    type Member = C::Value;

    const KIND: Kind = C::KIND;

    fn take(object: &mut Map<String, Value>, key: &str) -> Result<C::Value, Invalid> {
        Ok(Set::<C>::take(object, key)?.unwrap_or_default())
    }

    fn put(member: &C::Value, key: &str, object: &mut Map<String, Value>) {
        if *member != C::Value::default() {
            object.insert(key.to_owned(), C::write(member));
        }
    }
}

/// Declares a codec without contents.
macro_rules! codec {
    (
        $(#[$doc:meta])* $name:ident: $value:ty, $kind:expr, untold $untold:expr;
        read($json:ident) $read:block
        write($written:ident) $write:block
    ) => {
        $(#[$doc])*
        pub(crate) struct $name;

        impl Codec for $name {
            type Value = $value;

            const KIND: Kind = $kind;

            fn read($json: Value) -> Result<Option<$value>, Invalid> $read

            fn write($written: &$value) -> Value $write

            fn untold() -> $value {
                $untold
            }
        }
    };
}

codec! {
    Boolean: bool, Kind::Boolean, untold false;
    read(json) {
        json.as_bool().map(Some).ok_or_else(|| Invalid::value(&json, "true or false"))
    }
    write(value) { Value::Bool(*value) }
}

codec! {
    /// `libxl_defbool`. A plain `true` is taken, too: libxl itself would ignore it.
    Defbool: bool, Kind::Defbool, untold false;
    read(json) {
        match &json {
            Value::Bool(value) => Ok(Some(*value)),
            Value::String(text) if text == "True" => Ok(Some(true)),
            Value::String(text) if text == "False" => Ok(Some(false)),
            Value::String(text) if text == "<default>" => Ok(None),
            _ => Err(Invalid::value(&json, r#""True", "False" or "<default>""#)),
        }
    }
    write(value) { Value::from(if *value { "True" } else { "False" }) }
}

codec! {
    /// A C `int` that says yes or no; -1 means that libxl decides.
    Flag: bool, integer::<i32>(), untold false;
    read(json) {
        match json.as_i64() {
            Some(-1) => Ok(None),
            Some(0) => Ok(Some(false)),
            Some(1) => Ok(Some(true)),
            _ => Err(Invalid::value(&json, "0, 1, or -1 for libxl's default")),
        }
    }
    write(value) { Value::from(u8::from(*value)) }
}

codec! {
    Text: String, Kind::Text, untold String::new();
    read(json) {
        match json {
            Value::Null => Ok(None),
            Value::String(text) if !text.contains('\0') => Ok(Some(text)),
            Value::String(_) => Err(Invalid::value(&json, "text without a NUL character")),
            _ => Err(Invalid::value(&json, "text")),
        }
    }
    write(value) { Value::from(value.as_str()) }
}

codec! {
    TextUuid: Uuid, Kind::Uuid, untold Uuid::nil();
    read(json) {
        let uuid = json.as_str().and_then(|text| text.parse::<Uuid>().ok());
        let uuid = uuid.ok_or_else(|| Invalid::value(&json, "a uuid, such as 8f0e9a5c-75d1-4e5e-9c6f-3f0f3b7d1a20"))?;
        Ok((!uuid.is_nil()).then_some(uuid))
    }
    write(value) { Value::from(value.hyphenated().to_string()) }
}

codec! {
    TextMac: Mac, Kind::Mac, untold Mac::default();
    read(json) {
        let mac = json.as_str().and_then(|text| text.parse::<Mac>().ok());
        let mac = mac.ok_or_else(|| Invalid::value(&json, "an Ethernet address, such as 00:16:3e:12:34:56"))?;
        Ok((mac != Mac::default()).then_some(mac))
    }
    write(value) { Value::from(value.to_string()) }
}

codec! {
    Domid: DomainId, Kind::Integer { min: 0, max: u32::MAX as i128 }, untold DomainId::DOM0;
    read(json) { Ok(Number::<u32>::read(json)?.map(DomainId::new)) }
    write(value) { Value::from(value.get()) }
}

codec! {
    /// `libxl_devid`: -1 means that libxl chooses.
    Devid: u32, Kind::Integer { min: -1, max: i32::MAX as i128 }, untold 0;
    read(json) {
        match json.as_i64() {
            Some(-1) => Ok(None),
            Some(number @ 0..=0x7fff_ffff) => Ok(Some(number as u32)),
            _ => Err(Invalid::value(&json, "the number of a device, 0 to 2147483647, or -1 for any")),
        }
    }
    write(value) { Value::from(*value) }
}

codec! {
    /// `MemKB`: all bits set mean that libxl decides.
    Kib: u64, integer::<u64>(), untold 0;
    read(json) { Ok(Number::<u64>::read(json)?.filter(|kib| *kib != u64::MAX)) }
    write(value) { Value::from(*value) }
}

/// More than any list of CPUs, nodes or interrupts has: libxl allocates what the highest needs.
const HIGHEST_BIT: u64 = (1 << 20) - 1;

codec! {
    Bitmap: BTreeSet<u32>, Kind::Bitmap, untold BTreeSet::new();
    read(json) {
        let Value::Array(bits) = &json else { return Err(Invalid::value(&json, "a list of numbers, […]")) };
        let read = |(index, bit): (usize, &Value)| match bit.as_u64().filter(|bit| *bit <= HIGHEST_BIT) {
            Some(bit) => Ok(bit as u32),
            None => Err(Invalid::value(bit, format!("the number of a bit, 0 to {HIGHEST_BIT}")).at(index)),
        };
        bits.iter().enumerate().map(read).collect::<Result<_, _>>().map(Some)
    }
    // Ascending: libxl allocates for the last.
    write(value) { value.iter().copied().map(Value::from).collect() }
}

codec! {
    TextMap: BTreeMap<String, String>, Kind::Map, untold BTreeMap::new();
    read(json) {
        let Value::Object(texts) = json else { return Err(Invalid::value(&json, "an object of texts, {…}")) };
        let read = |(key, json): (String, Value)| match Text::read(json) {
            Ok(text) => Ok((key, text.unwrap_or_default())),
            Err(invalid) => Err(invalid.under(&key)),
        };
        texts.into_iter().map(read).collect::<Result<_, _>>().map(Some)
    }
    write(value) { Value::Object(value.iter().map(|(key, text)| (key.clone(), Value::from(text.as_str()))).collect()) }
}

codec! {
    Cpuid: CpuPolicy, Kind::CpuPolicy, untold CpuPolicy::default();
    read(json) { CpuPolicy::read(json).map(Some) }
    write(value) { value.write() }
}

codec! {
    /// `libxl_ms_vm_genid`: 16 bytes; all zero means none.
    Genid: [u8; 16], Kind::GenerationId, untold [0; 16];
    read(json) {
        let expected = || Invalid::value(&json, "a list of 16 bytes, 0 to 255 each");
        let bytes = json.as_array().ok_or_else(expected)?;
        let bytes: Option<Vec<u8>> = bytes.iter().map(|byte| byte.as_u64()?.try_into().ok()).collect();
        let bytes: [u8; 16] = bytes.and_then(|bytes| bytes.try_into().ok()).ok_or_else(expected)?;
        Ok((bytes != [0; 16]).then_some(bytes))
    }
    write(value) { value.iter().copied().map(Value::from).collect() }
}

codec! {
    /// `libxl_hwcap`, of which JSON has four words.
    Hwcap: [u32; 4], Kind::HardwareCapabilities, untold [0; 4];
    read(json) {
        let expected = || Invalid::value(&json, "a list of four numbers, 0 to 4294967295 each");
        let words = json.as_array().ok_or_else(expected)?;
        let words: Option<Vec<u32>> = words.iter().map(|word| word.as_u64()?.try_into().ok()).collect();
        words.and_then(|words| words.try_into().ok()).map(Some).ok_or_else(expected)
    }
    write(value) { value.iter().copied().map(Value::from).collect() }
}

/// An integer of C's.
pub(crate) struct Number<N>(PhantomData<N>);

/// The limits of a type.
const fn integer<N: Limits>() -> Kind {
    Kind::Integer { min: N::MIN, max: N::MAX }
}

/// A type of integer.
pub(crate) trait Limits {
    const MIN: i128;
    const MAX: i128;
}

macro_rules! numbers {
    ($($number:ty)*) => { $(
        impl Limits for $number {
            const MIN: i128 = <$number>::MIN as i128;
            const MAX: i128 = <$number>::MAX as i128;
        }

        impl Codec for Number<$number> {
            type Value = $number;

            const KIND: Kind = integer::<$number>();

            fn read(json: Value) -> Result<Option<$number>, Invalid> {
                let number = json.as_u64().map(i128::from).or(json.as_i64().map(i128::from));
                match number.and_then(|number| number.try_into().ok()) {
                    Some(number) => Ok(Some(number)),
                    None => Err(Invalid::value(&json, format!("a number, {} to {}", <$number>::MIN, <$number>::MAX))),
                }
            }

            fn write(value: &$number) -> Value {
                Value::from(*value)
            }

            fn untold() -> $number {
                0
            }
        }
    )* };
}

numbers!(u8 u16 u32 u64 i32);

/// A union: one variant, under the key `field.variant`.
pub(crate) trait Variants: Sized {
    const UNION: &'static Union;

    /// `None` for a variant that is not known.
    fn read(variant: &str, json: Value) -> Result<Option<Self>, Invalid>;

    /// Its name and its contents.
    fn write(&self) -> (&'static str, Value);
}

/// Which variant of a union it is, if any.
pub(crate) struct Keyed<U>(PhantomData<U>);

impl<U: Variants> Shape for Keyed<U> {
    type Member = Option<U>;

    const KIND: Kind = Kind::Union(U::UNION);

    fn take(object: &mut Map<String, Value>, key: &str) -> Result<Option<U>, Invalid> {
        let is_variant = |name: &&String| name.strip_prefix(key).is_some_and(|variant| variant.starts_with('.'));
        let mut present = object.keys().filter(is_variant).cloned();
        let Some(name) = present.next() else { return Ok(None) };
        if let Some(second) = present.next() {
            // An assertion of libxl's would end the process.
            return Err(Invalid::value(&object[&second], format!("possible beside {name}")).under(&second));
        }
        drop(present);
        let variant = &name[key.len() + 1..];
        if U::UNION.variants.iter().all(|known| known.name != variant) {
            return Ok(None);
        }
        let json = object.remove(&name).unwrap_or_default();
        U::read(variant, json).map_err(|invalid| invalid.under(&name))
    }

    fn put(member: &Option<U>, key: &str, object: &mut Map<String, Value>) {
        if let Some(union) = member {
            let (variant, content) = union.write();
            object.insert(format!("{key}.{variant}"), content);
        }
    }
}

/// A variant that consists of nothing.
pub(crate) fn nothing(json: &Value) -> Result<(), Invalid> {
    match json {
        Value::Null => Ok(()),
        Value::Object(object) if object.is_empty() => Ok(()),
        other => Err(Invalid::value(other, "an empty object, {}")),
    }
}
