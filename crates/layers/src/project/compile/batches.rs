//! Microbatch models: their settings are checked, and their templates kept for when their batches are known.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use minijinja::Value;

use super::ephemeral::{Compiled, with_ephemeral};
use super::{Compiler, facts};
use crate::diagnostics::Diagnostic;
use crate::jinja::context::{Frame, Moment, Warehouse};
use crate::manifest::Node;
use crate::microbatch::{Settings, Template, Window};
use crate::project::parse::Draft;

/// What is kept of a microbatch model.
pub struct Kept {
    /// Gives its SQL.
    pub template: Template,
    /// That no batch reads less than everything.
    pub warning: Option<String>,
}

impl Compiler<'_> {
    /// The template of a microbatch model; `None` for all other nodes. `with_time` are the nodes with an `event_time`.
    pub fn batches(
        &self,
        draft: &Draft,
        compiled: &BTreeMap<String, Compiled>,
        with_time: &BTreeSet<String>,
    ) -> Result<Option<Kept>, Diagnostic> {
        let node = &draft.node;
        let Some(settings) = Settings::of(node)? else {
            return Ok(None);
        };
        let cut = node.depends_on.iter().any(|id| with_time.contains(id));
        let warning = (!cut).then(|| {
            format!(
                "The microbatch model '{}' has no 'ref' or 'source' input with an 'event_time' configuration: nothing is \
                 filtered, each batch reads all rows",
                node.name
            )
        });
        let jinja = Arc::clone(self.jinja);
        let graph = Arc::clone(self.graph);
        let warehouse = self.introspection.cloned();
        let config = draft.raw_config.clone();
        let ephemeral: BTreeMap<String, Compiled> = compiled.clone();
        let template = move |node: &Node, window: Window, filled: bool| {
            let frame = Arc::new(Frame {
                package: node.package.clone(),
                this: node.relation.clone(),
                graph: Some(graph.clone()),
                warehouse: warehouse
                    .clone()
                    .map(|introspection| introspection as Arc<dyn Warehouse>),
                unique_id: node.unique_id.clone(),
                depends_on: node.depends_on.clone(),
                incremental: filled,
                window: Some(window),
                config: config.clone(),
                ..Frame::default()
            });
            let sql = jinja.render_with(
                &node.original_file_path,
                &node.raw_code,
                &frame,
                &[("model", in_batch(node, &settings, window))],
            )?;
            let read = std::mem::take(&mut frame.captured().ephemeral);
            Ok(with_ephemeral(&sql, &read, &ephemeral))
        };
        Ok(Some(Kept {
            template: Arc::new(template),
            warning,
        }))
    }
}

/// The model as its template sees it in a batch.
fn in_batch(node: &Node, settings: &Settings, window: Window) -> Value {
    let id = settings.size.name(window.start).replace('-', "");
    let batch = Value::from_pairs([
        ("id", Value::from(id)),
        ("event_time_start", Moment::of_batch(window.start)),
        ("event_time_end", Moment::of_batch(window.end)),
    ]);
    let model = facts(node);
    let keys = model.try_iter().into_iter().flatten();
    let known = keys.filter_map(|key| Some((key.to_string(), model.get_item(&key).ok()?)));
    known
        .chain([("batch".to_owned(), batch)])
        .collect::<BTreeMap<String, Value>>()
        .into()
}
