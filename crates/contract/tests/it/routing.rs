//! Which page goes to which topic.

use goldrecord_contract::Topic;
use proptest::prelude::*;

const LISTEN: &[&str] = &["NextSong"];
const AUTH: &[&str] = &["Login", "Logout"];
const STATUS_CHANGE: &[&str] = &[
    "Submit Upgrade",
    "Submit Downgrade",
    "Submit Registration",
    "Cancellation Confirmation",
];

#[test]
fn named_pages_go_to_their_topics() {
    for (pages, topic) in [
        (LISTEN, Topic::Listen),
        (AUTH, Topic::Auth),
        (STATUS_CHANGE, Topic::StatusChange),
    ] {
        for page in pages {
            assert_eq!(Topic::of_page(page), topic, "{page}");
        }
    }
}

#[test]
fn topics_are_found_by_their_names_only() {
    for (index, topic) in Topic::ALL.into_iter().enumerate() {
        assert_eq!(Topic::from_name(topic.name()), Some(topic));
        assert_eq!(topic.index(), index);
    }
    assert_eq!(Topic::from_name("listen"), None);
}

proptest! {
    #[test]
    fn every_other_page_is_a_page_view(page in ".*") {
        let named = [LISTEN, AUTH, STATUS_CHANGE].concat().contains(&page.as_str());
        prop_assert_eq!(Topic::of_page(&page) == Topic::PageView, !named);
    }
}
