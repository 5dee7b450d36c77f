//! Values on the command line: spans of time, switches, speeds, worlds.

use std::{ffi::OsStr, ops::RangeInclusive, path::PathBuf, time::Duration};

use clap::{
    Arg, Command,
    builder::{PossibleValue, StringValueParser, TypedValueParser},
};

use crate::domain::{Cause, short};

/// What is longer is a slip of a digit.
const LONGEST: Duration = Duration::from_hours(24 * 366);
const TOO_LONG: &str = "it is longer than a year, and no run takes that long";

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
        if number.is_empty() {
            return Err(how.to_owned());
        }
        let number: u64 = number.parse().map_err(|_| TOO_LONG.to_owned())?;
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
        total = part.and_then(|part| total.checked_add(part)).ok_or_else(|| TOO_LONG.to_owned())?;
        rest = after;
    }
    match text {
        "" => Err(how.to_owned()),
        _ if total > LONGEST => Err(TOO_LONG.to_owned()),
        _ => Ok(total),
    }
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

/// Reads how often something is looked at again.
///
/// # Errors
/// A sentence that says how to write it.
pub(super) fn interval(text: &str) -> Result<Duration, String> {
    match span(text)? {
        short if short < Duration::from_secs(1) => Err("servers are not asked more often than each second".to_owned()),
        span => Ok(span),
    }
}

/// The codes of all causes, for completion; another word is taken too, and answered with the code that is near.
#[derive(Clone, Copy, Debug)]
pub(super) struct Codes;

impl TypedValueParser for Codes {
    type Value = String;

    fn parse_ref(&self, command: &Command, arg: Option<&Arg>, value: &OsStr) -> Result<String, clap::Error> {
        StringValueParser::new().parse_ref(command, arg, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(Cause::ALL.iter().map(|cause| PossibleValue::new(cause.code()).help(cause.title()))))
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
        // A Lease counts whole seconds: others would take a fraction for less than we do.
        fraction if fraction.subsec_nanos() > 0 => Err("a lease counts whole seconds".to_owned()),
        span => Ok(span),
    }
}

/// Reads seconds as kubectl takes them (`30`), or a span (`30s`).
///
/// # Errors
/// A sentence that says how to write it.
pub(super) fn seconds_or_span(text: &str) -> Result<Duration, String> {
    if text.is_empty() || text.contains(|c: char| !c.is_ascii_digit()) { span(text) } else { span(&format!("{text}s")) }
}

/// Reads a grace period: whole seconds, at least one.
///
/// # Errors
/// A sentence that says how to write it.
pub(super) fn grace(text: &str) -> Result<u32, String> {
    if text == "-1" {
        return Err("that is what kubectl calls the pod's own; leave the flag out for it".to_owned());
    }
    let span = seconds_or_span(text)?;
    if span < Duration::from_secs(1) {
        return Err("0 removes the pod's object while its processes may still run; the shortest is 1s".to_owned());
    }
    u32::try_from(span.as_secs()).map_err(|_| format!("{} is more than Kubernetes takes", short(span)))
}

/// Reads a count.
///
/// # Errors
/// A sentence that says how to write it.
pub(super) fn count(text: &str) -> Result<u32, String> {
    text.parse().map_err(|_| "write a count: 0, 1, 2".to_owned())
}

/// Reads out of a variable how often `-v` is meant.
///
/// # Errors
/// A sentence that says how to write it.
pub(super) fn loudness(text: &str) -> Result<u8, String> {
    match (text.parse(), switch(text)) {
        (Ok(count), _) => Ok(count),
        (Err(_), Ok(on)) => Ok(u8::from(on)),
        (Err(_), Err(_)) => Err("write how often -v is meant: 0, 1, 2, 3".to_owned()),
    }
}

/// Reads a switch out of a variable.
///
/// # Errors
/// A sentence that says how to write it.
pub(super) fn switch(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "0" | "false" | "no" | "off" => Ok(false),
        "1" | "true" | "yes" | "on" => Ok(true),
        _ => Err("write true or false".to_owned()),
    }
}

/// Reads a name that only has to be there.
///
/// # Errors
/// When it is not: scripts write `-n "$GROUP"` with a variable that is not set.
pub(super) fn name(text: &str) -> Result<String, String> {
    match text.trim() {
        "" => Err("it is empty".to_owned()),
        name if name.contains(char::is_control) => Err("a name is one line of text".to_owned()),
        name => Ok(name.to_owned()),
    }
}

/// Reads the name of an EKS cluster.
///
/// # Errors
/// A sentence that says how to write it.
pub(super) fn cluster(text: &str) -> Result<String, String> {
    eks_name(text, 100)
}

/// Reads the name of a managed node group.
///
/// # Errors
/// A sentence that says how to write it.
pub(super) fn nodegroup(text: &str) -> Result<String, String> {
    eks_name(text, 63)
}

/// EKS takes letters, digits, `-` and `_`, and a letter or digit first; all else is better said than asked for.
fn eks_name(text: &str, longest: usize) -> Result<String, String> {
    let name = name(text)?;
    if name.starts_with("arn:") {
        return Err("that is an ARN; write the name alone, as the AWS console shows it".to_owned());
    }
    if name.len() > longest {
        return Err(format!("no such name in EKS is longer than {longest} letters"));
    }
    let known = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.chars().all(known) {
        Ok(name)
    } else {
        Err("a name in EKS has letters, digits, - and _ only, and begins with a letter or digit".to_owned())
    }
}

/// Reads the name of a namespace.
///
/// # Errors
/// A sentence that says how to write it.
pub(super) fn namespace(text: &str) -> Result<String, String> {
    let name = name(text)?;
    let known = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let edge = |c: char| c != '-';
    if name.len() <= 63 && name.chars().all(known) && name.starts_with(edge) && name.ends_with(edge) {
        Ok(name)
    } else {
        Err("a namespace has at most 63 lowercase letters, digits and -, as in kube-system".to_owned())
    }
}

/// Reads an AWS region by its form: which ones there are is AWS's to know.
///
/// # Errors
/// A sentence that says how to write it; a zone is answered with its region.
pub(super) fn region(text: &str) -> Result<String, String> {
    let name = name(text)?;
    if is_region(&name) {
        return Ok(name);
    }
    match name.trim_end_matches(|c: char| c.is_ascii_lowercase()) {
        region if is_region(region) => Err(format!("that is a zone; its region is {region}")),
        _ => Err("an AWS region is written like eu-west-1 or us-gov-east-1".to_owned()),
    }
}

/// Two words or more and a number: `eu-west-1`, `us-gov-east-1`, `eusc-de-east-1`.
fn is_region(name: &str) -> bool {
    let parts: Vec<_> = name.split('-').collect();
    let Some((number, words)) = parts.split_last() else { return false };
    let word = |word: &&str| !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase());
    words.len() >= 2 && words.iter().all(word) && !number.is_empty() && number.chars().all(|c| c.is_ascii_digit())
}

/// Slower than this nobody sees anything happen. Faster, the milliseconds in which mngup itself thinks become minutes of
/// the world, and its timeouts run out: at 20,000 no upgrade of the shop gets through any more.
const SPEEDS: RangeInclusive<f64> = 0.01..=5_000.0;

/// Reads how much faster than the clock the sandbox runs: `60`, `60x`.
///
/// # Errors
/// A sentence that says how to write it.
pub(super) fn speed(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix('x').unwrap_or(text);
    match number.parse::<f64>() {
        Ok(factor) if SPEEDS.contains(&factor) => Ok(factor),
        Ok(_) => Err(format!("a factor between {} and {}", SPEEDS.start(), SPEEDS.end())),
        Err(_) => Err("write it as a factor: 60, or 0.5 to slow it down".to_owned()),
    }
}

/// Whether a simulated cluster is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sandbox {
    /// No: a real one.
    Off,
    /// Yes, with this world.
    On(World),
}

/// The world of a sandbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum World {
    /// The one that mngup carries with it.
    Embedded,
    /// One from a file.
    File(PathBuf),
}

/// Reads `--sandbox` and its variable: a switch, or the file of a world. What a switch would read is never a file, or
/// `MNGUP_SANDBOX=false` would be a sandbox.
///
/// # Errors
/// When it is empty.
pub(super) fn sandbox(text: &str) -> Result<Sandbox, String> {
    match (text, switch(text)) {
        ("", _) => Err("it is empty; leave the value out for the world that mngup brings".to_owned()),
        (_, Ok(true)) => Ok(Sandbox::On(World::Embedded)),
        (_, Ok(false)) => Ok(Sandbox::Off),
        (path, Err(_)) => Ok(Sandbox::On(World::File(path.into()))),
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
        assert!(grace("-1").unwrap_err().contains("leave the flag out"));
        assert!(grace("99999999999").unwrap_err().contains("longer than a year"));
        assert!(seconds_or_span("99999999999999999999").unwrap_err().contains("longer than a year"));
    }

    #[test]
    fn a_speed_is_a_factor() {
        assert_eq!(speed("60"), Ok(60.0));
        assert_eq!(speed("2.5x"), Ok(2.5));
        for wrong in ["0", "-1", "inf", "NaN", "1e300", "1e-300"] {
            assert_eq!(speed(wrong).unwrap_err(), "a factor between 0.01 and 5000", "{wrong}");
        }
        for wrong in ["fast", "", "60 x"] {
            assert!(speed(wrong).unwrap_err().contains("60, or 0.5"), "{wrong}");
        }
    }

    #[test]
    fn a_region_has_a_form_and_a_zone_is_none() {
        for right in ["eu-west-1", "us-gov-east-1", "eusc-de-east-1", "ap-southeast-5", "cn-northwest-1"] {
            assert_eq!(region(right), Ok(right.to_owned()));
        }
        assert_eq!(region("eu-west-1a").unwrap_err(), "that is a zone; its region is eu-west-1");
        for wrong in ["euwest1", "eu-west", "EU-WEST-1", "eu-west-", "eu--1", "west-1", "Europa (Irland)", "eu-wést-1"]
        {
            assert_eq!(region(wrong).unwrap_err(), "an AWS region is written like eu-west-1 or us-gov-east-1");
        }
    }

    #[test]
    fn names_are_what_eks_and_kubernetes_take() {
        assert_eq!(cluster(" prod "), Ok("prod".to_owned()));
        assert_eq!(name("my workers"), Ok("my workers".to_owned()));
        assert!(name("a\nb").is_err() && name(" ").is_err());
        assert!(cluster("arn:aws:eks:eu-west-1:111122223333:cluster/prod").unwrap_err().contains("ARN"));
        for wrong in ["-prod", "prod/apps", "prüd", "a b"] {
            assert!(cluster(wrong).is_err() && nodegroup(wrong).is_err() && namespace(wrong).is_err(), "{wrong}");
        }
        assert!(nodegroup(&"a".repeat(64)).is_err() && cluster(&"a".repeat(64)).is_ok());
        assert!(namespace("Kube-System").is_err() && namespace("kube-system").is_ok());
    }

    #[test]
    fn what_a_switch_would_read_is_never_a_world() {
        for off in ["false", "0", "off", "No"] {
            assert_eq!(sandbox(off), Ok(Sandbox::Off), "{off}");
        }
        for on in ["true", "1", "on", "YES"] {
            assert_eq!(sandbox(on), Ok(Sandbox::On(World::Embedded)), "{on}");
        }
        assert_eq!(sandbox("shop.yaml"), Ok(Sandbox::On(World::File("shop.yaml".into()))));
        assert!(sandbox("").is_err());
    }
}
