//! Unit tests: entries of `unit_tests` in YAML.

use std::path::Path;
use std::sync::Arc;

use serde_json::Value;
use serde_norway::{Mapping, Value as Yaml};

use super::Parser;
use super::draft::{Draft, Input, Unit};
use crate::diagnostics::Diagnostic;
use crate::jinja::context::{Captured, Frame, Ref};
use crate::manifest::{Fixture, Given, ResourceType, Rows, SourceLocation, UnitTest};
use crate::project::properties::UnitProperties;
use crate::project::yaml::{self, File};
use crate::project::{config, files_in, read_text};
use crate::{Error, Result};

const INPUT: &[&str] = &["input", "rows", "format", "fixture"];
const EXPECT: &[&str] = &["rows", "format", "fixture"];
const OVERRIDES: &[&str] = &["macros", "vars", "env_vars"];

impl Parser<'_> {
    pub(super) fn unit_test(&mut self, below: &str, file: &Arc<File>, entry: &UnitProperties) {
        match self.unit_draft(below, file, entry) {
            Ok(draft) => self.drafts.push(draft),
            Err(error) => self.errors.push(error),
        }
    }

    fn unit_draft(&self, below: &str, file: &Arc<File>, entry: &UnitProperties) -> Result<Draft> {
        let (name, mapping) = (entry.name.as_str(), &entry.content);
        let Some(model) = yaml::text(mapping, "model") else {
            let message = format!("the unit test `{name}` does not say of which `model` it is");
            return Err(file.at_name(Diagnostic::new(message), name).into());
        };
        let models = || {
            let drafts = self.drafts.iter();
            drafts.filter(|draft| draft.node.resource_type == ResourceType::Model)
        };
        let Some(tested) = models().find(|draft| draft.node.name == model) else {
            let message = format!("the unit test `{name}` is of `{model}`, which is no model");
            let wrong = Diagnostic::new(message);
            let wrong = wrong.nearest(model, models().map(|draft| draft.node.name.as_str()));
            return Err(file.at_key(wrong, "model", Some(name)).into());
        };
        let mut node = self.node(ResourceType::UnitTest, name, "", &file.path);
        node.unique_id = format!("unit_test.{}.{model}.{name}", self.project.name);
        below.clone_into(&mut node.path);
        node.fqn = self.fqn(below, &[model, name]);
        let description = yaml::text(mapping, "description").unwrap_or_default();
        description.clone_into(&mut node.description);
        let mut raw = self.folder_config(&["unit_tests"], &node.fqn);
        config::merge(&mut raw, &file.map(mapping, "config", Some(name))?);
        node.config = config::typed(&raw, ResourceType::UnitTest)
            .map_err(|wrong| Error::from(file.at_name(wrong, name)))?;
        node.config.enabled &= tested.enabled;
        let overrides = file.map(mapping, "overrides", Some(name))?;
        file.check_keys(&overrides, OVERRIDES, "`overrides`", Some(name))?;
        let mut given = Vec::new();
        let mut inputs = Vec::new();
        for one in file.list(mapping, "given", Some(name))? {
            let (rows, input) = self.given(file, name, one)?;
            given.push(rows);
            inputs.push(input);
        }
        let Some(Yaml::Mapping(expected)) = mapping.get("expect") else {
            let message = format!("the unit test `{name}` does not say which rows to `expect`");
            return Err(file.at_name(Diagnostic::new(message), name).into());
        };
        file.check_keys(expected, EXPECT, "`expect`", Some(name))?;
        let at = file.line_after(name, |line| line.trim_start().starts_with("expect:"));
        let expect = self.fixture(name, expected, &at, false)?;
        incremental(file, name, &tested.node.raw_code, &overrides, &inputs)?;
        node.unit_test = Some(Box::new(UnitTest {
            model: model.to_owned(),
            given,
            expect,
            overrides: if overrides.is_empty() {
                Value::Null
            } else {
                yaml::to_json(&Yaml::Mapping(overrides.clone()))
            },
        }));
        let captured = Captured {
            refs: vec![Ref {
                package: None,
                name: model.to_owned(),
            }],
            ..Captured::default()
        };
        Ok(Draft {
            unit: Some(Unit { inputs, overrides }),
            ..Draft::new(node, raw, captured)
        })
    }

    /// One entry of `given`.
    fn given(&self, file: &Arc<File>, name: &str, entry: &Yaml) -> Result<(Given, Input)> {
        let input = entry.get("input").and_then(Yaml::as_str);
        let (Some(mapping), Some(input)) = (entry.as_mapping(), input) else {
            let message = format!("an entry of `given` of the unit test `{name}` has no `input`");
            let wrong = Diagnostic::new(message).help("write `- input: ref('…')` and its `rows`");
            return Err(file.at_key(wrong, "given", Some(name)).into());
        };
        file.check_keys(mapping, INPUT, &format!("`{input}`"), Some(name))?;
        let at = file.line_after(name, |line| line.contains("input") && line.contains(input));
        let frame = Arc::new(Frame {
            package: self.project.name.clone(),
            ..Frame::default()
        });
        let meant = match input.trim() {
            "this" => Some(Input::This),
            call => {
                self.jinja
                    .evaluate(&file.path, call, &frame, &[])
                    .map_err(|wrong| Error::from(wrong.at(at.clone())))?;
                let captured = std::mem::take(&mut *frame.captured());
                let source = captured.sources.into_iter().next();
                let reference = captured.refs.into_iter().next().map(Input::Ref);
                reference.or(source.map(|(source, table)| Input::Source(source, table)))
            }
        };
        let Some(meant) = meant else {
            let message = format!("the unit test `{name}` gives rows for `{input}`");
            let wrong = Diagnostic::new(message).at(at);
            return Err(wrong
                .help("an input is `ref('…')`, `source('…', '…')` or `this`")
                .into());
        };
        let may_be_seed = matches!(meant, Input::Ref(_));
        let given = Given {
            input: input.to_owned(),
            node: String::new(),
            fixture: self.fixture(name, mapping, &at, may_be_seed)?,
        };
        Ok((given, meant))
    }

    /// The rows under `rows`, or in the file that `fixture` names.
    fn fixture(
        &self,
        test: &str,
        mapping: &Mapping,
        at: &SourceLocation,
        may_be_seed: bool,
    ) -> Result<Fixture> {
        let wrong = |message: String| {
            let message = format!("the unit test `{test}`: {message}");
            Error::from(Diagnostic::new(message).at(at.clone()))
        };
        let format = yaml::text(mapping, "format").unwrap_or("dict");
        let file = yaml::text(mapping, "fixture");
        let mut place = at.clone();
        let content = match (mapping.get("rows"), file) {
            (Some(Yaml::String(inline)), None) => Some(inline.clone()),
            (None | Some(Yaml::Null), Some(fixture)) if format != "dict" => {
                let (path, content) = self.fixture_file(fixture, format).map_err(|diagnostic| {
                    let message = format!("the unit test `{test}`: {}", diagnostic.message);
                    Error::from(
                        Diagnostic {
                            message,
                            ..diagnostic
                        }
                        .at(at.clone()),
                    )
                })?;
                place = crate::diagnostics::place(&path, &content, 1, None);
                Some(content)
            }
            _ => None,
        };
        let rows = match (format, mapping.get("rows"), content) {
            ("dict", Some(Yaml::Sequence(rows)), _) => cells(rows)
                .ok_or_else(|| wrong("a row is a map of columns to values".to_owned()))?,
            ("dict", None | Some(Yaml::Null), _) if may_be_seed && file.is_none() => Rows::Seed,
            ("csv", _, Some(content)) => {
                csv(&content).map_err(|error| wrong(format!("its CSV cannot be read: {error}")))?
            }
            ("sql", _, Some(content)) => Rows::Sql(content),
            ("dict", ..) => return Err(wrong("`rows` is not a list of rows".to_owned())),
            ("csv" | "sql", ..) => {
                return Err(wrong(format!(
                    "format `{format}` takes a text under `rows`, or the name of a `fixture`"
                )));
            }
            (other, ..) => {
                return Err(wrong(format!(
                    "there is no format `{other}`: they are dict, csv and sql"
                )));
            }
        };
        Ok(Fixture {
            format: format.to_owned(),
            file: file.map(str::to_owned),
            rows,
            at: place,
        })
    }

    /// The path and the text of a file in `fixtures/` of the test paths.
    fn fixture_file(&self, name: &str, extension: &str) -> Result<(String, String), Diagnostic> {
        let told = |error: Error| Diagnostic::new(error.to_string());
        let folders = self.project.test_paths.iter();
        let folders: Vec<String> = folders.map(|path| format!("{path}/fixtures")).collect();
        let files = files_in(&self.project.root, &folders, &[extension]).map_err(told)?;
        let stem = |path: &str| super::files::stem(path);
        let wanted = Path::new(name);
        let wanted = match wanted.extension() {
            Some(own) if own == extension => super::files::stem(name),
            _ => name.to_owned(),
        };
        if let Some((_, path)) = files.iter().find(|(_, path)| stem(path) == wanted) {
            let text = read_text(&self.project.root, path).map_err(told)?;
            return Ok((path.clone(), text));
        }
        let names: Vec<String> = files.iter().map(|(_, path)| stem(path)).collect();
        let message = format!("there is no {}/{wanted}.{extension}", folders.join(" or "));
        Err(Diagnostic::new(message).nearest(&wanted, names.iter().map(String::as_str)))
    }
}

/// A test of a model that asks `is_incremental()` says which answer it tests, and then what `this` is.
fn incremental(
    file: &File,
    test: &str,
    sql: &str,
    overrides: &Mapping,
    inputs: &[Input],
) -> Result<()> {
    if !sql.contains("is_incremental") {
        return Ok(());
    }
    let answer = overrides
        .get("macros")
        .and_then(|macros| macros.get("is_incremental"))
        .and_then(Yaml::as_bool);
    let (message, help) = match answer {
        None => (
            "does not say what `is_incremental()` answers",
            "write `overrides: {macros: {is_incremental: true}}`, or `false`",
        ),
        Some(true) if !inputs.contains(&Input::This) => (
            "is of the incremental run, and gives no rows of the table itself",
            "add `- input: this` with its `rows`",
        ),
        Some(_) => return Ok(()),
    };
    let wrong = Diagnostic::new(format!("the unit test `{test}` {message}")).help(help);
    Err(file.at_name(wrong, test).into())
}

fn cells(rows: &[Yaml]) -> Option<Rows> {
    let row = |row: &Yaml| {
        let cells = row.as_mapping()?.iter();
        cells
            .map(|(column, value)| Some((yaml::scalar(column)?, yaml::to_json(value))))
            .collect()
    };
    rows.iter().map(row).collect::<Option<_>>().map(Rows::Cells)
}

fn csv(text: &str) -> Result<Rows, csv::Error> {
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::Headers)
        .from_reader(text.as_bytes());
    let names = reader.headers()?.clone();
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record?;
        let cells = names.iter().zip(&record).map(|(name, cell)| {
            let value = match cell {
                "" => Value::Null,
                text => Value::from(text),
            };
            (name.to_owned(), value)
        });
        rows.push(cells.collect());
    }
    Ok(Rows::Cells(rows))
}
