//! The names of files in a table's log.

/// The folder of the log, in the table's folder.
pub(crate) const LOG_FOLDER: &str = "_delta_log";

/// The hint that names the newest checkpoint.
pub(crate) fn last_checkpoint(table: &str) -> String {
    format!("{table}/{LOG_FOLDER}/_last_checkpoint")
}

/// The commit of a version.
pub(crate) fn commit(table: &str, version: i64) -> String {
    format!("{table}/{LOG_FOLDER}/{version:020}.json")
}

/// The checkpoint of a version.
pub(crate) fn checkpoint(table: &str, version: i64) -> String {
    format!("{table}/{LOG_FOLDER}/{version:020}.checkpoint.parquet")
}

/// How the names of temporary files begin. The leading dot hides them from every Delta reader.
pub(crate) const TEMPORARY: &str = ".tmp-";

/// A file that is to be renamed.
pub(crate) fn temporary(table: &str, uuid: &str) -> String {
    format!("{table}/{LOG_FOLDER}/{TEMPORARY}{uuid}")
}

/// What a name in the log's folder stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Name {
    Commit(i64),
    Checkpoint(i64),
}

/// Reads a name; others (hints, temporary files, checksums, checkpoints in parts) are none of ours to read.
pub(crate) fn parse(name: &str) -> Option<Name> {
    let (digits, rest) = name.split_at_checked(20)?;
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let version = digits.parse().ok()?;
    match rest {
        ".json" => Some(Name::Commit(version)),
        ".checkpoint.parquet" => Some(Name::Checkpoint(version)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        let name = |path: String| path.rsplit('/').next().map(str::to_owned).expect("a name");
        assert_eq!(parse(&name(commit("t", 7))), Some(Name::Commit(7)));
        assert_eq!(
            parse(&name(checkpoint("t", 100))),
            Some(Name::Checkpoint(100))
        );
        for other in [
            "_last_checkpoint",
            ".tmp-abc",
            "00000000000000000007.crc",
            "7.json",
            "",
        ] {
            assert_eq!(parse(other), None, "{other}");
        }
    }
}
