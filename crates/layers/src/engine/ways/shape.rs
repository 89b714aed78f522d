//! What a model's plan allows, and the way it gives for the changes at hand.

use arrow::datatypes::DataType;
use datafusion::common::Column;
use datafusion::logical_expr::{Expr, LogicalPlan};

use super::grouped::grouped;
use super::merged::{Merged, Part, merged};
use super::one_per_key::one_per_key;
use super::row_wise::{RowWise, row_wise};
use super::{Change, ChangeKind, InParts, Reach, Replace, Way, short};
use crate::engine::lineage::{self, Dependence, On, PartitionColumns};

/// What a model's plan allows.
#[derive(Clone, Debug)]
pub struct Shape {
    /// Every table that the plan reads, each once.
    pub tables: Vec<String>,
    /// For each output partition column: how its values depend on each scan.
    pub partitions: Vec<(String, Vec<Dependence>)>,
    /// The days that an output partition may draw on besides its own (`meta.reach`).
    pub reach: Reach,
    /// The tables that may be read by their new files alone (the others being unchanged), or why
    /// none may.
    pub row_wise: Result<RowWise, String>,
    /// For "one row per key": the output columns that hold the key, or why it is none.
    pub one_per_key: Result<Vec<String>, String>,
    /// For "all rows of a key make one": the output column that holds the key, or why it is none.
    pub grouped: Result<String, String>,
    /// For groups that new rows are added to: what each output column is to them, or why there are none.
    pub merged: Result<Merged, String>,
    /// A function that gives another value at another time.
    pub clock: Option<String>,
    /// Whether all rows come from rows of tables.
    pub from_tables: bool,
}

impl Shape {
    /// Read a model's plan. `output_partitions` are the output's partition columns.
    ///
    /// # Panics
    /// When the plan has no column of that name.
    pub fn of(
        plan: &LogicalPlan,
        output_partitions: &[String],
        tables: &PartitionColumns,
        reach: Reach,
    ) -> Self {
        let partitions = output_partitions
            .iter()
            .map(|name| {
                let index = plan
                    .schema()
                    .fields()
                    .iter()
                    .position(|field| field.name() == name)
                    .expect("the partition columns were checked when the model was planned");
                let mut found = lineage::trace(plan, index, tables);
                if !reach.is_none() {
                    declare_reach(&mut found, tables);
                }
                (name.clone(), found)
            })
            .collect();
        Self {
            tables: lineage::scanned(plan),
            partitions,
            reach,
            row_wise: row_wise(plan),
            one_per_key: one_per_key(plan),
            grouped: grouped(plan),
            merged: merged(plan),
            clock: lineage::undetermined_function(plan),
            from_tables: lineage::from_tables(plan),
        }
    }

    /// How the table can be built in full, some partitions at a time. `None` where its plan does
    /// not show which rows a partition needs, or only `meta.reach` says so.
    pub fn in_parts(&self) -> Option<InParts> {
        if !self.reach.is_none() || self.clock.is_some() {
            return None;
        }
        self.partitions.iter().find_map(|(column, dependences)| {
            let restricted = restricted(dependences);
            let on_all = |dependence: &Dependence| matches!(dependence.on, On::Everything(_));
            (!restricted.is_empty()).then(|| InParts {
                covers: self.from_tables && !dependences.iter().any(on_all),
                replace: Replace {
                    column: column.clone(),
                    restricted,
                    reach: Reach::default(),
                },
            })
        })
    }

    /// The tables that rows come from one by one, when the plan is of that kind (below the row
    /// number or the groups, for one row per key).
    pub fn row_wise_tables(&self) -> &[String] {
        match (&self.row_wise, &self.merged) {
            (Ok(RowWise { linear, .. }), _) | (_, Ok(Merged { linear, .. })) => linear,
            _ if self.one_per_key.is_ok() || self.grouped.is_ok() => &self.tables,
            _ => &[],
        }
    }

    /// The way for these changes: one entry for every table of [`Shape::tables`].
    pub fn choose(&self, changes: &[Change]) -> Way {
        if let Some(function) = &self.clock {
            return Way::Full {
                why: format!(
                    "`{function}()` gives another value at another time, so all rows may differ"
                ),
            };
        }
        let moved: Vec<&Change> = changes
            .iter()
            .filter(|change| change.kind != ChangeKind::None)
            .collect();
        if moved.is_empty() {
            return Way::Unchanged;
        }
        for change in &moved {
            if let ChangeKind::Unknown(why) = &change.kind {
                return Way::Full {
                    why: format!(
                        "what changed in {} cannot be told: {why}",
                        short(&change.table)
                    ),
                };
            }
        }
        let only_added = moved.iter().all(|change| change.kind == ChangeKind::Added);
        if only_added
            && let Ok(row_wise) = &self.row_wise
            && moved
                .iter()
                .all(|change| row_wise.linear.contains(&change.table))
        {
            return Way::Append;
        }
        let replace = self.replace(&moved);
        if only_added && let Some(merge) = self.merge(&moved, replace.as_ref().ok()) {
            return merge;
        }
        match replace {
            Ok(replace) => match (&self.one_per_key, &self.grouped) {
                (Ok(keys), _) if only_added => Way::AppendNewKeys {
                    keys: keys.clone(),
                    otherwise: replace,
                },
                // Without reach a row lies in the partitions that are read anyhow.
                (_, Ok(key)) if only_added && !replace.reach.is_none() => Way::ReplaceKeys {
                    key: key.clone(),
                    otherwise: replace,
                },
                _ => Way::Replace(replace),
            },
            Err(why) => Way::Full { why },
        }
    }

    /// How rows that came are put together with what there is, if they can be.
    fn merge(&self, changed: &[&Change], replace: Option<&Replace>) -> Option<Way> {
        let merged = self.merged.as_ref().ok()?;
        let all_linear = changed
            .iter()
            .all(|change| merged.linear.contains(&change.table));
        let is_key = |replace: &Replace| {
            let key = |(name, part): &(String, Part)| *name == replace.column && *part == Part::Key;
            // By reach alone it is not known where the groups of new rows lie.
            replace.reach.is_none() && merged.columns.iter().any(key)
        };
        let within = match replace {
            _ if self.partitions.is_empty() => None,
            Some(replace) if is_key(replace) => Some(replace.clone()),
            _ => return None,
        };
        all_linear.then(|| Way::Merge {
            columns: merged.columns.clone(),
            within,
        })
    }

    /// The first output partition column by which every changed table can be read in part.
    fn replace(&self, changed: &[&Change]) -> Result<Replace, String> {
        let mut first_reason = None;
        for (column, dependences) in &self.partitions {
            let everything = dependences
                .iter()
                .find_map(|dependence| match &dependence.on {
                    On::Everything(why)
                        if changed
                            .iter()
                            .any(|change| change.table == dependence.table) =>
                    {
                        Some(format!(
                            "a partition of the table may draw on all of {}: {why}",
                            short(&dependence.table)
                        ))
                    }
                    _ => None,
                });
            match everything {
                Some(why) => first_reason = first_reason.or(Some(why)),
                None => {
                    return Ok(Replace {
                        column: column.clone(),
                        restricted: restricted(dependences),
                        reach: self.reach,
                    });
                }
            }
        }
        Err(first_reason
            .unwrap_or_else(|| "the table has no partitions (`partition_by`)".to_owned()))
    }

    /// The way in words, without regard to what changed: what `state explain` says of a model.
    pub fn describe(&self) -> String {
        if let Some(function) = &self.clock {
            return format!("full, since `{function}()` gives another value at another time");
        }
        let all: Vec<Change> = self
            .tables
            .iter()
            .map(|table| Change {
                table: table.clone(),
                kind: ChangeKind::Added,
            })
            .collect();
        match self.choose(&all) {
            Way::Unchanged => "it reads no table, so it never changes".to_owned(),
            Way::Append => "append: every row comes from one new row".to_owned(),
            Way::AppendNewKeys { keys, .. } => {
                format!("append new keys: one row per ({})", keys.join(", "))
            }
            Way::Merge { columns, .. } => format!(
                "merge: what new rows give is added to the rows there, by ({})",
                keys_of(&columns)
            ),
            Way::ReplaceKeys { key, otherwise } => format!(
                "replace the rows of each `{key}` that has new ones, drawing on {} (`meta.reach`)",
                otherwise.reach.describe()
            ),
            Way::Replace(replace) if !replace.reach.is_none() => format!(
                "replace the touched partitions by `{}`, drawing on {} (`meta.reach`)",
                replace.column,
                replace.reach.describe()
            ),
            Way::Replace(replace) => {
                format!("replace the touched partitions by `{}`", replace.column)
            }
            Way::Full { why } => format!("full, since {why}"),
        }
    }
}

/// The keys among a merged table's columns.
pub fn keys_of(columns: &[(String, Part)]) -> String {
    let keys = columns.iter().filter(|(_, part)| *part == Part::Key);
    let keys: Vec<&str> = keys.map(|(name, _)| name.as_str()).collect();
    keys.join(", ")
}

/// The tables all of whose scans can be read in part.
fn restricted(dependences: &[Dependence]) -> Vec<(String, Vec<Expr>)> {
    let mut found: Vec<(String, Option<Vec<Expr>>)> = Vec::new();
    for dependence in dependences {
        let at = found
            .iter()
            .position(|(table, _)| *table == dependence.table)
            .unwrap_or_else(|| {
                found.push((dependence.table.clone(), Some(Vec::new())));
                found.len() - 1
            });
        match (&dependence.on, &mut found[at].1) {
            (On::Partitions(expr), Some(exprs)) => {
                if !exprs.contains(expr) {
                    exprs.push(expr.clone());
                }
            }
            (On::Everything(_), slot) => *slot = None,
            (On::Partitions(_), None) => {}
        }
    }
    found
        .into_iter()
        .filter_map(|(table, exprs)| Some((table, exprs?)))
        .collect()
}

/// `meta.reach` declares that an output day draws on input days at most so far away: where the
/// plan alone does not show which input partition a row comes from, it is the same day's.
fn declare_reach(dependences: &mut [Dependence], tables: &PartitionColumns) {
    for dependence in dependences {
        if let On::Everything(_) = dependence.on
            && let Some([column]) = tables.get(&dependence.table).map(Vec::as_slice)
            && *column.data_type() == DataType::Date32
        {
            dependence.on = On::Partitions(Expr::Column(Column::new_unqualified(column.name())));
        }
    }
}
