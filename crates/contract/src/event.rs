//! The table of an event's fields, and the event.

use std::sync::LazyLock;

use crate::field::{Boolean, Double, Field, FieldType, Long, Optional, Text, Timestamp};
use crate::topic::Topic;

/// Where a field belongs: every topic, or one.
type Scope = Option<Topic>;
const EVERY_TOPIC: Scope = None;
const LISTEN: Scope = Some(Topic::Listen);
const AUTH: Scope = Some(Topic::Auth);
const STATUS_CHANGE: Scope = Some(Topic::StatusChange);

const fn belongs(scope: Scope, topic: Topic) -> bool {
    match scope {
        None => true,
        Some(only) => only.index() == topic.index(),
    }
}

macro_rules! fields {
    ($( $member:ident: $type:ty, $name:literal in $scope:ident, $doc:literal; )*) => {
        /// An event of any topic. Fields of other topics are ignored by the encoders.
        #[derive(Clone, Copy, Debug, Default, PartialEq)]
        pub struct Event<'a> {
            $( #[doc = $doc] pub $member: <$type as FieldType>::Value<'a>, )*
        }

        const TABLE: &[(Scope, Field)] = &[
            $( ($scope, Field {
                name: $name,
                kind: <$type as FieldType>::KIND,
                nullable: <$type as FieldType>::NULLABLE,
                doc: $doc,
            }), )*
        ];

        impl Event<'_> {
            /// Append the event as a bare Avro datum of its topic's schema.
            pub fn encode_avro(&self, out: &mut Vec<u8>) {
                let topic = self.topic();
                $( if belongs($scope, topic) {
                    <$type as FieldType>::avro(self.$member, out);
                } )*
            }

            /// Append the event as one JSON object of its topic's schema; absent fields are left out.
            pub fn encode_json(&self, out: &mut Vec<u8>) {
                let topic = self.topic();
                let start = out.len();
                $( if belongs($scope, topic) {
                    <$type as FieldType>::json(concat!(",\"", $name, "\":"), self.$member, out);
                } )*
                // Each field begins with a comma; the first one's place is the brace's.
                out[start] = b'{';
                out.push(b'}');
            }
        }
    };
}

fields! {
    event_id: Text, "eventId" in EVERY_TOPIC, "Identity of the event: a producer's second send has the same.";
    ts: Timestamp, "ts" in EVERY_TOPIC, "When it happened: milliseconds since 1970, UTC.";
    user_id: Optional<Long>, "userId" in EVERY_TOPIC, "The user, unless nobody is signed in.";
    session_id: Long, "sessionId" in EVERY_TOPIC, "The visit that the event is part of.";
    page: Text, "page" in EVERY_TOPIC, "The page or action.";
    auth: Text, "auth" in EVERY_TOPIC, "Guest, Logged In, Logged Out or Cancelled.";
    method: Text, "method" in EVERY_TOPIC, "The HTTP method: GET or PUT.";
    status: Long, "status" in EVERY_TOPIC, "The HTTP status.";
    level: Text, "level" in EVERY_TOPIC, "The subscription's level: free or paid.";
    item_in_session: Long, "itemInSession" in EVERY_TOPIC, "The event's number within its session, from 0.";
    city: Optional<Text>, "city" in EVERY_TOPIC, "The user's city.";
    zip: Optional<Text>, "zip" in EVERY_TOPIC, "The user's postal code.";
    state: Optional<Text>, "state" in EVERY_TOPIC, "The user's state, or country outside the United States.";
    lat: Optional<Double>, "lat" in EVERY_TOPIC, "Latitude of the user's place in degrees.";
    lon: Optional<Double>, "lon" in EVERY_TOPIC, "Longitude of the user's place in degrees.";
    user_agent: Optional<Text>, "userAgent" in EVERY_TOPIC, "The browser, as it names itself.";
    last_name: Optional<Text>, "lastName" in EVERY_TOPIC, "The user's last name.";
    first_name: Optional<Text>, "firstName" in EVERY_TOPIC, "The user's first name.";
    gender: Optional<Text>, "gender" in EVERY_TOPIC, "The user's gender: F or M.";
    registration: Optional<Timestamp>, "registration" in EVERY_TOPIC, "When the user registered.";
    tag: Optional<Text>, "tag" in EVERY_TOPIC, "The tag that the producer was given, such as a test group.";
    artist: Optional<Text>, "artist" in LISTEN, "The artist's name.";
    song: Optional<Text>, "song" in LISTEN, "The song's title.";
    duration: Optional<Double>, "duration" in LISTEN, "The song's length in seconds.";
    song_id: Optional<Text>, "songId" in LISTEN, "Identity of the song.";
    artist_id: Optional<Text>, "artistId" in LISTEN, "Identity of the artist.";
    success: Optional<Boolean>, "success" in AUTH, "Whether the sign-in or sign-out succeeded.";
    prev_level: Optional<Text>, "prevLevel" in STATUS_CHANGE, "The subscription's level before the change.";
}

impl Event<'_> {
    /// The one topic the event goes to, which its page decides.
    pub fn topic(&self) -> Topic {
        Topic::of_page(self.page)
    }
}

/// The fields of a topic, in the order in which they are written.
pub fn fields(topic: Topic) -> &'static [Field] {
    static FIELDS: LazyLock<[Vec<Field>; 4]> = LazyLock::new(|| {
        Topic::ALL.map(|topic| {
            TABLE
                .iter()
                .filter(|(scope, _)| belongs(*scope, topic))
                .map(|(_, field)| *field)
                .collect()
        })
    });
    &FIELDS[topic.index()]
}
