//! The SQL of microbatch models, batch by batch: rendered when the batch is computed.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::diagnostics::Diagnostic;
use crate::manifest::Node;
use crate::microbatch::Window;

/// Gives a model's SQL for a batch; whether the table has rows is what `is_incremental()` says.
pub type Template = Arc<dyn Fn(&Node, Window, bool) -> Result<String, Diagnostic> + Send + Sync>;

/// The templates of a project's microbatch models.
#[derive(Clone, Default)]
pub struct Templates {
    models: BTreeMap<String, Template>,
}

impl Templates {
    /// With the template of a model.
    pub(crate) fn keep(&mut self, unique_id: &str, template: Template) {
        self.models.insert(unique_id.to_owned(), template);
    }

    /// The model with the SQL of one batch in the place of its own.
    pub fn model(&self, node: &Node, window: Window, filled: bool) -> Result<Node, Diagnostic> {
        let template = self
            .models
            .get(&node.unique_id)
            .expect("every microbatch model keeps its template");
        let sql = template(node, window, filled)?;
        Ok(Node {
            compiled_code: Some(sql),
            compiled_incremental: None,
            ..node.clone()
        })
    }
}

impl fmt::Debug for Templates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.models.keys()).finish()
    }
}
