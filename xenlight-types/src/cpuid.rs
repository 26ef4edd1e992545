//! What a domain sees of its CPUs' features.

use crate::invalid::Invalid;
use serde_json::{Map, Value};

/// Which features of the CPU a domain sees (`libxl_cpuid_policy_list`), bit by bit.
///
/// A filter has one character for each bit, the highest first: `1` sets it, `0` clears it, `x` leaves libxl's
/// default, `k` takes the host's value, `s` the host's value, kept over a migration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CpuPolicy {
    /// The results of the CPUID instruction.
    pub leaves: Vec<CpuidLeaf>,
    /// Model-specific registers. Xen 4.17 and later, and later point releases of earlier ones.
    pub msrs: Vec<MsrPolicy>,
}

/// The result of the CPUID instruction for one input.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CpuidLeaf {
    /// The input in EAX.
    pub leaf: u32,
    /// The input in ECX; `None` where it does not matter.
    pub subleaf: Option<u32>,
    /// The filter for EAX, 32 characters; `None` leaves all bits.
    pub eax: Option<String>,
    /// The filter for EBX.
    pub ebx: Option<String>,
    /// The filter for ECX.
    pub ecx: Option<String>,
    /// The filter for EDX.
    pub edx: Option<String>,
}

/// The bits of a model-specific register.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MsrPolicy {
    /// The number of the register.
    pub index: u32,
    /// The filter, 64 characters.
    pub policy: String,
}

impl CpuidLeaf {
    /// The rules for this input, all bits left as libxl has them.
    pub fn new(leaf: u32, subleaf: Option<u32>) -> Self {
        Self { leaf, subleaf, ..Self::default() }
    }

    fn registers(&self) -> [(&'static str, &Option<String>); 4] {
        [("eax", &self.eax), ("ebx", &self.ebx), ("ecx", &self.ecx), ("edx", &self.edx)]
    }

    fn read(json: Value) -> Result<Self, Invalid> {
        let mut object = object(json)?;
        let mut register =
            |name: &str| object.remove(name).map(|json| filter(json, 32)).transpose().map_err(|at| at.under(name));
        let [eax, ebx, ecx, edx] = [register("eax")?, register("ebx")?, register("ecx")?, register("edx")?];
        let leaf = number(&mut object, "leaf")?.ok_or_else(|| Invalid::missing("the leaf, a number").under("leaf"))?;
        let subleaf = number(&mut object, "subleaf")?;
        nothing_else(object)?;
        Ok(Self { leaf, subleaf, eax, ebx, ecx, edx })
    }

    fn write(&self) -> Value {
        let mut object = Map::new();
        object.insert("leaf".to_owned(), Value::from(self.leaf));
        if let Some(subleaf) = self.subleaf {
            object.insert("subleaf".to_owned(), Value::from(subleaf));
        }
        for (name, filter) in self.registers() {
            if let Some(filter) = filter {
                object.insert(name.to_owned(), Value::from(filter.as_str()));
            }
        }
        Value::Object(object)
    }
}

impl MsrPolicy {
    /// The rules for this register.
    pub fn new(index: u32, policy: impl Into<String>) -> Self {
        Self { index, policy: policy.into() }
    }

    fn read(json: Value) -> Result<Self, Invalid> {
        let mut object = object(json)?;
        let index = number(&mut object, "index")?;
        let index = index.ok_or_else(|| Invalid::missing("the register, a number").under("index"))?;
        let policy = object.remove("policy").ok_or_else(|| Invalid::missing("a filter of 64 characters"));
        let policy = policy.and_then(|json| filter(json, 64)).map_err(|invalid| invalid.under("policy"))?;
        nothing_else(object)?;
        Ok(Self { index, policy })
    }

    fn write(&self) -> Value {
        serde_json::json!({ "index": self.index, "policy": self.policy })
    }
}

impl CpuPolicy {
    /// Earlier libxls write the leaves alone, as an array.
    pub(crate) fn read(json: Value) -> Result<Self, Invalid> {
        if json.is_array() {
            return Ok(Self { leaves: list(json, CpuidLeaf::read)?, msrs: Vec::new() });
        }
        let mut object = object(json)?;
        let mut part = |name: &str| object.remove(name).unwrap_or_else(|| Value::Array(Vec::new()));
        let (leaves, msrs) = (part("cpuid"), part("msr"));
        nothing_else(object)?;
        Ok(Self {
            leaves: list(leaves, CpuidLeaf::read).map_err(|invalid| invalid.under("cpuid"))?,
            msrs: list(msrs, MsrPolicy::read).map_err(|invalid| invalid.under("msr"))?,
        })
    }

    /// Without registers, as an array: all libxls take that.
    pub(crate) fn write(&self) -> Value {
        let leaves = self.leaves.iter().map(CpuidLeaf::write).collect();
        if self.msrs.is_empty() {
            return leaves;
        }
        let msrs: Value = self.msrs.iter().map(MsrPolicy::write).collect();
        serde_json::json!({ "cpuid": leaves, "msr": msrs })
    }
}

fn object(json: Value) -> Result<Map<String, Value>, Invalid> {
    match json {
        Value::Object(object) => Ok(object),
        other => Err(Invalid::value(&other, "an object, {…}")),
    }
}

fn list<T>(json: Value, read: fn(Value) -> Result<T, Invalid>) -> Result<Vec<T>, Invalid> {
    let Value::Array(array) = json else { return Err(Invalid::value(&json, "a list, […]")) };
    let read = |(index, json)| read(json).map_err(|invalid| invalid.at(index));
    array.into_iter().enumerate().map(read).collect()
}

fn number(object: &mut Map<String, Value>, key: &str) -> Result<Option<u32>, Invalid> {
    let Some(json) = object.remove(key) else { return Ok(None) };
    match json.as_u64().and_then(|number| number.try_into().ok()) {
        Some(number) => Ok(Some(number)),
        None => Err(Invalid::value(&json, format!("a number, 0 to {}", u32::MAX)).under(key)),
    }
}

/// libxl takes what has any length, and reads beyond its end when it writes it again.
fn filter(json: Value, bits: usize) -> Result<String, Invalid> {
    match json {
        Value::String(filter) if filter.len() == bits && filter.bytes().all(|bit| b"01xks".contains(&bit)) => {
            Ok(filter)
        }
        other => Err(Invalid::value(&other, format!("a filter of {bits} characters out of 0, 1, x, k and s"))),
    }
}

/// Here a key that is not known would be lost.
fn nothing_else(object: Map<String, Value>) -> Result<(), Invalid> {
    match object.into_iter().next() {
        None => Ok(()),
        Some((key, value)) => Err(Invalid::value(&value, "known here").under(&key)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn both_forms_are_read() {
        let eax = "x".repeat(31) + "1";
        let leaves = json!([{ "leaf": 7, "subleaf": 0, "eax": eax }]);
        let old = CpuPolicy::read(leaves.clone()).expect("as earlier libxls write it");
        assert_eq!(old.write(), leaves);
        let new = CpuPolicy::read(json!({ "cpuid": leaves, "msr": [] })).expect("as later libxls write it");
        assert_eq!(new, old);
    }

    #[test]
    fn registers_are_kept() {
        let policy = json!({ "cpuid": [], "msr": [{ "index": 0x10a, "policy": "x".repeat(64) }] });
        assert_eq!(CpuPolicy::read(policy.clone()).expect("as later libxls write it").write(), policy);
    }

    #[test]
    fn a_filter_that_libxl_would_read_beyond_is_refused() {
        for filter in ["".to_owned(), "x".repeat(31), "x".repeat(33), "y".repeat(32)] {
            let refused = CpuPolicy::read(json!([{ "leaf": 1, "ecx": filter }])).expect_err("it has not 32 bits");
            assert_eq!(refused.path, "[0].ecx");
        }
        let refused = CpuPolicy::read(json!([{ "leaf": 1, "exc": "x".repeat(32) }])).expect_err("a typo");
        assert_eq!(refused.path, "[0].exc");
    }
}
