//! The SQL of unit tests: that of their model, with what they override.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_norway::Value as Yaml;

use super::{Compiler, facts};
use crate::diagnostics::Diagnostic;
use crate::jinja::context::{Frame, Overrides, Warehouse};
use crate::jinja::serialized;
use crate::manifest::SourceLocation;
use crate::project::parse::{Draft, Input};
use crate::project::yaml;
use crate::{Error, Result};

impl Compiler<'_> {
    /// Give every unit test the nodes that its inputs mean, and its SQL.
    pub fn unit_tests(&self, drafts: &mut BTreeMap<String, Draft>) -> Vec<Error> {
        let tests: Vec<String> = drafts
            .values()
            .filter(|draft| draft.unit.is_some())
            .map(|draft| draft.node.unique_id.clone())
            .collect();
        let mut errors = Vec::new();
        for unique_id in tests {
            let Some(mut test) = drafts.remove(&unique_id) else {
                continue;
            };
            let model = test.node.depends_on.first().and_then(|id| drafts.get(id));
            if let Some(model) = model
                && let Err(diagnostic) = self.unit_test(&mut test, model)
            {
                errors.push(diagnostic.into());
            }
            drafts.insert(unique_id, test);
        }
        errors
    }

    fn unit_test(&self, test: &mut Draft, model: &Draft) -> Result<(), Diagnostic> {
        let (Some(unit), Some(written)) = (&test.unit, &mut test.node.unit_test) else {
            return Ok(());
        };
        let name = &test.node.name;
        for (input, given) in unit.inputs.iter().zip(&mut written.given) {
            let found = match input {
                Input::This => Ok(&model.node.unique_id),
                Input::Ref(reference) => {
                    let found = self.graph.resolve(reference, &test.node.package);
                    found.map(|target| &target.unique_id)
                }
                Input::Source(source, table) => {
                    let found = self.graph.resolve_source(source, table, &test.node.package);
                    found.map(|target| &target.unique_id)
                }
            };
            let at = &given.fixture.at;
            let found = found.map_err(|wrong| wrong.at(at.clone()))?;
            let known = *input == Input::This || model.node.depends_on.contains(found);
            if !known {
                return Err(not_read(&given.input, at, name, &model.node.name));
            }
            given.node.clone_from(found);
        }
        let overrides = overrides(&unit.overrides);
        let frame = Arc::new(Frame {
            package: model.node.package.clone(),
            this: model.node.relation.clone(),
            graph: Some(self.graph.clone()),
            warehouse: self
                .introspection
                .cloned()
                .map(|introspection| introspection as Arc<dyn Warehouse>),
            unique_id: model.node.unique_id.clone(),
            depends_on: model.node.depends_on.clone(),
            config: model.raw_config.clone(),
            overrides,
            ..Frame::default()
        });
        let sql = self.jinja.render_with(
            &model.node.original_file_path,
            &model.node.raw_code,
            &frame,
            &[("model", facts(&model.node))],
        )?;
        let captured = std::mem::take(&mut *frame.captured());
        let given: BTreeSet<&str> = written.given.iter().map(|one| one.node.as_str()).collect();
        let package = &model.node.package;
        let refs = captured.refs.iter().map(|reference| {
            let call = format!("ref('{}')", reference.name);
            (call, self.graph.resolve(reference, package))
        });
        let sources = captured.sources.iter().map(|(source, table)| {
            let call = format!("source('{source}', '{table}')");
            (call, self.graph.resolve_source(source, table, package))
        });
        for (call, target) in refs.chain(sources) {
            if !given.contains(target?.unique_id.as_str()) {
                let message = format!(
                    "the unit test `{name}` gives no rows for {call}, which `{}` reads",
                    model.node.name
                );
                return Err(Diagnostic::new(message)
                    .at(written.expect.at.clone())
                    .help(format!("add to `given`: - {{input: \"{call}\", rows: []}}")));
            }
        }
        test.node.compiled_code = Some(sql);
        Ok(())
    }
}

fn not_read(input: &str, at: &SourceLocation, test: &str, model: &str) -> Diagnostic {
    let message =
        format!("the unit test `{test}` gives rows for {input}, which `{model}` does not read");
    Diagnostic::new(message).at(at.clone())
}

/// What templates find in the place of macros, variables and the environment.
fn overrides(written: &serde_norway::Mapping) -> Overrides {
    let all = |section: &str| {
        let entries = written.get(section).and_then(Yaml::as_mapping);
        entries
            .into_iter()
            .flatten()
            .filter_map(|(name, value)| Some((yaml::scalar(name)?, value.clone())))
            .collect::<Vec<_>>()
    };
    let values = |section: &str| {
        all(section)
            .into_iter()
            .map(|(name, value)| (name, serialized(value)))
            .collect()
    };
    Overrides {
        macros: values("macros"),
        vars: all("vars").into_iter().collect(),
        environment: values("env_vars"),
    }
}
