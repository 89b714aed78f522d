//! Columns of files that were written before their records had the fields that they have now.
//!
//! `DataFusion` fills in what records lack, in lists as well, by the names of their fields; not so in maps. A column
//! that has a map somewhere in it and is otherwise in the file than in the table is conformed as a whole.

use std::collections::HashMap;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, FieldRef, Schema, SchemaRef};
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::error::Result;
use datafusion::logical_expr::ColumnarValue;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr_adapter::{
    DefaultPhysicalExprAdapterFactory, PhysicalExprAdapter, PhysicalExprAdapterFactory,
};
use goldrecord_lake::conform;

/// Reads a table's columns out of any of its files.
#[derive(Debug)]
pub struct Conforming;

impl PhysicalExprAdapterFactory for Conforming {
    fn create(&self, table: SchemaRef, file: SchemaRef) -> Result<Arc<dyn PhysicalExprAdapter>> {
        let mut conformed = HashMap::new();
        let mut fields: Vec<FieldRef> = Vec::new();
        for field in table.fields() {
            match file.field_with_name(field.name()) {
                Ok(own) if own.data_type() != field.data_type() && has_map(field.data_type()) => {
                    conformed.insert(field.name().clone(), Arc::clone(field));
                    // Left alone by the adapter within.
                    fields.push(Arc::new(own.clone()));
                }
                _ => fields.push(Arc::clone(field)),
            }
        }
        let fields = Arc::new(Schema::new_with_metadata(fields, table.metadata().clone()));
        let within = DefaultPhysicalExprAdapterFactory.create(fields, file)?;
        if conformed.is_empty() {
            return Ok(within);
        }
        Ok(Arc::new(Adapter { within, conformed }))
    }
}

fn has_map(data_type: &DataType) -> bool {
    match data_type {
        DataType::Map(..) => true,
        DataType::List(element) => has_map(element.data_type()),
        DataType::Struct(fields) => fields.iter().any(|field| has_map(field.data_type())),
        _ => false,
    }
}

#[derive(Debug)]
struct Adapter {
    within: Arc<dyn PhysicalExprAdapter>,
    /// The table's fields by their names.
    conformed: HashMap<String, FieldRef>,
}

impl PhysicalExprAdapter for Adapter {
    fn rewrite(&self, expr: Arc<dyn PhysicalExpr>) -> Result<Arc<dyn PhysicalExpr>> {
        let conform = |expr: Arc<dyn PhysicalExpr>| {
            let column = expr.downcast_ref::<Column>();
            let field = column.and_then(|column| self.conformed.get(column.name()));
            let Some(field) = field.cloned() else {
                return Ok(Transformed::no(expr));
            };
            let conformed: Arc<dyn PhysicalExpr> = Arc::new(Conformed {
                column: expr,
                field,
            });
            Ok(Transformed::yes(conformed))
        };
        self.within.rewrite(expr)?.transform(conform).data()
    }
}

/// A file's column as the table's.
#[derive(Debug, Eq)]
struct Conformed {
    column: Arc<dyn PhysicalExpr>,
    field: FieldRef,
}

impl PartialEq for Conformed {
    fn eq(&self, other: &Self) -> bool {
        self.column.eq(&other.column) && self.field == other.field
    }
}

impl Hash for Conformed {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.column.hash(state);
        self.field.hash(state);
    }
}

impl fmt::Display for Conformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "conform({})", self.column)
    }
}

impl PhysicalExpr for Conformed {
    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        let values = self.column.evaluate(batch)?.into_array(batch.num_rows())?;
        Ok(ColumnarValue::Array(conform(
            &values,
            self.field.data_type(),
        )?))
    }

    fn return_field(&self, _input_schema: &Schema) -> Result<FieldRef> {
        Ok(Arc::clone(&self.field))
    }

    fn data_type(&self, _input_schema: &Schema) -> Result<DataType> {
        Ok(self.field.data_type().clone())
    }

    fn nullable(&self, _input_schema: &Schema) -> Result<bool> {
        Ok(self.field.is_nullable())
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        vec![&self.column]
    }

    fn with_new_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn PhysicalExpr>>,
    ) -> Result<Arc<dyn PhysicalExpr>> {
        Ok(Arc::new(Self {
            column: children.swap_remove(0),
            field: Arc::clone(&self.field),
        }))
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
