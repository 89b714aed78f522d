//! ISO dates as people read them. A text that is no date is printed as it is.

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// The weekdays, Monday first.
pub const WEEKDAYS: [&str; 7] = [
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
    "Sunday",
];

fn parts(date: &str) -> Option<(&str, usize, u32)> {
    let mut fields = date.get(..10)?.split('-');
    let (year, month, day) = (
        fields.next()?,
        fields.next()?.parse().ok()?,
        fields.next()?.parse().ok()?,
    );
    ((1..=12).contains(&month) && (1..=31).contains(&day)).then_some((year, month, day))
}

/// `2026-10-01` → `1 Oct`.
pub fn short(date: &str) -> String {
    parts(date).map_or_else(
        || date.to_owned(),
        |(_, month, day)| format!("{day} {}", MONTHS[month - 1]),
    )
}

/// `2026-10-01` → `1 Oct 2026`.
pub fn long(date: &str) -> String {
    parts(date).map_or_else(
        || date.to_owned(),
        |(year, month, day)| format!("{day} {} {year}", MONTHS[month - 1]),
    )
}

/// The first and the last day, the year once: `1 Oct – 30 Oct 2026`.
pub fn span(first: &str, last: &str) -> String {
    if first == last {
        return long(first);
    }
    match (parts(first), parts(last)) {
        (Some((a, ..)), Some((b, ..))) if a == b => format!("{} – {}", short(first), long(last)),
        _ => format!("{} – {}", long(first), long(last)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_read_as_people_write_them() {
        assert_eq!(short("2026-10-01"), "1 Oct");
        assert_eq!(span("2026-10-01", "2026-10-30"), "1 Oct – 30 Oct 2026");
        assert_eq!(span("2025-12-30", "2026-01-02"), "30 Dec 2025 – 2 Jan 2026");
        assert_eq!(short("yesterday"), "yesterday");
        assert_eq!(short("2026-13-40"), "2026-13-40");
    }
}
