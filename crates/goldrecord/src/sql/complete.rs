//! What the shell proposes while a query is typed: keywords, tables and columns.

use std::collections::BTreeSet;

use datafusion::prelude::SessionContext;
use rustyline::completion::{Completer, Pair};
use rustyline::error::ReadlineError;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{Context, Helper, Highlighter, Hinter};

use super::UNQUALIFIED;
use crate::Result;

const KEYWORDS: [&str; 34] = [
    "select",
    "from",
    "where",
    "group by",
    "order by",
    "having",
    "limit",
    "join",
    "left join",
    "on",
    "and",
    "or",
    "not",
    "in",
    "is null",
    "is not null",
    "between",
    "like",
    "case",
    "when",
    "then",
    "else",
    "end",
    "distinct",
    "count(",
    "sum(",
    "avg(",
    "min(",
    "max(",
    "with",
    "as",
    "desc",
    "show tables",
    "describe",
];

/// Completes words from the catalog and reads on until a query ends with a semicolon.
#[derive(Helper, Hinter, Highlighter)]
pub struct Completion {
    words: BTreeSet<String>,
}

impl Completion {
    /// The words of every table that `context` knows.
    pub async fn of(context: &SessionContext) -> Result<Self> {
        let mut words: BTreeSet<String> = KEYWORDS.iter().map(ToString::to_string).collect();
        for catalog in context.catalog_names() {
            let Some(catalog) = context.catalog(&catalog) else {
                continue;
            };
            for schema_name in catalog.schema_names() {
                let Some(schema) = catalog.schema(&schema_name) else {
                    continue;
                };
                if matches!(schema_name.as_str(), "information_schema" | UNQUALIFIED) {
                    continue;
                }
                for table_name in schema.table_names() {
                    let Some(table) = schema.table(&table_name).await? else {
                        continue;
                    };
                    words.insert(format!("{}.{}", quoted(&schema_name), quoted(&table_name)));
                    words.extend(
                        table
                            .schema()
                            .fields()
                            .iter()
                            .map(|field| quoted(field.name())),
                    );
                }
            }
        }
        Ok(Self { words })
    }
}

/// A name as it must be typed: with quotes where SQL would fold or split it.
fn quoted(name: &str) -> String {
    let plain = name
        .chars()
        .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if plain {
        name.to_owned()
    } else {
        format!("\"{name}\"")
    }
}

/// Where the word under the cursor begins.
fn word_start(line: &str, position: usize) -> usize {
    line[..position]
        .rfind(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '.' | '"' | '$')))
        .map_or(0, |index| {
            index + line[index..].chars().next().map_or(1, char::len_utf8)
        })
}

impl Completer for Completion {
    type Candidate = Pair;

    fn complete(
        &self,
        line: &str,
        position: usize,
        _: &Context<'_>,
    ) -> std::result::Result<(usize, Vec<Pair>), ReadlineError> {
        let start = word_start(line, position);
        let typed = line[start..position].to_lowercase();
        let candidates = self
            .words
            .iter()
            .filter(|word| {
                let word = word.to_lowercase();
                word.starts_with(&typed) || word.trim_start_matches('"').starts_with(&typed)
            })
            .map(|word| Pair {
                display: word.clone(),
                replacement: word.clone(),
            })
            .collect();
        Ok((start, candidates))
    }
}

impl Validator for Completion {
    fn validate(&self, input: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        let text = input.input().trim();
        let whole = text.is_empty()
            || text.starts_with('\\')
            || text.ends_with(';')
            || matches!(text, "quit" | "exit");
        Ok(if whole {
            ValidationResult::Valid(None)
        } else {
            ValidationResult::Incomplete
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_sql_would_fold_are_quoted() {
        assert_eq!(quoted("user_id"), "user_id");
        assert_eq!(quoted("userId"), "\"userId\"");
        assert_eq!(
            quoted("listen_events$quarantine"),
            "\"listen_events$quarantine\""
        );
    }

    #[test]
    fn a_word_begins_after_a_space_or_a_bracket() {
        assert_eq!(word_start("select count(us", 15), 13);
        assert_eq!(word_start("select * from gold.li", 21), 14);
        assert_eq!(word_start("", 0), 0);
    }
}
