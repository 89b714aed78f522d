//! Names and texts in `ClickHouse`'s SQL.

/// A name in backquotes.
pub fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('\\', "\\\\").replace('`', "\\`"))
}

/// A text in single quotes.
pub fn text(value: &str) -> String {
    format!("'{}'", value.replace('\\', "\\\\").replace('\'', "\\'"))
}

/// The databases of a loader: what readers see, and where the rows lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    /// The database of views and releases.
    pub readers: String,
    /// The database of rows.
    pub data: String,
}

impl Names {
    /// The names for the database that readers see.
    pub fn of(database: &str) -> Self {
        Self {
            readers: database.to_owned(),
            data: format!("{database}_data"),
        }
    }

    /// The view that readers see.
    pub fn view(&self, table: &str) -> String {
        format!("{}.{}", quoted(&self.readers), quoted(table))
    }

    /// The table that holds the rows.
    pub fn rows(&self, table: &str) -> String {
        format!("{}.{}", quoted(&self.data), quoted(table))
    }

    /// The table that holds the rows, for people.
    pub fn shown(&self, table: &str) -> String {
        format!("{}.{table}", self.data)
    }

    /// The list of releases.
    pub fn releases(&self) -> String {
        format!("{}.`_releases`", quoted(&self.readers))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_in_names_and_texts_stay_inside() {
        assert_eq!(quoted("a`b\\"), "`a\\`b\\\\`");
        assert_eq!(text("it's"), "'it\\'s'");
        assert_eq!(Names::of("gold").rows("t"), "`gold_data`.`t`");
    }
}
