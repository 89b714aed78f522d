//! What a hook's statement would do, by its words.

/// What becomes of a statement in a lake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It reads, and is run.
    Reads,
    /// There is nothing like it in a lake: it is left out.
    Meaningless,
    /// It would change data, and is refused; this is what to do instead.
    Changes(&'static str),
}

const READS: &[&str] = &["select", "with", "explain", "show", "describe", "values"];
const MEANINGLESS: &[&str] = &[
    "grant",
    "revoke",
    "analyze",
    "vacuum",
    "optimize",
    "comment",
    "set",
    "reset",
    "use",
    "pragma",
    "begin",
    "start",
    "commit",
    "rollback",
    "checkpoint",
    "cluster",
    "install",
    "load",
    "refresh",
    "lock",
    "msck",
    "deny",
];
/// What `create` and `alter` may name without touching data.
const NO_DATA: &[&str] = &[
    "schema",
    "database",
    "extension",
    "index",
    "role",
    "user",
    "group",
    "session",
    "system",
    "warehouse",
];
/// What comes between `create` and what is created.
const ADJECTIVES: &[&str] = &[
    "or",
    "replace",
    "if",
    "not",
    "exists",
    "unique",
    "temporary",
    "temp",
];

/// What a statement does.
pub fn effect(statement: &str) -> Effect {
    // A query may stand in brackets.
    let words = words(statement.trim_start_matches(['(', ' ', '\n']));
    let mut words = words.iter().map(String::as_str);
    let verb = words.next().unwrap_or_default();
    match verb {
        "with" | "explain" => words
            .find_map(changes)
            .map_or(Effect::Reads, Effect::Changes),
        _ if READS.contains(&verb) => Effect::Reads,
        _ if MEANINGLESS.contains(&verb) => Effect::Meaningless,
        "create" | "alter" => {
            let what = words
                .find(|word| !ADJECTIVES.contains(word))
                .unwrap_or_default();
            if NO_DATA.contains(&what) {
                Effect::Meaningless
            } else {
                Effect::Changes(match (verb, what) {
                    ("create", "function" | "macro") => "write it as a macro of the project",
                    ("create", _) => "make it a model of its own",
                    _ => "change the model's SQL: its table follows",
                })
            }
        }
        _ => Effect::Changes(
            changes(verb)
                .unwrap_or("a hook may read, and nothing else: put what it does into a model"),
        ),
    }
}

/// What to do instead of a statement that begins with such a word; `None` for other words.
fn changes(word: &str) -> Option<&'static str> {
    Some(match word {
        "insert" => "put these rows into the model's SQL (`union all`), or into a seed",
        "update" => "compute the value in the model's SQL",
        "delete" => "leave these rows out in the model's SQL (`where`)",
        "merge" => "use an incremental model with `incremental_strategy='merge'`",
        "drop" => {
            "leave it out: the engine replaces its tables itself, and keeps those that others read"
        }
        "truncate" => "leave it out: a model's table is replaced as a whole when it has to be",
        "copy" => "make the file a seed, or its rows a source",
        _ => return None,
    })
}

/// The words of a statement outside of brackets, texts, quoted names and comments, in lower case.
fn words(statement: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut depth = 0_usize;
    for piece in pieces(statement) {
        match piece {
            Piece::Char(c) if depth == 0 && (c.is_alphanumeric() || c == '_') => {
                words
                    .last_mut()
                    .expect("one is begun")
                    .extend(c.to_lowercase());
            }
            other => {
                match other {
                    Piece::Char('(') => depth += 1,
                    Piece::Char(')') => depth = depth.saturating_sub(1),
                    _ => {}
                }
                words.push(String::new());
            }
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// The statements of a hook: those between semicolons that hold more than comments.
pub fn statements(sql: &str) -> Vec<String> {
    let mut found = vec![String::new()];
    for piece in pieces(sql) {
        match piece {
            Piece::Char(';') => found.push(String::new()),
            Piece::Char(c) => found.last_mut().expect("one is begun").push(c),
            Piece::Quoted(text) => found.last_mut().expect("one is begun").push_str(text),
            Piece::Comment => found.last_mut().expect("one is begun").push(' '),
        }
    }
    found
        .into_iter()
        .map(|statement| statement.trim().to_owned())
        .filter(|statement| !statement.is_empty())
        .collect()
}

enum Piece<'a> {
    Char(char),
    /// A text or a quoted name, with its quotes.
    Quoted(&'a str),
    Comment,
}

fn pieces(sql: &str) -> impl Iterator<Item = Piece<'_>> {
    let mut rest = sql;
    std::iter::from_fn(move || {
        let c = rest.chars().next()?;
        let until = |from: usize, end: &str| {
            rest[from..]
                .find(end)
                .map_or(rest.len(), |at| from + at + end.len())
        };
        let (length, piece) = match c {
            '\'' | '"' => {
                let end = until(1, &c.to_string());
                (end, Piece::Quoted(&rest[..end]))
            }
            '-' if rest.starts_with("--") => (until(2, "\n"), Piece::Comment),
            '/' if rest.starts_with("/*") => (until(2, "*/"), Piece::Comment),
            c => (c.len_utf8(), Piece::Char(c)),
        };
        rest = &rest[length..];
        Some(piece)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_end_at_semicolons_outside_of_texts_and_comments() {
        let sql = "-- first; not\nselect 'a;b', \"c;d\" /* ; */ ; \n grant x ;;";
        assert_eq!(statements(sql), ["select 'a;b', \"c;d\"", "grant x"]);
        assert_eq!(statements(" -- nothing\n;"), Vec::<String>::new());
        assert_eq!(statements("select 'it''s; fine'"), ["select 'it''s; fine'"]);
    }

    #[test]
    fn what_reads_runs_and_what_means_nothing_is_left_out() {
        for sql in [
            "SELECT 1",
            "(select 1)",
            "with a as (select 'insert') select * from a",
            "explain select 1",
            "select \"delete\" from t",
        ] {
            assert_eq!(effect(sql), Effect::Reads, "{sql}");
        }
        for sql in [
            "grant select on x to y",
            "ANALYZE x",
            "vacuum",
            "comment on table x is 'insert'",
            "create schema if not exists x",
            "create unique index on x (y)",
            "alter session set a = 1",
            "set timezone = 'UTC'",
        ] {
            assert_eq!(effect(sql), Effect::Meaningless, "{sql}");
        }
    }

    #[test]
    fn what_changes_data_is_refused_with_what_to_do_instead() {
        for (sql, mend) in [
            ("insert into log values (1)", "seed"),
            (
                "with a as (select 1) insert into b select * from a",
                "union all",
            ),
            ("explain analyze delete from x", "where"),
            (
                "create or replace table x as select 1",
                "a model of its own",
            ),
            ("create temp view x as select 1", "a model of its own"),
            ("alter table x add column y int", "its table follows"),
            ("drop table x", "leave it out"),
            ("truncate x", "leave it out"),
            ("copy x from 's3://y'", "seed"),
            ("call do_it()", "may read, and nothing else"),
        ] {
            let Effect::Changes(instead) = effect(sql) else {
                panic!("{sql} changes data");
            };
            assert!(instead.contains(mend), "{sql}: {instead}");
        }
    }
}
