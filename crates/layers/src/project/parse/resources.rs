//! Nodes that are files: models, seeds, singular tests, analyses.

use std::path::Path;
use std::sync::Arc;

use serde_norway::Mapping;

use super::draft::Draft;
use super::files::{below, stem};
use super::{Parser, Patches};
use crate::Result;
use crate::diagnostics::{Diagnostic, place};
use crate::jinja::context::Frame;
use crate::manifest::{Node, ResourceType, Test, TestKind};
use crate::project::{INLINE, config, files_in, read_text};

impl Parser<'_> {
    pub(super) fn models(&mut self, patches: &Patches<'_>) -> Result<()> {
        for (folder, path) in files_in(
            &self.project.root,
            &self.project.model_paths,
            &["sql", "py"],
        )? {
            if Path::new(&path)
                .extension()
                .is_some_and(|extension| extension == "py")
            {
                let message = "models in Python are not supported";
                self.errors.push(
                    Diagnostic::new(message)
                        .in_file(path)
                        .help("write the model in SQL")
                        .into(),
                );
                continue;
            }
            let mut node = self.node(ResourceType::Model, &stem(&path), &folder, &path);
            node.raw_code = read_text(&self.project.root, &path)?;
            let raw = self.described("models", &mut node, patches);
            self.draft(node, raw);
        }
        Ok(())
    }

    pub(super) fn seeds(&mut self, patches: &Patches<'_>) -> Result<()> {
        for (folder, path) in files_in(&self.project.root, &self.project.seed_paths, &["csv"])? {
            let mut node = self.node(ResourceType::Seed, &stem(&path), &folder, &path);
            let raw = self.described("seeds", &mut node, patches);
            self.draft(node, raw);
        }
        Ok(())
    }

    pub(super) fn singular_tests(&mut self) -> Result<()> {
        for (folder, path) in files_in(&self.project.root, &self.project.test_paths, &["sql"])? {
            let below = below(&folder, &path);
            if below.starts_with("generic/") || below.starts_with("fixtures/") {
                continue;
            }
            let mut node = self.node(ResourceType::Test, &stem(&path), &folder, &path);
            node.raw_code = read_text(&self.project.root, &path)?;
            node.test = Some(Test {
                kind: TestKind::Singular,
                attached: None,
            });
            let raw = self.folder_config(&["tests", "data_tests"], &node.fqn);
            self.draft(node, raw);
        }
        Ok(())
    }

    pub(super) fn analyses(&mut self) -> Result<()> {
        for (folder, path) in files_in(&self.project.root, &self.project.analysis_paths, &["sql"])?
        {
            let mut node = self.node(ResourceType::Analysis, &stem(&path), &folder, &path);
            node.fqn.insert(1, "analysis".to_owned());
            node.raw_code = read_text(&self.project.root, &path)?;
            self.draft(node, Mapping::new());
        }
        Ok(())
    }

    /// The query of the command line.
    pub(super) fn inline(&mut self, sql: &str) {
        let mut node = self.node(ResourceType::Analysis, INLINE, "", INLINE);
        sql.clone_into(&mut node.raw_code);
        self.draft(node, Mapping::new());
    }

    /// The configuration of a node of the section, by folder and by its properties, of which it
    /// takes the rest.
    pub(super) fn described(
        &self,
        section: &str,
        node: &mut Node,
        patches: &Patches<'_>,
    ) -> Mapping {
        let mut raw = self.folder_config(&[section], &node.fqn);
        let name = node.name.clone();
        if let Some(patch) = patches.get(&(section, name.as_str())) {
            node.patch_path = Some(patch.file.path.clone());
            node.description.clone_from(&patch.common.description);
            node.columns.clone_from(&patch.common.columns);
            node.constraints = patch.constraints.to_vec();
            config::merge(&mut raw, &patch.common.config);
        }
        raw
    }

    /// Render a node's text once, take in what it asks for, and give its configuration types.
    pub(super) fn draft(&mut self, mut node: Node, mut raw_config: Mapping) {
        let over = self.override_of(&node);
        let mut known = raw_config.clone();
        config::merge(&mut known, &over);
        let frame = self.frame(&node, &known);
        if let Err(diagnostic) = self
            .jinja
            .render(&node.original_file_path, &node.raw_code, &frame)
        {
            // A template of a node that is switched off may be broken.
            if config::is_enabled(&known) {
                self.errors.push(diagnostic.into());
            }
            return;
        }
        if let Err(diagnostic) = self.referred_to(&node, &frame) {
            if config::is_enabled(&known) {
                self.errors.push(diagnostic.into());
            }
            return;
        }
        let captured = std::mem::take(&mut *frame.captured());
        for call in &captured.configs {
            config::merge(&mut raw_config, call);
        }
        config::merge(&mut raw_config, &over);
        match config::typed(&raw_config, node.resource_type) {
            Ok(config) => node.config = config,
            Err(diagnostic) => {
                self.errors
                    .push(in_template(diagnostic, &node.original_file_path, &node.raw_code).into());
                return;
            }
        }
        if node.config.enabled {
            if let Err(diagnostic) = known_columns(&node) {
                return self.errors.push(diagnostic.into());
            }
            // Nobody who runs the project can mend a package.
            if self.project.folder.is_empty() {
                self.warnings.extend(node.unenforced_constraints());
            }
        }
        self.drafts.push(Draft::new(node, raw_config, captured));
    }

    /// Take in the tables that foreign keys refer to: as in dbt, they are built before.
    fn referred_to(&self, node: &Node, frame: &Arc<Frame>) -> Result<(), Diagnostic> {
        for constraint in &node.constraints {
            let Some(to) = &constraint.to else { continue };
            let place = &constraint.place;
            let value = self.jinja.evaluate(&place.file, to, frame, &[]);
            value.map_err(|diagnostic| Diagnostic {
                location: Some(Box::new(place.clone())),
                ..diagnostic
            })?;
        }
        Ok(())
    }
}

/// The columns that a contract's constraints name are among those that it promises.
fn known_columns(node: &Node) -> Result<(), Diagnostic> {
    let known = || node.columns.iter().map(|column| column.name.as_str());
    for constraint in node.constraints.iter().filter(|_| node.config.contract) {
        for name in &constraint.columns {
            if !known().any(|column| column == name) {
                let message = format!(
                    "a constraint of `{}` names the column `{name}`, which its contract does not have",
                    node.name
                );
                let all: Vec<&str> = known().collect();
                return Err(Diagnostic::new(message)
                    .at(constraint.place.clone())
                    .help(format!("known: {}", all.join(", ")))
                    .nearest(name, all));
            }
        }
    }
    Ok(())
}

/// A message about configuration, at the line of the template that sets it.
fn in_template(diagnostic: Diagnostic, file: &str, source: &str) -> Diagnostic {
    let key = diagnostic.message.split('`').nth(1).unwrap_or_default();
    let line = source
        .lines()
        .position(|line| !key.is_empty() && line.contains(key));
    match line {
        Some(index) => {
            let text = source.lines().nth(index).unwrap_or_default();
            let column = text.find(key).map(|at| text[..at].chars().count() + 1);
            diagnostic.at(place(file, source, index + 1, column))
        }
        None => diagnostic.in_file(file),
    }
}
