//! What becomes of a named member of the group (`kafka.instance`) that the brokers fenced: told that its name is
//! another's now.
//!
//! That other may be its own second life. Taken for dead (the broker was away, the machine stood still), the client joins
//! again as if for the first time, and the brokers fence the first life. If an offset is still on its way to Kafka then,
//! librdkafka takes the refusal for a stranger's doing and is dead for good. So a consumer fenced by its offsets is
//! replaced by a new one, whatever fenced it. Was it another process after all, the new consumer takes the name from that
//! one, whose heartbeats, at least three a session, soon tell it; heartbeats are no part of a mix-up with oneself, and
//! end a process. Should the other be of the same mind and take the name back, this one is fenced again at once. It
//! cannot have done that itself: a consumer younger than its session cannot have lost it.

use std::time::Duration;

use rdkafka::error::RDKafkaErrorCode;

/// What to do about a fatal error of the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Remedy {
    /// A new consumer goes on.
    BeginAnew,
    /// Another process has this member's name.
    Taken,
    /// None.
    End,
}

/// How librdkafka begins to tell that the offsets written to Kafka were refused.
const OFFSETS: &str = "OffsetCommit failed";

/// What to do about the fatal error `code`, told with `reason`, of a consumer that lived for `age` and whose session is
/// `session` long.
pub(super) fn remedy(
    code: RDKafkaErrorCode,
    reason: &str,
    age: Duration,
    session: Duration,
) -> Remedy {
    match code {
        RDKafkaErrorCode::FencedInstanceId if reason.starts_with(OFFSETS) && age >= session => {
            Remedy::BeginAnew
        }
        RDKafkaErrorCode::FencedInstanceId => Remedy::Taken,
        _ => Remedy::End,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SESSION: Duration = Duration::from_secs(45);
    const REFUSED: &str = "OffsetCommit failed: Broker: Static consumer fenced";
    const HEARTBEAT: &str = "Fatal consumer error: Broker: Static consumer fenced";

    #[test]
    fn one_that_may_have_fenced_itself_begins_anew() {
        let fenced = RDKafkaErrorCode::FencedInstanceId;
        for (reason, age, expected) in [
            (REFUSED, SESSION, Remedy::BeginAnew),
            (REFUSED, SESSION * 100, Remedy::BeginAnew),
            // Too young to have lost its session.
            (REFUSED, SESSION / 2, Remedy::Taken),
            (HEARTBEAT, SESSION * 100, Remedy::Taken),
        ] {
            assert_eq!(
                remedy(fenced, reason, age, SESSION),
                expected,
                "{reason} {age:?}"
            );
        }
    }

    #[test]
    fn no_other_fatal_error_is_borne() {
        let other = RDKafkaErrorCode::InvalidConfig;
        assert_eq!(remedy(other, REFUSED, SESSION, SESSION), Remedy::End);
    }
}
