//! Which rows say whether a test that found nothing finds nothing still.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::datatypes::FieldRef;
use goldrecord_lake::{AddFile, Changes, Snapshot};

use super::Run;
use super::checked::leaf;
use super::read::Read;
use crate::Result;
use crate::engine::project::{Versions, place};
use crate::engine::stage::Staged;
use crate::engine::{new_rows, plan, relations};
use crate::manifest::Node;

/// What came and went in the one table that changed since a test found nothing.
struct Change<'a> {
    table: &'a Node,
    /// The table as it will be.
    snapshot: Snapshot,
    files: Vec<AddFile>,
    added: Vec<AddFile>,
    removed: Vec<AddFile>,
}

impl Run<'_> {
    /// Files of one table that a test need only read, where it found nothing before and only that table changed; with
    /// the table's unique id.
    pub(super) async fn deciding(
        &self,
        test: &Node,
        versions: &Versions,
        staged: Option<(&Node, &Staged)>,
    ) -> Result<Option<(String, Vec<AddFile>)>> {
        let Some(change) = self.one_change(test, versions, staged).await? else {
            return Ok(None);
        };
        let unique_id = &change.table.unique_id;
        let Some(relation) = &change.table.relation else {
            return Ok(None);
        };
        let over = |upstream: &Node| {
            let files = (upstream.unique_id == *unique_id).then(|| change.added.clone());
            leaf(upstream, versions, test, staged, files)
        };
        let engine = self.project.engine;
        let session = self.project.session_in(engine, test, &over).await?;
        let sql = test.compiled_code.as_deref().unwrap_or_default();
        let plan = plan::logical(&session, test, sql).await?;
        let name = relations::reference(relation).to_string();
        let optimized = session.state().optimize(&plan);
        if optimized.is_ok_and(|plan| new_rows::suffice(&plan, &name)) {
            return Ok(Some((unique_id.clone(), change.added)));
        }
        let partitions: Vec<FieldRef> = change
            .snapshot
            .partition_columns
            .iter()
            .filter_map(|name| change.snapshot.schema.field_with_name(name).ok())
            .map(|field| Arc::new(field.clone()))
            .collect();
        let column = new_rows::within(&plan, &name, &partitions);
        Ok(column.map(|column| (unique_id.clone(), change.files_of_touched(&column))))
    }

    /// What the test read when it found nothing, if that is known and still says something.
    pub(super) fn found_nothing(&self, test: &Node) -> Option<Read> {
        let read = self.passed_before.get(&test.unique_id)?;
        // Only a build runs what is needed, and no more.
        let is_all_wanted = self.build.is_none() || self.options.full_refresh;
        (!is_all_wanted && !self.tells_time(test)).then(|| Read::parse(read))?
    }

    async fn one_change<'a>(
        &'a self,
        test: &Node,
        versions: &Versions,
        staged: Option<(&'a Node, &Staged)>,
    ) -> Result<Option<Change<'a>>> {
        // Any failure counts as one here: a test may pass with some.
        if !test.config.warn_if.is_any() || test.config.fail_calc.trim() != "count(*)" {
            return Ok(None);
        }
        let Some(then) = self.found_nothing(test) else {
            return Ok(None);
        };
        let Some(changed) = self.read_by(test, versions).changed_since(&then) else {
            return Ok(None);
        };
        let staged = staged.filter(|(_, staged)| !staged.keeps_rows());
        match (staged, changed.as_slice()) {
            (Some((node, staged)), []) => Ok(change_staged(node, versions, staged)),
            (None, [place]) => {
                let table = self.tables_of(test)[*place];
                let since = then.tables[*place].version;
                self.change_since(table, versions, since).await
            }
            _ => Ok(None),
        }
    }

    async fn change_since<'a>(
        &self,
        table: &'a Node,
        versions: &Versions,
        since: i64,
    ) -> Result<Option<Change<'a>>> {
        let Some(snapshot) = versions.get(&table.unique_id) else {
            return Ok(None);
        };
        if since >= snapshot.version {
            return Ok(None);
        }
        let (path, rows) = place(table);
        let log = self.project.lake.table(&path);
        let changes = log.changes(since, snapshot.version).await?;
        let Changes::Known {
            mut added,
            mut removed,
            schema_changed: false,
        } = changes
        else {
            return Ok(None);
        };
        let rows = rows.in_table(snapshot);
        let mut files: Vec<AddFile> = snapshot.files.values().cloned().collect();
        for files in [&mut added, &mut removed, &mut files] {
            files.retain(|file| rows.are_in(file));
        }
        Ok(Some(Change {
            table,
            snapshot: snapshot.clone(),
            files,
            added,
            removed,
        }))
    }
}

fn change_staged<'a>(table: &'a Node, versions: &Versions, staged: &Staged) -> Option<Change<'a>> {
    let live = versions.get(&table.unique_id)?;
    let gone = staged
        .removes
        .iter()
        .filter_map(|path| live.files.get(path));
    (live.schema == staged.defined.schema).then(|| Change {
        table,
        snapshot: staged.defined.clone(),
        files: staged.files(),
        added: staged.adds.clone(),
        removed: gone.cloned().collect(),
    })
}

impl Change<'_> {
    /// The files in partitions, by one column, that get or lose files.
    fn files_of_touched(mut self, column: &str) -> Vec<AddFile> {
        let value = |file: &AddFile| file.partition_values.get(column).cloned().flatten();
        let touched: HashSet<Option<String>> =
            self.added.iter().chain(&self.removed).map(value).collect();
        self.files.retain(|file| touched.contains(&value(file)));
        self.files
    }
}
