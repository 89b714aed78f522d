//! Messages that name a place: file, line, column, the line itself and a caret below it.

use std::fmt;

/// A place in a file of the project. Lines and columns count from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceLocation {
    /// Below the project's root.
    pub file: String,
    /// The line.
    pub line: usize,
    /// The column in characters, when it is known.
    pub column: Option<usize>,
    /// The line's text.
    pub text: String,
}

/// What is wrong, where, and what would mend it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// What is wrong, in one sentence.
    pub message: String,
    /// The file alone, when no line is known.
    pub file: Option<String>,
    /// The place.
    pub location: Option<Box<SourceLocation>>,
    /// What would mend it, such as the nearest name.
    pub help: Option<String>,
}

impl Diagnostic {
    /// A diagnostic without a place yet.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            file: None,
            location: None,
            help: None,
        }
    }

    /// In this file, line unknown.
    #[must_use]
    pub fn in_file(mut self, file: impl Into<String>) -> Self {
        self.file = Some(file.into());
        self
    }

    /// At this place.
    #[must_use]
    pub fn at(mut self, location: SourceLocation) -> Self {
        self.file = Some(location.file.clone());
        self.location = Some(Box::new(location));
        self
    }

    /// With this advice.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// With `did you mean …?` when one of `known` is spelled like `name`.
    #[must_use]
    pub fn nearest<'a>(self, name: &str, known: impl IntoIterator<Item = &'a str>) -> Self {
        match nearest(name, known) {
            Some(near) => self.help(format!("did you mean `{near}`?")),
            None => self,
        }
    }
}

impl std::error::Error for Diagnostic {}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.message)?;
        if let Some(location) = &self.location {
            let number = location.line.to_string();
            let margin = " ".repeat(number.len());
            write!(f, "\n{margin}--> {}:{}", location.file, location.line)?;
            if let Some(column) = location.column {
                write!(f, ":{column}")?;
            }
            let text = location.text.trim_end();
            write!(f, "\n{margin} |\n{number} | {text}\n{margin} |")?;
            if let Some(column) = location.column {
                // Tabs stay tabs, so that the caret stands below its character.
                let indent: String = text
                    .chars()
                    .take(column - 1)
                    .map(|c| if c == '\t' { '\t' } else { ' ' })
                    .collect();
                write!(f, " {indent}^")?;
            }
        } else if let Some(file) = &self.file {
            write!(f, "\n --> {file}")?;
        }
        if let Some(help) = &self.help {
            write!(f, "\n = {help}")?;
        }
        Ok(())
    }
}

/// The known name that is spelled most like `name`, when one is near enough to be meant.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|candidate| {
            (
                strsim::jaro_winkler(&name.to_lowercase(), &candidate.to_lowercase()),
                candidate,
            )
        })
        .filter(|(likeness, _)| *likeness >= 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

/// The place `line`:`column` of `text`, a file's content.
pub fn place(file: &str, text: &str, line: usize, column: Option<usize>) -> SourceLocation {
    SourceLocation {
        file: file.to_owned(),
        line,
        column: column.filter(|column| *column > 0),
        text: text
            .lines()
            .nth(line.saturating_sub(1))
            .unwrap_or_default()
            .to_owned(),
    }
}

/// The line of `raw` that a place of `compiled` came from, as well as can be told.
///
/// In this order: the line with the same text (the nearest of them); the nearest line that holds
/// the word at the place; the line as far down the file as the place is down the compiled SQL.
pub fn locate(file: &str, raw: &str, compiled: &str, line: usize, column: usize) -> SourceLocation {
    let wanted = compiled
        .lines()
        .nth(line.saturating_sub(1))
        .unwrap_or_default();
    let nearest_line = |fits: &dyn Fn(&str) -> bool| {
        raw.lines()
            .enumerate()
            .filter(|(_, text)| fits(text))
            .map(|(index, _)| index + 1)
            .min_by_key(|number| number.abs_diff(line))
    };
    if !wanted.trim().is_empty()
        && let Some(found) = nearest_line(&|text| text.trim_end() == wanted.trim_end())
    {
        return place(file, raw, found, Some(column));
    }
    if let Some(word) = word_at(wanted, column)
        && let Some(found) = nearest_line(&|text| find_word(text, word).is_some())
    {
        let text = raw.lines().nth(found - 1).unwrap_or_default();
        return place(file, raw, found, find_word(text, word));
    }
    let last = raw.lines().count().max(1);
    place(file, raw, line.clamp(1, last), None)
}

/// The identifier that covers `column` (from 1) of `text`.
fn word_at(text: &str, column: usize) -> Option<&str> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let start = text
        .char_indices()
        .nth(column.checked_sub(1)?)
        .map(|(at, _)| at)?;
    let (start, rest) = match text[start..].strip_prefix('"') {
        Some(rest) => (start + 1, rest),
        None => (start, &text[start..]),
    };
    let begin = text[..start].rfind(|c| !is_word(c)).map_or(0, |at| {
        at + text[at..].chars().next().map_or(1, char::len_utf8)
    });
    let end = start + rest.find(|c| !is_word(c)).unwrap_or(rest.len());
    (begin < end).then(|| &text[begin..end])
}

/// The column (from 1) where `word` stands as a whole word in `text`.
fn find_word(text: &str, word: &str) -> Option<usize> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word)
        .find(|(at, _)| {
            !text[..*at].chars().next_back().is_some_and(is_word)
                && !text[at + word.len()..].chars().next().is_some_and(is_word)
        })
        .map(|(at, _)| text[..at].chars().count() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_diagnostic_shows_the_line_with_a_caret() {
        let text = "select 1\nselect cout(*) from t\n";
        let shown = Diagnostic::new("unknown function `cout`")
            .at(place("models/a.sql", text, 2, Some(8)))
            .help("did you mean `count`?")
            .to_string();
        assert_eq!(
            shown,
            "unknown function `cout`\n --> models/a.sql:2:8\n  |\n2 | select cout(*) from t\n  |        ^\n = did you mean `count`?"
        );
    }

    #[test]
    fn a_line_that_rendering_kept_is_found_by_its_text() {
        let raw =
            "{{ config(materialized='table') }}\n\nselect\n    bad_column\nfrom {{ ref('x') }}";
        let compiled = "select\n    bad_column\nfrom \"lake\".\"s\".\"x\"";
        let place = locate("m.sql", raw, compiled, 2, 5);
        assert_eq!((place.line, place.column), (4, Some(5)));
    }

    #[test]
    fn a_line_that_rendering_changed_is_found_by_its_word() {
        let raw = "select {{ star }},\n  nope + {{ n }}\nfrom t";
        let compiled = "select a, b,\n  nope + 3\nfrom t";
        let place = locate("m.sql", raw, compiled, 2, 3);
        assert_eq!((place.line, place.column), (2, Some(3)));
    }

    #[test]
    fn nearest_names_only_what_is_near() {
        assert_eq!(
            nearest("fct_listen", ["fct_listens", "dim_users"]),
            Some("fct_listens")
        );
        assert_eq!(nearest("zzz", ["fct_listens", "dim_users"]), None);
    }
}
