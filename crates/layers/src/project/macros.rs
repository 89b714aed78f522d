//! Macros as the manifest lists them: where they are defined, and what YAML says of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_norway::{Mapping, Value as Yaml};

use super::ProjectFile;
use super::properties::text_of;
use super::yaml::{self, File};
use crate::Result;
use crate::jinja::blocks;
use crate::manifest::{Argument, Macro};

const MACRO: &[&str] = &["name", "description", "arguments", "docs", "meta", "config"];
const ARGUMENT: &[&str] = &["name", "type", "description"];

/// What YAML says of a macro.
#[derive(Clone, Debug)]
pub struct MacroProperties {
    name: String,
    description: String,
    arguments: Vec<Argument>,
    meta: Mapping,
}

/// The entries under `macros` of a properties file, and the keys in them that nobody reads.
pub fn properties(
    file: &File,
    render: &dyn Fn(&Yaml) -> Result<Yaml>,
) -> Result<(Vec<MacroProperties>, Vec<String>)> {
    let (mut found, mut unknown) = (Vec::new(), Vec::new());
    for entry in file.list(&file.content, "macros", None)? {
        let (mapping, name) = file.name_of(entry, "macros")?;
        let what = format!("the macro `{name}`");
        unknown.extend(file.check_keys(mapping, MACRO, &what, Some(name))?);
        let mut arguments = Vec::new();
        for entry in file.list(mapping, "arguments", Some(name))? {
            let (argument, of) = file.name_of(entry, "arguments")?;
            let what = format!("the argument `{of}` of `{name}`");
            unknown.extend(file.check_keys(argument, ARGUMENT, &what, Some(name))?);
            arguments.push(Argument {
                name: of.to_owned(),
                type_name: argument.get("type").and_then(yaml::scalar),
                description: text_of(render, argument, "description")?,
            });
        }
        let mut meta = file.map(mapping, "meta", Some(name))?;
        let config = file.map(mapping, "config", Some(name))?;
        if let Some(Yaml::Mapping(more)) = config.get("meta") {
            meta.extend(more.clone());
        }
        found.push(MacroProperties {
            name: name.to_owned(),
            description: text_of(render, mapping, "description")?,
            arguments,
            meta,
        });
    }
    Ok((found, unknown))
}

/// The macros that a package's files define.
pub fn defined(package: &ProjectFile, files: &[(String, String)]) -> Vec<Macro> {
    let mut found = Vec::new();
    for (file, text) in files {
        // A file that cannot be read is told of where it is loaded.
        let Ok((_, definitions)) = blocks::module(file, text, "", "") else {
            continue;
        };
        // As dbt does, which reads no signatures in these folders.
        let is_of_tests = package
            .test_paths
            .iter()
            .any(|folder| file.starts_with(&format!("{folder}/generic/")));
        found.extend(definitions.into_iter().map(|definition| Macro {
            package: package.name.clone(),
            path: package.in_folder(file).to_owned(),
            text: text[definition.start..definition.end].to_owned(),
            name: definition.name,
            description: String::new(),
            arguments: if is_of_tests {
                Vec::new()
            } else {
                definition.parameters.into_iter().map(named).collect()
            },
            meta: BTreeMap::new(),
            patch_path: None,
        }));
    }
    found
}

/// An argument of which nothing else is known.
fn named(name: String) -> Argument {
    Argument {
        name,
        type_name: None,
        description: String::new(),
    }
}

/// Give a package's macros what a file says of them; warnings about those that are not there.
pub fn describe(
    package: &ProjectFile,
    file: &Arc<File>,
    properties: &[MacroProperties],
    macros: &mut [Macro],
) -> Vec<String> {
    let mut warnings = Vec::new();
    for one in properties {
        let described = macros.iter_mut().find(|known| {
            // A generic test goes by its name in YAML as well.
            let named =
                known.name == one.name || known.name.strip_prefix("test_") == Some(&one.name);
            named && known.package == package.name
        });
        let Some(described) = described else {
            let message = format!(
                "{}: there is no macro `{}` to describe",
                file.path, one.name
            );
            warnings.push(message);
            continue;
        };
        described.description.clone_from(&one.description);
        if !one.arguments.is_empty() {
            described.arguments.clone_from(&one.arguments);
        }
        let meta = one.meta.iter();
        described.meta = meta
            .filter_map(|(key, item)| Some((yaml::scalar(key)?, yaml::to_json(item))))
            .collect();
        described.patch_path = Some(package.in_folder(&file.path).to_owned());
    }
    warnings
}
