//! The queries by which new rows (`lake.new.rows`) meet those that are there (`lake.there.rows`), under the names that
//! dbt's predicates use.

use std::fmt::Write as _;

use super::{Columns, Update};
use crate::manifest::quoted;
use crate::microbatch::Window;

/// Which rows of the table go, or change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removal {
    /// After `from … as DBT_INTERNAL_DEST`: leaves the rows that go.
    pub goes: String,
    /// The same for the rows that stay.
    pub stays: String,
}

impl Removal {
    /// Rows with the key of a new one.
    pub fn by_key(key: &[String], predicates: &[String]) -> Self {
        // Only the keys, under other names: a predicate's plain names are the table's.
        let names: Vec<String> = (0..key.len())
            .map(|index| format!("\"__key_{index}\""))
            .collect();
        let columns: Vec<String> = key
            .iter()
            .zip(&names)
            .map(|(key, name)| format!("{} as {name}", quoted(key)))
            .collect();
        let mut on: Vec<String> = key
            .iter()
            .zip(&names)
            .map(|(key, name)| {
                format!(
                    "DBT_INTERNAL_DEST.{} = DBT_INTERNAL_SOURCE.{name}",
                    quoted(key)
                )
            })
            .collect();
        on.extend(predicates.iter().map(|predicate| format!("({predicate})")));
        let join = format!(
            "join (select distinct {} from lake.new.rows) as DBT_INTERNAL_SOURCE on {}",
            columns.join(", "),
            on.join(" and ")
        );
        Self {
            goes: format!("left semi {join}"),
            stays: format!("left anti {join}"),
        }
    }

    /// Rows that match a new one in a merge.
    pub fn by_match(key: &[String], predicates: &[String]) -> Self {
        let join = format!(
            "join lake.new.rows as DBT_INTERNAL_SOURCE on {}",
            matches(key, predicates)
        );
        Self {
            goes: format!("left semi {join}"),
            stays: format!("left anti {join}"),
        }
    }

    /// Rows of a batch.
    pub fn of_window(column: &str, window: Window, predicates: &[String]) -> Self {
        let column = format!("DBT_INTERNAL_DEST.{}", quoted(column));
        let mut all = vec![window.condition(&column)];
        all.extend(predicates.iter().map(|predicate| format!("({predicate})")));
        let goes = all.join(" and ");
        Self {
            stays: format!("where ({goes}) is not true"),
            goes: format!("where {goes}"),
        }
    }

    /// Which of so many files, `lake.there.f0` and on, hold rows that go.
    pub fn files_sql(&self, files: usize) -> String {
        let mut all = String::new();
        for index in 0..files {
            let union = if index == 0 { "" } else { " union all " };
            // Writing to a string cannot fail.
            let _ = write!(
                all,
                "{union}select {index} as \"__file\", * from lake.there.f{index}"
            );
        }
        format!(
            "select distinct DBT_INTERNAL_DEST.\"__file\" from ({all}) as DBT_INTERNAL_DEST {}",
            self.goes
        )
    }

    /// The rows that stay.
    pub fn stays_sql(&self) -> String {
        format!(
            "select DBT_INTERNAL_DEST.* from lake.there.rows as DBT_INTERNAL_DEST {}",
            self.stays
        )
    }
}

/// The rows that are there, those that match a new one with its values.
pub fn merged_sql(
    key: &[String],
    predicates: &[String],
    update: &Update,
    columns: &Columns,
    there: &[String],
) -> String {
    let fields: Vec<String> = columns
        .schema
        .fields()
        .iter()
        .map(|field| {
            let name = quoted(field.name());
            let old = if there.contains(field.name()) {
                format!("DBT_INTERNAL_DEST.{name}")
            } else {
                "null".to_owned()
            };
            if update.takes(field.name()) && columns.given.contains(field.name()) {
                format!("case when DBT_INTERNAL_SOURCE.\"__matched\" then DBT_INTERNAL_SOURCE.{name} else {old} end as {name}")
            } else {
                format!("{old} as {name}")
            }
        })
        .collect();
    format!(
        "select {} from lake.there.rows as DBT_INTERNAL_DEST \
         left join (select *, true as \"__matched\" from lake.new.rows) as DBT_INTERNAL_SOURCE on {}",
        fields.join(", "),
        matches(key, predicates)
    )
}

/// The new rows that match none that is there.
pub fn inserted_sql(key: &[String], predicates: &[String]) -> String {
    format!(
        "select DBT_INTERNAL_SOURCE.* from lake.new.rows as DBT_INTERNAL_SOURCE \
         left anti join lake.there.rows as DBT_INTERNAL_DEST on {}",
        matches(key, predicates)
    )
}

/// A key that several new rows have and that is there.
pub fn ambiguous_sql(key: &[String], predicates: &[String]) -> String {
    let keys: Vec<String> = key
        .iter()
        .map(|key| format!("DBT_INTERNAL_SOURCE.{}", quoted(key)))
        .collect();
    let keys = keys.join(", ");
    format!(
        "select {keys} from lake.new.rows as DBT_INTERNAL_SOURCE \
         left semi join lake.there.rows as DBT_INTERNAL_DEST on {} group by {keys} having count(*) > 1 limit 1",
        matches(key, predicates)
    )
}

fn matches(key: &[String], predicates: &[String]) -> String {
    let mut on: Vec<String> = key
        .iter()
        .map(|key| {
            format!(
                "DBT_INTERNAL_SOURCE.{0} = DBT_INTERNAL_DEST.{0}",
                quoted(key)
            )
        })
        .collect();
    on.extend(predicates.iter().map(|predicate| format!("({predicate})")));
    on.join(" and ")
}
