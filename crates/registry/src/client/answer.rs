//! What an answer of the registry means.

use serde::de::DeserializeOwned;

use crate::error::ErrorCode;
use crate::{Error, Result, Schema, SchemaType, wire};

/// Reads an answer that is not to be asked for again.
pub(super) fn read<T: DeserializeOwned>(
    status: u16,
    text: &str,
    what: &str,
    url: &str,
) -> Result<T> {
    let (what, url) = (what.to_owned(), url.to_owned());
    if (200..300).contains(&status) {
        return serde_json::from_str(text).map_err(|e| Error::NotARegistry {
            what,
            url,
            reason: format!("{e} in `{}`", beginning(text)),
        });
    }
    let (code, message) = failure(text);
    Err(match (status, code.0) {
        (404, Some(40400..=40499)) => Error::Unknown {
            what,
            url,
            code,
            message,
        },
        // A registry numbers what it does not have. Another 404 means that the path is wrong.
        (404, _) => Error::NotARegistry {
            what,
            url,
            reason: format!("404: {message}"),
        },
        (409, _) => Error::Incompatible { what, url, message },
        _ => Error::Refused {
            what,
            url,
            status,
            code,
            message,
        },
    })
}

/// The registry's own code and words, or the beginning of what came instead.
pub(super) fn failure(text: &str) -> (ErrorCode, String) {
    match serde_json::from_str::<wire::Failure>(text) {
        Ok(failure) => (ErrorCode(Some(failure.error_code)), failure.message),
        Err(_) => (ErrorCode(None), beginning(text).to_owned()),
    }
}

fn beginning(text: &str) -> &str {
    const SHOWN: usize = 200;
    text.char_indices()
        .nth(SHOWN)
        .map_or(text, |(end, _)| &text[..end])
}

pub(super) fn readable(
    id: u32,
    text: String,
    schema_type: Option<&str>,
    references: Option<Vec<wire::Reference>>,
    what: &str,
    url: &str,
) -> Result<Schema> {
    let references = references.unwrap_or_default();
    if !references.is_empty() {
        let names: Vec<String> = references.into_iter().map(|r| r.name).collect();
        return Err(Error::ReferencesUnsupported {
            what: what.to_owned(),
            url: url.to_owned(),
            names: names.join(", "),
        });
    }
    let schema_type = match schema_type {
        None | Some("AVRO") => SchemaType::Avro,
        Some("JSON") => SchemaType::Json,
        Some(other) => {
            return Err(Error::UnsupportedType {
                what: what.to_owned(),
                url: url.to_owned(),
                schema_type: other.to_owned(),
            });
        }
    };
    Ok(Schema {
        id,
        schema_type,
        text,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, text: &str) -> Error {
        read::<wire::SchemaById>(status, text, "schema id 7", "http://registry/schemas/ids/7")
            .expect_err("no schema")
    }

    #[test]
    fn a_registry_that_does_not_have_the_id_is_told_from_a_wrong_path() {
        let unknown = answer(
            404,
            r#"{"error_code":40403,"message":"Schema 7 not found"}"#,
        );
        assert!(unknown.is_unknown() && !unknown.is_unavailable());
        for wrong_path in [
            "<html>nginx</html>",
            r#"{"error_code":0,"message":"no resource"}"#,
        ] {
            let error = answer(404, wrong_path);
            assert!(error.is_unavailable(), "{error}");
        }
    }

    #[test]
    fn an_answer_of_another_kind_of_server_is_quoted() {
        let error = answer(200, "<html>hello</html>");
        assert!(error.is_unavailable());
        assert!(error.to_string().contains("<html>hello"), "{error}");
    }

    #[test]
    fn references_and_foreign_types_are_refused_by_name() {
        let reference = wire::Reference {
            name: "com.example.Song".into(),
            subject: "song".into(),
        };
        let error = readable(
            7,
            "{}".into(),
            None,
            Some(vec![reference]),
            "schema id 7",
            "http://r",
        )
        .expect_err("refused");
        assert!(error.to_string().contains("com.example.Song") && !error.is_unavailable());
        let error = readable(
            7,
            "{}".into(),
            Some("PROTOBUF"),
            None,
            "schema id 7",
            "http://r",
        )
        .expect_err("refused");
        assert!(error.to_string().contains("PROTOBUF") && !error.is_unavailable());
    }
}
