//! Time as the core sees it: moments that are handed in, spans between them, and how they are written.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// How long after `since` it is at `now`; zero when the clock went back.
#[must_use]
pub fn elapsed(since: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(since)).unwrap_or(Duration::ZERO)
}

/// The moment `span` after `start`; the end of time where that cannot be written.
#[must_use]
pub fn later(start: Timestamp, span: Duration) -> Timestamp {
    SignedDuration::try_from(span).ok().and_then(|span| start.checked_add(span).ok()).unwrap_or(Timestamp::MAX)
}

/// A span as people say it: `41s`, `3m12s`, `15m`, `2h05m`.
#[must_use]
pub fn short(span: Duration) -> String {
    let seconds = span.as_secs();
    let (hours, minutes, rest) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match (hours, minutes, rest) {
        (0, 0, rest) => format!("{rest}s"),
        (0, minutes, 0) => format!("{minutes}m"),
        (0, minutes, rest) => format!("{minutes}m{rest:02}s"),
        (hours, 0, _) => format!("{hours}h"),
        (hours, minutes, _) => format!("{hours}h{minutes:02}m"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_read_as_people_say_them() {
        let said: Vec<_> = [0, 41, 60, 192, 900, 3600, 7500].map(|s| short(Duration::from_secs(s))).into();
        assert_eq!(said, ["0s", "41s", "1m", "3m12s", "15m", "1h", "2h05m"]);
    }

    #[test]
    fn a_clock_that_goes_back_makes_no_negative_spans() {
        let now = Timestamp::UNIX_EPOCH;
        assert_eq!(elapsed(later(now, Duration::from_secs(5)), now), Duration::ZERO);
        assert_eq!(later(Timestamp::MAX, Duration::from_secs(5)), Timestamp::MAX);
    }
}
