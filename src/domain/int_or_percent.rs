//! `3` or `25%`: how users, budgets and EKS write a count.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A count or a share of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum IntOrPercent {
    /// So many.
    Int(u32),
    /// So many of a hundred, 0 to 100.
    Percent(u32),
}

/// What becomes of the fraction when a percentage is turned into a count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rounding {
    /// Towards zero, as maxUnavailable of a rollout.
    Down,
    /// Away from zero, as both sides of a `PodDisruptionBudget` and a surge.
    Up,
}

impl IntOrPercent {
    /// The count this makes of `total`.
    #[must_use]
    pub fn of(self, total: u32, rounding: Rounding) -> u32 {
        match self {
            Self::Int(count) => count,
            Self::Percent(percent) => {
                let product = u64::from(percent) * u64::from(total);
                let share = match rounding {
                    Rounding::Down => product / 100,
                    Rounding::Up => product.div_ceil(100),
                };
                u32::try_from(share).unwrap_or(u32::MAX)
            }
        }
    }
}

impl fmt::Display for IntOrPercent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(count) => write!(f, "{count}"),
            Self::Percent(percent) => write!(f, "{percent}%"),
        }
    }
}

impl FromStr for IntOrPercent {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("\"{text}\" is neither a count (2) nor a percentage (25%)");
        match text.strip_suffix('%') {
            Some(digits) => match digits.parse::<u32>().map_err(|_| wrong())? {
                percent @ 0..=100 => Ok(Self::Percent(percent)),
                _ => Err(format!("\"{text}\" is more than everything: a percentage is 0% to 100%")),
            },
            None => text.parse().map(Self::Int).map_err(|_| wrong()),
        }
    }
}

impl Serialize for IntOrPercent {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Int(count) => serializer.serialize_u32(*count),
            Self::Percent(_) => serializer.collect_str(self),
        }
    }
}

impl<'de> Deserialize<'de> for IntOrPercent {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Raw {
            Int(u32),
            Text(String),
        }
        match Raw::deserialize(deserializer)? {
            Raw::Int(count) => Ok(Self::Int(count)),
            Raw::Text(text) => text.parse().map_err(serde::de::Error::custom),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentage_rounds_the_way_it_is_told() {
        let third = IntOrPercent::Percent(33);
        assert_eq!(third.of(10, Rounding::Down), 3);
        assert_eq!(third.of(10, Rounding::Up), 4);
        assert_eq!(IntOrPercent::Percent(100).of(7, Rounding::Down), 7);
        assert_eq!(IntOrPercent::Percent(10).of(3, Rounding::Down), 0);
        assert_eq!(IntOrPercent::Int(5).of(3, Rounding::Down), 5);
    }

    #[test]
    fn what_is_neither_count_nor_percentage_is_refused_with_what_was_written() {
        assert_eq!("25%".parse(), Ok(IntOrPercent::Percent(25)));
        assert_eq!("4".parse(), Ok(IntOrPercent::Int(4)));
        let error = "101%".parse::<IntOrPercent>().unwrap_err();
        assert_eq!(error, "\"101%\" is more than everything: a percentage is 0% to 100%");
        let error = "-1".parse::<IntOrPercent>().unwrap_err();
        assert_eq!(error, "\"-1\" is neither a count (2) nor a percentage (25%)");
    }
}
