//! Quantities as people write them: `90s`, `250m`, `4Gi`.

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Deserializer, de::Error};

/// Processor time in thousandths of a core.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cpu(pub u32);

/// Memory in mebibytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Memory(pub u32);

/// Spans are added to each other; none that long is ever waited for.
const LONGEST: Duration = Duration::from_hours(24 * 366);

/// Reads `3s`, `2m`, `1m30s`, `500ms`, `1h`.
///
/// # Errors
/// When it is not written so.
pub fn parse_span(text: &str) -> Result<Duration, String> {
    let wrong = || format!("\"{text}\" is not a duration; write it as 500ms, 3s, 2m, 1m30s or 1h");
    let mut rest = text.trim();
    let mut total = Duration::ZERO;
    if rest == "0" {
        return Ok(total);
    }
    if rest.is_empty() {
        return Err(wrong());
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
        let (number, tail) = rest.split_at(digits);
        let unit_end = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit_end);
        let number: u64 = number.parse().map_err(|_| wrong())?;
        let span = match unit {
            "ms" => Some(Duration::from_millis(number)),
            "s" => Some(Duration::from_secs(number)),
            "m" => number.checked_mul(60).map(Duration::from_secs),
            "h" => number.checked_mul(3600).map(Duration::from_secs),
            _ => None,
        };
        total = total.checked_add(span.ok_or_else(wrong)?).ok_or_else(wrong)?;
        rest = tail;
    }
    if total > LONGEST {
        return Err(format!("\"{text}\" is longer than a year; leave a limit away where none is meant"));
    }
    Ok(total)
}

impl FromStr for Cpu {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("\"{text}\" is not an amount of processor; write it as 250m or 2");
        let (digits, factor) = match text.strip_suffix('m') {
            Some(digits) => (digits, 1),
            None => (text, 1000),
        };
        let number: u32 = digits.parse().map_err(|_| wrong())?;
        number.checked_mul(factor).map(Self).ok_or_else(wrong)
    }
}

impl FromStr for Memory {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("\"{text}\" is not an amount of memory; write it as 512Mi or 4Gi");
        let (digits, factor) = match (text.strip_suffix("Mi"), text.strip_suffix("Gi")) {
            (Some(digits), _) => (digits, 1),
            (None, Some(digits)) => (digits, 1024),
            (None, None) => return Err(wrong()),
        };
        let number: u32 = digits.parse().map_err(|_| wrong())?;
        number.checked_mul(factor).map(Self).ok_or_else(wrong)
    }
}

/// Text, or a number that is read as its text.
struct Scalar(String);

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = Scalar;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or a number")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Scalar, E> {
                Ok(Scalar(text.to_owned()))
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Scalar, E> {
                Ok(Scalar(number.to_string()))
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Scalar, E> {
                Ok(Scalar(number.to_string()))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl<'de> Deserialize<'de> for Cpu {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Scalar::deserialize(deserializer)?.0.parse().map_err(D::Error::custom)
    }
}

impl<'de> Deserialize<'de> for Memory {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Scalar::deserialize(deserializer)?.0.parse().map_err(D::Error::custom)
    }
}

/// `#[serde(with = "span")]` for a duration.
pub(super) mod span {
    use super::{Deserialize, Deserializer, Duration, Error, Scalar, parse_span};

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        parse_span(&Scalar::deserialize(deserializer)?.0).map_err(D::Error::custom)
    }
}

/// `#[serde(with = "optional_span")]` for a duration that may be left out.
pub(super) mod optional_span {
    use super::{Deserializer, Duration, span};

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
        span::deserialize(deserializer).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_as_people_write_them() {
        assert_eq!(parse_span("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(parse_span("1m30s"), Ok(Duration::from_secs(90)));
        assert_eq!(parse_span("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(parse_span("0"), Ok(Duration::ZERO));
        assert_eq!(
            parse_span("soon").unwrap_err(),
            "\"soon\" is not a duration; write it as 500ms, 3s, 2m, 1m30s or 1h"
        );
        assert!(parse_span("15").is_err());
        assert!(parse_span("18446744073709551615s").unwrap_err().contains("longer than a year"));
    }

    #[test]
    fn amounts_are_read_as_kubernetes_writes_them() {
        assert_eq!(("250m".parse(), "2".parse()), (Ok(Cpu(250)), Ok(Cpu(2000))));
        assert_eq!(("512Mi".parse(), "4Gi".parse()), (Ok(Memory(512)), Ok(Memory(4096))));
        assert!("4GB".parse::<Memory>().is_err());
    }
}
