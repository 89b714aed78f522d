//! The topics and which page goes to which.

use std::fmt;

/// One of the four Kafka topics, each with a bronze table of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Topic {
    /// Songs that were played.
    Listen,
    /// Pages that were seen, errors included.
    PageView,
    /// Sign-ins and sign-outs.
    Auth,
    /// Registrations, upgrades, downgrades and cancellations.
    StatusChange,
}

impl Topic {
    /// Every topic, in the order in which they are shown.
    pub const ALL: [Self; 4] = [Self::Listen, Self::PageView, Self::Auth, Self::StatusChange];

    /// The topic's name in Kafka and in the lake.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Listen => "listen_events",
            Self::PageView => "page_view_events",
            Self::Auth => "auth_events",
            Self::StatusChange => "status_change_events",
        }
    }

    /// What the topic holds, in one sentence.
    pub const fn doc(self) -> &'static str {
        match self {
            Self::Listen => "A song that was played.",
            Self::PageView => "A page that was seen.",
            Self::Auth => "A sign-in or sign-out.",
            Self::StatusChange => "A registration, upgrade, downgrade or cancellation.",
        }
    }

    /// The topic called `name`.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|topic| topic.name() == name)
    }

    /// The one topic that an event of this page goes to.
    pub fn of_page(page: &str) -> Self {
        match page {
            "NextSong" => Self::Listen,
            "Login" | "Logout" => Self::Auth,
            "Submit Upgrade"
            | "Submit Downgrade"
            | "Submit Registration"
            | "Cancellation Confirmation" => Self::StatusChange,
            _ => Self::PageView,
        }
    }

    /// The topic's place in [`Topic::ALL`].
    pub const fn index(self) -> usize {
        self as usize
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
