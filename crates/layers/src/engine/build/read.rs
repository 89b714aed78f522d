//! What a test read when it found nothing: its query, and the rows of each table, in short. A build's closing row keeps it.

use std::fmt;

/// A test's query, and its tables in the order of their names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read {
    /// The query, in short.
    pub query: String,
    /// The tables.
    pub tables: Vec<Rows>,
}

/// A table as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rows {
    /// Its version.
    pub version: i64,
    /// Its columns and files, in short.
    pub files: String,
}

impl Read {
    /// The places of the tables whose rows are others than then; `None` where the query is another.
    pub fn changed_since(&self, then: &Self) -> Option<Vec<usize>> {
        if self.query != then.query || self.tables.len() != then.tables.len() {
            return None;
        }
        let tables = self.tables.iter().zip(&then.tables).enumerate();
        Some(
            tables
                .filter(|(_, (now, then))| now.files != then.files)
                .map(|(place, _)| place)
                .collect(),
        )
    }

    /// Read what [`fmt::Display`] wrote.
    pub fn parse(text: &str) -> Option<Self> {
        let mut words = text.split(' ');
        let query = words.next()?.to_owned();
        let tables = words
            .map(|word| {
                let (version, files) = word.split_once(':')?;
                Some(Rows {
                    version: version.parse().ok()?,
                    files: files.to_owned(),
                })
            })
            .collect::<Option<Vec<Rows>>>()?;
        Some(Self { query, tables })
    }
}

impl fmt::Display for Read {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.query)?;
        for table in &self.tables {
            write!(f, " {}:{}", table.version, table.files)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str, tables: &[(i64, &str)]) -> Read {
        Read {
            query: query.to_owned(),
            tables: tables
                .iter()
                .map(|(version, files)| Rows {
                    version: *version,
                    files: (*files).to_owned(),
                })
                .collect(),
        }
    }

    #[test]
    fn a_version_with_the_same_files_is_no_change() {
        let then = read("q", &[(3, "a"), (7, "b")]);
        let now = |query, tables: &[(i64, &str)]| read(query, tables).changed_since(&then);
        assert_eq!(now("q", &[(4, "a"), (7, "b")]), Some(vec![]));
        assert_eq!(now("q", &[(3, "a"), (8, "c")]), Some(vec![1]));
        assert_eq!(now("q", &[(4, "d"), (8, "c")]), Some(vec![0, 1]));
        assert_eq!(now("r", &[(3, "a"), (7, "b")]), None);
        assert_eq!(now("q", &[(3, "a")]), None);
    }

    #[test]
    fn what_is_written_is_read_again_and_nothing_else() {
        for tables in [&[][..], &[(0, "a")], &[(3, "a"), (-1, "b")]] {
            let read = read("q", tables);
            assert_eq!(Read::parse(&read.to_string()), Some(read));
        }
        assert_eq!(Read::parse("q 3"), None);
        assert_eq!(Read::parse("q x:a"), None);
    }
}
