//! Documentation blocks as descriptions call them: `doc('name')` and `doc('package', 'name')`.

use std::collections::BTreeMap;

use minijinja::value::Value;
use minijinja::{Error, State};

use super::{Search, frame};
use crate::diagnostics::Diagnostic;
use crate::jinja::calls::{diagnosed, failure};

/// The blocks of a project and its packages.
#[derive(Debug, Default)]
pub struct Docs {
    /// Whose a name is.
    pub search: Search,
    /// Their Markdown, by name, then by package.
    pub blocks: BTreeMap<String, BTreeMap<String, String>>,
}

impl Docs {
    /// The block that a description in the package `caller` means.
    fn resolve(&self, package: Option<&str>, name: &str, caller: &str) -> Result<&str, Diagnostic> {
        let found = self.blocks.get(name).and_then(|by_package| match package {
            Some(package) => by_package.get(package),
            None => self.search.among(by_package, caller),
        });
        found.map(String::as_str).ok_or_else(|| {
            let of =
                package.map_or_else(String::new, |package| format!(" of the package {package}"));
            let message = format!("there is no documentation block `{name}`{of}");
            let known = self
                .blocks
                .iter()
                .filter(|(_, of)| package.is_none_or(|package| of.contains_key(package)));
            Diagnostic::new(message).nearest(name, known.map(|(name, _)| name.as_str()))
        })
    }
}

/// `doc('name')` and `doc('package', 'name')`.
pub(super) fn doc(state: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
    let names: Option<Vec<&str>> = args.iter().map(Value::as_str).collect();
    let (package, name) = match names.as_deref() {
        Some([name]) => (None, *name),
        Some([package, name]) => (Some(*package), *name),
        _ => return Err(failure("doc() takes one or two names in quotes")),
    };
    let frame = frame(state)?;
    let Some(docs) = &frame.docs else {
        return Err(failure("doc() is for descriptions in YAML files"));
    };
    let text = docs.resolve(package, name, &frame.package);
    text.map(Value::from).map_err(diagnosed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_projects_blocks_stand_before_a_packages_unless_it_says_otherwise() {
        let mut docs = Docs {
            search: Search {
                project: "shop".to_owned(),
                own_first: false,
            },
            blocks: [
                (
                    "id".to_owned(),
                    [
                        ("shop".to_owned(), "ours".to_owned()),
                        ("tools".to_owned(), "theirs".to_owned()),
                    ]
                    .into(),
                ),
                (
                    "only".to_owned(),
                    [("tools".to_owned(), "tools' own".to_owned())].into(),
                ),
            ]
            .into(),
        };
        assert_eq!(docs.resolve(None, "id", "tools"), Ok("ours"));
        assert_eq!(docs.resolve(None, "id", "shop"), Ok("ours"));
        assert_eq!(docs.resolve(None, "id", "third"), Ok("ours"));
        assert_eq!(docs.resolve(None, "only", "shop"), Ok("tools' own"));
        assert_eq!(docs.resolve(Some("tools"), "id", "shop"), Ok("theirs"));
        let error = docs
            .resolve(Some("shop"), "only", "shop")
            .expect_err("not the project's");
        assert_eq!(
            error.message,
            "there is no documentation block `only` of the package shop"
        );
        docs.search.own_first = true;
        assert_eq!(docs.resolve(None, "id", "tools"), Ok("theirs"));
        let error = docs.resolve(None, "onli", "shop").expect_err("misspelt");
        assert_eq!(error.help.as_deref(), Some("did you mean `only`?"));
    }
}
