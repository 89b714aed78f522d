//! What a project documents besides its nodes: blocks of text, and macros.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

/// A `{% docs %}` block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Doc {
    /// Its package.
    pub package: String,
    /// Its name.
    pub name: String,
    /// Its file, below the package's folder.
    pub path: String,
    /// Its Markdown.
    pub contents: String,
}

/// A macro, or a generic test (`test_<name>`).
#[derive(Clone, Debug, PartialEq)]
pub struct Macro {
    /// Its package.
    pub package: String,
    /// Its name.
    pub name: String,
    /// Its file, below the package's folder.
    pub path: String,
    /// Its text, from tag to tag.
    pub text: String,
    /// Its description.
    pub description: String,
    /// Its arguments as the YAML describes them, else their names.
    pub arguments: Vec<Argument>,
    /// Free keys.
    pub meta: BTreeMap<String, Value>,
    /// The YAML file with its description, below the package's folder.
    pub patch_path: Option<String>,
}

/// An argument of a macro.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Argument {
    /// Its name.
    pub name: String,
    /// Its type, in the words of whoever described it.
    #[serde(rename = "type")]
    pub type_name: Option<String>,
    /// Its description.
    pub description: String,
}
