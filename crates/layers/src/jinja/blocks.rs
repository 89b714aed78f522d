//! Jinja text before the template engine reads it: where the tags are, which macros a file
//! defines, and the small rewrites that give templates what dbt's users expect.
//!
//! The engine knows neither `{% test %}` blocks nor lists that `append` changes. Both are made
//! from what it knows by rewriting the text; [`Rewritten`] remembers every edit, so that a place
//! in the rewritten text is shown as the place in the file.

mod docs;
mod signature;
mod snapshots;

pub use docs::docs;
pub use snapshots::snapshots;

use self::signature::{parameters, signature};
use crate::diagnostics::Diagnostic;

/// A macro gets this prefix inside its module, so that its plain name always means the callable
/// that knows `return`.
const PREFIX: &str = "m__";

/// A rewritten text and how it came from the original.
#[derive(Clone, Debug, Default)]
pub struct Rewritten {
    /// What the engine reads.
    pub text: String,
    edits: Vec<Edit>,
}

/// `removed` bytes at `at` of the original became `inserted` bytes.
#[derive(Clone, Copy, Debug)]
struct Edit {
    at: usize,
    removed: usize,
    inserted: usize,
}

/// A macro, or a generic test (`test_<name>`), that a file defines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definition {
    /// The name by which it is called.
    pub name: String,
    /// The line it begins on, from 1.
    pub line: usize,
    /// The byte where its first tag begins.
    pub start: usize,
    /// The byte where its last tag ends.
    pub end: usize,
    /// Its parameters.
    pub parameters: Vec<String>,
    /// Its parameters, where it asks for `varargs` or `kwargs` besides.
    pub takes: Option<Vec<String>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Statement,
    Expression,
    Comment,
}

/// A tag: its whole range and the range between its delimiters.
#[derive(Clone, Copy, Debug)]
struct Tag {
    kind: Kind,
    start: usize,
    end: usize,
    inner: (usize, usize),
}

impl Rewritten {
    /// The byte of the original that byte `offset` of the rewritten text stands for.
    pub fn original_offset(&self, offset: usize) -> usize {
        let mut shift = 0_isize;
        for edit in &self.edits {
            let new_start = edit.at.cast_signed() + shift;
            if offset.cast_signed() < new_start {
                break;
            }
            if offset.cast_signed() < new_start + edit.inserted.cast_signed() {
                return edit.at;
            }
            shift += edit.inserted.cast_signed() - edit.removed.cast_signed();
        }
        (offset.cast_signed() - shift).max(0).cast_unsigned()
    }
}

/// Collects edits in the order of the text.
struct Rewriter<'a> {
    source: &'a str,
    copied: usize,
    out: Rewritten,
}

impl<'a> Rewriter<'a> {
    fn new(source: &'a str) -> Self {
        Self {
            source,
            copied: 0,
            out: Rewritten::default(),
        }
    }

    fn replace(&mut self, start: usize, end: usize, with: &str) {
        self.out.text.push_str(&self.source[self.copied..start]);
        self.out.text.push_str(with);
        self.out.edits.push(Edit {
            at: start,
            removed: end - start,
            inserted: with.len(),
        });
        self.copied = end;
    }

    /// The bytes up to `end` become spaces; line ends stay.
    fn blank(&mut self, end: usize) {
        for c in self.source[self.copied..end].chars() {
            let filler = if c == '\n' { "\n" } else { " " };
            for _ in 0..c.len_utf8() {
                self.out.text.push_str(filler);
            }
        }
        self.copied = end;
    }

    fn keep(&mut self, end: usize) {
        self.out.text.push_str(&self.source[self.copied..end]);
        self.copied = end;
    }

    fn finish(mut self) -> Rewritten {
        self.out.text.push_str(&self.source[self.copied..]);
        self.out
    }
}

/// A model's or test's text, with `prelude` (one line) before its first character.
pub fn template(source: &str, prelude: &str) -> Rewritten {
    let mut rewriter = Rewriter::new(source);
    rewriter.replace(0, 0, prelude);
    for tag in tags(source) {
        mutable_set(source, tag, &mut rewriter);
    }
    rewriter.finish()
}

/// A macro file as a module: every macro and generic test under its prefixed name and registered
/// as `scope` and the name, everything else blank. `prelude` (one line) comes before the first character.
pub fn module(
    file: &str,
    source: &str,
    scope: &str,
    prelude: &str,
) -> Result<(Rewritten, Vec<Definition>), Diagnostic> {
    let mut rewriter = Rewriter::new(source);
    rewriter.replace(0, 0, prelude);
    let mut definitions: Vec<Definition> = Vec::new();
    let mut open: Option<(Tag, &str, usize)> = None;
    let statements = tags(source);
    for tag in statements {
        if tag.kind != Kind::Statement {
            continue;
        }
        let (word, word_at) = word(source, tag.inner.0);
        match open {
            None if matches!(word, "macro" | "test" | "data_test") => {
                rewriter.blank(tag.start);
                let name_from = word_at + word.len();
                let name_at = name_from + leading_space(&source[name_from..tag.inner.1]);
                let (name, _) = self::word(source, name_at);
                if name.is_empty() {
                    return Err(at(
                        file,
                        source,
                        name_at,
                        format!("a {word} block without a name"),
                    ));
                }
                let name_end = name_at + name.len();
                let called = if word == "macro" {
                    name.to_owned()
                } else {
                    format!("test_{name}")
                };
                rewriter.replace(word_at, name_end, &format!("macro {PREFIX}{called}"));
                let takes = signature(source, tag, name_end, &mut rewriter);
                rewriter.keep(tag.end);
                definitions.push(Definition {
                    name: called,
                    line: line_of(source, tag.start),
                    start: tag.start,
                    end: tag.end,
                    parameters: parameters(source, tag, name_end),
                    takes,
                });
                open = Some((tag, word, 0));
            }
            None if matches!(word, "materialization" | "docs" | "snapshot") => {
                rewriter.blank(tag.end);
                open = Some((tag, word, 0));
            }
            None => {}
            Some((start, opener, nested)) if word == opener => {
                open = Some((start, opener, nested + 1));
            }
            Some((start, opener, nested)) if word.strip_prefix("end") == Some(opener) => {
                if nested > 0 {
                    open = Some((start, opener, nested - 1));
                    continue;
                }
                open = None;
                if matches!(opener, "macro" | "test" | "data_test") {
                    rewriter.replace(word_at, word_at + word.len(), "endmacro");
                    rewriter.keep(tag.end);
                    if let Some(definition) = definitions.last_mut() {
                        definition.end = tag.end;
                        let name = &definition.name;
                        let takes = definition.takes.as_ref().map_or_else(String::new, |takes| {
                            let names: Vec<String> =
                                takes.iter().map(|name| format!("\"{name}\"")).collect();
                            format!(", [{}]", names.join(", "))
                        });
                        let register = format!(
                            "{{% do __register(\"{scope}{name}\", {PREFIX}{name}{takes}) %}}"
                        );
                        rewriter.replace(tag.end, tag.end, &register);
                    }
                } else {
                    rewriter.blank(tag.end);
                }
            }
            Some(_) => mutable_set(source, tag, &mut rewriter),
        }
    }
    if let Some((tag, word, _)) = open {
        let message = format!("this {word} block has no `{{% end{word} %}}`");
        return Err(at(file, source, tag.start, message));
    }
    rewriter.blank(source.len());
    Ok((rewriter.finish(), definitions))
}

/// The expression inside, when the whole text is one `{{ … }}`.
pub fn single_expression(source: &str) -> Option<&str> {
    let trimmed = source.trim();
    let tags = tags(trimmed);
    let [tag] = tags.as_slice() else { return None };
    (tag.kind == Kind::Expression && tag.start == 0 && tag.end == trimmed.len())
        .then(|| trimmed[tag.inner.0..tag.inner.1].trim_matches('-').trim())
}

/// Whether the text holds anything for the template engine.
pub fn has_jinja(source: &str) -> bool {
    ["{{", "{%", "{#"].iter().any(|open| source.contains(open))
}

/// `{% set x = [ … ] %}` and `{ … }` make lists and maps that `append` and `update` change.
fn mutable_set(source: &str, tag: Tag, rewriter: &mut Rewriter<'_>) {
    if tag.kind != Kind::Statement {
        return;
    }
    let (keyword, at) = word(source, tag.inner.0);
    if keyword != "set" {
        return;
    }
    let end = tag.inner.1;
    let Some(equals) = source[at..end].find('=').map(|found| at + found) else {
        return;
    };
    let start = equals + 1 + leading_space(&source[equals + 1..end]);
    let value = source[start..end].trim_end_matches(['-', '+']).trim_end();
    if value.starts_with(['[', '{']) && closing(value) == Some(value.len()) {
        rewriter.replace(start, start, "__mutable(");
        rewriter.replace(start + value.len(), start + value.len(), ")");
    }
}

/// Where the bracket that opens `text` is closed (exclusive).
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '[' | '{' | '(' => depth += 1,
            ']' | '}' | ')' => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            '\'' | '"' => {
                while let Some((_, inside)) = chars.next() {
                    match inside {
                        '\\' => drop(chars.next()),
                        _ if inside == c => break,
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    None
}

/// The tags of a text, in order. An unclosed tag ends the list: the engine reports it.
fn tags(source: &str) -> Vec<Tag> {
    let mut tags = Vec::new();
    let mut at = 0;
    while let Some(found) = source[at..].find('{').map(|found| at + found) {
        let kind = match source.as_bytes().get(found + 1) {
            Some(b'%') => Kind::Statement,
            Some(b'{') => Kind::Expression,
            Some(b'#') => Kind::Comment,
            _ => {
                at = found + 1;
                continue;
            }
        };
        let inner = found + 2;
        let Some(close) = tag_end(source, inner, kind) else {
            break;
        };
        let tag = Tag {
            kind,
            start: found,
            end: close + 2,
            inner: (skip_mark(source, inner), close),
        };
        at = tag.end;
        if kind == Kind::Statement && word(source, tag.inner.0).0 == "raw" {
            match source[at..].find("endraw") {
                Some(end) => at += end,
                None => break,
            }
            continue;
        }
        tags.push(tag);
    }
    tags
}

/// Where a tag's closing delimiter begins.
fn tag_end(source: &str, inner: usize, kind: Kind) -> Option<usize> {
    if kind == Kind::Comment {
        return source[inner..].find("#}").map(|at| inner + at);
    }
    let bytes = source.as_bytes();
    let closer = if kind == Kind::Statement { b'%' } else { b'}' };
    let mut braces = 0_usize;
    let mut at = inner;
    while at < bytes.len() {
        match bytes[at] {
            quote @ (b'\'' | b'"') => {
                at += 1;
                while at < bytes.len() && bytes[at] != quote {
                    at += if bytes[at] == b'\\' { 2 } else { 1 };
                }
            }
            c if c == closer && braces == 0 && bytes.get(at + 1) == Some(&b'}') => return Some(at),
            b'{' => braces += 1,
            b'}' => braces = braces.saturating_sub(1),
            _ => {}
        }
        at += 1;
    }
    None
}

/// Past the `-` or `+` of a tag's delimiter.
fn skip_mark(source: &str, at: usize) -> usize {
    at + usize::from(matches!(source.as_bytes().get(at), Some(b'-' | b'+')))
}

/// The identifier at or after the spaces at `at`, and where it begins.
fn word(source: &str, at: usize) -> (&str, usize) {
    let start = at + leading_space(&source[at..]);
    let rest = &source[start..];
    let end = rest
        .find(|c: char| !c.is_alphanumeric() && c != '_')
        .unwrap_or(rest.len());
    (&rest[..end], start)
}

fn leading_space(text: &str) -> usize {
    text.len() - text.trim_start().len()
}

fn line_of(source: &str, offset: usize) -> usize {
    source[..offset].matches('\n').count() + 1
}

fn at(file: &str, source: &str, offset: usize, message: String) -> Diagnostic {
    let line_start = source[..offset].rfind('\n').map_or(0, |at| at + 1);
    let column = source[line_start..offset].chars().count() + 1;
    Diagnostic::new(message).at(crate::diagnostics::place(
        file,
        source,
        line_of(source, offset),
        Some(column),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_holds_macros_and_tests_on_their_own_lines() {
        let source =
            "text\n{% macro a(x) -%}\n{{ x }}\n{%- endmacro %}\n{% test b(model) %}s{% endtest %}";
        let (module, definitions) = module("m.sql", source, "", "").expect("valid");
        let names: Vec<_> = definitions
            .iter()
            .map(|d| (d.name.as_str(), d.line))
            .collect();
        assert_eq!(names, [("a", 2), ("test_b", 5)]);
        assert!(module.text.contains("{% macro m__a(x) -%}"));
        assert!(
            module
                .text
                .contains("{% macro m__test_b(model) %}s{% endmacro %}")
        );
        assert!(!module.text.contains("text"));
        assert_eq!(
            module.text.matches('\n').count(),
            source.matches('\n').count()
        );
    }

    #[test]
    fn places_of_the_rewritten_text_are_found_in_the_original() {
        let source = "{% set a = [1] %}{{ a }}";
        let rewritten = template(source, "PRE");
        assert_eq!(rewritten.text, "PRE{% set a = __mutable([1]) %}{{ a }}");
        let new = rewritten.text.find("{{ a").expect("kept");
        assert_eq!(
            rewritten.original_offset(new),
            source.find("{{ a").expect("there")
        );
    }

    #[test]
    fn only_whole_literals_become_mutable() {
        for kept in [
            "{% set a, b = [], [] %}",
            "{% set x = [1][0] %}",
            "{% set x = 'a=[]' %}",
        ] {
            assert_eq!(template(kept, "").text, kept);
        }
        assert_eq!(
            template("{%- set m = {'a': '}'} -%}", "").text,
            "{%- set m = __mutable({'a': '}'}) -%}"
        );
    }

    #[test]
    fn a_single_expression_is_told_from_text() {
        assert_eq!(single_expression("{{ ref('a') }}"), Some("ref('a')"));
        assert_eq!(single_expression("{{ {'a': {}} }}"), Some("{'a': {}}"));
        assert_eq!(single_expression("{{ a }}-{{ b }}"), None);
    }

    #[test]
    fn an_unclosed_macro_is_an_error_with_its_place() {
        let error = module("macros/a.sql", "\n{% macro a() %}", "", "")
            .expect_err("unclosed")
            .to_string();
        assert!(error.contains("macros/a.sql:2:1"), "{error}");
    }
}
