//! YAML files: read with errors at their place, and looked into with errors that name the key.

use std::path::Path;

use serde_norway::{Mapping, Value as Yaml};

use crate::diagnostics::{Diagnostic, SourceLocation, nearest, place};
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
        let mut diagnostic = Diagnostic::new(format!("not valid YAML: {message}"));
        let line = error
            .location()
            .and_then(|at| text.lines().nth(at.line().saturating_sub(1)));
        if line.is_some_and(|line| line.trim_start_matches(' ').starts_with('\t')) {
            diagnostic = diagnostic.help("indent with spaces: YAML takes no tabs");
        }
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
        let from = after.map_or(0, |name| self.line_of_name(name, 0));
        self.at_key_from(diagnostic, key, from)
    }

    /// A message about the test `key` of a table, or of a column of it: at the test's line, unless it is about another file,
    /// such as the test's macro.
    pub fn at_test(
        &self,
        mut diagnostic: Diagnostic,
        key: &str,
        table: &str,
        column: Option<&str>,
    ) -> Diagnostic {
        if diagnostic
            .file
            .as_ref()
            .is_some_and(|file| *file != self.path)
        {
            return diagnostic;
        }
        // What was rendered is a call that stands in no file.
        diagnostic.location = None;
        let table = self.line_of_name(table, 0);
        let from = column.map_or(table, |column| self.line_of_name(column, table));
        self.at_key_from(diagnostic, key, from)
    }

    /// The line (from 1) of `name: <name>` at or below a line, or the first with the word; that line if there is none.
    fn line_of_name(&self, name: &str, from: usize) -> usize {
        let named = |line: &str| {
            let line = line.trim_start_matches([' ', '-', '{']);
            line.strip_prefix("name:").is_some_and(|rest| {
                let rest = rest.split([',', '}']).next().unwrap_or_default();
                rest.trim().trim_matches(['"', '\'']) == name
            })
        };
        let find = |fits: &dyn Fn(&str) -> bool| {
            let mut below = self.text.lines().enumerate().skip(from.saturating_sub(1));
            below
                .find(|(_, line)| fits(line))
                .map(|(index, _)| index + 1)
        };
        find(&named)
            .or_else(|| find(&|line| line.contains(name)))
            .unwrap_or(from)
    }

    /// The place of the key `item` in the entry at `index` of the list `list` under a table, or under a column of it; that of
    /// the list's or table's line, where it cannot be told.
    pub fn place_in_list(
        &self,
        table: &str,
        column: Option<&str>,
        (list, index): (&str, usize),
        item: &str,
    ) -> SourceLocation {
        let of_table = self.line_of_name(table, 0);
        let line = column.map_or(of_table, |column| self.line_of_name(column, of_table));
        let lines = self.text.split_inclusive('\n').take(line.saturating_sub(1));
        let named = lines.map(str::len).sum();
        let key_column = |at: usize| at - self.text[..at].rfind('\n').map_or(0, |end| end + 1);
        let name = self.keys("name", named).next().map(key_column);
        // The list stands below the name, or in the name's own line.
        let first_line = self.text[named..].lines().next().unwrap_or_default().len();
        let found = self
            .keys(list, named)
            .find(|at| *at < named + first_line || Some(key_column(*at)) == name);
        let entry = found
            .and_then(|at| self.keys(item, at).nth(index))
            .or(found);
        let at = entry.unwrap_or(named);
        let line = self.text[..at].matches('\n').count() + 1;
        let column = entry.map(|at| {
            let start = at - key_column(at);
            self.text[start..at].chars().count() + 1
        });
        place(&self.path, &self.text, line, column)
    }

    /// Where `key:` stands as a whole word, from a byte on.
    fn keys(&self, key: &str, from: usize) -> impl Iterator<Item = usize> {
        let whole = |at: &usize| {
            let before = self.text[..*at].chars().next_back();
            let after = &self.text[at + key.len()..];
            !before.is_some_and(|c| c.is_alphanumeric() || c == '_') && after.starts_with(':')
        };
        let found = self.text[from..].match_indices(key);
        found.map(move |(at, _)| from + at).filter(whole)
    }

    fn at_key_from(&self, diagnostic: Diagnostic, key: &str, from: usize) -> Diagnostic {
        // A test may be written with its package before it.
        let is_key = |text: &str| {
            let written = text.trim_start_matches([' ', '-', '+']);
            let written = written.split(':').next().unwrap_or_default().trim_end();
            written == key || written.rsplit('.').next() == Some(key)
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

    /// The first line after that of `name: <after>` that fits; else that one.
    pub fn line_after(
        &self,
        after: &str,
        fits: impl Fn(&str) -> bool,
    ) -> crate::manifest::SourceLocation {
        let named = self.at_name(Diagnostic::new(""), after).location;
        let from = named.map_or(1, |location| location.line);
        let mut lines = self.text.lines().enumerate().skip(from);
        let line = lines
            .find(|(_, text)| fits(text))
            .map(|(index, _)| index + 1);
        place(&self.path, &self.text, line.unwrap_or(from), None)
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
