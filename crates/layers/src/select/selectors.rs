//! `selectors.yml`: selections with a name, for `--selector`.

use std::collections::BTreeMap;
use std::path::Path;

use clap::ValueEnum as _;
use serde_norway::{Mapping, Value as Yaml};

use super::Indirect;
use super::criterion::Criterion;
use super::definition::Definition;
use crate::diagnostics::Diagnostic;
use crate::project::yaml::{self, File};
use crate::{Error, Result};

const FILE: &str = "selectors.yml";
const KEYS: &[&str] = &[
    "method",
    "value",
    "children",
    "parents",
    "children_depth",
    "parents_depth",
    "childrens_parents",
    "exclude",
    "indirect_selection",
];
/// How often one selector may name another: more is a circle.
const DEEPEST: usize = 64;

/// The selectors of a project.
#[derive(Clone, Debug, Default)]
pub struct Selectors {
    named: BTreeMap<String, Definition>,
    default: Option<String>,
}

impl Selectors {
    /// Read the project's `selectors.yml`; a project without one has none.
    pub fn read(root: &Path) -> Result<Self> {
        let path = root.join(FILE);
        if !path.is_file() {
            return Ok(<Self as Default>::default());
        }
        let file = yaml::read(&path, FILE)?;
        let mut reader = Reader {
            file: &file,
            written: BTreeMap::new(),
        };
        let mut default = None;
        for entry in file.list(&file.content, "selectors", None)? {
            let (selector, name) = file.name_of(entry, "selectors")?;
            let Some(definition) = selector.get("definition") else {
                return Err(reader.wrong(name, "has no `definition`"));
            };
            if reader.written.insert(name, definition).is_some() {
                return Err(reader.wrong(name, "is there twice"));
            }
            if selector.get("default").and_then(Yaml::as_bool) == Some(true)
                && let Some(other) = default.replace(name.to_owned())
            {
                let why = format!("is a default, and so is `{other}`: only one can be");
                return Err(reader.wrong(name, &why));
            }
        }
        let mut named = BTreeMap::new();
        for (name, written) in &reader.written {
            named.insert((*name).to_owned(), reader.definition(name, written, 0)?);
        }
        Ok(Self { named, default })
    }

    /// The one with this name.
    pub fn get(&self, name: &str) -> Result<&Definition> {
        self.named.get(name).ok_or_else(|| {
            let names = self.named.keys().map(String::as_str);
            let diagnostic = Diagnostic::new(format!("there is no selector `{name}`"));
            diagnostic.in_file(FILE).nearest(name, names).into()
        })
    }

    /// The one that stands where nothing is selected.
    pub fn default(&self) -> Option<&Definition> {
        self.named.get(self.default.as_ref()?)
    }
}

/// The file as it is written.
struct Reader<'a> {
    file: &'a File,
    written: BTreeMap<&'a str, &'a Yaml>,
}

impl Reader<'_> {
    fn wrong(&self, selector: &str, why: &str) -> Error {
        let diagnostic = Diagnostic::new(format!("the selector `{selector}` {why}"));
        self.file.at_name(diagnostic, selector).into()
    }

    fn definition(&self, selector: &str, written: &Yaml, depth: usize) -> Result<Definition> {
        if depth > DEEPEST {
            return Err(self.wrong(selector, "names itself, by way of others or directly"));
        }
        let mapping = match written {
            Yaml::String(text) => return Definition::of_text(text),
            Yaml::Mapping(mapping) => mapping,
            _ => return Err(self.wrong(selector, "has a definition that is no text and no map")),
        };
        for (key, joined) in [
            (
                "union",
                Definition::Union as fn(Vec<Definition>) -> Definition,
            ),
            (
                "intersection",
                Definition::Intersection as fn(Vec<Definition>) -> Definition,
            ),
        ] {
            if let Some(parts) = mapping.get(key) {
                let (parts, exclude) = self.parts(selector, key, parts, depth)?;
                return Ok(without(joined(parts), exclude));
            }
        }
        if mapping.contains_key("method") {
            return self.method(selector, mapping, depth);
        }
        match mapping.iter().next() {
            // `tag: nightly`
            Some((Yaml::String(method), value)) if mapping.len() == 1 => {
                let value = yaml::scalar(value)
                    .ok_or_else(|| self.wrong(selector, &format!("has no value for `{method}`")))?;
                self.one(selector, method, &value, &Mapping::new(), depth)
            }
            _ => Err(self.wrong(
                selector,
                "has a definition without `method`, `union` or `intersection`",
            )),
        }
    }

    /// The entries of a `union` or `intersection`, and what its `exclude` entries leave out.
    fn parts(
        &self,
        selector: &str,
        key: &str,
        written: &Yaml,
        depth: usize,
    ) -> Result<(Vec<Definition>, Vec<Definition>)> {
        let Yaml::Sequence(items) = written else {
            return Err(self.wrong(selector, &format!("has a `{key}` that is no list")));
        };
        let (mut parts, mut exclude) = (Vec::new(), Vec::new());
        for item in items {
            match item.as_mapping().and_then(|item| item.get("exclude")) {
                Some(left_out)
                    if !item
                        .as_mapping()
                        .is_some_and(|item| item.contains_key("method")) =>
                {
                    exclude.extend(self.parts(selector, "exclude", left_out, depth + 1)?.0);
                }
                _ => parts.push(self.definition(selector, item, depth + 1)?),
            }
        }
        Ok((parts, exclude))
    }

    fn method(&self, selector: &str, mapping: &Mapping, depth: usize) -> Result<Definition> {
        self.file.check_keys(
            mapping,
            KEYS,
            &format!("the selector `{selector}`"),
            Some(selector),
        )?;
        let Some(method) = yaml::text(mapping, "method") else {
            return Err(self.wrong(selector, "has a `method` that is no text"));
        };
        let Some(value) = mapping.get("value").and_then(yaml::scalar) else {
            return Err(self.wrong(
                selector,
                &format!("has no `value` for the method `{method}`"),
            ));
        };
        let found = self.one(selector, method, &value, mapping, depth)?;
        match mapping.get("exclude") {
            Some(left_out) => {
                let (exclude, _) = self.parts(selector, "exclude", left_out, depth)?;
                Ok(without(found, exclude))
            }
            None => Ok(found),
        }
    }

    /// One criterion, with the graph operators that the map names.
    fn one(
        &self,
        selector: &str,
        method: &str,
        value: &str,
        mapping: &Mapping,
        depth: usize,
    ) -> Result<Definition> {
        if method == "selector" {
            let Some(other) = self.written.get(value) else {
                return Err(self.wrong(selector, &format!("names `{value}`, which is no selector")));
            };
            return self.definition(selector, other, depth + 1);
        }
        let is = |key: &str| mapping.get(key).and_then(Yaml::as_bool) == Some(true);
        let steps = |key: &str| mapping.get(key).and_then(yaml::scalar).unwrap_or_default();
        let mut text = format!("{method}:{value}");
        if is("childrens_parents") {
            text.insert(0, '@');
        }
        if is("parents") {
            text.insert_str(0, &format!("{}+", steps("parents_depth")));
        }
        if is("children") {
            text.push('+');
            text.push_str(&steps("children_depth"));
        }
        let indirect = match mapping.get("indirect_selection").and_then(yaml::scalar) {
            Some(name) => Some(Indirect::from_str(&name, true).map_err(|_| {
                self.wrong(
                    selector,
                    &format!("has no known indirect_selection `{name}`"),
                )
            })?),
            None => None,
        };
        Ok(Definition::One(Criterion::parse(&text)?, indirect))
    }
}

fn without(definition: Definition, exclude: Vec<Definition>) -> Definition {
    if exclude.is_empty() {
        definition
    } else {
        Definition::Without(Box::new(definition), Box::new(Definition::Union(exclude)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Selectors> {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join(FILE), text).expect("writes");
        Selectors::read(folder.path())
    }

    #[test]
    fn a_definition_is_a_text_a_method_or_joins_others() {
        let selectors = read(
            "selectors:
  - {name: nightly, definition: 'tag:nightly'}
  - {name: short, default: true, definition: {tag: nightly}}
  - name: long
    definition:
      union:
        - {method: selector, value: nightly}
        - intersection: ['+a', {method: path, value: models/gold, children: true, children_depth: 2}]
        - exclude: [{method: tag, value: slow}]
",
        )
        .expect("valid");
        let one = |text: &str| Definition::of_text(text).expect("valid");
        assert_eq!(
            selectors.get("nightly").expect("is there"),
            &one("tag:nightly")
        );
        assert_eq!(selectors.default(), Some(&one("tag:nightly")));
        assert_eq!(
            selectors.get("long").expect("is there"),
            &Definition::Without(
                Box::new(Definition::Union(vec![
                    one("tag:nightly"),
                    Definition::Intersection(vec![one("+a"), one("path:models/gold+2")]),
                ])),
                Box::new(Definition::Union(vec![one("tag:slow")])),
            )
        );
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        let told = |text: &str| read(text).expect_err("is wrong").to_string();
        let circle = told(
            "selectors:\n  - {name: a, definition: {method: selector, value: b}}\n  - {name: b, definition: {method: selector, value: a}}\n",
        );
        assert!(circle.contains("`a` names itself"), "{circle}");
        let method = told("selectors:\n  - name: a\n    definition: {method: tag, valeu: x}\n");
        assert!(method.contains("did you mean `value`?"), "{method}");
        let near = read("selectors:\n  - {name: nightly, definition: 'tag:x'}\n")
            .expect("valid")
            .get("nightli")
            .expect_err("is not there")
            .to_string();
        assert!(near.contains("nightly"), "{near}");
    }
}
