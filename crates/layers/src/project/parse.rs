//! The parsing pass: every file a draft of a node, with what its template asks for.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use minijinja::Value;
use serde_norway::{Mapping, Value as Yaml};

use super::properties::{Common, PlacedTest, Properties};
use super::yaml::{self, File};
use super::{ProjectFile, Target, config, empty_frame, files_in, read_text};
use crate::diagnostics::{Diagnostic, place};
use crate::jinja::context::{Frame, Ref};
use crate::jinja::{Globals, Jinja};
use crate::manifest::{Config, Materialized, Node, Relation, ResourceType, Test, TestKind};
use crate::{Error, Result};

/// The text of a generic test's template.
pub const TEST_TEMPLATE: &str = "{{ __test(**__arguments) }}";

/// A node before its references are followed.
#[derive(Clone, Debug)]
pub struct Draft {
    /// The node, without `depends_on` and compiled SQL.
    pub node: Node,
    /// Its merged configuration, untyped, for `config.get`.
    pub raw_config: Mapping,
    /// What it refers to.
    pub refs: Vec<Ref>,
    /// What it reads of sources.
    pub sources: Vec<(String, String)>,
    /// Whether it takes part.
    pub enabled: bool,
    /// For a generic test: what its template is called with.
    pub generic: Option<Generic>,
}

/// What a generic test's template is called with, and where the YAML says so.
#[derive(Clone, Debug)]
pub struct Generic {
    /// The arguments as written.
    pub arguments: Mapping,
    /// `ref('…')` or `source('…', '…')`.
    pub target: String,
    /// The properties file.
    pub file: Arc<File>,
    /// The test's name in it.
    pub key: String,
    /// The name of the table that it stands under.
    pub table: String,
}

/// All drafts, and what compiling them needs.
#[derive(Debug)]
pub struct Drafts {
    /// The engine with the project's macros.
    pub jinja: Jinja,
    /// The drafts.
    pub nodes: Vec<Draft>,
    /// Remarks.
    pub warnings: Vec<String>,
}

/// The node that properties stand about.
struct Patch<'a> {
    file: &'a Arc<File>,
    common: &'a Common,
}

struct Parser<'a> {
    project: &'a ProjectFile,
    target: &'a Target,
    jinja: Jinja,
    drafts: Vec<Draft>,
    errors: Vec<Error>,
    warnings: Vec<String>,
}

/// Run the pass over all files of the project.
pub fn parse(project: &ProjectFile, target: &Target, globals: &Globals) -> Result<Drafts> {
    let files = property_files(project)?;
    let bare = Jinja::bare(globals);
    let mut properties = Vec::new();
    let mut errors = Vec::new();
    for (below, file) in &files {
        let frame = empty_frame(&project.name);
        let render = |value: &Yaml| Ok(bare.native_yaml(&file.path, value, &frame)?);
        match Properties::read(file, &render) {
            Ok(read) => properties.push((below.as_str(), file, read)),
            Err(error) => errors.push(error),
        }
    }
    let jinja = match Jinja::new(globals, &macro_files(project)?) {
        Ok(jinja) => jinja,
        Err(diagnostics) => {
            errors.extend(diagnostics.into_iter().map(Error::from));
            return Err(Error::many(errors));
        }
    };
    if !errors.is_empty() {
        return Err(Error::many(errors));
    }
    let warnings = properties
        .iter()
        .flat_map(|(_, _, read)| read.warnings.clone())
        .collect();
    let mut parser = Parser {
        project,
        target,
        jinja,
        drafts: Vec::new(),
        errors,
        warnings,
    };

    let mut patches: BTreeMap<(&str, &str), Patch<'_>> = BTreeMap::new();
    for (_, file, read) in &properties {
        for node in &read.nodes {
            let key = (node.section, node.common.name.as_str());
            if let Some(other) = patches.insert(
                key,
                Patch {
                    file,
                    common: &node.common,
                },
            ) {
                let message = format!("`{}` is described twice", node.common.name);
                let diagnostic = file.at_name(Diagnostic::new(message), &node.common.name);
                parser.errors.push(
                    diagnostic
                        .help(format!("the other place is {}", other.file.path))
                        .into(),
                );
            }
        }
    }
    parser.models(&patches)?;
    parser.seeds(&patches)?;
    parser.singular_tests()?;
    parser.analyses()?;
    parser.tests_of_nodes(&patches);
    for (below, file, read) in &properties {
        for table in &read.tables {
            parser.source(below, file, table);
        }
        for exposure in &read.exposures {
            parser.exposure(below, file, exposure);
        }
    }
    parser.finish()
}

/// Every properties file, with its path below its resource folder.
fn property_files(project: &ProjectFile) -> Result<Vec<(String, Arc<File>)>> {
    let folders: Vec<String> = [
        &project.model_paths,
        &project.seed_paths,
        &project.test_paths,
        &project.macro_paths,
        &project.analysis_paths,
        &project.snapshot_paths,
    ]
    .into_iter()
    .flatten()
    .cloned()
    .collect();
    let mut files = Vec::new();
    let mut errors = Vec::new();
    for (folder, path) in files_in(&project.root, &folders, &["yml", "yaml"])? {
        match yaml::read(&project.root.join(&path), &path) {
            Ok(file) => files.push((below(&folder, &path), Arc::new(file))),
            Err(error) => errors.push(error),
        }
    }
    if errors.is_empty() {
        Ok(files)
    } else {
        Err(Error::many(errors))
    }
}

/// Files that define macros: the macro paths, and `generic/` of the test paths.
fn macro_files(project: &ProjectFile) -> Result<Vec<(String, String)>> {
    let mut folders = project.macro_paths.clone();
    folders.extend(
        project
            .test_paths
            .iter()
            .map(|path| format!("{path}/generic")),
    );
    files_in(&project.root, &folders, &["sql"])?
        .into_iter()
        .map(|(_, path)| Ok((path.clone(), read_text(&project.root, &path)?)))
        .collect()
}

fn below(folder: &str, path: &str) -> String {
    path.strip_prefix(folder)
        .unwrap_or(path)
        .trim_start_matches('/')
        .to_owned()
}

fn stem(path: &str) -> String {
    Path::new(path)
        .file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

impl Parser<'_> {
    /// `<package>`, the folders of `path`, then the names.
    fn fqn(&self, path: &str, names: &[&str]) -> Vec<String> {
        let mut fqn = vec![self.project.name.clone()];
        let folders = Path::new(path).parent().unwrap_or(Path::new(""));
        fqn.extend(
            folders
                .components()
                .map(|part| part.as_os_str().to_string_lossy().into_owned()),
        );
        fqn.extend(names.iter().map(|name| (*name).to_owned()));
        fqn
    }

    /// What `dbt_project.yml` gives a node of the sections.
    fn folder_config(&self, sections: &[&str], fqn: &[String]) -> Mapping {
        let mut merged = Mapping::new();
        for section in sections {
            if let Some(section) = self
                .project
                .file
                .content
                .get(section)
                .and_then(Yaml::as_mapping)
            {
                config::merge(&mut merged, &config::of_folders(section, fqn));
            }
        }
        merged
    }

    fn node(&self, resource_type: ResourceType, name: &str, folder: &str, path: &str) -> Node {
        let path_below = below(folder, path);
        Node {
            unique_id: format!("{resource_type}.{}.{name}", self.project.name),
            resource_type,
            package: self.project.name.clone(),
            name: name.to_owned(),
            fqn: self.fqn(&path_below, &[name]),
            path: path_below,
            original_file_path: path.to_owned(),
            patch_path: None,
            raw_code: String::new(),
            compiled_code: None,
            compiled_incremental: None,
            config: Config::default(),
            depends_on: Vec::new(),
            columns: Vec::new(),
            description: String::new(),
            relation: None,
            test: None,
            source_name: None,
            fingerprint: String::new(),
        }
    }

    fn frame(&self, node: &Node, raw_config: &Mapping) -> Arc<Frame> {
        Arc::new(Frame {
            package: node.package.clone(),
            this: Some(Relation::new(
                self.target.schema.as_str(),
                node.name.as_str(),
            )),
            graph: None,
            unique_id: node.unique_id.clone(),
            depends_on: Vec::new(),
            incremental: false,
            config: raw_config.clone(),
            captured: Mutex::default(),
        })
    }

    /// Render a node's text once, take in what it asks for, and give its configuration types.
    fn draft(&mut self, mut node: Node, mut raw_config: Mapping) {
        let frame = self.frame(&node, &raw_config);
        if let Err(diagnostic) = self
            .jinja
            .render(&node.original_file_path, &node.raw_code, &frame)
        {
            // A template of a node that is switched off may be broken.
            if config::is_enabled(&raw_config) {
                self.errors.push(diagnostic.into());
            }
            return;
        }
        let captured = std::mem::take(&mut *frame.captured());
        for call in &captured.configs {
            config::merge(&mut raw_config, call);
        }
        match config::typed(&raw_config, node.resource_type) {
            Ok(config) => node.config = config,
            Err(diagnostic) => {
                self.errors
                    .push(in_template(diagnostic, &node.original_file_path, &node.raw_code).into());
                return;
            }
        }
        let enabled = node.config.enabled;
        let (refs, sources) = (captured.refs, captured.sources);
        self.drafts.push(Draft {
            node,
            raw_config,
            refs,
            sources,
            enabled,
            generic: None,
        });
    }

    fn models(&mut self, patches: &BTreeMap<(&str, &str), Patch<'_>>) -> Result<()> {
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
            let mut raw = self.folder_config(&["models"], &node.fqn);
            if let Some(patch) = patches.get(&("models", stem(&path).as_str())) {
                apply(patch, &mut node, &mut raw);
            }
            self.draft(node, raw);
        }
        Ok(())
    }

    fn seeds(&mut self, patches: &BTreeMap<(&str, &str), Patch<'_>>) -> Result<()> {
        for (folder, path) in files_in(&self.project.root, &self.project.seed_paths, &["csv"])? {
            let mut node = self.node(ResourceType::Seed, &stem(&path), &folder, &path);
            let mut raw = self.folder_config(&["seeds"], &node.fqn);
            if let Some(patch) = patches.get(&("seeds", stem(&path).as_str())) {
                apply(patch, &mut node, &mut raw);
            }
            self.draft(node, raw);
        }
        Ok(())
    }

    fn singular_tests(&mut self) -> Result<()> {
        for (folder, path) in files_in(&self.project.root, &self.project.test_paths, &["sql"])? {
            if below(&folder, &path).starts_with("generic/") {
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

    fn analyses(&mut self) -> Result<()> {
        for (folder, path) in files_in(&self.project.root, &self.project.analysis_paths, &["sql"])?
        {
            let mut node = self.node(ResourceType::Analysis, &stem(&path), &folder, &path);
            node.fqn.insert(1, "analysis".to_owned());
            node.raw_code = read_text(&self.project.root, &path)?;
            self.draft(node, Mapping::new());
        }
        Ok(())
    }

    fn tests_of_nodes(&mut self, patches: &BTreeMap<(&str, &str), Patch<'_>>) {
        for ((section, name), patch) in patches {
            let resource_type = if *section == "models" {
                ResourceType::Model
            } else {
                ResourceType::Seed
            };
            let draft = self.drafts.iter().find(|draft| {
                draft.node.resource_type == resource_type && draft.node.name == *name
            });
            let Some(draft) = draft else {
                let known = self
                    .drafts
                    .iter()
                    .filter(|draft| draft.node.resource_type == resource_type);
                let near =
                    crate::diagnostics::nearest(name, known.map(|draft| draft.node.name.as_str()))
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

    fn generic_test(&mut self, file: &Arc<File>, test: &PlacedTest, target: &str, attached: &str) {
        let (table, table_name) = names_of(target);
        let call = &test.call;
        let is_source = target.starts_with("source");
        let macro_name = format!("test_{}", call.name);
        if !self.jinja.has_macro(&macro_name) {
            let diagnostic = Diagnostic::new(format!("there is no generic test `{}`", call.name))
                .nearest(&call.name, self.jinja.generic_tests());
            self.errors
                .push(file.at_key(diagnostic, &call.name, None).into());
            return;
        }
        let model = format!("{{{{ get_where_subquery({target}) }}}}");
        let (short, full) = call.names(&table, is_source);
        let hash = call.hash(&full, &model);
        let below = file
            .path
            .split_once('/')
            .map_or(file.path.as_str(), |(_, below)| below);
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
        let frame = empty_frame(&self.project.name);
        match self
            .jinja
            .native_yaml(&file.path, &Yaml::Mapping(call.config.clone()), &frame)
        {
            Ok(Yaml::Mapping(own)) => config::merge(&mut raw, &own),
            Ok(_) => {}
            Err(diagnostic) => {
                self.errors
                    .push(file.at_key(diagnostic, &call.name, Some(table_name)).into());
                return;
            }
        }
        let mut node = self.node(ResourceType::Test, &full, "", &file.path);
        node.unique_id = format!("{}.{hash}", node.unique_id);
        node.fqn = fqn;
        node.path = format!("{short}.sql");
        node.raw_code = format!("{{{{ {macro_name}(**_dbt_generic_test_kwargs) }}}}");
        node.description.clone_from(&call.description);
        node.test = Some(metadata(test, attached));
        match config::typed(&raw, ResourceType::Test) {
            Ok(config) => node.config = config,
            Err(diagnostic) => {
                self.errors
                    .push(file.at_key(diagnostic, &call.name, Some(table_name)).into());
                return;
            }
        }
        let frame = self.frame(&node, &raw);
        if let Err(diagnostic) =
            render_generic(&self.jinja, &node, call.arguments.clone(), target, &frame)
        {
            self.errors
                .push(file.at_key(diagnostic, &call.name, Some(table_name)).into());
            return;
        }
        let captured = std::mem::take(&mut *frame.captured());
        for own in &captured.configs {
            // What the test's macro sets is weaker than what the YAML says.
            let mut merged = own.clone();
            config::merge(&mut merged, &raw);
            raw = merged;
        }
        match config::typed(&raw, ResourceType::Test) {
            Ok(config) => node.config = config,
            Err(diagnostic) => self
                .errors
                .push(file.at_key(diagnostic, &call.name, Some(table_name)).into()),
        }
        let enabled = node.config.enabled;
        let (refs, sources) = (captured.refs, captured.sources);
        let generic = Some(Generic {
            arguments: call.arguments.clone(),
            target: target.to_owned(),
            file: file.clone(),
            key: call.name.clone(),
            table: table_name.to_owned(),
        });
        self.drafts.push(Draft {
            node,
            raw_config: raw,
            refs,
            sources,
            enabled,
            generic,
        });
    }

    fn source(
        &mut self,
        below: &str,
        file: &Arc<File>,
        table: &super::properties::TableProperties,
    ) {
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
        match config::typed(&raw, ResourceType::Source) {
            Ok(config) => node.config = config,
            Err(diagnostic) => return self.errors.push(file.at_name(diagnostic, name).into()),
        }
        let enabled = node.config.enabled;
        let unique_id = node.unique_id.clone();
        self.drafts.push(Draft {
            node,
            raw_config: raw,
            refs: Vec::new(),
            sources: Vec::new(),
            enabled,
            generic: None,
        });
        if enabled {
            let target = format!("source('{source}', '{name}')");
            for test in &table.common.tests {
                self.generic_test(file, test, &target, &unique_id);
            }
        }
    }

    fn exposure(
        &mut self,
        below: &str,
        file: &File,
        exposure: &super::properties::ExposureProperties,
    ) {
        let mut node = self.node(ResourceType::Exposure, &exposure.name, "", &file.path);
        node.fqn = self.fqn(below, &[&exposure.name]);
        node.description.clone_from(&exposure.description);
        let mut raw = self.folder_config(&["exposures"], &node.fqn);
        config::merge(&mut raw, &exposure.config);
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
        let enabled = node.config.enabled;
        let (refs, sources) = (captured.refs, captured.sources);
        self.drafts.push(Draft {
            node,
            raw_config: raw,
            refs,
            sources,
            enabled,
            generic: None,
        });
    }

    fn finish(mut self) -> Result<Drafts> {
        let mut seen: BTreeMap<String, String> = BTreeMap::new();
        for draft in self.drafts.iter().filter(|draft| draft.enabled) {
            let node = &draft.node;
            // `ref` knows models and seeds by name alone.
            let key = match node.resource_type {
                ResourceType::Model | ResourceType::Seed => format!("ref.{}", node.name),
                _ => node.unique_id.clone(),
            };
            if let Some(other) = seen.insert(key, node.original_file_path.clone()) {
                let message = format!("two nodes have the name `{}`", node.name);
                let diagnostic = Diagnostic::new(message).in_file(node.original_file_path.clone());
                self.errors.push(
                    diagnostic
                        .help(format!("the other one is in {other}: rename one"))
                        .into(),
                );
            }
        }
        if self.errors.is_empty() {
            Ok(Drafts {
                jinja: self.jinja,
                nodes: self.drafts,
                warnings: self.warnings,
            })
        } else {
            Err(Error::many(self.errors))
        }
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

fn apply(patch: &Patch<'_>, node: &mut Node, raw: &mut Mapping) {
    node.patch_path = Some(patch.file.path.clone());
    node.description.clone_from(&patch.common.description);
    node.columns.clone_from(&patch.common.columns);
    config::merge(raw, &patch.common.config);
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

/// Render a generic test: its arguments first (an argument may be `ref('…')`), then its macro.
pub fn render_generic(
    jinja: &Jinja,
    node: &Node,
    arguments: Mapping,
    target: &str,
    frame: &Arc<Frame>,
) -> Result<String, Diagnostic> {
    let Some(Test {
        kind: TestKind::Generic { name, .. },
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
            other => crate::jinja::serialized(jinja.native_yaml(file, other, frame)?),
        };
        values.push((key.to_owned(), value));
    }
    let model = jinja.evaluate(file, &format!("get_where_subquery({target})"), frame, &[])?;
    values.push(("model".to_owned(), model));
    let arguments = Value::from_pairs(values);
    let template = TEST_TEMPLATE.replace("__test", &format!("test_{name}"));
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

/// Whether a node keeps rows under a name of its own.
pub fn is_kept(node: &Node) -> bool {
    matches!(node.resource_type, ResourceType::Model | ResourceType::Seed)
        && node.config.materialized != Materialized::Ephemeral
}
