//! `constraints` of models and of their columns.

use serde_norway::{Mapping, Value as Yaml};

use crate::Result;
use crate::diagnostics::Diagnostic;
use crate::manifest::{Constraint, ConstraintKind, SourceLocation};
use crate::project::yaml::{self, File};

const KEYS: &[&str] = &[
    "type",
    "name",
    "expression",
    "warn_unenforced",
    "warn_unsupported",
    "to",
    "to_columns",
    "columns",
];

/// Gives strings with Jinja their values.
type Render<'a> = &'a dyn Fn(&Yaml) -> Result<Yaml>;

/// The constraints of a model's entry and of its columns, and keys of theirs that are not known.
pub fn of_model(
    file: &File,
    model: &Mapping,
    name: &str,
    render: Render<'_>,
) -> Result<(Vec<Constraint>, Vec<String>)> {
    let mut found = Vec::new();
    let mut unknown = Vec::new();
    let mut read = |mapping: &Mapping, column: Option<&str>| -> Result<()> {
        let entries = file.list(mapping, "constraints", Some(name))?;
        for (index, entry) in entries.iter().enumerate() {
            let place = file.place_in_list(name, column, ("constraints", index), "type");
            let of = match column {
                Some(column) => format!("a constraint of the column `{column}` of `{name}`"),
                None => format!("a constraint of `{name}`"),
            };
            let entry = render(entry)?;
            let read = constraint(&entry, column, &of, &place, &mut unknown);
            found.push(read.map_err(|diagnostic| diagnostic.at(place))?);
        }
        Ok(())
    };
    for entry in file.list(model, "columns", Some(name))? {
        let (mapping, column) = file.name_of(entry, "columns")?;
        read(mapping, Some(column))?;
    }
    read(model, None)?;
    Ok((found, unknown))
}

/// One constraint; `of` says of what in messages.
fn constraint(
    entry: &Yaml,
    column: Option<&str>,
    of: &str,
    place: &SourceLocation,
    unknown: &mut Vec<String>,
) -> Result<Constraint, Diagnostic> {
    let known = || ConstraintKind::ALL.map(ConstraintKind::as_str);
    let Some(entry) = entry.as_mapping() else {
        return Err(Diagnostic::new(format!("{of} is not a map")).help("write `- type: not_null`"));
    };
    for key in entry.keys().filter_map(Yaml::as_str) {
        if !KEYS.contains(&key) {
            let wrong = Diagnostic::new(format!("unknown key `{key}` in {of}"))
                .nearest(key, KEYS.iter().copied());
            if wrong.help.is_some() {
                return Err(wrong);
            }
            unknown.push(key.to_owned());
        }
    }
    let kinds = format!("known: {}", known().join(", "));
    let Some(kind) = yaml::text(entry, "type") else {
        return Err(Diagnostic::new(format!("{of} has no `type`")).help(kinds));
    };
    let Some(kind) = ConstraintKind::ALL
        .into_iter()
        .find(|known| known.as_str() == kind)
    else {
        return Err(
            Diagnostic::new(format!("{of} has the type `{kind}`, which is none"))
                .help(kinds)
                .nearest(kind, known()),
        );
    };
    let expression = yaml::text(entry, "expression").map(str::trim);
    let expression = expression.filter(|text| !text.is_empty());
    if kind == ConstraintKind::Check && expression.is_none() {
        return Err(
            Diagnostic::new(format!("{of} is a check without an `expression`"))
                .help("write the condition that every row fulfils: `expression: amount > 0`"),
        );
    }
    let columns = names(entry, "columns", of)?;
    if kind == ConstraintKind::NotNull && column.is_none() && columns.is_empty() {
        return Err(
            Diagnostic::new(format!("{of} is `not_null` and names no columns"))
                .help("write `columns: […]`, or put it under a column"),
        );
    }
    Ok(Constraint {
        kind,
        name: yaml::text(entry, "name").map(str::to_owned),
        expression: expression.map(str::to_owned),
        column: column.map(str::to_owned),
        columns,
        to: yaml::text(entry, "to").map(str::to_owned),
        to_columns: names(entry, "to_columns", of)?,
        warn_unenforced: truth(entry, "warn_unenforced", of)?,
        warn_unsupported: truth(entry, "warn_unsupported", of)?,
        place: place.clone(),
    })
}

fn names(entry: &Mapping, key: &str, of: &str) -> Result<Vec<String>, Diagnostic> {
    let Some(value) = entry.get(key) else {
        return Ok(Vec::new());
    };
    yaml::texts(value)
        .ok_or_else(|| Diagnostic::new(format!("`{key}` of {of} is not a list of names")))
}

/// A switch that is on where it is not written.
fn truth(entry: &Mapping, key: &str, of: &str) -> Result<bool, Diagnostic> {
    let Some(value) = entry.get(key) else {
        return Ok(true);
    };
    value
        .as_bool()
        .ok_or_else(|| Diagnostic::new(format!("`{key}` of {of} is neither true nor false")))
}
