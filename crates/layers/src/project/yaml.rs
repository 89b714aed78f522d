//! YAML files: read with errors at their place, and looked into with errors that name the key.

use std::path::Path;

use serde_norway::{Mapping, Value as Yaml};

use crate::diagnostics::{Diagnostic, nearest, place};
use crate::{Error, Result};

/// A YAML file of the project.
#[derive(Clone, Debug)]
pub struct File {
    /// Below the root, as messages show it.
    pub path: String,
    /// Its text.
    pub text: String,
    /// Its top level.
    pub content: Mapping,
}

/// Read a file whose top level is a map. An empty file is an empty map.
pub fn read(file: &Path, shown: &str) -> Result<File> {
    let text = std::fs::read_to_string(file).map_err(|error| Error::file(file, error))?;
    let content = match parse(shown, &text)? {
        Yaml::Mapping(mapping) => mapping,
        Yaml::Null => Mapping::new(),
        _ => {
            let message = "the top level of this file is not a map of keys and values";
            return Err(Diagnostic::new(message)
                .at(place(shown, &text, 1, None))
                .into());
        }
    };
    Ok(File {
        path: shown.to_owned(),
        text,
        content,
    })
}

/// Parse a text, with a syntax error at its place.
pub fn parse(shown: &str, text: &str) -> Result<Yaml> {
    serde_norway::from_str(text).map_err(|error| {
        let message = error.to_string();
        // The place stands in the message too; it is shown once.
        let message = message
            .split(" at line ")
            .next()
            .unwrap_or(&message)
            .to_owned();
        let diagnostic = Diagnostic::new(format!("not valid YAML: {message}"));
        match error.location() {
            Some(at) => diagnostic
                .at(place(shown, text, at.line(), Some(at.column())))
                .into(),
            None => diagnostic.in_file(shown).into(),
        }
    })
}

impl File {
    /// A message at the line of `name: <name>` (or the first line with the word), as well as can be told.
    pub fn at_name(&self, diagnostic: Diagnostic, name: &str) -> Diagnostic {
        let named = |line: &str| {
            line.trim_start_matches([' ', '-'])
                .strip_prefix("name:")
                .is_some_and(|rest| rest.trim().trim_matches(['"', '\'']) == name)
        };
        let found = self
            .line_where(named)
            .or_else(|| self.line_where(|line| line.contains(name)));
        match found {
            Some(line) => diagnostic.at(place(&self.path, &self.text, line, None)),
            None => diagnostic.in_file(self.path.clone()),
        }
    }

    /// A message at the line of the key, after the line of `name: <after>` when that is given.
    pub fn at_key(&self, diagnostic: Diagnostic, key: &str, after: Option<&str>) -> Diagnostic {
        let from = after
            .and_then(|name| self.at_name(Diagnostic::new(""), name).location)
            .map_or(0, |location| location.line);
        let is_key = |text: &str| {
            let text = text.trim_start_matches([' ', '-', '+']);
            text == key
                || text
                    .strip_prefix(key)
                    .is_some_and(|rest| rest.trim_start().starts_with(':'))
        };
        match self
            .text
            .lines()
            .enumerate()
            .skip(from.saturating_sub(1))
            .find(|(_, text)| is_key(text))
        {
            Some((index, text)) => {
                let column = text.find(key).map(|at| text[..at].chars().count() + 1);
                diagnostic.at(place(&self.path, &self.text, index + 1, column))
            }
            None => diagnostic.in_file(self.path.clone()),
        }
    }

    /// A message about a template of the file, at the first line that has both braces and what the message names.
    pub fn at_template(&self, diagnostic: Diagnostic) -> Diagnostic {
        let named = diagnostic.message.split('`').nth(1).unwrap_or_default();
        let found =
            self.line_where(|line| line.contains('{') && !named.is_empty() && line.contains(named));
        match found {
            Some(line) => {
                let text = self.text.lines().nth(line - 1).unwrap_or_default();
                let column = text.find(named).map(|at| text[..at].chars().count() + 1);
                diagnostic.at(place(&self.path, &self.text, line, column))
            }
            None => Diagnostic {
                // A line of the template alone is none of the file's.
                location: None,
                ..diagnostic.in_file(self.path.clone())
            },
        }
    }

    fn line_where(&self, fits: impl Fn(&str) -> bool) -> Option<usize> {
        self.text.lines().position(fits).map(|index| index + 1)
    }

    /// Refuse keys that look like a misspelt known one; hand back the others that are unknown.
    pub fn check_keys(
        &self,
        mapping: &Mapping,
        known: &[&str],
        what: &str,
        name: Option<&str>,
    ) -> Result<Vec<String>> {
        let mut unknown = Vec::new();
        for key in mapping.keys() {
            let Some(key) = key.as_str() else {
                return Err(self
                    .at_key(
                        Diagnostic::new(format!("a key of {what} is not a text")),
                        &format!("{key:?}"),
                        name,
                    )
                    .into());
            };
            if known.contains(&key) {
                continue;
            }
            if let Some(near) = nearest(key, known.iter().copied()) {
                let diagnostic = Diagnostic::new(format!("unknown key `{key}` in {what}"))
                    .help(format!("did you mean `{near}`?"));
                return Err(self.at_key(diagnostic, key, name).into());
            }
            unknown.push(key.to_owned());
        }
        Ok(unknown)
    }

    /// The list under `key`; none there is an empty list.
    pub fn list<'a>(
        &self,
        mapping: &'a Mapping,
        key: &str,
        name: Option<&str>,
    ) -> Result<&'a [Yaml]> {
        match mapping.get(key) {
            None | Some(Yaml::Null) => Ok(&[]),
            Some(Yaml::Sequence(items)) => Ok(items),
            Some(_) => Err(self
                .at_key(Diagnostic::new(format!("`{key}` is not a list")), key, name)
                .into()),
        }
    }

    /// The map under `key`; none there is an empty map.
    pub fn map(&self, mapping: &Mapping, key: &str, name: Option<&str>) -> Result<Mapping> {
        match mapping.get(key) {
            None | Some(Yaml::Null) => Ok(Mapping::new()),
            Some(Yaml::Mapping(map)) => Ok(map.clone()),
            Some(_) => Err(self
                .at_key(Diagnostic::new(format!("`{key}` is not a map")), key, name)
                .into()),
        }
    }

    /// The `name` of an entry of a list.
    pub fn name_of<'a>(&self, entry: &'a Yaml, what: &str) -> Result<(&'a Mapping, &'a str)> {
        let Some(mapping) = entry.as_mapping() else {
            return Err(self
                .at_key(
                    Diagnostic::new(format!("an entry of `{what}` is not a map")),
                    what,
                    None,
                )
                .into());
        };
        match mapping.get("name").and_then(Yaml::as_str) {
            Some(name) => Ok((mapping, name)),
            None => Err(self
                .at_key(
                    Diagnostic::new(format!("an entry of `{what}` has no `name`")),
                    what,
                    None,
                )
                .into()),
        }
    }
}

/// The text under `key`.
pub fn text<'a>(mapping: &'a Mapping, key: &str) -> Option<&'a str> {
    mapping.get(key).and_then(Yaml::as_str)
}

/// A text or a list of texts.
pub fn texts(value: &Yaml) -> Option<Vec<String>> {
    match value {
        Yaml::Null => Some(Vec::new()),
        Yaml::String(text) => Some(vec![text.clone()]),
        Yaml::Sequence(items) => items.iter().map(scalar).collect(),
        _ => None,
    }
}

/// A text, number or truth value as text.
pub fn scalar(value: &Yaml) -> Option<String> {
    match value {
        Yaml::String(text) => Some(text.clone()),
        Yaml::Number(number) => Some(number.to_string()),
        Yaml::Bool(value) => Some(value.to_string()),
        _ => None,
    }
}

/// As JSON, for the manifest. Keys that are no text are written as text.
pub fn to_json(value: &Yaml) -> serde_json::Value {
    match value {
        Yaml::Null => serde_json::Value::Null,
        Yaml::Bool(value) => (*value).into(),
        Yaml::Number(number) => serde_json::to_value(number).unwrap_or_default(),
        Yaml::String(text) => text.as_str().into(),
        Yaml::Sequence(items) => items.iter().map(to_json).collect(),
        Yaml::Mapping(mapping) => mapping
            .iter()
            .map(|(key, item)| (scalar(key).unwrap_or_default(), to_json(item)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        Yaml::Tagged(tagged) => to_json(&tagged.value),
    }
}
