//! Amounts as Kubernetes writes them, reckoned without losing their unit: `512Mi`, `500m`, `4`.

/// The units and what each is in thousandths.
const UNITS: [(&str, i128); 10] = [
    ("m", 1),
    ("", 1000),
    ("k", 1_000_000),
    ("M", 1_000_000_000),
    ("G", 1_000_000_000_000),
    ("T", 1_000_000_000_000_000),
    ("Ki", 1000 << 10),
    ("Mi", 1000 << 20),
    ("Gi", 1000 << 30),
    ("Ti", 1000 << 40),
];

/// So many times as much.
pub(super) fn times(amount: &str, factor: u32) -> Option<String> {
    let (value, unit) = read(amount)?;
    Some(write(value * i128::from(factor), unit))
}

/// The sum, in the unit of the first where that can say it.
pub(super) fn plus(amount: &str, more: &str, factor: u32) -> Option<String> {
    let ((value, unit), (more, _)) = (read(amount)?, read(more)?);
    Some(write(value + more * i128::from(factor), unit))
}

/// Whether it is no more than the other.
pub(super) fn is_at_most(amount: &str, most: &str) -> bool {
    read(amount).zip(read(most)).is_some_and(|((amount, _), (most, _))| amount <= most)
}

/// It in thousandths, and its unit.
fn read(amount: &str) -> Option<(i128, (&'static str, i128))> {
    let end = amount.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(amount.len());
    let (number, unit) = amount.split_at(end);
    let unit = UNITS.into_iter().find(|(name, _)| *name == unit)?;
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let digits = i128::from(10_u32.checked_pow(u32::try_from(part.len()).ok()?)?);
    let part: i128 = if part.is_empty() { 0 } else { part.parse().ok()? };
    let whole: i128 = whole.parse().ok()?;
    Some((whole * unit.1 + part * unit.1 / digits, unit))
}

fn write(value: i128, (name, size): (&str, i128)) -> String {
    if value % size == 0 {
        return format!("{}{name}", value / size);
    }
    // Smaller units say what is not whole in this one.
    let finer = UNITS.iter().rev().find(|(_, finer)| *finer < size && value % finer == 0);
    finer.map_or_else(|| format!("{value}m"), |(name, finer)| format!("{}{name}", value / finer))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_keep_their_unit_where_it_can_say_them() {
        assert_eq!(times("512Mi", 2).as_deref(), Some("1024Mi"));
        assert_eq!(times("1.5Gi", 2).as_deref(), Some("3Gi"));
        assert_eq!(times("1.25Gi", 2).as_deref(), Some("2560Mi"));
        assert_eq!(plus("4", "1", 3).as_deref(), Some("7"));
        assert_eq!(plus("1", "500m", 1).as_deref(), Some("1500m"));
        assert_eq!(plus("2Gi", "256Mi", 2).as_deref(), Some("2560Mi"));
        assert_eq!(times("lots", 2), None);
    }
}
