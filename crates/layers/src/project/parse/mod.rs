//! The parsing pass: every file a draft of a node, with what its template asks for.

mod declared;
mod draft;
mod files;
mod generic;
mod resources;
mod snapshots;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_norway::Value as Yaml;

pub use draft::Draft;
pub use generic::render_generic;

use self::files::{macro_files, property_files};
use super::properties::{Common, Properties};
use super::yaml::File;
use super::{ProjectFile, Target, empty_frame, packages};
use crate::diagnostics::Diagnostic;
use crate::jinja::{Globals, Jinja};
use crate::manifest::ResourceType;
use crate::{Error, Result};

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

/// What properties say, by section (`models` or `seeds`) and name.
type Patches<'a> = BTreeMap<(&'a str, &'a str), Patch<'a>>;

struct Parser<'a> {
    project: &'a ProjectFile,
    target: &'a Target,
    jinja: Jinja,
    drafts: Vec<Draft>,
    errors: Vec<Error>,
    warnings: Vec<String>,
}

/// Run the pass over all files of the project.
pub fn parse(
    project: &ProjectFile,
    target: &Target,
    globals: &Globals,
    inline: Option<&str>,
) -> Result<Drafts> {
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
    let (packages, mut warnings) = packages::read(project)?;
    warnings.extend(packages::missing(project));
    let jinja = match Jinja::new(globals, &macro_files(project)?, &packages) {
        Ok(jinja) => jinja,
        Err(diagnostics) => {
            errors.extend(diagnostics.into_iter().map(Error::from));
            return Err(Error::many(errors));
        }
    };
    Error::collected(errors)?;
    warnings.extend(
        properties
            .iter()
            .flat_map(|(_, _, read)| read.warnings.clone()),
    );
    let mut parser = Parser {
        project,
        target,
        jinja,
        drafts: Vec::new(),
        errors: Vec::new(),
        warnings,
    };

    let mut patches = Patches::new();
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
    parser.snapshots(&patches)?;
    for (_, file, read) in &properties {
        for node in &read.nodes {
            parser.declared_snapshot(file, node, &patches);
        }
    }
    parser.singular_tests()?;
    parser.analyses()?;
    if let Some(sql) = inline {
        parser.inline(sql);
    }
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

impl Parser<'_> {
    fn finish(mut self) -> Result<Drafts> {
        let mut seen: BTreeMap<String, String> = BTreeMap::new();
        for draft in self.drafts.iter().filter(|draft| draft.enabled) {
            let node = &draft.node;
            // `ref` knows models and seeds by name alone.
            let key = match node.resource_type {
                ResourceType::Model | ResourceType::Seed | ResourceType::Snapshot => {
                    format!("ref.{}", node.name)
                }
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
        Error::collected(self.errors)?;
        Ok(Drafts {
            jinja: self.jinja,
            nodes: self.drafts,
            warnings: self.warnings,
        })
    }
}
