//! One line of the original `EventSim`.

use std::borrow::Cow;

use goldrecord_contract::{Event, Topic};
use serde::Deserialize;

use super::success;

/// The line's object, borrowing its texts where they hold no escapes.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Line<'a> {
    ts: i64,
    #[serde(borrow)]
    user_id: Cow<'a, str>,
    session_id: i64,
    #[serde(borrow)]
    page: Cow<'a, str>,
    #[serde(borrow)]
    auth: Cow<'a, str>,
    #[serde(borrow)]
    method: Cow<'a, str>,
    status: i64,
    #[serde(borrow)]
    level: Cow<'a, str>,
    item_in_session: i64,
    #[serde(borrow, default)]
    location: Option<Text<'a>>,
    #[serde(borrow, default)]
    user_agent: Option<Text<'a>>,
    #[serde(borrow, default)]
    last_name: Option<Text<'a>>,
    #[serde(borrow, default)]
    first_name: Option<Text<'a>>,
    registration: Option<i64>,
    #[serde(borrow, default)]
    gender: Option<Text<'a>>,
    #[serde(borrow, default)]
    tag: Option<Text<'a>>,
    #[serde(borrow, default)]
    artist: Option<Text<'a>>,
    #[serde(borrow, default)]
    song: Option<Text<'a>>,
    length: Option<f64>,
}

/// A text inside an `Option`, where serde would otherwise copy it.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'a> Line<'a> {
    /// Read a line, or say what is wrong with it.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, String> {
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return Err("the line is empty; remove it".into());
        }
        serde_json::from_slice(bytes).map_err(|error| {
            if error.is_eof() {
                return "the line is cut off; fetch the file again, or remove the line".into();
            }
            // The parser counts lines itself; here it only ever sees one.
            let text = error.to_string();
            let problem = text.split(" at line ").next().unwrap_or(&text);
            format!(
                "{problem} (column {}); mend or remove the line",
                error.column()
            )
        })
    }

    /// The event, but for its id and the level before it.
    pub fn event(&self) -> Result<Event<'_>, String> {
        let user_id =
            match self.user_id.as_ref() {
                "" => None,
                text => Some(text.parse().map_err(|_| {
                    format!("userId `{text}` is no number; mend or remove the line")
                })?),
            };
        // 0 to the year 9999: what a date can be made of.
        if !(0..253_402_300_800_000).contains(&self.ts) {
            return Err(format!(
                "ts {} is no time in milliseconds since 1970; mend or remove the line",
                self.ts
            ));
        }
        let (city, state) = match &self.location {
            None => (None, None),
            Some(Text(location)) => match location.rsplit_once(", ") {
                Some((city, state)) => (Some(city), Some(state)),
                None => (Some(location.as_ref()), None),
            },
        };
        Ok(Event {
            ts: self.ts,
            user_id,
            session_id: self.session_id,
            page: &self.page,
            auth: &self.auth,
            method: &self.method,
            status: self.status,
            level: &self.level,
            item_in_session: self.item_in_session,
            city,
            state,
            user_agent: borrowed(self.user_agent.as_ref()),
            last_name: borrowed(self.last_name.as_ref()),
            first_name: borrowed(self.first_name.as_ref()),
            gender: borrowed(self.gender.as_ref()),
            registration: self.registration,
            tag: borrowed(self.tag.as_ref()),
            artist: borrowed(self.artist.as_ref()),
            song: borrowed(self.song.as_ref()),
            duration: self.length,
            success: success(Topic::of_page(&self.page), self.status),
            ..Event::default()
        })
    }
}

fn borrowed<'t>(text: Option<&'t Text<'_>>) -> Option<&'t str> {
    text.map(|Text(text)| text.as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOME: &str = r#"{"ts":1790812806000,"userId":"877","sessionId":9294,"page":"Home","auth":"Logged In","method":"GET","status":200,"level":"paid","itemInSession":20,"location":"St. Louis, MO-IL","userAgent":"\"Mozilla/5.0\"","lastName":"A","firstName":"B","registration":1767577634000,"gender":"F"}"#;

    fn refusal(from: &str, to: &str) -> String {
        let text = HOME.replacen(from, to, 1);
        let line = Line::parse(text.as_bytes());
        line.and_then(|line| line.event().map(|_| ()))
            .expect_err("a refusal")
    }

    #[test]
    fn a_location_is_a_city_and_a_state() {
        let line = Line::parse(HOME.as_bytes()).expect("a line");
        let event = line.event().expect("an event");
        assert_eq!(
            (event.city, event.state),
            (Some("St. Louis"), Some("MO-IL"))
        );
        assert_eq!(event.user_id, Some(877));
        assert_eq!(event.user_agent, Some("\"Mozilla/5.0\""));
        assert_eq!((event.zip, event.song, event.success), (None, None, None));
    }

    #[test]
    fn a_visitor_has_no_user_id() {
        let text = HOME.replace("\"877\"", "\"\"");
        let line = Line::parse(text.as_bytes()).expect("a line");
        assert_eq!(line.event().expect("an event").user_id, None);
    }

    #[test]
    fn what_is_wrong_with_a_line_is_said() {
        assert!(refusal("877", "x9").contains("userId `x9` is no number"));
        assert!(refusal("\"page\":\"Home\",", "").contains("missing field `page`"));
        assert!(refusal("\"gender\"", "\"sex\"").contains("unknown field `sex`"));
        assert!(refusal("1790812806000", "\"now\"").contains("invalid type"));
        assert!(refusal("1790812806000", "-5").contains("no time"));
        let cut = Line::parse(&HOME.as_bytes()[..50]).expect_err("cut off");
        assert!(cut.contains("cut off"), "{cut}");
        assert!(Line::parse(b"  ").expect_err("empty").contains("empty"));
    }
}
