//! What all types of libxl's have in common.

use crate::describe::Kind;
use crate::invalid::Invalid;
use crate::json;
use crate::newer::{self, Newer};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use xenlight_sys::Release;

/// A struct or an enumeration of libxl's, as Rust. With serde, it is libxl's own JSON.
pub trait LibxlType: Serialize + DeserializeOwned + Default + Sealed {
    /// What libxl's description says of it.
    const KIND: Kind;

    /// Reads libxl's JSON. Fields that are not known are kept; values that libxl would ignore or take for others are refused.
    ///
    /// # Errors
    /// The first value that cannot be, with its place.
    fn from_value(json: Value) -> Result<Self, Invalid>;

    /// Writes libxl's JSON. What is not set is left out.
    fn to_value(&self) -> Value;

    /// Reads libxl's JSON, as text.
    ///
    /// # Errors
    /// As [`from_value`](Self::from_value); and it is no JSON, or a key comes twice in an object.
    fn from_json(json: &str) -> Result<Self, Invalid> {
        Self::from_value(json::read(json)?)
    }

    /// Writes libxl's JSON, as text in several lines.
    fn to_json(&self) -> String {
        format!("{:#}", self.to_value())
    }

    /// The first part that libxl of this release does not have: it would ignore it.
    fn newer_than(&self, release: Release) -> Option<Newer> {
        newer::find(Self::KIND, &self.to_value(), release)
    }
}

/// Only this crate's types are libxl's.
pub trait Sealed {}
