//! Ephemeral models: queries that are put into what reads them as common table expressions.

use std::collections::{BTreeMap, BTreeSet};

/// An ephemeral model's SQL, for its readers.
#[derive(Clone)]
pub struct Compiled {
    /// The name of its common table expression.
    pub name: String,
    /// Its query.
    pub sql: String,
    /// The unique ids of the ephemeral models that it reads.
    pub ephemeral: Vec<String>,
}

/// The name of a model's common table expression.
pub fn cte_name(model: &str) -> String {
    format!("__dbt__cte__{model}")
}

/// The SQL with the ephemeral models that it reads, and those that they read, before it.
pub fn with_ephemeral(
    sql: &str,
    ephemeral: &[String],
    compiled: &BTreeMap<String, Compiled>,
) -> String {
    let mut order: Vec<&Compiled> = Vec::new();
    let mut seen = BTreeSet::new();
    for unique_id in ephemeral {
        gather(unique_id, compiled, &mut seen, &mut order);
    }
    if order.is_empty() {
        return sql.to_owned();
    }
    let tables: Vec<String> = order
        .iter()
        .map(|model| format!("{} as (\n{}\n)", model.name, model.sql.trim()))
        .collect();
    let tables = tables.join(", ");
    let start = first_word(sql);
    let rest = &sql[start..];
    let is_word = |rest: &str, word: &str| {
        rest.get(..word.len())
            .is_some_and(|begin| begin.eq_ignore_ascii_case(word))
            && rest[word.len()..].starts_with(|c: char| c.is_whitespace())
    };
    if is_word(rest, "with") {
        let mut after = start + "with".len();
        let skipped = sql[after..].len() - sql[after..].trim_start().len();
        if is_word(&sql[after + skipped..], "recursive") {
            after += skipped + "recursive".len();
        }
        return format!("{} {tables}, {}", &sql[..after], sql[after..].trim_start());
    }
    format!("{}with {tables}\n{rest}", &sql[..start])
}

fn gather<'a>(
    unique_id: &'a str,
    compiled: &'a BTreeMap<String, Compiled>,
    seen: &mut BTreeSet<&'a str>,
    order: &mut Vec<&'a Compiled>,
) {
    let Some(model) = compiled.get(unique_id) else {
        return;
    };
    if !seen.insert(unique_id) {
        return;
    }
    for upstream in &model.ephemeral {
        gather(upstream, compiled, seen, order);
    }
    order.push(model);
}

/// Where the SQL begins, past spaces and comments.
fn first_word(sql: &str) -> usize {
    let mut at = 0;
    loop {
        at += sql[at..].len() - sql[at..].trim_start().len();
        let rest = &sql[at..];
        let skip = if rest.starts_with("--") {
            rest.find('\n').map(|end| end + 1)
        } else if rest.starts_with("/*") {
            rest.find("*/").map(|end| end + 2)
        } else {
            return at;
        };
        match skip {
            Some(skip) => at += skip,
            None => return at,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ephemeral_model_is_put_before_its_reader() {
        let mut compiled = BTreeMap::new();
        for (name, reads) in [("a", vec![]), ("b", vec!["a".to_owned()])] {
            let ephemeral = reads;
            compiled.insert(
                name.to_owned(),
                Compiled {
                    name: cte_name(name),
                    sql: format!("select '{name}'"),
                    ephemeral,
                },
            );
        }
        let reads = ["b".to_owned()];
        assert_eq!(
            with_ephemeral("-- c\nselect 1", &reads, &compiled),
            "-- c\nwith __dbt__cte__a as (\nselect 'a'\n), __dbt__cte__b as (\nselect 'b'\n)\nselect 1"
        );
        assert_eq!(
            with_ephemeral(
                "WITH x as (select 1) select 2",
                &["a".to_owned()],
                &compiled
            ),
            "WITH __dbt__cte__a as (\nselect 'a'\n), x as (select 1) select 2"
        );
        assert_eq!(with_ephemeral("select 1", &[], &compiled), "select 1");
    }
}
