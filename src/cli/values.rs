//! Values on the command line: spans of time, switches, speeds, worlds.

use std::{path::PathBuf, time::Duration};

use crate::domain::short;

/// Reads `15m`, `60s`, `1h30m`, `500ms`; a number without a unit is refused, since tools disagree what it means.
///
/// # Errors
/// A sentence that says how to write it.
pub(super) fn span(text: &str) -> Result<Duration, String> {
    let how = "write it as 90s, 15m or 1h30m";
    if text.chars().all(|c| c == '0') && !text.is_empty() {
        return Ok(Duration::ZERO);
    }
    if !text.is_empty() && text.chars().all(|c| c.is_ascii_digit()) {
        return Err(format!("{text} of what? Write {text}s or {text}m"));
    }
    let mut rest = text;
    let mut total = Duration::ZERO;
    let mut smallest = u64::MAX;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(|| format!("its end lacks a unit: {how}"))?;
        let (number, after) = rest.split_at(digits);
        let letters = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at(letters);
        let number: u64 = number.parse().map_err(|_| how.to_owned())?;
        let millis = match unit {
            "d" => 86_400_000,
            "h" => 3_600_000,
            "m" => 60_000,
            "s" => 1_000,
            "ms" => 1,
            _ => return Err(how.to_owned()),
        };
        // 30m1h is more likely a mistake than a way to write 90 minutes.
        if millis >= smallest {
            return Err(how.to_owned());
        }
        smallest = millis;
        let part = number.checked_mul(millis).map(Duration::from_millis);
        total = part.and_then(|part| total.checked_add(part)).ok_or_else(|| "it is longer than time".to_owned())?;
        rest = after;
    }
    if text.is_empty() { Err(how.to_owned()) } else { Ok(total) }
}

/// Reads a span that must not be nothing.
///
/// # Errors
/// A sentence that says how to write it.
pub(super) fn some_span(text: &str) -> Result<Duration, String> {
    match span(text)? {
        Duration::ZERO => Err("0 would give up before it began; for a very long patience write 30d".to_owned()),
        span => Ok(span),
    }
}

/// Reads how long a Lease outlives its holder.
///
/// # Errors
/// A sentence that says how to write it.
pub(super) fn lease(text: &str) -> Result<Duration, String> {
    match span(text)? {
        short if short < Duration::from_secs(3) => {
            Err("a live run could not renew it in time; take 3s or more".to_owned())
        }
        long if long > Duration::from_hours(1) => {
            Err("nobody waits that long for a dead run; take 1h or less".to_owned())
        }
        span => Ok(span),
    }
}

/// Reads seconds as kubectl takes them (`30`), or a span (`30s`).
///
/// # Errors
/// A sentence that says how to write it.
pub(super) fn seconds_or_span(text: &str) -> Result<Duration, String> {
    match text.parse::<u64>() {
        Ok(seconds) => Ok(Duration::from_secs(seconds)),
        Err(_) => span(text),
    }
}

/// Reads a grace period: whole seconds, at least one.
///
/// # Errors
/// A sentence that says how to write it.
pub(super) fn grace(text: &str) -> Result<u32, String> {
    let span = seconds_or_span(text)?;
    if span < Duration::from_secs(1) {
        return Err("0 removes the pod's object while its processes may still run; the shortest is 1s".to_owned());
    }
    u32::try_from(span.as_secs()).map_err(|_| format!("{} is more than Kubernetes takes", short(span)))
}

/// Reads a switch out of a variable: CI systems write an unset one as the empty text.
///
/// # Errors
/// A sentence that says how to write it.
pub(super) fn switch(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "" | "0" | "false" | "no" | "off" => Ok(false),
        "1" | "true" | "yes" | "on" => Ok(true),
        _ => Err("write true or false".to_owned()),
    }
}

/// Reads how much faster than the clock the sandbox runs: `60`, `60x`.
///
/// # Errors
/// A sentence that says how to write it.
pub(super) fn speed(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix('x').unwrap_or(text);
    match number.parse::<f64>() {
        Ok(factor) if factor.is_finite() && factor > 0.0 => Ok(factor),
        _ => Err("write it as a factor: 60, or 0.5 to slow it down".to_owned()),
    }
}

/// The world of a sandbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum World {
    /// The one that mngup carries with it.
    Embedded,
    /// One from a file.
    File(PathBuf),
}

/// Reads the world of a sandbox: nothing (or `true`, from a variable) is the embedded one.
///
/// # Errors
/// None; the signature is what clap wants.
#[expect(clippy::unnecessary_wraps, reason = "clap's parsers return a Result")]
pub(super) fn world(text: &str) -> Result<World, String> {
    match text {
        "" | "1" | "true" => Ok(World::Embedded),
        path => Ok(World::File(path.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_carry_their_unit() {
        let read = |text| span(text).map(|span| span.as_millis());
        assert_eq!(read("15m"), Ok(900_000));
        assert_eq!(read("1h30m"), Ok(5_400_000));
        assert_eq!(read("1d"), Ok(86_400_000));
        assert_eq!(read("2s500ms"), Ok(2_500));
        assert_eq!(read("0"), Ok(0));
        assert_eq!(read("15"), Err("15 of what? Write 15s or 15m".to_owned()));
        for wrong in ["", "m", "15x", "1h30", "30m1h", "-5m", "1.5h", " 5m", "15m 30s"] {
            assert!(span(wrong).is_err(), "{wrong}");
        }
        assert!(span("99999999999999999999d").is_err());
        assert!(span("18446744073709551615d").is_err());
    }

    #[test]
    fn a_lease_is_neither_too_short_to_renew_nor_too_long_to_wait_for() {
        assert_eq!(lease("30s"), Ok(Duration::from_secs(30)));
        assert!(lease("2s").unwrap_err().contains("3s or more"));
        assert!(lease("2h").unwrap_err().contains("1h or less"));
    }

    #[test]
    fn grace_takes_seconds_as_kubectl_does_and_is_never_nothing() {
        assert_eq!(grace("30"), Ok(30));
        assert_eq!(grace("2m"), Ok(120));
        assert!(grace("0").is_err());
        assert!(grace("-1").is_err());
    }

    #[test]
    fn a_speed_is_a_factor() {
        assert_eq!(speed("60"), Ok(60.0));
        assert_eq!(speed("2.5x"), Ok(2.5));
        for wrong in ["0", "-1", "inf", "NaN", "fast", ""] {
            assert!(speed(wrong).is_err(), "{wrong}");
        }
    }
}
