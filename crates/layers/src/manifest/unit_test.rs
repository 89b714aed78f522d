//! Unit tests: what a model makes of given rows.

use serde_json::{Map, Value, json};

use super::SourceLocation;

/// What a unit test gives a model to read, and what it expects of it.
#[derive(Clone, Debug, PartialEq)]
pub struct UnitTest {
    /// The model's name.
    pub model: String,
    /// What stands in the place of the tables that it reads.
    pub given: Vec<Given>,
    /// The rows that it should have.
    pub expect: Fixture,
    /// `macros`, `vars` and `env_vars` that have other values in the test; null where none have.
    pub overrides: Value,
}

/// Rows in the place of a table.
#[derive(Clone, Debug, PartialEq)]
pub struct Given {
    /// `ref('…')`, `source('…', '…')` or `this`, as written.
    pub input: String,
    /// The unique id of the node that it means.
    pub node: String,
    /// The rows.
    pub fixture: Fixture,
}

/// Rows that a unit test is written with.
#[derive(Clone, Debug, PartialEq)]
pub struct Fixture {
    /// `dict`, `csv` or `sql`.
    pub format: String,
    /// The file that they are in, by its name in the YAML.
    pub file: Option<String>,
    /// The rows.
    pub rows: Rows,
    /// Where they are written.
    pub at: SourceLocation,
}

/// The rows of a [`Fixture`].
#[derive(Clone, Debug, PartialEq)]
pub enum Rows {
    /// Cells by column, a row each; a column that a row leaves out is null.
    Cells(Vec<Vec<(String, Value)>>),
    /// The rows of a query.
    Sql(String),
    /// The rows of the seed itself.
    Seed,
}

impl Fixture {
    /// As dbt's manifest has it.
    pub fn to_json(&self) -> Map<String, Value> {
        let rows = match &self.rows {
            Rows::Cells(rows) => rows
                .iter()
                .map(|row| Value::Object(row.iter().cloned().collect()))
                .collect(),
            Rows::Sql(sql) => json!(sql),
            Rows::Seed => json!([]),
        };
        Map::from_iter([
            ("rows".to_owned(), rows),
            ("format".to_owned(), json!(self.format)),
            ("fixture".to_owned(), json!(self.file)),
        ])
    }
}
