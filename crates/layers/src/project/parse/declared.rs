//! Nodes that only YAML declares: the tables of sources, and exposures.

use std::sync::Arc;

use serde_norway::Mapping;

use super::Parser;
use super::draft::Draft;
use crate::diagnostics::Diagnostic;
use crate::jinja::context::{Captured, Frame};
use crate::manifest::{Freshness, LoadedAt, Node, Relation, ResourceType};
use crate::project::config;
use crate::project::properties::{ExposureProperties, TableProperties};
use crate::project::yaml::File;

impl Parser<'_> {
    pub(super) fn source(&mut self, below: &str, file: &Arc<File>, table: &TableProperties) {
        let (source, name) = (table.source.as_str(), table.common.name.as_str());
        let mut node = self.node(ResourceType::Source, name, "", &file.path);
        node.unique_id = format!("source.{}.{source}.{name}", self.project.name);
        node.fqn = self.fqn(below, &[source, name]);
        node.source_name = Some(source.to_owned());
        node.patch_path = Some(file.path.clone());
        node.description.clone_from(&table.common.description);
        node.columns.clone_from(&table.common.columns);
        node.relation = Some(Relation::new(
            table.schema.as_str(),
            table.identifier.as_str(),
        ));
        let mut raw = self.folder_config(&["sources"], &node.fqn);
        config::merge(&mut raw, &table.common.config);
        config::merge(&mut raw, &self.override_of(&node));
        match config::typed(&raw, ResourceType::Source) {
            Ok(config) => node.config = config,
            Err(diagnostic) => return self.errors.push(file.at_name(diagnostic, name).into()),
        }
        match self.freshness(file, &node, &raw) {
            Ok(freshness) => node.freshness = freshness,
            Err(diagnostic) => return self.errors.push(diagnostic.into()),
        }
        let enabled = node.config.enabled;
        let unique_id = node.unique_id.clone();
        self.drafts.push(Draft::new(node, raw, Captured::default()));
        if enabled {
            let target = format!("source('{source}', '{name}')");
            for test in &table.common.tests {
                self.generic_test(file, test, &target, &unique_id);
            }
        }
    }

    /// What is expected of a source's table, its query rendered.
    fn freshness(
        &self,
        file: &File,
        node: &Node,
        raw: &Mapping,
    ) -> Result<Option<Freshness>, Diagnostic> {
        let mut freshness = Freshness::read(&node.config.extra)
            .map_err(|diagnostic| file.at_name(diagnostic, &node.name))?;
        if let Some(Freshness {
            loaded_at: LoadedAt::Query(query),
            ..
        }) = &mut freshness
        {
            let frame = Arc::new(Frame {
                package: node.package.clone(),
                this: node.relation.clone(),
                unique_id: node.unique_id.clone(),
                config: raw.clone(),
                ..Frame::default()
            });
            let rendered = self.jinja.render(&file.path, query, &frame);
            *query = rendered.map_err(|diagnostic| file.at_template(diagnostic))?;
        }
        Ok(freshness)
    }

    pub(super) fn exposure(&mut self, below: &str, file: &File, exposure: &ExposureProperties) {
        let mut node = self.node(ResourceType::Exposure, &exposure.name, "", &file.path);
        node.fqn = self.fqn(below, &[&exposure.name]);
        node.description.clone_from(&exposure.description);
        let mut raw = self.folder_config(&["exposures"], &node.fqn);
        config::merge(&mut raw, &exposure.config);
        config::merge(&mut raw, &self.override_of(&node));
        match config::typed(&raw, ResourceType::Exposure) {
            Ok(config) => node.config = config,
            Err(diagnostic) => {
                return self
                    .errors
                    .push(file.at_name(diagnostic, &exposure.name).into());
            }
        }
        let frame = self.frame(&node, &raw);
        for call in &exposure.depends_on {
            if let Err(diagnostic) = self.jinja.evaluate(&file.path, call, &frame, &[]) {
                return self
                    .errors
                    .push(file.at_name(diagnostic, &exposure.name).into());
            }
        }
        let captured = std::mem::take(&mut *frame.captured());
        self.drafts.push(Draft::new(node, raw, captured));
    }
}
