//! Where rows lie: database, schema, identifier.

use std::fmt;

use serde::Serialize;

/// The one database name of the lake: relations are `"lake"."<schema>"."<identifier>"`.
pub const DATABASE: &str = "lake";

/// Where a node's rows lie.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Relation {
    /// Always [`DATABASE`].
    pub database: String,
    /// `bronze`, `silver`, …
    pub schema: String,
    /// The table's name.
    pub identifier: String,
}

impl Relation {
    /// A relation of the lake.
    pub fn new(schema: impl Into<String>, identifier: impl Into<String>) -> Self {
        Self {
            database: DATABASE.to_owned(),
            schema: schema.into(),
            identifier: identifier.into(),
        }
    }

    /// The table's folder in the lake: `silver/fct_listens`.
    pub fn table_path(&self) -> String {
        format!("{}/{}", self.schema, self.identifier)
    }
}

impl fmt::Display for Relation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}.{}.{}",
            quoted(&self.database),
            quoted(&self.schema),
            quoted(&self.identifier)
        )
    }
}

/// A name in double quotes.
pub fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relation_is_quoted() {
        assert_eq!(
            Relation::new("silver", "a\"b").to_string(),
            r#""lake"."silver"."a""b""#
        );
        assert_eq!(Relation::new("silver", "t").table_path(), "silver/t");
    }
}
