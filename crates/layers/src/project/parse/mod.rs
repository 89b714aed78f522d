//! The parsing pass: every file a draft of a node, with what its template asks for.

mod declared;
mod draft;
mod files;
mod generic;
mod resources;
mod snapshots;
mod unit_tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_norway::Value as Yaml;

pub use draft::{Draft, Input};
pub use generic::render_generic;

use self::files::{macro_files, property_files};
use super::properties::{Common, Properties};
use super::yaml::File;
use super::{ProjectFile, Target, docs, macros, packages};
use crate::diagnostics::Diagnostic;
use crate::jinja::context::{Docs, Frame};
use crate::jinja::{Globals, Jinja, Package};
use crate::manifest::{Constraint, Doc, Macro, ResourceType};
use crate::{Error, Result};

/// All drafts, and what compiling them needs.
#[derive(Debug)]
pub struct Drafts {
    /// The engine with the project's macros.
    pub jinja: Jinja,
    /// The drafts.
    pub nodes: Vec<Draft>,
    /// Documentation blocks.
    pub docs: Vec<Doc>,
    /// Macros of the project and of its packages.
    pub macros: Vec<Macro>,
    /// Remarks.
    pub warnings: Vec<String>,
}

/// The node that properties stand about.
struct Patch<'a> {
    file: &'a Arc<File>,
    common: &'a Common,
    constraints: &'a [Constraint],
}

/// What properties say, by section (`models` or `seeds`) and name.
type Patches<'a> = BTreeMap<(&'a str, &'a str), Patch<'a>>;

struct Parser<'a> {
    /// The project.
    root: &'a ProjectFile,
    /// The project or package whose files are being read.
    project: &'a ProjectFile,
    target: &'a Target,
    jinja: Jinja,
    drafts: Vec<Draft>,
    errors: Vec<Error>,
    warnings: Vec<String>,
}

/// The properties files of a project or package.
struct Described<'a> {
    package: &'a ProjectFile,
    files: Vec<(String, Arc<File>, Properties)>,
}

/// Run the pass over all files of the project and of its packages.
pub fn parse(
    project: &ProjectFile,
    packages: &[ProjectFile],
    target: &Target,
    globals: &Globals,
    inline: Option<&str>,
) -> Result<Drafts> {
    let all = || std::iter::once(project).chain(packages);
    let mut errors = Vec::new();
    let docs = docs::read(all())?;
    let blocks = Arc::new(docs::by_name(project.search(), &docs));
    let mut described = Vec::new();
    for package in all() {
        match Described::read(package, globals, &blocks) {
            Ok(read) => described.push(read),
            Err(error) => errors.push(error),
        }
    }
    let own_macros = macro_files(project)?;
    let mut macros = macros::defined(project, &own_macros);
    let mut package_macros = Vec::new();
    for package in packages {
        let files = macro_files(package)?;
        macros.extend(macros::defined(package, &files));
        package_macros.push(Package {
            name: package.name.clone(),
            files,
            vars: package.vars.clone(),
        });
    }
    let jinja = match Jinja::new(globals, &own_macros, &package_macros) {
        Ok(jinja) => jinja,
        Err(diagnostics) => {
            errors.extend(diagnostics.into_iter().map(Error::from));
            return Err(Error::many(errors));
        }
    };
    Error::collected(errors)?;
    let mut parser = Parser {
        root: project,
        project,
        target,
        jinja,
        drafts: Vec::new(),
        errors: Vec::new(),
        warnings: packages::missing(project).into_iter().collect(),
    };
    for read in &described {
        parser.project = read.package;
        let is_project = read.package.folder.is_empty();
        for (_, file, properties) in &read.files {
            let warnings = macros::describe(read.package, file, &properties.macros, &mut macros);
            // Nobody who runs the project can mend a package.
            if is_project {
                parser.warnings.extend(properties.warnings.clone());
                parser.warnings.extend(warnings);
            }
        }
        parser.package(&read.files)?;
    }
    parser.project = project;
    if let Some(sql) = inline {
        parser.inline(sql);
    }
    parser.finish(docs, macros)
}

impl<'a> Described<'a> {
    fn read(package: &'a ProjectFile, globals: &Globals, blocks: &Arc<Docs>) -> Result<Self> {
        let bare = Jinja::bare(&globals.of_package(&package.vars));
        let (mut files, mut errors) = (Vec::new(), Vec::new());
        for (below, file) in property_files(package)? {
            let frame = Arc::new(Frame {
                package: package.name.clone(),
                docs: Some(blocks.clone()),
                ..Frame::default()
            });
            let render = |value: &Yaml| {
                let rendered = bare.native_yaml(&file.path, value, &frame);
                rendered.map_err(|diagnostic| Error::from(file.at_template(diagnostic)))
            };
            match Properties::read(&file, &render) {
                Ok(read) => files.push((below, file, read)),
                Err(error) => errors.push(error),
            }
        }
        Error::collected(errors)?;
        Ok(Self { package, files })
    }
}

impl Parser<'_> {
    /// The nodes of one package.
    fn package(&mut self, properties: &[(String, Arc<File>, Properties)]) -> Result<()> {
        let mut patches = Patches::new();
        for (_, file, read) in properties {
            for node in &read.nodes {
                let name = node.common.name.as_str();
                let patch = Patch {
                    file,
                    common: &node.common,
                    constraints: &node.constraints,
                };
                if let Some(other) = patches.insert((node.section, name), patch) {
                    let diagnostic = Diagnostic::new(format!("`{name}` is described twice"));
                    let diagnostic = file.at_name(diagnostic, name);
                    let help = format!("the other place is {}", other.file.path);
                    self.errors.push(diagnostic.help(help).into());
                }
            }
        }
        self.models(&patches)?;
        self.seeds(&patches)?;
        self.snapshots(&patches)?;
        for (_, file, read) in properties {
            for node in &read.nodes {
                self.declared_snapshot(file, node, &patches);
            }
        }
        self.singular_tests()?;
        self.analyses()?;
        self.tests_of_nodes(&patches);
        for (below, file, read) in properties {
            for table in &read.tables {
                self.source(below, file, table);
            }
            for unit_test in &read.unit_tests {
                self.unit_test(below, file, unit_test);
            }
            for exposure in &read.exposures {
                self.exposure(below, file, exposure);
            }
        }
        Ok(())
    }

    fn finish(mut self, docs: Vec<Doc>, macros: Vec<Macro>) -> Result<Drafts> {
        let mut seen: BTreeMap<String, String> = BTreeMap::new();
        for draft in self.drafts.iter().filter(|draft| draft.enabled) {
            let node = &draft.node;
            // `ref` knows models and seeds of a package by name alone.
            let key = match node.resource_type {
                ResourceType::Model | ResourceType::Seed | ResourceType::Snapshot => {
                    format!("ref.{}.{}", node.package, node.name)
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
            docs,
            macros,
            warnings: self.warnings,
        })
    }
}
