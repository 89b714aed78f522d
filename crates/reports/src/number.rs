//! Numbers as people read them.

use crate::Unit;

/// `1234567` → `1,234,567`.
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

/// The same with a sign: `−12`.
pub fn signed(n: i64) -> String {
    let digits = count(n.unsigned_abs());
    if n < 0 {
        format!("−{digits}")
    } else {
        digits
    }
}

/// Three significant digits for axes and labels: `950`, `1.2k`, `34k`, `5.67M`.
pub fn compact(n: f64) -> String {
    let (value, suffix) = match n.abs() {
        a if a >= 999_500_000.0 => (n / 1e9, "B"),
        a if a >= 999_500.0 => (n / 1e6, "M"),
        a if a >= 999.5 => (n / 1e3, "k"),
        _ => (n, ""),
    };
    let decimals = match value.abs() {
        a if a >= 99.95 || (suffix.is_empty() && value.fract().abs() < 1e-9) => 0,
        a if a >= 9.995 => 1,
        _ => 2,
    };
    format!("{}{suffix}", trim_zeros(&format!("{value:.decimals$}")))
}

/// `0.1234` → `12.3 %`; shares that are not 0 or 1 never look as if they were.
pub fn share(part: f64) -> String {
    let percent = part * 100.0;
    if percent > 0.0 && percent < 0.05 {
        return "<\u{a0}0.1\u{a0}%".to_owned();
    }
    if (99.95..100.0).contains(&percent) {
        return ">\u{a0}99.9\u{a0}%".to_owned();
    }
    format!("{}\u{a0}%", trim_zeros(&format!("{percent:.1}")))
}

/// `part / whole`, or 0 of nothing.
pub fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        0.0
    } else {
        part as f64 / whole as f64
    }
}

/// `0.0421` → `42 ms`, `12.34` → `12.3 s`, `125` → `2 min 5 s`, `7300` → `2 h 1 min`.
pub fn seconds(s: f64) -> String {
    if s < 0.9995 {
        return format!("{:.0}\u{a0}ms", s * 1000.0);
    }
    if s < 99.95 {
        return format!("{}\u{a0}s", trim_zeros(&format!("{s:.1}")));
    }
    let whole = s.round() as u64;
    if whole < 3600 {
        return format!("{}\u{a0}min {}\u{a0}s", whole / 60, whole % 60);
    }
    format!(
        "{}\u{a0}h {}\u{a0}min",
        count(whole / 3600),
        whole % 3600 / 60
    )
}

/// `1536` → `1.5 KiB`.
pub fn bytes(n: f64) -> String {
    let mut value = n;
    let mut unit = "B";
    for next in ["KiB", "MiB", "GiB", "TiB"] {
        if value < 1023.5 {
            break;
        }
        value /= 1024.0;
        unit = next;
    }
    let decimals = usize::from(unit != "B" && value < 99.95);
    format!("{}\u{a0}{unit}", trim_zeros(&format!("{value:.decimals$}")))
}

/// A figure in its unit.
pub fn figure(value: f64, unit: Unit) -> String {
    match unit {
        Unit::Count => count(value.max(0.0).round() as u64),
        Unit::Decimal => {
            let tenths = (value.abs() * 10.0).round() as u64;
            let sign = if value < 0.0 && tenths > 0 { "−" } else { "" };
            format!("{sign}{}.{}", count(tenths / 10), tenths % 10)
        }
        Unit::Share => share(value),
        Unit::Seconds => seconds(value),
        Unit::Bytes => bytes(value),
        Unit::PerSecond => format!("{}/s", compact(value)),
    }
}

fn trim_zeros(text: &str) -> &str {
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.')
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Units hang on their numbers by no-break spaces; here they are written as blanks.
    fn plain(text: impl Into<String>) -> String {
        text.into().replace('\u{a0}', " ")
    }

    #[test]
    fn thousands_are_set_apart() {
        assert_eq!(count(0), "0");
        assert_eq!(count(999), "999");
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(signed(-1_000), "−1,000");
    }

    #[test]
    fn large_numbers_keep_three_digits() {
        for (n, text) in [
            (0.0, "0"),
            (7.0, "7"),
            (0.5, "0.5"),
            (950.0, "950"),
            (999.6, "1k"),
            (1_234.0, "1.23k"),
            (34_000.0, "34k"),
            (184_320.0, "184k"),
            (1_000_000.0, "1M"),
            (5_670_000.0, "5.67M"),
        ] {
            assert_eq!(compact(n), text);
        }
    }

    #[test]
    fn a_share_is_never_rounded_to_all_or_nothing() {
        assert_eq!(plain(share(0.0)), "0 %");
        assert_eq!(plain(share(0.0001)), "< 0.1 %");
        assert_eq!(plain(share(0.1234)), "12.3 %");
        assert_eq!(plain(share(0.9999)), "> 99.9 %");
        assert_eq!(plain(share(1.0)), "100 %");
    }

    #[test]
    fn time_and_bytes_take_the_fitting_unit() {
        assert_eq!(plain(seconds(0.042)), "42 ms");
        assert_eq!(plain(seconds(12.34)), "12.3 s");
        assert_eq!(plain(seconds(125.0)), "2 min 5 s");
        assert_eq!(plain(seconds(7_300.0)), "2 h 1 min");
        assert_eq!(plain(bytes(0.0)), "0 B");
        assert_eq!(plain(bytes(1_536.0)), "1.5 KiB");
        assert_eq!(plain(bytes(300.0 * 1024.0 * 1024.0)), "300 MiB");
        assert_eq!(figure(12.34, Unit::Decimal), "12.3");
        assert_eq!(figure(-0.04, Unit::Decimal), "0.0");
    }
}
