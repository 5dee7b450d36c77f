//! Amounts as Kubernetes writes them (apimachinery `pkg/api/resource`): `500m`, `1.5Gi`, `1e3`.

use std::{cmp::Ordering, fmt};

use super::Rounding;

/// An amount, and the unit in which it was written.
#[derive(Clone, Copy, Debug)]
pub struct Quantity {
    /// In billionths: Kubernetes knows nothing smaller.
    billionths: i128,
    unit: Unit,
}

/// A suffix, and how many billionths it stands for.
#[derive(Clone, Copy, Debug)]
struct Unit {
    suffix: &'static str,
    billionths: i128,
}

const ONE: i128 = 1_000_000_000;

/// The smallest first of either kind.
const UNITS: [Unit; 16] = [
    unit("n", 1),
    unit("u", 1_000),
    unit("m", ONE / 1000),
    PLAIN,
    unit("k", ONE * 1_000),
    unit("M", ONE * 1_000_000),
    unit("G", ONE * 1_000_000_000),
    unit("T", ONE * 1_000_000_000_000),
    unit("P", ONE * 1_000_000_000_000_000),
    unit("E", ONE * 1_000_000_000_000_000_000),
    unit("Ki", ONE << 10),
    unit("Mi", ONE << 20),
    unit("Gi", ONE << 30),
    unit("Ti", ONE << 40),
    unit("Pi", ONE << 50),
    unit("Ei", ONE << 60),
];

const PLAIN: Unit = unit("", ONE);

const fn unit(suffix: &'static str, billionths: i128) -> Unit {
    Unit { suffix, billionths }
}

impl Quantity {
    /// What this text says; none for what is no quantity, or has more digits than anything has.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let end = text.find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | '+' | '-'))).unwrap_or(text.len());
        let (number, suffix) = text.split_at(end);
        let (sign, digits) = match number.strip_prefix('-') {
            Some(rest) => (-1, rest),
            None => (1, number.strip_prefix('+').unwrap_or(number)),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        if whole.len() + fraction.len() == 0 || whole.len() + fraction.len() > 18 {
            return None;
        }
        let mantissa: i128 = format!("{whole}{fraction}").parse().ok()?;
        let (unit, power) = match UNITS.into_iter().find(|unit| unit.suffix == suffix) {
            Some(unit) => (unit, 0),
            None => (PLAIN, suffix.strip_prefix(['e', 'E'])?.parse::<i32>().ok()?),
        };
        let power = power.checked_sub(i32::try_from(fraction.len()).ok()?)?;
        let by = 10_i128.checked_pow(power.unsigned_abs())?;
        let billionths = mantissa.checked_mul(unit.billionths)?;
        // What is smaller than a billionth counts as one.
        let billionths = if power < 0 { divided(billionths, by, Rounding::Up) } else { billionths.checked_mul(by)? };
        Some(Self { billionths: sign * billionths, unit })
    }

    /// It in whole units; none where that is more than anybody counts.
    #[must_use]
    pub fn whole(self, rounding: Rounding) -> Option<i64> {
        i64::try_from(divided(self.billionths, ONE, rounding)).ok()
    }

    /// It in thousandths of a unit; none where that is more than anybody counts.
    #[must_use]
    pub fn thousandths(self, rounding: Rounding) -> Option<i64> {
        i64::try_from(divided(self.billionths, ONE / 1000, rounding)).ok()
    }

    /// It as the scheduler counts this resource: `cpu` in thousandths, everything else in whole units.
    #[must_use]
    pub fn of(self, resource: &str, rounding: Rounding) -> Option<i64> {
        if resource == "cpu" { self.thousandths(rounding) } else { self.whole(rounding) }
    }

    /// So many times as much, in its unit.
    #[must_use]
    pub fn times(self, factor: u32) -> Self {
        Self { billionths: self.billionths.saturating_mul(factor.into()), ..self }
    }

    /// Both together, in the unit of the first.
    #[must_use]
    pub fn plus(self, more: Self) -> Self {
        Self { billionths: self.billionths.saturating_add(more.billionths), ..self }
    }
}

fn divided(amount: i128, by: i128, rounding: Rounding) -> i128 {
    match rounding {
        Rounding::Down => amount.div_euclid(by),
        Rounding::Up => -(-amount).div_euclid(by),
    }
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        self.billionths == other.billionths
    }
}

impl Eq for Quantity {}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// `1Gi` and `1024Mi` are the same.
impl Ord for Quantity {
    fn cmp(&self, other: &Self) -> Ordering {
        self.billionths.cmp(&other.billionths)
    }
}

/// In its own unit where that can say it whole, else in a smaller one.
impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fits = |unit: &Unit| self.billionths % unit.billionths == 0;
        let finer = || UNITS.into_iter().rev().find(|unit| unit.billionths < self.unit.billionths && fits(unit));
        let Unit { suffix, billionths } = Some(self.unit).filter(fits).or_else(finer).unwrap_or(UNITS[0]);
        write!(f, "{}{suffix}", self.billionths / billionths)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Quantity {
        Quantity::parse(text).unwrap()
    }

    #[test]
    fn quantities_are_read_as_kubernetes_writes_them() {
        for (text, expected) in [
            ("4", 4_000),
            ("3920m", 3_920),
            ("0.5", 500),
            ("1.5Gi", 1_610_612_736_000),
            ("16Gi", 17_179_869_184_000),
            ("7134420Ki", 7_305_646_080_000),
            ("18242267924", 18_242_267_924_000),
            ("1e3", 1_000_000),
            ("129e6", 129_000_000_000),
            ("12E-1", 1_200),
            ("100n", 0),
            ("0", 0),
            ("-1", -1_000),
        ] {
            assert_eq!(read(text).thousandths(Rounding::Down), Some(expected), "{text}");
        }
        for text in ["", "Gi", "four", "1Xi", "1e400"] {
            assert_eq!(Quantity::parse(text), None, "{text}");
        }
        assert_eq!(read("9Ei").thousandths(Rounding::Down), None);
    }

    #[test]
    fn whoever_asks_for_a_part_is_given_the_whole() {
        let up = |text: &str, resource: &str| read(text).of(resource, Rounding::Up);
        let cpu = [("2", 2000), ("0.1", 100), ("100m", 100), ("1500m", 1500), ("1n", 1)];
        for (text, thousandths) in cpu {
            assert_eq!(up(text, "cpu"), Some(thousandths), "{text}");
        }
        let memory = [("128974848", 128_974_848), ("129M", 129_000_000), ("123Mi", 123 << 20), ("0.5", 1)];
        for (text, bytes) in memory {
            assert_eq!(up(text, "memory"), Some(bytes), "{text}");
        }
        assert_eq!(read("0.5").of("memory", Rounding::Down), Some(0));
    }

    #[test]
    fn amounts_keep_their_unit_where_it_can_say_them() {
        let twice = |text: &str| read(text).times(2).to_string();
        assert_eq!([twice("512Mi"), twice("1.5Gi"), twice("1.25Gi")], ["1024Mi", "3Gi", "2560Mi"]);
        let sum = |one: &str, more: &str| read(one).plus(read(more)).to_string();
        assert_eq!([sum("4", "3"), sum("1", "500m"), sum("2Gi", "512Mi")], ["7", "1500m", "2560Mi"]);
        assert!(read("1Gi") == read("1024Mi") && read("1.5G") < read("1.5Gi"));
    }
}
