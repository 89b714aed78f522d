//! Snapshots: `{% snapshot %}` blocks, and those that YAML alone declares.

use std::sync::Arc;

use super::{Parser, Patches};
use crate::Result;
use crate::jinja::blocks;
use crate::manifest::ResourceType;
use crate::project::properties::NodeProperties;
use crate::project::yaml::File;
use crate::project::{files_in, read_text};

impl Parser<'_> {
    pub(super) fn snapshots(&mut self, patches: &Patches<'_>) -> Result<()> {
        let folders = &self.project.snapshot_paths;
        for (folder, path) in files_in(&self.project.root, folders, &["sql"])? {
            let text = read_text(&self.project.root, &path)?;
            let blocks = match blocks::snapshots(&path, &text) {
                Ok(blocks) => blocks,
                Err(diagnostic) => {
                    self.errors.push(diagnostic.into());
                    continue;
                }
            };
            for block in blocks {
                let mut node = self.node(ResourceType::Snapshot, &block.name, &folder, &path);
                // As dbt names them: the file, then the block.
                let file = super::files::stem(&path);
                node.fqn.insert(node.fqn.len() - 1, file);
                node.raw_code = block.text;
                let raw = self.described("snapshots", &mut node, patches);
                self.draft(node, raw);
            }
        }
        Ok(())
    }

    /// A snapshot of a relation.
    pub(super) fn declared_snapshot(
        &mut self,
        file: &Arc<File>,
        entry: &NodeProperties,
        patches: &Patches<'_>,
    ) {
        let Some(relation) = entry
            .relation
            .as_ref()
            .filter(|_| entry.section == "snapshots")
        else {
            return;
        };
        let (folder, _) = self.project.split_folder(&file.path);
        let mut node = self.node(
            ResourceType::Snapshot,
            &entry.common.name,
            folder,
            &file.path,
        );
        node.path = format!("{}.sql", entry.common.name);
        node.raw_code = format!("select * from {{{{ {relation} }}}}");
        let raw = self.described("snapshots", &mut node, patches);
        self.draft(node, raw);
    }
}
