//! Moments: from the clock, from RFC 3339 text, and back.

use std::time::{SystemTime, UNIX_EPOCH};

/// A moment in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment {
    /// Seconds since 1970, negative before it.
    pub(crate) seconds: i64,
    /// Nanoseconds within the second.
    pub(crate) nanos: u32,
}

/// How long ago a moment was, as tables say it. Builds that can be repeated write the first second
/// of 1970, or none; that is no age.
pub(crate) fn since(then: Option<Moment>) -> String {
    match then.filter(|then| then.seconds > 0) {
        Some(then) => super::human::ago(then.seconds, now().seconds),
        None => "N/A".to_owned(),
    }
}

/// What the clock says.
pub(crate) fn now() -> Moment {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Moment {
        seconds: i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
        nanos: since.subsec_nanos(),
    }
}

impl Moment {
    /// Reads RFC 3339 as image configs have it: `2026-07-15T20:01:02.123456789Z`, or with an
    /// offset such as `+02:00`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (date, rest) = text.split_once(['T', 't', ' '])?;
        let [year, month, day] = numbers(date, '-')?;
        let (clock, zone) = rest.split_at(rest.find(['Z', 'z', '+', '-'])?);
        let (clock, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
        let [hour, minute, second] = numbers(clock, ':')?;
        let plausible = (1..=12).contains(&month)
            && (1..=31).contains(&day)
            && (0..24).contains(&hour)
            && (0..60).contains(&minute)
            && (0..=60).contains(&second);
        let digits = fraction.bytes().all(|b| b.is_ascii_digit());
        if !plausible || !digits {
            return None;
        }
        let nanos = format!("{fraction:0<9}")[..9].parse().ok()?;
        let local = days_from_civil(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second;
        Some(Self {
            seconds: local - offset(zone)?,
            nanos,
        })
    }

    /// RFC 3339 in UTC, without a fraction when there is none: `2026-07-15T20:01:02Z`.
    pub(crate) fn rfc3339(self) -> String {
        let (year, month, day) = civil_from_days(self.seconds.div_euclid(86_400));
        let fraction = match self.nanos {
            0 => String::new(),
            nanos => format!(".{nanos:09}").trim_end_matches('0').to_owned(),
        };
        let (hour, minute, second) = self.clock();
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}Z")
    }

    /// As Docker prints it in tables with `{{.CreatedAt}}`: `2026-07-15 20:01:02 +0000 UTC`.
    pub(crate) fn table(self) -> String {
        let (year, month, day) = civil_from_days(self.seconds.div_euclid(86_400));
        let (hour, minute, second) = self.clock();
        format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} +0000 UTC")
    }

    fn clock(self) -> (i64, i64, i64) {
        let second = self.seconds.rem_euclid(86_400);
        (second / 3600, second / 60 % 60, second % 60)
    }
}

fn numbers(text: &str, separator: char) -> Option<[i64; 3]> {
    let mut parts = text.split(separator).map(|part| part.parse().ok());
    let three = [parts.next()??, parts.next()??, parts.next()??];
    parts.next().is_none().then_some(three)
}

/// Seconds east of UTC.
fn offset(zone: &str) -> Option<i64> {
    if matches!(zone, "Z" | "z") {
        return Some(0);
    }
    let (hours, minutes) = zone.get(1..)?.split_once(':')?;
    let seconds = hours.parse::<i64>().ok()? * 3600 + minutes.parse::<i64>().ok()? * 60;
    Some(if zone.starts_with('-') {
        -seconds
    } else {
        seconds
    })
}

/// Days since 1970-01-01 in the Gregorian calendar. The year is taken to begin in March, so that
/// the leap day is its last day and the months' lengths repeat every five months (153 days).
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let month_from_march = (month + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    365 * year + leap_days + day_of_year - 719_468
}

/// The inverse: first a year that is not too early, then back to the right one.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let mut year = 1971 + days.div_euclid(365).max(days.div_euclid(366));
    while days_from_civil(year, 1, 1) > days {
        year -= 1;
    }
    let mut month = 12;
    while days_from_civil(year, month, 1) > days {
        month -= 1;
    }
    (year, month, days - days_from_civil(year, month, 1) + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_become_moments_and_texts_again() {
        let check = |text: &str, seconds: i64, again: &str| {
            let moment = Moment::parse(text).unwrap();
            assert_eq!(moment.seconds, seconds, "{text}");
            assert_eq!(moment.rfc3339(), again);
        };
        check("1970-01-01T00:00:00Z", 0, "1970-01-01T00:00:00Z");
        check("2000-02-29T12:00:00Z", 951_825_600, "2000-02-29T12:00:00Z");
        check(
            "2026-07-15T22:01:02.120+02:00",
            1_784_145_662,
            "2026-07-15T20:01:02.12Z",
        );
        check("1969-12-31T23:59:59Z", -1, "1969-12-31T23:59:59Z");
        check(
            "0001-01-01T00:00:00Z",
            -62_135_596_800,
            "0001-01-01T00:00:00Z",
        );
        check(
            "2100-03-01T00:00:00Z",
            4_107_542_400,
            "2100-03-01T00:00:00Z",
        );
    }

    #[test]
    fn every_day_of_four_centuries_comes_back() {
        for days in -146_097..146_097 {
            let (year, month, day) = civil_from_days(days);
            assert_eq!(days_from_civil(year, month, day), days);
        }
    }

    #[test]
    fn nonsense_is_no_moment() {
        for text in [
            "",
            "yesterday",
            "2026-13-01T00:00:00Z",
            "2026-01-01",
            "2026-01-01T00:00:00.xZ",
        ] {
            assert_eq!(Moment::parse(text), None, "{text}");
        }
    }
}
