//! The HTTP side of the embedded registry: paths, bodies and error codes of the Confluent API.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::store::{Found, Refusal, Store, Which};
use crate::wire::{self, code};
use crate::{Compatibility, Schema, SchemaType};

const CONTENT_TYPE: &str = "application/vnd.schemaregistry.v1+json";

#[derive(Clone)]
struct Shared(Arc<Mutex<Store>>);

impl Shared {
    /// The store never panics half-way through a change, so a poisoned lock holds a whole one.
    fn store(&self) -> MutexGuard<'_, Store> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) fn router() -> Router {
    Router::new()
        .route("/", get(async || json(&serde_json::Map::new())))
        .route("/subjects", get(subjects))
        .route("/subjects/{subject}", post(look_up))
        .route("/subjects/{subject}/versions", get(versions).post(register))
        .route("/subjects/{subject}/versions/{version}", get(version))
        .route("/schemas/ids/{id}", get(schema))
        .route("/schemas/types", get(async || json(&["AVRO", "JSON"])))
        .route("/config", get(level).put(set_level))
        .route(
            "/config/{subject}",
            get(subject_level).put(set_subject_level),
        )
        .route(
            "/compatibility/subjects/{subject}/versions/{version}",
            post(check),
        )
        .fallback(async || problem(404, 404, "HTTP 404 Not Found"))
        .with_state(Shared(Arc::new(Mutex::new(Store::new()))))
}

type Answer = Result<Response, Problem>;

/// An answer that is not a success.
struct Problem {
    status: u16,
    error_code: u32,
    message: String,
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).expect("the API's statuses are HTTP's");
        let body = wire::Failure {
            error_code: self.error_code,
            message: self.message,
        };
        respond(status, &body)
    }
}

async fn subjects(State(shared): State<Shared>) -> Response {
    json(&shared.store().subjects())
}

async fn register(
    State(shared): State<Shared>,
    Path(subject): Path<String>,
    body: Bytes,
) -> Answer {
    let (schema_type, text) = offered(&body)?;
    let id = shared
        .store()
        .register(&subject, schema_type, &text)
        .map_err(refuse)?;
    Ok(json(&wire::Registered { id }))
}

async fn look_up(State(shared): State<Shared>, Path(subject): Path<String>, body: Bytes) -> Answer {
    let (schema_type, text) = offered(&body)?;
    let store = shared.store();
    let found = store
        .look_up(&subject, schema_type, &text)
        .map_err(refuse)?;
    Ok(json(&described(&subject, found)))
}

async fn versions(State(shared): State<Shared>, Path(subject): Path<String>) -> Answer {
    Ok(json(&shared.store().versions(&subject).map_err(refuse)?))
}

async fn version(
    State(shared): State<Shared>,
    Path((subject, version)): Path<(String, String)>,
) -> Answer {
    let store = shared.store();
    let found = store.version(&subject, which(&version)?).map_err(refuse)?;
    Ok(json(&described(&subject, found)))
}

async fn schema(State(shared): State<Shared>, Path(id): Path<String>) -> Answer {
    let id: u32 = id.parse().map_err(|_| {
        problem(
            404,
            code::SCHEMA_NOT_FOUND,
            &format!("Schema {id} not found"),
        )
    })?;
    let store = shared.store();
    let found = store.schema(id).map_err(refuse)?;
    Ok(json(&wire::SchemaById {
        schema: found.text.clone(),
        schema_type: type_unless_avro(found),
        references: None,
    }))
}

async fn level(State(shared): State<Shared>) -> Response {
    level_answer(shared.store().level())
}

async fn set_level(State(shared): State<Shared>, body: Bytes) -> Answer {
    let level = offered_level(&body)?;
    shared.store().set_level(level);
    Ok(set_answer(level))
}

/// `defaultToGlobal=true` answers with the global level where the subject has none.
#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct LevelOptions {
    #[serde(default)]
    default_to_global: bool,
}

async fn subject_level(
    State(shared): State<Shared>,
    Path(subject): Path<String>,
    Query(options): Query<LevelOptions>,
) -> Answer {
    let store = shared.store();
    match store.subject_level(&subject) {
        Ok(level) => Ok(level_answer(level)),
        Err(_) if options.default_to_global => Ok(level_answer(store.level())),
        Err(refusal) => Err(refuse(refusal)),
    }
}

async fn set_subject_level(
    State(shared): State<Shared>,
    Path(subject): Path<String>,
    body: Bytes,
) -> Answer {
    let level = offered_level(&body)?;
    shared.store().set_subject_level(&subject, level);
    Ok(set_answer(level))
}

/// `verbose=true` adds the reasons.
#[derive(serde::Deserialize)]
struct CheckOptions {
    #[serde(default)]
    verbose: bool,
}

async fn check(
    State(shared): State<Shared>,
    Path((subject, version)): Path<(String, String)>,
    Query(options): Query<CheckOptions>,
    body: Bytes,
) -> Answer {
    let (schema_type, text) = offered(&body)?;
    let objections = shared
        .store()
        .check(&subject, which(&version)?, (schema_type, &text))
        .map_err(refuse)?;
    Ok(json(&wire::Checked {
        is_compatible: objections.is_empty(),
        messages: if options.verbose {
            objections
        } else {
            Vec::new()
        },
    }))
}

fn parsed<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    serde_json::from_slice(body).map_err(|e| {
        problem(
            422,
            code::INVALID_BODY,
            &format!("The request body is not understood: {e}"),
        )
    })
}

fn offered(body: &[u8]) -> Result<(SchemaType, String), Problem> {
    let offer: wire::Offer = parsed(body)?;
    let invalid = |message: &str| problem(422, code::INVALID_SCHEMA, message);
    if !offer.references.is_empty() {
        return Err(invalid(
            "Schemas that refer to others are not supported by the embedded registry",
        ));
    }
    let schema_type = match offer.schema_type.as_deref() {
        None | Some("AVRO") => SchemaType::Avro,
        Some("JSON") => SchemaType::Json,
        Some(other) => {
            return Err(invalid(&format!(
                "Schema type {other} is not supported; there are AVRO and JSON"
            )));
        }
    };
    Ok((schema_type, offer.schema))
}

fn offered_level(body: &[u8]) -> Result<Compatibility, Problem> {
    let offer: wire::SetCompatibility = parsed(body)?;
    let level = offer.compatibility.parse::<Compatibility>();
    level.map_err(|e| problem(422, code::INVALID_COMPATIBILITY, &e.to_string()))
}

fn which(version: &str) -> Result<Which, Problem> {
    match version {
        "latest" => Ok(Which::Latest),
        number => number.parse().map(Which::Number).map_err(|_| {
            let message =
                format!("`{number}` is no version: a number from 1 or `latest` is wanted");
            problem(422, code::INVALID_VERSION, &message)
        }),
    }
}

fn described(subject: &str, (version, schema): Found) -> wire::InSubject {
    wire::InSubject {
        subject: subject.to_owned(),
        id: schema.id,
        version,
        schema_type: type_unless_avro(schema),
        schema: schema.text.clone(),
        references: None,
    }
}

fn type_unless_avro(schema: &Schema) -> Option<String> {
    (schema.schema_type != SchemaType::Avro).then(|| schema.schema_type.name().to_owned())
}

fn level_answer(level: Compatibility) -> Response {
    json(&wire::CompatibilityLevel {
        compatibility_level: level.name().to_owned(),
    })
}

fn set_answer(level: Compatibility) -> Response {
    json(&wire::SetCompatibility {
        compatibility: level.name().to_owned(),
    })
}

fn refuse(refusal: Refusal) -> Problem {
    match refusal {
        Refusal::NoSubject(subject) => problem(
            404,
            code::SUBJECT_NOT_FOUND,
            &format!("Subject '{subject}' not found."),
        ),
        Refusal::NoVersion(subject, which) => {
            let which = match which {
                Which::Latest => "latest".to_owned(),
                Which::Number(number) => number.to_string(),
            };
            problem(
                404,
                code::VERSION_NOT_FOUND,
                &format!("Version {which} of subject '{subject}' not found."),
            )
        }
        Refusal::NoSchema(id) => problem(
            404,
            code::SCHEMA_NOT_FOUND,
            &format!("Schema {id} not found"),
        ),
        Refusal::NotInSubject(subject) => problem(
            404,
            code::SCHEMA_NOT_FOUND,
            &format!("Subject '{subject}' has no such schema."),
        ),
        Refusal::NoLevel(subject) => problem(
            404,
            code::CONFIG_NOT_FOUND,
            &format!("Subject '{subject}' has no compatibility of its own."),
        ),
        Refusal::Invalid(why) => {
            problem(422, code::INVALID_SCHEMA, &format!("Invalid schema: {why}"))
        }
        Refusal::Incompatible(objections) => {
            problem(409, code::INCOMPATIBLE, &objections.join("; "))
        }
    }
}

fn json<T: Serialize>(body: &T) -> Response {
    respond(StatusCode::OK, body)
}

fn problem(status: u16, error_code: u32, message: &str) -> Problem {
    Problem {
        status,
        error_code,
        message: message.to_owned(),
    }
}

fn respond<T: Serialize>(status: StatusCode, body: &T) -> Response {
    let body = serde_json::to_vec(body).expect("the API's bodies are plain JSON");
    (status, [(header::CONTENT_TYPE, CONTENT_TYPE)], body).into_response()
}
