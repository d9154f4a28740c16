//! How much a registry lets one fetch, from its headers into words.

use std::fmt::Write as _;

use ::http::HeaderMap;

/// What the headers of Docker Hub and its like say about the limit; `None` when they say nothing.
///
/// They look like `ratelimit-limit: 100;w=21600`: a number, and the seconds in which it may be
/// reached.
pub(super) fn told(headers: &HeaderMap) -> Option<String> {
    let get = |name: &str| headers.get(name)?.to_str().ok();
    let limit = get("ratelimit-limit").and_then(number)?;
    let mut text = format!("the limit is {limit}");
    if let Some(window) = get("ratelimit-limit").and_then(window) {
        let _ = write!(text, " in {window}");
    }
    if let Some(left) = get("ratelimit-remaining").and_then(number) {
        let _ = write!(text, ", {left} are left");
    }
    if let Some(who) = get("docker-ratelimit-source").filter(|who| is_plain(who)) {
        let _ = write!(text, ", counted for {who}");
    }
    Some(text + "; wait, or log in with `coracle login`, which mostly allows more")
}

fn number(value: &str) -> Option<u64> {
    value.split(';').next()?.trim().parse().ok()
}

fn window(value: &str) -> Option<String> {
    let mut parameters = value.split(';').skip(1);
    let seconds = parameters.find_map(|p| p.trim().strip_prefix("w="))?;
    let seconds: u64 = seconds.parse().ok()?;
    Some(match seconds {
        3600 => "an hour".to_owned(),
        _ if seconds.is_multiple_of(3600) => format!("{} hours", seconds / 3600),
        _ if seconds.is_multiple_of(60) => format!("{} minutes", seconds / 60),
        _ => format!("{seconds} seconds"),
    })
}

fn is_plain(text: &str) -> bool {
    text.len() <= 64 && text.chars().all(|c| c.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_told_in_words() {
        let check = |pairs: &[(&'static str, &str)], expected: Option<&str>| {
            let headers: HeaderMap = pairs
                .iter()
                .map(|(name, value)| {
                    (
                        ::http::HeaderName::from_static(name),
                        value.parse().unwrap(),
                    )
                })
                .collect();
            let text = told(&headers);
            assert_eq!(text.is_some(), expected.is_some());
            assert!(text.is_none_or(|t| t.starts_with(expected.unwrap_or("?"))));
        };
        check(&[], None);
        check(
            &[
                ("ratelimit-limit", "100;w=21600"),
                ("ratelimit-remaining", "0;w=21600"),
                ("docker-ratelimit-source", "192.0.2.1"),
            ],
            Some("the limit is 100 in 6 hours, 0 are left, counted for 192.0.2.1; wait"),
        );
        check(&[("ratelimit-limit", "7")], Some("the limit is 7; wait"));
        check(&[("ratelimit-limit", "x;w=1")], None);
    }
}
