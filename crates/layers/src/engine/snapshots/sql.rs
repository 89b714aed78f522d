//! The queries of a snapshot: what dbt's snapshot macros say, over the query's rows (`lake.new.rows`) and those that are
//! there (`lake.there.rows`).

use std::fmt::Write as _;

use arrow::datatypes::Schema;

use super::{Changed, HardDeletes, Settings};
use crate::engine::incremental::Removal;
use crate::manifest::quoted;

/// The queries of one snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queries {
    settings: Settings,
    /// The query's columns.
    columns: Vec<String>,
    /// Those of them that the table has.
    known: Vec<String>,
    now: String,
}

impl Queries {
    /// The queries for a query with these columns, over the table `live` where there is one.
    pub fn new(settings: &Settings, source: &Schema, live: Option<&Schema>, now: &str) -> Self {
        let columns: Vec<String> = source
            .fields()
            .iter()
            .map(|field| field.name().clone())
            .collect();
        let known = columns
            .iter()
            .filter(|name| live.is_some_and(|live| live.field_with_name(name).is_ok()));
        Self {
            settings: settings.clone(),
            known: known.cloned().collect(),
            columns,
            now: now.to_owned(),
        }
    }

    /// All rows of the query as they enter a table that is not there yet.
    pub fn first(&self, query: &str) -> String {
        let names = &self.settings.names;
        let updated_at = &self.settings.updated_at;
        let deleted = match self.settings.hard_deletes {
            HardDeletes::NewRecord => format!(", 'False' as {}", quoted(&names.is_deleted)),
            _ => String::new(),
        };
        format!(
            "select *, {} as {}, {updated_at} as {}, {updated_at} as {}, {} as {}{deleted} from (\n{query}\n) sbq",
            hashed(
                self.settings
                    .key
                    .iter()
                    .map(String::as_str)
                    .chain([updated_at.as_str()])
            ),
            quoted(&names.scd_id),
            quoted(&names.updated_at),
            quoted(&names.valid_from),
            self.still_valid(updated_at),
            quoted(&names.valid_to),
        )
    }

    /// The rows that enter the table.
    pub fn inserts(&self) -> String {
        let names = &self.settings.names;
        let is_record = self.settings.hard_deletes == HardDeletes::NewRecord;
        let own: Vec<String> = self
            .columns
            .iter()
            .map(|name| format!("s.{0} as {0}", quoted(name)))
            .collect();
        let mut sql = format!(
            "{} select {}, s.\"__scd_id\" as {}, s.\"__updated_at\" as {}, s.\"__updated_at\" as {}, {} as {}",
            self.both(),
            own.join(", "),
            quoted(&names.scd_id),
            quoted(&names.updated_at),
            quoted(&names.valid_from),
            self.still_valid("s.\"__updated_at\""),
            quoted(&names.valid_to),
        );
        if is_record {
            let _ = write!(sql, ", 'False' as {}", quoted(&names.is_deleted));
        }
        let _ = write!(
            sql,
            " from source_data s left join snapshotted d on {} where d.\"__key_0\" is null or {}",
            self.same_key(),
            self.changed()
        );
        if is_record {
            let gone: Vec<String> = self
                .columns
                .iter()
                .map(|name| {
                    if self.known.contains(name) {
                        format!("d.{}", quoted(name))
                    } else {
                        "null".to_owned()
                    }
                })
                .collect();
            let id = quoted(&names.scd_id);
            let _ = write!(
                sql,
                " union all select {}, {}, {now}, {now}, d.{}, 'True' {}",
                gone.join(", "),
                hashed([format!("d.{id}").as_str(), &self.now].into_iter()),
                quoted(&names.valid_to),
                self.gone_sql(),
                now = self.now,
            );
        }
        sql
    }

    /// The rows that are there, of which some are no longer valid.
    pub fn ended(&self, there: &Schema) -> String {
        let valid_to = &self.settings.names.valid_to;
        let fields: Vec<String> = there
            .fields()
            .iter()
            .map(|field| {
                let name = quoted(field.name());
                if field.name() == valid_to {
                    format!("case when c.\"__id\" is not null then c.\"__ends\" else DBT_INTERNAL_DEST.{name} end as {name}")
                } else {
                    format!("DBT_INTERNAL_DEST.{name} as {name}")
                }
            })
            .collect();
        format!(
            "select {} from lake.touched.rows as DBT_INTERNAL_DEST left join ({}) as c on {}",
            fields.join(", "),
            self.changes(),
            self.is_changed()
        )
    }

    /// Which rows are no longer valid.
    pub fn removal(&self) -> Removal {
        let join = format!("join ({}) as c on {}", self.changes(), self.is_changed());
        Removal {
            goes: format!("left semi {join}"),
            stays: format!("left anti {join}"),
        }
    }

    /// The ids of rows that are no longer valid, and since when.
    fn changes(&self) -> String {
        let id = quoted(&self.settings.names.scd_id);
        let mut sql = format!(
            "{} select \"__id\", max(\"__ends\") as \"__ends\" from (select d.{id} as \"__id\", s.\"__updated_at\" as \"__ends\" \
             from source_data s join snapshotted d on {} where {}",
            self.both(),
            self.same_key(),
            self.changed()
        );
        if self.settings.hard_deletes != HardDeletes::Ignore {
            let _ = write!(
                sql,
                " union all select d.{id}, {} {}",
                self.now,
                self.gone_sql()
            );
        }
        sql + ") as all_changes group by \"__id\""
    }

    fn is_changed(&self) -> String {
        format!(
            "DBT_INTERNAL_DEST.{} = c.\"__id\" and {}",
            quoted(&self.settings.names.scd_id),
            self.is_current("DBT_INTERNAL_DEST.")
        )
    }

    /// The query's rows and the valid ones that are there, with their keys.
    fn both(&self) -> String {
        let keys: Vec<String> = self
            .settings
            .key
            .iter()
            .enumerate()
            .map(|(index, key)| format!("{key} as \"__key_{index}\""))
            .collect();
        let keys = keys.join(", ");
        let updated_at = &self.settings.updated_at;
        format!(
            "with snapshotted as (select *, {keys} from lake.there.rows where {}), \
             source_data as (select *, {keys}, {updated_at} as \"__updated_at\", {} as \"__scd_id\" from lake.new.rows)",
            self.is_current(""),
            hashed(
                self.settings
                    .key
                    .iter()
                    .map(String::as_str)
                    .chain([updated_at.as_str()])
            ),
        )
    }

    fn same_key(&self) -> String {
        let keys = 0..self.settings.key.len();
        let same: Vec<String> = keys
            .map(|index| format!("s.\"__key_{index}\" = d.\"__key_{index}\""))
            .collect();
        same.join(" and ")
    }

    /// Whether a row of the query is another state than the valid one.
    fn changed(&self) -> String {
        let names = &self.settings.names;
        let differs = match &self.settings.changed {
            Changed::Timestamp => format!("d.{} < s.\"__updated_at\"", quoted(&names.valid_from)),
            Changed::Check(columns) => {
                let columns = columns.as_ref().unwrap_or(&self.columns);
                if columns.iter().all(|name| self.known.contains(name)) {
                    let differs = columns
                        .iter()
                        .map(|name| format!("(s.{0} is distinct from d.{0})", quoted(name)));
                    differs.collect::<Vec<_>>().join(" or ")
                } else {
                    // A column came: no row that is there has its value.
                    "true".to_owned()
                }
            }
        };
        match self.settings.hard_deletes {
            HardDeletes::NewRecord => {
                format!("({differs} or d.{} = 'True')", quoted(&names.is_deleted))
            }
            _ => format!("({differs})"),
        }
    }

    /// The valid rows that the query no longer gives.
    fn gone_sql(&self) -> String {
        let mut sql = format!(
            "from snapshotted d left join source_data s on {} where s.\"__key_0\" is null",
            self.same_key()
        );
        if self.settings.hard_deletes == HardDeletes::NewRecord {
            let _ = write!(
                sql,
                " and (d.{} is distinct from 'True')",
                quoted(&self.settings.names.is_deleted)
            );
        }
        sql
    }

    fn is_current(&self, of: &str) -> String {
        let valid_to = format!("{of}{}", quoted(&self.settings.names.valid_to));
        match &self.settings.current {
            Some(current) => format!("({valid_to} = {current} or {valid_to} is null)"),
            None => format!("{valid_to} is null"),
        }
    }

    /// `dbt_valid_to` of a row that enters, of the type of its time.
    fn still_valid(&self, updated_at: &str) -> String {
        let current = self.settings.current.as_deref().unwrap_or("null");
        format!("coalesce(nullif({updated_at}, {updated_at}), {current})")
    }
}

/// `snapshot_hash_arguments`.
fn hashed<'a>(arguments: impl Iterator<Item = &'a str>) -> String {
    let parts: Vec<String> = arguments
        .map(|argument| format!("coalesce(cast({argument} as varchar), '')"))
        .collect();
    format!("md5({})", parts.join(" || '|' || "))
}
