//! xenlight-types, held against the libxl that is loaded.

use crate::case::Case;
use crate::hosts::{Adapter, Mode};
use crate::stage::Stage;
use crate::tiers::Tier;
use anyhow::{Context, ensure};
use libloading::os::unix::{Library, RTLD_NOW};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::ffi::{CStr, CString, c_char, c_int, c_uint, c_void};
use std::ptr;
use xenlight::Release;
use xenlight::types::STRUCTS;
use xenlight::types::describe::{Kind, Struct};
use xenlight_sys::domain::{OPAQUE_SIZE, Opaque};
use xenlight_sys::log::{Logger, VaList};
use xenlight_sys::{self as sys, codes};

pub(crate) static FIELDS: Case = Case {
    name: "types-fields",
    claim: "Each field of each type goes through libxl's own parser and generator and comes back, from the release on that the table names",
    clauses: &[],
    tiers: &[Tier::Libxl],
    adapters: &[Adapter::Epoll],
    modes: &[Mode::Loop],
    run: fields,
};

fn fields(stage: &Stage) -> anyhow::Result<()> {
    let release = stage.library.release();
    let libxl = Libxl::open(stage)?;
    let mut wrong = Vec::new();
    let mut sent = 0;
    for kind in STRUCTS {
        let Kind::Struct(of) = kind else { continue };
        if of.since > release {
            ensure!(libxl.find::<Init>(of.name, "init").is_err(), "libxl has {} before {}", of.name, of.since);
            continue;
        }
        let Ok(functions) = libxl.functions(of.name) else {
            wrong.push(format!("{}: libxl has no functions for it", of.name));
            continue;
        };
        for field in of.fields {
            let came = field.since <= release;
            let mut returned = 0;
            for sample in samples(&field.kind, release) {
                let (key, value) = member(field.name, sample);
                let given = Value::Object(Map::from_iter([(key.clone(), value.clone())]));
                sent += 1;
                let back = libxl.reread(&functions, &given);
                let there = back.as_ref().and_then(|back| back.get(&key));
                match there {
                    Some(there) if came && alike(&value, there) => returned += 1,
                    // A default, which libxl leaves out: another sample has to come back.
                    None if came && back.is_some() => {}
                    None if !came => {}
                    other => wrong.push(format!("{}.{key}: {value} came back as {other:?}", of.name)),
                }
            }
            if came && returned == 0 {
                wrong.push(format!("{}.{}: no value came back", of.name, field.name));
            }
        }
    }
    ensure!(wrong.is_empty(), "{} of {sent} values:\n{}", wrong.len(), wrong.join("\n"));
    Ok(())
}

/// The key and the value of a field: those of a union name the variant.
fn member(field: &str, sample: Sample) -> (String, Value) {
    match sample.variant {
        Some(variant) => (format!("{field}.{variant}"), sample.value),
        None => (field.to_owned(), sample.value),
    }
}

struct Sample {
    variant: Option<&'static str>,
    value: Value,
}

/// Values of this kind: the ends of ranges, each name, each field of a struct by itself.
fn samples(kind: &Kind, release: Release) -> Vec<Sample> {
    let plain = |values: Vec<Value>| values.into_iter().map(|value| Sample { variant: None, value }).collect();
    match kind {
        Kind::Boolean => plain(vec![json!(true), json!(false)]),
        Kind::Defbool => plain(vec![json!("True"), json!("False")]),
        Kind::Integer { min, max } => {
            let ends = BTreeSet::from([*min, 7.min(*max), *max / 2 + 1, *max]);
            plain(ends.into_iter().map(number).collect())
        }
        Kind::Text => plain(vec![json!("größe \"=\\/ 日本")]),
        Kind::Uuid => plain(vec![json!("8f0e9a5c-75d1-4e5e-9c6f-3f0f3b7d1a20")]),
        Kind::Mac => plain(vec![json!("00:16:3e:0a:ff:01")]),
        Kind::Bitmap => plain(vec![json!([0]), json!([0, 7, 8, 64, 300])]),
        Kind::Map => plain(vec![json!({"data/a": "1", "b": ""})]),
        Kind::CpuPolicy => {
            let leaves =
                json!([{"leaf": 1, "ecx": "x".repeat(31) + "0"}, {"leaf": 7, "subleaf": 0, "eax": "k".repeat(32)}]);
            let both = json!({"cpuid": leaves, "msr": [{"index": 0x10a, "policy": "x".repeat(63) + "1"}]});
            // Point releases of earlier ones take both, too.
            plain(if release < Release::new(4, 17) { vec![leaves] } else { vec![leaves, both] })
        }
        Kind::HardwareCapabilities => plain(vec![json!([1, 7, 0, u32::MAX])]),
        Kind::GenerationId => plain(vec![(1..=16).map(|byte| json!(byte * 15)).collect()]),
        Kind::Enumeration(of) => {
            let known = of.values.iter().filter(|value| value.since <= release);
            plain(known.map(|value| json!(value.name)).collect())
        }
        Kind::List(of) => {
            let elements: Vec<_> = samples(of, release).into_iter().map(|sample| sample.value).collect();
            let each = elements.iter().map(|element| json!([element]));
            plain(each.chain([Value::Array(elements.clone())]).collect())
        }
        Kind::Struct(of) => plain(objects(of, release)),
        Kind::Union(of) => {
            let known = of.variants.iter().filter(|variant| variant.since <= release);
            known
                .flat_map(|variant| {
                    let inside = variant.content.map(|content| objects(content, release)).unwrap_or_default();
                    let values = [json!({})].into_iter().chain(inside);
                    values.map(|value| Sample { variant: Some(variant.name), value })
                })
                .collect()
        }
        other => unreachable!("a kind without samples: {other:?}"),
    }
}

/// Each with one field.
fn objects(of: &Struct, release: Release) -> Vec<Value> {
    let known = of.fields.iter().filter(|field| field.since <= release);
    known
        .flat_map(|field| {
            samples(&field.kind, release).into_iter().map(|sample| {
                let (key, value) = member(field.name, sample);
                Value::Object(Map::from_iter([(key, value)]))
            })
        })
        .collect()
}

fn number(number: i128) -> Value {
    match (u64::try_from(number), i64::try_from(number)) {
        (Ok(number), _) => json!(number),
        (_, Ok(number)) => json!(number),
        _ => unreachable!("{number} is in no range of C's"),
    }
}

/// What libxl leaves out within an object is a default.
fn alike(given: &Value, back: &Value) -> bool {
    match (given, back) {
        (Value::Object(given), Value::Object(back)) => {
            given.iter().all(|(key, given)| back.get(key).is_none_or(|back| alike(given, back)))
        }
        // A CPU policy without registers, as libxls that know of registers write it.
        (Value::Array(_), Value::Object(back)) if back.get("msr") == Some(&json!([])) => {
            back.get("cpuid").is_some_and(|back| alike(given, back))
        }
        (Value::Array(given), Value::Array(back)) => {
            given.len() == back.len() && given.iter().zip(back).all(|(given, back)| alike(given, back))
        }
        (given, back) => given == back,
    }
}

type Init = unsafe extern "C" fn(*mut c_void);
type FromJson = unsafe extern "C" fn(*mut sys::Ctx, *mut c_void, *const c_char) -> c_int;
type ToJson = unsafe extern "C" fn(*mut sys::Ctx, *mut c_void) -> *mut c_char;

/// The functions of one struct.
struct Functions {
    init: Init,
    from_json: FromJson,
    to_json: ToJson,
    dispose: Option<Init>,
}

/// The loaded libxl, with a ctx of its own.
struct Libxl {
    library: sys::Library,
    object: Library,
    ctx: *mut sys::Ctx,
    _logger: Box<Logger>,
}

impl Libxl {
    fn open(stage: &Stage) -> anyhow::Result<Self> {
        let path = stage.library.path();
        // SAFETY: libxl's initialisers have run already.
        let object = unsafe { Library::open(Some(path), RTLD_NOW) }?;
        // SAFETY: it is a libxl, which has been loaded before.
        let library = unsafe { sys::Library::open(path) }?;
        let mut logger = Box::new(Logger { vmessage: quiet, progress: None, destroy: destroyed });
        let mut ctx = ptr::null_mut();
        // SAFETY: both pointers are good for the call, the logger until the ctx is freed.
        let rc = unsafe { library.ctx_alloc(&mut ctx, codes::LIBXL_VERSION, 0, &mut *logger) };
        ensure!(rc == 0, "no ctx: {rc}");
        Ok(Self { library, object, ctx, _logger: logger })
    }

    fn find<F: Copy>(&self, of: &str, what: &str) -> anyhow::Result<F> {
        let name = format!("libxl_{of}_{what}");
        // SAFETY: libxl generates this function with this type for every struct (gentypes.py).
        let function = unsafe { self.object.get::<F>(&name) }.with_context(|| format!("libxl has no {name}"))?;
        Ok(*function)
    }

    fn functions(&self, of: &str) -> anyhow::Result<Functions> {
        Ok(Functions {
            init: self.find(of, "init")?,
            from_json: self.find(of, "from_json")?,
            to_json: self.find(of, "to_json")?,
            dispose: self.find(of, "dispose").ok(),
        })
    }

    /// `None` if libxl refuses it.
    fn reread(&self, functions: &Functions, given: &Value) -> Option<Value> {
        let memory = Opaque::<[u8; OPAQUE_SIZE]>::zeroed();
        let this = memory.as_ptr().cast::<c_void>();
        let given = CString::new(given.to_string()).expect("JSON has its NUL escaped");
        // SAFETY: the memory is larger than any struct, and initialised by the struct's own function.
        unsafe { (functions.init)(this) };
        // SAFETY: ctx, struct and text live during the call.
        let rc = unsafe { (functions.from_json)(self.ctx, this, given.as_ptr()) };
        let back = (rc == 0).then(|| {
            // SAFETY: ctx and struct are alive.
            let text = unsafe { (functions.to_json)(self.ctx, this) };
            assert!(!text.is_null(), "libxl writes no JSON");
            // SAFETY: a string of libxl's, until it is freed below.
            let json = serde_json::from_slice(unsafe { CStr::from_ptr(text) }.to_bytes());
            // SAFETY: ours to free, and not used after.
            unsafe { libc::free(text.cast()) };
            json.expect("libxl writes JSON")
        });
        if let Some(dispose) = functions.dispose {
            // SAFETY: initialised above, and not used after.
            unsafe { dispose(this) };
        }
        back
    }
}

impl Drop for Libxl {
    fn drop(&mut self) {
        // SAFETY: nothing else uses this ctx.
        unsafe { self.library.ctx_free(self.ctx) };
    }
}

unsafe extern "C" fn quiet(_: *mut Logger, _: c_uint, _: c_int, _: *const c_char, _: *const c_char, _: VaList) {}

unsafe extern "C" fn destroyed(_: *mut Logger) {}
