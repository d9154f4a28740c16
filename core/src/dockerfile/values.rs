//! The small values inside instructions: durations, ports, signals, sizes.
//!
//! They may come from variables, so the parser checks only those that are written out, and the
//! builder calls the same functions after expansion.

use std::time::Duration;

/// A value that does not mean anything, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{value}` is not {wanted}: {reason}")]
pub struct ValueError {
    /// What was written.
    pub value: String,
    /// What was wanted, with its article.
    pub wanted: &'static str,
    /// Why it is not that.
    pub reason: &'static str,
}

/// One or more neighbouring ports of a protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ports {
    /// The first port.
    pub first: u16,
    /// The last port; the same as the first for a single one.
    pub last: u16,
    /// What is spoken there.
    pub protocol: Protocol,
}

/// A transport protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// The default.
    Tcp,
    /// Datagrams.
    Udp,
    /// Streams of messages.
    Sctp,
}

impl Protocol {
    /// The name as image configs write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
        }
    }
}

/// Reads `80`, `80/udp`, `8000-8010/tcp`, `[IP:][HOST:]80`; host parts mean nothing here and are
/// dropped, as BuildKit does.
pub fn ports(text: &str) -> Result<Ports, ValueError> {
    let refuse = |reason| refusal(text, "a port", reason);
    let (range, protocol) = match text.split_once('/') {
        None => (text, Protocol::Tcp),
        Some((range, protocol)) => match protocol.to_ascii_lowercase().as_str() {
            "tcp" | "" => (range, Protocol::Tcp),
            "udp" => (range, Protocol::Udp),
            "sctp" => (range, Protocol::Sctp),
            _ => return Err(refuse("the protocol is tcp, udp or sctp")),
        },
    };
    let range = range.rsplit(':').next().unwrap_or(range);
    let number = |text: &str| {
        if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
            return Err(refuse("a port is a number"));
        }
        text.parse::<u16>()
            .map_err(|_| refuse("a port is at most 65535"))
    };
    let (first, last) = match range.split_once('-') {
        None => (number(range)?, number(range)?),
        Some((first, last)) => (number(first)?, number(last)?),
    };
    if last < first {
        return Err(refuse("the range ends before it begins"));
    }
    Ok(Ports {
        first,
        last,
        protocol,
    })
}

/// Reads a duration as Go writes it: `1.5h`, `1m30s`, `300ms`. At least a millisecond, or zero.
pub fn duration(text: &str) -> Result<Duration, ValueError> {
    let refuse = |reason| refusal(text, "a duration", reason);
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    if rest.starts_with('-') {
        return Err(refuse("time does not run backwards"));
    }
    if rest == "0" {
        return Ok(Duration::ZERO);
    }
    if rest.is_empty() {
        return Err(refuse("it is empty"));
    }
    let mut nanos: u128 = 0;
    while !rest.is_empty() {
        let number_end = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .ok_or_else(|| refuse("a number needs a unit: h, m, s, ms, us or ns"))?;
        let (number, behind) = rest.split_at(number_end);
        let unit_end = behind
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(behind.len());
        let (unit, behind) = behind.split_at(unit_end);
        let scale: u128 = match unit {
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => return Err(refuse("the units are h, m, s, ms, us and ns")),
        };
        nanos += scaled(number, scale).ok_or_else(|| refuse("a number is missing or too long"))?;
        rest = behind;
    }
    if nanos > i64::MAX as u128 {
        return Err(refuse("it is longer than 292 years"));
    }
    if nanos > 0 && nanos < 1_000_000 {
        return Err(refuse("it is shorter than a millisecond"));
    }
    Ok(Duration::from_nanos(
        u64::try_from(nanos).unwrap_or(u64::MAX),
    ))
}

/// `number`, which may have a fraction, times `scale`; the fraction below one is cut off.
fn scaled(number: &str, scale: u128) -> Option<u128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || whole.len() > 19 {
        return None;
    }
    let whole = if whole.is_empty() {
        0
    } else {
        whole.parse::<u128>().ok()?
    };
    let fraction = &fraction[..fraction.len().min(18)];
    let part = if fraction.is_empty() {
        0
    } else {
        let digits = u32::try_from(fraction.len()).ok()?;
        fraction.parse::<u128>().ok()? * scale / 10u128.pow(digits)
    };
    Some(whole * scale + part)
}

/// Reads a signal: a number, or a name with or without `SIG`. The numbers are those of Linux on
/// most machines.
pub fn signal(text: &str) -> Result<u8, ValueError> {
    let refuse = |reason| refusal(text, "a signal", reason);
    if let Ok(number) = text.parse::<i64>() {
        return match u8::try_from(number) {
            Ok(number @ 1..=64) => Ok(number),
            _ => Err(refuse("signals are numbered from 1 to 64")),
        };
    }
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    let realtime = |base: u8, offset: &str, up: bool| {
        let offset = match offset {
            "" => 0,
            _ => offset.get(1..)?.parse::<u8>().ok()?,
        };
        let number = if up {
            base.checked_add(offset)
        } else {
            base.checked_sub(offset)
        };
        number.filter(|n| (34..=64).contains(n))
    };
    SIGNALS
        .iter()
        .find(|(n, _)| *n == name)
        .map(|(_, number)| *number)
        .or_else(|| match name.split_at_checked(5) {
            Some(("RTMIN", o)) if o.is_empty() || o.starts_with('+') => realtime(34, o, true),
            Some(("RTMAX", o)) if o.is_empty() || o.starts_with('-') => realtime(64, o, false),
            _ => None,
        })
        .ok_or_else(|| refuse("no signal has this name"))
}

/// The names of signals without `SIG`, for suggestions.
pub fn signal_names() -> impl Iterator<Item = &'static str> {
    SIGNALS.iter().map(|(name, _)| *name)
}

/// signal(7), the numbers of x86 and ARM.
const SIGNALS: [(&str, u8); 35] = [
    ("HUP", 1),
    ("INT", 2),
    ("QUIT", 3),
    ("ILL", 4),
    ("TRAP", 5),
    ("ABRT", 6),
    ("IOT", 6),
    ("BUS", 7),
    ("FPE", 8),
    ("KILL", 9),
    ("USR1", 10),
    ("SEGV", 11),
    ("USR2", 12),
    ("PIPE", 13),
    ("ALRM", 14),
    ("TERM", 15),
    ("STKFLT", 16),
    ("CHLD", 17),
    ("CLD", 17),
    ("CONT", 18),
    ("STOP", 19),
    ("TSTP", 20),
    ("TTIN", 21),
    ("TTOU", 22),
    ("URG", 23),
    ("XCPU", 24),
    ("XFSZ", 25),
    ("VTALRM", 26),
    ("PROF", 27),
    ("WINCH", 28),
    ("IO", 29),
    ("POLL", 29),
    ("PWR", 30),
    ("SYS", 31),
    ("UNUSED", 31),
];

/// Reads a size in bytes: `1024`, `64m`, `1.5GiB`. The units are powers of 1024.
pub fn size(text: &str) -> Result<u64, ValueError> {
    let refuse = |reason| refusal(text, "a size", reason);
    let number_end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(number_end);
    let unit = unit.strip_prefix(' ').unwrap_or(unit).to_ascii_lowercase();
    let unit = unit.strip_suffix('b').unwrap_or(&unit);
    let unit = unit.strip_suffix('i').unwrap_or(unit);
    let power = match unit {
        "" => 0,
        "k" => 1,
        "m" => 2,
        "g" => 3,
        "t" => 4,
        "p" => 5,
        _ => return Err(refuse("the units are k, m, g, t and p")),
    };
    let bytes =
        scaled(number, 1u128 << (10 * power)).ok_or_else(|| refuse("it is not a number"))?;
    u64::try_from(bytes).map_err(|_| refuse("it is too large"))
}

fn refusal(value: &str, wanted: &'static str, reason: &'static str) -> ValueError {
    ValueError {
        value: value.to_owned(),
        wanted,
        reason,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_those_of_go() {
        let check = |text: &str, millis: Option<u64>| {
            assert_eq!(
                duration(text).ok(),
                millis.map(Duration::from_millis),
                "{text}"
            );
        };
        check("0", Some(0));
        check("0s", Some(0));
        check("5s", Some(5_000));
        check("1m30s", Some(90_000));
        check("1.5h", Some(5_400_000));
        check(".5s", Some(500));
        check("+300ms", Some(300));
        check("5", None);
        check("-5s", None);
        check("1us", None);
        check("5 s", None);
        check("s", None);
        check(".s", None);
        check("", None);
        check("5sec", None);
        check("9999999999h", None);
        check("99999999999999999999h", None);
        assert_eq!(duration("1500us"), Ok(Duration::from_micros(1500)));
    }

    #[test]
    fn ports_have_a_protocol_and_may_be_a_range() {
        let check = |text: &str, expected: Option<(u16, u16, &str)>| {
            let got = ports(text).ok();
            let got = got.map(|p| (p.first, p.last, p.protocol.name()));
            assert_eq!(got, expected, "{text}");
        };
        check("80", Some((80, 80, "tcp")));
        check("53/UDP", Some((53, 53, "udp")));
        check("8000-8010/sctp", Some((8000, 8010, "sctp")));
        check("127.0.0.1:8080:80", Some((80, 80, "tcp")));
        check("80/", Some((80, 80, "tcp")));
        check("0", Some((0, 0, "tcp")));
        check("65536", None);
        check("80/http", None);
        check("80-79", None);
        check("-", None);
        check("", None);
        check("+80", None);
        check("eighty", None);
    }

    #[test]
    fn signals_have_numbers_and_names() {
        let check = |text: &str, number: Option<u8>| {
            assert_eq!(signal(text).ok(), number, "{text}");
        };
        check("SIGTERM", Some(15));
        check("term", Some(15));
        check("9", Some(9));
        check("SIGRTMIN+3", Some(37));
        check("RTMAX-1", Some(63));
        check("RTMIN", Some(34));
        check("RTMIN+31", None);
        check("RTMAX+1", None);
        check("SIGTREM", None);
        check("0", None);
        check("65", None);
        check("-1", None);
        check("", None);
        check("ÄÖÜ", None);
    }

    #[test]
    fn sizes_are_powers_of_1024() {
        let check = |text: &str, bytes: Option<u64>| assert_eq!(size(text).ok(), bytes, "{text}");
        check("1024", Some(1024));
        check("64m", Some(64 << 20));
        check("1.5GiB", Some(3 << 29));
        check("2 KB", Some(2048));
        check("1b", Some(1));
        check("m", None);
        check("1x", None);
        check("99999999p", None);
    }
}
