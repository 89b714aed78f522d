//! Shell globs: `*`, `?` and `[…]` in names, `**` in paths.

/// Whether the whole of `text` fits the pattern; `*` also covers dots and slashes.
pub fn matches(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let text: Vec<char> = text.chars().collect();
    fits(&pattern, &text)
}

fn fits(pattern: &[char], text: &[char]) -> bool {
    match pattern {
        [] => text.is_empty(),
        ['*', rest @ ..] => (0..=text.len()).any(|skip| fits(rest, &text[skip..])),
        ['?', rest @ ..] => !text.is_empty() && fits(rest, &text[1..]),
        ['[', rest @ ..] => {
            let Some(close) = rest.iter().skip(1).position(|c| *c == ']').map(|at| at + 1) else {
                return text.first() == Some(&'[') && fits(rest, &text[1..]);
            };
            let Some(first) = text.first() else {
                return false;
            };
            let (negated, set) = match rest[0] {
                '!' => (true, &rest[1..close]),
                _ => (false, &rest[..close]),
            };
            in_set(set, *first) != negated && fits(&rest[close + 1..], &text[1..])
        }
        [c, rest @ ..] => text.first() == Some(c) && fits(rest, &text[1..]),
    }
}

fn in_set(set: &[char], c: char) -> bool {
    match set {
        [from, '-', to, rest @ ..] => (*from..=*to).contains(&c) || in_set(rest, c),
        [one, rest @ ..] => *one == c || in_set(rest, c),
        [] => false,
    }
}

/// Whether a path fits the pattern, part by part; `**` covers any number of parts.
pub fn path(pattern: &str, path: &str) -> bool {
    let pattern: Vec<&str> = pattern.split('/').filter(|part| *part != ".").collect();
    let path: Vec<&str> = path.split('/').collect();
    path_fits(&pattern, &path)
}

fn path_fits(pattern: &[&str], path: &[&str]) -> bool {
    match pattern {
        [] => path.is_empty(),
        ["**", rest @ ..] => (0..=path.len()).any(|skip| path_fits(rest, &path[skip..])),
        [part, rest @ ..] => {
            path.first().is_some_and(|name| matches(part, name)) && path_fits(rest, &path[1..])
        }
    }
}

/// Whether a path, or a folder that it lies in, fits the pattern.
pub fn path_or_parent(pattern: &str, file: &str) -> bool {
    path(pattern, file)
        || file
            .match_indices('/')
            .any(|(at, _)| path(pattern, &file[..at]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_sets_and_folders() {
        assert!(matches("a*c", "abbc") && !matches("a*c", "abb"));
        assert!(matches("[a-c]?", "b1") && !matches("[!a-c]?", "b1"));
        assert!(path_or_parent("models/silver", "models/silver/x/a.sql"));
        assert!(path_or_parent("models/*/a.sql", "models/silver/a.sql"));
        assert!(path_or_parent("models/**/a.sql", "models/x/y/a.sql"));
        assert!(!path_or_parent("models/sil", "models/silver/a.sql"));
    }
}
