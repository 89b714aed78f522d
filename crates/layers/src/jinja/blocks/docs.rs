//! `{% docs %}` blocks. What stands between their tags is text, whatever it looks like.

use super::{at, skip_mark, word};
use crate::diagnostics::Diagnostic;

/// The blocks that a Markdown file holds: names, and texts without the space around them.
pub fn docs(file: &str, source: &str) -> Result<Vec<(String, String)>, Diagnostic> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some((start, name_at, inner)) = tag(source, from, "docs") {
        let (name, _) = word(source, name_at);
        if name.is_empty() {
            let message = "a docs block without a name".to_owned();
            return Err(at(file, source, start, message));
        }
        let Some((end, _, after)) = tag(source, inner, "enddocs") else {
            let message = "this docs block has no `{% enddocs %}`".to_owned();
            return Err(at(file, source, start, message));
        };
        found.push((name.to_owned(), source[inner..end].trim().to_owned()));
        from = after;
    }
    Ok(found)
}

/// The next tag with this word: where it begins, where the word ends, and where the tag ends.
fn tag(source: &str, from: usize, wanted: &str) -> Option<(usize, usize, usize)> {
    let mut from = from;
    loop {
        let start = from + source[from..].find("{%")?;
        let (found, word_at) = word(source, skip_mark(source, start + 2));
        let end = start + source[start..].find("%}")? + 2;
        if found == wanted {
            return Some((start, word_at + found.len(), end));
        }
        from = start + 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_found_whatever_stands_in_them() {
        let source = "# Words\n{% docs a %}\nit's {{ broken and 100 % {% of %}\n{% enddocs %}\n{%- docs __overview__ -%}b{%- enddocs -%}";
        let found = docs("a.md", source).expect("valid");
        let expected = [
            ("a", "it's {{ broken and 100 % {% of %}"),
            ("__overview__", "b"),
        ];
        let expected = expected.map(|(name, text)| (name.to_owned(), text.to_owned()));
        assert_eq!(found, expected);
    }

    #[test]
    fn an_unclosed_block_is_an_error_with_its_place() {
        let error = docs("a.md", "text\n{% docs a %}").expect_err("unclosed");
        assert_eq!(error.location.expect("a place").line, 2);
        assert!(docs("a.md", "{% docs %}x{% enddocs %}").is_err());
    }
}
