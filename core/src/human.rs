//! Sizes and ages as Docker prints them.

/// A size with `digits` significant digits in decimal units: `52.8MB`.
///
/// Docker prints three digits in `images` and `history`, four elsewhere. A size that rounds up to
/// a thousand moves to the next unit (`1MB`), where Docker prints `1e+03kB`.
pub fn size(bytes: u64, digits: usize) -> String {
    const UNITS: [&str; 7] = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];
    #[allow(clippy::cast_precision_loss)] // four digits are shown
    let mut value = bytes as f64;
    let mut unit = 0;
    loop {
        let text = significant(value, digits);
        let too_long = text.parse::<f64>().is_ok_and(|shown| shown >= 1000.0);
        if !too_long || unit == UNITS.len() - 1 {
            return format!("{text}{}", UNITS[unit]);
        }
        value /= 1000.0;
        unit += 1;
    }
}

/// A number with at most `digits` significant digits and no zeros at the end.
fn significant(value: f64, digits: usize) -> String {
    let whole_digits = if value < 1.0 {
        1
    } else {
        format!("{}", value.trunc()).len()
    };
    let decimals = digits.saturating_sub(whole_digits);
    let text = format!("{value:.decimals$}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

/// How long something took or is ago, as Docker says it: `3 weeks`.
pub fn duration(seconds: u64) -> String {
    let minutes = seconds / 60;
    let hours = (seconds + 30 * 60) / 3600;
    let whole_days = seconds / 86_400;
    match seconds {
        0 => "Less than a second".to_owned(),
        1 => "1 second".to_owned(),
        2..60 => format!("{seconds} seconds"),
        _ if minutes == 1 => "About a minute".to_owned(),
        _ if minutes < 60 => format!("{minutes} minutes"),
        _ if hours == 1 => "About an hour".to_owned(),
        _ if hours < 48 => format!("{hours} hours"),
        _ if hours < 24 * 7 * 2 => format!("{} days", hours / 24),
        _ if hours < 24 * 30 * 2 => format!("{} weeks", hours / 24 / 7),
        _ if hours < 24 * 365 * 2 => format!("{} months", hours / 24 / 30),
        _ => format!("{} years", whole_days / 365),
    }
}

/// How long before `now` the moment `then` was, both in seconds since 1970: `3 weeks ago`.
pub fn ago(then: i64, now: i64) -> String {
    format!("{} ago", duration(u64::try_from(now - then).unwrap_or(0)))
}

/// How many characters of an instruction a table shows.
const INSTRUCTION: usize = 45;

/// An instruction as a table shows it: on one line, and not too long unless it shall be `whole`.
pub fn instruction(text: &str, whole: bool) -> String {
    // A tab or a line break would tear the table.
    let text = text.replace(['\t', '\n'], " ");
    if whole || text.chars().count() <= INSTRUCTION {
        return text;
    }
    let start: String = text.chars().take(INSTRUCTION - 1).collect();
    format!("{start}…")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_as_docker_prints_them() {
        let check = |bytes, digits, expected: &str| assert_eq!(size(bytes, digits), expected);
        check(0, 3, "0B");
        check(999, 3, "999B");
        check(1000, 3, "1kB");
        check(1044, 4, "1.044kB");
        check(1_234_567, 3, "1.23MB");
        check(5_595_292, 3, "5.6MB");
        check(52_800_000, 3, "52.8MB");
        check(999_999, 3, "1MB");
        check(100_000_000, 3, "100MB");
        check(2_048, 4, "2.048kB");
        check(1 << 40, 3, "1.1TB");
        check(u64::MAX, 3, "18.4EB");
    }

    #[test]
    fn ages_as_docker_says_them() {
        let check = |seconds, expected: &str| assert_eq!(duration(seconds), expected);
        let (minute, hour, day) = (60, 3600, 86_400);
        check(0, "Less than a second");
        check(1, "1 second");
        check(59, "59 seconds");
        check(90, "About a minute");
        check(2 * minute, "2 minutes");
        check(59 * minute, "59 minutes");
        check(hour, "About an hour");
        check(89 * minute, "About an hour");
        check(91 * minute, "2 hours");
        check(47 * hour, "47 hours");
        check(2 * day, "2 days");
        check(13 * day, "13 days");
        check(14 * day, "2 weeks");
        check(59 * day, "8 weeks");
        check(60 * day, "2 months");
        check(729 * day, "24 months");
        check(730 * day, "2 years");
        assert_eq!(ago(100, 102), "2 seconds ago");
        assert_eq!(ago(102, 100), "Less than a second ago");
    }
}
