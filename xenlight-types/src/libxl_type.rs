//! What all types of libxl's have in common.

use crate::describe::{Kind, Struct};
use crate::invalid::Invalid;
use crate::json;
use crate::newer::{self, Newer};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use xenlight_sys::Release;

/// A struct or an enumeration of libxl in Rust. Its serde format is libxl's JSON.
pub trait LibxlType: Serialize + DeserializeOwned + Default + Sealed {
    /// What libxl's description says of it.
    const KIND: Kind;

    /// Reads libxl's JSON. Unknown fields are preserved. Values that libxl would ignore or misread are refused.
    ///
    /// # Errors
    /// The first invalid value, with its place.
    fn from_value(json: Value) -> Result<Self, Invalid>;

    /// Writes libxl's JSON. Fields that are not set are omitted.
    fn to_value(&self) -> Value;

    /// Reads libxl's JSON, as text.
    ///
    /// # Errors
    /// The same as for [`from_value`](Self::from_value). Also if the text is not JSON, or a key is repeated in an object.
    fn from_json(json: &str) -> Result<Self, Invalid> {
        Self::from_value(json::read(json)?)
    }

    /// Writes libxl's JSON, as text on several lines.
    fn to_json(&self) -> String {
        format!("{:#}", self.to_value())
    }

    /// The first part that this release does not have. Its libxl would ignore this part.
    fn newer_than(&self, release: Release) -> Option<Newer> {
        newer::find(Self::KIND, &self.to_value(), release)
    }
}

/// A struct of libxl's, as Rust.
pub trait LibxlStruct: LibxlType {
    /// What libxl's description says of it: its name, and its fields.
    const STRUCT: &'static Struct;
}

/// Only this crate's types are libxl's.
pub trait Sealed {}
