//! What a contract promises of rows, checked on those that are staged.

use goldrecord_lake::Table;

use super::Run;
use crate::engine::constraints;
use crate::engine::relations::{self, Rows};
use crate::engine::stage::Staged;
use crate::manifest::Node;
use crate::{Error, Result};

impl Run<'_> {
    /// Whether the rows that come hold to the node's constraints.
    pub(super) async fn constrained(
        &self,
        node: &Node,
        table: &Table,
        staged: &Staged,
    ) -> Result<()> {
        let Some(relation) = &node.relation else {
            return Ok(());
        };
        // Rows that stay are held against a constraint that is new.
        let files = if staged.keeps_rows() && staged.metadata.is_some() {
            staged.files()
        } else {
            staged.adds.clone()
        };
        if !constraints::any(node) || files.is_empty() {
            return Ok(());
        }
        self.with_share(node, async |share| {
            let files = Some(files.clone());
            let rows = relations::table(relation, table.path(), &staged.defined, Rows::All, files)?;
            let session = share.engine.session([(relation, rows)]);
            tokio::select! {
                held = constraints::hold(&session, node) => held,
                () = self.shutdown.requested() => Err(Error::Interrupted),
            }
        })
        .await
    }
}
