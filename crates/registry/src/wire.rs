//! The bodies of the Confluent API, as client and embedded registry exchange them.

use serde::{Deserialize, Serialize};

/// A schema that is offered: to register, to look up, or to check.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Offer {
    pub schema: String,
    /// Left out by old clients, which then mean Avro.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema_type: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub references: Vec<Reference>,
}

/// A schema that another one builds on.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Reference {
    #[serde(default)]
    pub name: String,
    #[serde(default)]
    pub subject: String,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Registered {
    pub id: u32,
}

/// The answer to `GET /schemas/ids/{id}`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SchemaById {
    pub schema: String,
    /// Left out for Avro.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub references: Option<Vec<Reference>>,
}

/// One version of a subject.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct InSubject {
    pub subject: String,
    pub id: u32,
    pub version: u32,
    /// Left out for Avro.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema_type: Option<String>,
    pub schema: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub references: Option<Vec<Reference>>,
}

/// The body of `PUT /config` and its answer.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SetCompatibility {
    pub compatibility: String,
}

/// The answer to `GET /config`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CompatibilityLevel {
    pub compatibility_level: String,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Checked {
    pub is_compatible: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub messages: Vec<String>,
}

/// Every answer that is not a success.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Failure {
    pub error_code: u32,
    #[serde(default)]
    pub message: String,
}

/// The `error_code`s that the API defines and this crate acts on.
pub(crate) mod code {
    pub const SUBJECT_NOT_FOUND: u32 = 40401;
    pub const VERSION_NOT_FOUND: u32 = 40402;
    pub const SCHEMA_NOT_FOUND: u32 = 40403;
    pub const CONFIG_NOT_FOUND: u32 = 40408;
    pub const INCOMPATIBLE: u32 = 409;
    pub const INVALID_SCHEMA: u32 = 42201;
    pub const INVALID_VERSION: u32 = 42202;
    pub const INVALID_COMPATIBILITY: u32 = 42203;
    pub const INVALID_BODY: u32 = 42200;
}
