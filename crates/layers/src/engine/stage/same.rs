//! Rows that were computed anew and are the ones that were there: nothing that reads the table need be.

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use arrow::error::ArrowError;
use arrow::row::{Row, RowConverter, Rows as SortableRows, SortField};
use goldrecord_lake::{AddFile, Snapshot};

use super::{Staged, Stager};
use crate::Result;
use crate::engine::state::same_columns;

/// Of more bytes, rows are not compared: they are read and sorted in memory.
const MOST_BYTES: i64 = 4 << 20;

impl Staged {
    /// Whether the table's rows stay as they are.
    pub fn keeps_rows(&self) -> bool {
        self.adds.is_empty() && self.removes.is_empty()
    }
}

impl Stager<'_> {
    /// What is staged, without its files where their rows are those of the files that they replace. What cannot be
    /// compared is not the same.
    pub async fn unless_same(&self, staged: Staged) -> Result<Staged> {
        if staged.keeps_rows() || !self.is_same(&staged).await {
            return Ok(staged);
        }
        self.table.discard(&staged.adds).await?;
        Ok(Staged {
            way: "same rows",
            adds: Vec::new(),
            removes: Vec::new(),
            ..staged
        })
    }

    async fn is_same(&self, staged: &Staged) -> bool {
        let gone: Vec<AddFile> = staged
            .removes
            .iter()
            .filter_map(|path| self.live.files.get(path).cloned())
            .collect();
        let small = |files: &[AddFile]| {
            files.iter().map(|file| file.size).sum::<i64>()
                <= MOST_BYTES.min(self.share.turn.collected())
        };
        let count =
            |files: &[AddFile]| files.iter().map(|file| file.stats.num_records).sum::<i64>();
        let (was, will_be) = (self.live, &staged.defined);
        if count(&gone) != count(&staged.adds)
            || !same_columns(&was.schema, &will_be.schema)
            || was.partition_columns != will_be.partition_columns
            || !small(&gone)
            || !small(&staged.adds)
        {
            return false;
        }
        let rows = async {
            let old = self.all_rows(was, gone).await?;
            Ok::<_, crate::Error>((old, self.all_rows(will_be, staged.adds.clone()).await?))
        };
        match rows.await {
            Ok((old, new)) => are_same(&old, &new).unwrap_or(false),
            // A file that cannot be read is replaced.
            Err(error) => {
                tracing::debug!(model = self.node.name, %error, "not compared");
                false
            }
        }
    }

    async fn all_rows(&self, of: &Snapshot, files: Vec<AddFile>) -> Result<Vec<RecordBatch>> {
        let (session, plan) = self.rows_of(of, files).await?;
        self.collect(&session, plan).await
    }
}

/// Whether two sets of rows are the same but for their order.
fn are_same(a: &[RecordBatch], b: &[RecordBatch]) -> Result<bool, ArrowError> {
    let Some(first) = a.first().or(b.first()) else {
        return Ok(true);
    };
    let converter = converter(&first.schema())?;
    let (a, b) = (converted(&converter, a)?, converted(&converter, b)?);
    Ok(sorted(&a) == sorted(&b))
}

fn converter(schema: &Schema) -> Result<RowConverter, ArrowError> {
    let fields = schema.fields().iter();
    RowConverter::new(
        fields
            .map(|field| SortField::new(field.data_type().clone()))
            .collect(),
    )
}

fn converted(
    converter: &RowConverter,
    batches: &[RecordBatch],
) -> Result<Vec<SortableRows>, ArrowError> {
    batches
        .iter()
        .map(|batch| converter.convert_columns(batch.columns()))
        .collect()
}

fn sorted(rows: &[SortableRows]) -> Vec<Row<'_>> {
    let mut all: Vec<Row<'_>> = rows.iter().flatten().collect();
    all.sort_unstable();
    all
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Float64Array, StringArray};
    use arrow::datatypes::{DataType, Field};

    use super::*;

    fn batch(rows: &[(Option<&str>, f64)]) -> RecordBatch {
        let schema = Schema::new(vec![
            Field::new("text", DataType::Utf8, true),
            Field::new("number", DataType::Float64, true),
        ]);
        let texts: StringArray = rows.iter().map(|row| row.0).collect();
        let numbers: Float64Array = rows.iter().map(|row| Some(row.1)).collect();
        RecordBatch::try_new(Arc::new(schema), vec![Arc::new(texts), Arc::new(numbers)])
            .expect("the columns are the schema's")
    }

    #[test]
    fn rows_are_the_same_in_any_order_and_as_often() {
        let (a, b, c) = ((Some("a"), 1.0), (None, 2.0), (Some(""), 2.0));
        let same = |one: &[RecordBatch], other: &[RecordBatch]| {
            are_same(one, other).expect("the types can be compared")
        };
        assert!(same(&[batch(&[a, b]), batch(&[c])], &[batch(&[c, b, a])]));
        assert!(same(&[], &[batch(&[])]));
        assert!(
            !same(&[batch(&[a, b])], &[batch(&[a, c])]),
            "null is no text"
        );
        assert!(!same(&[batch(&[a, a, b])], &[batch(&[a, b, b])]));
        assert!(!same(&[batch(&[(None, 0.0)])], &[batch(&[(None, -0.0)])]));
        assert!(!same(&[batch(&[a])], &[]));
    }
}
