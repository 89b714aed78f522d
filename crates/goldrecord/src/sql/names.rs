//! A table that a query names and that is not there: the nearest one, or why there is none.

use datafusion::common::utils::datafusion_strsim::normalized_levenshtein;
use datafusion::prelude::SessionContext;

use super::UNQUALIFIED;
use crate::Error;

/// How alike two names are at least, if one is proposed for the other.
const ALIKE: f64 = 0.6;

/// The error, with the name that may have been meant.
pub fn explain(context: &SessionContext, error: Error) -> Error {
    let Error::Query(why) = &error else {
        return error;
    };
    let Some(table) = why
        .strip_prefix("table 'lake.")
        .and_then(|rest| rest.strip_suffix("' not found"))
    else {
        return error;
    };
    let table = table
        .strip_prefix(UNQUALIFIED)
        .and_then(|rest| rest.strip_prefix('.'))
        .unwrap_or(table);
    let tables = tables(context);
    let hint = if let Some(near) = nearest(table, &tables) {
        format!("did you mean `{near}`?")
    } else if tables.iter().all(|table| table.starts_with("bronze")) {
        "no build is published yet, so there are only bronze tables".into()
    } else {
        "`show tables` lists what there is".into()
    };
    Error::Query(format!("no table `{table}`: {hint}"))
}

/// Every table as `schema.name`.
fn tables(context: &SessionContext) -> Vec<String> {
    let mut tables = Vec::new();
    for catalog in context.catalog_names() {
        let Some(catalog) = context.catalog(&catalog) else {
            continue;
        };
        for schema in catalog.schema_names() {
            if matches!(schema.as_str(), "information_schema" | UNQUALIFIED) {
                continue;
            }
            let names = catalog.schema(&schema).map(|schema| schema.table_names());
            tables.extend(
                names
                    .into_iter()
                    .flatten()
                    .map(|name| format!("{schema}.{name}")),
            );
        }
    }
    tables
}

/// The table that is spelled most alike, or has the same name in another schema.
fn nearest<'a>(wanted: &str, tables: &'a [String]) -> Option<&'a str> {
    let bare = |table: &str| {
        table
            .rsplit_once('.')
            .map_or(table, |(_, name)| name)
            .to_owned()
    };
    tables
        .iter()
        .map(|table| {
            let whole = normalized_levenshtein(wanted, table);
            let name = normalized_levenshtein(&bare(wanted), &bare(table));
            // The same schema decides between the same names.
            (name + whole / 100.0, table)
        })
        .filter(|(alike, _)| *alike >= ALIKE)
        .max_by(|(one, _), (other, _)| one.total_cmp(other))
        .map(|(_, table)| table.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_table_is_proposed() {
        let tables = [
            "gold.listening_hourly",
            "silver.fct_listens",
            "gold.errors_daily",
        ]
        .map(String::from);
        assert_eq!(
            nearest("gold.listening_hourl", &tables),
            Some("gold.listening_hourly")
        );
        assert_eq!(
            nearest("gold.fct_listens", &tables),
            Some("silver.fct_listens")
        );
        assert_eq!(nearest("gold.weather", &tables), None);
    }
}
