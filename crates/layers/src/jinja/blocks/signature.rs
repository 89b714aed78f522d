//! The parameters of a macro that asks for `varargs` or `kwargs`.

use super::{Rewriter, Tag, closing, leading_space, word};

/// What stands between a macro's name and the end of its tag. The engine knows no `varargs` and `kwargs`: a macro that
/// asks for them gets them as parameters, and its caller fills them; the names of its own parameters then.
pub(super) fn signature(
    source: &str,
    tag: Tag,
    name_end: usize,
    rewriter: &mut Rewriter<'_>,
) -> Option<Vec<String>> {
    const MORE: &str = "varargs=[], kwargs={}";
    let body = &source[tag.end..];
    let body = &body[..body.find("endmacro").unwrap_or(body.len())];
    let asks = |word: &str| {
        let is_part = |c: char| c.is_alphanumeric() || c == '_';
        body.match_indices(word).any(|(at, _)| {
            !body[..at].ends_with(is_part) && !body[at + word.len()..].starts_with(is_part)
        })
    };
    let is_variadic = asks("varargs") || asks("kwargs");
    let open = name_end + leading_space(&source[name_end..tag.inner.1]);
    // Macros may be defined without parentheses: `{% macro m %}`.
    let Some(close) =
        closing(&source[open..tag.inner.1]).filter(|_| source[open..].starts_with('('))
    else {
        let empty = if is_variadic {
            format!("({MORE})")
        } else {
            "()".to_owned()
        };
        rewriter.replace(name_end, name_end, &empty);
        return is_variadic.then(Vec::new);
    };
    if !is_variadic {
        return None;
    }
    let end = open + close - 1;
    let parameters = &source[open + 1..end];
    let takes = names_in(parameters);
    let comma = if parameters.trim().is_empty() || parameters.trim_end().ends_with(',') {
        ""
    } else {
        ", "
    };
    rewriter.replace(end, end, &format!("{comma}{MORE}"));
    Some(takes)
}

/// The names of a macro's parameters: `name_end` is where its name ends.
pub(super) fn parameters(source: &str, tag: Tag, name_end: usize) -> Vec<String> {
    let open = name_end + leading_space(&source[name_end..tag.inner.1]);
    let text = &source[open..tag.inner.1];
    match closing(text).filter(|_| text.starts_with('(')) {
        Some(close) => names_in(&text[1..close - 1]),
        None => Vec::new(),
    }
}

/// The names of parameters, without their defaults.
fn names_in(parameters: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut rest = parameters;
    loop {
        let (name, _) = word(rest, leading_space(rest));
        if name.is_empty() {
            return names;
        }
        names.push(name.to_owned());
        // Past the default, which may hold commas in brackets and quotes.
        let mut at = 0;
        let mut depth = 0_usize;
        let mut quote = None;
        for (index, c) in rest.char_indices() {
            at = index;
            match (quote, c) {
                (Some(open), c) if c == open => quote = None,
                (None, '\'' | '"') => quote = Some(c),
                (None, '[' | '{' | '(') => depth += 1,
                (None, ']' | '}' | ')') => depth = depth.saturating_sub(1),
                (None, ',') if depth == 0 => break,
                _ => {}
            }
        }
        match rest[at..].strip_prefix(',') {
            Some(more) => rest = more,
            None => return names,
        }
    }
}
