//! Documentation blocks: `{% docs name %}…{% enddocs %}` in the Markdown files of the docs paths.

use std::collections::BTreeMap;

use super::{ProjectFile, files_in, read_text};
use crate::diagnostics::Diagnostic;
use crate::jinja::blocks;
use crate::jinja::context::{Docs, Search};
use crate::manifest::Doc;
use crate::{Error, Result};

/// The blocks of a project and its packages, the project first.
pub fn read<'a>(projects: impl Iterator<Item = &'a ProjectFile>) -> Result<Vec<Doc>> {
    let mut docs: Vec<Doc> = Vec::new();
    let mut errors: Vec<Error> = Vec::new();
    for project in projects {
        let mut places: BTreeMap<String, String> = BTreeMap::new();
        for (_, path) in files_in(&project.root, &project.docs_paths, &["md"])? {
            let text = read_text(&project.root, &path)?;
            let blocks = match blocks::docs(&path, &text) {
                Ok(blocks) => blocks,
                Err(diagnostic) => {
                    errors.push(diagnostic.into());
                    continue;
                }
            };
            for (name, contents) in blocks {
                if let Some(other) = places.insert(name.clone(), path.clone()) {
                    let message = format!("the documentation block `{name}` is written twice");
                    let diagnostic = Diagnostic::new(message).in_file(path.clone());
                    let help = format!("the other one is in {other}: rename one");
                    errors.push(diagnostic.help(help).into());
                }
                docs.push(Doc {
                    package: project.name.clone(),
                    name,
                    path: project.in_folder(&path).to_owned(),
                    contents,
                });
            }
        }
    }
    Error::collected(errors)?;
    Ok(docs)
}

/// The blocks as templates call them.
pub fn by_name(search: Search, docs: &[Doc]) -> Docs {
    let mut blocks: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    for doc in docs {
        blocks
            .entry(doc.name.clone())
            .or_default()
            .insert(doc.package.clone(), doc.contents.clone());
    }
    Docs { search, blocks }
}
