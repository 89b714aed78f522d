//! Constraints of a model's contract.

use serde_json::{Value, json};

use super::{Materialized, Node, ResourceType, SourceLocation};

/// What a constraint asks of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConstraintKind {
    /// A condition does not fail.
    Check,
    /// Columns are filled.
    NotNull,
    /// No two rows have the same values.
    Unique,
    /// The same, and the columns name the row.
    PrimaryKey,
    /// Rows of another table have the values.
    ForeignKey,
    /// Words of some database.
    Custom,
}

impl ConstraintKind {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Check,
        Self::NotNull,
        Self::Unique,
        Self::PrimaryKey,
        Self::ForeignKey,
        Self::Custom,
    ];

    /// As YAML has it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Check => "check",
            Self::NotNull => "not_null",
            Self::Unique => "unique",
            Self::PrimaryKey => "primary_key",
            Self::ForeignKey => "foreign_key",
            Self::Custom => "custom",
        }
    }

    /// Whether every new row is held against it before it is committed.
    pub const fn is_enforced(self) -> bool {
        matches!(self, Self::Check | Self::NotNull)
    }
}

/// A constraint of a model or of one of its columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Constraint {
    /// What it asks.
    pub kind: ConstraintKind,
    /// Its name.
    pub name: Option<String>,
    /// A check's condition; words for a database otherwise.
    pub expression: Option<String>,
    /// The column that it stands under. `None`: the model.
    pub column: Option<String>,
    /// The columns that it is about, where it stands under the model.
    pub columns: Vec<String>,
    /// The table that a foreign key refers to, as written.
    pub to: Option<String>,
    /// The columns there.
    pub to_columns: Vec<String>,
    /// Whether to warn where nothing enforces it.
    pub warn_unenforced: bool,
    /// Whether to warn where nothing knows it.
    pub warn_unsupported: bool,
    /// Where it is written.
    pub place: SourceLocation,
}

impl Constraint {
    /// The columns that it is about.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        self.column.iter().chain(&self.columns).map(String::as_str)
    }

    /// As `manifest.json` has it.
    pub fn to_json(&self) -> Value {
        let mut told = json!({
            "type": self.kind.as_str(),
            "name": self.name,
            "expression": self.expression,
            "warn_unenforced": self.warn_unenforced,
            "warn_unsupported": self.warn_unsupported,
            "to": self.to,
            "to_columns": self.to_columns,
        });
        if self.column.is_none() {
            told["columns"] = json!(self.columns);
        }
        told
    }
}

impl Node {
    /// Whether it is a table whose contract is enforced.
    fn holds_to_contract(&self) -> bool {
        self.resource_type == ResourceType::Model
            && self.config.contract
            && matches!(
                self.config.materialized,
                Materialized::Table | Materialized::Incremental
            )
    }

    /// The constraints that every new row of the node is held against.
    pub fn enforced_constraints(&self) -> impl Iterator<Item = &Constraint> {
        let holds = self.holds_to_contract();
        let all = self.constraints.iter();
        all.filter(move |constraint| holds && constraint.kind.is_enforced())
    }

    /// What to say of constraints that are written and not enforced, although the contract is.
    pub fn unenforced_constraints(&self) -> Option<String> {
        if self.resource_type != ResourceType::Model || !self.config.contract {
            return None;
        }
        let file = &self.constraints.first()?.place.file;
        let name = &self.name;
        let materialized = self.config.materialized.as_str();
        if !self.holds_to_contract() {
            let silent = self.constraints.iter().all(|one| !one.warn_unsupported);
            return (!silent).then(|| format!(
                "{file}: the constraints of `{name}` are not enforced: its materialization is {materialized}, and only a table's rows are held against them \
                 (`warn_unsupported: false` on each ends this warning)"
            ));
        }
        let warns = |one: &&Constraint| match one.kind {
            ConstraintKind::Custom => one.warn_unsupported,
            kind => !kind.is_enforced() && one.warn_unenforced,
        };
        let mut kinds: Vec<&str> = Vec::new();
        for kind in self.constraints.iter().filter(warns).map(|one| one.kind) {
            if !kinds.contains(&kind.as_str()) {
                kinds.push(kind.as_str());
            }
        }
        (!kinds.is_empty()).then(|| format!(
            "{file}: `{name}` has constraints that are not enforced: {}; write data tests (`unique`, `relationships`), which block the commit \
             (`warn_unenforced: false`, of a custom one `warn_unsupported: false`, ends this warning)",
            kinds.join(", ")
        ))
    }
}
