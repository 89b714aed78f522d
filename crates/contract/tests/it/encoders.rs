//! What is encoded is what a reader that shares no code with us decodes.

use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value as Avro;
use goldrecord_contract::{Event, Kind, Topic, avro_schema, fields};
use proptest::prelude::*;
use serde_json::{Value as Json, json};

const PAGES: &[&str] = &[
    "NextSong",
    "Home",
    "Error",
    "Login",
    "Logout",
    "Submit Upgrade",
    "Submit Registration",
];

/// The text that an event borrows.
#[derive(Clone, Debug)]
struct Owned {
    text: Vec<String>,
    optional_text: Vec<Option<String>>,
    long: Vec<i64>,
    optional_long: Vec<Option<i64>>,
    double: Vec<Option<f64>>,
    success: Option<bool>,
    page: usize,
}

impl Owned {
    fn event(&self) -> Event<'_> {
        let optional = |at: usize| self.optional_text[at].as_deref();
        Event {
            event_id: &self.text[0],
            ts: self.long[0],
            user_id: self.optional_long[0],
            session_id: self.long[1],
            page: PAGES[self.page],
            auth: &self.text[1],
            method: &self.text[2],
            status: self.long[2],
            level: &self.text[3],
            item_in_session: self.long[3],
            city: optional(0),
            zip: optional(1),
            state: optional(2),
            lat: self.double[0],
            lon: self.double[1],
            user_agent: optional(3),
            last_name: optional(4),
            first_name: optional(5),
            gender: optional(6),
            registration: self.optional_long[1],
            tag: optional(7),
            artist: optional(8),
            song: optional(9),
            duration: self.double[2],
            song_id: optional(10),
            artist_id: optional(11),
            success: self.success,
            prev_level: optional(12),
        }
    }
}

fn any_event() -> impl Strategy<Value = Owned> {
    let text = prop_oneof!["\\PC*", any::<String>(), "[\\x00-\\x7f\"\\\\]*"].boxed();
    let double = prop_oneof![
        any::<f64>(),
        Just(f64::NAN),
        Just(f64::INFINITY),
        -180.0..180.0_f64
    ];
    (
        prop::collection::vec(text.clone(), 4),
        prop::collection::vec(prop::option::of(text), 13),
        prop::collection::vec(any::<i64>(), 4),
        prop::collection::vec(any::<Option<i64>>(), 2),
        prop::collection::vec(prop::option::of(double), 3),
        any::<Option<bool>>(),
        0..PAGES.len(),
    )
        .prop_map(
            |(text, optional_text, long, optional_long, double, success, page)| Owned {
                text,
                optional_text,
                long,
                optional_long,
                double,
                success,
                page,
            },
        )
}

/// Each field's value as JSON, written out by hand.
fn expected(event: &Event<'_>, name: &str) -> Json {
    match name {
        "eventId" => json!(event.event_id),
        "ts" => json!(event.ts),
        "userId" => json!(event.user_id),
        "sessionId" => json!(event.session_id),
        "page" => json!(event.page),
        "auth" => json!(event.auth),
        "method" => json!(event.method),
        "status" => json!(event.status),
        "level" => json!(event.level),
        "itemInSession" => json!(event.item_in_session),
        "city" => json!(event.city),
        "zip" => json!(event.zip),
        "state" => json!(event.state),
        "lat" => json!(event.lat),
        "lon" => json!(event.lon),
        "userAgent" => json!(event.user_agent),
        "lastName" => json!(event.last_name),
        "firstName" => json!(event.first_name),
        "gender" => json!(event.gender),
        "registration" => json!(event.registration),
        "tag" => json!(event.tag),
        "artist" => json!(event.artist),
        "song" => json!(event.song),
        "duration" => json!(event.duration),
        "songId" => json!(event.song_id),
        "artistId" => json!(event.artist_id),
        "success" => json!(event.success),
        "prevLevel" => json!(event.prev_level),
        other => panic!("say here what {other} should be"),
    }
}

/// A decoded Avro value as JSON. Numbers that JSON lacks become null, as in `expected`.
fn as_json(value: Avro) -> Json {
    match value {
        Avro::Null => Json::Null,
        Avro::Union(_, inner) => as_json(*inner),
        Avro::Long(value) | Avro::TimestampMillis(value) => json!(value),
        Avro::Double(value) => json!(value),
        Avro::Boolean(value) => json!(value),
        Avro::String(value) => json!(value),
        other => panic!("{other:?} is no kind of field"),
    }
}

proptest! {
    #[test]
    fn avro_decodes_to_the_same_values(owned in any_event()) {
        let event = owned.event();
        let schema = Schema::parse_str(&avro_schema(event.topic())).expect("a valid schema");
        let mut bytes = Vec::new();
        event.encode_avro(&mut bytes);
        let mut rest = bytes.as_slice();
        let reader = GenericDatumReader::builder(&schema).build().expect("a reader");
        let decoded = reader.read_value(&mut rest).expect("a datum of the schema");
        prop_assert!(rest.is_empty());
        let Avro::Record(values) = decoded else { panic!("not a record") };
        for (name, value) in values {
            prop_assert_eq!(as_json(value), expected(&event, &name), "{}", name);
        }
    }

    #[test]
    fn json_parses_to_the_same_values(owned in any_event()) {
        let event = owned.event();
        let mut bytes = Vec::new();
        event.encode_json(&mut bytes);
        let parsed: Json = serde_json::from_slice(&bytes).expect("valid JSON");
        let known = fields(event.topic());
        for field in known {
            let value = &parsed[field.name];
            let wanted = expected(&event, field.name);
            if field.kind == Kind::Double {
                // serde_json reads decimal numbers a last digit wrong; Rust's own parser does not.
                let exact = value.as_f64().zip(wanted.as_f64()).is_none_or(|(a, b)| (a - b).abs() <= b.abs() * 1e-15);
                prop_assert!(exact && value.is_null() == wanted.is_null(), "{} {} {}", field.name, value, wanted);
            } else {
                prop_assert_eq!(value, &wanted, "{}", field.name);
            }
        }
        for name in parsed.as_object().expect("an object").keys() {
            prop_assert!(known.iter().any(|field| field.name == name), "{} is not in the schema", name);
        }
    }
}

#[test]
fn each_topic_writes_its_own_fields_only() {
    for (page, topic) in [
        ("NextSong", Topic::Listen),
        ("Login", Topic::Auth),
        ("Home", Topic::PageView),
    ] {
        let event = Event {
            page,
            success: Some(true),
            song: Some("s"),
            prev_level: Some("free"),
            ..Event::default()
        };
        assert_eq!(event.topic(), topic);
        let mut bytes = Vec::new();
        event.encode_json(&mut bytes);
        let text = String::from_utf8(bytes).expect("JSON is UTF-8");
        assert_eq!(text.contains("\"song\""), topic == Topic::Listen, "{text}");
        assert_eq!(text.contains("\"success\""), topic == Topic::Auth, "{text}");
        assert!(!text.contains("prevLevel"), "{text}");
    }
}
