//! Generic tests: calls of `{% test %}` blocks under a table or a column.

use std::sync::Arc;

use minijinja::Value;
use serde_norway::{Mapping, Value as Yaml};

use super::draft::{Draft, Generic};
use super::{Parser, Patches};
use crate::diagnostics::{Diagnostic, nearest};
use crate::jinja::context::Frame;
use crate::jinja::{Jinja, mutable, serialized};
use crate::manifest::{Node, ResourceType, Test, TestKind};
use crate::project::properties::PlacedTest;
use crate::project::yaml::{self, File};
use crate::project::{config, empty_frame};

impl Parser<'_> {
    /// Draft the tests that stand under models and seeds.
    pub(super) fn tests_of_nodes(&mut self, patches: &Patches<'_>) {
        for ((section, name), patch) in patches {
            let resource_type = match *section {
                "models" => ResourceType::Model,
                "snapshots" => ResourceType::Snapshot,
                _ => ResourceType::Seed,
            };
            let draft = self.drafts.iter().find(|draft| {
                draft.node.resource_type == resource_type
                    && draft.node.name == *name
                    && draft.node.package == self.project.name
            });
            let Some(draft) = draft else {
                let known = self
                    .drafts
                    .iter()
                    .filter(|draft| draft.node.resource_type == resource_type);
                let near = nearest(name, known.map(|draft| draft.node.name.as_str()))
                    .map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
                let path = &patch.file.path;
                self.warnings.push(format!(
                    "{path}: there is no {resource_type} `{name}` to describe{near}"
                ));
                continue;
            };
            if !draft.enabled {
                continue;
            }
            let attached = draft.node.unique_id.clone();
            let target = format!("ref('{name}')");
            for test in &patch.common.tests {
                self.generic_test(patch.file, test, &target, &attached);
            }
        }
    }

    /// Draft one test. `target` is the call that gives its model, `attached` that node's unique id.
    pub(super) fn generic_test(
        &mut self,
        file: &Arc<File>,
        test: &PlacedTest,
        target: &str,
        attached: &str,
    ) {
        let name = &test.call.name;
        let package = test.call.namespace.as_deref();
        if !self
            .jinja
            .has_macro(&self.jinja.test_macro(&self.project.name, package, name))
        {
            let full = match package {
                Some(package) => format!("{package}.{name}"),
                None => name.clone(),
            };
            let diagnostic = Diagnostic::new(format!("there is no generic test `{full}`"))
                .nearest(name, self.jinja.generic_tests());
            let (_, table) = names_of(target);
            let diagnostic = file.at_test(diagnostic, name, table, test.column.as_deref());
            self.errors.push(diagnostic.into());
            return;
        }
        match self.generic_draft(file, test, target, attached) {
            Ok(draft) => self.drafts.push(draft),
            Err(diagnostic) => {
                let (_, table) = names_of(target);
                let diagnostic = file.at_test(diagnostic, name, table, test.column.as_deref());
                self.errors.push(diagnostic.into());
            }
        }
    }

    fn generic_draft(
        &self,
        file: &Arc<File>,
        test: &PlacedTest,
        target: &str,
        attached: &str,
    ) -> Result<Draft, Diagnostic> {
        let (table, table_name) = names_of(target);
        let call = &test.call;
        let model = format!("{{{{ get_where_subquery({target}) }}}}");
        let (short, full) = call.names(&table, target.starts_with("source"));
        let hash = call.hash(&full, &model);
        let (_, below) = self.project.split_folder(&file.path);
        let fqn = self.fqn(below, &[&full]);
        let mut raw = self.folder_config(&["tests", "data_tests"], &fqn);
        let tags: Vec<Yaml> = test
            .tags
            .iter()
            .map(|tag| Yaml::from(tag.as_str()))
            .collect();
        if !tags.is_empty() {
            let mut tagged = Mapping::new();
            tagged.insert("tags".into(), tags.into());
            config::merge(&mut raw, &tagged);
        }
        let own = Yaml::Mapping(call.config.clone());
        let frame = empty_frame(&self.project.name);
        if let Yaml::Mapping(own) = self.jinja.native_yaml(&file.path, &own, &frame)? {
            config::merge(&mut raw, &own);
        }
        let mut node = self.node(ResourceType::Test, &full, "", &file.path);
        node.unique_id = format!("{}.{hash}", node.unique_id);
        node.fqn = fqn;
        node.path = format!("{short}.sql");
        let package = &self.project.name;
        let called = self
            .jinja
            .test_macro(package, call.namespace.as_deref(), &call.name);
        node.raw_code = format!("{{{{ {called}(**_dbt_generic_test_kwargs) }}}}");
        node.description.clone_from(&call.description);
        node.test = Some(metadata(test, attached));
        config::merge(&mut raw, &self.override_of(&node));
        node.config = config::typed(&raw, ResourceType::Test)?;
        let frame = self.frame(&node, &raw);
        render_generic(&self.jinja, &node, call.arguments.clone(), target, &frame)?;
        let captured = std::mem::take(&mut *frame.captured());
        for own in &captured.configs {
            // What the test's macro sets is weaker than what the YAML says.
            let mut merged = own.clone();
            config::merge(&mut merged, &raw);
            raw = merged;
        }
        node.config = config::typed(&raw, ResourceType::Test)?;
        let generic = Generic {
            arguments: call.arguments.clone(),
            target: target.to_owned(),
            file: file.clone(),
            key: call.name.clone(),
            table: table_name.to_owned(),
        };
        Ok(Draft {
            generic: Some(generic),
            ..Draft::new(node, raw, captured)
        })
    }
}

/// What the manifest says of a generic test.
fn metadata(test: &PlacedTest, attached: &str) -> Test {
    let arguments = test.call.arguments.iter();
    Test {
        kind: TestKind::Generic {
            name: test.call.name.clone(),
            namespace: test.call.namespace.clone(),
            column: test.column.clone(),
            arguments: arguments
                .filter_map(|(key, value)| Some((yaml::scalar(key)?, yaml::to_json(value))))
                .collect(),
        },
        attached: Some(attached.to_owned()),
    }
}

/// The table's name in tests' names and in the YAML, from `ref('…')` or `source('…', '…')`.
fn names_of(target: &str) -> (String, &str) {
    let mut quoted = target.split('\'').skip(1).step_by(2);
    let first = quoted.next().unwrap_or_default();
    match quoted.next() {
        Some(table) => (format!("{first}_{table}"), table),
        None => (first.to_owned(), first),
    }
}

/// Render a generic test: its arguments first (an argument may be `ref('…')`), then its macro.
pub fn render_generic(
    jinja: &Jinja,
    node: &Node,
    arguments: Mapping,
    target: &str,
    frame: &Arc<Frame>,
) -> Result<String, Diagnostic> {
    let Some(Test {
        kind: TestKind::Generic {
            name, namespace, ..
        },
        ..
    }) = &node.test
    else {
        return Err(Diagnostic::new(format!(
            "{} is no generic test",
            node.unique_id
        )));
    };
    let file = &node.original_file_path;
    let mut values: Vec<(String, Value)> = Vec::new();
    for (key, value) in arguments {
        let Some(key) = key.as_str() else { continue };
        let value = match &value {
            Yaml::String(text) if key != "column_name" && is_call(text) => {
                jinja.evaluate(file, text, frame, &[])?
            }
            Yaml::String(text) if key != "column_name" => jinja.native(file, text, frame)?,
            other => mutable(&serialized(jinja.native_yaml(file, other, frame)?)),
        };
        values.push((key.to_owned(), value));
    }
    let model = jinja.evaluate(file, &format!("get_where_subquery({target})"), frame, &[])?;
    values.push(("model".to_owned(), model));
    let arguments = Value::from_pairs(values);
    let called = jinja.test_macro(&node.package, namespace.as_deref(), name);
    let template = format!("{{{{ {called}(**__arguments) }}}}");
    jinja.render_with(file, &template, frame, &[("__arguments", arguments)])
}

/// Whether an argument's text is a call that dbt evaluates without braces around it.
fn is_call(text: &str) -> bool {
    let text = text.trim();
    ["env_var", "ref", "var", "source"].iter().any(|name| {
        text.strip_prefix(name)
            .is_some_and(|rest| rest.trim_start().starts_with('('))
    }) && text.ends_with(')')
}
